/*
 * No destination holds another back.
 */
#include "world.h"

#define LINGER_MS 200
#define POST_MS 10

/* Ten destinations, one of them ten times as busy, 20 s, some 200 events a second. */
static void run_load(struct world *world)
{
	char destination[16], key[16];
	for (int tick = 0; tick < 2000; tick++) {
		for (int i = 0; i < 2; i++) {
			int number = tick * 2 + i;
			snprintf(destination, sizeof destination, "%s", number % 2 ? "busy" : "");
			if (number % 2 == 0)
				snprintf(destination, sizeof destination, "org-%d", number / 2 % 10);
			snprintf(key, sizeof key, "session-%d", number % 97);
			world_emit(world, destination, key);
		}
		world_pass(world, 10);
	}
	world_pass(world, 5000);
}

static void open_load(struct world *world)
{
	static const char *const settings[] = {"topic.partitions", "4", "batch.linger", "200ms", NULL};
	world_open(world, 42, settings);
	evpipe_testbroker_set_sink_delay(world->broker, POST_MS);
	world_add_worker(world);
}

/* The delay of the others at the 99th percentile, with and without the fault: one linger and one post apart at the most. */
static void assert_unharmed(void (*break_it)(struct world *world))
{
	struct world world;
	open_load(&world);
	run_load(&world);
	int64_t well_ms = world_delay(&world, NULL, "busy", 990);
	world_close(&world);

	open_load(&world);
	break_it(&world);
	run_load(&world);
	int64_t harmed_ms = world_delay(&world, NULL, "busy", 990);
	for (uint64_t number = 0; number < 4000; number += 2) {
		char destination[16];
		snprintf(destination, sizeof destination, "org-%d", (int)(number / 2 % 10));
		world_assert_delivered_once(&world, destination, number, number + 1);
	}
	world_close(&world);
	assert_true(harmed_ms <= well_ms + LINGER_MS + POST_MS);
}

static void make_dead(struct world *world)
{
	world_answer(world, "busy", EVPIPE_VERDICT_RETRY, 503);
}

static void make_slow(struct world *world)
{
	world_slow_down(world, "busy", 20000);
	/* Two posts hold all that it may have in flight. */
	world_set(world, "sink.in_flight_per_destination_max", "2");
}

static void make_time_out(struct world *world)
{
	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	answer.destination = "busy";
	answer.verdict = EVPIPE_VERDICT_RETRY;
	answer.delay_ms = 30000;
	answer.unknown = answer.overloaded = 1;
	evpipe_testbroker_answer_with(world->broker, &answer, NULL);
}

static void make_throttling(struct world *world)
{
	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	answer.destination = "busy";
	answer.verdict = EVPIPE_VERDICT_RETRY;
	answer.status = 429;
	answer.leave_alone_ms = 3000;
	answer.overloaded = 1;
	evpipe_testbroker_answer_with(world->broker, &answer, NULL);
}

static void test_isolation__a_dead_destination_is_not_felt(void **state)
{
	(void)state;
	assert_unharmed(make_dead);
}

static void test_isolation__a_slow_one_is_not_felt(void **state)
{
	(void)state;
	assert_unharmed(make_slow);
}

static void test_isolation__one_that_times_out_is_not_felt(void **state)
{
	(void)state;
	assert_unharmed(make_time_out);
}

static void test_isolation__a_throttling_one_is_not_felt(void **state)
{
	(void)state;
	assert_unharmed(make_throttling);
}

static void test_isolation__a_dead_one_costs_few_posts(void **state)
{
	struct world world;
	(void)state;
	open_load(&world);
	make_dead(&world);
	run_load(&world);
	size_t posts = 0;
	for (size_t i = 0; i < evpipe_testbroker_post_count(world.broker); i++)
		posts += strcmp(evpipe_testbroker_post_at(world.broker, i)->destination, "busy") == 0;
	assert_in_range(posts, 10, 40);
	world_close(&world);
}

