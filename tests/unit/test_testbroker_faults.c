/*
 * The test broker's faults: each does what it says, as often as it says, where it says.
 */
#include "peer.h"

struct bench {
	evpipe_testbroker *broker;
	struct peer        peer;
};

static int setup(void **state)
{
	struct bench *bench = calloc(1, sizeof *bench);
	if (!bench || evpipe_testbroker_new(&bench->broker, 1) != EVPIPE_OK)
		return -1;
	create_topic(bench->broker, "t", 2);
	create_topic(bench->broker, "u", 2);
	peer_open(&bench->peer, bench->broker);
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;
	peer_close(&bench->peer);
	evpipe_testbroker_free(bench->broker);
	free(bench);
	return 0;
}

static evpipe_testbroker_fault fault_of(evpipe_testbroker_fault_type type)
{
	evpipe_testbroker_fault fault = EVPIPE_TESTBROKER_FAULT_INIT;
	fault.type = type;
	return fault;
}

static void inject(struct bench *bench, const evpipe_testbroker_fault *fault)
{
	assert_int_equal(evpipe_testbroker_inject(bench->broker, fault), EVPIPE_OK);
}

static void send_ok(struct bench *bench, uint64_t token)
{
	assert_int_equal(peer_send(&bench->peer, "t", 0, NULL, "x", token), EVPIPE_OK);
}

static void pass(struct bench *bench, int64_t ms)
{
	assert_int_equal(evpipe_testbroker_advance(bench->broker, ms), EVPIPE_OK);
	peer_poll(&bench->peer);
}

static void assert_sent(struct bench *bench, size_t index, uint64_t token, evpipe_outcome outcome, evpipe_err err)
{
	assert_true(index < bench->peer.sent_count);
	assert_int_equal(bench->peer.sent[index].token, token);
	assert_int_equal(bench->peer.sent[index].outcome, outcome);
	assert_int_equal(bench->peer.sent[index].err, err);
}

/* ---- sends ---- */

static void test_testbroker_faults__without_any_a_send_is_acknowledged_after_the_delay(void **state)
{
	struct bench *bench = *state;

	evpipe_testbroker_set_ack_delay(bench->broker, 10);
	send_ok(bench, 7);
	assert_int_equal(bench->peer.ops->memory(bench->peer.self), 1);
	pass(bench, 4);
	assert_int_equal(evpipe_testbroker_high(bench->broker, "t", 0), 0);
	pass(bench, 1);
	assert_int_equal(evpipe_testbroker_high(bench->broker, "t", 0), 1);
	pass(bench, 4);
	assert_int_equal(bench->peer.sent_count, 0);
	assert_int_equal(bench->peer.ops->next_due(bench->peer.self), 10);
	pass(bench, 1);
	assert_int_equal(bench->peer.sent_count, 1);
	assert_sent(bench, 0, 7, EVPIPE_PERSISTED, EVPIPE_OK);
	assert_int_equal(bench->peer.ops->memory(bench->peer.self), 0);
	assert_int_equal(bench->peer.ops->next_due(bench->peer.self), INT64_MAX);
}

static void test_testbroker_faults__a_send_fails_at_its_turn_and_place(void **state)
{
	struct bench           *bench = *state;
	evpipe_testbroker_fault fault = fault_of(EVPIPE_FAULT_SEND_FAILS);

	fault.topic = "t";
	fault.partition = 0;
	fault.after = 1;
	fault.times = 2;
	inject(bench, &fault);
	assert_int_equal(peer_send(&bench->peer, "u", 0, NULL, "x", 100), EVPIPE_OK);
	assert_int_equal(peer_send(&bench->peer, "t", 1, NULL, "x", 101), EVPIPE_OK);
	for (uint64_t token = 0; token < 4; token++)
		send_ok(bench, token);
	pass(bench, 1);
	assert_int_equal(bench->peer.sent_count, 6);
	assert_sent(bench, 0, 100, EVPIPE_PERSISTED, EVPIPE_OK);
	assert_sent(bench, 1, 101, EVPIPE_PERSISTED, EVPIPE_OK);
	assert_sent(bench, 2, 0, EVPIPE_PERSISTED, EVPIPE_OK);
	assert_sent(bench, 3, 1, EVPIPE_NOT, EVPIPE_EUNAVAILABLE);
	assert_sent(bench, 4, 2, EVPIPE_NOT, EVPIPE_EUNAVAILABLE);
	assert_sent(bench, 5, 3, EVPIPE_PERSISTED, EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_high(bench->broker, "t", 0), 2);
}

