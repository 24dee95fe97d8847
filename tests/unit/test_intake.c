/*
 * Records that are not as usual: foreign ones, tombstones, topics that are not there.
 */
#include "world.h"

static const char *const settings[] = {"topic.partitions", "1", "batch.linger", "50ms", NULL};

static void append_to(struct world *world, const char *topic, const char *key, const char *value, const evpipe_header *headers,
                      size_t count)
{
	evpipe_record record = {.topic = topic,
	                        .partition = EVPIPE_PARTITION_ANY,
	                        .key = key,
	                        .key_len = key ? strlen(key) : 0,
	                        .value = value,
	                        .value_len = value ? strlen(value) : 0,
	                        .headers = headers,
	                        .headers_count = count,
	                        .timestamp_ms = 1767225600000};
	assert_int_equal(evpipe_testbroker_append(world->broker, &record), EVPIPE_OK);
}

static void append(struct world *world, const char *key, const char *value, const evpipe_header *headers, size_t count)
{
	append_to(world, "evpipe.events", key, value, headers, count);
}

static void test_intake__a_record_that_names_no_destination_is_a_foreign_dead_letter(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 1, settings);
	world_add_worker(&world);
	world_pass(&world, 1000);
	append(&world, "key", "hello", NULL, 0);
	append(&world, "key", "x", &(evpipe_header){"evpipe", "2 destination=ACME", 18}, 1);
	append(&world, "key", "x", &(evpipe_header){"evpipe", "1 destination=%zz", 17}, 1);
	append(&world, "key", "x", &(evpipe_header){"evpipe", NULL, 0}, 1);
	world_emit(&world, "ACME", "key");
	world_pass(&world, 1000);
	assert_int_equal(world_stats(&world).dead_lettered[EVPIPE_REASON_FOREIGN], 4);
	assert_int_equal(evpipe_testbroker_delivery_count(world.broker), 1);
	assert_int_equal(world_stats(&world).in_flight, 0);
	evpipe_record record;
	assert_int_equal(evpipe_testbroker_read(world.broker, "evpipe.events.dead", 0, 0, &record), EVPIPE_OK);
	assert_memory_equal(record.value, "hello", 5);
	world_close(&world);
}

static void test_intake__the_destination_is_taken_from_the_key_if_asked_for(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 2, settings);
	world_set(&world, "topic.destination_from", "key");
	world_add_worker(&world);
	world_pass(&world, 1000);
	append(&world, "ACME", "{}", NULL, 0);
	append(&world, NULL, "{}", NULL, 0);
	world_pass(&world, 1000);
	assert_int_equal(evpipe_testbroker_delivery_count(world.broker), 1);
	assert_string_equal(evpipe_testbroker_delivery_at(world.broker, 0)->destination, "ACME");
	/* The id is made of where it lies: the same each time it is read. */
	assert_string_equal(evpipe_testbroker_delivery_at(world.broker, 0)->id, "evpipe.events-0-0");
	assert_int_equal(world_stats(&world).dead_lettered[EVPIPE_REASON_FOREIGN], 1);
	world_close(&world);
}

static void test_intake__destination_and_id_are_taken_from_fields_if_asked_for(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 3, settings);
	world_set(&world, "topic.destination_from", "field:org");
	world_set(&world, "topic.id_from", "field:id");
	world_add_worker(&world);
	world_pass(&world, 1000);
	append(&world, NULL, "{\"org\":\"ACME\",\"id\":\"7\"}", NULL, 0);
	append(&world, NULL, "{\"org\":7}", NULL, 0);
	append(&world, NULL, "{\"org\":\"ACME\",\"id\":\"8\",\"org\":\"INIT\"}", NULL, 0); /* who can say whose? */
	append(&world, NULL, "no JSON", NULL, 0);
	world_pass(&world, 1000);
	assert_int_equal(evpipe_testbroker_delivered(world.broker, "ACME", "7"), 1);
	assert_int_equal(world_stats(&world).dead_lettered[EVPIPE_REASON_FOREIGN], 3);
	world_close(&world);
}

