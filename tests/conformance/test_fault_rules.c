/*
 * What each fault does, around the test broker; under all of them the harness checks the contract.
 */
#include <evpipe-testbroker.h>

#include "harness.h"

#define RECORDS 60

static evpipe_fault_plan  plan = EVPIPE_FAULT_PLAN_INIT;
static evpipe_testbroker *broker;
static char               topic[NAME_MAX_BYTES], group[NAME_MAX_BYTES];

/* A new topic, and nothing goes wrong with what is opened until a script is set. */
static int set_up(void **state)
{
	(void)state;
	plan.script = NULL;
	plan.seed = 0;
	new_topic(topic, 2);
	new_name(group, "group");
	return 0;
}

static struct instance *receiver_with(const char *script)
{
	plan.script = script;
	struct instance *receiver = open_receiver(group, topic);
	plan.script = NULL;
	return receiver;
}

/* Sends that many to partition 0, waits for all reports. */
static struct instance *send_with(const char *script, unsigned count)
{
	plan.script = script;
	struct instance *sender = open_sender();
	plan.script = NULL;
	send_numbers(sender, topic, 0, 0, count);
	AWAIT(sender->reported == sender->sent);
	return sender;
}

static unsigned outcomes(const struct instance *sender, unsigned first, unsigned count, evpipe_outcome outcome, evpipe_err err)
{
	unsigned fit = 0;
	for (unsigned i = first; i < first + count; i++)
		fit += sender->sendings[i].outcome == outcome && sender->sendings[i].err == err;
	return fit;
}

static void settle_all(struct instance *receiver)
{
	for (size_t i = 0; i < receiver->taken_count; i++)
		if (!receiver->taken[i].is_settled)
			settle(receiver, &receiver->taken[i]);
}

/* ---- sends ---- */

static void test_fault__lost_acknowledgements_leave_the_record_there(void **state)
{
	(void)state;
	struct instance *sender = send_with("lose-ack after=2 times=3", 10);
	assert_int_equal(outcomes(sender, 2, 3, EVPIPE_POSSIBLY, EVPIPE_EMAYBE), 3);
	assert_int_equal(sender->persisted, 7);
	assert_int_equal(evpipe_testbroker_count(broker, topic), 10);
}

static void test_fault__failed_and_lost_sends_are_not_there(void **state)
{
	(void)state;
	struct instance *sender = send_with("fail EVPIPE_EDENIED after=1 times=2; lose-send after=5", 10);
	assert_int_equal(outcomes(sender, 1, 2, EVPIPE_NOT, EVPIPE_EDENIED), 2);
	assert_int_equal(outcomes(sender, 5, 1, EVPIPE_POSSIBLY, EVPIPE_EMAYBE), 1);
	assert_int_equal(sender->persisted, 7);
	assert_int_equal(evpipe_testbroker_count(broker, topic), 7);
}

static void test_fault__of_another_topic_does_not_strike(void **state)
{
	(void)state;
	assert_int_equal(send_with("fail topic=elsewhere times=always", 10)->persisted, 10);
}

static void test_fault__a_doubled_send_is_there_twice_and_reported_once(void **state)
{
	evpipe_record first, second;

	(void)state;
	struct instance *sender = send_with("double after=3", 10);
	assert_int_equal(sender->persisted, 10);
	assert_int_equal(evpipe_testbroker_count(broker, topic), 11);
	assert_int_equal(evpipe_testbroker_read(broker, topic, 0, 3, &first), EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_read(broker, topic, 0, 4, &second), EVPIPE_OK);
	assert_memory_equal(first.value, "3", 1);
	assert_memory_equal(second.value, "3", 1);
}

static void test_fault__a_full_queue_has_room_later(void **state)
{
	evpipe_record record = {.topic = topic, .partition = 0, .value = "0", .value_len = 1};

	(void)state;
	struct instance *sender = send_with("queue-full after=1 times=3", 1);
	sender->sendings[1].is_sent = 1;
	for (int i = 0; i < 3; i++)
		assert_int_equal(ops->send(sender->self, &record, 1), EVPIPE_EAGAIN);
	assert_int_equal(ops->send(sender->self, &record, 1), EVPIPE_OK);
	sender->sent++;
	AWAIT(sender->persisted == 2);
}