static void test_testbroker_faults__doubtful_sends_are_there_or_not(void **state)
{
	struct bench           *bench = *state;
	evpipe_testbroker_fault fault = fault_of(EVPIPE_FAULT_ACK_LOST);

	inject(bench, &fault);
	send_ok(bench, 1);
	pass(bench, 1);
	assert_sent(bench, 0, 1, EVPIPE_POSSIBLY, EVPIPE_EMAYBE);
	assert_int_equal(evpipe_testbroker_high(bench->broker, "t", 0), 1);

	fault = fault_of(EVPIPE_FAULT_SEND_LOST);
	inject(bench, &fault);
	send_ok(bench, 2);
	pass(bench, 1);
	assert_sent(bench, 1, 2, EVPIPE_POSSIBLY, EVPIPE_EMAYBE);
	assert_int_equal(evpipe_testbroker_high(bench->broker, "t", 0), 1);

	fault = fault_of(EVPIPE_FAULT_SEND_DOUBLED);
	inject(bench, &fault);
	send_ok(bench, 3);
	pass(bench, 1);
	assert_sent(bench, 2, 3, EVPIPE_PERSISTED, EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_high(bench->broker, "t", 0), 3);
	assert_int_equal(bench->peer.sent_count, 3);
}

static void test_testbroker_faults__an_acknowledgement_comes_late(void **state)
{
	struct bench           *bench = *state;
	evpipe_testbroker_fault fault = fault_of(EVPIPE_FAULT_ACK_DELAYED);

	fault.delay_ms = 5000;
	inject(bench, &fault);
	send_ok(bench, 1);
	send_ok(bench, 2);
	pass(bench, 1);
	assert_int_equal(evpipe_testbroker_high(bench->broker, "t", 0), 2);
	assert_int_equal(bench->peer.sent_count, 1);
	assert_sent(bench, 0, 2, EVPIPE_PERSISTED, EVPIPE_OK);
	pass(bench, 4999);
	assert_int_equal(bench->peer.sent_count, 1);
	pass(bench, 1);
	assert_sent(bench, 1, 1, EVPIPE_PERSISTED, EVPIPE_OK);
}

static void test_testbroker_faults__a_full_queue_takes_nothing(void **state)
{
	struct bench           *bench = *state;
	evpipe_testbroker_fault fault = fault_of(EVPIPE_FAULT_QUEUE_FULL);

	inject(bench, &fault);
	assert_int_equal(peer_send(&bench->peer, "t", 0, NULL, "x", 1), EVPIPE_EAGAIN);
	assert_int_equal(bench->peer.ops->next_due(bench->peer.self), 1); /* come again */
	send_ok(bench, 1);
	pass(bench, 1);
	assert_int_equal(bench->peer.ops->next_due(bench->peer.self), INT64_MAX);
	/* The real limits: so many records, so many bytes. */
	evpipe_testbroker_set_queue_max(bench->broker, 2);
	send_ok(bench, 2);
	send_ok(bench, 3);
	assert_int_equal(peer_send(&bench->peer, "t", 1, NULL, "x", 4), EVPIPE_EAGAIN);
	pass(bench, 1);
	assert_int_equal(peer_send(&bench->peer, "t", 1, NULL, "x", 4), EVPIPE_OK);
	pass(bench, 1);
	assert_int_equal(bench->peer.sent_count, 4);
}

