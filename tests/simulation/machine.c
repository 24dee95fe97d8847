/*
 * A worker or an application: a process on a machine of its own, with a clock that may be off.
 */
#include "world.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "settings.h"

/* An application that is closed in an orderly way waits so long for the broker. */
#define CLOSE_MS 1000

/* ---- what it runs in ---- */

static int64_t mono_ms(void *ctx)
{
	const struct machine *machine = ctx;
	return machine->world->now_ms;
}

static int64_t wall_ms(void *ctx)
{
	return machine_wall_ms(ctx);
}

static uint64_t draw(void *ctx)
{
	struct machine *machine = ctx;
	return chance_next(&machine->chance);
}

static void enrol(void *ctx, evpipe_stepper *stepper)
{
	struct machine *machine = ctx;
	machine->stepper = stepper;
}

static void leave(void *ctx, evpipe_stepper *stepper)
{
	struct machine *machine = ctx;
	(void)stepper;
	machine->stepper = NULL;
}

int64_t machine_wall_ms(const struct machine *machine)
{
	return world_wall_ms(machine->world) + machine->skew_ms;
}

/* Every event here is one that the broker takes, sooner or later. */
static void on_rejected(void *ctx, const evpipe_event *event, evpipe_err why, const char *text)
{
	struct machine *machine = ctx;
	(void)why;
	if (!machine->is_dead)
		world_fail(machine->world, 'a', "%s gives up event %" PRIu32 ": %s", machine->name,
		           event_number(event->headers, event->headers_count), text);
}

/* An application has a journal of its own kind. */
static void set_journal(struct machine *machine, const struct journal_plan *plan)
{
	static const char *const durabilities[] = {"memory", "process", "disk"};
	struct world            *world = machine->world;
	char                     text[4][32];
	evpipe_error             error = {0};

	if (plan->host == HOST_NONE)
		return;
	disk_attach(machine, &world->hosts[plan->host]);
	machine->config->storage = &machine->storage;
	snprintf(text[0], sizeof text[0], "%s", durabilities[plan->durability]);
	snprintf(text[1], sizeof text[1], "%" PRId64, plan->size);
	snprintf(text[2], sizeof text[2], "%" PRId64 "ms", plan->sync_ms);
	snprintf(text[3], sizeof text[3], "%" PRId64, plan->spool_size);
	if (evpipe_config_set(machine->config, "journal.durability", text[0], &error) ||
	    evpipe_config_set(machine->config, "journal.size", text[1], &error) ||
	    evpipe_config_set(machine->config, "journal.sync_interval", text[2], &error) ||
	    evpipe_config_set(machine->config, "journal.spool_size", text[3], &error)) {
		fprintf(stderr, "simulate: seed %" PRIu64 ": %s\n", world->plan->seed, error.text);
		exit(70);
	}
}

void machine_init(struct world *world, uint32_t number, const evpipe_config *config)
{
	struct machine *machine = &world->machines[number];
	machine->world = world;
	machine->number = number;
	machine->is_app = number >= world->plan->workers;
	snprintf(machine->name, sizeof machine->name, "%s-%u", machine->is_app ? "app" : "worker",
	         machine->is_app ? number - world->plan->workers : number);
	machine->skew_ms = world->plan->skew_ms[number];
	world->clocks_are_off |= machine->skew_ms != 0;
	machine->sends_free = NOBODY;
	chance_init(&machine->chance, world->plan->seed, "machine", number);
	machine->runtime = (evpipe_runtime){.size = sizeof machine->runtime,
	                                    .ctx = machine,
	                                    .mono_ms = mono_ms,
	                                    .wall_ms = wall_ms,
	                                    .random = draw,
	                                    .enrol = enrol,
	                                    .leave = leave};
	if (evpipe_config_copy(&machine->config, config) != EVPIPE_OK ||
	    evpipe_config_use_runtime(machine->config, &machine->runtime) != EVPIPE_OK ||
	    evpipe_config_use_transport(machine->config, &wire_ops, machine, NULL) != EVPIPE_OK)
		exit(70);
	evpipe_config_on_rejected(machine->config, on_rejected, machine);
	chance_init(&machine->fate, world->plan->seed, "fate", number);
	if (!machine->is_app)
		evpipe_config_on_log(machine->config, promise_log, machine);
	else
		set_journal(machine, &world->plan->journals[number - world->plan->workers]);
}

/* ---- coming and going ---- */

/* What is left of it, whether it ended by itself or not. */
static void take_down(struct machine *machine, int64_t start_ms)
{
	struct world *world = machine->world;
	evpipe_worker_free(machine->worker);
	machine->worker = NULL;
	account_deliveries(world); /* posts on their way may have arrived */
	evpipe_producer_free(machine->producer);
	machine->producer = NULL;
	machine->state = MACHINE_DOWN;
	machine->is_dead = 0;
	machine->start_ms = start_ms;
}