/* What strikes a record is decided once, however often it comes again. */
static void test_fault__a_record_that_comes_again_counts_once(void **state)
{
	(void)state;
	evpipe_testbroker_set_queue_max(broker, 3);
	struct instance *sender = send_with("lose-ack after=20", 30);
	assert_int_equal(outcomes(sender, 20, 1, EVPIPE_POSSIBLY, EVPIPE_EMAYBE), 1);
	evpipe_testbroker_set_queue_max(broker, 10000);
}

static void test_fault__a_delayed_acknowledgement_comes_when_it_is_due_or_at_close(void **state)
{
	(void)state;
	plan.script = "delay-ack 2s after=1 times=2";
	struct instance *sender = open_sender();
	int64_t          since_ms = now_ms();
	send_numbers(sender, topic, 0, 0, 2);
	AWAIT(sender->reported == 1);
	assert_true(ops->next_due(sender->self) < INT64_MAX);
	pass(1900);
	assert_int_equal(sender->reported, 1);
	AWAIT(sender->persisted == 2);
	assert_in_range(now_ms() - since_ms, 2000, 2100);
	send_numbers(sender, topic, 0, 0, 1);
	pass(100);
	assert_int_equal(sender->reported, 2);
	close_instance(sender, 0);
	assert_int_equal(sender->persisted, 3);
}

static void test_fault__while_the_broker_is_away_nothing_comes_or_goes(void **state)
{
	evpipe_record record = {.topic = topic, .partition = 0, .value = "0", .value_len = 1};

	(void)state;
	send_with(NULL, 5);
	plan.script = "away 3s from=1s";
	struct instance *both = open_instance(EVPIPE_ROLE_SEND | EVPIPE_ROLE_RECEIVE, 1 * MIB);
	int64_t          since_ms = now_ms();
	subscribe(both, group, topic);
	AWAIT(both->records == 5);
	AWAIT(both->notices == 1);
	assert_int_equal(both->first_notice, EVPIPE_EUNAVAILABLE);
	assert_int_equal(ops->send(both->self, &record, 0), EVPIPE_EAGAIN);
	plan.script = NULL;
	send_with(NULL, 5);
	pass(500);
	assert_int_equal(both->records, 5);
	send_number(both, topic, 0, NULL, 9);
	assert_in_range(now_ms() - since_ms, 4000, 4100);
	AWAIT(both->persisted == 1 && both->records == 11);
	assert_int_equal(both->notices, 2);
}

/* ---- commits ---- */

static void test_fault__a_refused_commit_goes_with_the_next(void **state)
{
	(void)state;
	send_with(NULL, RECORDS);
	struct instance *receiver = receiver_with("refuse-commit EVPIPE_EDENIED times=2");
	AWAIT(receiver->records == RECORDS);
	settle_all(receiver);
	AWAIT(receiver->commits_failed == 2);
	assert_true(evpipe_testbroker_committed(broker, group, topic, 0, NULL) <= 0);
	AWAIT(evpipe_testbroker_committed(broker, group, topic, 0, NULL) == RECORDS);
}

static void test_fault__a_refused_last_commit_is_forgotten(void **state)
{
	(void)state;
	send_with(NULL, RECORDS);
	struct instance *receiver = receiver_with("refuse-commit times=always");
	AWAIT(receiver->records == RECORDS);
	settle_all(receiver);
	close_instance(receiver, 1000);
	assert_int_equal(receiver->commits_failed, 1);
	struct instance *next = open_receiver(group, topic);
	AWAIT(next->records == RECORDS);
}

/* ---- records and partitions ---- */

static void test_fault__a_doubled_record_comes_twice_in_a_row(void **state)
{
	(void)state;
	send_with(NULL, RECORDS);
	plan.script = "double-record after=1 times=always";
	struct instance *receiver = open_instance(EVPIPE_ROLE_RECEIVE, 1 * MIB);
	receiver->may_double = 1;
	subscribe(receiver, group, topic);
	AWAIT(receiver->records == 2 * RECORDS - 1);
	for (unsigned i = 1; i < RECORDS; i++) {
		assert_int_equal(number_of(&receiver->taken[2 * i - 1]), i);
		assert_int_equal(number_of(&receiver->taken[2 * i]), i);
	}
	settle_all(receiver);
	close_instance(receiver, 1000);
	pass(10);
	assert_int_equal(evpipe_testbroker_committed(broker, group, topic, 0, NULL), RECORDS);
}

