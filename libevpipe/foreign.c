#include "foreign.h"

#include <string.h>

#include "json.h"
#include "timestamp.h"

/* A copy as a text, in scratch behind what is there already; NULL if that is no name. */
static const char *copy_name(const void *bytes, size_t len, char *scratch, size_t *used)
{
	if (!bytes || !len || len > EVPIPE__ENVELOPE_TEXT_MAX || *used + len + 1 > EVPIPE__ENVELOPE_MAX || memchr(bytes, '\0', len))
		return NULL;
	char *copy = memcpy(scratch + *used, bytes, len);
	copy[len] = '\0';
	*used += len + 1;
	return copy;
}

static const char *copy_value(const evpipe_header *header, char *scratch, size_t *used)
{
	return copy_name(header->value, header->value_len, scratch, used);
}

/* 0: none that can be read. */
static int64_t time_of(const evpipe_header *header)
{
	char   text[64];
	size_t used = 0;
	if (!header->value || header->value_len >= sizeof text || !copy_name(header->value, header->value_len, text, &used))
		return 0;
	int64_t time_ms = evpipe__rfc3339_parse(text);
	return time_ms == INT64_MIN ? 0 : time_ms;
}

/* The binary binding of CloudEvents, as written with envelope = cloudevents. */
static int by_cloudevents(const evpipe_record *record, evpipe__envelope *envelope, char *scratch)
{
	size_t used = 0;
	for (size_t i = 0; i < record->headers_count; i++) {
		const evpipe_header *header = &record->headers[i];
		if (strcmp(header->name, "ce_destination") == 0)
			envelope->destination = copy_value(header, scratch, &used);
		else if (strcmp(header->name, "ce_id") == 0)
			envelope->id = copy_value(header, scratch, &used);
		else if (strcmp(header->name, "ce_type") == 0)
			envelope->type = copy_value(header, scratch, &used);
		else if (strcmp(header->name, "ce_time") == 0)
			envelope->time_ms = time_of(header);
		else if (strcmp(header->name, "content-type") == 0)
			envelope->content_type = copy_value(header, scratch, &used);
	}
	return envelope->destination != NULL;
}

/* A text, at the top of an object, that has its name for itself. */
static const char *copy_field(const evpipe_record *record, const char *field, char *scratch, size_t *used)
{
	evpipe__json json;
	char         text[EVPIPE__ENVELOPE_TEXT_MAX + 1];
	if (!record->value || !evpipe__json_scan(&json, record->value, record->value_len, field) || json.members != 1)
		return NULL;
	size_t len = evpipe__json_text(text, sizeof text - 1, (const char *)record->value + json.member);
	return copy_name(text, len, scratch, used);
}

/* "field:NAME" gives NAME, anything else NULL. */
static const char *field_of(const char *from)
{
	return strncmp(from, "field:", 6) == 0 ? from + 6 : NULL;
}

/* As topic.destination_from and topic.id_from say. */
static int by_settings(const evpipe_config *config, const evpipe_record *record, evpipe__envelope *envelope, char *scratch)
{
	const char *from = evpipe_config_text(config, NULL, "topic.destination_from");
	const char *destination_field = field_of(from), *id_field = field_of(evpipe_config_text(config, NULL, "topic.id_from"));
	size_t      used = 0;

	if (destination_field)
		envelope->destination = copy_field(record, destination_field, scratch, &used);
	else if (strcmp(from, "key") == 0)
		envelope->destination = copy_name(record->key, record->key_len, scratch, &used);
	if (id_field)
		envelope->id = copy_field(record, id_field, scratch, &used);
	return envelope->destination != NULL;
}

int evpipe__foreign_identify(const evpipe_config *config, const evpipe_record *record, evpipe__envelope *envelope, char *scratch)
{
	for (size_t i = 0; i < record->headers_count; i++) {
		const evpipe_header *header = &record->headers[i];
		if (strcmp(header->name, EVPIPE__ENVELOPE_HEADER) == 0 && header->value &&
		    evpipe__envelope_read(envelope, header->value, header->value_len, scratch) == EVPIPE_OK)
			return 1;
	}
	evpipe__envelope_init(envelope);
	if (by_cloudevents(record, envelope, scratch))
		return 1;
	evpipe__envelope_init(envelope);
	if (by_settings(config, record, envelope, scratch))
		return 1;
	evpipe__envelope_init(envelope);
	return 0;
}

evpipe__tombstone evpipe__foreign_tombstone(const evpipe_config *config)
{
	return (evpipe__tombstone)evpipe_config_number(config, NULL, "topic.tombstones");
}
