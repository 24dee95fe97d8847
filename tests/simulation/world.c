/*
 * The world's life, and letting time pass.
 */
#include "world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* So many rounds without time passing are a loop without end. */
#define ROUNDS_MAX 20000
/* Time passes in steps of at most so much, since the broker's own timers are not known. */
#define STRIDE_MS 1000
/* Whether all is done is looked at so often. */
#define LOOK_MS 500

void world_fail(struct world *world, char check, const char *format, ...)
{
	va_list arguments;
	if (world->result->check)
		return;
	world->result->check = check;
	int used = snprintf(world->result->text, sizeof world->result->text, "at %" PRId64 ".%03" PRId64 ": ", world->now_ms / 1000,
	                    world->now_ms % 1000);
	va_start(arguments, format);
	vsnprintf(world->result->text + used, sizeof world->result->text - (size_t)used, format, arguments);
	va_end(arguments);
	if (world->trace.to)
		fprintf(world->trace.to, "FAILED (%c) %s\n", check, world->result->text);
}

int64_t world_wall_ms(const struct world *world)
{
	return world->start_wall_ms + world->now_ms;
}

const char *world_topic(const struct world *world, uint32_t topic)
{
	return topic == 0 ? TOPIC : topic == TOPIC_DEAD ? TOPIC ".dead" : world->plan->tier_topics[topic - 1];
}

/* ---- life ---- */

static evpipe_config *make_config(const struct world *world)
{
	evpipe_config *config;
	evpipe_error   error = {0};
	if (evpipe_config_new(&config) != EVPIPE_OK)
		exit(70);
	for (size_t i = 0; i < world->plan->settings_count; i++) {
		const struct setting *setting = &world->plan->settings[i];
		if (evpipe_config_set(config, setting->name, setting->value, &error) != EVPIPE_OK) {
			fprintf(stderr, "simulate: seed %" PRIu64 ": %s\n", world->plan->seed, error.text);
			exit(70);
		}
	}
	return config;
}

static void open_broker(struct world *world)
{
	const struct plan *plan = world->plan;
	if (evpipe_testbroker_new(&world->broker, plan->seed) != EVPIPE_OK)
		exit(70);
	evpipe_testbroker_set_protocol(world->broker, plan->is_eager ? EVPIPE_REBALANCE_EAGER : EVPIPE_REBALANCE_COOPERATIVE);
	evpipe_testbroker_set_rebalance_timeout(world->broker, plan->rebalance_timeout_ms);
	evpipe_testbroker_set_ack_delay(world->broker, plan->ack_delay_ms);
	evpipe_testbroker_set_queue_max(world->broker, plan->queue_max);
	evpipe_testbroker_set_store(world->broker, store_answer, world);
	world->start_wall_ms = evpipe_testbroker_now_ms(world->broker);
}

/* Each event's are a piece of the same bytes. */
#define PAYLOADS_SIZE (128 * 1024)

static unsigned char *make_payloads(void)
{
	unsigned char *payloads = get_memory(1, PAYLOADS_SIZE);
	for (size_t i = 0; i < PAYLOADS_SIZE; i++)
		payloads[i] = (unsigned char)(i * 2654435761u >> 13);
	return payloads;
}

const void *event_payload(const struct world *world, uint32_t number)
{
	return world->payloads + number * 7919 % (PAYLOADS_SIZE / 2);
}

static void world_open(struct world *world, const struct plan *plan, const struct run_options *options, struct run_result *result)
{
	*world = (struct world){.plan = plan, .options = options, .result = result, .trace.to = options->trace};
	open_broker(world);
	world->events_count = plan->emissions_count < options->events_max ? plan->emissions_count : options->events_max;
	world->events = get_memory(world->events_count, sizeof *world->events);
	world->group_first = get_memory(plan->groups, sizeof *world->group_first);
	world->group_last = get_memory(plan->groups, sizeof *world->group_last);
	for (size_t i = 0; i < plan->groups; i++)
		world->group_first[i] = world->group_last[i] = NOBODY;
	for (size_t i = 0; i < world->events_count; i++)
		world->events[i].next = world->events[i].waits_at = NOBODY;
	for (int i = 0; i < TOPICS_MAX; i++)
		world->partitions[i] = get_memory(plan->partitions, sizeof *world->partitions[i]);
	world->topic_scanned = get_memory(plan->partitions, sizeof *world->topic_scanned);
	world->payloads = make_payloads();
	for (uint32_t i = 0; i < APPS_MAX; i++) {
		struct host *host = &world->hosts[i];
		host->storage = memory_storage(&host->files);
		chance_init(&host->chance, plan->seed, "host", i);
	}
	chance_init(&world->turns, plan->seed, "turns", options->variant);
	for (uint32_t i = 0; i < plan->destinations; i++)
		store_init(world, i);
	evpipe_config *config = make_config(world);
	world->machines_count = plan->workers + plan->apps;
	for (uint32_t i = 0; i < world->machines_count; i++)
		machine_init(world, i, config);
	evpipe_config_free(config);
	/*
	 * Workers come one after the other. Not where one destination is not to be felt by others: a partition that moves
	 * waits for its posts, for five seconds at the most.
	 */
	for (uint32_t i = 0; i < world->machines_count; i++) {
		struct machine *machine = &world->machines[i];
		int64_t         start_ms = chance_between(&world->turns, 0, 500);
		machine->start_ms = machine->is_app || plan->theme == THEME_ISOLATION ? 0 : start_ms;
	}
}