static void test_fault__a_stalled_partition_goes_on_where_it_stopped(void **state)
{
	(void)state;
	send_numbers(send_with(NULL, RECORDS), topic, 1, 0, RECORDS);
	pass(10);
	struct instance *receiver = receiver_with("stall 2s partition=0 after=9");
	AWAIT(receiver->records == RECORDS + 10);
	int64_t since_ms = now_ms();
	pass(1000);
	/* The caller's own hold goes on, whatever ends. */
	struct owned *owned = find_owned(receiver, topic, 0);
	ops->hold(receiver->self, owned->assignment);
	owned->is_held = 1;
	pass(1500);
	assert_int_equal(receiver->records, RECORDS + 10);
	owned->is_held = 0;
	ops->release(receiver->self, owned->assignment);
	AWAIT(receiver->records == 2 * RECORDS);
	assert_in_range(now_ms() - since_ms, 2000, 3000);
}

/* Partition 0 gave 40 records, of which every other one is settled. */
static void settle_even(struct instance *receiver)
{
	AWAIT(receiver->records == 40);
	for (size_t i = 0; i < 40; i++)
		if (number_of(&receiver->taken[i]) % 2 == 0)
			assert_int_equal(settle(receiver, &receiver->taken[i]), EVPIPE_OK);
}

/* What was not settled came again, and then the rest; settled, nothing is left for others. */
static void check_again(struct instance *receiver)
{
	AWAIT(receiver->records == 40 + 20 + 20);
	pass(100);
	assert_int_equal(receiver->records, 80);
	for (size_t i = 40; i < 80; i++) {
		assert_int_equal(number_of(&receiver->taken[i]), i < 60 ? 2 * (i - 40) + 1 : i - 20);
		assert_int_equal(settle(receiver, &receiver->taken[i]), EVPIPE_OK);
	}
	close_instance(receiver, 1000);
	assert_int_equal(evpipe_testbroker_committed(broker, group, topic, 0, NULL), RECORDS);
}

static void test_fault__a_lost_partition_comes_back_with_what_was_not_settled(void **state)
{
	(void)state;
	send_with(NULL, RECORDS);
	plan.script = "lose-partition 2s partition=0 after=40";
	struct instance *receiver = open_instance(EVPIPE_ROLE_RECEIVE, 1 * MIB);
	plan.script = NULL;
	receiver->records_max = 40;
	subscribe(receiver, group, topic);
	settle_even(receiver);
	receiver->records_max = 0;
	AWAIT(receiver->lost == 1);
	int64_t since_ms = now_ms();
	assert_int_equal(settle(receiver, &receiver->taken[1]), EVPIPE_ESTALE);
	/* What comes again is borrowed, too, settled or not. */
	receiver->probes = 1;
	AWAIT(receiver->assigned == 3);
	assert_in_range(now_ms() - since_ms, 2000, 2100);
	check_again(receiver);
}

static void test_fault__a_revoked_partition_waits_until_it_is_relinquished(void **state)
{
	(void)state;
	send_with(NULL, RECORDS);
	plan.script = "revoke-partition 2s partition=0 after=40";
	struct instance *receiver = open_instance(EVPIPE_ROLE_RECEIVE, 1 * MIB);
	plan.script = NULL;
	receiver->records_max = 40;
	receiver->keeps_revoked = 1;
	subscribe(receiver, group, topic);
	AWAIT(receiver->records == 40);
	receiver->records_max = 0;
	AWAIT(receiver->revoked == 1);
	pass(5000);
	assert_int_equal(receiver->assigned, 2);
	receiver->records_max = 0;
	settle_even(receiver);
	struct owned *owned = find_owned(receiver, topic, 0);
	owned->state = NOT_OURS;
	ops->relinquish(receiver->self, owned->assignment);
	assert_int_equal(settle(receiver, &receiver->taken[1]), EVPIPE_ESTALE);
	AWAIT(receiver->assigned == 3);
	check_again(receiver);
}

/* Partitions that a rule took away, and that the group takes back meanwhile. */
static void test_fault__the_group_has_the_last_word(void **state)
{
	(void)state;
	send_numbers(send_with(NULL, RECORDS), topic, 1, 0, RECORDS);
	struct instance *receiver = receiver_with("lose-partition 1h times=always");
	AWAIT(receiver->lost == 2);
	assert_int_equal(receiver->records, 0);
	struct instance *second = open_receiver(group, topic);
	AWAIT(second->records == RECORDS);
	assert_int_equal(receiver->revoked, 0);
	close_instance(receiver, 1000);
	AWAIT(second->records == 2 * RECORDS);
}

