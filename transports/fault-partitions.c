/*
 * Partitions, which rules hold and take away.
 *
 * A partition that a rule takes away stays assigned inside: it is held there, and a copy of each record that was handed
 * out and is not settled is kept, so that all of it comes again under a new epoch, as it would from a broker.
 */
#include "fault.h"

#include <string.h>

#include "memory.h"

/* ---- holding inside ---- */

void evpipe__fault_sync_hold(evpipe__fault_partition *partition)
{
	evpipe__fault *fault = partition->fault;
	int            hold = partition->held || partition->state != FAULT_OWNED || evpipe__timer_is_set(&partition->stall);
	if (hold == partition->held_inside || partition->state == FAULT_GONE)
		return;
	partition->held_inside = hold;
	if (hold)
		fault->ops->hold(fault->inside, partition->inside);
	else
		fault->ops->release(fault->inside, partition->inside);
}

static void on_stall_over(void *owner)
{
	evpipe__fault_sync_hold(owner);
}

/* ---- assignments ---- */

static evpipe__fault_partition *find_inside(evpipe__fault *fault, evpipe_assignment assignment)
{
	if (assignment.slot >= fault->partitions_count)
		return NULL;
	evpipe__fault_partition *partition = fault->partitions[assignment.slot];
	return partition && partition->state != FAULT_GONE && partition->inside.epoch == assignment.epoch ? partition : NULL;
}

evpipe__fault_partition *evpipe__fault_find(evpipe__fault *fault, evpipe_assignment assignment)
{
	if (assignment.slot >= fault->partitions_count)
		return NULL;
	evpipe__fault_partition *partition = fault->partitions[assignment.slot];
	if (!partition || partition->epoch != assignment.epoch)
		return NULL;
	return partition->state == FAULT_GONE || partition->state == FAULT_AWAY ? NULL : partition;
}

static evpipe_assignment outside(const evpipe__fault_partition *partition)
{
	return (evpipe_assignment){.slot = partition->inside.slot, .epoch = partition->epoch};
}

/* The assignment has ended inside. */
static void end(evpipe__fault_partition *partition)
{
	evpipe__fault *fault = partition->fault;
	evpipe__fault_let_go_all(partition);
	evpipe__fault_forget_settled(partition);
	evpipe__timer_stop(&fault->timers, &partition->stall);
	evpipe__timer_stop(&fault->timers, &partition->come_back);
	if (partition->is_returning)
		TAILQ_REMOVE(&fault->returning, partition, returning);
	partition->is_returning = 0;
	partition->state = FAULT_GONE;
}

static void on_come_back(void *owner)
{
	evpipe__fault_partition *partition = owner;
	TAILQ_INSERT_TAIL(&partition->fault->returning, partition, returning);
	partition->is_returning = 1;
}

static void go_away(evpipe__fault_partition *partition)
{
	evpipe__fault *fault = partition->fault;
	partition->state = FAULT_AWAY;
	evpipe__fault_set_next(partition, NULL);
	evpipe__timer_stop(&fault->timers, &partition->stall);
	evpipe__timer_set(&fault->timers, &partition->come_back, evpipe__fault_now(fault) + partition->away_ms);
}

static void start(evpipe__fault_partition *partition, evpipe_transport_event *event)
{
	partition->state = FAULT_OWNED;
	partition->epoch = ++partition->fault->epoch;
	partition->held = 0;
	*event = (evpipe_transport_event){.type = EVPIPE_TRANSPORT_ASSIGNED,
					  .assignment = outside(partition),
					  .topic = partition->topic,
					  .partition = partition->number};
}

static void free_partition(evpipe__fault_partition *partition)
{
	evpipe__fault *fault = partition->fault;
	evpipe__timer_release(&fault->timers, &partition->come_back);
	evpipe__timer_release(&fault->timers, &partition->stall);
	evpipe__free(partition->settled);
	evpipe__free(partition->topic);
	evpipe__free(partition);
}

