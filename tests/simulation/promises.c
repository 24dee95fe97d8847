/*
 * When events are posted, in which order and under which key: (e) retries at their time, (f) Retry-After, (j) the order of
 * a key, (k) idempotency keys.
 */
#define _GNU_SOURCE /* memmem */
#include "world.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* How late a retry may be, beyond the linger. */
#define LATE_MS 1000

/* ---- (e) retries ---- */

/* A number of the envelope of a retry; -1: there is none. */
static int64_t envelope_number(const evpipe_record *record, const char *field)
{
	for (size_t i = 0; i < record->headers_count; i++) {
		const evpipe_header *header = &record->headers[i];
		if (strcmp(header->name, "evpipe") != 0)
			continue;
		const char *at = memmem(header->value, header->value_len, field, strlen(field));
		if (!at)
			return -1;
		int64_t number = 0;
		for (at += strlen(field); at < (const char *)header->value + header->value_len && *at >= '0' && *at <= '9'; at++)
			number = number * 10 + (*at - '0');
		return number;
	}
	return -1;
}

void promise_sent(struct machine *machine, uint32_t number, const evpipe_record *record, uint32_t topic)
{
	struct world *world = machine->world;
	struct event *event = &world->events[number];
	int64_t       queued_ms = envelope_number(record, " queued=");
	unsigned      at = event->sent_count++ % (sizeof event->sent / sizeof *event->sent);

	if (topic == TOPIC_DEAD)
		return;
	if (queued_ms != machine_wall_ms(machine) || envelope_number(record, " delay=") != world->plan->delays_ms[topic - 1])
		world_fail(world, 'e', "%s sends a record to %s that doesn't say when it is due", machine->name, trace_topic(topic));
	event->sent[at].queued_ms = queued_ms;
	event->sent[at].at_ms = world->now_ms;
}

/* When a record was sent, in truth; -1: nobody knows any more. Two clocks may have written the same time: the earlier one. */
static int64_t sent_ms(const struct event *event, int64_t queued_ms)
{
	int64_t at_ms = -1;
	for (size_t i = 0; i < sizeof event->sent / sizeof *event->sent; i++)
		if (event->sent[i].queued_ms == queued_ms && (at_ms < 0 || event->sent[i].at_ms < at_ms))
			at_ms = event->sent[i].at_ms;
	return at_ms;
}

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

void promise_back(struct world *world, uint32_t topic, uint32_t partition)
{
	for (uint32_t t = 0; t < TOPICS_MAX; t++)
		for (uint32_t p = 0; p < world->plan->partitions; p++)
			if (topic == TOPICS_MAX || (t == topic && p == partition))
				world->partitions[t][p].back_ms = world->now_ms;
}

void promise_taken(struct machine *machine, uint32_t number, const evpipe_record *record, struct holding *holding)
{
	struct world *world = machine->world;
	struct event *event = &world->events[number];

	int64_t delay_ms = world->plan->delays_ms[holding->topic - 1], queued_ms = envelope_number(record, " queued=");
	int64_t at_ms = sent_ms(event, queued_ms), passed_ms = machine_wall_ms(machine) - queued_ms;
	event->waits_at = at_ms < 0 ? NOBODY : machine->number;
	event->due_ms = event->latest_ms = at_ms + delay_ms;
	/* Where the reader's clock is ahead it cannot know better; nobody waits longer than it takes. */
	int64_t by_reader_ms = world->now_ms + (passed_ms <= 0 ? delay_ms : passed_ms >= delay_ms ? 0 : delay_ms - passed_ms);
	if (by_reader_ms < event->due_ms)
		event->due_ms = by_reader_ms;
	/* Where it is behind, it waits for longer; but not for a record that it could have had in time. */
	if (world->clocks_are_off)
		event->latest_ms = later(event->latest_ms, by_reader_ms);
	if (machine->is_full)
		machine->full_ms = world->now_ms; /* until now */
	event->held_ms = later(later(holding->assigned_ms, holding->head_ms),
	                       later(world->partitions[holding->topic][holding->partition].back_ms, machine->full_ms));
	holding->head_ms = later(holding->head_ms, event->latest_ms);
}

/*
 * None is posted later than a linger and a second after it was due; or after the last thing that held it up, which
 * excuses it until then and no longer.
 */
static void check_lateness(const struct machine *machine, uint32_t number)
{
	struct world       *world = machine->world;
	const struct event *event = &world->events[number];
	int64_t             free_ms = machine->free_ms[world->plan->emissions[number].destination];
	int64_t             from_ms = later(event->held_ms, later(free_ms, machine->pool_ms));

	if (machine->state != MACHINE_UP)
		return;
	from_ms = later(from_ms, event->latest_ms);
	int64_t slack_ms = world->plan->linger_ms + LATE_MS;
	world->result->lateness_checked++;
	world->result->excused += world->now_ms > event->latest_ms + slack_ms;
	if (world->now_ms > from_ms + slack_ms)
		world_fail(world, 'e', "%s posts event %" PRIu32 " %" PRId64 " ms after its time, and %" PRId64
		           " ms after what held it up", machine->name, number, world->now_ms - event->latest_ms, world->now_ms - from_ms);
}