static void test_testbroker_faults__what_can_never_be_sent_is_refused_at_once(void **state)
{
	struct bench           *bench = *state;
	evpipe_testbroker_topic settings = EVPIPE_TESTBROKER_TOPIC_INIT;

	settings.record_max = 4;
	evpipe_testbroker_create_topic(bench->broker, "small", &settings);
	assert_int_equal(bench->peer.ops->record_max(bench->peer.self), 4);
	assert_int_equal(peer_send(&bench->peer, "nowhere", 0, NULL, "x", 1), EVPIPE_ETOPIC);
	assert_int_equal(peer_send(&bench->peer, "t", 2, NULL, "x", 1), EVPIPE_EINVAL);
	assert_int_equal(peer_send(&bench->peer, "small", 0, "key", "xx", 1), EVPIPE_ETOOLARGE);
	pass(bench, 10);
	assert_int_equal(bench->peer.sent_count, 0);
}

/* ---- records and commits ---- */

static void test_testbroker_faults__a_record_is_handed_out_twice(void **state)
{
	struct bench           *bench = *state;
	evpipe_testbroker_fault fault = fault_of(EVPIPE_FAULT_RECORD_DOUBLED);

	fault.after = 1;
	inject(bench, &fault);
	append_many(bench->broker, "t", 0, 3);
	peer_subscribe(&bench->peer, "g", "t");
	peer_poll(&bench->peer);
	static const int64_t offsets[] = {0, 1, 1, 2};
	assert_int_equal(bench->peer.records_count, COUNT_OF(offsets));
	for (size_t i = 0; i < COUNT_OF(offsets); i++)
		assert_int_equal(bench->peer.records[i].offset, offsets[i]);
	peer_settle(&bench->peer, 0, 4);
	pass(bench, 1000);
	assert_int_equal(evpipe_testbroker_committed(bench->broker, "g", "t", 0, NULL), 3);
}

static void test_testbroker_faults__a_refused_commit_is_made_later(void **state)
{
	struct bench           *bench = *state;
	evpipe_testbroker_fault fault = fault_of(EVPIPE_FAULT_COMMIT_REFUSED);

	fault.times = 2;
	inject(bench, &fault);
	append_many(bench->broker, "t", 0, 3);
	peer_subscribe(&bench->peer, "g", "t");
	peer_poll(&bench->peer);
	peer_settle(&bench->peer, 0, 3);
	pass(bench, 1000);
	assert_int_equal(bench->peer.refused, 1);
	assert_int_equal(evpipe_testbroker_committed(bench->broker, "g", "t", 0, NULL), -1);
	pass(bench, 1000);
	assert_int_equal(bench->peer.refused, 2);
	pass(bench, 1000);
	assert_int_equal(bench->peer.committed, 1);
	assert_int_equal(evpipe_testbroker_committed(bench->broker, "g", "t", 0, NULL), 3);
}

/* ---- out of reach ---- */

static void test_testbroker_faults__an_unavailable_partition_holds_back_only_itself(void **state)
{
	struct bench *bench = *state;

	peer_subscribe(&bench->peer, "g", "t");
	peer_poll(&bench->peer);
	assert_int_equal(evpipe_testbroker_set_available(bench->broker, "t", 0, 0), EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_set_available(bench->broker, "t", 2, 0), EVPIPE_EINVAL);
	append_many(bench->broker, "t", 0, 1);
	send_ok(bench, 1);
	assert_int_equal(peer_send(&bench->peer, "t", 1, NULL, "x", 2), EVPIPE_OK);
	pass(bench, 60000);
	assert_int_equal(bench->peer.sent_count, 1);
	assert_sent(bench, 0, 2, EVPIPE_PERSISTED, EVPIPE_OK);
	assert_int_equal(bench->peer.records_count, 1);
	assert_int_equal(bench->peer.ops->next_due(bench->peer.self), INT64_MAX);
	evpipe_testbroker_set_available(bench->broker, "t", -1, 1);
	peer_poll(&bench->peer);
	pass(bench, 1);
	assert_sent(bench, 1, 1, EVPIPE_PERSISTED, EVPIPE_OK);
	assert_int_equal(bench->peer.records_count, 3);
}

