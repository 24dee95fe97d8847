#include "pipeline.h"

#include <stdarg.h>
#include <stdio.h>

#include "bug.h"
#include "errors.h"
#include "memory.h"

/* How often hoards are looked for. */
#define SWEEP_MS 1000

/* Memory kept for events to come: enough for those of some posts that end together. */
#define SPARE_MAX ((size_t)4 * 1024 * 1024)

static void on_sweep(void *owner)
{
	evpipe__hoards_sweep(owner);
}

static void on_hand_over_again(void *owner)
{
	(void)owner; /* that it is not set any more lets the router go on */
}

static void on_stuck_again(void *owner)
{
	evpipe__router_unstick(owner);
}

static void on_sink_again(void *owner)
{
	evpipe__pipeline *pipeline = owner;
	pipeline->sink_is_full = 0;
}

static evpipe_err init_timers(evpipe__pipeline *pipeline)
{
	evpipe_err err = evpipe__timer_init(&pipeline->timers, &pipeline->sweep, on_sweep, pipeline);
	if (!err)
		err = evpipe__timer_init(&pipeline->timers, &pipeline->hand_over_again, on_hand_over_again, pipeline);
	if (!err)
		err = evpipe__timer_init(&pipeline->timers, &pipeline->stuck_again, on_stuck_again, pipeline);
	if (!err)
		err = evpipe__timer_init(&pipeline->timers, &pipeline->sink_again, on_sink_again, pipeline);
	return err;
}

static evpipe_err read_settings(evpipe__pipeline *pipeline)
{
	const evpipe_config *config = pipeline->setup.config;
	size_t               memory_max = (size_t)evpipe_config_number(config, NULL, "worker.memory_max");
	size_t               transport_max = pipeline->setup.transport_memory_max;

	/*
	 * Less one event: at the limit the last one that is taken may go beyond it by nearly its whole size. And less an
	 * eighth of all: bodies are made of events when those have taken what there is.
	 */
	pipeline->events_memory_max =
		memory_max - transport_max - memory_max / 8 - (size_t)evpipe_config_number(config, NULL, "event.max");
	if (evpipe__bug(GREED))
		pipeline->events_memory_max *= 4;
	pipeline->pieces.spare_max = pipeline->events_memory_max / 16 < SPARE_MAX ? pipeline->events_memory_max / 16 : SPARE_MAX;
	pipeline->ordered = evpipe_config_number(config, NULL, "order") == 0;
	pipeline->in_flight_max = (unsigned)evpipe_config_number(config, NULL, "sink.in_flight_max");
	pipeline->drain_ms = evpipe_config_number(config, NULL, "worker.drain_timeout");
	pipeline->handover_ms = evpipe_config_number(config, NULL, "worker.handover_timeout");
	pipeline->quick_max = (uint32_t)evpipe_config_number(config, NULL, "retry.quick_max");
	pipeline->quick_min_ms = evpipe_config_number(config, NULL, "retry.quick_delay_min");
	pipeline->quick_max_ms = evpipe_config_number(config, NULL, "retry.quick_delay_max");
	pipeline->age_max_ms = evpipe_config_number(config, NULL, "retry.age_max");
	pipeline->topic = evpipe__strdup(evpipe_config_text(config, NULL, "topic.name"));
	pipeline->type = evpipe__strdup(evpipe_config_text(config, NULL, "event.type"));
	if (!pipeline->topic || !pipeline->type)
		return EVPIPE_ENOMEM;
	return evpipe__tiers_init(&pipeline->tiers, config);
}

evpipe_err evpipe__pipeline_new(evpipe__pipeline **out, const evpipe__pipeline_setup *setup, evpipe_error *error)
{
	evpipe__pipeline *pipeline = evpipe__calloc(1, sizeof *pipeline);
	if (!pipeline)
		return evpipe__fail_plain(error, EVPIPE_ENOMEM);
	pipeline->setup = *setup;
	pipeline->now_ms = setup->runtime->mono_ms(setup->runtime->ctx);
	TAILQ_INIT(&pipeline->active);
	TAILQ_INIT(&pipeline->idle);
	TAILQ_INIT(&pipeline->to_hand_over);
	TAILQ_INIT(&pipeline->handed_over);
	TAILQ_INIT(&pipeline->stuck);
	TAILQ_INIT(&pipeline->posted);
	evpipe__timers_init(&pipeline->timers);
	evpipe__buffer_init(&pipeline->header, EVPIPE__ENVELOPE_MAX);
	evpipe_err err = read_settings(pipeline);
	if (!err)
		err = init_timers(pipeline);
	if (err) {
		evpipe__pipeline_free(pipeline);
		return evpipe__fail_plain(error, err);
	}
	*out = pipeline;
	return EVPIPE_OK;
}

