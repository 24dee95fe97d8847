#include "world.h"

void world_set(struct world *world, const char *name, const char *value)
{
	evpipe_error error = {0};
	if (evpipe_config_set(world->config, name, value, &error) != EVPIPE_OK)
		fail_msg("%s", error.text);
}

void world_open(struct world *world, uint64_t seed, const char *const settings[])
{
	evpipe_error error = {0};
	*world = (struct world){0};
	assert_int_equal(evpipe_testbroker_new(&world->broker, seed), EVPIPE_OK);
	assert_int_equal(evpipe_config_new(&world->config), EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_attach(world->broker, world->config), EVPIPE_OK);
	for (; settings && *settings; settings += 2)
		world_set(world, settings[0], settings[1]);
	if (evpipe_producer_new(&world->producer, world->config, &error) != EVPIPE_OK)
		fail_msg("%s", error.text);
}

void world_close(struct world *world)
{
	evpipe_producer_free(world->producer);
	for (size_t i = 0; i < world->workers_count; i++)
		evpipe_worker_free(world->workers[i]);
	evpipe_config_free(world->config);
	evpipe_testbroker_free(world->broker);
}

size_t world_add_worker(struct world *world)
{
	evpipe_error error = {0};
	assert_true(world->workers_count < WORKERS_MAX);
	size_t worker = world->workers_count++;
	if (evpipe_worker_new(&world->workers[worker], world->config, evpipe_testbroker_sink(world->broker), &error) != EVPIPE_OK)
		fail_msg("%s", error.text);
	return worker;
}

void world_kill_worker(struct world *world, size_t worker)
{
	assert_int_equal(evpipe_testbroker_kill_member(world->broker, "evpipe", worker), EVPIPE_OK);
	evpipe_worker_free(world->workers[worker]);
	world->workers[worker] = NULL;
}

void world_emit_data(struct world *world, const char *destination, const char *key, const char *id, const void *data, size_t len)
{
	evpipe_event event = EVPIPE_EVENT_INIT;
	event.destination = destination;
	event.key = key;
	event.key_len = key ? strlen(key) : 0;
	event.id = id;
	event.data = data;
	event.data_len = len;
	assert_int_equal(evpipe_emit(world->producer, &event), EVPIPE_OK);
	world->emitted++;
}

uint64_t world_emit(struct world *world, const char *destination, const char *key)
{
	uint64_t number = world->emitted;
	char     id[300], data[64];
	snprintf(id, sizeof id, "%s-%llu", destination, (unsigned long long)number);
	int len = snprintf(data, sizeof data, "{\"n\":%llu}", (unsigned long long)number);
	world_emit_data(world, destination, key, id, data, (size_t)len);
	return number;
}

/* ---- time and the ledger ---- */

void world_assert_balances(const evpipe_stats *stats)
{
	uint64_t ended = stats->in_flight + stats->delivered + stats->skipped + stats->relinquished;
	for (int i = 0; i < EVPIPE_TIERS_MAX; i++)
		ended += stats->retried[i];
	for (int i = 0; i < EVPIPE_REASON_COUNT; i++)
		ended += stats->dead_lettered[i];
	assert_int_equal(stats->taken, ended);
	assert_int_equal(stats->accepted, stats->pending + stats->sent + stats->rejected);
}

static void check_ledgers(const struct world *world)
{
	evpipe_stats stats = world_stats(world);
	world_assert_balances(&stats);
	stats = world_producer_stats(world);
	world_assert_balances(&stats);
}

void world_pass(struct world *world, int64_t ms)
{
	do {
		int64_t step_ms = ms < 1000 ? ms : 1000;
		assert_int_equal(evpipe_testbroker_advance(world->broker, step_ms), EVPIPE_OK);
		check_ledgers(world);
		ms -= step_ms;
	} while (ms > 0);
}

void world_pass_until_delivered(struct world *world, size_t count, int64_t max_ms)
{
	int64_t until_ms = evpipe_testbroker_now_ms(world->broker) + max_ms;
	while (evpipe_testbroker_delivery_count(world->broker) < count) {
		if (evpipe_testbroker_now_ms(world->broker) > until_ms)
			fail_msg("%zu of %zu events delivered", evpipe_testbroker_delivery_count(world->broker), count);
		world_pass(world, 50);
	}
}

