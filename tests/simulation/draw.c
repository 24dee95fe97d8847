/*
 * Who takes part, and how it is set.
 */
#include "plan.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"

void *get_memory(size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size);
	if (!memory) {
		fprintf(stderr, "simulate: out of memory\n");
		exit(70);
	}
	return memory;
}

void grow(void *array, size_t count, size_t *capacity, size_t size)
{
	void *old;
	if (count < *capacity)
		return;
	memcpy(&old, array, sizeof old);
	size_t wanted = *capacity ? 2 * *capacity : 16;
	void  *larger = get_memory(wanted, size);
	if (old)
		memcpy(larger, old, *capacity * size);
	free(old);
	memcpy(array, &larger, sizeof larger);
	*capacity = wanted;
}

__attribute__((format(printf, 3, 4))) static void set(struct plan *plan, const char *name, const char *format, ...)
{
	struct setting *setting = &plan->settings[plan->settings_count++];
	va_list         arguments;
	if (plan->settings_count > SETTINGS_MAX)
		abort();
	setting->name = name;
	va_start(arguments, format);
	vsnprintf(setting->value, sizeof setting->value, format, arguments);
	va_end(arguments);
}

static void draw_tiers(struct plan *plan, struct chance *chance)
{
	static const struct {
		int64_t     ms;
		const char *text;
	} delays[] = {{200, "200ms"}, {1000, "1s"}, {5000, "5s"}, {20000, "20s"}, {60000, "1m"}, {300000, "5m"}};
	char   list[64] = "";
	size_t at = (size_t)chance_between(chance, 0, 2);

	plan->delays = (unsigned)chance_between(chance, 1, DELAYS_MAX);
	for (unsigned i = 0; i < plan->delays; i++, at++) {
		size_t used = strlen(list);
		if (at == sizeof delays / sizeof *delays) {
			plan->delays = i;
			break;
		}
		plan->delays_ms[i] = delays[at].ms;
		snprintf(plan->tier_topics[i], sizeof plan->tier_topics[i], "%s.retry.%s", TOPIC, delays[at].text);
		snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", delays[at].text);
	}
	set(plan, "retry.delays", "%s", list);
	int64_t quick_ms = chance_scaled(chance, 1, 500);
	set(plan, "retry.quick_max", "%" PRId64, chance_between(chance, 0, 3));
	set(plan, "retry.quick_delay_min", "%" PRId64 "ms", quick_ms);
	plan->quick_delay_ms = quick_ms + chance_scaled(chance, 1, 1000);
	set(plan, "retry.quick_delay_max", "%" PRId64 "ms", plan->quick_delay_ms);
	plan->open_max_ms = chance_scaled(chance, 1000, 60000);
	if (plan->open_max_ms > 100 * plan->delays_ms[plan->delays - 1])
		plan->open_max_ms = 100 * plan->delays_ms[plan->delays - 1];
	set(plan, "breaker.failures", "%" PRId64, chance_scaled(chance, 2, 20));
	set(plan, "breaker.window", "%" PRId64 "ms", chance_scaled(chance, 1000, 60000));
	set(plan, "breaker.open", "%" PRId64 "ms", chance_scaled(chance, 500, plan->open_max_ms));
	set(plan, "breaker.open_max", "%" PRId64 "ms", plan->open_max_ms);
}

/* Sizes that depend on one another: a journal for four events, a worker for eight. */
static void draw_sizes(struct plan *plan, struct chance *chance)
{
	plan->event_max = (uint32_t)chance_scaled(chance, 1024, 64 * 1024);
	int64_t journal = 4 * (int64_t)plan->event_max << chance_between(chance, 0, 4);
	if (journal < 65536)
		journal = 65536;
	plan->memory_max = chance_of(chance, 400) ? (int64_t)1 << 20 : chance_scaled(chance, 2 << 20, 64 << 20);
	/* A budget that is too small for what one destination holds back is felt by the others until that is parked. */
	if (plan->theme == THEME_ISOLATION)
		plan->memory_max = 64 << 20;
	if (plan->memory_max < 8 * (int64_t)plan->event_max)
		plan->memory_max = 8 * (int64_t)plan->event_max;
	set(plan, "event.max", "%" PRIu32, plan->event_max);
	set(plan, "journal.size", "%" PRId64, journal);
	set(plan, "worker.memory_max", "%" PRId64, plan->memory_max);
	int64_t batch = chance_scaled(chance, 512, 5 << 20);
	set(plan, "batch.bytes_max", "%" PRId64, plan->theme == THEME_ISOLATION ? 5 << 20 : batch);
}

