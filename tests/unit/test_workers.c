/*
 * Workers come, go, die and stop; nothing is lost, and nothing doubled beyond what a fault explains.
 */
#include "world.h"

static const char *const settings[] = {"topic.partitions", "8", "batch.linger", "50ms", "commit.interval", "1s", NULL};

static void emit_for_many(struct world *world, int count)
{
	char destination[16], key[16];
	for (int i = 0; i < count; i++) {
		snprintf(destination, sizeof destination, "org-%d", i % 7);
		snprintf(key, sizeof key, "session-%d", i % 101);
		world_emit(world, destination, key);
	}
}

static void assert_all_delivered(const struct world *world)
{
	char destination[16], id[64];
	for (uint64_t number = 0; number < world->emitted; number++) {
		snprintf(destination, sizeof destination, "org-%d", (int)(number % 7));
		snprintf(id, sizeof id, "%s-%llu", destination, (unsigned long long)number);
		if (!evpipe_testbroker_delivered(world->broker, destination, id))
			fail_msg("%s is lost", id);
	}
}

static uint64_t partitions_of(const struct world *world, size_t worker)
{
	evpipe_stats stats = EVPIPE_STATS_INIT;
	evpipe_worker_stats(world->workers[worker], &stats);
	return stats.partitions;
}

static void test_workers__share_the_partitions(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 1, settings);
	for (int i = 0; i < 4; i++)
		world_add_worker(&world);
	world_pass(&world, 10000);
	/* 8 of the main topic and 8 of each of five tiers. */
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(partitions_of(&world, i), 12);
	emit_for_many(&world, 7000);
	world_pass(&world, 2000);
	assert_all_delivered(&world);
	assert_int_equal(evpipe_testbroker_delivery_count(world.broker), 7000);
	world_close(&world);
}

static void test_workers__rebalances_double_nothing(void **state)
{
	struct world world;
	(void)state;
	for (int eager = 0; eager < 2; eager++) {
		world_open(&world, 2, settings);
		evpipe_testbroker_set_protocol(world.broker, eager ? EVPIPE_REBALANCE_EAGER : EVPIPE_REBALANCE_COOPERATIVE);
		evpipe_testbroker_set_sink_delay(world.broker, 100);
		world_add_worker(&world);
		for (int i = 0; i < 50; i++) {
			emit_for_many(&world, 70);
			world_pass(&world, 60);
			if (i % 12 == 5)
				world_add_worker(&world);
			if (i % 7 == 3)
				evpipe_testbroker_rebalance(world.broker, "evpipe");
		}
		world_pass(&world, 10000);
		assert_all_delivered(&world);
		assert_int_equal(evpipe_testbroker_delivery_count(world.broker), world.emitted);
		world_close(&world);
	}
}

/* Duplicates after a kill: at most the posts in flight and what was settled since the last commit. */
static void test_workers__a_killed_one_doubles_no_more_than_what_it_had_not_committed(void **state)
{
	struct world world;
	uint64_t     delivered_in_the_last_interval = 0;
	(void)state;
	world_open(&world, 3, settings);
	world_add_worker(&world);
	world_add_worker(&world);
	world_pass(&world, 5000);
	for (int i = 0; i < 100; i++) {
		emit_for_many(&world, 70);
		world_pass(&world, 50);
		if (i == 60) {
			size_t  count = evpipe_testbroker_delivery_count(world.broker);
			int64_t now_ms = evpipe_testbroker_now_ms(world.broker);
			for (size_t j = 0; j < count; j++)
				delivered_in_the_last_interval +=
					evpipe_testbroker_delivery_at(world.broker, j)->at_ms >= now_ms - 1100;
			world_kill_worker(&world, 1);
		}
	}
	world_pass(&world, 120000);
	assert_all_delivered(&world);
	uint64_t doubled = evpipe_testbroker_delivery_count(world.broker) - world.emitted;
	assert_true(doubled <= delivered_in_the_last_interval + 16 * 500);
	assert_true(doubled <= delivered_in_the_last_interval);
	world_close(&world);
}

/* A slow destination keeps the frontier back, yet what others delivered beyond it is not delivered again. */
static void test_workers__ranges_beyond_the_frontier_survive_a_kill(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 4, settings);
	world_add_worker(&world);
	world_slow_down(&world, "org-0", 20000);
	emit_for_many(&world, 700);
	world_pass(&world, 4000); /* delivered but for org-0, and committed */
	assert_int_equal(evpipe_testbroker_delivery_count(world.broker), 600);
	world_kill_worker(&world, 0);
	world_add_worker(&world);
	world_pass(&world, 120000);
	assert_all_delivered(&world);
	for (uint64_t number = 0; number < 700; number++) {
		char destination[16], id[64];
		snprintf(destination, sizeof destination, "org-%d", (int)(number % 7));
		snprintf(id, sizeof id, "%s-%llu", destination, (unsigned long long)number);
		if (number % 7)
			assert_int_equal(evpipe_testbroker_delivered(world.broker, destination, id), 1);
	}
	world_close(&world);
}

/* A post that takes its time keeps a partition from its next owner for so long and no longer. */
static void test_workers__a_partition_is_handed_over_in_time(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 6, settings);
	world_set(&world, "worker.handover_timeout", "8s");
	world_add_worker(&world);
	world_slow_down(&world, "org-0", 20000);
	emit_for_many(&world, 700);
	world_pass(&world, 1000);
	world_add_worker(&world);
	world_pass(&world, 7500);
	assert_int_equal(partitions_of(&world, 1), 20); /* half of the tiers', where nothing is under way */
	world_pass(&world, 1500);
	assert_int_equal(partitions_of(&world, 1), 24);
	world_pass(&world, 60000);
	assert_all_delivered(&world);
	world_close(&world);
}

