/*
 * Records and assignments, as the transport gives them.
 */
#include <stdio.h>
#include <string.h>

#include "errors.h"
#include "foreign.h"
#include "memory.h"
#include "pipeline.h"

/* A round ends after so many, so that posts and answers get their turn. */
#define EVENTS_A_ROUND 2000
/* And after fewer when the sink has all the posts it may have: what is taken then can only wait here. */
#define EVENTS_A_BUSY_ROUND 100

/* ---- partitions ---- */

static evpipe__partition *partition_of(evpipe__pipeline *pipeline, evpipe_assignment assignment)
{
	if (assignment.slot >= pipeline->partitions_count)
		return NULL;
	evpipe__partition *partition = pipeline->partitions[assignment.slot];
	if (!partition || partition->state == PARTITION_NONE || partition->assignment.epoch != assignment.epoch)
		return NULL;
	return partition;
}

evpipe__partition *evpipe__intake_partition(evpipe__pipeline *pipeline, const evpipe__event *event)
{
	return partition_of(pipeline, event->assignment);
}

static void forget(evpipe__pipeline *pipeline, evpipe__partition *partition)
{
	evpipe__event *head = partition->head;
	pipeline->losses++;
	partition->state = PARTITION_NONE;
	partition->head = NULL;
	evpipe__timer_stop(&pipeline->timers, &partition->timer);
	evpipe__free(partition->topic);
	partition->topic = NULL;
	pipeline->stats.partitions--;
	if (head)
		evpipe__pipeline_end(pipeline, head, EVPIPE__END_RELINQUISHED);
}

static void relinquish(evpipe__pipeline *pipeline, evpipe__partition *partition)
{
	evpipe_assignment assignment = partition->assignment;
	/* Events of it that still wait are dropped when their turn comes; answers that still come settle nothing. */
	forget(pipeline, partition);
	pipeline->setup.transport_ops->relinquish(pipeline->setup.transport, assignment);
}

void evpipe__intake_settled(evpipe__pipeline *pipeline, evpipe__partition *partition)
{
	if (--partition->unsettled == 0 && partition->state == PARTITION_DRAINING)
		relinquish(pipeline, partition);
}

static void accept(evpipe__pipeline *pipeline, evpipe__event *event);

static void on_timer(void *owner)
{
	evpipe__partition *partition = owner;
	evpipe__pipeline  *pipeline = partition->pipeline;
	evpipe__event     *head = partition->head;

	if (partition->state == PARTITION_DRAINING) {
		relinquish(pipeline, partition);
		return;
	}
	partition->head = NULL;
	pipeline->setup.transport_ops->release(pipeline->setup.transport, partition->assignment);
	if (head)
		accept(pipeline, head);
}

static evpipe__partition *make_room(evpipe__pipeline *pipeline, uint32_t slot)
{
	if (slot >= EVPIPE_SLOTS_MAX)
		return NULL;
	if (slot >= pipeline->partitions_count) {
		size_t              count = slot + 1 > 2 * pipeline->partitions_count ? slot + 1 : 2 * pipeline->partitions_count;
		evpipe__partition **more = evpipe__realloc(pipeline->partitions, count * sizeof *more);
		if (!more)
			return NULL;
		memset(more + pipeline->partitions_count, 0, (count - pipeline->partitions_count) * sizeof *more);
		pipeline->partitions = more;
		pipeline->partitions_count = count;
	}
	if (!pipeline->partitions[slot]) {
		evpipe__partition *partition = evpipe__calloc(1, sizeof *partition);
		if (partition && evpipe__timer_init(&pipeline->timers, &partition->timer, on_timer, partition) != EVPIPE_OK) {
			evpipe__free(partition);
			return NULL;
		}
		pipeline->partitions[slot] = partition;
	}
	return pipeline->partitions[slot];
}

static void on_assigned(evpipe__pipeline *pipeline, const evpipe_transport_event *event)
{
	evpipe__partition *partition = make_room(pipeline, event->assignment.slot);
	char              *topic = evpipe__strdup(event->topic);

	if (!partition || !topic) {
		/* Held and never read it would look well: better that another worker gets it. */
		evpipe__free(topic);
		evpipe__pipeline_fail(pipeline, EVPIPE_ENOMEM, "no memory for partition %d of %s", (int)event->partition, event->topic);
		return;
	}
	partition->pipeline = pipeline;
	partition->state = PARTITION_OWNED;
	partition->assignment = event->assignment;
	partition->tier = evpipe__tiers_of_topic(&pipeline->tiers, topic);
	partition->topic = topic;
	partition->number = event->partition;
	partition->unsettled = 0;
	partition->seen_end = 0;
	pipeline->stats.partitions++;
	evpipe__log_line(&pipeline->setup.log, EVPIPE_LOG_INFO, "event=assigned topic=%s partition=%d", topic, (int)event->partition);
}

