/*
 * The facade of a worker: resolves what the configuration names, and runs the pipeline in a loop or by step.
 */
#include <evpipe.h>

#include <stdatomic.h>
#include <string.h>

#include "transports/builtin.h"
#include "errors.h"
#include "memory.h"
#include "pipeline.h"
#include "platform.h"
#include "settings.h"
#include "sink.h"

/* Where neither transport nor sink has a descriptor, somebody has to look. */
#define LOOK_MS 10
/* What close may take at the end, for the last commits. */
#define CLOSE_MS 10000

struct evpipe_worker {
	evpipe_config              *config; /* ours */
	const evpipe_runtime       *runtime;
	const evpipe_transport_ops *transport_ops;
	void                       *transport;
	const evpipe_sink_ops      *sink_ops;
	void                       *sink;
	int                         owns_sink;
	evpipe__pipeline           *pipeline;
	evpipe__waiter             *waiter;
	int                         blind; /* something has no descriptor */
	int                         busy;  /* the last round did something: it may have been cut short */
	int64_t                     next_due_ms;
	atomic_uint                 stops; /* calls of stop not seen yet */
	int                         stopping;
	int                         closed;
	evpipe_stepper              stepper;
};

static int64_t now_of(const evpipe_worker *worker)
{
	return worker->runtime->mono_ms(worker->runtime->ctx);
}

/* ---- life ---- */

static evpipe_err open_sink(evpipe_worker *worker, const evpipe_sink *sink, evpipe_error *error)
{
	if (sink) {
		worker->sink_ops = sink->ops;
		worker->sink = sink->self;
		return EVPIPE_OK;
	}
	const char *url = evpipe_config_text(worker->config, NULL, "sink.url");
	if (!url || !*url)
		return evpipe__fail(error, EVPIPE_ECONFIG, "sink.url is not set: say where events are to be posted to, such as "
		                                           "sink.url = https://ingest.example.com/orgs/{destination}/events");
	evpipe_err err = evpipe__sink_find(&worker->sink_ops, url, error);
	if (err)
		return err;
	evpipe_sink_setup setup = {.size = sizeof setup,
	                           .url = url,
	                           .config = worker->config,
	                           .runtime = worker->runtime,
	                           .log = worker->config->log.fn,
	                           .log_ctx = worker->config->log.ctx};
	err = worker->sink_ops->open(&worker->sink, &setup, error);
	worker->owns_sink = !err;
	return err;
}

/*
 * A quarter of what a worker may hold is the transport's, for records ahead. They only bridge the time until more come; what
 * is kept for longer, until there is a batch of it, is events.
 */
static evpipe_err open_pipeline(evpipe_worker *worker, evpipe_error *error)
{
	size_t                 memory_max = (size_t)evpipe_config_number(worker->config, NULL, "worker.memory_max");
	evpipe_transport_setup transport = {
		.size = sizeof transport,
		.roles = EVPIPE_ROLE_SEND | EVPIPE_ROLE_RECEIVE,
		.memory_max = memory_max / 4,
		.runtime = worker->runtime,
	};
	evpipe_err err = evpipe__settings_open_transport(worker->config, &transport, &worker->transport_ops, &worker->transport, error);
	if (err)
		return err;
	evpipe__pipeline_setup setup = {
		.config = worker->config,
		.runtime = worker->runtime,
		.transport_ops = worker->transport_ops,
		.transport = worker->transport,
		.transport_memory_max = transport.memory_max,
		.sink_ops = worker->sink_ops,
		.sink = worker->sink,
		.log = worker->config->log,
	};
	return evpipe__pipeline_new(&worker->pipeline, &setup, error);
}

static evpipe_err add_fd(evpipe_worker *worker, int fd)
{
	if (fd < 0) {
		worker->blind = 1;
		return EVPIPE_OK;
	}
	return evpipe__waiter_add(worker->waiter, fd);
}

