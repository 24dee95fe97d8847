/*
 * What goes wrong, and when. Each fault is drawn from a stream of its own, so that one that is left out leaves the others
 * as they were.
 */
#include "plan.h"

#include <stdlib.h>

#include "chance.h"

#define FAULTS_MIN 20
#define FAULTS_MAX 45

/* Whom a fault may befall, and whether it can make an event come twice. */
static const struct kind {
	const char *name;
	int         doubles;
	enum { OF_WORKER, OF_APP, OF_GROUP, OF_TOPIC, OF_BROKER, OF_MACHINE, OF_STORE, OF_HOST } of;
} kinds[FAULT_KINDS] = {
	[FAULT_KILL_WORKER] = {"kill worker", 1, OF_WORKER},
	[FAULT_STOP_WORKER] = {"stop worker", 1, OF_WORKER},
	[FAULT_KILL_APP] = {"kill application", 0, OF_APP},
	[FAULT_CLOSE_APP] = {"close application", 0, OF_APP},
	[FAULT_REBALANCE] = {"rebalance", 0, OF_GROUP},
	[FAULT_EXPEL] = {"expel member", 1, OF_GROUP},
	[FAULT_PARTITION_AWAY] = {"partition away", 0, OF_TOPIC},
	[FAULT_BROKER_AWAY] = {"broker away", 0, OF_BROKER},
	[FAULT_SEND_FAILS] = {"send fails", 0, OF_TOPIC},
	[FAULT_SEND_LOST] = {"send lost", 0, OF_TOPIC},
	[FAULT_SEND_DOUBLED] = {"send doubled", 1, OF_TOPIC},
	[FAULT_ACK_LOST] = {"acknowledgement lost", 1, OF_TOPIC},
	[FAULT_ACK_DELAYED] = {"acknowledgement late", 0, OF_TOPIC},
	[FAULT_COMMIT_REFUSED] = {"commit refused", 1, OF_TOPIC},
	[FAULT_RECORD_DOUBLED] = {"record doubled", 1, OF_TOPIC},
	[FAULT_QUEUE_FULL] = {"queue full", 0, OF_TOPIC},
	[FAULT_CLOCK] = {"clock jumps", 0, OF_MACHINE},
	[FAULT_STORE_DOWN] = {"store down", 0, OF_STORE},
	[FAULT_STORE_FLAKY] = {"store flaky", 0, OF_STORE},
	[FAULT_STORE_SLOW] = {"store slow", 0, OF_STORE},
	[FAULT_STORE_THROTTLES] = {"store throttles", 0, OF_STORE},
	[FAULT_STORE_REFUSES] = {"store refuses", 0, OF_STORE},
	[FAULT_STORE_TIMES_OUT] = {"store times out", 0, OF_STORE},
	[FAULT_STORE_TAKES_AND_CLOSES] = {"store takes and closes", 1, OF_STORE},
	[FAULT_STORE_PARTIAL] = {"store answers in part", 0, OF_STORE},
	[FAULT_STORE_SHRINKS] = {"store takes less", 0, OF_STORE},
	[FAULT_CRASH_HOST] = {"host crashes", 0, OF_HOST},
	[FAULT_DISK_FULL] = {"disk full", 0, OF_HOST},
	[FAULT_DISK_FAILS] = {"disk fails", 0, OF_HOST},
};

/* Those after it have draws of their own (draw-journals.c). */
#define LAST_DRAWN FAULT_STORE_SHRINKS

const char *fault_name(enum fault_kind kind)
{
	return kinds[kind].name;
}

int fault_is_of_store(enum fault_kind kind)
{
	return kinds[kind].of == OF_STORE;
}

static int is_allowed(const struct plan *plan, enum fault_kind kind)
{
	if (plan->theme == THEME_ISOLATION)
		return kinds[kind].of == OF_STORE;
	if (plan->theme == THEME_NO_DOUBLES)
		return !kinds[kind].doubles && kind != FAULT_CLOCK;
	return 1;
}