/* What an application emits with envelope = cloudevents or payload is read again. */
static void test_intake__each_envelope_goes_round(void **state)
{
	static const char *const envelopes[] = {"compact", "cloudevents", "payload"};
	evpipe_header            header = {"traceparent", "00-1", 4};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(envelopes); i++) {
		struct world world;
		evpipe_event event = EVPIPE_EVENT_INIT;
		world_open(&world, 4, settings);
		evpipe_producer_free(world.producer);
		world_set(&world, "envelope", envelopes[i]);
		world_set(&world, "topic.destination_from", "field:org");
		world_set(&world, "topic.id_from", "field:id");
		assert_int_equal(evpipe_producer_new(&world.producer, world.config, NULL), EVPIPE_OK);
		world_add_worker(&world);
		event.destination = "ACME";
		event.id = "7";
		event.type = "chat.step";
		event.data = "{\"org\":\"ACME\",\"id\":\"7\"}";
		event.data_len = strlen(event.data);
		event.headers = &header;
		event.headers_count = 1;
		assert_int_equal(evpipe_emit(world.producer, &event), EVPIPE_OK);
		world_pass(&world, 1000);
		assert_int_equal(evpipe_testbroker_delivered(world.broker, "ACME", "7"), 1);
		assert_string_equal(evpipe_testbroker_delivery_at(world.broker, 0)->type,
		                    strcmp(envelopes[i], "payload") == 0 ? "evpipe.event" : "chat.step");
		world_close(&world);
	}
}

/* Its time goes along in the header of the retry, where a reader that knew no such time would take the record for foreign. */
static void test_intake__an_event_from_before_1970_can_be_retried(void **state)
{
	const evpipe_header headers[] = {
		{"ce_destination", "ACME", 4}, {"ce_id", "7", 1}, {"ce_time", "1960-02-03T04:05:06.789Z", 24}};
	struct world world;
	(void)state;
	world_open(&world, 5, settings);
	world_set(&world, "retry.quick_max", "0");
	world_add_worker(&world);
	uint32_t rule = world_answer(&world, "ACME", EVPIPE_VERDICT_RETRY, 500);
	world_pass(&world, 1000);
	append(&world, NULL, "{}", headers, COUNT_OF(headers));
	world_pass(&world, 1000);
	evpipe_testbroker_answer_remove(world.broker, rule);
	world_pass(&world, 60000);
	assert_int_equal(world_stats(&world).dead_lettered[EVPIPE_REASON_FOREIGN], 0);
	assert_int_equal(evpipe_testbroker_delivered(world.broker, "ACME", "7"), 1);
	assert_int_equal(evpipe_testbroker_delivery_at(world.broker, 0)->time_ms, INT64_C(-312753293211));
	assert_int_equal(evpipe_testbroker_delivery_at(world.broker, 0)->attempt, 1);
	world_close(&world);
}

static void test_intake__tombstones_go_where_they_are_told(void **state)
{
	static const struct {
		const char *setting;
		uint64_t    dead, skipped, delivered;
	} cases[] = {{"dead_letter", 1, 0, 0}, {"skip", 0, 1, 0}, {"deliver", 0, 0, 1}};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct world world;
		world_open(&world, 5, settings);
		world_set(&world, "topic.tombstones", cases[i].setting);
		world_add_worker(&world);
		world_pass(&world, 1000);
		append(&world, "key", NULL, &(evpipe_header){"evpipe", "1 destination=ACME id=1", 23}, 1);
		/* Empty is not null. */
		append(&world, "key", "", &(evpipe_header){"evpipe", "1 destination=ACME id=2", 23}, 1);
		world_pass(&world, 1000);
		evpipe_stats stats = world_stats(&world);
		assert_int_equal(stats.dead_lettered[EVPIPE_REASON_TOMBSTONE], cases[i].dead);
		assert_int_equal(stats.skipped, cases[i].skipped);
		assert_int_equal(evpipe_testbroker_delivered(world.broker, "ACME", "1"), cases[i].delivered);
		assert_int_equal(evpipe_testbroker_delivered(world.broker, "ACME", "2"), 1);
		assert_int_equal(stats.in_flight, 0);
		world_close(&world);
	}
}

static void test_intake__a_topic_that_may_not_be_created_ends_the_worker_with_a_clear_error(void **state)
{
	struct world   world;
	evpipe_worker *worker = NULL;
	(void)state;
	world_open(&world, 6, settings);
	world_set(&world, "topic.create", "never");
	world_set(&world, "topic.name", "not.there");
	assert_int_equal(evpipe_worker_new(&worker, world.config, evpipe_testbroker_sink(world.broker), NULL), EVPIPE_OK);
	world_pass(&world, 10000);
	assert_int_equal(evpipe_worker_step(worker, 0), EVPIPE_ETOPIC);
	assert_non_null(strstr(evpipe_worker_error(worker), "not.there"));
	evpipe_worker_free(worker);
	world_close(&world);
}