static void on_revoked(evpipe__pipeline *pipeline, const evpipe_transport_event *event)
{
	evpipe__partition *partition = partition_of(pipeline, event->assignment);
	if (!partition) {
		pipeline->setup.transport_ops->relinquish(pipeline->setup.transport, event->assignment);
		return;
	}
	evpipe__log_line(&pipeline->setup.log, EVPIPE_LOG_INFO, "event=revoked topic=%s partition=%d unsettled=%llu", partition->topic,
	                 (int)partition->number, (unsigned long long)partition->unsettled);
	evpipe__event *head = partition->head;
	partition->head = NULL;
	if (head)
		evpipe__pipeline_end(pipeline, head, EVPIPE__END_RELINQUISHED);
	partition->state = PARTITION_DRAINING;
	if (partition->unsettled == 0)
		relinquish(pipeline, partition);
	else
		evpipe__timer_set(&pipeline->timers, &partition->timer, pipeline->now_ms + pipeline->handover_ms);
}

static void on_lost(evpipe__pipeline *pipeline, const evpipe_transport_event *event)
{
	evpipe__partition *partition = partition_of(pipeline, event->assignment);
	if (!partition)
		return;
	evpipe__log_line(&pipeline->setup.log, EVPIPE_LOG_WARN, "event=lost topic=%s partition=%d unsettled=%llu", partition->topic,
	                 (int)partition->number, (unsigned long long)partition->unsettled);
	forget(pipeline, partition);
}

/* ---- records ---- */

/* Into the lanes of its destination, or straight on if that may not be posted to for long. */
static void accept(evpipe__pipeline *pipeline, evpipe__event *event)
{
	evpipe__destination *destination = event->destination;
	int64_t              wait_ms = evpipe__destination_wait(destination);

	if (wait_ms > pipeline->tiers.delays_ms[0]) {
		evpipe__router_park(pipeline, event, wait_ms);
		return;
	}
	evpipe__lanes_add(destination, event);
	evpipe__destination_make_room(destination);
}

/*
 * Keys spread over lanes by other bits than over partitions, or a partition's keys would all meet in one lane; what has no
 * key goes to one lane after the other, whatever comes for others in between.
 */
static uint32_t lane_hash(const evpipe__destination *destination, const evpipe_record *record)
{
	if (!record->key)
		return destination ? (uint32_t)destination->stats.taken : 0;
	return (evpipe_murmur2(record->key, record->key_len) * UINT32_C(0x9E3779B1)) >> 16;
}

/* NULL when memory is short. `destination` is NULL for one that is not known. */
static evpipe__event *make_event(evpipe__pipeline *pipeline, evpipe__destination *destination, const evpipe_transport_event *polled,
                                 const evpipe__envelope *envelope)
{
	uint32_t        hash = lane_hash(destination, &polled->record);
	evpipe__piece **open = destination ? evpipe__lanes_open_piece(destination, hash) : &pipeline->open;
	evpipe__event  *event;

	if (evpipe__event_new(&event, &pipeline->pieces, open, &polled->record, envelope, pipeline->type) != EVPIPE_OK)
		return NULL;
	event->destination = destination;
	event->assignment = polled->assignment;
	event->hash = hash;
	return event;
}

static void hold(evpipe__pipeline *pipeline, evpipe__event *event)
{
	pipeline->stats.in_flight++;
	if (event->destination)
		evpipe__destination_holds(event->destination, event);
}

static void wait_until_due(evpipe__pipeline *pipeline, evpipe__partition *partition, evpipe__event *event, int64_t wait_ms)
{
	/* The wait counts from the wall clock's now, which a long round leaves behind. */
	int64_t now_ms = pipeline->setup.runtime->mono_ms(pipeline->setup.runtime->ctx);
	partition->head = event;
	pipeline->setup.transport_ops->hold(pipeline->setup.transport, partition->assignment);
	evpipe__timer_set(&pipeline->timers, &partition->timer, now_ms + wait_ms);
}

