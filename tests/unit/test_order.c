/*
 * Events of one key come to their destination in order, and a busy destination still has many posts in flight.
 */
#include "world.h"

#define KEYS 50

/* Numbers ascend for each key, as far as the deliveries tell. */
static void assert_in_order(const struct world *world)
{
	long   last[KEYS];
	size_t count = evpipe_testbroker_delivery_count(world->broker);
	memset(last, -1, sizeof last);
	for (size_t i = 0; i < count; i++) {
		const evpipe_testbroker_delivery *delivery = evpipe_testbroker_delivery_at(world->broker, i);
		char                              key[16] = {0};
		memcpy(key, delivery->key, delivery->key_len);
		long number = strtol(strchr(delivery->id, '-') + 1, NULL, 10), which = strtol(key, NULL, 10);
		if (number <= last[which])
			fail_msg("%s after %ld", delivery->id, last[which]);
		last[which] = number;
	}
}

static void emit_keyed(struct world *world, int count)
{
	char key[16];
	for (int i = 0; i < count; i++) {
		/* Not the number's own modulus: keys come in bursts, and some far more often. */
		snprintf(key, sizeof key, "%d", (i * 7919 + i / 13) % (i % 3 ? KEYS : 5));
		world_emit(world, "ACME", key);
	}
}

static size_t most_in_flight(const struct world *world)
{
	size_t most = 0, count = evpipe_testbroker_post_count(world->broker);
	for (size_t i = 0; i < count; i++) {
		const evpipe_testbroker_post *post = evpipe_testbroker_post_at(world->broker, i);
		size_t                        out = 0;
		for (size_t j = i > 200 ? i - 200 : 0; j <= i; j++) {
			const evpipe_testbroker_post *other = evpipe_testbroker_post_at(world->broker, j);
			out += other->at_ms <= post->at_ms && other->answered_ms > post->at_ms;
		}
		most = out > most ? out : most;
	}
	return most;
}

static void slow_and_jittery(struct world *world)
{
	/* A third of the posts take far longer: what overtakes whom is up to them. */
	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	answer.permille = 333;
	answer.delay_ms = 170;
	evpipe_testbroker_answer_with(world->broker, &answer, NULL);
	evpipe_testbroker_set_sink_delay(world->broker, 20);
}

static void run_backlog(struct world *world, const char *order)
{
	static const char *const settings[] = {"topic.partitions", "8", "batch.events_max", "50", NULL};
	world_open(world, 11, settings);
	world_set(world, "order", order);
	slow_and_jittery(world);
	world_add_worker(world);
	emit_keyed(world, 20000);
	world_pass_until_delivered(world, 20000, 600000);
	world_assert_delivered_once(world, "ACME", 0, 20000);
}

static void test_order__keys_stay_in_order_with_many_posts_in_flight(void **state)
{
	struct world world;
	(void)state;
	run_backlog(&world, "key");
	assert_in_order(&world);
	assert_in_range(most_in_flight(&world), 8, 16);
	world_close(&world);
}

static void test_order__none_takes_them_as_they_come(void **state)
{
	struct world world;
	(void)state;
	run_backlog(&world, "none");
	assert_in_range(most_in_flight(&world), 12, 16);
	world_close(&world);
}

/* Lanes grow under a backlog and shrink when there is none; order holds across the changes. */
static void test_order__holds_while_the_number_of_lanes_changes(void **state)
{
	static const char *const settings[] = {"topic.partitions", "8", "batch.events_max", "10", "batch.linger", "20ms", NULL};
	struct world             world;
	(void)state;
	world_open(&world, 12, settings);
	slow_and_jittery(&world);
	world_add_worker(&world);
	for (int burst = 0; burst < 20; burst++) {
		emit_keyed(&world, burst % 2 ? 1500 : 30);
		world_pass(&world, burst % 3 ? 300 : 4000);
	}
	world_pass_until_delivered(&world, world.emitted, 600000);
	assert_in_order(&world);
	world_close(&world);
}

/* Also where it is bytes that limit a post, to far fewer events than batch.events_max. */
static void test_order__a_backlog_of_large_events_gets_lanes_as_well(void **state)
{
	static const char *const settings[] = {"topic.partitions", "8", "batch.bytes_max", "512", "batch.events_max", "500", NULL};
	struct world             world;
	char                     data[500], id[32], key[16];
	(void)state;
	memset(data, '1', sizeof data);
	world_open(&world, 15, settings);
	evpipe_testbroker_set_sink_delay(world.broker, 100);
	world_add_worker(&world);
	for (int i = 0; i < 300; i++) {
		snprintf(id, sizeof id, "ACME-%d", i);
		snprintf(key, sizeof key, "%d", i % KEYS);
		world_emit_data(&world, "ACME", key, id, data, sizeof data);
	}
	world_pass_until_delivered(&world, 300, 10000);
	assert_in_order(&world);
	assert_in_range(most_in_flight(&world), 8, 16);
	world_close(&world);
}

