/*
 * Partitions in an instance's hands: handing out, settling, committing.
 */
#include <stdlib.h>
#include <string.h>

#include "broker.h"

/* Offsets kept apart beyond a frontier. */
#define SPAN_MAX (1 << 17)
/* Records handed out of one partition before the next has its turn. */
#define RUN_MAX 100
/* As a Kafka broker's default for offset.metadata.max.bytes. */
#define METADATA_MAX 4096

struct assignment *evpipe__tb_assignment(const struct instance *instance, evpipe_assignment id)
{
	struct assignment *assignment = id.slot < instance->slots_count ? instance->slots[id.slot] : NULL;
	return assignment && assignment->id.epoch == id.epoch && !assignment->is_relinquished ? assignment : NULL;
}

/* ---- what there is to say ---- */

static void queue_news(struct assignment *assignment, evpipe_transport_event_type type)
{
	const struct partition *partition = assignment->claim->partition;
	assignment->news.assignment = assignment;
	assignment->news.event = (evpipe_transport_event){
		.type = type, .assignment = assignment->id, .topic = partition->topic->name, .partition = partition->number};
	if (assignment->is_queued)
		return; /* in the place of what it had to say before */
	assignment->is_queued = 1;
	evpipe__tb_tell(assignment->member->instance, &assignment->news);
}

static void dequeue_news(struct assignment *assignment)
{
	if (assignment->is_queued)
		TAILQ_REMOVE(&assignment->member->instance->news, &assignment->news, link);
	assignment->is_queued = 0;
}

void evpipe__tb_assignment_told(struct assignment *assignment)
{
	assignment->is_queued = 0;
	if (assignment->state == ASSIGNMENT_OVER) {
		free(assignment);
	} else if (assignment->state == ASSIGNMENT_NEW) {
		assignment->state = ASSIGNMENT_OWNED;
		evpipe__tb_assignment_wake(assignment);
	}
}

/* ---- coming and going ---- */

static evpipe_err take_slot(struct instance *instance, struct assignment *assignment)
{
	size_t slot = 0;
	while (slot < instance->slots_count && instance->slots[slot])
		slot++;
	if (slot == EVPIPE_SLOTS_MAX)
		return EVPIPE_ENOMEM;
	if (slot == instance->slots_count) {
		size_t              count = slot ? 2 * slot : 16;
		struct assignment **slots = realloc(instance->slots, count * sizeof(struct assignment *));
		if (!slots)
			return EVPIPE_ENOMEM;
		memset(slots + slot, 0, (count - slot) * sizeof(struct assignment *));
		instance->slots = slots;
		instance->slots_count = count;
	}
	instance->slots[slot] = assignment;
	assignment->id = (evpipe_assignment){.slot = (uint32_t)slot, .epoch = ++instance->broker->last_epoch};
	return EVPIPE_OK;
}

evpipe_err evpipe__tb_assign(struct member *member, struct claim *claim)
{
	struct assignment *assignment = calloc(1, sizeof *assignment);
	if (!assignment)
		return EVPIPE_ENOMEM;
	evpipe__tb_partition_expire(claim->partition);
	assignment->claim = claim;
	assignment->member = member;
	assignment->position = claim->committed >= 0 ? claim->committed : claim->partition->low;
	evpipe_err err = evpipe_frontier_new(&assignment->frontier, assignment->position, SPAN_MAX);
	/* Metadata that is not ours says nothing to us. */
	if (!err && evpipe_frontier_restore(assignment->frontier, claim->metadata) == EVPIPE_ENOMEM)
		err = EVPIPE_ENOMEM;
	if (!err)
		err = take_slot(member->instance, assignment);
	if (err) {
		evpipe_frontier_free(assignment->frontier);
		free(assignment);
		return err;
	}
	claim->assignment = assignment;
	queue_news(assignment, EVPIPE_TRANSPORT_ASSIGNED);
	return EVPIPE_OK;
}

