/*
 * runner.h: workers in threads; what `run' and `demo' have in common.
 */
#ifndef EVPIPE_CLI_RUNNER_H
#define EVPIPE_CLI_RUNNER_H

#include <evpipe.h>

/*
 * Look at a worker: each inspect_ms, and at its end (`last`). Called by the worker's thread, by one thread at a time.
 */
typedef void (*runner_inspect_fn)(void *ctx, unsigned index, const evpipe_worker *worker, int last);

struct runner_setup {
	const evpipe_config *config;
	unsigned             workers;
	int64_t              inspect_ms;
	runner_inspect_fn    inspect; /* may be NULL */
	void                *ctx;
};

#define RUNNER_WORKERS_MAX 256

struct runner;

/* Complains and returns the exit code if a worker cannot be made; nothing runs then. */
int runner_start(struct runner **out, const struct runner_setup *setup);

/* Any thread. Drain; a second call ends at once. */
void runner_stop(struct runner *runner);

/* The sum of what the workers told last, at most a tenth of a second ago. Any thread. */
void runner_stats(struct runner *runner, evpipe_stats *stats);

/* What a worker said last of what goes wrong; "" if nothing does. Any thread. */
void runner_trouble(struct runner *runner, char *text, size_t size);

/* How many workers have not ended. Any thread. */
unsigned runner_alive(struct runner *runner);

/*
 * Wait for all. 0; ETIMEOUT: some events are unsettled, stats say how many are in flight; else what ended a worker,
 * trouble says more. The runner can be asked until it is freed.
 */
evpipe_err runner_join(struct runner *runner);
void       runner_free(struct runner *runner); /* takes NULL; after join */

#endif
