#include "runner.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define PUBLISH_MS 100

struct runner_worker {
	struct runner *runner;
	unsigned       index;
	evpipe_worker *worker;
	pthread_t      thread;
	int            has_thread;
	int64_t        published_ms, inspected_ms; /* the thread's own */

	/* Guarded by the runner's mutex. */
	evpipe_stats stats;
	char         trouble[EVPIPE_ERROR_TEXT_MAX];
	int          ended;
	evpipe_err   result;
};

struct runner {
	struct runner_setup  setup;
	pthread_mutex_t      mutex;
	struct runner_worker workers[];
};

static void publish(struct runner_worker *self)
{
	evpipe_stats stats = EVPIPE_STATS_INIT;
	evpipe_worker_stats(self->worker, &stats);
	pthread_mutex_lock(&self->runner->mutex);
	self->stats = stats;
	snprintf(self->trouble, sizeof self->trouble, "%s", evpipe_worker_error(self->worker));
	pthread_mutex_unlock(&self->runner->mutex);
}

static void inspect(struct runner_worker *self, int last)
{
	const struct runner_setup *setup = &self->runner->setup;
	if (!setup->inspect)
		return;
	pthread_mutex_lock(&self->runner->mutex);
	setup->inspect(setup->ctx, self->index, self->worker, last);
	pthread_mutex_unlock(&self->runner->mutex);
}

static void look(struct runner_worker *self)
{
	int64_t now = now_ms();
	if (now - self->published_ms >= PUBLISH_MS) {
		publish(self);
		self->published_ms = now;
	}
	if (now - self->inspected_ms >= self->runner->setup.inspect_ms) {
		inspect(self, 0);
		self->inspected_ms = now;
	}
}

static void *run_worker(void *arg)
{
	struct runner_worker *self = arg;
	evpipe_err            err;

	self->inspected_ms = now_ms();
	do {
		err = evpipe_worker_step(self->worker, PUBLISH_MS);
		look(self);
	} while (err == EVPIPE_OK || err == EVPIPE_EAGAIN);
	publish(self);
	inspect(self, 1);
	pthread_mutex_lock(&self->runner->mutex);
	self->result = err == EVPIPE_ECLOSED ? EVPIPE_OK : err;
	self->ended = 1;
	pthread_mutex_unlock(&self->runner->mutex);
	return NULL;
}

int runner_start(struct runner **out, const struct runner_setup *setup)
{
	evpipe_error   error;
	struct runner *runner = calloc(1, sizeof *runner + setup->workers * sizeof runner->workers[0]);
	if (!runner)
		return fail(EX_SOFTWARE, "out of memory");
	runner->setup = *setup;
	pthread_mutex_init(&runner->mutex, NULL);
	for (unsigned i = 0; i < setup->workers; i++) {
		struct runner_worker *self = &runner->workers[i];
		self->runner = runner;
		self->index = i;
		self->stats = (evpipe_stats)EVPIPE_STATS_INIT;
		evpipe_err err = evpipe_worker_new(&self->worker, setup->config, NULL, &error);
		if (err) {
			runner_free(runner);
			return fail(exit_code_of(err), "%s", error.text);
		}
	}
	for (unsigned i = 0; i < setup->workers; i++) {
		struct runner_worker *self = &runner->workers[i];
		if (pthread_create(&self->thread, NULL, run_worker, self) != 0) {
			runner_stop(runner);
			runner_stop(runner);
			runner_join(runner);
			runner_free(runner);
			return fail(EX_SOFTWARE, "a thread for worker %u could not be started", i + 1);
		}
		self->has_thread = 1;
	}
	*out = runner;
	return 0;
}

void runner_stop(struct runner *runner)
{
	for (unsigned i = 0; i < runner->setup.workers; i++)
		evpipe_worker_stop(runner->workers[i].worker);
}

static void add_stats(evpipe_stats *sum, const evpipe_stats *stats)
{
	/* All the counts lie between its size and its end. */
	uint64_t       *to = &sum->accepted;
	const uint64_t *from = &stats->accepted;
	for (size_t i = 0; i < (sizeof *sum - offsetof(evpipe_stats, accepted)) / sizeof *to; i++)
		to[i] += from[i];
}

void runner_stats(struct runner *runner, evpipe_stats *stats)
{
	*stats = (evpipe_stats)EVPIPE_STATS_INIT;
	pthread_mutex_lock(&runner->mutex);
	for (unsigned i = 0; i < runner->setup.workers; i++)
		add_stats(stats, &runner->workers[i].stats);
	pthread_mutex_unlock(&runner->mutex);
}

void runner_trouble(struct runner *runner, char *text, size_t size)
{
	*text = '\0';
	pthread_mutex_lock(&runner->mutex);
	for (unsigned i = 0; i < runner->setup.workers && !*text; i++)
		snprintf(text, size, "%s", runner->workers[i].trouble);
	pthread_mutex_unlock(&runner->mutex);
}

unsigned runner_alive(struct runner *runner)
{
	unsigned alive = 0;
	pthread_mutex_lock(&runner->mutex);
	for (unsigned i = 0; i < runner->setup.workers; i++)
		alive += !runner->workers[i].ended;
	pthread_mutex_unlock(&runner->mutex);
	return alive;
}

evpipe_err runner_join(struct runner *runner)
{
	evpipe_err result = EVPIPE_OK;
	for (unsigned i = 0; i < runner->setup.workers; i++) {
		struct runner_worker *self = &runner->workers[i];
		if (self->has_thread)
			pthread_join(self->thread, NULL);
		self->has_thread = 0;
		/* What broke says more than what is left. */
		if (self->result && (!result || result == EVPIPE_ETIMEOUT))
			result = self->result;
	}
	return result;
}

void runner_free(struct runner *runner)
{
	if (!runner)
		return;
	for (unsigned i = 0; i < runner->setup.workers; i++)
		evpipe_worker_free(runner->workers[i].worker);
	pthread_mutex_destroy(&runner->mutex);
	free(runner);
}