static void world_close(struct world *world)
{
	for (size_t i = 0; i < world->machines_count; i++)
		machine_release(&world->machines[i]);
	evpipe_testbroker_free(world->broker);
	for (int i = 0; i < TOPICS_MAX; i++) {
		for (unsigned p = 0; p < world->plan->partitions; p++)
			free(world->partitions[i][p].records);
		free(world->partitions[i]);
	}
	for (size_t i = 0; i < APPS_MAX; i++)
		memory_storage_release(&world->hosts[i].files);
	free(world->payloads);
	free(world->topic_scanned);
	free(world->events);
	free(world->group_first);
	free(world->group_last);
	free(world->keys.entries);
}

/* ---- one moment ---- */

static int step_all(struct world *world)
{
	size_t first = chance_next(&world->turns) % world->machines_count;
	int    any = 0;
	for (size_t i = 0; i < world->machines_count && !world->result->check; i++)
		any |= machine_step(&world->machines[(first + i) % world->machines_count]);
	return any;
}

/* Everything that happens now, until nothing more does. */
static void live(struct world *world)
{
	world->trace.now_ms = world->now_ms;
	faults_happen(world);
	for (size_t i = 0; i < world->machines_count; i++) {
		struct machine *machine = &world->machines[i];
		if (machine->state == MACHINE_DOWN && machine->start_ms <= world->now_ms)
			machine_start(machine);
		if (machine->is_app && machine->state == MACHINE_UP)
			machine_emit(machine);
	}
	for (int rounds = 0; step_all(world); rounds++)
		if (rounds == ROUNDS_MAX) {
			world_fail(world, 'i', "something goes on for ever without time passing");
			return;
		}
}

/* ---- letting time pass ---- */

static int64_t next_moment(const struct world *world)
{
	int64_t next_ms = faults_next_ms(world);
	for (size_t i = 0; i < world->machines_count; i++) {
		const struct machine *machine = &world->machines[i];
		int64_t               at_ms = machine->state == MACHINE_DOWN ? machine->start_ms : machine->due_ms;
		if (machine->is_app && machine->state == MACHINE_UP && machine_next_emission_ms(machine) < at_ms)
			at_ms = machine_next_emission_ms(machine);
		if (at_ms < next_ms)
			next_ms = at_ms;
	}
	return next_ms;
}

static void pass_time(struct world *world)
{
	int64_t next_ms = next_moment(world);
	if (next_ms <= world->now_ms)
		next_ms = world->now_ms + 1;
	if (next_ms > world->now_ms + STRIDE_MS)
		next_ms = world->now_ms + STRIDE_MS;
	evpipe_testbroker_advance(world->broker, next_ms - world->now_ms);
	world->now_ms = next_ms;
}

/* Everything emitted, and every record of every topic settled and committed. */
static int is_done(struct world *world)
{
	if (!world->is_healed)
		return 0;
	for (size_t i = 0; i < world->machines_count; i++) {
		struct machine *machine = &world->machines[i];
		evpipe_stats    stats = EVPIPE_STATS_INIT;
		if (machine->state != MACHINE_UP)
			return 0;
		if (!machine->is_app)
			continue;
		evpipe_producer_stats(machine->producer, &stats);
		if (stats.pending || machine_next_emission_ms(machine) != INT64_MAX)
			return 0;
	}
	if (evpipe_testbroker_lag(world->broker, GROUP, TOPIC))
		return 0;
	for (uint32_t i = 1; i <= world->plan->delays; i++)
		if (evpipe_testbroker_lag(world->broker, GROUP "-retry", world_topic(world, i)))
			return 0;
	return 1;
}

/*
 * By when everything has to be done once nothing goes wrong any more: whoever was just put into the last tier comes out,
 * may find the destination's breaker open or its Retry-After running, waits in a tier for that, and then there is the
 * work of posting all that there is, one post after the other.
 */
