/*
 * Making the scheduled faults happen, and in the end making them stop.
 */
#include "world.h"

#include <stdlib.h>

static const evpipe_testbroker_fault_type injected[FAULT_KINDS] = {
	[FAULT_SEND_FAILS] = EVPIPE_FAULT_SEND_FAILS,         [FAULT_SEND_LOST] = EVPIPE_FAULT_SEND_LOST,
	[FAULT_SEND_DOUBLED] = EVPIPE_FAULT_SEND_DOUBLED,     [FAULT_ACK_LOST] = EVPIPE_FAULT_ACK_LOST,
	[FAULT_ACK_DELAYED] = EVPIPE_FAULT_ACK_DELAYED,       [FAULT_COMMIT_REFUSED] = EVPIPE_FAULT_COMMIT_REFUSED,
	[FAULT_RECORD_DOUBLED] = EVPIPE_FAULT_RECORD_DOUBLED, [FAULT_QUEUE_FULL] = EVPIPE_FAULT_QUEUE_FULL,
};

/* Of those drawn for a topic: as many tiers as this seed has, then the dead letters. */
static uint32_t topic_of(const struct world *world, const struct fault *fault)
{
	return fault->target > world->plan->delays ? TOPIC_DEAD : fault->target;
}

static void inject(struct world *world, const struct fault *fault)
{
	evpipe_testbroker_fault wanted = EVPIPE_TESTBROKER_FAULT_INIT;
	wanted.type = injected[fault->kind];
	wanted.topic = world_topic(world, topic_of(world, fault));
	wanted.times = fault->times;
	wanted.after = fault->after;
	wanted.delay_ms = fault->kind == FAULT_ACK_DELAYED ? fault->amount : 0;
	evpipe_testbroker_inject(world->broker, &wanted);
}

static void set_available(struct world *world, uint32_t topic, uint32_t partition, int is_available)
{
	if (topic == TOPICS_MAX) {
		world->is_away = !is_available;
		evpipe_testbroker_set_available(world->broker, NULL, -1, is_available);
	} else {
		evpipe_testbroker_set_available(world->broker, world_topic(world, topic), (int32_t)partition, is_available);
	}
}

static void go_away(struct world *world, const struct fault *fault, uint32_t topic)
{
	if (world->away_count == sizeof world->away / sizeof *world->away)
		return;
	world->away[world->away_count].at_ms = fault->at_ms + fault->for_ms;
	world->away[world->away_count].topic = topic;
	world->away[world->away_count].partition = (uint32_t)fault->amount;
	world->away_count++;
	set_available(world, topic, (uint32_t)fault->amount, 0);
}

static void come_back(struct world *world)
{
	size_t kept = 0;
	for (size_t i = 0; i < world->away_count; i++) {
		if (world->away[i].at_ms > world->now_ms) {
			world->away[kept++] = world->away[i];
			continue;
		}
		set_available(world, world->away[i].topic, world->away[i].partition, 1);
		promise_back(world, world->away[i].topic, world->away[i].partition);
	}
	world->away_count = kept;
}

static void change_store(struct world *world, const struct fault *fault)
{
	struct store *store = &world->stores[fault->target];
	store->mode = fault->kind;
	store->amount = fault->amount;
	store->mode_until_ms = fault->at_ms + fault->for_ms;
}

/* With all who run on it, and what was not on its disk. */
static void crash_host(struct world *world, const struct fault *fault)
{
	struct host *host = &world->hosts[fault->target];
	for (size_t i = 0; i < world->machines_count; i++) {
		if (world->machines[i].host != host)
			continue;
		world->machines[i].down_ms = fault->for_ms;
		machine_kill(&world->machines[i]);
	}
	disk_crash(world, host);
	keep_crashed(world, host);
}

static void break_disk(struct world *world, const struct fault *fault)
{
	struct host *host = &world->hosts[fault->target];
	if (fault->kind == FAULT_DISK_FULL)
		host->files.create_fails = EVPIPE_EFULL;
	else
		host->files.sync_fails = EVPIPE_EIO;
	if (fault->at_ms + fault->for_ms > host->broken_until_ms)
		host->broken_until_ms = fault->at_ms + fault->for_ms;
	keep_broken(world, host);
}