static int64_t draw_amount(const struct plan *plan, enum fault_kind kind, struct chance *chance)
{
	int64_t amount_ms, most_ms;
	switch (kind) {
	case FAULT_EXPEL:
		return chance_between(chance, 0, plan->workers - 1);
	case FAULT_PARTITION_AWAY:
		return chance_between(chance, 0, plan->partitions - 1);
	case FAULT_ACK_DELAYED:
		return chance_scaled(chance, 10, 5000);
	case FAULT_CLOCK:
		return chance_of(chance, 500) ? -chance_scaled(chance, 1, 1800000) : chance_scaled(chance, 1, 1800000);
	case FAULT_STORE_FLAKY:
	case FAULT_STORE_PARTIAL:
	case FAULT_STORE_TAKES_AND_CLOSES:
		return chance_between(chance, 50, 1000);
	case FAULT_STORE_SLOW:
		return chance_scaled(chance, 500, 20000);
	case FAULT_STORE_THROTTLES: /* an hour, too, but not where that is thousands of turns through the last tier */
		most_ms = 100 * plan->delays_ms[plan->delays - 1];
		amount_ms = chance_of(chance, 20) ? 3600000 : chance_scaled(chance, 100, 60000);
		return amount_ms < most_ms ? amount_ms : most_ms;
	case FAULT_STORE_TIMES_OUT:
		return chance_scaled(chance, 1000, 30000);
	case FAULT_STORE_SHRINKS:
		return chance_scaled(chance, 100, plan->event_max);
	default:
		return 0;
	}
}

static uint32_t draw_target(const struct plan *plan, enum fault_kind kind, struct chance *chance)
{
	switch (kinds[kind].of) {
	case OF_WORKER:
		return (uint32_t)chance_between(chance, 0, plan->workers - 1);
	case OF_APP:
		return (uint32_t)chance_between(chance, 0, plan->apps - 1);
	case OF_GROUP:
		return (uint32_t)chance_between(chance, 0, 1);
	case OF_TOPIC: /* the main one as often as all the others */
		return chance_of(chance, 500) ? 0 : (uint32_t)chance_between(chance, 0, plan->delays + 1);
	case OF_MACHINE:
		return (uint32_t)chance_between(chance, 0, plan->workers + plan->apps - 1);
	case OF_STORE: /* large ones more often */
		if (plan->theme == THEME_ISOLATION)
			return 0;
		return (uint32_t)chance_scaled(chance, 1, plan->destinations) - 1;
	default:
		return 0;
	}
}

static void draw_fault(struct plan *plan, struct fault *fault, uint64_t which)
{
	struct chance chance;
	chance_init(&chance, plan->seed, "fault", which);
	do
		fault->kind = (enum fault_kind)chance_between(&chance, 0, LAST_DRAWN);
	while (!is_allowed(plan, fault->kind));
	fault->at_ms = chance_between(&chance, 0, plan->load_end_ms + 5000);
	fault->for_ms = chance_scaled(&chance, 10, 15000);
	fault->target = draw_target(plan, fault->kind, &chance);
	fault->times = (uint32_t)chance_scaled(&chance, 1, 100);
	fault->after = (uint32_t)chance_scaled(&chance, 1, 500) - 1;
	fault->amount = draw_amount(plan, fault->kind, &chance);
}

/* Rebalances that follow one another before the one before is over. */
static size_t make_storm(struct plan *plan, size_t from)
{
	struct chance chance;
	size_t        count = 0;
	chance_init(&chance, plan->seed, "storm", from);
	int64_t  at_ms = plan->faults[from].at_ms;
	size_t   most = (size_t)chance_between(&chance, 0, 6);
	for (; count < most; count++) {
		struct fault *fault = &plan->faults[plan->faults_count++];
		*fault = plan->faults[from];
		fault->at_ms = at_ms += chance_scaled(&chance, 1, 3000);
	}
	return count;
}

static int by_time(const void *a, const void *b)
{
	const struct fault *x = a, *y = b;
	if (x->at_ms != y->at_ms)
		return x->at_ms < y->at_ms ? -1 : 1;
	return x->drawn < y->drawn ? -1 : x->drawn > y->drawn;
}

void plan_draw_faults(struct plan *plan)
{
	struct chance chance;
	chance_init(&chance, plan->seed, "faults", 0);
	size_t count = (size_t)chance_between(&chance, FAULTS_MIN, FAULTS_MAX);
	plan->faults = get_memory(FAULTS_MAX * 8 + JOURNAL_FAULTS_MAX, sizeof *plan->faults);
	plan->faults_count = count;
	for (size_t i = 0; i < count; i++)
		draw_fault(plan, &plan->faults[i], i);
	for (size_t i = 0; i < count; i++)
		if (plan->faults[i].kind == FAULT_REBALANCE)
			make_storm(plan, i);
	plan->faults_count += plan_draw_journal_faults(plan, plan->faults + plan->faults_count);
	for (size_t i = 0; i < plan->faults_count; i++)
		plan->faults[i].drawn = (uint32_t)i;
	qsort(plan->faults, plan->faults_count, sizeof *plan->faults, by_time);
	plan->faults_end_ms = plan->load_end_ms + 5000;
	for (size_t i = 0; i < plan->faults_count; i++)
		if (plan->faults[i].at_ms + plan->faults[i].for_ms > plan->faults_end_ms)
			plan->faults_end_ms = plan->faults[i].at_ms + plan->faults[i].for_ms;
}
