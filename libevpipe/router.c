/*
 * Handing events over to retry tiers and dead letters. A record is settled only when the broker has acknowledged the
 * new one.
 */
#include <string.h>

#include "bug.h"
#include "errors.h"
#include "memory.h"
#include "pipeline.h"

/* target of an event on its way to the dead letters. */
#define DEAD (-1)

/* A hand-over that failed is tried again after this, and goes on for ever: giving up would lose the event. */
#define AGAIN_MS 200
/* One that not even the dead letters take. */
#define STUCK_AGAIN_MS 60000
#define HEADERS_MAX 64

/* Somebody else has its partition now, and with it the event. */
static int is_gone(evpipe__pipeline *pipeline, evpipe__event *event)
{
	if (evpipe__partition_of(pipeline, event->assignment))
		return 0;
	evpipe__pipeline_end(pipeline, event, EVPIPE__END_RELINQUISHED);
	return 1;
}

static void aim(evpipe__pipeline *pipeline, evpipe__event *event, int target)
{
	event->target = (int16_t)target;
	if (!event->first_ms)
		event->first_ms = evpipe__pipeline_wall_ms(pipeline);
}

/* From now on its memory is as good as free. */
static void leave(evpipe__pipeline *pipeline, evpipe__event *event)
{
	if (event->is_leaving)
		return;
	event->is_leaving = 1;
	pipeline->leaving += event->size;
	if (event->destination)
		event->destination->held -= event->size;
}

static void hand_over(evpipe__pipeline *pipeline, evpipe__event *event, int target)
{
	if (is_gone(pipeline, event))
		return;
	aim(pipeline, event, target);
	leave(pipeline, event);
	TAILQ_INSERT_TAIL(&pipeline->to_hand_over, event, link);
}

static int is_expired(evpipe__pipeline *pipeline, const evpipe__event *event)
{
	return event->first_ms && evpipe__pipeline_wall_ms(pipeline) - event->first_ms > pipeline->age_max_ms;
}

void evpipe__router_bury(evpipe__pipeline *pipeline, evpipe__event *event, evpipe_reason reason)
{
	char destination[300], id[300], error[256];
	event->reason = reason;
	evpipe__log_line(&pipeline->setup.log, EVPIPE_LOG_WARN,
	                 "event=dead_letter reason=%s destination=%s id=%s status=%d attempts=%u error=%s", evpipe_reason_name(reason),
	                 evpipe__log_quote(destination, sizeof destination, event->destination ? event->destination->name : ""),
	                 evpipe__log_quote(id, sizeof id, event->delivery.id), event->status, event->delivery.attempt,
	                 evpipe__log_quote(error, sizeof error, event->error ? event->error : ""));
	hand_over(pipeline, event, DEAD);
}

void evpipe__router_retry(evpipe__pipeline *pipeline, evpipe__event *event, int64_t wait_ms)
{
	size_t attempt = event->delivery.attempt;
	event->delivery.attempt++;
	if (attempt >= pipeline->tiers.count)
		evpipe__router_bury(pipeline, event, EVPIPE_REASON_EXHAUSTED);
	else if (is_expired(pipeline, event))
		evpipe__router_bury(pipeline, event, EVPIPE_REASON_EXPIRED);
	else
		hand_over(pipeline, event, (int)evpipe__tiers_for(&pipeline->tiers, attempt, wait_ms));
}

void evpipe__router_park(evpipe__pipeline *pipeline, evpipe__event *event, int64_t wait_ms)
{
	event->parks++;
	event->parked = 1;
	if (is_expired(pipeline, event))
		evpipe__router_bury(pipeline, event, EVPIPE_REASON_EXPIRED);
	else
		hand_over(pipeline, event, (int)evpipe__tiers_for(&pipeline->tiers, 0, wait_ms));
}

/* ---- sending ---- */