/* ---- all of it ---- */

static void outcomes_of_seed(uint64_t seed, struct sending *copy, unsigned count)
{
	plan.seed = seed;
	struct instance *sender = send_with(NULL, count);
	memcpy(copy, sender->sendings, count * sizeof *copy);
	close_instance(sender, 1000);
	free_instance(sender);
}

static void test_fault__a_seed_gives_the_same_faults_each_time(void **state)
{
	static struct sending first[5000], second[5000], other[5000];

	(void)state;
	outcomes_of_seed(7, first, COUNT_OF(first));
	outcomes_of_seed(7, second, COUNT_OF(second));
	outcomes_of_seed(8, other, COUNT_OF(other));
	assert_memory_equal(first, second, sizeof first);
	assert_memory_not_equal(first, other, sizeof first);
}

/* An application that does as the core does: what is not surely there is sent again, what came is settled. */
static void run_mix(uint64_t seed)
{
	enum { COUNT = 3000 };
	static unsigned seen[COUNT];
	unsigned        left = COUNT, missing = 0;
	static char     to_send[COUNT];

	memset(seen, 0, sizeof seen);
	memset(to_send, 1, sizeof to_send);
	plan.seed = seed;
	plan.script = "fail rate=2%; lose-send rate=2%; lose-ack rate=2%; double rate=1%; delay-ack 50ms rate=5%; queue-full "
		      "rate=2%;"
		      "refuse-commit rate=30%; double-record rate=2%; stall 100ms rate=1%; lose-partition 100ms rate=0.2%;"
		      "revoke-partition 100ms rate=0.2%; away 200ms from=300ms";
	struct instance *sender = open_instance(EVPIPE_ROLE_SEND, 1 * MIB);
	struct instance *receiver = open_instance(EVPIPE_ROLE_RECEIVE, 1 * MIB);
	receiver->may_double = 1;
	subscribe(receiver, group, topic);
	for (int round = 0; left && round < 20; round++) {
		uint64_t  first = sender->sent;
		unsigned *number_of_send = calloc(COUNT, sizeof *number_of_send), sent = 0;
		assert_non_null(number_of_send);
		for (unsigned i = 0; i < COUNT; i++) {
			if (!to_send[i])
				continue;
			number_of_send[sent++] = i;
			send_number(sender, topic, (int32_t)(i % 2), NULL, i);
		}
		AWAIT(sender->reported == sender->sent);
		left = 0;
		for (unsigned i = 0; i < sent; i++) {
			int is_there = sender->sendings[first + i].outcome == EVPIPE_PERSISTED;
			to_send[number_of_send[i]] = (char)!is_there;
			left += !is_there;
		}
		free(number_of_send);
	}
	assert_int_equal(left, 0);
	for (int round = 0; round < 200; round++) {
		settle_all(receiver);
		pass(100);
	}
	plan.script = NULL;
	plan.seed = 0;
	close_instance(receiver, 1000);
	struct instance *rest = open_receiver(group, topic);
	pass(1000);
	for (size_t i = 0; i < receiver->taken_count; i++)
		seen[number_of(&receiver->taken[i])]++;
	for (unsigned i = 0; i < COUNT; i++)
		missing += seen[i] == 0;
	assert_int_equal(missing, 0);
	assert_true(receiver->lost > 0 && receiver->revoked > 0 && receiver->commits_failed > 0);
	/* What was refused at the very end at most. */
	assert_true(rest->records < COUNT);
	free_all_instances();
}

static void test_fault__under_a_mix_of_all_nothing_is_lost(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		new_topic(topic, 2);
		new_name(group, "group");
		run_mix(seed);
	}
}

/* ---- setting it ---- */

static void test_fault__a_bad_script_is_refused_when_it_is_set(void **state)
{
	evpipe_config    *other;
	evpipe_fault_plan bad = EVPIPE_FAULT_PLAN_INIT;
	evpipe_error      error = {.text = ""};

	(void)state;
	assert_int_equal(evpipe_config_new(&other), EVPIPE_OK);
	bad.script = "double\nloose-ack";
	assert_int_equal(evpipe_config_use_faults(other, &bad, &error), EVPIPE_ECONFIG);
	assert_non_null(strstr(error.text, "line 2"));
	bad.script = "double";
	assert_int_equal(evpipe_config_use_faults(other, &bad, &error), EVPIPE_OK);
	/* Once is enough. */
	assert_int_equal(evpipe_config_use_faults(other, &bad, &error), EVPIPE_EINVAL);
	evpipe_config_free(other);
}

