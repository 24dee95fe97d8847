/*
 * A worker in a loop of the application's own: what its descriptor and worker_next_ms say, that loop relies on.
 */
#include "world.h"

#include <poll.h>
#include <time.h>

#define RECORDS 5000 /* more than a worker takes in one round */
#define DEADLINE_S 60

static evpipe_stats stats_of(const evpipe_worker *worker)
{
	evpipe_stats stats = EVPIPE_STATS_INIT;
	evpipe_worker_stats(worker, &stats);
	return stats;
}

static void deliver(void *ctx, const evpipe_batch *batch, evpipe_answer *answer)
{
	(void)ctx, (void)batch, (void)answer;
}

struct fixture {
	struct world   world;
	evpipe_sink   *sink;
	evpipe_worker *worker;
};

/* Records are there for a worker that has its partitions and nothing to do. Its sink takes whatever there is in one batch, and at once. */
static void open_with_records(struct fixture *fixture, size_t value_len)
{
	static const char *const settings[] = {"topic.partitions", "1", "topic.destination_from", "key", "event.max", "4KiB",
	                                       "worker.memory_max", "2MiB", "batch.linger", "0ms", "batch.events_max", "10000", NULL};
	static char   value[4096];
	evpipe_record record = {.topic = "evpipe.events", .key = "ACME", .key_len = 4, .value = value, .value_len = value_len};

	world_open(&fixture->world, 1, settings);
	fixture->sink = evpipe_sink_simple(deliver, NULL);
	assert_int_equal(evpipe_worker_new(&fixture->worker, fixture->world.config, fixture->sink, NULL), EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_advance(fixture->world.broker, 5000), EVPIPE_OK);
	for (int i = 0; i < RECORDS; i++)
		assert_int_equal(evpipe_testbroker_append(fixture->world.broker, &record), EVPIPE_OK);
	assert_int_equal(stats_of(fixture->worker).taken, 0);
}

static void close_it(struct fixture *fixture)
{
	evpipe_worker_free(fixture->worker);
	evpipe_sink_free(fixture->sink);
	world_close(&fixture->world);
}

/* As a loop that sleeps when it may: time stands still, so what it would sleep on stays where it is. */
static void step_until_it_may_sleep(evpipe_worker *worker)
{
	do
		assert_in_range(evpipe_worker_step(worker, 0), EVPIPE_OK, EVPIPE_EAGAIN);
	while (evpipe_worker_next_ms(worker) == 0);
}

static void test_loop__does_not_sleep_on_records_that_a_round_left(void **state)
{
	struct fixture fixture;
	(void)state;
	open_with_records(&fixture, 2);
	step_until_it_may_sleep(fixture.worker);
	assert_int_equal(stats_of(fixture.worker).delivered, RECORDS);
	close_it(&fixture);
}

/* At the budget the worker takes no more, and nothing but an answer makes room. */
static void test_loop__does_not_sleep_on_records_that_answers_made_room_for(void **state)
{
	struct fixture fixture;
	(void)state;
	open_with_records(&fixture, 4000);
	step_until_it_may_sleep(fixture.worker);
	assert_int_equal(stats_of(fixture.worker).delivered, RECORDS);
	close_it(&fixture);
}

static int is_readable(evpipe_worker *worker)
{
	struct pollfd fd = {.fd = evpipe_worker_fd(worker), .events = POLLIN};
	assert_true(fd.fd >= 0);
	return poll(&fd, 1, 0) == 1;
}

/* Round after round, as a loop would, until so many were taken. */
static void work_until_taken(evpipe_worker *worker, uint64_t taken)
{
	struct pollfd fd = {.fd = evpipe_worker_fd(worker), .events = POLLIN};
	time_t        until = time(NULL) + DEADLINE_S;
	while (stats_of(worker).taken < taken && time(NULL) < until) {
		poll(&fd, 1, (int)evpipe_worker_next_ms(worker));
		evpipe_worker_step(worker, 0);
	}
	assert_int_equal(stats_of(worker).taken, taken);
}

/* A stop is a wake; once it was seen, the descriptor does not speak on for as long as the drain lasts. */
static void test_loop__sleeps_while_it_drains(void **state)
{
	evpipe_testbroker *broker;
	evpipe_config     *config;
	evpipe_worker     *worker;
	evpipe_record      record = {.topic = "evpipe.events", .key = "ACME", .key_len = 4, .value = "{}", .value_len = 2};
	(void)state;

	assert_int_equal(evpipe_testbroker_new_realtime(&broker), EVPIPE_OK);
	assert_int_equal(evpipe_config_new(&config), EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_attach(broker, config), EVPIPE_OK);
	assert_int_equal(evpipe_config_set(config, "topic.destination_from", "key", NULL), EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_create_topic(broker, "evpipe.events", NULL), EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_append(broker, &record), EVPIPE_OK);
	evpipe_testbroker_set_sink_delay(broker, 1000 * DEADLINE_S);
	assert_int_equal(evpipe_worker_new(&worker, config, evpipe_testbroker_sink(broker), NULL), EVPIPE_OK);
	work_until_taken(worker, 1);

	evpipe_worker_stop(worker);
	assert_true(is_readable(worker));
	for (int i = 0; i < 100; i++)
		evpipe_worker_step(worker, 0);
	assert_int_equal(stats_of(worker).in_flight, 1);
	assert_false(is_readable(worker));

	evpipe_worker_stop(worker);
	assert_true(is_readable(worker));
	assert_int_equal(evpipe_worker_step(worker, 0), EVPIPE_ETIMEOUT);
	evpipe_worker_free(worker);
	evpipe_config_free(config);
	evpipe_testbroker_free(broker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loop__does_not_sleep_on_records_that_a_round_left),
		cmocka_unit_test(test_loop__does_not_sleep_on_records_that_answers_made_room_for),
		cmocka_unit_test(test_loop__sleeps_while_it_drains),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