void promise_leaves_tier(struct machine *machine, uint32_t number, int is_posted)
{
	struct world *world = machine->world;
	struct event *event = &world->events[number];

	if (event->waits_at != machine->number)
		return;
	event->waits_at = NOBODY;
	/* Of two records of it, nobody can tell which one this is; less so when they were written by clocks that differ. */
	if (event->in_hands != 1 || (event->excuses && world->clocks_are_off))
		return;
	world->result->times_checked++;
	if (world->now_ms < event->due_ms)
		world_fail(world, 'e', "%s %s event %" PRIu32 " %" PRId64 " ms before its time", machine->name,
		           is_posted ? "posts" : "hands on", number, event->due_ms - world->now_ms);
	if (is_posted)
		check_lateness(machine, number);
}

/* "event=destination destination=d7 state=open for_ms=500 ..." */
void promise_log(void *ctx, evpipe_log_level level, const char *line)
{
	struct machine *machine = ctx;
	unsigned        destination;
	const char     *for_ms = strstr(line, " for_ms=");
	(void)level;
	if (!for_ms || sscanf(line, "event=destination destination=d%u ", &destination) != 1 || destination >= DESTINATIONS_MAX)
		return;
	int64_t until_ms = machine->world->now_ms + strtoll(for_ms + strlen(" for_ms="), NULL, 10);
	machine->free_ms[destination] = later(machine->free_ms[destination], until_ms);
}

/* A post is out, and what its answer will ask for. */
static void note_post(struct machine *machine, uint32_t destination, const evpipe_testbroker_fate *fate)
{
	const struct plan *plan = machine->world->plan;
	int64_t            answered_ms = machine->world->now_ms + fate->delay_ms, first_ms = answered_ms;
	size_t             kept = 0;

	for (size_t i = 0; i < machine->answers_count; i++)
		if (machine->answers[i] > machine->world->now_ms) {
			first_ms = machine->answers[i] < first_ms ? machine->answers[i] : first_ms;
			machine->answers[kept++] = machine->answers[i];
		}
	machine->answers_count = kept;
	grow(&machine->answers, machine->answers_count, &machine->answers_capacity, sizeof *machine->answers);
	machine->answers[machine->answers_count++] = answered_ms;
	if (machine->answers_count >= plan->in_flight_max)
		machine->pool_ms = first_ms;
	/* A tenth on top of what it asks for; quick retries wait, and keep their lane. */
	int64_t wait_ms = later(fate->leave_alone_ms + fate->leave_alone_ms / 10,
	                        fate->verdict == EVPIPE_VERDICT_DELIVERED ? 0 : plan->quick_delay_ms);
	machine->free_ms[destination] = later(machine->free_ms[destination], answered_ms + wait_ms);
}

/* ---- (f) Retry-After ---- */

static void check_alone(struct machine *machine, uint32_t destination)
{
	struct world *world = machine->world;
	size_t        kept = 0;
	for (size_t i = 0; i < machine->alone_count; i++) {
		struct alone *alone = &machine->alone[i];
		/* Within one moment, the post may go before the answer comes. */
		if (alone->destination == destination && alone->from_ms < world->now_ms && world->now_ms < alone->until_ms)
			world_fail(world, 'f', "%s posts to d%" PRIu32 ", which asked to be left alone for %" PRId64 " ms more", machine->name,
			           destination, alone->until_ms - world->now_ms);
		if (alone->until_ms > world->now_ms)
			machine->alone[kept++] = *alone;
	}
	machine->alone_count = kept;
}

/* ---- (k) idempotency keys ---- */

static uint64_t hash_text(const char *text)
{
	uint64_t hash = 7;
	for (; *text; text++)
		hash = hash * 31 + (unsigned char)*text;
	return chance_mix(hash) | 1; /* 0 is an empty place */
}

static void double_keys(struct post_keys *keys)
{
	struct post_keys larger = {.capacity = keys->capacity ? 2 * keys->capacity : 1024};
	larger.entries = get_memory(larger.capacity, sizeof *larger.entries);
	for (size_t i = 0; i < keys->capacity; i++) {
		if (!keys->entries[i].key)
			continue;
		size_t at = keys->entries[i].key & (larger.capacity - 1);
		while (larger.entries[at].key)
			at = (at + 1) & (larger.capacity - 1);
		larger.entries[at] = keys->entries[i];
	}
	larger.count = keys->count;
	free(keys->entries);
	*keys = larger;
}

