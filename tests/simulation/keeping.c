/*
 * What journals have to keep: which events may be lost when an application or its host dies, and which may come again.
 *
 * One that a dead process has left is with whoever adopts it. On a disk, an event is safe from the host's death one sync
 * after its journal had somebody who looks after it; that it was acknowledged, one sync after that.
 */
#include "world.h"

static const struct journal_plan *journal_of(const struct machine *machine)
{
	return &machine->world->plan->journals[machine->number - machine->world->plan->workers];
}

/* Of an event, by the application that emitted it: journals keep their kind whoever has them. */
static const struct journal_plan *journal_of_event(const struct world *world, size_t number)
{
	return &world->plan->journals[world->plan->emissions[number].app];
}

/* When what it has now is on the disk. */
static int64_t synced_ms(const struct machine *machine)
{
	const struct host *host = machine->host;
	int64_t            from_ms = machine->world->now_ms;
	if (host && host->broken_until_ms > from_ms)
		from_ms = host->broken_until_ms;
	return from_ms + journal_of(machine)->sync_ms;
}

void keep_accepted(struct machine *machine, struct event *event)
{
	event->holder = machine->number;
	event->safe_ms = synced_ms(machine);
}

void keep_acked(struct machine *machine, struct event *event)
{
	event->is_acked = 1;
	if (event->state == EVENT_EXPOSED)
		event->state = EVENT_ACCEPTED;
	event->safe_ms = synced_ms(machine);
}

/* Accepted and not known to have died, and in a directory of this host. */
static int is_here(const struct world *world, size_t number, uint32_t host)
{
	enum event_state state = world->events[number].state;
	return (state == EVENT_ACCEPTED || state == EVENT_EXPOSED) && world->plan->emissions[number].kind == EMISSION_EVENT &&
	       journal_of_event(world, number)->host == host;
}

void keep_started(struct machine *machine)
{
	struct world *world = machine->world;
	for (size_t i = 0; i < world->events_count; i++) {
		struct event *event = &world->events[i];
		if (!is_here(world, i, journal_of(machine)->host) ||
		    (event->holder != machine->number && world->machines[event->holder].state != MACHINE_DOWN))
			continue;
		event->is_adrift |= event->holder != machine->number;
		event->holder = machine->number;
		if (event->safe_ms == INT64_MAX)
			event->safe_ms = synced_ms(machine);
	}
}

void keep_died(struct machine *machine, int was_killed)
{
	struct world *world = machine->world;

	account_topic(world);
	for (size_t i = 0; i < world->events_count; i++) {
		struct event *event = &world->events[i];
		if (event->state != EVENT_ACCEPTED || event->holder != machine->number ||
		    world->plan->emissions[i].kind != EMISSION_EVENT)
			continue;
		if (journal_of_event(world, i)->durability == DURABILITY_MEMORY && !event->is_on_topic) {
			event->state = EVENT_DIED;
			world->result->died++;
		} else if (event->safe_ms >= world->now_ms) {
			/* Closing writes what there is, if it can. */
			int is_written = !was_killed && machine->host && machine->host->broken_until_ms <= world->now_ms;
			event->safe_ms = is_written ? world->now_ms : INT64_MAX;
		}
	}
}

void keep_crashed(struct world *world, const struct host *host)
{
	account_topic(world);
	for (size_t i = 0; i < world->events_count; i++) {
		struct event              *event = &world->events[i];
		const struct journal_plan *journal = journal_of_event(world, i);
		if (!is_here(world, i, (uint32_t)(host - world->hosts)))
			continue;
		int is_kept = journal->durability == DURABILITY_DISK;
		if (event->is_on_topic) {
			event->excuses += is_kept && event->is_acked && event->safe_ms >= world->now_ms;
		} else if (!is_kept) {
			event->state = EVENT_DIED;
			world->result->died++;
		} else if (event->safe_ms >= world->now_ms) {
			event->state = EVENT_EXPOSED;
		}
	}
}

void keep_broken(struct world *world, const struct host *host)
{
	for (size_t i = 0; i < world->events_count; i++) {
		struct event *event = &world->events[i];
		if (is_here(world, i, (uint32_t)(host - world->hosts)) && event->safe_ms >= world->now_ms &&
		    event->safe_ms != INT64_MAX)
			event->safe_ms = synced_ms(&world->machines[event->holder]);
	}
}
