/*
 * What a worker knows of destinations.
 */
#include "world.h"

static const char *const settings[] = {"topic.partitions", "1", "batch.linger", "10ms", NULL};

static int find_state(void *ctx, const evpipe_destination_stats *stats)
{
	char *found = ctx;
	if (strcmp(stats->destination, "ACME") != 0)
		return 0;
	snprintf(found, 16, "%s", stats->state);
	return 1;
}

static void test_destinations__one_that_begins_to_fail_is_seen_to(void **state)
{
	struct world world;
	char         found[16] = "";
	(void)state;
	world_open(&world, 1, settings);
	world_add_worker(&world);
	world_answer(&world, "ACME", EVPIPE_VERDICT_RETRY, 500);
	world_emit(&world, "well", "k");
	world_emit(&world, "ACME", "k");
	world_pass(&world, 200);
	assert_int_equal(evpipe_worker_each_destination(world.workers[0], find_state, found), 1);
	assert_string_equal(found, "failing");
	world_close(&world);
}

static int count(void *ctx, const evpipe_destination_stats *stats)
{
	(void)stats;
	++*(unsigned *)ctx;
	return 0;
}

/* Of destinations with nothing to do 10,000 are remembered, those that are failing among them. */
static void test_destinations__those_without_end_are_forgotten(void **state)
{
	struct world world;
	unsigned     remembered = 0;
	char         name[32], found[16] = "";
	(void)state;
	world_open(&world, 1, settings);
	world_set(&world, "breaker.failures", "1");
	world_set(&world, "breaker.open_max", "1h");
	world_set(&world, "breaker.open", "1h");
	world_set(&world, "retry.quick_max", "0");
	world_add_worker(&world);
	world_answer(&world, "ACME", EVPIPE_VERDICT_RETRY, 500);
	world_emit(&world, "ACME", "k");
	world_pass(&world, 100);
	for (int i = 0; i < 10500; i++) {
		snprintf(name, sizeof name, "org-%d", i);
		world_emit(&world, name, "k");
		if (i % 500 == 0)
			world_pass(&world, 500);
	}
	world_pass(&world, 10000);
	assert_int_equal(world_stats(&world).delivered, 10500);
	evpipe_worker_each_destination(world.workers[0], count, &remembered);
	assert_int_equal(remembered, 10000);
	evpipe_worker_each_destination(world.workers[0], find_state, found);
	assert_string_equal(found, "open");
	world_close(&world);
}

/* The breaker opens while a batch waits for its quick retry: that has failed, and so has used up its attempt; what was never posted has not. */
static void test_destinations__what_failed_before_the_breaker_opened_has_failed(void **state)
{
	static const char *const own[] = {"topic.partitions", "1",  "batch.linger",          "1ms", "batch.events_max",      "1",  "order", "none",
	                                  "retry.delays",     "1s, 1h", "retry.quick_delay_min", "1s",  "retry.quick_delay_max", "1s",
	                                  "breaker.failures", "2",  "breaker.open",          "5m",  "sink.in_flight_per_destination_max", "2", NULL};
	struct world world;
	(void)state;
	world_open(&world, 1, own);
	world_add_worker(&world);
	world_answer(&world, "ACME", EVPIPE_VERDICT_RETRY, 500);
	for (int i = 0; i < 3; i++)
		world_emit(&world, "ACME", NULL);
	world_pass(&world, 900);
	assert_int_equal(evpipe_testbroker_count(world.broker, "evpipe.events.retry.1h"), 3);
	assert_int_equal(world_stats(&world).posts, 2);
	unsigned failed = 0, parked = 0;
	for (int64_t offset = 0; offset < 3; offset++) {
		failed += strcmp(world_envelope_field(&world, "evpipe.events.retry.1h", 0, offset, "attempt"), "1") == 0;
		parked += strcmp(world_envelope_field(&world, "evpipe.events.retry.1h", 0, offset, "parks"), "1") == 0;
	}
	assert_int_equal(failed, 2);
	assert_int_equal(parked, 1);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_destinations__one_that_begins_to_fail_is_seen_to),
		cmocka_unit_test(test_destinations__those_without_end_are_forgotten),
		cmocka_unit_test(test_destinations__what_failed_before_the_breaker_opened_has_failed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
