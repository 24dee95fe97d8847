/*
 * The test broker's topics: partitions, records, retention.
 */
#include "peer.h"

static int setup(void **state)
{
	evpipe_testbroker *broker = NULL;
	if (evpipe_testbroker_new(&broker, 1) != EVPIPE_OK)
		return -1;
	*state = broker;
	return 0;
}

static int teardown(void **state)
{
	evpipe_testbroker_free(*state);
	return 0;
}

/* What an independent implementation in Java answers for 8 and for 12 partitions. */
static void test_testbroker_topics__choose_partitions_as_kafkas_java_clients(void **state)
{
	static const struct {
		const char *key;
		int32_t     of_8, of_12;
	} known[] = {
		{"21", 4, 0},
		{"foobar", 6, 6},
		{"abc", 3, 3},
		{"a-little-bit-long-string", 0, 8},
		{"a-little-bit-longer-string", 3, 11},
		{"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", 5, 5},
		{"", 1, 9},
		{"\xc3\xa4\xc3\xb6\xc3\xbc", 4, 8},
		{"session-42", 6, 10},
	};
	evpipe_testbroker *broker = *state;

	create_topic(broker, "of_8", 8);
	create_topic(broker, "of_12", 12);
	for (size_t i = 0; i < COUNT_OF(known); i++) {
		evpipe_record record = {
			.topic = "of_8", .partition = EVPIPE_PARTITION_ANY, .key = known[i].key, .key_len = strlen(known[i].key)};
		int64_t high_of_8 = evpipe_testbroker_high(broker, "of_8", known[i].of_8);
		int64_t high_of_12 = evpipe_testbroker_high(broker, "of_12", known[i].of_12);
		assert_int_equal(evpipe_testbroker_append(broker, &record), EVPIPE_OK);
		record.topic = "of_12";
		assert_int_equal(evpipe_testbroker_append(broker, &record), EVPIPE_OK);
		assert_int_equal(evpipe_testbroker_high(broker, "of_8", known[i].of_8), high_of_8 + 1);
		assert_int_equal(evpipe_testbroker_high(broker, "of_12", known[i].of_12), high_of_12 + 1);
	}
}

static void test_testbroker_topics__spread_records_without_a_key(void **state)
{
	evpipe_testbroker *broker = *state;
	create_topic(broker, "t", 4);
	append_many(broker, "t", EVPIPE_PARTITION_ANY, 8);
	for (int32_t i = 0; i < 4; i++)
		assert_int_equal(evpipe_testbroker_high(broker, "t", i), 2);
}

static void test_testbroker_topics__refuse_what_makes_no_sense(void **state)
{
	evpipe_testbroker      *broker = *state;
	evpipe_testbroker_topic settings = EVPIPE_TESTBROKER_TOPIC_INIT;
	evpipe_record           record = {.topic = "nowhere", .partition = 0};

	assert_int_equal(evpipe_testbroker_create_topic(broker, "t", NULL), EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_partitions(broker, "t"), 8);
	assert_int_equal(evpipe_testbroker_create_topic(broker, "t", NULL), EVPIPE_EINVAL);
	settings.partitions = 0;
	assert_int_equal(evpipe_testbroker_create_topic(broker, "u", &settings), EVPIPE_EINVAL);
	settings.partitions = 1025;
	assert_int_equal(evpipe_testbroker_create_topic(broker, "u", &settings), EVPIPE_EINVAL);
	assert_int_equal(evpipe_testbroker_partitions(broker, "u"), -1);
	assert_int_equal(evpipe_testbroker_high(broker, "t", 8), -1);
	assert_int_equal(evpipe_testbroker_low(broker, "t", -1), -1);
	assert_int_equal(evpipe_testbroker_append(broker, &record), EVPIPE_EINVAL);
	record.topic = "t";
	record.partition = 8;
	assert_int_equal(evpipe_testbroker_append(broker, &record), EVPIPE_EINVAL);
	assert_int_equal(evpipe_testbroker_read(broker, "t", 0, 0, &record), EVPIPE_EINVAL);
}

