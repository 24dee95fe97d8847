/*
 * What a record from a topic says of itself, in lines:
 *
 *     name=value      a header; `evpipe` is ours, ce_... are CloudEvents'
 *     K key
 *     V value
 *     M metadata      of a commit: the settled ranges beyond the frontier
 */
#include "fuzz.h"

#include <evpipe-transport.h>

#include "envelope.h"
#include "foreign.h"

#define HEADERS_MAX 32
#define SPAN_MAX    2000

struct record {
	evpipe_record record;
	evpipe_header headers[HEADERS_MAX];
	char         *lines[HEADERS_MAX + 3];
	size_t        lines_count;
};

/* ---- frontier ---- */

/* Takes what `text` says, as a partition that starts there would. */
static evpipe_frontier *restore(const char *text, int64_t start)
{
	evpipe_frontier *frontier;
	MUST(evpipe_frontier_new(&frontier, start, SPAN_MAX) == EVPIPE_OK);
	evpipe_err err = evpipe_frontier_restore(frontier, text);
	MUST(err == EVPIPE_OK || err == EVPIPE_EFORMAT);
	MUST(evpipe_frontier_offset(frontier) >= start && evpipe_frontier_unsettled(frontier) == 0);
	if (!err)
		return frontier;
	MUST(evpipe_frontier_offset(frontier) == start);
	evpipe_frontier_free(frontier);
	return NULL;
}

/* What is settled is settled with the next owner, too, but for what did not fit. */
static void check_handed_on(evpipe_frontier *frontier)
{
	static const size_t rooms[] = {4096, 200, 33, 5, 1};
	char                text[4096];
	for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
		size_t len = evpipe_frontier_ranges(frontier, text, rooms[i]);
		MUST(len == strlen(text) && len < rooms[i]);
		evpipe_frontier *next = restore(text, evpipe_frontier_offset(frontier));
		MUST(next && evpipe_frontier_offset(next) == evpipe_frontier_offset(frontier));
		evpipe_frontier_free(next);
	}
	evpipe_frontier_ranges(frontier, text, sizeof text);
	evpipe_frontier *next = restore(text, evpipe_frontier_offset(frontier));
	int              is_whole = strlen(text) < 3000;
	for (int64_t offset = evpipe_frontier_offset(frontier), i = 0; i < 300; i++) {
		evpipe_err mine = evpipe_frontier_take(frontier, offset + i), theirs = evpipe_frontier_take(next, offset + i);
		MUST(mine == theirs || (!is_whole && mine == EVPIPE_ESTALE));
	}
	for (int64_t offset = evpipe_frontier_offset(next), i = 0; i < 300; i++)
		MUST(evpipe_frontier_settle(next, offset + i) == EVPIPE_OK || evpipe_frontier_unsettled(next) == 0);
	MUST(evpipe_frontier_unsettled(next) == 0);
	evpipe_frontier_free(next);
}

static void check_metadata(const char *text)
{
	/* A partition that starts at the commit; one that starts elsewhere must stand it, too. */
	int64_t          start = strlen(text) > 2 ? (int64_t)(strtoull(text + 2, NULL, 10) % (INT64_MAX / 8)) : 0;
	evpipe_frontier *frontier = restore(text, start);
	if (frontier)
		check_handed_on(frontier);
	evpipe_frontier_free(frontier);
	evpipe_frontier_free(restore(text, 0));
}

/* ---- headers ---- */

static int same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static void check_envelope(const evpipe__envelope *envelope)
{
	static char      scratch[EVPIPE__ENVELOPE_MAX + 1];
	evpipe__envelope again;
	evpipe__buffer   out;

	evpipe__buffer_init(&out, EVPIPE__ENVELOPE_MAX);
	/* What fits can still be more than fits once it is escaped. */
	if (evpipe__envelope_write(envelope, &out) == EVPIPE_OK) {
		MUST(evpipe__envelope_read(&again, out.data, out.len, scratch) == EVPIPE_OK);
		MUST(same(envelope->destination, again.destination) && same(envelope->id, again.id) && same(envelope->type, again.type));
		MUST(same(envelope->content_type, again.content_type) && same(envelope->error, again.error));
		MUST(same(envelope->origin_topic, again.origin_topic) && same(envelope->reason, again.reason));
		MUST(envelope->time_ms == again.time_ms && envelope->attempt == again.attempt && envelope->parks == again.parks);
		MUST(envelope->queued_ms == again.queued_ms && envelope->delay_ms == again.delay_ms);
		MUST(envelope->first_ms == again.first_ms && envelope->status == again.status);
		MUST(envelope->origin_partition == again.origin_partition && envelope->origin_offset == again.origin_offset);
	}
	evpipe__buffer_release(&out);
}

static void add_line(struct record *record, char *line, size_t len)
{
	char *equals = memchr(line, '=', len);

	record->lines[record->lines_count++] = line;
	if (line[0] == 'K' && line[1] == ' ') {
		record->record.key = line + 2;
		record->record.key_len = len - 2;
	} else if (line[0] == 'V' && line[1] == ' ') {
		record->record.value = line + 2;
		record->record.value_len = len - 2;
	} else if (line[0] == 'M' && line[1] == ' ') {
		check_metadata(line + 2);
	} else if (record->record.headers_count < HEADERS_MAX) {
		evpipe_header *header = &record->headers[record->record.headers_count++];
		if (equals)
			*equals = '\0';
		*header = (evpipe_header){.name = line, .value = equals ? equals + 1 : NULL};
		header->value_len = equals ? len - (size_t)(equals + 1 - line) : 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char          scratch[EVPIPE__ENVELOPE_MAX + 1];
	static evpipe_config *config;
	struct fuzz_input    input = fuzz_input_of(data, size);
	struct record        record = {.record = {.topic = "events", .partition = 3, .offset = 17, .timestamp_ms = 1}};
	evpipe__envelope     envelope;
	size_t               len;

	if (!config) {
		MUST(evpipe_config_new(&config) == EVPIPE_OK);
		MUST(evpipe_config_set(config, "topic.destination_from", "field:org", NULL) == EVPIPE_OK);
		MUST(evpipe_config_set(config, "topic.id_from", "field:id", NULL) == EVPIPE_OK);
	}
	record.record.headers = record.headers;
	while (record.lines_count < HEADERS_MAX + 3) {
		char *line = fuzz_line(&input, &len);
		if (!line)
			break;
		add_line(&record, line, len);
	}
	int known = evpipe__foreign_identify(config, &record.record, &envelope, scratch);
	MUST(!known == !envelope.destination);
	if (known) {
		MUST(*envelope.destination && strlen(envelope.destination) <= EVPIPE__ENVELOPE_TEXT_MAX);
		check_envelope(&envelope);
	}
	for (size_t i = 0; i < record.lines_count; i++)
		free(record.lines[i]);
	return 0;
}