static int64_t done_by(const struct world *world)
{
	const struct plan *plan = world->plan;
	int64_t            last_ms = plan->delays_ms[plan->delays - 1], alone_ms = 0, work_ms = 0;
	for (size_t i = 0; i < plan->faults_count; i++)
		if (plan->faults[i].kind == FAULT_STORE_THROTTLES && plan->faults[i].amount > alone_ms)
			alone_ms = plan->faults[i].amount;
	for (size_t i = 0; i < world->events_count; i++) {
		const struct store_plan *store = &plan->stores[plan->emissions[i].destination];
		work_ms += store->latency_ms + store->jitter_ms;
	}
	int64_t wait_ms = alone_ms + alone_ms / 10 > plan->open_max_ms ? alone_ms + alone_ms / 10 : plan->open_max_ms;
	return plan->faults_end_ms + 3 * last_ms + wait_ms + plan->linger_ms + work_ms + 120000;
}

/* Of what faults have doubled each copy has to be posted as well. */
static int64_t spent_on_copies_ms(const struct world *world)
{
	int64_t spent_ms = 0;
	for (size_t i = 0; i < world->events_count; i++) {
		const struct store_plan *store = &world->plan->stores[world->plan->emissions[i].destination];
		if (world->events[i].delivered)
			spent_ms += (world->events[i].delivered - 1) * (store->latency_ms + store->jitter_ms);
	}
	return spent_ms;
}

static void run(struct world *world)
{
	int64_t end_ms = done_by(world), look_ms = 0;
	while (!world->result->check) {
		live(world);
		if (world->now_ms >= look_ms) {
			if (is_done(world))
				return;
			look_ms = world->now_ms + LOOK_MS;
		}
		if (world->now_ms > end_ms && world->now_ms > end_ms + spent_on_copies_ms(world)) {
			world_fail(world, 'i', "not everything is delivered or dead-lettered %" PRId64 " s after the last fault",
			           (end_ms - world->plan->faults_end_ms) / 1000);
			return;
		}
		pass_time(world);
	}
}

static int compare_delays(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void measure_others(struct world *world)
{
	int64_t *delays = get_memory(world->events_count, sizeof *delays);
	size_t   count = 0;
	int64_t  latency_ms = 0;
	for (size_t i = 0; i < world->events_count; i++) {
		const struct event *event = &world->events[i];
		uint32_t            destination = world->plan->emissions[i].destination;
		if (destination == 0 || !event->delivered)
			continue;
		delays[count++] = event->first_ms - event->accepted_ms;
		const struct store_plan *store = &world->plan->stores[destination];
		if (store->latency_ms + store->jitter_ms > latency_ms)
			latency_ms = store->latency_ms + store->jitter_ms;
	}
	qsort(delays, count, sizeof *delays, compare_delays);
	world->result->others_p99_ms = count ? delays[(count - 1) * 99 / 100] : 0;
	world->result->others_slack_ms = world->plan->linger_ms + latency_ms;
	free(delays);
}

void run_once(const struct run_options *options, struct run_result *result)
{
	struct plan   plan;
	struct world *world = get_memory(1, sizeof *world);

	*result = (struct run_result){0};
	plan_draw(&plan, options->seed);
	result->faults_planned = plan.faults_count;
	world_open(world, &plan, options, result);
	run(world);
	if (!result->check)
		account_end(world);
	measure_others(world);
	result->hash = world->trace.hash;
	result->steps = world->trace.count;
	result->virtual_ms = world->now_ms;
	result->posts = evpipe_testbroker_post_count(world->broker);
	world_close(world);
	free(world);
	plan_release(&plan);
}

/* By more than one linger and one post; false, too, if the run without has failed itself. */
static int moves_others(const struct run_options *options, const struct run_result *result, struct run_result *well)
{
	struct run_options without = *options;
	memset(without.leaves_out, 1, sizeof without.leaves_out);
	without.trace = NULL;
	run_once(&without, well);
	return !well->check && result->others_p99_ms > well->others_p99_ms + result->others_slack_ms;
}

/* Of a burst, how long its last events wait is up to chance as well: what a destination does to others it does in each variant. */
#define VARIANTS 3

void run_seed(const struct run_options *options, struct run_result *result)
{
	struct run_options variant = *options;
	struct run_result  again, well;
	struct plan        plan;

	run_once(options, result);
	plan_draw(&plan, options->seed);
	enum theme theme = plan.theme;
	plan_release(&plan);
	if (result->check || theme != THEME_ISOLATION)
		return;
	again = *result;
	variant.trace = NULL;
	while (moves_others(&variant, &again, &well)) {
		if (++variant.variant < VARIANTS) {
			run_once(&variant, &again);
			continue;
		}
		result->check = 'g';
		snprintf(result->text, sizeof result->text,
		         "a destination that fails moves the others' delay from %" PRId64 " to %" PRId64
		         " ms at p99, by more than %" PRId64 " ms",
		         well.others_p99_ms, again.others_p99_ms, again.others_slack_ms);
		return;
	}
	if (well.check)
		*result = well;
}