static void test_testbroker_topics__keep_null_and_empty_apart(void **state)
{
	const evpipe_header headers[] = {{"trace", "abc", 3}, {"empty", "", 0}, {"null", NULL, 0}};
	evpipe_testbroker  *broker = *state;
	evpipe_record       record = {.topic = "t", .key = "", .headers = headers, .headers_count = 3, .timestamp_ms = 17};

	create_topic(broker, "t", 1);
	assert_int_equal(evpipe_testbroker_append(broker, &record), EVPIPE_OK);
	record.key = NULL;
	record.value = "";
	assert_int_equal(evpipe_testbroker_append(broker, &record), EVPIPE_OK);

	assert_int_equal(evpipe_testbroker_read(broker, "t", 0, 0, &record), EVPIPE_OK);
	assert_non_null(record.key);
	assert_null(record.value);
	assert_int_equal(record.timestamp_ms, 17);
	assert_int_equal(record.headers_count, 3);
	assert_string_equal(record.headers[0].name, "trace");
	assert_memory_equal(record.headers[0].value, "abc", 3);
	assert_non_null(record.headers[1].value);
	assert_int_equal(record.headers[1].value_len, 0);
	assert_null(record.headers[2].value);
	assert_int_equal(evpipe_testbroker_read(broker, "t", 0, 1, &record), EVPIPE_OK);
	assert_null(record.key);
	assert_non_null(record.value);
	assert_int_equal(record.value_len, 0);
	assert_int_equal(record.offset, 1);
}

static void test_testbroker_topics__refuse_records_over_the_limit(void **state)
{
	const evpipe_header     header = {"name", "value", 5};
	evpipe_testbroker      *broker = *state;
	evpipe_testbroker_topic settings = EVPIPE_TESTBROKER_TOPIC_INIT;
	evpipe_record           record = {
		.topic = "t", .key = "key", .key_len = 3, .value = "12345678", .value_len = 8, .headers = &header, .headers_count = 1};

	settings.record_max = 20;
	assert_int_equal(evpipe_testbroker_create_topic(broker, "t", &settings), EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_append(broker, &record), EVPIPE_OK); /* 3 + 8 + 4 + 5 */
	record.key = "longer";
	record.key_len = 4;
	assert_int_equal(evpipe_testbroker_append(broker, &record), EVPIPE_ETOOLARGE);
}

static void test_testbroker_topics__drop_what_is_too_old(void **state)
{
	evpipe_testbroker      *broker = *state;
	evpipe_testbroker_topic settings = EVPIPE_TESTBROKER_TOPIC_INIT;

	settings.partitions = 1;
	settings.retention_ms = 60000;
	assert_int_equal(evpipe_testbroker_create_topic(broker, "t", &settings), EVPIPE_OK);
	append_many(broker, "t", 0, 3);
	evpipe_testbroker_advance(broker, 30000);
	append_many(broker, "t", 0, 2);
	evpipe_testbroker_advance(broker, 30000);
	assert_int_equal(evpipe_testbroker_count(broker, "t"), 5);
	evpipe_testbroker_advance(broker, 1);
	assert_int_equal(evpipe_testbroker_count(broker, "t"), 2);
	assert_int_equal(evpipe_testbroker_low(broker, "t", 0), 3);
	assert_int_equal(evpipe_testbroker_high(broker, "t", 0), 5);
	evpipe_testbroker_advance(broker, 30000);
	assert_int_equal(evpipe_testbroker_low(broker, "t", 0), 5);
}