static void add(evpipe_stats *sum, const evpipe_stats *stats)
{
	sum->taken += stats->taken;
	sum->delivered += stats->delivered;
	for (int i = 0; i < EVPIPE_TIERS_MAX; i++)
		sum->retried[i] += stats->retried[i];
	sum->parked += stats->parked;
	for (int i = 0; i < EVPIPE_REASON_COUNT; i++)
		sum->dead_lettered[i] += stats->dead_lettered[i];
	sum->skipped += stats->skipped;
	sum->relinquished += stats->relinquished;
	sum->in_flight += stats->in_flight;
	sum->posts += stats->posts;
	sum->posts_failed += stats->posts_failed;
	sum->memory += stats->memory;
	sum->memory_max += stats->memory_max;
	sum->lag += stats->lag;
	sum->partitions += stats->partitions;
}

evpipe_stats world_stats(const struct world *world)
{
	evpipe_stats sum = EVPIPE_STATS_INIT;
	for (size_t i = 0; i < world->workers_count; i++) {
		evpipe_stats stats = EVPIPE_STATS_INIT;
		if (!world->workers[i])
			continue;
		evpipe_worker_stats(world->workers[i], &stats);
		add(&sum, &stats);
	}
	return sum;
}

evpipe_stats world_producer_stats(const struct world *world)
{
	evpipe_stats stats = EVPIPE_STATS_INIT;
	evpipe_producer_stats(world->producer, &stats);
	return stats;
}

/* ---- the sink ---- */

uint32_t world_answer(struct world *world, const char *destination, evpipe_verdict verdict, int status)
{
	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	uint32_t                 rule = 0;
	answer.destination = destination;
	answer.verdict = verdict;
	answer.status = status;
	assert_int_equal(evpipe_testbroker_answer_with(world->broker, &answer, &rule), EVPIPE_OK);
	return rule;
}

uint32_t world_slow_down(struct world *world, const char *destination, int64_t delay_ms)
{
	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	uint32_t                 rule = 0;
	answer.destination = destination;
	answer.delay_ms = delay_ms;
	assert_int_equal(evpipe_testbroker_answer_with(world->broker, &answer, &rule), EVPIPE_OK);
	return rule;
}

void world_assert_delivered_once(const struct world *world, const char *destination, uint64_t first, uint64_t end)
{
	char id[300];
	for (uint64_t number = first; number < end; number++) {
		snprintf(id, sizeof id, "%s-%llu", destination, (unsigned long long)number);
		if (evpipe_testbroker_delivered(world->broker, destination, id) != 1)
			fail_msg("%s was delivered %zu times", id, evpipe_testbroker_delivered(world->broker, destination, id));
	}
}

static int compare_delays(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

int64_t world_delay(const struct world *world, const char *destination, const char *but, unsigned permille)
{
	size_t   total = evpipe_testbroker_delivery_count(world->broker), count = 0;
	int64_t *delays = malloc((total + 1) * sizeof *delays);
	assert_non_null(delays);
	for (size_t i = 0; i < total; i++) {
		const evpipe_testbroker_delivery *delivery = evpipe_testbroker_delivery_at(world->broker, i);
		if ((!destination || strcmp(delivery->destination, destination) == 0) && (!but || strcmp(delivery->destination, but) != 0))
			delays[count++] = delivery->at_ms - delivery->time_ms;
	}
	assert_true(count > 0);
	qsort(delays, count, sizeof *delays, compare_delays);
	size_t  at = count * permille / 1000;
	int64_t delay = delays[at < count ? at : count - 1];
	free(delays);
	return delay;
}

/* ---- topics ---- */

const char *world_envelope_field(const struct world *world, const char *topic, int32_t partition, int64_t offset, const char *field)
{
	static char   text[8192];
	evpipe_record record;
	char          needle[64];

	assert_int_equal(evpipe_testbroker_read(world->broker, topic, partition, offset, &record), EVPIPE_OK);
	for (size_t i = 0; i < record.headers_count; i++) {
		if (strcmp(record.headers[i].name, "evpipe") != 0)
			continue;
		snprintf(text, sizeof text, "%.*s", (int)record.headers[i].value_len, (const char *)record.headers[i].value);
		snprintf(needle, sizeof needle, " %s=", field);
		char *at = strstr(text, needle);
		if (!at)
			return "";
		at += strlen(needle);
		at[strcspn(at, " ")] = '\0';
		return at;
	}
	return "";
}