static evpipe_err open_waiter(evpipe_worker *worker)
{
	evpipe_err err = evpipe__waiter_new(&worker->waiter);
	if (!err)
		err = add_fd(worker, worker->transport_ops->fd ? worker->transport_ops->fd(worker->transport) : -1);
	/* A sink without a descriptor says by next_due when it wants to be looked at. */
	if (!err && worker->sink_ops->fd && worker->sink_ops->fd(worker->sink) >= 0)
		err = evpipe__waiter_add(worker->waiter, worker->sink_ops->fd(worker->sink));
	return err;
}

static int step_of(void *object, int64_t *next_due_ms);

evpipe_err evpipe_worker_new(evpipe_worker **out, const evpipe_config *config, const evpipe_sink *sink, evpipe_error *error)
{
	if (!out || !config)
		return evpipe__fail_plain(error, EVPIPE_EINVAL);
	evpipe_worker *worker = evpipe__calloc(1, sizeof *worker);
	if (!worker)
		return evpipe__fail_plain(error, EVPIPE_ENOMEM);

	evpipe_err err = evpipe__settings_copy_checked(&worker->config, config, error);
	if (err)
		goto out;
	worker->runtime = evpipe__settings_runtime(worker->config);
	err = open_sink(worker, sink, error);
	if (!err)
		err = open_pipeline(worker, error);
	if (err)
		goto out;
	err = open_waiter(worker);
	if (err) {
		evpipe__fail(error, err, "the worker's loop could not be set up: %s", evpipe_strerror(err));
		goto out;
	}
	if (worker->runtime->enrol) {
		worker->stepper = (evpipe_stepper){.object = worker, .step = step_of};
		worker->runtime->enrol(worker->runtime->ctx, &worker->stepper);
	}
out:
	if (err)
		evpipe_worker_free(worker);
	else
		*out = worker;
	return err;
}

/* ---- running ---- */

static void close_down(evpipe_worker *worker)
{
	worker->closed = 1;
	/* Settled records are committed; what is unsettled is left to the next owner. */
	worker->transport_ops->close(worker->transport, CLOSE_MS);
	evpipe__pipeline_finish(worker->pipeline);
}

static int is_over(const evpipe_worker *worker)
{
	return evpipe__pipeline_state_of(worker->pipeline) >= EVPIPE__DRAINED;
}

static evpipe_err result_of(const evpipe_worker *worker)
{
	switch (evpipe__pipeline_state_of(worker->pipeline)) {
	case EVPIPE__DRAINED:
		return EVPIPE_ECLOSED;
	case EVPIPE__GAVE_UP:
		return EVPIPE_ETIMEOUT;
	default:
		return evpipe__pipeline_error(worker->pipeline)->code;
	}
}

/*
 * Calls of stop since the last time. Who only steps never waits, so the wakes are drained here once there was one. A
 * wake that is drained has been counted before.
 */
static unsigned take_stops(evpipe_worker *worker)
{
	unsigned stops = atomic_exchange(&worker->stops, 0);
	worker->stopping |= stops > 0;
	if (!worker->stopping)
		return 0;
	evpipe__waiter_drain(worker->waiter);
	return stops + atomic_exchange(&worker->stops, 0);
}

/* True if something was done. */
static int round_of(evpipe_worker *worker)
{
	unsigned stops = take_stops(worker);
	int      any = stops > 0;
	for (; stops; stops--)
		evpipe__pipeline_stop(worker->pipeline);
	any |= evpipe__pipeline_step(worker->pipeline, &worker->next_due_ms);
	if (is_over(worker) && !worker->closed) {
		close_down(worker);
		any = 1;
	}
	worker->busy = any;
	return any;
}

static int step_of(void *object, int64_t *next_due_ms)
{
	evpipe_worker *worker = object;
	*next_due_ms = INT64_MAX;
	if (worker->closed)
		return 0;
	int any = round_of(worker);
	*next_due_ms = worker->closed ? INT64_MAX : worker->next_due_ms;
	return any;
}