/* More than fits into the pool, all of it dead: the well one still gets its posts. */
static void test_isolation__many_dead_ones_leave_room_in_the_pool(void **state)
{
	static const char *const settings[] = {"topic.partitions", "4", "sink.in_flight_max", "16", NULL};
	struct world             world;
	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	char                     destination[32];
	(void)state;
	world_open(&world, 7, settings);
	evpipe_testbroker_set_sink_delay(world.broker, POST_MS);
	world_add_worker(&world);
	for (int i = 0; i < 12; i++) {
		snprintf(destination, sizeof destination, "dead-%d", i);
		answer.destination = destination;
		answer.verdict = EVPIPE_VERDICT_RETRY;
		answer.delay_ms = 5000;
		evpipe_testbroker_answer_with(world.broker, &answer, NULL);
	}
	for (int tick = 0; tick < 500; tick++) {
		for (int i = 0; i < 12; i++) {
			snprintf(destination, sizeof destination, "dead-%d", i);
			world_emit(&world, destination, "k");
		}
		world_emit(&world, "well", "k");
		world_pass(&world, 20);
	}
	world_pass(&world, 1000);
	assert_true(world_delay(&world, "well", NULL, 990) <= 2 * (LINGER_MS + POST_MS));
	world_close(&world);
}

/* A burst for many, and a pool too small for all: who had to step back is not forgotten, even when nothing new comes. */
static void test_isolation__a_small_pool_serves_all(void **state)
{
	static const char *const settings[] = {"topic.partitions", "4", "sink.in_flight_max", "8", "batch.events_max", "100", NULL};
	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	struct world             world;
	char                     destination[32], key[32];
	(void)state;
	world_open(&world, 9, settings);
	evpipe_testbroker_set_sink_delay(world.broker, 100);
	answer.permille = 500;
	answer.delay_ms = 37;
	evpipe_testbroker_answer_with(world.broker, &answer, NULL);
	world_add_worker(&world);
	for (int i = 0; i < 30000; i++) {
		int session = i * 7919 % 2000;
		snprintf(destination, sizeof destination, "org-%d", session % 20);
		snprintf(key, sizeof key, "session-%d", session);
		world_emit(&world, destination, key);
	}
	/* About 300 posts are left, 8 at a time. */
	world_pass(&world, 500);
	evpipe_worker_stop(world.workers[0]);
	world_pass(&world, 20000);
	assert_int_equal(world_stats(&world).in_flight, 0);
	assert_int_equal(world_stats(&world).relinquished, 0);
	world_close(&world);
}

/* Everything dead, and more waiting than may be held: what is held stays within the budget, and nothing is lost. */
static void assert_within_budget(const char *memory_max, uint64_t least, uint64_t most)
{
	static const char *const settings[] = {"topic.partitions", "4", "journal.size", "64MiB", "event.max", "64KiB",
	                                       "breaker.failures", "1000000", "breaker.failure_percent", "100", NULL};
	struct world world;
	char         data[2000], id[32];
	memset(data, '1', sizeof data);
	world_open(&world, 8, settings);
	world_set(&world, "worker.memory_max", memory_max);
	world_add_worker(&world);
	uint32_t rule = world_slow_down(&world, NULL, 600000);
	for (int i = 0; i < 20000; i++) {
		snprintf(id, sizeof id, "ACME-%d", i);
		world_emit_data(&world, "ACME", id, id, data, sizeof data);
		if (i % 100 == 0)
			world_pass(&world, 10);
	}
	world_pass(&world, 10000);
	assert_in_range(world_stats(&world).memory_max, least, most);
	evpipe_testbroker_answer_remove(world.broker, rule);
	world_pass_until_delivered(&world, 20000, 3600000);
	assert_in_range(world_stats(&world).memory_max, least, most);
	world_close(&world);
}

static void test_isolation__memory_stays_within_the_budget(void **state)
{
	(void)state;
	assert_within_budget("16MiB", 4 << 20, 16 << 20);
}

static void test_isolation__a_tiny_budget_holds_as_well(void **state)
{
	(void)state;
	assert_within_budget("1MiB", 1 << 18, 1 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_isolation__a_dead_destination_is_not_felt),
		cmocka_unit_test(test_isolation__a_slow_one_is_not_felt),
		cmocka_unit_test(test_isolation__one_that_times_out_is_not_felt),
		cmocka_unit_test(test_isolation__a_throttling_one_is_not_felt),
		cmocka_unit_test(test_isolation__a_dead_one_costs_few_posts),
		cmocka_unit_test(test_isolation__many_dead_ones_leave_room_in_the_pool),
		cmocka_unit_test(test_isolation__a_small_pool_serves_all),
		cmocka_unit_test(test_isolation__memory_stays_within_the_budget),
		cmocka_unit_test(test_isolation__a_tiny_budget_holds_as_well),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
