/*
 * A destination that takes less than comes fills a worker: what of it is in the way of others waits in a retry tier.
 */
#include "world.h"

#define TIER "evpipe.events.retry.5m"

/* What fills most of a worker of 8 MiB, of which events may take some 5. */
#define HOARD 2900

static void open_world(struct world *world, const char *const settings[])
{
	world_open(world, 9, settings);
	world_set(world, "worker.memory_max", "8MiB");
	world_set(world, "event.max", "64KiB");
	world_set(world, "retry.delays", "5m, 1h");
	world_add_worker(world);
	/* A destination that is known and has nothing here could be starved. */
	world_emit(world, "well", "k");
	world_pass(world, 1000);
}

/* Events of 1,000 bytes; key NULL: one for each. */
static void emit_hoard(struct world *world, int first, int end, const char *key)
{
	char data[1000], id[32];
	memset(data, '1', sizeof data);
	for (int i = first; i < end; i++) {
		snprintf(id, sizeof id, "hoarder-%d", i);
		world_emit_data(world, "hoarder", key ? key : id, id, data, sizeof data);
	}
}

static uint64_t count_delivered(const struct world *world, const char *destination)
{
	uint64_t count = 0;
	for (size_t i = 0; i < evpipe_testbroker_delivery_count(world->broker); i++)
		count += strcmp(evpipe_testbroker_delivery_at(world->broker, i)->destination, destination) == 0;
	return count;
}

/*
 * One that takes a post a minute, and more of its events than fit: the others' go on, also long after, when nothing has
 * been taken for minutes.
 */
static void assert_others_go_on(const char *in_flight_max, const char *key)
{
	const char *const settings[] = {"topic.partitions", "1", "sink.in_flight_per_destination_max", in_flight_max, NULL};
	struct world      world;
	open_world(&world, settings);
	world_slow_down(&world, "hoarder", 60000);
	emit_hoard(&world, 0, 20000, key);
	for (int i = 0; i < 20; i++)
		world_emit(&world, "well", "k");
	world_pass(&world, 15 * 60000);
	assert_int_equal(count_delivered(&world, "well"), 21);
	assert_true(world_stats(&world).parked > 0);
	assert_true(world_stats(&world).memory_max <= 8 << 20);
	world_close(&world);
}

static void test_hoards__make_room_for_others(void **state)
{
	(void)state;
	assert_others_go_on("1", NULL);
}

/* It may have more posts, but all its events wait for one to be done. */
static void test_hoards__of_one_key_make_room_as_well(void **state)
{
	(void)state;
	assert_others_go_on("16", "session-1");
}

/* The number in the id of a record of the tier. */
static long parked_at(const struct world *world, int64_t offset)
{
	return strtol(strchr(world_envelope_field(world, TIER, 0, offset, "id"), '-') + 1, NULL, 10);
}

/* What came first is parked first, one behind the other, and only as much as is in the way: the newest stay. */
static void test_hoards__are_parked_oldest_first(void **state)
{
	static const char *const settings[] = {"topic.partitions", "1", "sink.in_flight_per_destination_max", "1",
	                                       "batch.events_max", "50", NULL};
	struct world             world;
	(void)state;
	open_world(&world, settings);
	world_slow_down(&world, "hoarder", 60000);
	emit_hoard(&world, 0, HOARD, NULL);
	world_pass(&world, 3000);
	assert_int_equal(evpipe_testbroker_high(world.broker, TIER, 0), 0);
	emit_hoard(&world, HOARD, 2 * HOARD, NULL);
	world_pass(&world, 3000);

	int64_t parked = evpipe_testbroker_high(world.broker, TIER, 0);
	assert_in_range(parked, HOARD / 2, HOARD + HOARD / 2);
	for (int64_t offset = 0; offset < parked; offset++)
		assert_int_equal(parked_at(&world, offset), 50 + offset); /* but for those of the post that is out */
	world_close(&world);
}

