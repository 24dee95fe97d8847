/*
 * How an application tests its own pipeline against what nobody thought of: fifty seeds, each of which draws a load and
 * what goes wrong; then nothing goes wrong any more, and what was promised must hold.
 *
 *     cc test-own-seeds.c $(pkg-config --cflags --libs evpipe-testbroker cmocka) -o test-own-seeds
 *     ./test-own-seeds              all of them
 *     SEED=17 ./test-own-seeds      one of them again: the same seed is the same history
 */
#include <evpipe-testbroker.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS 50
#define WORKERS 3
#define ORGS 5
#define SESSIONS 8
#define STEPS 20

/* ---- the application, which is to be tested: it logs the steps of a session ---- */

static void name_org(char name[16], int org)
{
	snprintf(name, 16, "org-%d", org);
}

static void name_step(char id[32], int session, int step)
{
	snprintf(id, 32, "session-%d/step-%d", session, step);
}

static evpipe_err log_step(evpipe_producer *producer, int session, int step)
{
	char         org[16], id[32], key[16], data[64];
	evpipe_event event = EVPIPE_EVENT_INIT;
	name_org(org, session % ORGS);
	name_step(id, session, step);
	snprintf(key, sizeof key, "%d", session);
	event.destination = org;
	event.id = id;
	event.key = key;
	event.key_len = strlen(key);
	event.data = data;
	event.data_len = (size_t)snprintf(data, sizeof data, "{\"session\":%d,\"step\":%d}", session, step);
	return evpipe_emit(producer, &event);
}

/* ---- the world it lives in ---- */

struct world {
	uint64_t           random;
	evpipe_testbroker *broker;
	evpipe_config     *config;
	evpipe_producer   *producer;
	evpipe_worker     *workers[WORKERS]; /* in the order in which they joined the group */
	int                is_healed;
};

/* Everything is drawn from the seed by this, and by nothing else. */
static unsigned draw(struct world *world, unsigned below)
{
	world->random = world->random * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(world->random >> 33) % below;
}

/* The data store as it is known to be: never more than ten events at a time, and on bad days anything. */
static int data_store(void *ctx, const evpipe_batch *batch, evpipe_testbroker_fate *fate)
{
	struct world *world = ctx;
	fate->delay_ms = 5 + draw(world, 50);
	if (batch->count > 10) {
		fate->verdict = EVPIPE_VERDICT_TOO_LARGE;
		fate->status = 413;
	} else if (!world->is_healed && draw(world, 4) == 0) {
		fate->verdict = EVPIPE_VERDICT_RETRY;
		fate->status = 503;
		fate->leave_alone_ms = draw(world, 2) ? 2000 : 0;
	} else if (!world->is_healed && draw(world, 8) == 0) {
		/* It takes a part, and closes the connection. */
		fate->verdict = EVPIPE_VERDICT_RETRY;
		fate->status = 0;
		fate->unknown = 1;
		fate->stored = draw(world, (unsigned)batch->count + 1);
	}
	return 1;
}

static evpipe_worker *start_worker(struct world *world)
{
	evpipe_worker *worker;
	assert_int_equal(evpipe_worker_new(&worker, world->config, evpipe_testbroker_sink(world->broker), NULL), EVPIPE_OK);
	return worker;
}

/* As kill -9; another one is started in its place. */
static void kill_worker(struct world *world, unsigned which)
{
	assert_int_equal(evpipe_testbroker_kill_member(world->broker, "evpipe", which), EVPIPE_OK);
	evpipe_worker_free(world->workers[which]);
	for (; which + 1 < WORKERS; which++)
		world->workers[which] = world->workers[which + 1];
	world->workers[which] = start_worker(world);
}

static void break_something(struct world *world)
{
	static const evpipe_testbroker_fault_type faults[] = {EVPIPE_FAULT_SEND_FAILS, EVPIPE_FAULT_ACK_LOST,
	                                                      EVPIPE_FAULT_COMMIT_REFUSED, EVPIPE_FAULT_RECORD_DOUBLED};
	evpipe_testbroker_fault                   fault = EVPIPE_TESTBROKER_FAULT_INIT;
	switch (draw(world, 5)) {
	case 0:
		kill_worker(world, draw(world, WORKERS));
		break;
	case 1:
		evpipe_testbroker_rebalance(world->broker, "evpipe");
		break;
	case 2:
		evpipe_testbroker_set_available(world->broker, NULL, -1, 0);
		evpipe_testbroker_advance(world->broker, 1 + draw(world, 5000));
		evpipe_testbroker_set_available(world->broker, NULL, -1, 1);
		break;
	default:
		fault.type = faults[draw(world, 4)];
		fault.times = 1 + draw(world, 20);
		evpipe_testbroker_inject(world->broker, &fault);
	}
}

static void open_world(struct world *world, uint64_t seed)
{
	*world = (struct world){.random = seed};
	assert_int_equal(evpipe_testbroker_new(&world->broker, seed), EVPIPE_OK);
	assert_int_equal(evpipe_config_new(&world->config), EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_attach(world->broker, world->config), EVPIPE_OK);
	evpipe_testbroker_set_store(world->broker, data_store, world);
	assert_int_equal(evpipe_producer_new(&world->producer, world->config, NULL), EVPIPE_OK);
	for (int i = 0; i < WORKERS; i++)
		world->workers[i] = start_worker(world);
	evpipe_testbroker_advance(world->broker, 1000);
}

static void close_world(struct world *world)
{
	for (int i = 0; i < WORKERS; i++)
		evpipe_worker_free(world->workers[i]);
	evpipe_producer_free(world->producer);
	evpipe_config_free(world->config);
	evpipe_testbroker_free(world->broker);
}

/* ---- one seed ---- */

static void run_seed(uint64_t seed)
{
	struct world world;
	char         org[16], id[32];

	open_world(&world, seed);
	for (int step = 0; step < STEPS; step++) {
		for (int session = 0; session < SESSIONS; session++)
			assert_int_equal(log_step(world.producer, session, step), EVPIPE_OK);
		if (draw(&world, 2))
			break_something(&world);
		evpipe_testbroker_advance(world.broker, draw(&world, 500));
	}
	/* The bad days are over. A retry waits for six hours at the most: give it a day, which takes no time. */
	world.is_healed = 1;
	evpipe_testbroker_clear_faults(world.broker);
	evpipe_testbroker_advance(world.broker, 24 * 60 * 60 * 1000);

	for (int session = 0; session < SESSIONS; session++)
		for (int step = 0; step < STEPS; step++) {
			name_org(org, session % ORGS);
			name_step(id, session, step);
			if (!evpipe_testbroker_delivered(world.broker, org, id))
				fail_msg("SEED=%llu: %s of %s is lost", (unsigned long long)seed, id, org);
		}
	close_world(&world);
}

static void test_seeds__lose_no_step(void **state)
{
	const char *one = getenv("SEED");
	(void)state;
	if (one) {
		run_seed(strtoull(one, NULL, 10));
		return;
	}
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		run_seed(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_seeds__lose_no_step)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
