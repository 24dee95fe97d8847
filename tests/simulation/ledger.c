/*
 * What machines say of themselves: (b) the ledger balances, and agrees with what was seen on the wire; (h) memory.
 */
#include "world.h"

#include <inttypes.h>

static void check_app(struct machine *machine)
{
	struct world *world = machine->world;
	evpipe_stats  stats = EVPIPE_STATS_INIT;
	evpipe_producer_stats(machine->producer, &stats);
	if (stats.accepted != stats.pending + stats.sent + stats.rejected)
		world_fail(world, 'b', "%s: %" PRIu64 " accepted, but %" PRIu64 " pending, %" PRIu64 " sent, %" PRIu64 " rejected",
		           machine->name, stats.accepted, stats.pending, stats.sent, stats.rejected);
	if (stats.sent != machine->acked[0])
		world_fail(world, 'b', "%s says %" PRIu64 " were sent, and %" PRIu64 " were acknowledged", machine->name, stats.sent,
		           machine->acked[0]);
}

static void check_worker(struct machine *machine)
{
	struct world *world = machine->world;
	evpipe_stats  stats = EVPIPE_STATS_INIT;
	evpipe_worker_stats(machine->worker, &stats);
	uint64_t ended = stats.delivered + stats.skipped + stats.relinquished, dead = 0;
	for (int i = 0; i < EVPIPE_TIERS_MAX; i++) {
		ended += stats.retried[i];
		if (i < DELAYS_MAX && stats.retried[i] != machine->acked[1 + i])
			world_fail(world, 'b', "%s says it put %" PRIu64 " events into %s, and %" PRIu64 " were acknowledged", machine->name,
			           stats.retried[i], trace_topic(1 + i), machine->acked[1 + i]);
	}
	for (int i = 0; i < EVPIPE_REASON_COUNT; i++)
		dead += stats.dead_lettered[i];
	if (stats.taken != stats.in_flight + ended + dead)
		world_fail(world, 'b', "%s: %" PRIu64 " taken, but %" PRIu64 " in flight and %" PRIu64 " ended", machine->name, stats.taken,
		           stats.in_flight, ended + dead);
	if (stats.taken != machine->taken)
		world_fail(world, 'b', "%s says it took %" PRIu64 " records, and was handed %" PRIu64, machine->name, stats.taken, machine->taken);
	if (dead != machine->acked[TOPIC_DEAD])
		world_fail(world, 'b', "%s says it buried %" PRIu64 " events, and %" PRIu64 " were acknowledged", machine->name, dead,
		           machine->acked[TOPIC_DEAD]);
	if (stats.memory > (uint64_t)world->plan->memory_max)
		world_fail(world, 'h', "%s holds %" PRIu64 " bytes and may hold %" PRId64, machine->name, stats.memory, world->plan->memory_max);
	/* Half of it is for what is fetched ahead, an eighth for bodies. */
	if (stats.memory >= (uint64_t)world->plan->memory_max / 8 * 3)
		machine->full_ms = world->now_ms;
}

void ledger_check(struct machine *machine)
{
	if (machine->is_app)
		check_app(machine);
	else
		check_worker(machine);
}