/* What the transport has no room for stays where it is, and is not overtaken while it only waits to be handed over. */
static void test_hoards__stay_in_order_while_nothing_can_be_parked(void **state)
{
	static const char *const settings[] = {"topic.partitions", "1", "sink.in_flight_per_destination_max", "1", "batch.events_max", "50", NULL};
	struct world             world;
	uint64_t                 last = 0;
	(void)state;
	open_world(&world, settings);
	evpipe_testbroker_set_queue_max(world.broker, 10);
	world_slow_down(&world, "hoarder", 500);
	evpipe_testbroker_set_available(world.broker, TIER, 0, 0);
	emit_hoard(&world, 0, 4 * HOARD, "session-1");
	world_pass(&world, 200000);
	for (size_t i = 0; i < evpipe_testbroker_delivery_count(world.broker); i++) {
		const evpipe_testbroker_delivery *delivery = evpipe_testbroker_delivery_at(world.broker, i);
		if (strcmp(delivery->destination, "hoarder") != 0)
			continue;
		uint64_t number = strtoul(strchr(delivery->id, '-') + 1, NULL, 10);
		assert_true(number >= last && number <= last + 11);
		last = number;
	}
	assert_int_equal(last, 4 * HOARD - 1);
	/* Ten of them were on their way, and get there. */
	evpipe_testbroker_set_available(world.broker, TIER, 0, 1);
	world_pass_until_delivered(&world, 4 * HOARD + 1, 600000);
	world_assert_delivered_once(&world, "hoarder", 0, 4 * HOARD);
	assert_int_equal(world_stats(&world).parked, 10);
	world_close(&world);
}

/* A few at a time, if the transport takes no more; but the next ones as soon as it does. */
static void test_hoards__leave_as_fast_as_the_transport_takes_them(void **state)
{
	static const char *const settings[] = {"topic.partitions", "1", "sink.in_flight_per_destination_max", "1", NULL};
	struct world             world;
	(void)state;
	open_world(&world, settings);
	evpipe_testbroker_set_queue_max(world.broker, 10);
	world_slow_down(&world, "hoarder", 60000);
	emit_hoard(&world, 0, 2 * HOARD, NULL);
	world_pass(&world, 3000);
	for (int i = 0; i < 20; i++)
		world_emit(&world, "well", "k");
	world_pass(&world, 20000);
	assert_int_equal(count_delivered(&world, "well"), 21);
	world_close(&world);
}

/*
 * More than the pool can post for minutes, of all destinations alike: nobody is at fault, and nothing leaves its order
 * for a tier. When posts have just ended there are some to be had, but not for those whose events have not come yet.
 */
static void test_hoards__are_not_seen_in_a_backlog_of_all(void **state)
{
	static const char *const settings[] = {"topic.partitions", "4", "sink.in_flight_max", "4",
	                                       "sink.in_flight_per_destination_max", "4", "batch.events_max", "10", NULL};
	struct world             world;
	char                     destination[16], data[500], id[32];
	(void)state;
	memset(data, '1', sizeof data);
	open_world(&world, settings);
	evpipe_testbroker_set_sink_delay(world.broker, 20);
	for (int i = 0; i < 40000; i++) {
		snprintf(destination, sizeof destination, "org-%d", i % 5);
		snprintf(id, sizeof id, "%d", i);
		world_emit_data(&world, destination, id, id, data, sizeof data);
	}
	world_pass_until_delivered(&world, 40001, 300000);
	assert_true(world_stats(&world).memory_max > 9 << 19); /* it was full */
	assert_int_equal(world_stats(&world).parked, 0);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hoards__make_room_for_others),
		cmocka_unit_test(test_hoards__of_one_key_make_room_as_well),
		cmocka_unit_test(test_hoards__are_parked_oldest_first),
		cmocka_unit_test(test_hoards__stay_in_order_while_nothing_can_be_parked),
		cmocka_unit_test(test_hoards__leave_as_fast_as_the_transport_takes_them),
		cmocka_unit_test(test_hoards__are_not_seen_in_a_backlog_of_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