/*
 * Clocks differ: by a writer's that is ahead each record would wait for the whole delay from when it is looked at, one
 * after the other. But whatever lay in the partition when its head began to wait has waited for as long since.
 */
static int64_t wait_since_seen(evpipe__pipeline *pipeline, evpipe__partition *partition, int64_t offset, int64_t delay_ms,
                               int64_t wait_ms)
{
	int64_t now_ms = pipeline->setup.runtime->mono_ms(pipeline->setup.runtime->ctx);

	if (wait_ms > 0 && offset >= partition->seen_end) {
		const evpipe_transport_ops *ops = pipeline->setup.transport_ops;
		int64_t behind = ops->lag ? ops->lag(pipeline->setup.transport, partition->assignment) : 0;
		partition->seen_end = offset + 1 + (behind > 0 ? behind : 0);
		partition->seen_ms = now_ms;
	}
	int64_t left_ms = partition->seen_ms + delay_ms - now_ms;
	if (offset >= partition->seen_end || left_ms >= wait_ms)
		return wait_ms;
	return left_ms > 0 ? left_ms : 0;
}

/* No longer than its tier has others wait, whatever the record says: they wait behind it. */
static int64_t tier_wait(evpipe__pipeline *pipeline, evpipe__partition *partition, const evpipe__envelope *envelope, int64_t offset)
{
	if (partition->tier < 0)
		return 0;
	int64_t most_ms = pipeline->tiers.delays_ms[partition->tier];
	int64_t wait_ms = evpipe__tier_wait(envelope->queued_ms, envelope->delay_ms < most_ms ? envelope->delay_ms : most_ms,
	                                    evpipe__pipeline_wall_ms(pipeline));
	return wait_since_seen(pipeline, partition, offset, most_ms, wait_ms);
}

static void on_tombstone(evpipe__pipeline *pipeline, evpipe__event *event)
{
	switch (evpipe__foreign_tombstone(pipeline->setup.config)) {
	case EVPIPE__TOMBSTONE_SKIP:
		evpipe__pipeline_end(pipeline, event, EVPIPE__END_SKIPPED);
		break;
	case EVPIPE__TOMBSTONE_DELIVER:
		accept(pipeline, event);
		break;
	default:
		evpipe__router_bury(pipeline, event, EVPIPE_REASON_TOMBSTONE);
	}
}

/* False if memory is short: the record stays unsettled, and comes again with the partition's next owner. */
static int on_record(evpipe__pipeline *pipeline, const evpipe_transport_event *polled)
{
	evpipe__partition   *partition = partition_of(pipeline, polled->assignment);
	evpipe__destination *destination = NULL;
	evpipe__envelope     envelope;
	evpipe__event       *event;

	if (!partition)
		return 1; /* it came too late: another one has it */
	int known = evpipe__foreign_identify(pipeline->setup.config, &polled->record, &envelope, pipeline->scratch);
	if (known && !(destination = evpipe__destination_get(pipeline, envelope.destination)))
		return 0;
	event = make_event(pipeline, destination, polled, &envelope);
	if (!event)
		return 0;
	pipeline->stats.taken++;
	partition->unsettled++;
	hold(pipeline, event);

	int64_t wait_ms = tier_wait(pipeline, partition, &envelope, polled->record.offset);
	if (!known)
		evpipe__router_bury(pipeline, event, EVPIPE_REASON_FOREIGN);
	else if (wait_ms > 0)
		wait_until_due(pipeline, partition, event, wait_ms);
	else if (!event->delivery.data)
		on_tombstone(pipeline, event);
	else
		accept(pipeline, event);
	return 1;
}

/* ---- the rest ---- */

static void on_topic(evpipe__pipeline *pipeline, const evpipe_transport_event *event)
{
	char quoted[256];
	int  which = strcmp(event->topic, pipeline->topic) == 0             ? (int)pipeline->tiers.count
	             : strcmp(event->topic, pipeline->tiers.dead_topic) == 0 ? (int)pipeline->tiers.count + 1
	                                                                     : evpipe__tiers_of_topic(&pipeline->tiers, event->topic);
	if (which < 0)
		return;
	if (event->err) {
		evpipe__pipeline_fail(pipeline, event->err, "topic %s: %s", event->topic,
		                      event->text ? event->text : evpipe_strerror(event->err));
		return;
	}
	if (event->text)
		evpipe__log_line(&pipeline->setup.log, EVPIPE_LOG_WARN, "event=topic_differs topic=%s text=%s", event->topic,
		                 evpipe__log_quote(quoted, sizeof quoted, event->text));
	pipeline->topics[which].state = TOPIC_THERE;
}