static void draw_settings(struct plan *plan, struct chance *chance)
{
	static const char *const envelopes[] = {"compact", "compact", "compact", "cloudevents"};
	static const char *const tombstones[] = {"dead_letter", "skip", "deliver"};
	const char              *tombstone = CHANCE_PICK(chance, tombstones);

	plan->is_ordered = chance_of(chance, 800);
	plan->linger_ms = chance_of(chance, 100) ? 0 : chance_scaled(chance, 5, 1000);
	plan->skips_tombstones = strcmp(tombstone, "skip") == 0;
	set(plan, "topic.name", "%s", TOPIC);
	set(plan, "group.name", "%s", GROUP);
	set(plan, "topic.partitions", "%u", plan->partitions);
	set(plan, "topic.tombstones", "%s", tombstone);
	set(plan, "envelope", "%s", CHANCE_PICK(chance, envelopes));
	set(plan, "order", "%s", plan->is_ordered ? "key" : "none");
	set(plan, "batch.events_max", "%" PRId64, chance_scaled(chance, 4, 500));
	set(plan, "batch.linger", "%" PRId64 "ms", plan->linger_ms);
	int64_t commit_ms = chance_scaled(chance, 50, 5000);
	set(plan, "worker.drain_timeout", "%" PRId64 "ms", chance_scaled(chance, 100, 30000));
	/*
	 * Where the pool is too small for all as it is, one that holds posts back takes its share of it from the others; and
	 * where a destination can hardly keep up, a queue's length is up to chance.
	 */
	int64_t in_flight = chance_scaled(chance, 8, 256), of_one = chance_scaled(chance, 1, 16);
	plan->in_flight_max = plan->theme == THEME_ISOLATION ? 256 : (unsigned)in_flight;
	set(plan, "sink.in_flight_max", "%u", plan->in_flight_max);
	set(plan, "sink.in_flight_per_destination_max", "%" PRId64, plan->theme == THEME_ISOLATION ? 16 : of_one);
	draw_sizes(plan, chance);
	draw_tiers(plan, chance);
	set(plan, "commit.interval", "%" PRId64 "ms", commit_ms < plan->delays_ms[0] ? commit_ms : plan->delays_ms[0]);
	plan->is_eager = chance_of(chance, 300);
	plan->rebalance_timeout_ms = chance_of(chance, 200) && plan->theme == THEME_ANYTHING ? 2000 : 60000;
	plan->ack_delay_ms = chance_scaled(chance, 1, 50);
	plan->queue_max = (size_t)chance_scaled(chance, 16, 10000);
}

static void draw_stores(struct plan *plan)
{
	struct chance chance;
	for (unsigned i = 0; i < plan->destinations; i++) {
		struct store_plan *store = &plan->stores[i];
		chance_init(&chance, plan->seed, "store", i);
		store->latency_ms = chance_scaled(&chance, 2, chance_of(&chance, 100) ? 400 : 40);
		store->jitter_ms = chance_scaled(&chance, 1, 40);
		if (chance_of(&chance, 100))
			store->bytes_max = (size_t)chance_scaled(&chance, plan->event_max / 2, 4 * (int64_t)plan->event_max);
		if (chance_of(&chance, 50))
			store->count_max = (size_t)chance_scaled(&chance, 1, 100);
		store->tells_each = chance_of(&chance, 500);
		store->poison_permille = chance_of(&chance, 100) ? (unsigned)chance_scaled(&chance, 1, 50) : 0;
	}
}

/* A third of the seeds has clocks that are off, each machine by up to half an hour to either side. */
static void draw_clocks(struct plan *plan, struct chance *chance)
{
	int are_off = chance_of(chance, 330) && plan->theme == THEME_ANYTHING;
	for (unsigned i = 0; i < WORKERS_MAX + APPS_MAX; i++) {
		int64_t skew_ms = chance_scaled(chance, 1, 1800000);
		int     is_behind = chance_of(chance, 500);
		if (are_off)
			plan->skew_ms[i] = is_behind ? -skew_ms : skew_ms;
	}
}

void plan_draw(struct plan *plan, uint64_t seed)
{
	struct chance chance;

	*plan = (struct plan){.seed = seed};
	chance_init(&chance, seed, "theme", 0);
	unsigned theme = (unsigned)chance_between(&chance, 0, 7);
	plan->theme = theme == 0 ? THEME_ISOLATION : theme <= 2 ? THEME_NO_DOUBLES : THEME_ANYTHING;
	chance_init(&chance, seed, "topology", 0);
	plan->workers = (unsigned)chance_scaled(&chance, 1, WORKERS_MAX);
	plan->apps = (unsigned)chance_between(&chance, 1, APPS_MAX);
	plan->destinations = (unsigned)chance_scaled(&chance, plan->theme == THEME_ISOLATION ? 2 : 1, DESTINATIONS_MAX);
	plan->partitions = (unsigned)chance_scaled(&chance, 1, 16);
	chance_init(&chance, seed, "settings", 0);
	draw_settings(plan, &chance);
	chance_init(&chance, seed, "clocks", 0);
	draw_clocks(plan, &chance);
	draw_stores(plan);
	plan_draw_journals(plan);
	plan_draw_load(plan);
	plan_draw_faults(plan);
}

void plan_release(struct plan *plan)
{
	free(plan->emissions);
	free(plan->faults);
}