static void test_testbroker_topics__drop_what_is_too_much(void **state)
{
	evpipe_testbroker      *broker = *state;
	evpipe_testbroker_topic settings = EVPIPE_TESTBROKER_TOPIC_INIT;
	evpipe_record           record;

	settings.partitions = 1;
	settings.retention_bytes = 5;
	assert_int_equal(evpipe_testbroker_create_topic(broker, "t", &settings), EVPIPE_OK);
	append_many(broker, "t", 0, 10);
	assert_int_equal(evpipe_testbroker_low(broker, "t", 0), 5);
	assert_int_equal(evpipe_testbroker_read(broker, "t", 0, 4, &record), EVPIPE_EINVAL);
	assert_int_equal(evpipe_testbroker_read(broker, "t", 0, 5, &record), EVPIPE_OK);
	assert_memory_equal(record.value, "5", 1);
}

/* Whoever reads goes on at what there still is, and a record in his hands stays readable. */
static void test_testbroker_topics__readers_pass_over_what_retention_took(void **state)
{
	evpipe_testbroker      *broker = *state;
	evpipe_testbroker_topic settings = EVPIPE_TESTBROKER_TOPIC_INIT;
	evpipe_transport_event  event;
	struct peer             peer;

	settings.partitions = 1;
	settings.retention_bytes = 5;
	assert_int_equal(evpipe_testbroker_create_topic(broker, "t", &settings), EVPIPE_OK);
	peer_open(&peer, broker);
	peer_subscribe(&peer, "g", "t");
	peer_poll(&peer);
	append_many(broker, "t", 0, 3);
	assert_int_equal(peer.ops->poll(peer.self, 0, &event), EVPIPE_OK);
	append_many(broker, "t", 0, 10);
	assert_memory_equal(event.record.value, "0", 1);
	peer_poll(&peer);
	assert_int_equal(peer.records_count, 5);
	assert_int_equal(peer.records[0].offset, 8);
	peer_close(&peer);
}

static void test_testbroker_topics__are_made_when_a_transport_may(void **state)
{
	evpipe_testbroker *broker = *state;
	evpipe_topic_spec  spec = {.size = sizeof spec, .name = "made", .partitions = 3, .retention_ms = 60000};
	struct peer        peer;

	peer_open(&peer, broker);
	assert_int_equal(peer.ops->ensure_topic(peer.self, &spec), EVPIPE_OK);
	peer_poll(&peer);
	assert_int_equal(peer.topic_err, EVPIPE_ETOPIC);
	assert_int_equal(evpipe_testbroker_partitions(broker, "made"), -1);
	spec.create = 1;
	assert_int_equal(peer.ops->ensure_topic(peer.self, &spec), EVPIPE_OK);
	peer_poll(&peer);
	assert_int_equal(peer.topic_err, EVPIPE_OK);
	assert_string_equal(peer.topic_text, "");
	assert_int_equal(evpipe_testbroker_partitions(broker, "made"), 3);
	/* One that is there is left as it is, and a difference told. */
	spec.partitions = 4;
	peer.ops->ensure_topic(peer.self, &spec);
	peer_poll(&peer);
	assert_int_equal(peer.topic_err, EVPIPE_OK);
	assert_string_equal(peer.topic_text, "it has 3 partitions, not 4");
	assert_int_equal(evpipe_testbroker_partitions(broker, "made"), 3);
	peer_close(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_testbroker_topics__choose_partitions_as_kafkas_java_clients, setup, teardown),
		cmocka_unit_test_setup_teardown(test_testbroker_topics__spread_records_without_a_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_testbroker_topics__refuse_what_makes_no_sense, setup, teardown),
		cmocka_unit_test_setup_teardown(test_testbroker_topics__keep_null_and_empty_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_testbroker_topics__refuse_records_over_the_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_testbroker_topics__drop_what_is_too_old, setup, teardown),
		cmocka_unit_test_setup_teardown(test_testbroker_topics__drop_what_is_too_much, setup, teardown),
		cmocka_unit_test_setup_teardown(test_testbroker_topics__readers_pass_over_what_retention_took, setup, teardown),
		cmocka_unit_test_setup_teardown(test_testbroker_topics__are_made_when_a_transport_may, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