#define PROBLEMS_SIZE 4096

static void has_a_problem(const evpipe_config *of, evpipe_transport_problem_fn on_problem, void *ctx)
{
	(void)of;
	on_problem(ctx, "kafka.one", "is not to be had");
}

static int append(void *problems, const evpipe_error *problem)
{
	size_t used = strlen(problems);
	snprintf((char *)problems + used, PROBLEMS_SIZE - used, "%s\n", problem->text);
	return 0;
}

static void test_fault__what_is_wrong_with_the_transport_inside_is_told(void **state)
{
	evpipe_transport_ops inside = *evpipe_transport_fault(); /* is not opened */
	evpipe_config       *other;
	evpipe_fault_plan    around = EVPIPE_FAULT_PLAN_INIT, nothing = EVPIPE_FAULT_PLAN_INIT;
	char                 problems[PROBLEMS_SIZE] = "";

	(void)state;
	inside.check = has_a_problem;
	assert_int_equal(evpipe_config_new(&other), EVPIPE_OK);
	assert_int_equal(evpipe_config_use_transport(other, &inside, NULL, NULL), EVPIPE_OK);
	assert_int_equal(evpipe_config_use_faults(other, &around, NULL), EVPIPE_OK);
	assert_int_equal(evpipe_config_check(other, append, problems), EVPIPE_ECONFIG);
	assert_non_null(strstr(problems, "kafka.one: is not to be had"));
	assert_null(strstr(problems, "transport.url"));
	evpipe_config_free(other);

	/* Nor is there one. */
	assert_int_equal(evpipe_config_new(&other), EVPIPE_OK);
	assert_int_equal(evpipe_config_use_faults(other, &nothing, NULL), EVPIPE_OK);
	problems[0] = '\0';
	assert_int_equal(evpipe_config_check(other, append, problems), EVPIPE_ECONFIG);
	assert_non_null(strstr(problems, "transport.url"));
	evpipe_config_free(other);
}

static int rules(void)
{
#define RULE(function) cmocka_unit_test_setup_teardown(function, set_up, clean_up)
	const struct CMUnitTest tests[] = {
		RULE(test_fault__lost_acknowledgements_leave_the_record_there),
		RULE(test_fault__failed_and_lost_sends_are_not_there),
		RULE(test_fault__of_another_topic_does_not_strike),
		RULE(test_fault__a_doubled_send_is_there_twice_and_reported_once),
		RULE(test_fault__a_full_queue_has_room_later),
		RULE(test_fault__a_record_that_comes_again_counts_once),
		RULE(test_fault__a_delayed_acknowledgement_comes_when_it_is_due_or_at_close),
		RULE(test_fault__while_the_broker_is_away_nothing_comes_or_goes),
		RULE(test_fault__a_refused_commit_goes_with_the_next),
		RULE(test_fault__a_refused_last_commit_is_forgotten),
		RULE(test_fault__a_doubled_record_comes_twice_in_a_row),
		RULE(test_fault__a_stalled_partition_goes_on_where_it_stopped),
		RULE(test_fault__a_lost_partition_comes_back_with_what_was_not_settled),
		RULE(test_fault__a_revoked_partition_waits_until_it_is_relinquished),
		RULE(test_fault__the_group_has_the_last_word),
		RULE(test_fault__a_seed_gives_the_same_faults_each_time),
		RULE(test_fault__under_a_mix_of_all_nothing_is_lost),
		RULE(test_fault__a_bad_script_is_refused_when_it_is_set),
		RULE(test_fault__what_is_wrong_with_the_transport_inside_is_told),
	};
	return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}

static void *begin(evpipe_config *of, const char **why)
{
	(void)why;
	if (evpipe_testbroker_new(&broker, 1) || evpipe_testbroker_attach(broker, of) ||
	    evpipe_config_use_faults(of, &plan, NULL))
		return NULL;
	return broker;
}

static void end(void *world)
{
	evpipe_testbroker_free(world);
}

static void advance(void *world, int64_t ms)
{
	evpipe_testbroker_advance(world, ms);
}

int main(void)
{
	static const struct conformance_target world = {.name = "fault", .begin = begin, .end = end, .pass = advance};
	static const case_group                groups[] = {rules};
	return conformance_run_groups(&world, groups, COUNT_OF(groups));
}
