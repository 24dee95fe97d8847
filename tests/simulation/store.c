/*
 * The data stores: what they answer, by what they are and by what is wrong with them now.
 */
#include "world.h"

#include <stdlib.h>

/* What is posted by a process that has just died never leaves it. */
#define NEVER_MS 3600000

/* Of posts to one that throttles and has been sent poison, so that batches are bisected while others have to wait. */
#define THROTTLED_PERMILLE 700

void store_init(struct world *world, uint32_t destination)
{
	struct store *store = &world->stores[destination];
	store->mode = FAULT_KINDS;
	chance_init(&store->chance, world->plan->seed, "answers", destination + (world->options->variant << 32));
}

static void answer(evpipe_testbroker_fate *fate, evpipe_verdict verdict, int status)
{
	fate->verdict = verdict;
	fate->status = status;
}

static void lose_answer(evpipe_testbroker_fate *fate, const char *text)
{
	answer(fate, EVPIPE_VERDICT_RETRY, 0);
	fate->unknown = 1;
	fate->text = text;
}

static int is_too_large(const struct world *world, uint32_t destination, const evpipe_batch *batch)
{
	const struct store_plan *plan = &world->plan->stores[destination];
	const struct store      *store = &world->stores[destination];
	if (store->mode == FAULT_STORE_SHRINKS && batch->bytes > (size_t)store->amount)
		return 1;
	return (plan->bytes_max && batch->bytes > plan->bytes_max) || (plan->count_max && batch->count > plan->count_max);
}

static int is_poison(const struct world *world, const evpipe_delivery *event)
{
	uint32_t number = event_number(event->headers, event->headers_count);
	return number < world->events_count && world->plan->emissions[number].is_poison;
}

/* Some of its events to come again, the rest taken. */
static void answer_in_part(struct store *store, const evpipe_batch *batch, evpipe_testbroker_fate *fate)
{
	answer(fate, EVPIPE_VERDICT_EACH, 200);
	for (size_t i = 0; i < batch->count; i++)
		if (chance_of(&store->chance, (unsigned)store->amount))
			fate->each[i] = EVPIPE_VERDICT_RETRY;
}

static void refuse_poison(const struct world *world, uint32_t destination, const evpipe_batch *batch, evpipe_testbroker_fate *fate)
{
	int any = 0;
	for (size_t i = 0; i < batch->count; i++)
		if (is_poison(world, batch->events[i])) {
			fate->each[i] = EVPIPE_VERDICT_PERMANENT;
			any = 1;
		}
	if (any && world->plan->stores[destination].tells_each)
		answer(fate, EVPIPE_VERDICT_EACH, 200);
	else if (any)
		answer(fate, EVPIPE_VERDICT_PERMANENT, 400);
}

/* True if what is wrong with it decides. */
static int misbehave(struct store *store, const struct store_plan *plan, const evpipe_batch *batch, evpipe_testbroker_fate *fate)
{
	switch (store->mode) {
	case FAULT_STORE_FLAKY:
		if (!chance_of(&store->chance, (unsigned)store->amount))
			return 0;
		/* fall through */
	case FAULT_STORE_DOWN:
		answer(fate, EVPIPE_VERDICT_RETRY, 503);
		fate->text = "down";
		return 1;
	case FAULT_STORE_SLOW:
		fate->delay_ms += store->amount;
		return 0;
	case FAULT_STORE_THROTTLES:
		if (plan->poison_permille && !chance_of(&store->chance, THROTTLED_PERMILLE))
			return 0;
		answer(fate, EVPIPE_VERDICT_RETRY, 429);
		fate->overloaded = 1;
		fate->leave_alone_ms = store->amount;
		return 1;
	case FAULT_STORE_REFUSES:
		answer(fate, EVPIPE_VERDICT_REFUSED, 401);
		fate->text = "who are you?";
		return 1;
	case FAULT_STORE_TIMES_OUT:
		lose_answer(fate, "timed out");
		fate->overloaded = 1;
		fate->delay_ms = store->amount;
		return 1;
	case FAULT_STORE_TAKES_AND_CLOSES:
		lose_answer(fate, "the connection was closed");
		fate->stored = batch->count * (size_t)store->amount / 1000;
		return 1;
	default:
		return 0;
	}
}

static void decide(struct world *world, uint32_t destination, const evpipe_batch *batch, evpipe_testbroker_fate *fate)
{
	struct store            *store = &world->stores[destination];
	const struct store_plan *plan = &world->plan->stores[destination];

	fate->delay_ms = plan->latency_ms + chance_between(&store->chance, 0, plan->jitter_ms);
	if (misbehave(store, plan, batch, fate))
		return;
	if (is_too_large(world, destination, batch))
		answer(fate, EVPIPE_VERDICT_TOO_LARGE, 413);
	else if (store->mode == FAULT_STORE_PARTIAL)
		answer_in_part(store, batch, fate);
	if (fate->verdict == EVPIPE_VERDICT_DELIVERED || fate->verdict == EVPIPE_VERDICT_EACH)
		refuse_poison(world, destination, batch, fate);
}

/* For people only: which events. */
static void print_events(const struct world *world, const evpipe_batch *batch)
{
	fprintf(world->trace.to, "%21s", "");
	for (size_t i = 0; i < batch->count; i++)
		fprintf(world->trace.to, " %u", event_number(batch->events[i]->headers, batch->events[i]->headers_count));
	fputc('\n', world->trace.to);
}

int store_answer(void *ctx, const evpipe_batch *batch, evpipe_testbroker_fate *fate)
{
	struct world   *world = ctx;
	struct machine *machine = world->running;
	uint32_t        destination = (uint32_t)strtoul(batch->destination + 1, NULL, 10);

	if (!machine || machine->is_dead) {
		lose_answer(fate, "never left");
		fate->delay_ms = NEVER_MS;
		return 1;
	}
	promise_post(machine, destination, batch);
	decide(world, destination, batch, fate);
	/* What a data store has taken of poison it would not have: closing comes after judging. */
	for (size_t i = 0; i < fate->stored; i++)
		if (is_poison(world, batch->events[i]))
			fate->stored = i;
	trace_note(&world->trace, TRACE_POSTED, machine->name, destination, (int64_t)batch->count, fate->delay_ms, fate->verdict);
	if (world->trace.to)
		print_events(world, batch);
	promise_answer(machine, destination, batch, fate);
	return 1;
}
