/*
 * The partitions that are ours: from their assignment until all of their records are settled, or they are lost. One of a
 * retry topic stands still while its head, the next record, is not due yet.
 */
#include <string.h>

#include "memory.h"
#include "pipeline.h"

static void drop_head(evpipe__pipeline *pipeline, evpipe__partition *partition)
{
	evpipe__event *head = partition->head;
	if (!head)
		return;
	partition->head = NULL;
	evpipe__timer_stop(&pipeline->timers, &partition->timer);
	evpipe__pipeline_end(pipeline, head, EVPIPE__END_RELINQUISHED);
}

static void forget(evpipe__pipeline *pipeline, evpipe__partition *partition)
{
	pipeline->losses++;
	partition->state = PARTITION_NONE;
	evpipe__timer_stop(&pipeline->timers, &partition->timer);
	evpipe__free(partition->topic);
	partition->topic = NULL;
	pipeline->stats.partitions--;
	drop_head(pipeline, partition);
}

static void relinquish(evpipe__pipeline *pipeline, evpipe__partition *partition)
{
	evpipe_assignment assignment = partition->assignment;
	/* Events of it that still wait are dropped when their turn comes; answers that still come settle nothing. */
	forget(pipeline, partition);
	pipeline->setup.transport_ops->relinquish(pipeline->setup.transport, assignment);
}

void evpipe__partition_settled(evpipe__pipeline *pipeline, evpipe__partition *partition)
{
	if (--partition->unsettled == 0 && partition->state == PARTITION_DRAINING)
		relinquish(pipeline, partition);
}

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
		evpipe__intake_accept(pipeline, head);
}

/* ---- assignments ---- */

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

void evpipe__partition_assigned(evpipe__pipeline *pipeline, const evpipe_transport_event *event)
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

void evpipe__partition_revoked(evpipe__pipeline *pipeline, const evpipe_transport_event *event)
{
	evpipe__partition *partition = evpipe__partition_of(pipeline, event->assignment);
	if (!partition) {
		pipeline->setup.transport_ops->relinquish(pipeline->setup.transport, event->assignment);
		return;
	}
	evpipe__log_line(&pipeline->setup.log, EVPIPE_LOG_INFO, "event=revoked topic=%s partition=%d unsettled=%llu", partition->topic,
	                 (int)partition->number, (unsigned long long)partition->unsettled);
	drop_head(pipeline, partition);
	partition->state = PARTITION_DRAINING;
	if (partition->unsettled == 0)
		relinquish(pipeline, partition);
	else
		evpipe__timer_set(&pipeline->timers, &partition->timer, pipeline->now_ms + pipeline->handover_ms);
}

void evpipe__partition_lost(evpipe__pipeline *pipeline, const evpipe_transport_event *event)
{
	evpipe__partition *partition = evpipe__partition_of(pipeline, event->assignment);
	if (!partition)
		return;
	evpipe__log_line(&pipeline->setup.log, EVPIPE_LOG_WARN, "event=lost topic=%s partition=%d unsettled=%llu", partition->topic,
	                 (int)partition->number, (unsigned long long)partition->unsettled);
	forget(pipeline, partition);
}

/* ---- heads ---- */

void evpipe__partition_hold(evpipe__pipeline *pipeline, evpipe__partition *partition, evpipe__event *head, int64_t wait_ms)
{
	/* The wait counts from the wall clock's now, which a long round leaves behind. */
	int64_t now_ms = pipeline->setup.runtime->mono_ms(pipeline->setup.runtime->ctx);
	partition->head = head;
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

int64_t evpipe__partition_wait(evpipe__pipeline *pipeline, evpipe__partition *partition, const evpipe__envelope *envelope,
                               int64_t offset)
{
	/* No longer than the tier has others wait, whatever the record says: they wait behind it. */
	int64_t most_ms = pipeline->tiers.delays_ms[partition->tier];
	int64_t wait_ms = evpipe__tier_wait(envelope->queued_ms, envelope->delay_ms < most_ms ? envelope->delay_ms : most_ms,
	                                    evpipe__pipeline_wall_ms(pipeline));
	return wait_since_seen(pipeline, partition, offset, most_ms, wait_ms);
}

/* ---- all of them ---- */

void evpipe__partitions_drop_heads(evpipe__pipeline *pipeline)
{
	for (size_t i = 0; i < pipeline->partitions_count; i++)
		if (pipeline->partitions[i])
			drop_head(pipeline, pipeline->partitions[i]);
}

uint64_t evpipe__partitions_lag(const evpipe__pipeline *pipeline)
{
	const evpipe_transport_ops *ops = pipeline->setup.transport_ops;
	uint64_t                    lag = 0;
	for (size_t i = 0; ops->lag && i < pipeline->partitions_count; i++) {
		const evpipe__partition *partition = pipeline->partitions[i];
		if (!partition || partition->state != PARTITION_OWNED)
			continue;
		int64_t records = ops->lag(pipeline->setup.transport, partition->assignment);
		lag += records > 0 ? (uint64_t)records : 0;
	}
	return lag;
}

void evpipe__partitions_forget(evpipe__pipeline *pipeline)
{
	for (size_t i = 0; i < pipeline->partitions_count; i++)
		if (pipeline->partitions[i] && pipeline->partitions[i]->state != PARTITION_NONE)
			forget(pipeline, pipeline->partitions[i]);
}

void evpipe__partitions_release(evpipe__pipeline *pipeline)
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
