/*
 * The facade of a producer: resolves what the configuration names, runs the pump in a thread or by step, and keeps
 * close exact. What it is for, evpipe_emit, is in emit.c.
 */
#include "producer.h"

#include <string.h>

#include "errors.h"
#include "memory.h"
#include "settings.h"

/* The pump looks each millisecond while events come, and backs off when none do. Emit never wakes it. */
#define LOOK_MS 1
#define LOOK_IDLE_MS 10
#define IDLE_AFTER_MS 50

/* Who waits for the turn is notified; this only bounds a wait. */
#define TURN_MS 1000

/* ---- the pump ---- */

static int64_t wall_ms_of(const evpipe_producer *producer)
{
	return producer->runtime->wall_ms(producer->runtime->ctx);
}

static int64_t now_of(const evpipe_producer *producer)
{
	return producer->runtime->mono_ms(producer->runtime->ctx);
}

/* One round. EAGAIN: nothing was done. ECLOSED. */
static evpipe_err run_round(evpipe_producer *producer, int64_t *due_ms)
{
	evpipe__monitor_lock(producer->monitor);
	while (producer->turn_taken)
		evpipe__monitor_wait_locked(producer->monitor, TURN_MS);
	int closed = producer->state == EVPIPE__CLOSED, flushing = producer->flushes > 0;
	producer->turn_taken = !closed;
	evpipe__monitor_unlock(producer->monitor);
	if (closed)
		return EVPIPE_ECLOSED;

	evpipe__journal_tell_time(producer->journal, wall_ms_of(producer));
	int any = evpipe__pump_step(producer->pump, now_of(producer), flushing || producer->stepped, due_ms);
	if (flushing)
		producer->ops->flush(producer->transport);

	evpipe__monitor_lock(producer->monitor);
	producer->turn_taken = 0;
	producer->error = *evpipe__pump_error(producer->pump);
	evpipe__monitor_notify_locked(producer->monitor);
	evpipe__monitor_unlock(producer->monitor);
	return any ? EVPIPE_OK : EVPIPE_EAGAIN;
}

static void run_pump(void *arg)
{
	evpipe_producer *producer = arg;
	int64_t          busy_ms = now_of(producer), due_ms;
	evpipe_err       err;

	while ((err = run_round(producer, &due_ms)) != EVPIPE_ECLOSED) {
		int64_t now_ms = now_of(producer);
		if (!err)
			busy_ms = now_ms;
		int64_t wait_ms = now_ms - busy_ms < IDLE_AFTER_MS ? LOOK_MS : LOOK_IDLE_MS;
		/* What was emitted meanwhile waits for the next look: to follow each event closely would cost those who emit, and a processor. */
		if (due_ms < now_ms + wait_ms)
			wait_ms = due_ms <= now_ms ? 0 : due_ms - now_ms;
		evpipe__waiter_wait(producer->waiter, wait_ms);
	}
}

static int step_of(void *object, int64_t *next_due_ms)
{
	evpipe_producer *producer = object;
	*next_due_ms = INT64_MAX;
	return *producer->in_parent && run_round(producer, next_due_ms) == EVPIPE_OK;
}

evpipe_err evpipe_producer_step(evpipe_producer *producer)
{
	int64_t due_ms;
	if (!producer || !producer->stepped)
		return EVPIPE_EINVAL;
	return *producer->in_parent ? run_round(producer, &due_ms) : EVPIPE_EFORKED;
}

/* True if something may have changed. */
static int wait_or_step_locked(evpipe_producer *producer, int64_t left_ms)
{
	int64_t due_ms;
	if (!producer->stepped) {
		evpipe__monitor_wait_locked(producer->monitor, left_ms);
		return left_ms > 0;
	}
	evpipe__monitor_unlock(producer->monitor);
	int any = run_round(producer, &due_ms) == EVPIPE_OK;
	evpipe__monitor_lock(producer->monitor);
	return any;
}

static int is_behind(const evpipe_producer *producer, uint64_t position)
{
	return evpipe__pump_is_recovering(producer->pump) || (int64_t)(position - evpipe__journal_tail(producer->journal)) > 0;
}

/* Until everything before `position` is done with, or the state is not `state` any more. */
static evpipe_err flush_locked(evpipe_producer *producer, uint64_t position, uint32_t timeout_ms,
                               enum evpipe__producer_state state)
{
	int64_t until_ms = now_of(producer) + timeout_ms, left_ms = timeout_ms;

