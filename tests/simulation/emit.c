/*
 * What applications emit, as it is due, and what another program writes to their topic.
 */
#include "world.h"

#include <stdio.h>
#include <string.h>

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