static void mend_disks(struct world *world)
{
	for (size_t i = 0; i < APPS_MAX; i++)
		if (world->hosts[i].broken_until_ms <= world->now_ms)
			world->hosts[i].files.create_fails = world->hosts[i].files.sync_fails = EVPIPE_OK;
}

static void happen(struct world *world, const struct fault *fault)
{
	static const char *const groups[] = {GROUP, GROUP "-retry"};
	struct machine          *machine = &world->machines[fault->target < world->machines_count ? fault->target : 0];

	if (fault_is_of_store(fault->kind)) {
		change_store(world, fault);
		return;
	}
	switch (fault->kind) {
	case FAULT_KILL_APP:
		machine += world->plan->workers;
		/* fall through */
	case FAULT_KILL_WORKER:
		machine->down_ms = fault->for_ms;
		machine->operations_left = fault->after + 1;
		break;
	case FAULT_CLOSE_APP:
		machine += world->plan->workers;
		/* fall through */
	case FAULT_STOP_WORKER:
		machine_stop(machine, world->now_ms + fault->for_ms);
		break;
	case FAULT_REBALANCE:
		evpipe_testbroker_rebalance(world->broker, groups[fault->target]);
		break;
	case FAULT_EXPEL:
		evpipe_testbroker_expel(world->broker, groups[fault->target], (size_t)fault->amount);
		break;
	case FAULT_PARTITION_AWAY:
		go_away(world, fault, topic_of(world, fault));
		break;
	case FAULT_BROKER_AWAY:
		go_away(world, fault, TOPICS_MAX);
		break;
	case FAULT_CRASH_HOST:
		crash_host(world, fault);
		break;
	case FAULT_DISK_FULL:
	case FAULT_DISK_FAILS:
		break_disk(world, fault);
		break;
	case FAULT_CLOCK:
		machine->skew_ms = fault->amount;
		world->clocks_are_off = 1;
		break;
	default:
		world->commits_are_refused |= fault->kind == FAULT_COMMIT_REFUSED;
		inject(world, fault);
	}
}

static void heal(struct world *world)
{
	world->is_healed = 1;
	trace_note(&world->trace, TRACE_HEALED, "world", 0, 0, 0, 0);
	evpipe_testbroker_clear_faults(world->broker);
	for (size_t i = 0; i < world->machines_count; i++) {
		struct machine *machine = &world->machines[i];
		machine->operations_left = 0;
		if (machine->start_ms > world->now_ms)
			machine->start_ms = world->now_ms;
	}
}

void faults_happen(struct world *world)
{
	const struct plan *plan = world->plan;

	come_back(world);
	mend_disks(world);
	for (uint32_t i = 0; i < plan->destinations; i++)
		if (world->stores[i].mode != FAULT_KINDS && world->stores[i].mode_until_ms <= world->now_ms)
			world->stores[i].mode = FAULT_KINDS;
	for (; world->next_fault < plan->faults_count && plan->faults[world->next_fault].at_ms <= world->now_ms; world->next_fault++) {
		const struct fault *fault = &plan->faults[world->next_fault];
		if (world->options->leaves_out[world->next_fault])
			continue;
		trace_note(&world->trace, TRACE_FAULT, "world", (int64_t)world->next_fault, fault->kind, fault->target, fault->amount);
		world->result->faults++;
		happen(world, fault);
	}
	if (!world->is_healed && world->now_ms >= plan->faults_end_ms)
		heal(world);
}

int64_t faults_next_ms(const struct world *world)
{
	const struct plan *plan = world->plan;
	int64_t            next_ms = world->is_healed ? INT64_MAX : plan->faults_end_ms;
	if (world->next_fault < plan->faults_count && plan->faults[world->next_fault].at_ms < next_ms)
		next_ms = plan->faults[world->next_fault].at_ms;
	for (size_t i = 0; i < world->away_count; i++)
		if (world->away[i].at_ms < next_ms)
			next_ms = world->away[i].at_ms;
	return next_ms;
}
