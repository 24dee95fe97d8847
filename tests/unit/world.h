/*
 * world.h: a whole pipeline in virtual time: a test broker, a producer, workers that post to the broker's scripted
 * sink. Each step of time checks that the ledgers balance.
 */
#ifndef EVPIPE_TEST_WORLD_H
#define EVPIPE_TEST_WORLD_H

#include "test.h"

#include <evpipe-testbroker.h>

#define WORKERS_MAX 8

struct world {
	evpipe_testbroker *broker;
	evpipe_config     *config;
	evpipe_producer   *producer;
	evpipe_worker     *workers[WORKERS_MAX]; /* NULL where one was removed */
	size_t             workers_count;
	uint64_t           emitted;
};

/* Settings are name, value, name, value, ..., NULL; topics are made when producer and workers ask for them. */
void world_open(struct world *world, uint64_t seed, const char *const settings[]);
void world_close(struct world *world);

/* What is made from now on has this setting. */
void world_set(struct world *world, const char *name, const char *value);

size_t world_add_worker(struct world *world);
/* As a kill -9: nothing is committed any more, nothing drained. */
void world_kill_worker(struct world *world, size_t worker);

/* key NULL: none. The id is given: "destination-number", where the number counts the world's events from 0. Returns the number. */
uint64_t world_emit(struct world *world, const char *destination, const char *key);
void     world_emit_data(struct world *world, const char *destination, const char *key, const char *id, const void *data, size_t len);

/* Let time pass, in steps of at most a second, checking each ledger after each. */
void world_pass(struct world *world, int64_t ms);
/* Until so many deliveries were recorded; fails after max_ms. */
void world_pass_until_delivered(struct world *world, size_t count, int64_t max_ms);

/* What was accepted, or taken, is counted once in what became of it. */
void world_assert_balances(const evpipe_stats *stats);

/* The sum over the workers there are. */
evpipe_stats world_stats(const struct world *world);
evpipe_stats world_producer_stats(const struct world *world);

/* The rule: destination answers so, from now on (or in that span). */
uint32_t world_answer(struct world *world, const char *destination, evpipe_verdict verdict, int status);

/* The rule: its posts are delivered, but each takes so long, from now on. */
uint32_t world_slow_down(struct world *world, const char *destination, int64_t delay_ms);

/* Each event of the destination with these numbers was delivered just once. */
void world_assert_delivered_once(const struct world *world, const char *destination, uint64_t first, uint64_t end);

/* The delay of the p-th of 1,000 of a destination's deliveries, from emit; destination NULL: of all but `but`. */
int64_t world_delay(const struct world *world, const char *destination, const char *but, unsigned permille);

/* Value of a field of the `evpipe` header of a dead letter or retry record, "" if it has none; borrowed until the next call. */
const char *world_envelope_field(const struct world *world, const char *topic, int32_t partition, int64_t offset, const char *field);

#endif