void evpipe__pipeline_free(evpipe__pipeline *pipeline)
{
	if (!pipeline)
		return;
	evpipe__event_free_list(&pipeline->to_hand_over, &pipeline->pieces);
	evpipe__event_free_list(&pipeline->handed_over, &pipeline->pieces);
	evpipe__event_free_list(&pipeline->stuck, &pipeline->pieces);
	evpipe__batch_free_list(&pipeline->posted, &pipeline->pieces);
	while (pipeline->destinations)
		evpipe__destination_free(pipeline->destinations);
	evpipe__partitions_release(pipeline);
	evpipe__pieces_close(&pipeline->pieces, &pipeline->open);
	evpipe__pieces_release(&pipeline->pieces);
	evpipe__timer_release(&pipeline->timers, &pipeline->sweep);
	evpipe__timer_release(&pipeline->timers, &pipeline->hand_over_again);
	evpipe__timer_release(&pipeline->timers, &pipeline->stuck_again);
	evpipe__timer_release(&pipeline->timers, &pipeline->sink_again);
	evpipe__timers_release(&pipeline->timers);
	evpipe__tiers_release(&pipeline->tiers);
	evpipe__buffer_release(&pipeline->header);
	evpipe__free(pipeline->topic);
	evpipe__free(pipeline->type);
	evpipe__free(pipeline);
}

/* ---- what the files share ---- */

int64_t evpipe__pipeline_jitter(evpipe__pipeline *pipeline, int64_t least_ms, int64_t most_ms)
{
	if (most_ms <= least_ms)
		return least_ms;
	uint64_t range = (uint64_t)(most_ms - least_ms) + 1;
	return least_ms + (int64_t)(pipeline->setup.runtime->random(pipeline->setup.runtime->ctx) % range);
}

size_t evpipe__pipeline_memory(const evpipe__pipeline *pipeline)
{
	const evpipe__pipeline_setup *setup = &pipeline->setup;
	size_t events = pipeline->pieces.used + pipeline->pieces.spare_bytes;
	return setup->sink_ops->memory ? events + setup->sink_ops->memory(setup->sink) : events;
}

void evpipe__pipeline_fail(evpipe__pipeline *pipeline, evpipe_err err, const char *format, ...)
{
	char    text[EVPIPE_ERROR_TEXT_MAX];
	va_list args;

	if (pipeline->state >= EVPIPE__DRAINED)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	pipeline->state = EVPIPE__FAILED;
	evpipe__fail(&pipeline->failure, err, "%s", text);
}

int64_t evpipe__pipeline_wall_ms(const evpipe__pipeline *pipeline)
{
	return pipeline->setup.runtime->wall_ms(pipeline->setup.runtime->ctx);
}

static void count_end(evpipe__pipeline *pipeline, const evpipe__event *event, evpipe__end end)
{
	switch (end) {
	case EVPIPE__END_DELIVERED:
		pipeline->stats.delivered++;
		break;
	case EVPIPE__END_RETRIED:
		pipeline->stats.retried[event->target]++;
		pipeline->stats.parked += event->parked;
		break;
	case EVPIPE__END_DEAD:
		pipeline->stats.dead_lettered[event->reason]++;
		break;
	case EVPIPE__END_SKIPPED:
		pipeline->stats.skipped++;
		break;
	case EVPIPE__END_RELINQUISHED:
		pipeline->stats.relinquished += !evpipe__bug(MISCOUNT);
		break;
	}
}

void evpipe__pipeline_end(evpipe__pipeline *pipeline, evpipe__event *event, evpipe__end end)
{
	evpipe__partition *partition = evpipe__partition_of(pipeline, event->assignment);

	count_end(pipeline, event, end);
	pipeline->stats.in_flight--;
	if (event->is_leaving)
		pipeline->leaving -= event->size;
	if (event->destination)
		evpipe__destination_lets_go(event->destination, event, end);
	if (partition) {
		if (end != EVPIPE__END_RELINQUISHED)
			pipeline->setup.transport_ops->settle(pipeline->setup.transport, partition->assignment, event->offset);
		evpipe__partition_settled(pipeline, partition);
	}
	evpipe__event_free(event, &pipeline->pieces);
}

/* ---- one round ---- */

static void check_drained(evpipe__pipeline *pipeline)
{
	if (pipeline->state != EVPIPE__STOPPING)
		return;
	if (pipeline->stats.in_flight == 0)
		pipeline->state = EVPIPE__DRAINED;
	else if (pipeline->now_ms >= pipeline->stop_until_ms)
		pipeline->state = EVPIPE__GAVE_UP;
}

static int64_t next_due(evpipe__pipeline *pipeline)
{
	const evpipe__pipeline_setup *setup = &pipeline->setup;
	int64_t                       due = evpipe__timers_next(&pipeline->timers);
	int64_t                       transport = setup->transport_ops->next_due(setup->transport);
	int64_t                       sink = setup->sink_ops->next_due ? setup->sink_ops->next_due(setup->sink) : INT64_MAX;
	due = transport < due ? transport : due;
	due = sink < due ? sink : due;
	if (pipeline->state == EVPIPE__STOPPING && pipeline->stop_until_ms < due)
		due = pipeline->stop_until_ms;
	return due;
}

