/*
 * What became of each event: (a) none is lost, (c) nothing is settled that is not delivered or handed over, (d) none comes
 * twice without a fault that explains it.
 */
#include "world.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* How long a worker may take to drain a partition that it is to give back. */
#define DRAIN_MS 5000

uint32_t event_number(const evpipe_header *headers, size_t count)
{
	uint32_t number = NOBODY;
	for (size_t i = 0; i < count; i++)
		if (strcmp(headers[i].name, NUMBER_HEADER) == 0 && headers[i].value && headers[i].value_len == sizeof number)
			memcpy(&number, headers[i].value, sizeof number);
	return number;
}

static uint64_t hash_of(const char *text)
{
	uint64_t hash = 1;
	for (; *text; text++)
		hash = chance_mix(hash ^ (unsigned char)*text);
	return hash;
}

/* ---- from application to broker ---- */

void account_accepted(struct machine *machine, uint32_t number)
{
	struct world          *world = machine->world;
	struct event          *event = &world->events[number];
	const struct emission *emission = &world->plan->emissions[number];

	event->state = EVENT_ACCEPTED;
	event->accepted_ms = world->now_ms;
	keep_accepted(machine, event);
	world->result->events++;
	if (emission->kind != EMISSION_EVENT)
		event->sends[0] = 1; /* by another program */
	if (emission->group == UINT32_MAX)
		return;
	uint32_t last = world->group_last[emission->group];
	if (last == NOBODY)
		world->group_first[emission->group] = number;
	else
		world->events[last].next = number;
	world->group_last[emission->group] = number;
}

void account_sent(struct machine *machine, uint32_t number, uint32_t topic)
{
	struct event *event = &machine->world->events[number];
	if (event->state == EVENT_NONE || (event->state == EVENT_DIED && topic == 0))
		world_fail(machine->world, 'a', "%s sends event %" PRIu32 ", which %s", machine->name, number,
		           event->state == EVENT_NONE ? "was never accepted" : "has died");
	event->sends[topic > 0]++;
	event->is_retried |= topic > 0;
	if (!event->first_sent)
		event->first_sent = machine->world->trace.count;
}

void account_reported(struct machine *machine, uint32_t number, uint32_t topic, evpipe_outcome outcome)
{
	struct event *event = &machine->world->events[number];
	if (outcome == EVPIPE_PERSISTED) {
		machine->acked[topic]++;
		event->acked += topic > 0;
		if (topic == 0)
			keep_acked(machine, event);
		return;
	}
	machine->world->crowded_ms = machine->world->now_ms;
	event->is_doubtful |= topic == 0;
	event->excuses += outcome == EVPIPE_POSSIBLY;
	event->sends[topic > 0] -= outcome == EVPIPE_NOT;
}

/* What a topic holds by now, by event. */
static void scan(struct world *world, uint32_t topic, int64_t *scanned, void (*found)(struct event *event))
{
	evpipe_record record;
	for (uint32_t p = 0; p < world->plan->partitions; p++) {
		int64_t high = evpipe_testbroker_high(world->broker, world_topic(world, topic), (int32_t)p);
		for (int64_t offset = scanned ? scanned[p] : 0; offset < high; offset++) {
			if (evpipe_testbroker_read(world->broker, world_topic(world, topic), (int32_t)p, offset, &record) != EVPIPE_OK)
				continue;
			uint32_t number = event_number(record.headers, record.headers_count);
			if (number < world->events_count)
				found(&world->events[number]);
		}
		if (scanned && high > scanned[p])
			scanned[p] = high;
	}
}

static void found_on_topic(struct event *event)
{
	event->is_on_topic = 1;
}

static void found_dead(struct event *event)
{
	event->is_dead = 1;
}

void account_topic(struct world *world)
{
	scan(world, 0, world->topic_scanned, found_on_topic);
}

/* ---- from broker to worker ---- */

static struct record *record_at(struct world *world, const struct holding *holding, int64_t offset)
{
	struct partition *partition = &world->partitions[holding->topic][holding->partition];
	while ((size_t)offset >= partition->count) {
		grow(&partition->records, partition->count, &partition->capacity, sizeof *partition->records);
		partition->records[partition->count++] = (struct record){.number = NOBODY};
	}
	return &partition->records[offset];
}

/* What an owner settled and didn't commit may be handed out again. */
static void forget_settled(struct world *world, const struct holding *holding)
{
	struct partition *partition = &world->partitions[holding->topic][holding->partition];
	for (size_t i = 0; i < partition->count; i++)
		if (partition->records[i].settled_epoch == holding->epoch)
			partition->records[i].settled_epoch = 0;
}

