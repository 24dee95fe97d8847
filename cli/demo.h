/*
 * demo.h: the parts of `evpipe demo'.
 *
 *   demo.c          options, configuration, life
 *   demo-run.c      endpoint, workers and input: until every event has arrived somewhere
 *   demo-example.c  the input and the faults if none are given: a chatbot's log
 *   demo-report.c   the account at the end
 */
#ifndef EVPIPE_CLI_DEMO_H
#define EVPIPE_CLI_DEMO_H

#include <evpipe-testbroker.h>
#include <pthread.h>

#include "account.h"
#include "feed.h"
#include "receiver.h"
#include "runner.h"

struct demo {
	struct feed           feed;
	struct receiver_setup endpoint;
	int64_t               workers;
	int                   json;
	int                   has_input;
	const char           *file;

	evpipe_testbroker *broker;
	evpipe_config     *config;
	struct account    *account;
	struct receiver   *receiver;
	pthread_t          receiver_thread;
	int                receiver_runs;
	struct runner     *runner;
	int64_t            started_ms;
	int                input_code; /* of reading it */
	int                incomplete; /* interrupted, or given up */
	uint64_t           rejected;   /* by the pump's thread, read when that has ended */
	evpipe_stats       stats;      /* of the workers, at their end */
	char               own_id[24];
};

/* Each returns 0, or the exit code: it was complained of. */
int demo_run(struct demo *demo);
int demo_report(struct demo *demo); /* when the workers have ended */

/* The example's faults, unless others are given, told to people. */
void demo_example_prepare(struct demo *demo);
int  demo_example_run(struct demo *demo);

/* A line of progress. Returns how many events have arrived where they end. */
uint64_t demo_show(struct demo *demo);

uint64_t demo_retried(const evpipe_stats *stats);
uint64_t demo_dead_lettered(const evpipe_stats *stats);

#endif
