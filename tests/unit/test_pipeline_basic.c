/*
 * The whole way of an event, in virtual time: emit, broker, batches, posts.
 */
#include "world.h"

static const char *const settings[] = {"topic.partitions", "8", NULL};
static const char *const destinations[] = {"ACME", "Globex", "Initech"};

static void emit_many(struct world *world, uint64_t count)
{
	char key[16];
	for (uint64_t i = 0; i < count; i++) {
		snprintf(key, sizeof key, "session-%d", (int)(i % 17));
		world_emit(world, destinations[i % 3], key);
	}
}

static void test_pipeline__delivers_each_event_once(void **state)
{
	struct world world;
	char         id[300];
	(void)state;

	world_open(&world, 1, settings);
	world_add_worker(&world);
	emit_many(&world, 1000);
	world_pass(&world, 2000);
	assert_int_equal(evpipe_testbroker_delivery_count(world.broker), 1000);
	for (uint64_t number = 0; number < 1000; number++) {
		snprintf(id, sizeof id, "%s-%llu", destinations[number % 3], (unsigned long long)number);
		assert_int_equal(evpipe_testbroker_delivered(world.broker, destinations[number % 3], id), 1);
	}
	evpipe_stats stats = world_stats(&world);
	assert_int_equal(stats.taken, 1000);
	assert_int_equal(stats.delivered, 1000);
	assert_int_equal(stats.in_flight, 0);
	assert_int_equal(stats.posts_failed, 0);
	assert_int_equal(stats.lag, 0);
	stats = world_producer_stats(&world);
	assert_int_equal(stats.accepted, 1000);
	assert_int_equal(stats.sent, 1000);
	assert_int_equal(stats.pending, 0);
	assert_int_equal(evpipe_testbroker_lag(world.broker, "evpipe", "evpipe.events"), 0);
	world_close(&world);
}

/* What happened, in one number: when each event came to whom. */
static uint64_t history_of(uint64_t seed)
{
	struct world world;
	uint64_t     history = 0;

	world_open(&world, seed, settings);
	world_add_worker(&world);
	world_add_worker(&world);
	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	answer.verdict = EVPIPE_VERDICT_RETRY;
	answer.status = 503;
	answer.permille = 300;
	assert_int_equal(evpipe_testbroker_answer_with(world.broker, &answer, NULL), EVPIPE_OK);
	for (int i = 0; i < 20; i++) {
		emit_many(&world, 100);
		world_pass(&world, 97);
		if (i == 10)
			evpipe_testbroker_rebalance(world.broker, "evpipe");
	}
	world_pass(&world, 60000);
	size_t count = evpipe_testbroker_delivery_count(world.broker);
	for (size_t i = 0; i < count; i++) {
		const evpipe_testbroker_delivery *delivery = evpipe_testbroker_delivery_at(world.broker, i);
		for (const char *c = delivery->id; *c; c++)
			history = (history ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
		history = (history ^ (uint64_t)delivery->at_ms) * UINT64_C(0x100000001b3);
	}
	world_close(&world);
	return history;
}

static void test_pipeline__the_same_seed_replays_the_same_history(void **state)
{
	(void)state;
	uint64_t first = history_of(7);
	assert_true(first == history_of(7));
	assert_true(first != history_of(8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pipeline__delivers_each_event_once),
		cmocka_unit_test(test_pipeline__the_same_seed_replays_the_same_history),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