	producer->flushes++;
	if (producer->waiter)
		evpipe__waiter_wake(producer->waiter);
	while (producer->state == state && is_behind(producer, position) && left_ms >= 0 && wait_or_step_locked(producer, left_ms))
		left_ms = until_ms - now_of(producer);
	producer->flushes--;
	if (producer->state != state)
		return EVPIPE_ECLOSED;
	return is_behind(producer, position) ? EVPIPE_ETIMEOUT : EVPIPE_OK;
}

evpipe_err evpipe_producer_flush(evpipe_producer *producer, uint32_t timeout_ms)
{
	if (!producer)
		return EVPIPE_EINVAL;
	if (!*producer->in_parent)
		return EVPIPE_EFORKED;
	evpipe__monitor_lock(producer->monitor);
	evpipe_err err = flush_locked(producer, evpipe__journal_head(producer->journal), timeout_ms, EVPIPE__OPEN);
	evpipe__monitor_unlock(producer->monitor);
	return err;
}

/* ---- life ---- */

static size_t journal_size_of(const evpipe_config *config)
{
	return (size_t)evpipe_config_number(config, NULL, "journal.size");
}

static evpipe_err open_journal(evpipe_producer *producer, evpipe_error *error)
{
	producer->event_max = (size_t)evpipe_config_number(producer->config, NULL, "event.max");
	evpipe_err err = evpipe__home_open(&producer->home, producer->config, producer->runtime, error);
	producer->journal = producer->home.journal;
	/* A pump that has a thread looks each 10 ms at the latest; but it waits for disks. */
	producer->asks_clock = producer->stepped || (!err && evpipe__journal_spool(producer->journal));
	if (!err)
		evpipe__journal_tell_time(producer->journal, wall_ms_of(producer));
	return err;
}

static evpipe_err open_pump(evpipe_producer *producer, evpipe_error *error)
{
	evpipe_transport_setup transport = {
		.size = sizeof transport,
		.roles = EVPIPE_ROLE_SEND,
		.memory_max = journal_size_of(producer->config),
		.runtime = producer->runtime,
	};
	evpipe_err err = evpipe__settings_open_transport(producer->config, &transport, &producer->ops, &producer->transport, error);
	if (err)
		return err;
	evpipe__pump_setup setup = {
		.home = &producer->home,
		.ops = producer->ops,
		.transport = producer->transport,
		.config = producer->config,
		.runtime = producer->runtime,
		.log = producer->config->log,
		.rejected = producer->config->rejected,
		.rejected_ctx = producer->config->rejected_ctx,
	};
	return evpipe__pump_new(&producer->pump, &setup, error);
}

static evpipe_err start(evpipe_producer *producer, evpipe_error *error)
{
	if (producer->runtime->enrol) {
		producer->stepper = (evpipe_stepper){.object = producer, .step = step_of};
		producer->runtime->enrol(producer->runtime->ctx, &producer->stepper);
		return EVPIPE_OK;
	}
	if (producer->stepped)
		return EVPIPE_OK;
	evpipe_err err = evpipe__waiter_new(&producer->waiter);
	int        fd = producer->ops->fd ? producer->ops->fd(producer->transport) : -1;
	if (!err && fd >= 0)
		err = evpipe__waiter_add(producer->waiter, fd);
	if (!err)
		err = evpipe__thread_new(&producer->thread, run_pump, producer);
	return err ? evpipe__fail(error, err, "the pump's thread could not be started: %s", evpipe_strerror(err)) : EVPIPE_OK;
}

evpipe_err evpipe_producer_new(evpipe_producer **out, const evpipe_config *config, evpipe_error *error)
{
	if (!out || !config)
		return evpipe__fail_plain(error, EVPIPE_EINVAL);
	evpipe_producer *producer = evpipe__calloc(1, sizeof *producer);
	if (!producer)
		return evpipe__fail_plain(error, EVPIPE_ENOMEM);

	evpipe_config *copy = NULL;
	evpipe_err     err = evpipe__settings_copy_checked(&copy, config, error);
	if (err)
		goto out;
	producer->config = copy;
	producer->runtime = evpipe__settings_runtime(copy);
	producer->stepped = producer->runtime->enrol || !evpipe_config_number(copy, NULL, "pump.thread");
	err = evpipe__monitor_new(&producer->monitor);
	if (!err)
		err = evpipe__fork_guard_new(&producer->in_parent);
	if (err) {
		evpipe__fail_plain(error, err);
		goto out;
	}
	err = open_journal(producer, error);
	if (!err)
		err = open_pump(producer, error);
	if (!err)
		err = start(producer, error);
out:
	if (err)
		evpipe_producer_free(producer);
	else
		*out = producer;
	return err;
}

