/*
 * Settling: what was settled does not come again, to nobody, and what was not does.
 */
#include "harness.h"

#define RECORDS 60

static char topic[NAME_MAX_BYTES], group[NAME_MAX_BYTES];

static int is_to_settle(unsigned number)
{
	return number % 3 != 0;
}

static struct instance *take_some(int32_t partitions)
{
	new_topic(topic, partitions);
	new_name(group, "group");
	struct instance *sender = open_sender();
	for (int32_t partition = 0; partition < partitions; partition++)
		send_numbers(sender, topic, partition, 0, RECORDS);
	AWAIT(sender->persisted == sender->sent);
	free_instance(sender);
	struct instance *receiver = open_receiver(group, topic);
	AWAIT(receiver->records == (uint64_t)partitions * RECORDS);
	return receiver;
}

/* Two of three, from the last to the first, so that the frontier is last to move. */
static void settle_some(struct instance *receiver)
{
	for (size_t i = receiver->taken_count; i-- > 0;)
		if (is_to_settle(number_of(&receiver->taken[i])))
			assert_int_equal(settle(receiver, &receiver->taken[i]), EVPIPE_OK);
}

static void check_rest(int32_t partitions)
{
	struct instance *next = open_receiver(group, topic);
	AWAIT(next->records == (uint64_t)partitions * RECORDS / 3);
	pass(300);
	assert_int_equal(next->records, (uint64_t)partitions * RECORDS / 3);
	for (size_t i = 0; i < next->taken_count; i++)
		assert_false(is_to_settle(number_of(&next->taken[i])));
}

/* A stale one is ignored: had it been taken, its record would not come again. */
static void settle_stale(struct instance *receiver)
{
	struct taken taken = receiver->taken[0];
	assert_false(is_to_settle(number_of(&taken)));
	taken.assignment.epoch += 1000;
	assert_int_equal(settle(receiver, &taken), EVPIPE_ESTALE);
	taken.assignment.slot = EVPIPE_SLOTS_MAX - 1;
	assert_int_equal(settle(receiver, &taken), EVPIPE_ESTALE);
}

static void test_settling__in_any_order_and_the_next_owner_gets_the_rest(void **state)
{
	(void)state;
	struct instance *receiver = take_some(2);
	settle_some(receiver);
	settle_stale(receiver);
	/* Twice is once. */
	for (size_t i = 0; i < receiver->taken_count; i++)
		if (receiver->taken[i].is_settled)
			assert_int_equal(settle(receiver, &receiver->taken[i]), EVPIPE_OK);
	close_instance(receiver, 5000);
	assert_int_equal(receiver->commits_failed, 0);
	free_instance(receiver);
	check_rest(2);
}

static void test_settling__what_was_committed_survives_a_crash(void **state)
{
	(void)state;
	if (!has_feature(EVPIPE_FEATURE_OFFSETS))
		skip_since("no offsets are kept");
	struct instance *receiver = take_some(1);
	settle_some(receiver);
	/* Some commit intervals. */
	pass(1000);
	assert_true(receiver->commits > 0);
	assert_int_equal(receiver->commits_failed, 0);
	free_instance(receiver);
	check_rest(1);
}

int conformance_settling(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_settling__in_any_order_and_the_next_owner_gets_the_rest),
		CASE(test_settling__what_was_committed_survives_a_crash),
	};
	return cmocka_run_group_tests_name("settling", tests, NULL, NULL);
}