static void unready(struct assignment *assignment)
{
	if (assignment->is_ready)
		TAILQ_REMOVE(&assignment->member->instance->ready, assignment, ready_link);
	assignment->is_ready = 0;
	assignment->run = 0;
}

static void undirty(struct assignment *assignment)
{
	if (assignment->is_dirty)
		TAILQ_REMOVE(&assignment->member->instance->dirty, assignment, dirty_link);
	assignment->is_dirty = 0;
}

void evpipe__tb_assignment_end(struct assignment *assignment, int is_lost)
{
	struct instance *instance = assignment->member->instance;

	unready(assignment);
	undirty(assignment);
	if (assignment->state == ASSIGNMENT_REVOKED)
		TAILQ_REMOVE(&instance->broker->revoked, assignment, revoked_link);
	instance->slots[assignment->id.slot] = NULL;
	assignment->claim->assignment = NULL;
	evpipe_frontier_free(assignment->frontier);
	assignment->frontier = NULL;
	/* Who was never told of it, or has given it back, needs no word. */
	if (!is_lost || assignment->state == ASSIGNMENT_NEW || assignment->is_relinquished) {
		dequeue_news(assignment);
		free(assignment);
		return;
	}
	assignment->state = ASSIGNMENT_OVER;
	queue_news(assignment, EVPIPE_TRANSPORT_LOST);
}

void evpipe__tb_revoke(struct assignment *assignment)
{
	evpipe_testbroker *broker = assignment->member->instance->broker;
	if (assignment->state == ASSIGNMENT_NEW) {
		evpipe__tb_assignment_end(assignment, 0);
		return;
	}
	unready(assignment);
	assignment->state = ASSIGNMENT_REVOKED;
	assignment->revoked_until_ms = evpipe__tb_mono(broker) + broker->rebalance_timeout_ms;
	TAILQ_INSERT_TAIL(&broker->revoked, assignment, revoked_link);
	queue_news(assignment, EVPIPE_TRANSPORT_REVOKED);
}

/* ---- handing out ---- */

void evpipe__tb_assignment_wake(struct assignment *assignment)
{
	struct instance *instance = assignment->member->instance;
	if (assignment->is_ready || assignment->state != ASSIGNMENT_OWNED || assignment->is_held || assignment->is_blocked)
		return;
	if (!assignment->again && assignment->position >= assignment->claim->partition->high)
		return;
	assignment->is_ready = 1;
	TAILQ_INSERT_TAIL(&instance->ready, assignment, ready_link);
	evpipe__tb_notify(instance);
}

/* The next entry of a partition; NULL: it has none now, and is woken when it may have one again. */
static struct entry *next_entry(struct assignment *assignment)
{
	struct partition *partition = assignment->claim->partition;

	if (!evpipe__tb_partition_is_available(partition))
		return NULL;
	evpipe__tb_partition_expire(partition);
	if (assignment->again) {
		assignment->again = 0;
		struct entry *entry = evpipe__tb_partition_at(partition, assignment->position - 1);
		if (entry)
			return entry;
	}
	if (assignment->position < partition->low)
		assignment->position = partition->low;
	for (; assignment->position < partition->high; assignment->position++) {
		evpipe_err err = evpipe_frontier_take(assignment->frontier, assignment->position);
		if (err == EVPIPE_ESTALE)
			continue; /* an owner before us settled it */
		if (err) {
			assignment->is_blocked = 1; /* until something is settled */
			return NULL;
		}
		assignment->again = evpipe__tb_fault(partition->topic->broker, EVPIPE_FAULT_RECORD_DOUBLED, partition) != NULL;
		return evpipe__tb_partition_at(partition, assignment->position++);
	}
	return NULL;
}