/* From now on the pump and the transport are the caller's alone. */
static void end_pump(evpipe_producer *producer)
{
	evpipe__monitor_lock(producer->monitor);
	while (producer->turn_taken)
		evpipe__monitor_wait_locked(producer->monitor, TURN_MS);
	producer->state = EVPIPE__CLOSED;
	evpipe__monitor_unlock(producer->monitor);
	if (producer->waiter)
		evpipe__waiter_wake(producer->waiter);
	evpipe__thread_join(producer->thread);
	producer->thread = NULL;
}

/* Who has reserved room in the journal is copying an event, and does nothing else. */
static void wait_until_published(evpipe_producer *producer)
{
	uint64_t position = evpipe__journal_tail(producer->journal);
	evpipe__monitor_lock(producer->monitor);
	while (!evpipe__journal_is_published(producer->journal, &position))
		evpipe__monitor_wait_locked(producer->monitor, 1);
	evpipe__monitor_unlock(producer->monitor);
}

evpipe_err evpipe_producer_close(evpipe_producer *producer, uint32_t timeout_ms, uint64_t *left)
{
	if (!producer)
		return EVPIPE_EINVAL;
	if (!*producer->in_parent)
		return EVPIPE_EFORKED;
	int64_t until_ms = now_of(producer) + timeout_ms;
	evpipe__monitor_lock(producer->monitor);
	int opened = producer->state == EVPIPE__OPEN;
	if (opened) {
		/* Sealing refuses new reservations; the head is then final. */
		evpipe__journal_seal(producer->journal);
		producer->state = EVPIPE__CLOSING;
		evpipe__monitor_notify_locked(producer->monitor);
		flush_locked(producer, evpipe__journal_head(producer->journal), timeout_ms, EVPIPE__CLOSING);
	}
	evpipe__monitor_unlock(producer->monitor);
	if (!opened)
		return EVPIPE_ECLOSED;

	end_pump(producer);
	wait_until_published(producer);
	int64_t rest_ms = until_ms - now_of(producer);
	producer->ops->close(producer->transport, rest_ms > 0 ? (uint32_t)rest_ms : 0);
	evpipe__pump_finish(producer->pump);
	evpipe_stats stats = {.size = sizeof stats};
	evpipe_producer_stats(producer, &stats);
	if (left)
		*left = stats.pending;
	return stats.pending ? EVPIPE_ETIMEOUT : EVPIPE_OK;
}

void evpipe_producer_stats(evpipe_producer *producer, evpipe_stats *stats)
{
	evpipe_stats full = {.size = sizeof full};
	evpipe__pump_stats(producer->pump, &full);
	full.accepted = evpipe__journal_accepted(producer->journal) + full.recovered;
	full.pending = full.accepted - full.sent - full.rejected;
	full.refused = atomic_load_explicit(&producer->refused, memory_order_relaxed);
	size_t size = stats->size < sizeof full ? stats->size : sizeof full;
	full.size = stats->size;
	memcpy(stats, &full, size);
}

void evpipe_producer_error(evpipe_producer *producer, evpipe_error *error)
{
	if (!*producer->in_parent) {
		evpipe__fail_plain(error, EVPIPE_EFORKED);
		return;
	}
	evpipe__monitor_lock(producer->monitor);
	*error = producer->error;
	evpipe__monitor_unlock(producer->monitor);
}

void evpipe_producer_free(evpipe_producer *producer)
{
	if (!producer)
		return;
	int ours = producer->in_parent && *producer->in_parent;
	if (producer->pump && ours)
		evpipe_producer_close(producer, 0, NULL);
	if (producer->stepper.object)
		producer->runtime->leave(producer->runtime->ctx, &producer->stepper);
	/* In a child of fork, pump, transport and monitor may be in the middle of what the parent's threads were doing: they are left alone. */
	if (ours) {
		evpipe__pump_free(producer->pump);
		if (producer->transport)
			producer->ops->free(producer->transport);
	}
	if (ours || !producer->in_parent)
		evpipe__monitor_free(producer->monitor);
	evpipe__waiter_free(producer->waiter);
	if (producer->journal)
		evpipe__home_close(&producer->home, ours);
	evpipe__fork_guard_free(producer->in_parent);
	evpipe_config_free((evpipe_config *)(uintptr_t)producer->config);
	evpipe__free(producer);
}