static void test_intake__topics_are_made_as_configured(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 7, settings);
	world_set(&world, "topic.partitions", "3");
	world_set(&world, "retry.delays", "90s, 2h");
	world_set(&world, "topic.name", "chat");
	world_add_worker(&world);
	world_pass(&world, 1000);
	assert_int_equal(evpipe_testbroker_partitions(world.broker, "chat"), 3);
	assert_int_equal(evpipe_testbroker_partitions(world.broker, "chat.retry.90s"), 3);
	assert_int_equal(evpipe_testbroker_partitions(world.broker, "chat.retry.2h"), 3);
	assert_int_equal(evpipe_testbroker_partitions(world.broker, "chat.dead"), 3);
	world_close(&world);
}

/* A record that claims to be due in 300 million years holds its tier up for no longer than the tier's own delay. */
static void test_intake__a_lying_delay_does_not_block_a_tier(void **state)
{
	static const char lie[] = "1 destination=ACME id=lie queued=9223372036854775807 delay=9223372036854775807";
	static const char good[] = "1 destination=ACME id=good queued=1767225600000 delay=5000";
	struct world      world;
	(void)state;
	world_open(&world, 8, settings);
	world_add_worker(&world);
	world_pass(&world, 1000);
	append_to(&world, "evpipe.events.retry.5s", "key", "{}", &(evpipe_header){"evpipe", lie, sizeof lie - 1}, 1);
	append_to(&world, "evpipe.events.retry.5s", "key", "{}", &(evpipe_header){"evpipe", good, sizeof good - 1}, 1);
	world_pass(&world, 7000);
	assert_int_equal(evpipe_testbroker_delivered(world.broker, "ACME", "lie"), 1);
	assert_int_equal(evpipe_testbroker_delivered(world.broker, "ACME", "good"), 1);
	world_close(&world);
}

/* What not even the dead letters take stays unsettled, and nothing else waits for it. */
static void test_intake__a_record_too_large_for_the_dead_letters_holds_nothing_up(void **state)
{
	struct world            world;
	evpipe_testbroker_topic dead = EVPIPE_TESTBROKER_TOPIC_INIT;
	char                    large[2000];
	(void)state;
	memset(large, 'x', sizeof large - 1);
	large[sizeof large - 1] = '\0';
	world_open(&world, 9, settings);
	dead.partitions = 1;
	dead.record_max = 1000;
	assert_int_equal(evpipe_testbroker_create_topic(world.broker, "evpipe.events.dead", &dead), EVPIPE_OK);
	world_add_worker(&world);
	world_answer(&world, "ACME", EVPIPE_VERDICT_PERMANENT, 400);
	world_pass(&world, 1000);
	append(&world, "key", large, NULL, 0);
	append(&world, "key", "small", NULL, 0);
	world_emit(&world, "ACME", "key");
	world_pass(&world, 5000);
	assert_int_equal(evpipe_testbroker_count(world.broker, "evpipe.events.dead"), 2);
	assert_int_equal(world_stats(&world).in_flight, 1);
	evpipe_worker_stop(world.workers[0]);
	world_pass(&world, 40000);
	assert_int_equal(evpipe_worker_step(world.workers[0], 0), EVPIPE_ETIMEOUT);
	assert_int_equal(world_stats(&world).relinquished, 1);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_intake__a_record_that_names_no_destination_is_a_foreign_dead_letter),
		cmocka_unit_test(test_intake__the_destination_is_taken_from_the_key_if_asked_for),
		cmocka_unit_test(test_intake__destination_and_id_are_taken_from_fields_if_asked_for),
		cmocka_unit_test(test_intake__each_envelope_goes_round),
		cmocka_unit_test(test_intake__an_event_from_before_1970_can_be_retried),
		cmocka_unit_test(test_intake__tombstones_go_where_they_are_told),
		cmocka_unit_test(test_intake__a_topic_that_may_not_be_created_ends_the_worker_with_a_clear_error),
		cmocka_unit_test(test_intake__topics_are_made_as_configured),
		cmocka_unit_test(test_intake__a_lying_delay_does_not_block_a_tier),
		cmocka_unit_test(test_intake__a_record_too_large_for_the_dead_letters_holds_nothing_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
