/*
 * What is emitted, and when: bursts, steady streams and idle gaps; sizes from one byte to the limit; destinations of
 * which some are far larger than others.
 */
#include "plan.h"

#include <stdlib.h>

#include "chance.h"

#define EVENTS_MIN 5000
#define EVENTS_MAX 7000
/* What a record needs beside its payload at the most: header, key, id, the journal's own. */
#define OVERHEAD 400

/* Destinations by weight: the n-th has 1/(n+1), its square, or all have the same. */
struct weights {
	uint64_t upto[DESTINATIONS_MAX];
	unsigned count;
};

static void draw_weights(struct weights *weights, const struct plan *plan, struct chance *chance)
{
	int64_t  power = chance_between(chance, 0, 2);
	uint64_t sum = 0;
	for (unsigned i = 0; i < plan->destinations; i++) {
		uint64_t weight = 1000000;
		for (int64_t p = 0; p < power; p++)
			weight /= i + 1;
		sum += weight + 1;
		weights->upto[i] = sum;
	}
	weights->count = plan->destinations;
}

static uint32_t pick(const struct weights *weights, struct chance *chance)
{
	uint64_t at = chance_next(chance) % weights->upto[weights->count - 1];
	unsigned low = 0, high = weights->count - 1;
	while (low < high) {
		unsigned middle = (low + high) / 2;
		if (at < weights->upto[middle])
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* How the events of an application follow one another. */
struct flow {
	struct chance chance;
	uint32_t      app;
	size_t        left; /* of this phase */
	int64_t       at_ms, step_ms;
};

static void next_phase(struct flow *flow)
{
	switch (chance_between(&flow->chance, 0, 5)) {
	case 0: /* a burst */
		flow->left = (size_t)chance_scaled(&flow->chance, 50, 800);
		flow->step_ms = 0;
		break;
	case 1: /* nothing for a while, then a burst again */
		flow->at_ms += chance_scaled(&flow->chance, 500, 8000);
		flow->left = (size_t)chance_scaled(&flow->chance, 10, 200);
		flow->step_ms = 0;
		break;
	default:
		flow->left = (size_t)chance_scaled(&flow->chance, 50, 400);
		flow->step_ms = chance_scaled(&flow->chance, 2, 60);
	}
}

/* A steady stream comes in small groups: fewer moments at which anything happens, and so more events a second. */
static int64_t next_time(struct flow *flow)
{
	while (!flow->left)
		next_phase(flow);
	flow->left--;
	if (flow->left % 4 == 0)
		flow->at_ms += flow->step_ms;
	return flow->at_ms;
}

static void draw_emission(struct plan *plan, struct emission *emission, const struct weights *weights, struct chance *chance,
                          unsigned keyed_permille, int64_t keys)
{
	uint32_t most = plan->event_max - OVERHEAD;
	emission->destination = pick(weights, chance);
	emission->size = (uint32_t)(chance_of(chance, 20) ? chance_scaled(chance, 1, most)
	                                                  : chance_scaled(chance, 1, most < 600 ? most : 600));
	emission->has_id = chance_of(chance, 800);
	emission->is_poison = chance_of(chance, plan->stores[emission->destination].poison_permille);
	emission->kind = EMISSION_EVENT;
	if (chance_of(chance, 3))
		emission->kind = chance_of(chance, 500) ? EMISSION_FOREIGN : EMISSION_TOMBSTONE;
	int64_t key = chance_between(chance, 0, keys - 1);
	emission->key = chance_of(chance, keyed_permille) ? (uint32_t)(1 + emission->app + key * plan->apps) : 0;
	if (emission->kind != EMISSION_EVENT)
		emission->key = 0;
	emission->group = emission->key ? emission->destination * (uint32_t)(APPS_MAX * keys + 1) + emission->key : UINT32_MAX;
}

static int by_time(const void *a, const void *b)
{
	const struct emission *x = a, *y = b;
	if (x->at_ms != y->at_ms)
		return x->at_ms < y->at_ms ? -1 : 1;
	return x->drawn < y->drawn ? -1 : x->drawn > y->drawn;
}

/* Group numbers without gaps. */
static void number_groups(struct plan *plan)
{
	uint32_t most = 0;
	for (size_t i = 0; i < plan->emissions_count; i++)
		if (plan->emissions[i].group != UINT32_MAX && plan->emissions[i].group > most)
			most = plan->emissions[i].group;
	uint32_t *numbers = get_memory((size_t)most + 1, sizeof *numbers);
	for (size_t i = 0; i < plan->emissions_count; i++) {
		struct emission *emission = &plan->emissions[i];
		if (emission->group == UINT32_MAX)
			continue;
		if (!numbers[emission->group])
			numbers[emission->group] = (uint32_t)++plan->groups;
		emission->group = numbers[emission->group] - 1;
	}
	free(numbers);
}

void plan_draw_load(struct plan *plan)
{
	struct weights weights;
	struct chance  chance;
	struct flow    flows[APPS_MAX];

	chance_init(&chance, plan->seed, "load", 0);
	draw_weights(&weights, plan, &chance);
	static const unsigned permilles[] = {0, 500, 900, 1000, 1000};
	unsigned keyed_permille = CHANCE_PICK(&chance, permilles);
	int64_t  keys = chance_scaled(&chance, 1, 300);
	plan->emissions_count = (size_t)chance_between(&chance, EVENTS_MIN, EVENTS_MAX);
	plan->emissions = get_memory(plan->emissions_count, sizeof *plan->emissions);
	for (uint32_t app = 0; app < plan->apps; app++) {
		flows[app] = (struct flow){.app = app, .at_ms = 100};
		chance_init(&flows[app].chance, plan->seed, "flow", app);
	}
	for (size_t i = 0; i < plan->emissions_count; i++) {
		struct emission *emission = &plan->emissions[i];
		emission->drawn = (uint32_t)i;
		emission->app = (uint32_t)(i % plan->apps);
		emission->at_ms = next_time(&flows[emission->app]);
		draw_emission(plan, emission, &weights, &chance, keyed_permille, keys);
	}
	qsort(plan->emissions, plan->emissions_count, sizeof *plan->emissions, by_time);
	plan->load_end_ms = plan->emissions[plan->emissions_count - 1].at_ms;
	number_groups(plan);
}
