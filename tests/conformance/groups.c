/*
 * Groups: who owns which partition, and what happens when that changes.
 */
#include "harness.h"

#define PARTITIONS 4
#define EACH       20 /* records of a partition, */
#define LATER      5  /* and more of them once it changes hands */

static char topic[NAME_MAX_BYTES], group[NAME_MAX_BYTES];

static struct instance *send_each(void)
{
	new_topic(topic, PARTITIONS);
	new_name(group, "group");
	struct instance *sender = open_sender();
	for (int32_t partition = 0; partition < PARTITIONS; partition++)
		send_numbers(sender, topic, partition, 0, EACH);
	AWAIT(sender->persisted == sender->sent);
	return sender;
}

static int is_revoked(struct instance *instance, evpipe_assignment assignment)
{
	const struct owned *owned = &instance->owned[assignment.slot];
	return owned->state == OURS_REVOKED && owned->assignment.epoch == assignment.epoch;
}

static void relinquish_all(struct instance *instance)
{
	for (size_t i = 0; i < OWNED_MAX; i++) {
		struct owned *owned = &instance->owned[i];
		if (owned->state != OURS_REVOKED)
			continue;
		owned->state = NOT_OURS;
		ops->relinquish(instance->self, owned->assignment);
	}
	instance->keeps_revoked = 0;
}

static int is_shared(struct instance *first, struct instance *second)
{
	return second->ours > 0 && first->ours > 0 && first->ours + second->ours == PARTITIONS;
}

/*
 * The second one gets nothing of what the first one has not relinquished; what the first settled, before or after the
 * partition was revoked, does not come to the second one, and all else does.
 */
static void test_groups__a_partition_changes_hands_after_it_was_relinquished(void **state)
{
	(void)state;
	struct instance *sender = send_each();
	struct instance *first = open_receiver(group, topic);
	first->keeps_revoked = 1;
	AWAIT(first->records == PARTITIONS * EACH);
	assert_int_equal(first->ours, PARTITIONS);
	for (size_t i = 0; i < first->taken_count; i++)
		if (number_of(&first->taken[i]) % 2 == 0)
			assert_int_equal(settle(first, &first->taken[i]), EVPIPE_OK);

	struct instance *second = open_receiver(group, topic);
	AWAIT(first->revoked > 0);
	for (int32_t partition = 0; partition < PARTITIONS; partition++)
		send_numbers(sender, topic, partition, EACH, LATER);
	pass(500);
	for (size_t i = 0; i < OWNED_MAX; i++)
		if (first->owned[i].state == OURS_REVOKED)
			assert_null(find_owned(second, topic, first->owned[i].partition));
	struct taken last = {.assignment = {.slot = 0}};
	for (size_t i = 0; i < PARTITIONS * EACH; i++) {
		struct taken *taken = &first->taken[i];
		if (!is_revoked(first, taken->assignment) || number_of(taken) % 4 != 1)
			continue;
		assert_int_equal(settle(first, taken), EVPIPE_OK);
		last = *taken;
	}
	relinquish_all(first);
	assert_int_equal(settle(first, &last), EVPIPE_ESTALE);

	AWAIT(is_shared(first, second));
	AWAIT(second->records >= second->ours * (EACH / 4 + LATER));
	pass(300);
	int refused = target->quirks & CONFORMANCE_REFUSES_COMMITS_MEANWHILE && first->commit_err;
	/* Of all it has had: balancing may have given it one for a moment. */
	unsigned had = 0;
	for (size_t i = 0; i < second->taken_count; i++) {
		unsigned number = number_of(&second->taken[i]);
		assert_true(number >= EACH || number % 4 == 3 || refused);
		had |= 1u << second->taken[i].record.partition;
	}
	if (!refused)
		assert_int_equal(second->records, (size_t)__builtin_popcount(had) * (EACH / 4 + LATER));
	for (size_t i = 0; i < second->taken_count; i++)
		if (find_owned(second, topic, second->taken[i].record.partition))
			assert_int_equal(settle(second, &second->taken[i]), EVPIPE_OK);

	/* One that leaves makes room at once. */
	close_instance(second, 5000);
	AWAIT(first->ours == PARTITIONS);
}