static evpipe__fault_partition *new_partition(evpipe__fault *fault)
{
	evpipe__fault_partition *partition = evpipe__calloc(1, sizeof *partition);
	if (!partition)
		return NULL;
	partition->fault = fault;
	if (evpipe__timer_init(&fault->timers, &partition->stall, on_stall_over, partition) != EVPIPE_OK) {
		evpipe__free(partition);
		return NULL;
	}
	if (evpipe__timer_init(&fault->timers, &partition->come_back, on_come_back, partition) != EVPIPE_OK) {
		evpipe__timer_release(&fault->timers, &partition->stall);
		evpipe__free(partition);
		return NULL;
	}
	return partition;
}

/* A partition for which there was no memory. */
#define ASSIGN_AGAIN_MS 100

static evpipe__fault_partition *make_room(evpipe__fault *fault, uint32_t slot)
{
	if (slot >= EVPIPE_SLOTS_MAX)
		return NULL;
	if (slot >= fault->partitions_count) {
		size_t                    count = (size_t)slot + 16;
		evpipe__fault_partition **more = evpipe__realloc(fault->partitions, count * sizeof *more);
		if (!more)
			return NULL;
		memset(more + fault->partitions_count, 0, (count - fault->partitions_count) * sizeof *more);
		fault->partitions = more;
		fault->partitions_count = count;
	}
	if (!fault->partitions[slot])
		fault->partitions[slot] = new_partition(fault);
	return fault->partitions[slot];
}

int evpipe__fault_on_assigned(evpipe__fault *fault, evpipe_transport_event *event)
{
	evpipe__fault_partition *partition = make_room(fault, event->assignment.slot);
	char                    *topic = evpipe__strdup(event->topic);

	if (!partition || !topic) {
		evpipe__free(topic);
		fault->assigned = *event;
		fault->has_assigned = 1;
		evpipe__timer_set(&fault->timers, &fault->assign_again, evpipe__fault_now(fault) + ASSIGN_AGAIN_MS);
		*event = (evpipe_transport_event){.type = EVPIPE_TRANSPORT_NOTICE,
						  .level = EVPIPE_LOG_ERROR,
						  .err = EVPIPE_ENOMEM,
						  .text = "fault: no memory for a partition: it waits"};
		return 1;
	}
	evpipe__free(partition->topic);
	partition->topic = topic;
	partition->number = event->partition;
	partition->inside = event->assignment;
	partition->held_inside = 0;
	partition->gaps = 0;
	start(partition, event);
	return 1;
}

int evpipe__fault_next_assigned(evpipe__fault *fault, evpipe_transport_event *event)
{
	evpipe__fault_partition *partition = TAILQ_FIRST(&fault->returning);
	if (!partition)
		return 0;
	TAILQ_REMOVE(&fault->returning, partition, returning);
	partition->is_returning = 0;
	evpipe__fault_set_next(partition, partition->kept);
	start(partition, event);
	evpipe__fault_sync_hold(partition);
	return 1;
}

int evpipe__fault_on_revoked(evpipe__fault *fault, evpipe_transport_event *event)
{
	evpipe__fault_partition *partition = find_inside(fault, event->assignment);
	if (!partition)
		return 0;
	event->assignment = outside(partition);
	if (partition->state == FAULT_AWAY) {
		end(partition);
		fault->ops->relinquish(fault->inside, partition->inside);
		return 0;
	}
	int told = partition->state != FAULT_OWNED;
	partition->state = FAULT_REVOKED;
	evpipe__fault_set_next(partition, NULL);
	return !told;
}

int evpipe__fault_on_lost(evpipe__fault *fault, evpipe_transport_event *event)
{
	evpipe__fault_partition *partition = find_inside(fault, event->assignment);
	if (!partition)
		return 0;
	int known = partition->state != FAULT_AWAY;
	event->assignment = outside(partition);
	end(partition);
	return known;
}

/* ---- records ---- */

static int takes_partition(const evpipe__fault_rule *rule)
{
	return rule->action == EVPIPE__FAULT_LOSE_PARTITION || rule->action == EVPIPE__FAULT_REVOKE_PARTITION;
}

/* Instead of the record, which is kept, comes the news that the partition is taken away. */
static void take_away(evpipe__fault_partition *partition, const evpipe__fault_rule *rule, evpipe_transport_event *event)
{
	*event = (evpipe_transport_event){.type = EVPIPE_TRANSPORT_REVOKED, .assignment = outside(partition)};
	partition->away_ms = rule->duration_ms;
	partition->state = FAULT_ON_LEAVE;
	evpipe__fault_set_next(partition, NULL);
	if (rule->action == EVPIPE__FAULT_LOSE_PARTITION) {
		event->type = EVPIPE_TRANSPORT_LOST;
		evpipe__fault_forget_settled(partition);
		go_away(partition);
	}
}

