/*
 * Records come back as they were sent. One instance sends all kinds of them, another takes them, and the cases look at
 * what came.
 */
#include "harness.h"

#define PARTITIONS 8
#define KEYS       200
#define IN_ORDER   3000

/* Later than that of any other record here. */
#define SENT_MS (run_began_ms + 12345)

static char             topic[NAME_MAX_BYTES];
static struct instance *receiver;

static const evpipe_header headers[] = {
	{"plain", "value", 5}, {"empty", "", 0}, {"null", NULL, 0}, {"binary", "a\0b\xff", 4}, {"plain", "again", 5},
};

/* The kinds, by name; each of them is one record on partition 0. */
static const struct kind {
	const char          *name;
	const void          *key;
	size_t               key_len;
	const void          *value;
	size_t               value_len;
	const evpipe_header *headers;
	size_t               headers_count;
} kinds[] = {
	{"all null", NULL, 0, NULL, 0, NULL, 0},
	{"all empty", "", 0, "", 0, NULL, 0},
	{"null key", NULL, 0, "v", 1, NULL, 0},
	{"empty key", "", 0, "v", 1, NULL, 0},
	{"null value", "k", 1, NULL, 0, NULL, 0},
	{"empty value", "k", 1, "", 0, NULL, 0},
	{"binary", "k\0k\xfe", 4, "v\0\nv\xff", 5, NULL, 0},
	{"headers", "k", 1, "v", 1, headers, COUNT_OF(headers)},
};

static void send_all(void)
{
	struct instance *sender = open_instance(EVPIPE_ROLE_SEND, 1 * MIB);
	char             key[16];

	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		const struct kind *kind = &kinds[i];
		evpipe_record      record = {.topic = topic,
					     .partition = 0,
					     .key = kind->key,
					     .key_len = kind->key_len,
					     .value = kind->value,
					     .value_len = kind->value_len,
					     .headers = has_feature(EVPIPE_FEATURE_HEADERS) ? kind->headers : NULL,
					     .headers_count = has_feature(EVPIPE_FEATURE_HEADERS) ? kind->headers_count : 0,
					     .timestamp_ms = SENT_MS + (int64_t)i};
		send_record(sender, &record);
	}
	/* An order that goes round the partitions, and past a full queue. */
	for (unsigned i = 0; i < IN_ORDER; i++)
		send_number(sender, topic, 1 + (int32_t)(i % (PARTITIONS - 1)), NULL, i);
	for (unsigned i = 0; i < KEYS; i++) {
		snprintf(key, sizeof key, "key %u", i);
		send_number(sender, topic, EVPIPE_PARTITION_ANY, key, i);
	}
	send_number(sender, topic, EVPIPE_PARTITION_ANY, "", 0);
	send_number(sender, topic, EVPIPE_PARTITION_ANY, NULL, 0);
	AWAIT(sender->reported == sender->sent);
	assert_int_equal(sender->persisted, sender->sent);
	close_instance(sender, 1000);
	uint64_t sent = sender->sent;
	free_instance(sender);
	AWAIT(receiver->records == sent);
}

static int set_up(void **state)
{
	char group[NAME_MAX_BYTES];

	(void)state;
	new_topic(topic, PARTITIONS);
	new_name(group, "group");
	receiver = open_receiver(group, topic);
	receiver->probes = 1;
	send_all();
	return 0;
}

/* The n-th record of a partition. */
static const evpipe_record *record_at(int32_t partition, size_t n)
{
	for (size_t i = 0; i < receiver->taken_count; i++)
		if (receiver->taken[i].record.partition == partition && n-- == 0)
			return &receiver->taken[i].record;
	fail_msg("partition %d has no record %zu", (int)partition, n);
	return NULL;
}

static void test_records__none_is_lost_or_doubled(void **state)
{
	static unsigned seen[IN_ORDER];

	(void)state;
	pass(200);
	assert_int_equal(receiver->records, COUNT_OF(kinds) + IN_ORDER + KEYS + 2);
	for (size_t i = 0; i < receiver->taken_count; i++) {
		const evpipe_record *record = &receiver->taken[i].record;
		if (!record->key && record->partition > 0)
			seen[number_of(&receiver->taken[i])]++;
	}
	for (unsigned i = 1; i < IN_ORDER; i++)
		assert_int_equal(seen[i], 1);
}

static void test_records__null_is_not_empty(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		const evpipe_record *record = record_at(0, i);
		assert_int_equal(!record->key, !kinds[i].key);
		assert_int_equal(!record->value, !kinds[i].value);
		assert_int_equal(record->key_len, kinds[i].key_len);
		assert_int_equal(record->value_len, kinds[i].value_len);
		if (record->key)
			assert_memory_equal(record->key, kinds[i].key, kinds[i].key_len);
		if (record->value)
			assert_memory_equal(record->value, kinds[i].value, kinds[i].value_len);
	}
}

static void test_records__headers_keep_order_and_values(void **state)
{
	(void)state;
	if (!has_feature(EVPIPE_FEATURE_HEADERS))
		skip_since("headers are not carried");
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		const evpipe_record *record = record_at(0, i);
		assert_int_equal(record->headers_count, kinds[i].headers_count);
		for (size_t h = 0; h < record->headers_count; h++) {
			const evpipe_header *header = &record->headers[h];
			assert_string_equal(header->name, headers[h].name);
			assert_int_equal(header->value_len, headers[h].value_len);
			assert_int_equal(!header->value, !headers[h].value);
			if (header->value)
				assert_memory_equal(header->value, headers[h].value, header->value_len);
		}
	}
}

static void test_records__timestamps_are_kept(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		assert_int_equal(record_at(0, i)->timestamp_ms, SENT_MS + (int64_t)i);
}

static void test_records__those_of_a_partition_keep_their_order(void **state)
{
	unsigned next[PARTITIONS];

	(void)state;
	if (!has_feature(EVPIPE_FEATURE_ORDERED))
		skip_since("partitions are not ordered");
	for (unsigned p = 1; p < PARTITIONS; p++)
		next[p] = p - 1;
	for (size_t i = 0; i < receiver->taken_count; i++) {
		const struct taken *taken = &receiver->taken[i];
		int32_t             p = taken->record.partition;
		if (taken->record.key || p == 0 || next[p] >= IN_ORDER)
			continue;
		assert_int_equal(number_of(taken), next[p]);
		next[p] += PARTITIONS - 1;
	}
	for (unsigned p = 1; p < PARTITIONS; p++)
		assert_true(next[p] >= IN_ORDER);
}

static void test_records__the_key_chooses_the_partition_as_for_kafka(void **state)
{
	unsigned found = 0;

	(void)state;
	for (size_t i = 0; i < receiver->taken_count; i++) {
		const evpipe_record *record = &receiver->taken[i].record;
		if (!record->key || record->timestamp_ms >= SENT_MS)
			continue;
		assert_int_equal(record->partition, evpipe_partition_of(record->key, record->key_len, PARTITIONS));
		found++;
	}
	assert_int_equal(found, KEYS + 1);
}

int conformance_records(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records__none_is_lost_or_doubled),
		cmocka_unit_test(test_records__null_is_not_empty),
		cmocka_unit_test(test_records__headers_keep_order_and_values),
		cmocka_unit_test(test_records__timestamps_are_kept),
		cmocka_unit_test(test_records__those_of_a_partition_keep_their_order),
		cmocka_unit_test(test_records__the_key_chooses_the_partition_as_for_kafka),
	};
	return cmocka_run_group_tests_name("records", tests, set_up, clean_up);
}