static void check_key(struct machine *machine, uint32_t destination, const evpipe_batch *batch)
{
	struct post_keys *keys = &machine->world->keys;
	uint64_t          key = hash_text(batch->idempotency_key), events = chance_mix(destination + 1);

	for (size_t i = 0; i < batch->count; i++)
		events = chance_mix(events + event_number(batch->events[i]->headers, batch->events[i]->headers_count));
	if (2 * keys->count >= keys->capacity)
		double_keys(keys);
	size_t at = key & (keys->capacity - 1);
	while (keys->entries[at].key && keys->entries[at].key != key)
		at = (at + 1) & (keys->capacity - 1);
	if (keys->entries[at].key) {
		if (keys->entries[at].events != events)
			world_fail(machine->world, 'k', "%s posts to d%" PRIu32 " under the key %s, which was other events'", machine->name,
			           destination, batch->idempotency_key);
		return;
	}
	keys->entries[at].key = key;
	keys->entries[at].events = events;
	keys->count++;
}

void promise_post(struct machine *machine, uint32_t destination, const evpipe_batch *batch)
{
	check_alone(machine, destination);
	check_key(machine, destination, batch);
	for (size_t i = 0; i < batch->count; i++)
		promise_leaves_tier(machine, event_number(batch->events[i]->headers, batch->events[i]->headers_count), 1);
}

/* From now on it may be overtaken. A batch that is refused as a whole is split, and its parts keep their order. */
static int is_put_back(const evpipe_batch *batch, const evpipe_testbroker_fate *fate, size_t which)
{
	if (fate->verdict == EVPIPE_VERDICT_EACH)
		return fate->each[which] != EVPIPE_VERDICT_DELIVERED;
	if (fate->verdict == EVPIPE_VERDICT_PERMANENT || fate->verdict == EVPIPE_VERDICT_TOO_LARGE)
		return batch->count == 1;
	return fate->verdict != EVPIPE_VERDICT_DELIVERED;
}

void promise_answer(struct machine *machine, uint32_t destination, const evpipe_batch *batch, const evpipe_testbroker_fate *fate)
{
	struct world *world = machine->world;
	struct store *store = &world->stores[destination];
	int64_t       answered_ms = world->now_ms + fate->delay_ms, longest_ms = world->plan->open_max_ms;

	note_post(machine, destination, fate);
	if (fate->leave_alone_ms > 0) {
		grow(&machine->alone, machine->alone_count, &machine->alone_capacity, sizeof *machine->alone);
		machine->alone[machine->alone_count++] = (struct alone){
			.destination = destination, .from_ms = answered_ms, .until_ms = answered_ms + fate->leave_alone_ms};
		if (fate->leave_alone_ms + fate->leave_alone_ms / 10 > longest_ms)
			longest_ms = fate->leave_alone_ms + fate->leave_alone_ms / 10;
	}
	if ((fate->verdict != EVPIPE_VERDICT_DELIVERED || fate->delay_ms > LATE_MS / 2) &&
	    answered_ms + longest_ms + LATE_MS > store->quiet_from_ms)
		store->quiet_from_ms = answered_ms + longest_ms + LATE_MS;
	for (size_t i = 0; i < batch->count; i++) {
		uint32_t      number = event_number(batch->events[i]->headers, batch->events[i]->headers_count);
		struct event *event = &world->events[number];
		event->is_put_back |= is_put_back(batch, fate, i);
		/* Stored now, and once more when it is posted again. */
		event->excuses += i < fate->stored && fate->verdict != EVPIPE_VERDICT_DELIVERED;
	}
}

/* ---- (j) order ---- */

static int is_over(const struct event *event)
{
	return event->delivered || event->state != EVENT_ACCEPTED;
}

/*
 * Retried, or on its way to the dead letters; or sent before the other one and behind it on the topic, or not there yet, since
 * the send failed: a broker would refuse what comes behind it, the test broker doesn't.
 */
static int is_out_of_turn(const struct event *event, const struct event *other)
{
	return event->is_retried || event->is_doubtful || event->is_put_back || event->is_adrift ||
	       (event->first_sent && event->first_sent < other->first_sent && (!event->first_taken || event->first_taken > other->first_taken));
}

/* It may be meant for a tier, since its destination was not to be posted to, and wait for room in the transport. */
static int may_be_parked(const struct world *world, uint32_t number)
{
	int64_t since_ms = world->events[number].accepted_ms;
	return world->crowded_ms >= since_ms && world->stores[world->plan->emissions[number].destination].quiet_from_ms >= since_ms;
}

void promise_order(struct world *world, uint32_t number)
{
	const struct event *delivered = &world->events[number];
	uint32_t            group = world->plan->emissions[number].group, at, waits = NOBODY;

	if (group == UINT32_MAX || !world->plan->is_ordered)
		return;
	at = world->group_first[group];
	while (at != NOBODY && is_over(&world->events[at]))
		at = world->events[at].next;
	world->group_first[group] = at;
	if (delivered->is_retried || delivered->is_doubtful)
		return;
	for (; at != NOBODY && at < number; at = world->events[at].next) {
		if (is_over(&world->events[at]))
			continue;
		if (is_out_of_turn(&world->events[at], delivered) || may_be_parked(world, at))
			return;
		if (waits == NOBODY)
			waits = at;
	}
	world->result->orders_checked++;
	if (waits != NOBODY)
		world_fail(world, 'j', "event %" PRIu32 " is delivered before event %" PRIu32 ", which has its key", number, waits);
}