static evpipe_err start_app(struct machine *machine, evpipe_error *error)
{
	struct world *world = machine->world;
	evpipe_stats  stats = EVPIPE_STATS_INIT;

	/* What recovers may die of it. */
	if (machine->host && !world->is_healed && chance_of(&machine->fate, 100))
		machine->operations_left = (uint32_t)chance_scaled(&machine->fate, 1, 40);
	world->running = machine;
	evpipe_err err = evpipe_producer_new(&machine->producer, machine->config, error);
	world->running = NULL;
	if (err || machine->is_dead || !machine->host)
		return err;
	evpipe_producer_stats(machine->producer, &stats);
	trace_note(&world->trace, TRACE_ADOPTED, machine->name, (int64_t)stats.recovered, 0, 0, 0);
	world->result->recovered += stats.recovered;
	keep_started(machine);
	return EVPIPE_OK;
}

void machine_start(struct machine *machine)
{
	struct world *world = machine->world;
	evpipe_error  error = {0};
	evpipe_err    err;

	trace_note(&world->trace, TRACE_STARTED, machine->name, 0, 0, 0, 0);
	machine->is_dead = 0;
	machine->operations_left = 0;
	machine->due_ms = world->now_ms;
	machine->taken = 0;
	memset(machine->acked, 0, sizeof machine->acked);
	machine->alone_count = machine->answers_count = 0;
	memset(machine->free_ms, 0, sizeof machine->free_ms);
	machine->state = MACHINE_UP;
	if (machine->is_app)
		err = start_app(machine, &error);
	else
		err = evpipe_worker_new(&machine->worker, machine->config, evpipe_testbroker_sink(world->broker), &error);
	if (machine->is_dead) {
		machine_kill(machine);
		return;
	}
	if (err && machine->host && machine->host->files.create_fails) {
		/* There is no room for its ring. */
		trace_note(&world->trace, TRACE_STOPPED, machine->name, 0, 0, 0, 0);
		take_down(machine, machine->host->broken_until_ms);
		return;
	}
	if (err) {
		fprintf(stderr, "simulate: seed %" PRIu64 ": %s\n", world->plan->seed, error.text);
		exit(70);
	}
}

static void die(struct machine *machine)
{
	if (machine->is_dead)
		return;
	machine->is_dead = 1;
	if (machine->host)
		disk_die(machine);
}

int machine_operates(struct machine *machine)
{
	if (machine->is_dead)
		return 0;
	if (machine->world->running == machine && machine->operations_left && --machine->operations_left == 0)
		die(machine);
	return !machine->is_dead;
}

void machine_kill(struct machine *machine)
{
	struct world *world = machine->world;
	if (machine->state == MACHINE_DOWN)
		return;
	die(machine);
	trace_note(&world->trace, TRACE_KILLED, machine->name, 0, 0, 0, 0);
	wire_cut(machine);
	if (machine->is_app)
		keep_died(machine, 1);
	take_down(machine, world->now_ms + machine->down_ms);
}

static void close_app(struct machine *machine, int64_t start_ms)
{
	struct world *world = machine->world;
	uint64_t      left = 0, died = world->result->died;

	world->running = machine;
	evpipe_producer_close(machine->producer, CLOSE_MS, &left);
	world->running = NULL;
	if (machine->is_dead) {
		machine_kill(machine);
		return;
	}
	trace_note(&world->trace, TRACE_STOPPED, machine->name, (int64_t)left, 0, 0, 0);
	wire_cut(machine);
	keep_died(machine, 0);
	if (world->result->died - died > left)
		world_fail(world, 'a', "%s closed and said that %" PRIu64 " events are left, but %" PRIu64 " are", machine->name, left,
		           world->result->died - died);
	take_down(machine, start_ms);
}

void machine_stop(struct machine *machine, int64_t start_ms)
{
	if (machine->state != MACHINE_UP)
		return;
	if (machine->is_app) {
		close_app(machine, start_ms);
		return;
	}
	machine->state = MACHINE_STOPPING;
	machine->start_ms = start_ms;
	evpipe_worker_stop(machine->worker);
}

void machine_release(struct machine *machine)
{
	machine->is_dead = 1;
	evpipe_worker_free(machine->worker);
	evpipe_producer_free(machine->producer);
	evpipe_config_free(machine->config);
	free(machine->sends);
	free(machine->holdings);
	free(machine->alone);
	free(machine->answers);
	free(machine->opened);
	free(machine->locks);
}

/* ---- one step ---- */

/* It has drained, or given up. */
static void check_stopped(struct machine *machine)
{
	struct world *world = machine->world;
	evpipe_stats  stats = EVPIPE_STATS_INIT;
	evpipe_err    err = evpipe_worker_step(machine->worker, 0);
	if (err != EVPIPE_ECLOSED && err != EVPIPE_ETIMEOUT)
		return;
	evpipe_worker_stats(machine->worker, &stats);
	trace_note(&world->trace, TRACE_STOPPED, machine->name, (int64_t)stats.relinquished, 0, 0, 0);
	wire_cut(machine);
	take_down(machine, machine->start_ms > world->now_ms ? machine->start_ms : world->now_ms);
}