void account_assigned(struct machine *machine, const struct holding *holding)
{
	struct world     *world = machine->world;
	struct partition *partition = &world->partitions[holding->topic][holding->partition];
	partition->committed = evpipe_testbroker_committed(world->broker, holding->topic ? GROUP "-retry" : GROUP,
	                                                   world_topic(world, holding->topic), (int32_t)holding->partition, NULL);
	/* An owner who was thrown out may not have heard of it yet. */
	for (size_t i = 0; i < world->machines_count; i++)
		for (size_t h = 0; h < world->machines[i].holdings_count; h++) {
			const struct holding *other = &world->machines[i].holdings[h];
			if (other != holding && other->state != HOLDING_NONE && other->topic == holding->topic &&
			    other->partition == holding->partition)
				forget_settled(world, other);
		}
}

/* It was handed out before: to another owner, who may have got nowhere with it, or twice by a fault. */
static void taken_again(struct machine *machine, const struct holding *holding, struct record *record, int64_t offset)
{
	struct world           *world = machine->world;
	const struct partition *partition = &world->partitions[holding->topic][holding->partition];
	int                     is_committed = offset < partition->committed;
	int must_be = record->settled_epoch && record->settled_epoch == record->epoch && record->epoch != holding->epoch &&
	              !world->commits_are_refused;

	if (is_committed || must_be)
		world_fail(world, 'd', "%s is handed event %" PRIu32 " again (%s, partition %" PRIu32 " at %" PRId64 "), which was %s",
		           machine->name, record->number, trace_topic(holding->topic), holding->partition, offset,
		           is_committed ? "committed" : "settled by an owner who gave the partition back");
	if (record->epoch == holding->epoch && world->plan->theme != THEME_ANYTHING)
		world_fail(world, 'd', "%s is handed event %" PRIu32 " twice", machine->name, record->number);
	world->events[record->number].excuses++;
}

static void taken_first(struct machine *machine, const struct holding *holding, struct record *record, uint32_t number)
{
	struct world *world = machine->world;
	struct event *event = &world->events[number];
	int           kind = holding->topic > 0;

	record->number = number;
	if (kind == 0 && !event->first_taken)
		event->first_taken = world->trace.count;
	if (++event->seen[kind] <= event->sends[kind])
		return;
	event->excuses++;
	if (world->plan->theme != THEME_ANYTHING)
		world_fail(world, 'd', "there are more records of event %" PRIu32 " than were sent", number);
}

void account_taken(struct machine *machine, const evpipe_record *polled, struct holding *holding)
{
	struct world  *world = machine->world;
	uint32_t       number = event_number(polled->headers, polled->headers_count);
	struct record *record = record_at(world, holding, polled->offset);

	if (number >= world->events_count) {
		world_fail(world, 'a', "a record of %s has lost the application's header", trace_topic(holding->topic));
		return;
	}
	trace_note(&world->trace, TRACE_TAKEN, machine->name, number, holding->topic, holding->partition, polled->offset);
	machine->taken++;
	holding->unsettled++;
	if (record->number == NOBODY)
		taken_first(machine, holding, record, number);
	else
		taken_again(machine, holding, record, polled->offset);
	record->epoch = holding->epoch;
	world->events[number].in_hands++;
	if (holding->topic > 0)
		promise_taken(machine, number, polled, holding);
}

static int is_skipped(const struct world *world, uint32_t number)
{
	return world->plan->skips_tombstones && world->plan->emissions[number].kind == EMISSION_TOMBSTONE;
}

void account_settled(struct machine *machine, struct holding *holding, int64_t offset)
{
	struct world  *world = machine->world;
	struct record *record = record_at(world, holding, offset);
	struct event  *event = record->number < world->events_count ? &world->events[record->number] : NULL;

	if (!event) {
		world_fail(world, 'c', "%s settles what it never had: %s, partition %" PRIu32 " at %" PRId64, machine->name,
		           trace_topic(holding->topic), holding->partition, offset);
		return;
	}
	trace_note(&world->trace, TRACE_SETTLED, machine->name, record->number, holding->topic, holding->partition, offset);
	holding->unsettled -= holding->unsettled > 0;
	record->settled_epoch = holding->epoch;
	event->in_hands -= event->in_hands > 0;
	if (record->is_settled)
		return;
	record->is_settled = 1;
	event->settled++;
	account_deliveries(world);
	/* Wherever else it may be: on the topic, or acknowledged in a tier or among the dead letters, and not settled there. */
	uint32_t elsewhere = event->acked > event->seen[1] ? event->acked : event->seen[1];
	if (event->delivered || is_skipped(world, record->number) || event->seen[0] + elsewhere > event->settled)
		return;
	world_fail(world, 'c', "%s settles event %" PRIu32 ", which is neither delivered nor handed over (%s, partition %" PRIu32
	           " at %" PRId64 ")", machine->name, record->number, trace_topic(holding->topic), holding->partition, offset);
}

