/*
 * CloudEvents 1.0, the batch of the JSON event format. Every payload fits: what is valid JSON, and says so, is
 * embedded, everything else goes as base64. The application's headers become extension attributes where their names and
 * values are legal ones.
 */
#include <string.h>
#include <strings.h>

#include "formats.h"
#include "json.h"
#include "text.h"
#include "timestamp.h"

/* What an event takes besides its payload, roughly, to make room for at once. */
#define ATTRIBUTES_ROOM 256

/* The specification's own attributes, which no extension may be called. */
static const char *const reserved[] = {"specversion", "id", "source", "type", "time", "data", "datacontenttype", "dataschema", "subject"};

/* application/json, text/json, and whatever+json, with parameters or without. */
static int says_json(const char *content_type)
{
	size_t len = strcspn(content_type, "; \t");
	return (len == 16 && strncasecmp(content_type, "application/json", 16) == 0) ||
	       (len == 9 && strncasecmp(content_type, "text/json", 9) == 0) ||
	       (len > 5 && strncasecmp(content_type + len - 5, "+json", 5) == 0);
}

static int is_legal_name(const char *name)
{
	for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
		if (strcmp(reserved[i], name) == 0)
			return 0;
	return *name && name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789")] == '\0';
}

static int is_legal_value(const evpipe_header *header)
{
	const unsigned char *at = header->value, *end = at + header->value_len;
	while (at < end) {
		size_t length = evpipe__utf8_length(at, (size_t)(end - at));
		if (!length || *at < ' ' || *at == 0x7f)
			return 0;
		at += length;
	}
	return 1;
}

static int comes_again(const evpipe_delivery *event, size_t index)
{
	for (size_t i = index + 1; i < event->headers_count; i++)
		if (strcmp(event->headers[i].name, event->headers[index].name) == 0)
			return 1;
	return 0;
}

static evpipe_err put_attribute(evpipe__buffer *out, const char *name, const void *value, size_t len)
{
	evpipe_err err = evpipe__buffer_append(out, ",\"", 2);
	if (!err)
		err = evpipe__buffer_append_text(out, name);
	if (!err)
		err = evpipe__buffer_append(out, "\":", 2);
	return err ? err : evpipe__json_put_string(out, value, len);
}

/* Of headers of one name the last counts. */
static evpipe_err put_extensions(evpipe__buffer *out, const evpipe_delivery *event)
{
	evpipe_err err = EVPIPE_OK;
	for (size_t i = 0; i < event->headers_count && !err; i++) {
		const evpipe_header *header = &event->headers[i];
		if (header->value && is_legal_name(header->name) && is_legal_value(header) && !comes_again(event, i))
			err = put_attribute(out, header->name, header->value, header->value_len);
	}
	return err;
}

static evpipe_err put_data(evpipe__body *body, const evpipe_delivery *event)
{
	evpipe__buffer *out = body->out;
	evpipe__json    json;

	if (!event->data)
		return EVPIPE_OK; /* a tombstone that is to be delivered */
	if (says_json(event->content_type) && evpipe__json_scan(&json, event->data, event->data_len, body->options->id_member)) {
		evpipe_err err = evpipe__buffer_append_text(out, ",\"data\":");
		return err ? err : evpipe__body_put_json(body, event, &json);
	}
	evpipe_err err = evpipe__buffer_append_text(out, ",\"data_base64\":\"");
	if (!err)
		err = evpipe__base64_put(out, event->data, event->data_len);
	return err ? err : evpipe__buffer_append(out, "\"", 1);
}

static evpipe_err put_event(evpipe__body *body, size_t index)
{
	const evpipe_delivery *event = body->batch->events[index];
	evpipe__buffer        *out = body->out;
	char                   time[32];

	const struct {
		const char *name, *value;
	} attributes[] = {
		{"id", event->id},
		{"source", body->options->source},
		{"type", event->type},
		{"time", time},
		{"datacontenttype", event->content_type},
	};
	evpipe__rfc3339(event->time_ms, time);
	evpipe_err err = evpipe__buffer_append_text(out, index ? ",{\"specversion\":\"1.0\"" : "[{\"specversion\":\"1.0\"");
	for (size_t i = 0; i < sizeof attributes / sizeof *attributes && !err; i++)
		err = put_attribute(out, attributes[i].name, attributes[i].value, strlen(attributes[i].value));
	if (!err)
		err = put_extensions(out, event);
	if (!err)
		err = put_data(body, event);
	return err ? err : evpipe__buffer_append(out, "}", 1);
}

static evpipe_err build(evpipe__body *body)
{
	evpipe_err err = evpipe__buffer_reserve(body->out, body->batch->bytes + body->batch->count * ATTRIBUTES_ROOM);
	for (size_t i = 0; i < body->batch->count && !err; i++)
		err = put_event(body, i);
	return err ? err : evpipe__buffer_append(body->out, "]", 1);
}

const evpipe__format evpipe__format_cloudevents = {
	.name = "cloudevents", .content_type = "application/cloudevents-batch+json", .build = build};
