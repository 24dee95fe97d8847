/*
 * Time, randomness, and stepping what lives in them.
 */
#include <stdlib.h>
#include <time.h>

#include "broker.h"

/* So many rounds without time passing are a loop without end. */
#define ROUNDS_MAX 1000000

static int64_t real_ms(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t evpipe__tb_mono(const evpipe_testbroker *broker)
{
	return broker->is_realtime ? real_ms(CLOCK_MONOTONIC) : broker->mono_ms;
}

int64_t evpipe__tb_wall(const evpipe_testbroker *broker)
{
	return broker->is_realtime ? real_ms(CLOCK_REALTIME_COARSE) : broker->mono_ms + broker->wall_offset_ms;
}

/* SplitMix64 (Steele, Lea, Flood 2014): a counter that walks by the golden ratio, and a mixer. */
uint64_t evpipe__tb_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* ---- the runtime ---- */

static int64_t runtime_mono(void *ctx)
{
	return evpipe__tb_mono(ctx);
}

static int64_t runtime_wall(void *ctx)
{
	return evpipe__tb_wall(ctx);
}

static uint64_t runtime_random(void *ctx)
{
	evpipe_testbroker *broker = ctx;
	return evpipe__tb_random(&broker->runtime_random);
}

evpipe_err evpipe__tb_reserve_stepping(evpipe_testbroker *broker)
{
	return evpipe__tb_grow(&broker->steppings, broker->steppings_count, &broker->steppings_capacity, sizeof *broker->steppings);
}

static void enrol(void *ctx, evpipe_stepper *stepper)
{
	evpipe_testbroker *broker = ctx;
	if (evpipe__tb_reserve_stepping(broker) != EVPIPE_OK)
		abort(); /* only for somebody without a transport of ours, which reserves */
	/* Producers and workers open their transport, then enrol. */
	broker->steppings[broker->steppings_count++] =
		(struct stepping){.stepper = stepper, .instance = broker->latest, .due_ms = INT64_MIN};
	broker->latest = NULL;
}

static void leave(void *ctx, evpipe_stepper *stepper)
{
	evpipe_testbroker *broker = ctx;
	size_t             kept = 0;
	for (size_t i = 0; i < broker->steppings_count; i++)
		if (broker->steppings[i].stepper != stepper)
			broker->steppings[kept++] = broker->steppings[i];
	broker->steppings_count = kept;
}

evpipe_err evpipe_testbroker_runtime(evpipe_testbroker *broker, evpipe_runtime *runtime)
{
	if (!broker || !runtime || broker->is_realtime)
		return EVPIPE_EINVAL;
	*runtime = (evpipe_runtime){.size = sizeof(evpipe_runtime),
	                            .ctx = broker,
	                            .mono_ms = runtime_mono,
	                            .wall_ms = runtime_wall,
	                            .random = runtime_random,
	                            .enrol = enrol,
	                            .leave = leave};
	return EVPIPE_OK;
}

/* ---- letting time pass ---- */

/* One round of everything; true if anything was done. */
static int step_all(evpipe_testbroker *broker)
{
	int any = 0;
	evpipe__tb_lock(broker);
	evpipe__tb_check_revoked(broker, broker->mono_ms);
	evpipe__tb_unlock(broker);
	/* By index: a step may make somebody enrol or leave. */
	for (size_t i = 0; i < broker->steppings_count; i++) {
		struct stepping stepping = broker->steppings[i];
		if (stepping.instance && stepping.instance->state == INSTANCE_KILLED)
			continue;
		any |= stepping.stepper->step(stepping.stepper->object, &stepping.due_ms);
		if (i < broker->steppings_count && broker->steppings[i].stepper == stepping.stepper)
			broker->steppings[i].due_ms = stepping.due_ms;
	}
	return any;
}

static int64_t next_due(const evpipe_testbroker *broker)
{
	int64_t due_ms = evpipe__tb_revoked_due(broker);
	for (size_t i = 0; i < broker->steppings_count; i++) {
		const struct stepping *stepping = &broker->steppings[i];
		if (stepping->instance && stepping->instance->state == INSTANCE_KILLED)
			continue;
		if (stepping->due_ms < due_ms)
			due_ms = stepping->due_ms;
	}
	return due_ms;
}

static evpipe_err advance_to(evpipe_testbroker *broker, int64_t until_ms)
{
	for (int rounds = 0; rounds < ROUNDS_MAX; rounds++) {
		if (step_all(broker))
			continue;
		int64_t due_ms = next_due(broker);
		if (due_ms > until_ms) {
			broker->mono_ms = until_ms;
			return EVPIPE_OK;
		}
		/* What is due already and yet does nothing counts as a round. */
		if (due_ms > broker->mono_ms) {
			broker->mono_ms = due_ms;
			rounds = 0;
		}
	}
	return EVPIPE_EINTERNAL;
}

evpipe_err evpipe_testbroker_advance(evpipe_testbroker *broker, int64_t ms)
{
	if (!broker || broker->is_realtime || ms < 0 || broker->is_advancing)
		return EVPIPE_EINVAL;
	broker->is_advancing = 1;
	evpipe_err err = advance_to(broker, ms > INT64_MAX / 2 - broker->mono_ms ? INT64_MAX / 2 : broker->mono_ms + ms);
	broker->is_advancing = 0;
	return err;
}

int64_t evpipe_testbroker_now_ms(const evpipe_testbroker *broker)
{
	return evpipe__tb_wall(broker);
}

void evpipe_testbroker_jump_clock(evpipe_testbroker *broker, int64_t ms)
{
	broker->wall_offset_ms += ms;
}