static void test_workers__one_that_is_expelled_joins_again(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 5, settings);
	world_add_worker(&world);
	world_add_worker(&world);
	world_pass(&world, 5000);
	for (int i = 0; i < 50; i++) {
		emit_for_many(&world, 70);
		world_pass(&world, 50);
		if (i == 25)
			assert_int_equal(evpipe_testbroker_expel(world.broker, "evpipe", 0), EVPIPE_OK);
	}
	world_pass(&world, 10000);
	assert_all_delivered(&world);
	assert_int_equal(partitions_of(&world, 0), 24);
	world_close(&world);
}

/* A verdict that comes for a partition that was lost meanwhile is the next owner's business: no second copy in a tier. */
static void test_workers__late_verdicts_of_a_lost_partition_hand_nothing_over(void **state)
{
	struct world             world;
	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	(void)state;
	world_open(&world, 10, settings);
	world_set(&world, "retry.quick_max", "0");
	world_set(&world, "topic.partitions", "1");
	world_add_worker(&world);
	answer.verdict = EVPIPE_VERDICT_RETRY;
	answer.delay_ms = 5000;
	answer.times = 1;
	evpipe_testbroker_answer_with(world.broker, &answer, NULL);
	for (int i = 0; i < 10; i++)
		world_emit(&world, "ACME", "a");
	world_pass(&world, 1000);
	assert_int_equal(evpipe_testbroker_expel(world.broker, "evpipe", 0), EVPIPE_OK);
	world_pass(&world, 20000);
	world_assert_delivered_once(&world, "ACME", 0, 10);
	assert_int_equal(evpipe_testbroker_count(world.broker, "evpipe.events.retry.5s"), 0);
	assert_int_equal(world_stats(&world).relinquished, 10);
	world_close(&world);
}

/* ---- stopping ---- */

static evpipe_err stop_and_pass(struct world *world, int64_t ms)
{
	evpipe_worker_stop(world->workers[0]);
	world_pass(world, ms);
	return evpipe_worker_step(world->workers[0], 0);
}

static void test_workers__a_stopped_one_delivers_what_it_took(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 6, settings);
	world_set(&world, "batch.linger", "1m");
	world_add_worker(&world);
	emit_for_many(&world, 700);
	world_pass(&world, 1000);
	assert_int_equal(evpipe_testbroker_delivery_count(world.broker), 0);
	assert_int_equal(stop_and_pass(&world, 1000), EVPIPE_ECLOSED);
	evpipe_stats stats = world_stats(&world);
	assert_int_equal(stats.in_flight, 0);
	assert_int_equal(stats.relinquished, 0);
	assert_all_delivered(&world);
	/* And committed: the next one takes nothing of it. */
	world_add_worker(&world);
	emit_for_many(&world, 70);
	world_pass(&world, 120000);
	assert_int_equal(evpipe_testbroker_delivery_count(world.broker), 770);
	world_close(&world);
}

static void test_workers__a_stopped_one_hands_failures_over(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 7, settings);
	world_add_worker(&world);
	uint32_t rule = world_answer(&world, "org-1", EVPIPE_VERDICT_RETRY, 503);
	emit_for_many(&world, 700);
	world_pass(&world, 100);
	assert_int_equal(stop_and_pass(&world, 5000), EVPIPE_ECLOSED);
	assert_int_equal(world_stats(&world).retried[0], 100);
	evpipe_testbroker_answer_remove(world.broker, rule);
	world_add_worker(&world);
	world_pass(&world, 10000);
	assert_all_delivered(&world);
	world_close(&world);
}

static void test_workers__one_that_cannot_drain_in_time_says_how_much_is_left(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 8, settings);
	world_set(&world, "worker.drain_timeout", "5s");
	world_add_worker(&world);
	world_slow_down(&world, "org-1", 60000);
	emit_for_many(&world, 700);
	world_pass(&world, 1000);
	assert_int_equal(stop_and_pass(&world, 4000), EVPIPE_EAGAIN);
	world_pass(&world, 1000);
	assert_int_equal(evpipe_worker_step(world.workers[0], 0), EVPIPE_ETIMEOUT);
	assert_int_equal(world_stats(&world).relinquished, 100);
	world_close(&world);
}

static void test_workers__a_second_stop_ends_the_drain(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 9, settings);
	world_add_worker(&world);
	world_slow_down(&world, NULL, 60000);
	emit_for_many(&world, 70);
	world_pass(&world, 1000);
	assert_int_equal(stop_and_pass(&world, 100), EVPIPE_EAGAIN);
	assert_int_equal(stop_and_pass(&world, 100), EVPIPE_ETIMEOUT);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_workers__share_the_partitions),
		cmocka_unit_test(test_workers__rebalances_double_nothing),
		cmocka_unit_test(test_workers__a_killed_one_doubles_no_more_than_what_it_had_not_committed),
		cmocka_unit_test(test_workers__ranges_beyond_the_frontier_survive_a_kill),
		cmocka_unit_test(test_workers__a_partition_is_handed_over_in_time),
		cmocka_unit_test(test_workers__one_that_is_expelled_joins_again),
		cmocka_unit_test(test_workers__late_verdicts_of_a_lost_partition_hand_nothing_over),
		cmocka_unit_test(test_workers__a_stopped_one_delivers_what_it_took),
		cmocka_unit_test(test_workers__a_stopped_one_hands_failures_over),
		cmocka_unit_test(test_workers__one_that_cannot_drain_in_time_says_how_much_is_left),
		cmocka_unit_test(test_workers__a_second_stop_ends_the_drain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
