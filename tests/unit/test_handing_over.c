/*
 * From a worker to retry tiers and dead letters, when their topics do not take what they are given.
 */
#include "world.h"

static const char *const settings[] = {"topic.partitions", "1",         "batch.linger",    "10ms", "retry.delays", "5s, 1m",
                                       "retry.quick_max",  "0",         "breaker.open",    "1s",   NULL};

static void make_topic(struct world *world, const char *name, size_t record_max)
{
	evpipe_testbroker_topic topic = EVPIPE_TESTBROKER_TOPIC_INIT;
	topic.partitions = 1;
	topic.record_max = record_max;
	assert_int_equal(evpipe_testbroker_create_topic(world->broker, name, &topic), EVPIPE_OK);
}

static const char *dead(const struct world *world, int64_t offset, const char *field)
{
	return world_envelope_field(world, "evpipe.events.dead", 0, offset, field);
}

static void test_handing_over__what_a_tier_never_takes_is_a_dead_letter(void **state)
{
	struct world world;
	char         data[500];
	(void)state;
	memset(data, '1', sizeof data);
	world_open(&world, 1, settings);
	make_topic(&world, "evpipe.events.retry.5s", 400);
	world_add_worker(&world);
	world_answer(&world, "ACME", EVPIPE_VERDICT_RETRY, 500);
	world_emit_data(&world, "ACME", "k", "large", data, sizeof data);
	world_emit_data(&world, "ACME", "k", "small", "1", 1);
	world_pass(&world, 2000);
	assert_int_equal(world_stats(&world).dead_lettered[EVPIPE_REASON_TOO_LARGE], 1);
	assert_int_equal(world_stats(&world).retried[0], 1);
	assert_string_equal(dead(&world, 0, "id"), "large");
	assert_string_equal(dead(&world, 0, "reason"), "too_large");
	/* Why the tier did not take it, rather than what the destination had said. */
	assert_string_not_equal(dead(&world, 0, "error"), "");
	world_close(&world);
}

static void test_handing_over__a_dead_letter_goes_without_what_it_can_be_without(void **state)
{
	struct world         world;
	char                 data[200], trace[200];
	const evpipe_header  header = {"traceparent", trace, sizeof trace};
	evpipe_event         event = EVPIPE_EVENT_INIT;
	evpipe_record        record;
	(void)state;
	memset(data, '1', sizeof data);
	memset(trace, '2', sizeof trace);
	world_open(&world, 2, settings);
	make_topic(&world, "evpipe.events.dead", 500);
	world_add_worker(&world);
	world_answer(&world, "ACME", EVPIPE_VERDICT_PERMANENT, 400);
	event.destination = "ACME";
	event.id = "7";
	event.data = data;
	event.data_len = sizeof data;
	event.headers = &header;
	event.headers_count = 1;
	assert_int_equal(evpipe_emit(world.producer, &event), EVPIPE_OK);
	world_pass(&world, 2000);
	assert_int_equal(world_stats(&world).dead_lettered[EVPIPE_REASON_REJECTED], 1);
	assert_int_equal(evpipe_testbroker_read(world.broker, "evpipe.events.dead", 0, 0, &record), EVPIPE_OK);
	assert_int_equal(record.headers_count, 1);
	assert_int_equal(record.value_len, sizeof data);
	assert_string_equal(dead(&world, 0, "id"), "7");
	world_close(&world);
}

/* What not even the dead letters take stays unsettled, is tried each minute, and holds nothing else up. */
static void test_handing_over__what_nobody_takes_waits_and_is_tried_again(void **state)
{
	struct world            world;
	evpipe_testbroker_fault fault = EVPIPE_TESTBROKER_FAULT_INIT;
	evpipe_record           foreign = {.topic = "evpipe.events", .partition = 0, .value = "nobody's", .value_len = 8, .timestamp_ms = 1};
	(void)state;
	world_open(&world, 3, settings);
	world_add_worker(&world);
	world_pass(&world, 1000);
	fault.topic = "evpipe.events.dead";
	fault.err = EVPIPE_ETOOLARGE;
	fault.times = 3;
	assert_int_equal(evpipe_testbroker_inject(world.broker, &fault), EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_append(world.broker, &foreign), EVPIPE_OK);
	world_emit(&world, "well", "k");
	world_pass(&world, 30000);
	assert_int_equal(evpipe_testbroker_delivery_count(world.broker), 1);
	assert_int_equal(world_stats(&world).in_flight, 1);
	assert_int_equal(evpipe_testbroker_committed(world.broker, "evpipe", "evpipe.events", 0, NULL), 0);
	world_pass(&world, 180000);
	assert_int_equal(world_stats(&world).dead_lettered[EVPIPE_REASON_FOREIGN], 1);
	assert_int_equal(world_stats(&world).in_flight, 0);
	assert_int_equal(evpipe_testbroker_committed(world.broker, "evpipe", "evpipe.events", 0, NULL), 2);
	world_close(&world);
}