static void test_groups__one_that_is_thrown_out_loses_all_and_joins_again(void **state)
{
	unsigned again = 0;

	(void)state;
	if (!target->expel)
		skip_since("members cannot be thrown out here");
	send_each();
	struct instance *receiver = open_receiver(group, topic);
	AWAIT(receiver->records == PARTITIONS * EACH);
	expel(group);
	AWAIT(receiver->lost == PARTITIONS);
	assert_int_equal(receiver->revoked, 0);
	for (size_t i = 0; i < PARTITIONS * EACH; i++)
		assert_int_equal(settle(receiver, &receiver->taken[i]), EVPIPE_ESTALE);
	AWAIT(receiver->ours == PARTITIONS);
	AWAIT(receiver->records == 2 * PARTITIONS * EACH);
	pass(100);
	for (size_t i = PARTITIONS * EACH; i < receiver->taken_count; i++)
		again += settle(receiver, &receiver->taken[i]) == EVPIPE_OK;
	assert_int_equal(again, PARTITIONS * EACH);
}

static void test_groups__several_of_one_instance_and_several_on_one_topic(void **state)
{
	char delayed_topic[NAME_MAX_BYTES], delayed_group[NAME_MAX_BYTES], other_group[NAME_MAX_BYTES];

	(void)state;
	struct instance *sender = send_each();
	new_topic(delayed_topic, 2);
	new_name(delayed_group, "group");
	new_name(other_group, "group");
	send_numbers(sender, delayed_topic, 0, 0, EACH);
	send_numbers(sender, delayed_topic, 1, 0, EACH);
	AWAIT(sender->persisted == sender->sent);

	const char         *name = delayed_topic;
	struct instance    *both = open_receiver(group, topic);
	evpipe_subscription delayed = {
		.size = sizeof delayed, .group = delayed_group, .topics = &name, .topics_count = 1, .delayed = 1};
	assert_int_equal(ops->subscribe(both->self, &delayed), EVPIPE_OK);
	struct instance *other = open_receiver(other_group, topic);

	AWAIT(both->ours == PARTITIONS + 2 && other->ours == PARTITIONS);
	AWAIT(both->records == (PARTITIONS + 2) * EACH && other->records == PARTITIONS * EACH);
	for (size_t i = 0; i < both->taken_count; i++)
		assert_int_equal(settle(both, &both->taken[i]), EVPIPE_OK);

	/* As a tier does: held, and released one by one. */
	struct owned *owned = find_owned(both, delayed_topic, 0);
	ops->hold(both->self, owned->assignment);
	owned->is_held = 1;
	send_numbers(sender, delayed_topic, 0, 0, 3);
	pass(300);
	for (unsigned i = 1; i <= 3; i++) {
		owned->is_held = 0;
		ops->release(both->self, owned->assignment);
		both->records_max = both->records + 1;
		AWAIT(both->records == both->records_max);
		ops->hold(both->self, owned->assignment);
		owned->is_held = 1;
		both->records_max = 0;
		pass(20);
	}
	close_instance(both, 5000);
	assert_int_equal(both->commits_failed, 0);
}

static void test_groups__several_topics_of_one_subscription(void **state)
{
	char        second[NAME_MAX_BYTES];
	const char *names[2] = {topic, second};

	(void)state;
	struct instance *sender = send_each();
	new_topic(second, 1);
	send_numbers(sender, second, 0, 0, EACH);
	AWAIT(sender->persisted == sender->sent);
	struct instance    *receiver = open_instance(EVPIPE_ROLE_RECEIVE, 16 * MIB);
	evpipe_subscription subscription = {
		.size = sizeof subscription, .group = group, .topics = names, .topics_count = 2};
	assert_int_equal(ops->subscribe(receiver->self, &subscription), EVPIPE_OK);
	/* It was copied. */
	names[0] = names[1] = NULL;
	AWAIT(receiver->ours == PARTITIONS + 1 && receiver->records == (PARTITIONS + 1) * EACH);
	assert_int_equal(find_owned(receiver, second, 0)->records, EACH);
}

int conformance_groups(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_groups__a_partition_changes_hands_after_it_was_relinquished),
		CASE(test_groups__one_that_is_thrown_out_loses_all_and_joins_again),
		CASE(test_groups__several_of_one_instance_and_several_on_one_topic),
		CASE(test_groups__several_topics_of_one_subscription),
	};
	return cmocka_run_group_tests_name("groups", tests, NULL, NULL);
}