static void note_memory(evpipe__pipeline *pipeline)
{
	const evpipe__pipeline_setup *setup = &pipeline->setup;
	pipeline->stats.memory = evpipe__pipeline_memory(pipeline) + setup->transport_ops->memory(setup->transport);
	if (pipeline->stats.memory > pipeline->stats.memory_max)
		pipeline->stats.memory_max = pipeline->stats.memory;
}

int evpipe__pipeline_step(evpipe__pipeline *pipeline, int64_t *next_due_ms)
{
	int any = 0;

	*next_due_ms = INT64_MAX;
	if (pipeline->state >= EVPIPE__DRAINED)
		return 0;
	pipeline->now_ms = pipeline->setup.runtime->mono_ms(pipeline->setup.runtime->ctx);
	if (pipeline->state == EVPIPE__STARTING)
		any |= evpipe__topics_step(pipeline);
	any |= evpipe__intake_step(pipeline);
	any |= evpipe__timers_fire(&pipeline->timers, pipeline->now_ms) > 0;
	any |= evpipe__posting_step(pipeline);
	/* Building bodies took its time: what an answer asks for counts from now. */
	pipeline->now_ms = pipeline->setup.runtime->mono_ms(pipeline->setup.runtime->ctx);
	any |= evpipe__verdicts_step(pipeline);
	any |= evpipe__posting_step(pipeline);
	any |= evpipe__router_step(pipeline);
	if (pipeline->stats.in_flight && !evpipe__timer_is_set(&pipeline->sweep))
		evpipe__timer_set(&pipeline->timers, &pipeline->sweep, pipeline->now_ms + SWEEP_MS);
	check_drained(pipeline);
	note_memory(pipeline);
	*next_due_ms = next_due(pipeline);
	return any;
}

/* ---- stopping ---- */

void evpipe__pipeline_stop(evpipe__pipeline *pipeline)
{
	evpipe__destination *destination, *next;

	pipeline->now_ms = pipeline->setup.runtime->mono_ms(pipeline->setup.runtime->ctx);
	if (pipeline->state == EVPIPE__STARTING) {
		pipeline->state = EVPIPE__DRAINED;
		return;
	}
	if (pipeline->state == EVPIPE__STOPPING)
		pipeline->stop_until_ms = pipeline->now_ms;
	if (pipeline->state != EVPIPE__RUNNING)
		return;
	pipeline->state = EVPIPE__STOPPING;
	pipeline->stop_until_ms = pipeline->now_ms + pipeline->drain_ms;
	evpipe__log_line(&pipeline->setup.log, EVPIPE_LOG_INFO, "event=stopping in_flight=%llu",
	                 (unsigned long long)pipeline->stats.in_flight);
	evpipe__partitions_drop_heads(pipeline);
	/* What waits for its turn is posted now, what waits for a time goes to a tier. */
	HASH_ITER(hh, pipeline->destinations, destination, next) {
		if (evpipe__destination_wait(destination) > 0)
			evpipe__lanes_divert(destination, evpipe__destination_wait(destination));
		else
			evpipe__lanes_refresh(destination);
	}
}

void evpipe__pipeline_finish(evpipe__pipeline *pipeline)
{
	evpipe__partitions_forget(pipeline);
	while (evpipe__intake_step(pipeline))
		;
	pipeline->stats.relinquished += pipeline->stats.in_flight;
	pipeline->stats.in_flight = 0;
}

/* ---- looking in ---- */

evpipe__pipeline_state evpipe__pipeline_state_of(const evpipe__pipeline *pipeline)
{
	return pipeline->state;
}

const evpipe_error *evpipe__pipeline_error(const evpipe__pipeline *pipeline)
{
	return pipeline->state == EVPIPE__FAILED ? &pipeline->failure : &pipeline->error;
}

void evpipe__pipeline_stats(const evpipe__pipeline *pipeline, evpipe_stats *stats)
{
	*stats = pipeline->stats;
	if (pipeline->state < EVPIPE__DRAINED)
		stats->lag = evpipe__partitions_lag(pipeline);
}

int evpipe__pipeline_each_destination(const evpipe__pipeline *pipeline, evpipe_destination_fn visit, void *ctx)
{
	evpipe__destination *destination, *next;
	int                  stop = 0;
	HASH_ITER(hh, pipeline->destinations, destination, next) {
		evpipe_destination_stats stats = destination->stats;
		stats.state = evpipe__destination_state(destination);
		stop = visit(ctx, &stats);
		if (stop)
			break;
	}
	return stop;
}