/* Halves of a batch go one after another, before anything behind it. */
static void test_order__holds_through_halving_and_bisection(void **state)
{
	static const char *const settings[] = {"topic.partitions", "4", "batch.events_max", "64", NULL};
	struct world             world;
	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	(void)state;
	world_open(&world, 13, settings);
	slow_and_jittery(&world);
	answer.verdict = EVPIPE_VERDICT_TOO_LARGE;
	answer.status = 413;
	answer.count_above = 20;
	evpipe_testbroker_answer_with(world.broker, &answer, NULL);
	for (int i = 0; i < 10; i++) {
		char id[32];
		snprintf(id, sizeof id, "ACME-%d", i * 577);
		evpipe_testbroker_answer poison = EVPIPE_TESTBROKER_ANSWER_INIT;
		poison.verdict = EVPIPE_VERDICT_PERMANENT;
		poison.status = 400;
		poison.event_id = id;
		evpipe_testbroker_answer_with(world.broker, &poison, NULL);
	}
	world_add_worker(&world);
	emit_keyed(&world, 6000);
	world_pass_until_delivered(&world, 5990, 600000);
	assert_in_order(&world);
	assert_int_equal(world_stats(&world).dead_lettered[EVPIPE_REASON_REJECTED], 10);
	world_close(&world);
}

static void test_order__holds_when_partitions_move(void **state)
{
	static const char *const settings[] = {"topic.partitions", "8", "batch.events_max", "50", NULL};
	struct world             world;
	(void)state;
	world_open(&world, 14, settings);
	evpipe_testbroker_set_sink_delay(world.broker, 30);
	world_add_worker(&world);
	for (int i = 0; i < 40; i++) {
		emit_keyed(&world, 200);
		world_pass(&world, 100);
		if (i == 10 || i == 20)
			world_add_worker(&world);
		if (i == 30)
			evpipe_testbroker_rebalance(world.broker, "evpipe");
	}
	world_pass_until_delivered(&world, world.emitted, 600000);
	world_pass(&world, 5000);
	assert_int_equal(evpipe_testbroker_delivery_count(world.broker), world.emitted);
	assert_in_order(&world);
	world_close(&world);
}

/*
 * The number of lanes changes while a batch of an old one waits to be posted again, and its partition goes to somebody
 * else before: nothing of the old lane will ever be posted, and the new ones don't wait for that.
 */
static void test_order__new_lanes_do_not_wait_for_what_is_gone(void **state)
{
	static const char *const settings[] = {"topic.partitions", "1", "batch.events_max", "1", "batch.linger", "0",
	                                       "retry.quick_delay_min", "5s", "retry.quick_delay_max", "5s", "retry.delays", "10s", NULL};
	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	struct world             world;
	(void)state;
	world_open(&world, 15, settings);
	answer.verdict = EVPIPE_VERDICT_RETRY;
	answer.times = 1;
	answer.delay_ms = 100;
	evpipe_testbroker_answer_with(world.broker, &answer, NULL);
	world_add_worker(&world);
	emit_keyed(&world, 10);
	world_pass(&world, 1000);
	assert_int_equal(evpipe_testbroker_post_count(world.broker), 1);
	assert_int_equal(evpipe_testbroker_expel(world.broker, "evpipe", 0), EVPIPE_OK);
	world_pass_until_delivered(&world, 10, 60000);
	world_close(&world);
}

/* What waits moves to new lanes when their number changes; what is somebody else's by then is left behind. */
static void test_order__new_lanes_take_over_nothing_that_is_gone(void **state)
{
	static const char *const settings[] = {"topic.partitions", "1", "batch.events_max", "10", "batch.linger", "10ms", NULL};
	struct world             world;
	(void)state;
	world_open(&world, 16, settings);
	evpipe_testbroker_set_sink_delay(world.broker, 1000);
	world_add_worker(&world);
	emit_keyed(&world, 40);
	world_pass(&world, 500);
	assert_int_equal(evpipe_testbroker_post_count(world.broker), 1);
	assert_int_equal(evpipe_testbroker_expel(world.broker, "evpipe", 0), EVPIPE_OK);
	world_pass(&world, 60000);
	/* Only the first ten had been posted before. */
	world_assert_delivered_once(&world, "ACME", 10, 40);
	assert_true(most_in_flight(&world) > 1);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order__new_lanes_take_over_nothing_that_is_gone),
		cmocka_unit_test(test_order__new_lanes_do_not_wait_for_what_is_gone),
		cmocka_unit_test(test_order__keys_stay_in_order_with_many_posts_in_flight),
		cmocka_unit_test(test_order__none_takes_them_as_they_come),
		cmocka_unit_test(test_order__holds_while_the_number_of_lanes_changes),
		cmocka_unit_test(test_order__a_backlog_of_large_events_gets_lanes_as_well),
		cmocka_unit_test(test_order__holds_through_halving_and_bisection),
		cmocka_unit_test(test_order__holds_when_partitions_move),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