static void test_testbroker_faults__a_broker_that_is_away_answers_nothing(void **state)
{
	struct bench     *bench = *state;
	evpipe_topic_spec spec = {.size = sizeof spec, .name = "asked", .partitions = 1, .create = 1};

	append_many(bench->broker, "t", 0, 2);
	peer_subscribe(&bench->peer, "g", "t");
	peer_poll(&bench->peer);
	peer_settle(&bench->peer, 0, 2);
	evpipe_testbroker_set_available(bench->broker, NULL, -1, 0);
	peer_poll(&bench->peer);
	assert_int_equal(bench->peer.notices, 1);
	bench->peer.topic_err = EVPIPE_EINTERNAL;
	bench->peer.ops->ensure_topic(bench->peer.self, &spec);
	send_ok(bench, 1);
	pass(bench, 60000);
	assert_int_equal(bench->peer.topic_err, EVPIPE_EINTERNAL);
	assert_int_equal(bench->peer.sent_count, 0);
	assert_int_equal(evpipe_testbroker_committed(bench->broker, "g", "t", 0, NULL), -1);

	evpipe_testbroker_set_available(bench->broker, NULL, -1, 1);
	peer_poll(&bench->peer);
	pass(bench, 1);
	assert_int_equal(bench->peer.notices, 2);
	assert_int_equal(bench->peer.topic_err, EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_partitions(bench->broker, "asked"), 1);
	assert_int_equal(bench->peer.sent_count, 1);
	assert_int_equal(evpipe_testbroker_committed(bench->broker, "g", "t", 0, NULL), 2);
}

static void test_testbroker_faults__a_partition_given_back_while_it_is_away_moves_when_it_is_back(void **state)
{
	struct bench *bench = *state;
	struct peer   other;

	append_many(bench->broker, "t", 0, 2);
	append_many(bench->broker, "t", 1, 2);
	peer_subscribe(&bench->peer, "g", "t");
	peer_poll(&bench->peer);
	peer_settle(&bench->peer, 0, 4);
	peer_open(&other, bench->broker);
	peer_subscribe(&other, "g", "t");
	peer_poll(&bench->peer);
	evpipe_testbroker_set_available(bench->broker, NULL, -1, 0);
	peer_relinquish_all(&bench->peer);
	peer_poll(&other);
	assert_int_equal(peer_owned(&other), 0);
	evpipe_testbroker_set_available(bench->broker, NULL, -1, 1);
	peer_poll(&other);
	assert_int_equal(peer_owned(&other), 1);
	assert_int_equal(other.records_count, 0); /* what was settled was committed first */
	peer_close(&other);
}

/* ---- the end ---- */

static void test_testbroker_faults__close_reports_each_send_once(void **state)
{
	struct bench           *bench = *state;
	evpipe_testbroker_fault fault = fault_of(EVPIPE_FAULT_ACK_DELAYED);
	struct peer             peer;

	peer_open(&peer, bench->broker);
	evpipe_testbroker_set_ack_delay(bench->broker, 1000); /* just in time */
	evpipe_testbroker_set_available(bench->broker, "u", 0, 0);
	fault.delay_ms = 60000;
	inject(bench, &fault);
	assert_int_equal(peer_send(&peer, "t", 0, NULL, "late", 1), EVPIPE_OK);
	assert_int_equal(peer_send(&peer, "t", 0, NULL, "soon", 2), EVPIPE_OK);
	assert_int_equal(peer_send(&peer, "u", 0, NULL, "never", 3), EVPIPE_OK);
	peer.ops->close(peer.self, 1000);
	assert_int_equal(peer_send(&peer, "t", 0, NULL, "x", 4), EVPIPE_ECLOSED);
	assert_int_equal(peer_poll(&peer), EVPIPE_ECLOSED);
	assert_int_equal(peer.sent_count, 3);
	for (size_t i = 0; i < 3; i++) {
		static const evpipe_outcome outcomes[] = {EVPIPE_POSSIBLY, EVPIPE_PERSISTED, EVPIPE_NOT};
		assert_int_equal(peer.sent[i].outcome, outcomes[peer.sent[i].token - 1]);
	}
	assert_int_equal(peer_poll(&peer), EVPIPE_ECLOSED);
	peer.ops->free(peer.self);
}