static void on_notice(evpipe__pipeline *pipeline, const evpipe_transport_event *event)
{
	char quoted[512];
	if (event->err)
		evpipe__fail(&pipeline->error, event->err, "%s", event->text ? event->text : evpipe_strerror(event->err));
	evpipe__log_line(&pipeline->setup.log, event->level, "event=transport text=%s",
	                 evpipe__log_quote(quoted, sizeof quoted, event->text ? event->text : ""));
}

static void on_committed(evpipe__pipeline *pipeline, const evpipe_transport_event *event)
{
	char quoted[256];
	if (event->err)
		evpipe__log_line(&pipeline->setup.log, EVPIPE_LOG_WARN, "event=commit_failed code=%s text=%s",
		                 evpipe_err_name(event->err),
		                 evpipe__log_quote(quoted, sizeof quoted, event->text ? event->text : ""));
}

static int is_full(const evpipe__pipeline *pipeline)
{
	return evpipe__pipeline_memory(pipeline) >= pipeline->events_memory_max;
}

int evpipe__intake_step(evpipe__pipeline *pipeline)
{
	int may_post = pipeline->posting < pipeline->in_flight_max && !pipeline->sink_is_full;
	int count = 0, most = may_post ? EVENTS_A_ROUND : EVENTS_A_BUSY_ROUND;
	evpipe_transport_event event = {0}; /* so that a transport that knows fewer members leaves the others 0 */

	/* A batch that is full goes at once: its events are still in the cache, and its lane gets no backlog that asks for more lanes. */
	for (; count < most && !(may_post && !TAILQ_EMPTY(&pipeline->active)); count++) {
		unsigned flags = pipeline->state != EVPIPE__RUNNING || is_full(pipeline) ? EVPIPE_POLL_NO_RECORDS : 0;
		if (pipeline->setup.transport_ops->poll(pipeline->setup.transport, flags, &event) != EVPIPE_OK)
			break;
		switch (event.type) {
		case EVPIPE_TRANSPORT_RECORD:
			if (!on_record(pipeline, &event)) {
				evpipe__pipeline_fail(pipeline, EVPIPE_ENOMEM, "no memory for a record of %s", event.record.topic);
				return 1;
			}
			break;
		case EVPIPE_TRANSPORT_SENT:
			evpipe__router_sent(pipeline, &event);
			break;
		case EVPIPE_TRANSPORT_ASSIGNED:
			on_assigned(pipeline, &event);
			break;
		case EVPIPE_TRANSPORT_REVOKED:
			on_revoked(pipeline, &event);
			break;
		case EVPIPE_TRANSPORT_LOST:
			on_lost(pipeline, &event);
			break;
		case EVPIPE_TRANSPORT_COMMITTED:
			on_committed(pipeline, &event);
			break;
		case EVPIPE_TRANSPORT_TOPIC:
			on_topic(pipeline, &event);
			break;
		case EVPIPE_TRANSPORT_NOTICE:
			on_notice(pipeline, &event);
			break;
		}
	}
	return count > 0;
}

void evpipe__intake_stop(evpipe__pipeline *pipeline)
{
	for (size_t i = 0; i < pipeline->partitions_count; i++) {
		evpipe__partition *partition = pipeline->partitions[i];
		if (!partition || !partition->head)
			continue;
		evpipe__event *head = partition->head;
		partition->head = NULL;
		evpipe__timer_stop(&pipeline->timers, &partition->timer);
		evpipe__pipeline_end(pipeline, head, EVPIPE__END_RELINQUISHED);
	}
}

void evpipe__intake_forget(evpipe__pipeline *pipeline)
{
	for (size_t i = 0; i < pipeline->partitions_count; i++)
		if (pipeline->partitions[i] && pipeline->partitions[i]->state != PARTITION_NONE)
			forget(pipeline, pipeline->partitions[i]);
}

void evpipe__intake_release(evpipe__pipeline *pipeline)
{
	for (size_t i = 0; i < pipeline->partitions_count; i++) {
		evpipe__partition *partition = pipeline->partitions[i];
		if (!partition)
			continue;
		evpipe__event_free(partition->head, &pipeline->pieces);
		evpipe__timer_release(&pipeline->timers, &partition->timer);
		evpipe__free(partition->topic);
		evpipe__free(partition);
	}
	evpipe__free(pipeline->partitions);
}
