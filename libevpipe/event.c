#include "event.h"

#include <stdio.h>
#include <string.h>

#include "memory.h"

/* Headers that are the envelope's, not the application's. */
static int is_ours(const evpipe_header *header)
{
	return strcmp(header->name, EVPIPE__ENVELOPE_HEADER) == 0 || strncmp(header->name, "ce_", 3) == 0 ||
	       strcmp(header->name, "content-type") == 0;
}

static char *put(char **to, const void *bytes, size_t len)
{
	char *start = *to;
	if (len)
		memcpy(start, bytes, len);
	*to = start + len;
	return start;
}

static char *put_text(char **to, const char *text)
{
	return put(to, text, strlen(text) + 1);
}

static size_t headers_size(const evpipe_record *record, size_t *count)
{
	size_t size = 0;
	*count = 0;
	for (size_t i = 0; i < record->headers_count; i++) {
		if (is_ours(&record->headers[i]))
			continue;
		size += strlen(record->headers[i].name) + 1 + record->headers[i].value_len;
		(*count)++;
	}
	return size + *count * sizeof(evpipe_header);
}

static void put_headers(evpipe_header *headers, const evpipe_record *record, char **to)
{
	size_t count = 0;
	for (size_t i = 0; i < record->headers_count; i++) {
		const evpipe_header *header = &record->headers[i];
		if (is_ours(header))
			continue;
		headers[count].name = put_text(to, header->name);
		headers[count].value = header->value ? put(to, header->value, header->value_len) : NULL;
		headers[count].value_len = header->value ? header->value_len : 0;
		count++;
	}
}

/* Texts that stand for themselves as long as the event lives need no copy. */
static size_t copy_size(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

evpipe_err evpipe__event_new(evpipe__event **out, evpipe__pieces *pieces, evpipe__piece **open, const evpipe_record *record,
                             const evpipe__envelope *envelope, const char *default_type)
{
	char        made_id[EVPIPE__EVENT_ID_SIZE];
	const char *id = envelope->id;

	if (!id || !*id) {
		/* Where it lies is the one thing about a foreign record that is stable and unique. */
		snprintf(made_id, sizeof made_id, "%s-%d-%lld", record->topic, (int)record->partition, (long long)record->offset);
		id = made_id;
	}
	size_t headers_count, id_size = strlen(id) + 1;
	size_t type_size = copy_size(envelope->type), content_type_size = copy_size(envelope->content_type);
	size_t origin_size = copy_size(envelope->origin_topic), error_size = copy_size(envelope->error);
	size_t size = sizeof(evpipe__event) + headers_size(record, &headers_count) + id_size + type_size +
	              content_type_size + origin_size + error_size + record->key_len + record->value_len;
	evpipe__piece *piece;
	evpipe__event *event = evpipe__pieces_carve(pieces, open, size, &piece);
	if (!event)
		return EVPIPE_ENOMEM;
	evpipe_header *headers = (evpipe_header *)(event + 1);
	char          *to = (char *)(headers + headers_count);

	/* Member by member, none left out: to zero it all first takes longer than all of this. */
	evpipe_delivery *delivery = &event->delivery;
	delivery->headers = headers;
	delivery->headers_count = headers_count;
	if (headers_count)
		put_headers(headers, record, &to);
	delivery->id = put(&to, id, id_size);
	delivery->type = type_size ? put(&to, envelope->type, type_size) : default_type;
	delivery->content_type = content_type_size ? put(&to, envelope->content_type, content_type_size) : "application/json";
	delivery->key = record->key ? put(&to, record->key, record->key_len) : NULL;
	delivery->key_len = record->key ? record->key_len : 0;
	delivery->data = record->value ? put(&to, record->value, record->value_len) : NULL;
	delivery->data_len = record->value ? record->value_len : 0;
	delivery->time_ms = envelope->time_ms ? envelope->time_ms : record->timestamp_ms;
	delivery->attempt = envelope->attempt;

	event->destination = NULL;
	event->assignment = (evpipe_assignment){0};
	event->offset = record->offset;
	event->piece = piece;
	event->size = (uint32_t)size;
	event->hash = 0;
	event->arrived_ms = 0;
	event->parks = envelope->parks;
	event->first_ms = envelope->first_ms;
	event->origin_topic = origin_size ? put(&to, envelope->origin_topic, origin_size) : NULL;
	event->origin_partition = envelope->origin_topic ? envelope->origin_partition : record->partition;
	event->origin_offset = envelope->origin_topic ? envelope->origin_offset : record->offset;
	event->status = envelope->status;
	event->error = error_size ? put(&to, envelope->error, error_size) : NULL;
	event->note = NULL;
	event->target = 0;
	event->parked = 0;
	event->is_leaving = 0;
	event->reason = (evpipe_reason)0;
	*out = event;
	return EVPIPE_OK;
}

void evpipe__event_free(evpipe__event *event, evpipe__pieces *pieces)
{
	if (!event)
		return;
	evpipe__note_release(event->note);
	evpipe__pieces_let_go(pieces, event->piece);
}

void evpipe__event_free_list(struct evpipe__event_list *list, evpipe__pieces *pieces)
{
	evpipe__event *event;
	while ((event = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, event, link);
		evpipe__event_free(event, pieces);
	}
}

/* ---- why it failed ---- */

evpipe__note *evpipe__note_new(const char *text)
{
	size_t        len = text ? strnlen(text, EVPIPE__ENVELOPE_ERROR_MAX) : 0;
	evpipe__note *note = len ? evpipe__malloc(sizeof *note + len + 1) : NULL;
	if (!note)
		return NULL;
	note->refs = 1;
	memcpy(note->text, text, len);
	note->text[len] = '\0';
	return note;
}

void evpipe__note_release(evpipe__note *note)
{
	if (note && --note->refs == 0)
		evpipe__free(note);
}

void evpipe__event_failed(evpipe__event *event, int status, evpipe__note *note)
{
	if (note)
		note->refs++;
	evpipe__note_release(event->note);
	event->note = note;
	event->status = status;
	event->error = note ? note->text : NULL;
}