int machine_step(struct machine *machine)
{
	struct world *world = machine->world;
	int           any;

	if (machine->state == MACHINE_DOWN)
		return 0;
	world->running = machine;
	machine->due_ms = INT64_MAX;
	any = machine->stepper->step(machine->stepper->object, &machine->due_ms);
	if (machine->state == MACHINE_STOPPING && !machine->is_dead)
		check_stopped(machine);
	world->running = NULL;
	if (machine->is_dead) {
		machine_kill(machine);
		return 1;
	}
	if (!any || machine->state == MACHINE_DOWN)
		return any;
	account_deliveries(world);
	ledger_check(machine);
	return 1;
}

/* ---- emitting ---- */

static const struct emission *find_emission(const struct machine *machine, size_t *at)
{
	const struct world *world = machine->world;
	uint32_t            app = machine->number - world->plan->workers;
	for (; *at < world->events_count; ++*at)
		if (world->plan->emissions[*at].app == app)
			return &world->plan->emissions[*at];
	return NULL;
}

int64_t machine_next_emission_ms(const struct machine *machine)
{
	size_t                 at = machine->next_emission;
	const struct emission *emission = find_emission(machine, &at);
	return emission ? emission->at_ms : INT64_MAX;
}

struct texts {
	char     destination[16], id[16], key[16];
	uint32_t number;
};

static void write_texts(struct texts *texts, const struct emission *emission, uint32_t number)
{
	texts->number = number;
	snprintf(texts->destination, sizeof texts->destination, "d%u", emission->destination);
	snprintf(texts->id, sizeof texts->id, "e%u", number);
	snprintf(texts->key, sizeof texts->key, "k%u", emission->key);
}

/* By another program: a record that says nothing of libevpipe's, or one without a payload. */
static evpipe_err append(struct world *world, const struct emission *emission, const struct texts *texts)
{
	char          envelope[64];
	int           len = snprintf(envelope, sizeof envelope, "1 destination=%s id=%s", texts->destination, texts->id);
	evpipe_header headers[] = {{NUMBER_HEADER, &texts->number, sizeof texts->number}, {"evpipe", envelope, (size_t)len}};
	int           is_foreign = emission->kind == EMISSION_FOREIGN;
	evpipe_record record = {.topic = TOPIC,
	                        .partition = EVPIPE_PARTITION_ANY,
	                        .value = is_foreign ? "?" : NULL,
	                        .value_len = is_foreign,
	                        .headers = headers,
	                        .headers_count = is_foreign ? 1 : 2,
	                        .timestamp_ms = world_wall_ms(world)};
	return evpipe_testbroker_append(world->broker, &record);
}

static evpipe_err emit(struct machine *machine, const struct emission *emission, uint32_t number)
{
	struct texts      texts;
	evpipe_event      event = EVPIPE_EVENT_INIT;
	evpipe_header     header = {NUMBER_HEADER, &texts.number, sizeof texts.number};

	write_texts(&texts, emission, number);
	if (emission->kind != EMISSION_EVENT)
		return append(machine->world, emission, &texts);
	event.destination = texts.destination;
	event.id = emission->has_id ? texts.id : NULL;
	event.key = emission->key ? texts.key : NULL;
	event.key_len = emission->key ? strlen(texts.key) : 0;
	event.data = event_payload(machine->world, number);
	event.data_len = emission->size;
	event.headers = &header;
	event.headers_count = 1;
	return evpipe_emit(machine->producer, &event);
}

uint32_t machine_try_emit(struct machine *machine)
{
	size_t                 at = machine->next_emission;
	const struct emission *emission = find_emission(machine, &at);
	int                    is_event = emission && emission->kind == EMISSION_EVENT;
	return is_event && emit(machine, emission, (uint32_t)at) == EVPIPE_OK ? (uint32_t)at : NOBODY;
}

/* Whatever is due; what is refused is tried again the next time, and what follows waits for it. */
void machine_emit(struct machine *machine)
{
	struct world          *world = machine->world;
	const struct emission *emission;

	while ((emission = find_emission(machine, &machine->next_emission)) && emission->at_ms <= world->now_ms) {
		uint32_t number = (uint32_t)machine->next_emission;
		if (emit(machine, emission, number) != EVPIPE_OK) {
			trace_note(&world->trace, TRACE_REFUSED, machine->name, number, emission->destination, emission->size, 0);
			return;
		}
		trace_note(&world->trace, TRACE_EMITTED, machine->name, number, emission->destination, emission->size, 0);
		account_accepted(machine, number);
		machine->next_emission++;
	}
}