static evpipe_err write_header(evpipe__pipeline *pipeline, const evpipe__event *event)
{
	const evpipe__partition *partition = evpipe__partition_of(pipeline, event->assignment);
	evpipe__envelope         envelope;

	evpipe__envelope_init(&envelope);
	envelope.destination = event->destination ? event->destination->name : NULL;
	envelope.id = event->delivery.id;
	envelope.type = event->delivery.type;
	if (strcmp(event->delivery.content_type, "application/json") != 0)
		envelope.content_type = event->delivery.content_type;
	envelope.time_ms = event->delivery.time_ms;
	envelope.attempt = event->delivery.attempt;
	envelope.parks = event->parks;
	envelope.queued_ms = evpipe__pipeline_wall_ms(pipeline);
	envelope.delay_ms = event->target == DEAD ? 0 : pipeline->tiers.delays_ms[event->target];
	envelope.first_ms = event->first_ms;
	envelope.status = event->status;
	envelope.error = event->error;
	envelope.origin_topic = event->origin_topic ? event->origin_topic : partition ? partition->topic : pipeline->topic;
	envelope.origin_partition = event->origin_partition;
	envelope.origin_offset = event->origin_offset;
	envelope.reason = event->target == DEAD ? evpipe_reason_name(event->reason) : NULL;
	evpipe__buffer_clear(&pipeline->header);
	return evpipe__envelope_write(&envelope, &pipeline->header);
}

static evpipe_err send_event(evpipe__pipeline *pipeline, evpipe__event *event)
{
	const evpipe_delivery *delivery = &event->delivery;
	evpipe_header          headers[HEADERS_MAX];

	evpipe_err err = write_header(pipeline, event);
	if (err)
		return err;
	size_t count = delivery->headers_count < HEADERS_MAX - 1 ? delivery->headers_count : HEADERS_MAX - 1;
	headers[0] = (evpipe_header){EVPIPE__ENVELOPE_HEADER, pipeline->header.data, pipeline->header.len};
	if (count)
		memcpy(headers + 1, delivery->headers, count * sizeof *headers);
	evpipe_record record = {
		.topic = event->target == DEAD ? pipeline->tiers.dead_topic : pipeline->tiers.topics[event->target],
		.partition = EVPIPE_PARTITION_ANY,
		.key = delivery->key,
		.key_len = delivery->key_len,
		.value = delivery->data,
		.value_len = delivery->data_len,
		.headers = headers,
		.headers_count = count + 1,
		/* A broker keeps records by their timestamp: by the event's own time it could delete one that is to wait for hours. */
		.timestamp_ms = evpipe__pipeline_wall_ms(pipeline),
	};
	return pipeline->setup.transport_ops->send(pipeline->setup.transport, &record, (uint64_t)(uintptr_t)event);
}

static void complain(evpipe__pipeline *pipeline, const evpipe__event *event, evpipe_err err, const char *text)
{
	char        quoted[256];
	const char *topic = event->target == DEAD ? pipeline->tiers.dead_topic : pipeline->tiers.topics[event->target];
	evpipe__fail(&pipeline->error, err, "%s: %s", topic, text ? text : evpipe_strerror(err));
	evpipe__log_line(&pipeline->setup.log, EVPIPE_LOG_WARN, "event=hand_over_failed code=%s text=%s", evpipe_err_name(err),
	                 evpipe__log_quote(quoted, sizeof quoted, pipeline->error.text));
}

/* A record that is too large even for the dead letters goes there without what it can be without. */
static int make_smaller(evpipe__event *event)
{
	if (!event->error && !event->delivery.headers_count)
		return 0;
	evpipe__event_failed(event, event->status, NULL);
	event->delivery.headers_count = 0;
	return 1;
}