void evpipe__fault_hand_out(evpipe__fault_partition *partition, evpipe_transport_event *event)
{
	evpipe__fault            *fault = partition->fault;
	const evpipe__fault_rule *rule =
		evpipe__fault_strike(fault, EVPIPE__FAULT_AT_RECORD, partition->topic, partition->number);

	event->assignment = outside(partition);
	if (rule && rule->action == EVPIPE__FAULT_DOUBLE_RECORD) {
		fault->again = *event;
		fault->has_again = 1;
	} else if (rule && rule->action == EVPIPE__FAULT_STALL) {
		evpipe__timer_set(&fault->timers, &partition->stall, evpipe__fault_now(fault) + rule->duration_ms);
	} else if (rule && takes_partition(rule) && !partition->gaps) {
		take_away(partition, rule, event);
	}
	evpipe__fault_sync_hold(partition);
}

int evpipe__fault_on_record(evpipe__fault *fault, evpipe_transport_event *event)
{
	evpipe__fault_partition *partition = find_inside(fault, event->assignment);
	if (!partition)
		return 0;
	if (fault->keeps)
		evpipe__fault_keep(partition, &event->record);
	evpipe__fault_hand_out(partition, event);
	return 1;
}

/* ---- what the caller asks ---- */

static void set_held(evpipe__fault *fault, evpipe_assignment assignment, int held)
{
	evpipe__fault_partition *partition = evpipe__fault_find(fault, assignment);
	if (!partition)
		return;
	partition->held = held;
	evpipe__fault_sync_hold(partition);
}

void evpipe__fault_hold(void *self, evpipe_assignment assignment)
{
	set_held(self, assignment, 1);
}

void evpipe__fault_unhold(void *self, evpipe_assignment assignment)
{
	set_held(self, assignment, 0);
}

void evpipe__fault_relinquish(void *self, evpipe_assignment assignment)
{
	evpipe__fault           *fault = self;
	evpipe__fault_partition *partition = evpipe__fault_find(fault, assignment);
	if (!partition || partition->state == FAULT_OWNED)
		return;
	evpipe__fault_commit_last(partition);
	if (partition->state == FAULT_ON_LEAVE) {
		go_away(partition);
		return;
	}
	end(partition);
	fault->ops->relinquish(fault->inside, partition->inside);
}

int64_t evpipe__fault_lag(void *self, evpipe_assignment assignment)
{
	evpipe__fault           *fault = self;
	evpipe__fault_partition *partition = evpipe__fault_find(fault, assignment);
	int64_t                  lag = -1;
	if (partition && fault->ops->lag)
		lag = fault->ops->lag(fault->inside, partition->inside);
	if (lag < 0)
		return -1;
	return lag + evpipe__fault_kept_left(partition);
}

/* ---- life ---- */

void evpipe__fault_partitions_init(evpipe__fault *fault)
{
	TAILQ_INIT(&fault->replaying);
	TAILQ_INIT(&fault->returning);
	fault->keeps = evpipe__fault_script_has(&fault->script, EVPIPE__FAULT_LOSE_PARTITION) ||
		       evpipe__fault_script_has(&fault->script, EVPIPE__FAULT_REVOKE_PARTITION);
}

void evpipe__fault_partitions_close(evpipe__fault *fault)
{
	for (size_t i = 0; i < fault->partitions_count; i++) {
		evpipe__fault_partition *partition = fault->partitions[i];
		if (!partition || partition->state == FAULT_GONE)
			continue;
		evpipe__fault_commit_last(partition);
		end(partition);
	}
}

void evpipe__fault_partitions_release(evpipe__fault *fault)
{
	for (size_t i = 0; i < fault->partitions_count; i++) {
		if (!fault->partitions[i])
			continue;
		end(fault->partitions[i]);
		free_partition(fault->partitions[i]);
	}
	fault->has_again = 0;
	evpipe__fault_take_back(fault);
	evpipe__free(fault->partitions);
}