int evpipe__tb_consumer_next(struct instance *instance, evpipe_transport_event *event)
{
	struct assignment *assignment;

	while ((assignment = TAILQ_FIRST(&instance->ready))) {
		struct entry *entry = next_entry(assignment);
		if (!entry) {
			unready(assignment);
			continue;
		}
		*event = (evpipe_transport_event){
			.type = EVPIPE_TRANSPORT_RECORD, .assignment = assignment->id, .record = entry->record};
		entry->refs++;
		instance->last_entry = entry;
		if (++assignment->run >= RUN_MAX) {
			assignment->run = 0;
			TAILQ_REMOVE(&instance->ready, assignment, ready_link);
			TAILQ_INSERT_TAIL(&instance->ready, assignment, ready_link);
		}
		return 1;
	}
	return 0;
}

void evpipe__tb_hold(struct assignment *assignment, int is_held)
{
	assignment->is_held = is_held;
	if (is_held)
		unready(assignment);
	else
		evpipe__tb_assignment_wake(assignment);
}

/* ---- settling and committing ---- */

evpipe_err evpipe__tb_settle(struct assignment *assignment, int64_t offset)
{
	struct instance *instance = assignment->member->instance;
	evpipe_err       err = evpipe_frontier_settle(assignment->frontier, offset);
	if (err)
		return err;
	if (!assignment->is_dirty) {
		if (TAILQ_EMPTY(&instance->dirty))
			instance->commit_due_ms = evpipe__tb_mono(instance->broker) + instance->commit_interval_ms;
		assignment->is_dirty = 1;
		TAILQ_INSERT_TAIL(&instance->dirty, assignment, dirty_link);
	}
	if (assignment->is_blocked) {
		assignment->is_blocked = 0;
		evpipe__tb_assignment_wake(assignment);
	}
	return EVPIPE_OK;
}

static void tell_committed(struct instance *instance, evpipe_err err, const char *topic)
{
	struct news *news = evpipe__tb_news(EVPIPE_TRANSPORT_COMMITTED, topic, err ? evpipe_strerror(err) : NULL);
	if (!news)
		return;
	news->event.err = err;
	evpipe__tb_tell(instance, news);
}

/* True if it was committed; else it stays to be. */
static int commit(struct assignment *assignment)
{
	struct claim                  *claim = assignment->claim;
	struct instance               *instance = assignment->member->instance;
	const evpipe_testbroker_fault *fault = evpipe__tb_fault(instance->broker, EVPIPE_FAULT_COMMIT_REFUSED, claim->partition);
	char                           ranges[METADATA_MAX];

	if (fault) {
		tell_committed(instance, fault->err ? fault->err : EVPIPE_EUNAVAILABLE, claim->partition->topic->name);
		return 0;
	}
	size_t len = evpipe_frontier_ranges(assignment->frontier, ranges, sizeof ranges);
	free(claim->metadata);
	/* Without memory for the ranges they are delivered once more. */
	claim->metadata = len ? strdup(ranges) : NULL;
	claim->committed = evpipe_frontier_offset(assignment->frontier);
	undirty(assignment);
	return 1;
}

void evpipe__tb_commit(struct instance *instance)
{
	struct assignment *assignment, *next;
	int                any = 0;

	if (instance->broker->is_down)
		return;
	for (assignment = TAILQ_FIRST(&instance->dirty); assignment; assignment = next) {
		next = TAILQ_NEXT(assignment, dirty_link);
		any |= commit(assignment);
	}
	if (any)
		tell_committed(instance, EVPIPE_OK, NULL);
	instance->commit_due_ms = evpipe__tb_mono(instance->broker) + instance->commit_interval_ms;
}

void evpipe__tb_relinquish(struct assignment *assignment)
{
	struct instance *instance = assignment->member->instance;
	struct group    *group = assignment->claim->group;

	if (assignment->state != ASSIGNMENT_REVOKED || assignment->is_queued)
		return;
	if (instance->broker->is_down) {
		assignment->is_relinquished = 1;
		return;
	}
	if (assignment->is_dirty && commit(assignment))
		tell_committed(instance, EVPIPE_OK, NULL);
	evpipe__tb_assignment_end(assignment, 0);
	evpipe__tb_balance(group);
}