void account_ended(struct machine *machine, struct holding *holding, int is_committed)
{
	struct world *world = machine->world;
	/* The head of a tier, which waits, is given back at once. */
	uint64_t waits = holding->topic > 0;
	if (is_committed && holding->state == HOLDING_REVOKED && holding->unsettled > waits &&
	    world->now_ms - holding->revoked_ms < DRAIN_MS && machine->state == MACHINE_UP && world->plan->theme != THEME_ANYTHING)
		world_fail(world, 'd', "%s gives back %s, partition %" PRIu32 ", with %" PRIu64 " events unsettled after %" PRId64 " ms",
		           machine->name, trace_topic(holding->topic), holding->partition, holding->unsettled,
		           world->now_ms - holding->revoked_ms);
	if (!is_committed)
		forget_settled(world, holding);
	holding->state = HOLDING_NONE;
}

/* ---- from worker to data store ---- */

static int is_as_emitted(const struct world *world, const evpipe_testbroker_delivery *delivery, uint32_t number)
{
	const struct emission *emission = &world->plan->emissions[number];
	size_t                 size = emission->kind == EMISSION_TOMBSTONE ? 0 : emission->size;
	return delivery->data_len == size && (!size || memcmp(delivery->data, event_payload(world, number), size) == 0) &&
	       strtoul(delivery->destination + 1, NULL, 10) == emission->destination &&
	       emission->kind != EMISSION_FOREIGN && !emission->is_poison;
}

static void delivered(struct world *world, const evpipe_testbroker_delivery *delivery)
{
	uint32_t number = event_number(delivery->headers, delivery->headers_count);
	if (number >= world->events_count || !is_as_emitted(world, delivery, number)) {
		world_fail(world, 'a', "what %s is delivered as %s is not as it was emitted", delivery->destination, delivery->id);
		return;
	}
	struct event *event = &world->events[number];
	uint64_t      id = hash_of(delivery->id);
	event->delivered++;
	trace_note(&world->trace, TRACE_DELIVERED, "world", number, world->plan->emissions[number].destination, event->delivered, 0);
	if (event->delivered > 1) {
		world->result->doubled++;
		if (event->id != id)
			world_fail(world, 'd', "event %" PRIu32 " comes again with another id", number);
		if (event->delivered > 1 + event->excuses)
			world_fail(world, 'd', "event %" PRIu32 " is delivered %" PRIu32 " times, and faults explain %" PRIu32, number,
			           event->delivered, 1 + event->excuses);
		return;
	}
	event->id = id;
	event->first_ms = world->now_ms;
	world->result->delivered++;
	promise_order(world, number);
}

void account_deliveries(struct world *world)
{
	size_t count = evpipe_testbroker_delivery_count(world->broker);
	while (world->deliveries_seen < count && !world->result->check)
		delivered(world, evpipe_testbroker_delivery_at(world->broker, world->deliveries_seen++));
}

/* ---- the end ---- */

static void check_settled(struct world *world)
{
	for (uint32_t topic = 0; topic <= world->plan->delays; topic++)
		for (uint32_t p = 0; p < world->plan->partitions; p++) {
			const struct partition *partition = &world->partitions[topic][p];
			int64_t high = evpipe_testbroker_high(world->broker, world_topic(world, topic), (int32_t)p);
			for (int64_t offset = 0; offset < high; offset++)
				if ((size_t)offset >= partition->count || !partition->records[offset].is_settled) {
					world_fail(world, 'c', "%s, partition %" PRIu32 " at %" PRId64 " is committed, and nobody has settled it",
					           trace_topic(topic), p, offset);
					return;
				}
		}
}

void account_end(struct world *world)
{
	account_deliveries(world);
	scan(world, TOPIC_DEAD, NULL, found_dead);
	for (uint32_t i = 0; i < world->events_count; i++) {
		const struct event *event = &world->events[i];
		world->result->dead += event->is_dead;
		if (event->state == EVENT_EXPOSED && !event->delivered && !event->is_dead)
			world->result->died++;
		if (event->state != EVENT_ACCEPTED || event->delivered || event->is_dead || is_skipped(world, i))
			continue;
		world_fail(world, 'a', "event %" PRIu32 " was accepted at %" PRId64 " ms and is lost", i, event->accepted_ms);
	}
	check_settled(world);
	disk_end(world);
	trace_note(&world->trace, TRACE_OVER, "world", (int64_t)world->result->delivered, (int64_t)world->result->dead,
	           (int64_t)world->result->died, 0);
}