static void test_testbroker_faults__a_killed_sender_takes_with_it_what_had_not_arrived(void **state)
{
	struct bench          *bench = *state;
	evpipe_transport_setup setup_of_one = {
		.size = sizeof setup_of_one, .arg = bench->broker, .roles = EVPIPE_ROLE_SEND, .memory_max = 1024};
	evpipe_record record = {.topic = "t", .value = "x", .value_len = 1};
	void         *producer;

	evpipe_testbroker_set_ack_delay(bench->broker, 10);
	assert_int_equal(bench->peer.ops->open(&producer, &setup_of_one, NULL), EVPIPE_OK);
	assert_int_equal(bench->peer.ops->send(producer, &record, 1), EVPIPE_OK);
	evpipe_testbroker_advance(bench->broker, 5);
	evpipe_transport_event event;
	assert_int_equal(bench->peer.ops->poll(producer, 0, &event), EVPIPE_EAGAIN);
	assert_int_equal(bench->peer.ops->send(producer, &record, 2), EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_kill_producer(bench->broker, 0), EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_kill_producer(bench->broker, 0), EVPIPE_EINVAL);
	evpipe_testbroker_advance(bench->broker, 1000);
	assert_int_equal(bench->peer.ops->poll(producer, 0, &event), EVPIPE_ECLOSED);
	bench->peer.ops->free(producer);
	assert_int_equal(evpipe_testbroker_count(bench->broker, "t"), 1);
}

static void test_testbroker_faults__taken_back_they_harm_nothing(void **state)
{
	struct bench           *bench = *state;
	evpipe_testbroker_fault fault = fault_of(EVPIPE_FAULT_SEND_FAILS);
	fault.times = 100;
	inject(bench, &fault);
	send_ok(bench, 1);
	evpipe_testbroker_clear_faults(bench->broker);
	send_ok(bench, 2);
	pass(bench, 10);
	assert_sent(bench, 0, 1, EVPIPE_NOT, EVPIPE_EUNAVAILABLE);
	assert_sent(bench, 1, 2, EVPIPE_PERSISTED, EVPIPE_OK);
}

int main(void)
{
#define FAULT_TEST(name) cmocka_unit_test_setup_teardown(test_testbroker_faults__##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		FAULT_TEST(without_any_a_send_is_acknowledged_after_the_delay),
		FAULT_TEST(a_send_fails_at_its_turn_and_place),
		FAULT_TEST(doubtful_sends_are_there_or_not),
		FAULT_TEST(an_acknowledgement_comes_late),
		FAULT_TEST(a_full_queue_takes_nothing),
		FAULT_TEST(what_can_never_be_sent_is_refused_at_once),
		FAULT_TEST(a_record_is_handed_out_twice),
		FAULT_TEST(a_refused_commit_is_made_later),
		FAULT_TEST(an_unavailable_partition_holds_back_only_itself),
		FAULT_TEST(a_broker_that_is_away_answers_nothing),
		FAULT_TEST(a_partition_given_back_while_it_is_away_moves_when_it_is_back),
		FAULT_TEST(close_reports_each_send_once),
		FAULT_TEST(taken_back_they_harm_nothing),
		FAULT_TEST(a_killed_sender_takes_with_it_what_had_not_arrived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