uint32_t evpipe_worker_next_ms(evpipe_worker *worker)
{
	int64_t most_ms = worker->blind ? LOOK_MS : 60000;
	if (worker->closed || worker->busy)
		return 0;
	int64_t wait_ms = worker->next_due_ms == INT64_MAX ? most_ms
	                  : worker->next_due_ms == INT64_MIN ? 0
	                                                     : worker->next_due_ms - now_of(worker);
	return (uint32_t)(wait_ms < 0 ? 0 : wait_ms > most_ms ? most_ms : wait_ms);
}

int evpipe_worker_fd(evpipe_worker *worker)
{
	return worker->blind ? -1 : evpipe__waiter_fd(worker->waiter);
}

evpipe_err evpipe_worker_step(evpipe_worker *worker, uint32_t timeout_ms)
{
	if (!worker)
		return EVPIPE_EINVAL;
	if (worker->closed)
		return result_of(worker);
	int any = round_of(worker);
	if (!any && timeout_ms) {
		uint32_t next_ms = evpipe_worker_next_ms(worker);
		evpipe__waiter_wait(worker->waiter, next_ms < timeout_ms ? next_ms : timeout_ms);
		any = round_of(worker);
	}
	if (worker->closed)
		return result_of(worker);
	return any ? EVPIPE_OK : EVPIPE_EAGAIN;
}

evpipe_err evpipe_worker_run(evpipe_worker *worker)
{
	evpipe_err err;
	/* In a world of its own, time passes only when somebody else lets it. */
	if (!worker || worker->stepper.object)
		return EVPIPE_EINVAL;
	do
		err = evpipe_worker_step(worker, 60000);
	while (err == EVPIPE_OK || err == EVPIPE_EAGAIN);
	return err == EVPIPE_ECLOSED ? EVPIPE_OK : err;
}

void evpipe_worker_stop(evpipe_worker *worker)
{
	atomic_fetch_add(&worker->stops, 1);
	evpipe__waiter_wake(worker->waiter);
}

/* ---- looking in ---- */

const char *evpipe_worker_error(const evpipe_worker *worker)
{
	const evpipe_error *error = evpipe__pipeline_error(worker->pipeline);
	return error->code ? error->text : "";
}

void evpipe_worker_stats(const evpipe_worker *worker, evpipe_stats *stats)
{
	evpipe_stats full;
	size_t       size = stats->size < sizeof full ? stats->size : sizeof full;
	evpipe__pipeline_stats(worker->pipeline, &full);
	full.size = stats->size;
	memcpy(stats, &full, size);
}

int evpipe_worker_each_destination(const evpipe_worker *worker, evpipe_destination_fn visit, void *ctx)
{
	return evpipe__pipeline_each_destination(worker->pipeline, visit, ctx);
}

/* The sink stays with the caller, and must not know our batches any more. */
static void take_back(evpipe_worker *worker)
{
	evpipe_answer answer;
	if (worker->sink_ops->cancel)
		worker->sink_ops->cancel(worker->sink);
	do
		answer = (evpipe_answer){0};
	while (worker->sink_ops->poll(worker->sink, &answer) == EVPIPE_OK);
}

void evpipe_worker_free(evpipe_worker *worker)
{
	if (!worker)
		return;
	if (worker->stepper.object)
		worker->runtime->leave(worker->runtime->ctx, &worker->stepper);
	/* First the sink and the transport, which may look at batches and records, then what those are made of. */
	if (worker->sink && !worker->owns_sink)
		take_back(worker);
	if (worker->owns_sink)
		worker->sink_ops->free(worker->sink);
	if (worker->transport)
		worker->transport_ops->free(worker->transport);
	evpipe__pipeline_free(worker->pipeline);
	evpipe__waiter_free(worker->waiter);
	evpipe_config_free(worker->config);
	evpipe__free(worker);
}