/* What a tier's topic will never take goes to the dead letters. What they never take waits, unsettled, and holds nothing else up. */
static void try_again(evpipe__pipeline *pipeline, evpipe__event *event, evpipe_err err, const char *text)
{
	complain(pipeline, event, err, text);
	int never = evpipe_err_class_of(err) == EVPIPE_CLASS_CALLER;
	if (never && event->target != DEAD) {
		evpipe__note *note = evpipe__note_new(text ? text : evpipe_strerror(err));
		evpipe__event_failed(event, event->status, note);
		evpipe__note_release(note);
		evpipe__router_bury(pipeline, event, EVPIPE_REASON_TOO_LARGE);
	} else if (never && !make_smaller(event)) {
		TAILQ_INSERT_TAIL(&pipeline->stuck, event, link);
		if (!evpipe__timer_is_set(&pipeline->stuck_again))
			evpipe__timer_set(&pipeline->timers, &pipeline->stuck_again, pipeline->now_ms + STUCK_AGAIN_MS);
	} else {
		TAILQ_INSERT_TAIL(&pipeline->to_hand_over, event, link);
		if (!never)
			evpipe__timer_set(&pipeline->timers, &pipeline->hand_over_again, pipeline->now_ms + AGAIN_MS);
	}
}

void evpipe__router_unstick(evpipe__pipeline *pipeline)
{
	TAILQ_CONCAT(&pipeline->to_hand_over, &pipeline->stuck, link);
}

/* An event that is in no list. False if the transport has no room for it. */
static int pass_on(evpipe__pipeline *pipeline, evpipe__event *event)
{
	evpipe_err err = send_event(pipeline, event);
	if (err == EVPIPE_EAGAIN || err == EVPIPE_ENOMEM)
		return 0;
	if (!err && evpipe__bug(SETTLE_EARLY))
		pipeline->setup.transport_ops->settle(pipeline->setup.transport, event->assignment, event->offset);
	if (err)
		try_again(pipeline, event, err, NULL);
	else
		TAILQ_INSERT_TAIL(&pipeline->handed_over, event, link);
	return 1;
}

int evpipe__router_step(evpipe__pipeline *pipeline)
{
	int            any = 0;
	evpipe__event *event;

	while (!evpipe__timer_is_set(&pipeline->hand_over_again) && (event = TAILQ_FIRST(&pipeline->to_hand_over))) {
		TAILQ_REMOVE(&pipeline->to_hand_over, event, link);
		if (!is_gone(pipeline, event) && !pass_on(pipeline, event)) {
			TAILQ_INSERT_HEAD(&pipeline->to_hand_over, event, link);
			break;
		}
		any = 1;
	}
	return any;
}

int evpipe__router_park_now(evpipe__pipeline *pipeline, evpipe__event *event)
{
	int64_t first_ms = event->first_ms;

	if (evpipe__timer_is_set(&pipeline->hand_over_again) || !TAILQ_EMPTY(&pipeline->to_hand_over))
		return 0;
	if (!evpipe__partition_of(pipeline, event->assignment) || is_expired(pipeline, event)) {
		evpipe__router_park(pipeline, event, 0);
		return 1;
	}
	aim(pipeline, event, 0);
	event->parks++;
	event->parked = 1;
	if (!pass_on(pipeline, event)) {
		event->parks--;
		event->parked = 0;
		event->first_ms = first_ms;
		return 0;
	}
	leave(pipeline, event);
	return 1;
}

void evpipe__router_sent(evpipe__pipeline *pipeline, const evpipe_transport_event *sent)
{
	evpipe__event *event = (evpipe__event *)(uintptr_t)sent->token;

	TAILQ_REMOVE(&pipeline->handed_over, event, link);
	if (sent->outcome != EVPIPE_PERSISTED) {
		/* Perhaps it is there, and will be there twice then: its id tells. */
		try_again(pipeline, event, sent->err, sent->text);
		return;
	}
	evpipe__pipeline_end(pipeline, event, event->target == DEAD ? EVPIPE__END_DEAD : EVPIPE__END_RETRIED);
	if (pipeline->is_cramped) {
		pipeline->is_cramped = 0;
		evpipe__timer_set(&pipeline->timers, &pipeline->sweep, pipeline->now_ms);
	}
}