/* A destination that refuses everything uses up no attempts, but ages. */
static void test_handing_over__what_is_parked_for_too_long_expires(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 4, settings);
	world_set(&world, "retry.age_max", "20s");
	world_add_worker(&world);
	world_answer(&world, "ACME", EVPIPE_VERDICT_REFUSED, 404);
	world_emit(&world, "ACME", "k");
	world_pass(&world, 15000);
	assert_int_equal(evpipe_testbroker_count(world.broker, "evpipe.events.dead"), 0);
	world_pass(&world, 100000);
	assert_int_equal(world_stats(&world).dead_lettered[EVPIPE_REASON_EXPIRED], 1);
	assert_string_equal(dead(&world, 0, "attempt"), "");
	assert_string_equal(dead(&world, 0, "status"), "404");
	world_close(&world);
}

static void test_handing_over__the_content_type_goes_along(void **state)
{
	struct world world;
	evpipe_event event = EVPIPE_EVENT_INIT;
	(void)state;
	world_open(&world, 5, settings);
	world_add_worker(&world);
	world_answer(&world, "ACME", EVPIPE_VERDICT_RETRY, 500);
	event.destination = "ACME";
	event.content_type = "text/plain";
	event.data = "hello";
	event.data_len = 5;
	assert_int_equal(evpipe_emit(world.producer, &event), EVPIPE_OK);
	world_pass(&world, 1000);
	assert_string_equal(world_envelope_field(&world, "evpipe.events.retry.5s", 0, 0, "content-type"), "text/plain");
	world_close(&world);
}

/* Others want its partition, and the post that is out takes longer than they are to wait. */
static void test_handing_over__a_partition_that_cannot_be_drained_is_given_up_after_5_s(void **state)
{
	struct world             world;
	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	(void)state;
	world_open(&world, 6, settings);
	world_set(&world, "topic.partitions", "2");
	evpipe_producer_free(world.producer);
	assert_int_equal(evpipe_producer_new(&world.producer, world.config, NULL), EVPIPE_OK);
	world_add_worker(&world);
	world_pass(&world, 1000);
	answer.delay_ms = 20000;
	answer.times = 1;
	assert_int_equal(evpipe_testbroker_answer_with(world.broker, &answer, NULL), EVPIPE_OK);
	for (int i = 0; i < 20; i++) {
		char key[16];
		snprintf(key, sizeof key, "%d", i);
		world_emit(&world, "ACME", key);
	}
	world_pass(&world, 1000);
	world_add_worker(&world);
	/* Before the post is answered, the newcomer has its share and its events are delivered. */
	world_pass(&world, 8000);
	evpipe_stats newcomer = EVPIPE_STATS_INIT;
	evpipe_worker_stats(world.workers[1], &newcomer);
	assert_true(newcomer.delivered > 0);
	world_pass(&world, 60000);
	assert_int_equal(world_stats(&world).in_flight, 0);
	for (uint64_t i = 0; i < 20; i++) {
		char id[32];
		snprintf(id, sizeof id, "ACME-%llu", (unsigned long long)i);
		assert_in_range(evpipe_testbroker_delivered(world.broker, "ACME", id), 1, 2);
	}
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handing_over__what_a_tier_never_takes_is_a_dead_letter),
		cmocka_unit_test(test_handing_over__a_dead_letter_goes_without_what_it_can_be_without),
		cmocka_unit_test(test_handing_over__what_nobody_takes_waits_and_is_tried_again),
		cmocka_unit_test(test_handing_over__what_is_parked_for_too_long_expires),
		cmocka_unit_test(test_handing_over__the_content_type_goes_along),
		cmocka_unit_test(test_handing_over__a_partition_that_cannot_be_drained_is_given_up_after_5_s),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
