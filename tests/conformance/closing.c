/*
 * Closing: everything is accounted for, and what is reported is true. Harness: close_instance checks that each send is
 * reported once, that no record comes any more, and ECLOSED for ever.
 */
#include "harness.h"

static void test_closing__waits_for_what_is_outstanding(void **state)
{
	char topic[NAME_MAX_BYTES];

	(void)state;
	new_topic(topic, 2);
	struct instance *sender = open_sender();
	send_numbers(sender, topic, EVPIPE_PARTITION_ANY, 0, 500);
	close_instance(sender, 20000);
	assert_int_equal(sender->persisted, 500);
}

static void check_reports(const struct instance *sender, unsigned first, const unsigned seen[])
{
	for (uint64_t i = 0; i < sender->sent; i++) {
		const struct sending *sending = &sender->sendings[i];
		if (sending->outcome == EVPIPE_PERSISTED)
			assert_int_equal(seen[first + i], 1);
		if (sending->outcome == EVPIPE_NOT)
			assert_int_equal(seen[first + i], 0);
	}
}

static void test_closing__without_time_reports_what_is_true(void **state)
{
	static unsigned seen[1200];
	char            topic[NAME_MAX_BYTES], group[NAME_MAX_BYTES];

	(void)state;
	new_topic(topic, 1);
	new_name(group, "group");
	struct instance *receiver = open_receiver(group, topic);
	AWAIT(receiver->ours == 1);
	struct instance *hasty = open_sender(), *settled = open_sender();
	send_numbers(hasty, topic, 0, 0, 1000);
	close_instance(hasty, 0);
	send_numbers(settled, topic, 0, 1000, 200);
	AWAIT(settled->persisted == 200);
	pass(500);
	for (size_t i = 0; i < receiver->taken_count; i++)
		seen[number_of(&receiver->taken[i])]++;
	check_reports(hasty, 0, seen);
	check_reports(settled, 1000, seen);
}

static void test_closing__while_the_broker_is_away_ends_in_time(void **state)
{
	char topic[NAME_MAX_BYTES];

	(void)state;
	new_topic(topic, 1);
	struct instance *sender = open_sender();
	send_number(sender, topic, 0, NULL, 0);
	AWAIT(sender->persisted == 1);
	set_away(1);
	send_numbers(sender, topic, 0, 1, 10);
	pass(100);
	int64_t since_ms = now_ms();
	close_instance(sender, 300);
	set_away(0);
	assert_int_equal(sender->persisted, 1);
	assert_true(now_ms() - since_ms < 20000);
}

static void test_closing__a_broker_that_comes_back_takes_what_waited(void **state)
{
	char              topic[NAME_MAX_BYTES];
	evpipe_topic_spec spec = {.size = sizeof spec, .name = topic, .partitions = 1};

	(void)state;
	new_topic(topic, 1);
	set_away(1);
	struct instance *sender = open_sender();
	assert_int_equal(ops->ensure_topic(sender->self, &spec), EVPIPE_OK);
	AWAIT(sender->notices > 0);
	assert_int_equal(sender->first_notice, EVPIPE_EUNAVAILABLE);
	assert_int_equal(sender->topics, 0);
	send_numbers(sender, topic, 0, 0, 10);
	pass(100);
	assert_int_equal(sender->persisted, 0);
	set_away(0);
	AWAIT(sender->topics == 1 && sender->persisted == 10);
	assert_int_equal(sender->topic_err, EVPIPE_OK);
}

static void test_closing__nothing_that_was_done_is_needed(void **state)
{
	static const unsigned roles[] = {EVPIPE_ROLE_SEND, EVPIPE_ROLE_RECEIVE, EVPIPE_ROLE_SEND | EVPIPE_ROLE_RECEIVE};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(roles); i++) {
		close_instance(open_instance(roles[i], 16 * MIB), 0);
		free_instance(open_instance(roles[i], 16 * MIB));
	}
}

static void test_closing__free_without_close_waits_for_nothing(void **state)
{
	char topic[NAME_MAX_BYTES], group[NAME_MAX_BYTES];

	(void)state;
	new_topic(topic, 1);
	new_name(group, "group");
	struct instance *both = open_instance(EVPIPE_ROLE_SEND | EVPIPE_ROLE_RECEIVE, 16 * MIB);
	subscribe(both, group, topic);
	send_numbers(both, topic, 0, 0, 10);
	AWAIT(both->records == 10);
	send_numbers(both, topic, 0, 0, 1000);
	/* The last record that was handed out is borrowed yet. */
	both->records_max = both->records + 1;
	AWAIT(both->records == both->records_max);
	int64_t since_ms = now_ms();
	free_instance(both);
	assert_true(now_ms() - since_ms < 20000);
}

int conformance_closing(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_closing__waits_for_what_is_outstanding),
		CASE(test_closing__without_time_reports_what_is_true),
		CASE(test_closing__while_the_broker_is_away_ends_in_time),
		CASE(test_closing__a_broker_that_comes_back_takes_what_waited),
		CASE(test_closing__nothing_that_was_done_is_needed),
		CASE(test_closing__free_without_close_waits_for_nothing),
	};
	return cmocka_run_group_tests_name("closing", tests, NULL, NULL);
}
