/*
 * A line of JSON an event. A line must hold no line break, and must look like JSON at both ends; whether it is valid
 * inside is left to the receiver, who reads each line by itself, since reading every byte of every payload would cost
 * more than all the rest. Only a payload with line breaks is read, and loses its blanks, or one that gets its id.
 */
#include <string.h>

#include "formats.h"
#include "json.h"

/* Events that have waited are out of the cache: each is asked for before its payload, and that before its turn. */
#define EVENT_AHEAD 16
#define PAYLOAD_AHEAD 6
#define PREFETCH_MAX 512

static void look_ahead(const evpipe_batch *batch, size_t index)
{
	if (index + EVENT_AHEAD < batch->count)
		__builtin_prefetch(&batch->events[index + EVENT_AHEAD]->data);
	if (index + PAYLOAD_AHEAD >= batch->count)
		return;
	const evpipe_delivery *event = batch->events[index + PAYLOAD_AHEAD];
	for (size_t at = 0; at < event->data_len && at < PREFETCH_MAX; at += 64)
		__builtin_prefetch((const char *)event->data + at);
	/* The last byte, which is looked at first, may lie in a line of its own. */
	if (event->data_len)
		__builtin_prefetch((const char *)event->data + event->data_len - 1);
}

static int is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The first and the last byte belong together. */
static int looks_like_json(const char *data, size_t len)
{
	static const char word_ends[] = "el"; /* true, false, null */
	while (len && is_blank(*data))
		data++, len--;
	if (!len)
		return 0;
	char last = data[len - 1];
	switch (*data) {
	case '{':
		return last == '}';
	case '[':
		return last == ']';
	case '"':
		return last == '"' && len > 1;
	case 't':
	case 'f':
	case 'n':
		return len <= 5 && memchr(word_ends, last, 2);
	default:
		return (*data == '-' || (*data >= '0' && *data <= '9')) && last >= '0' && last <= '9';
	}
}

static evpipe_err put_plain(evpipe__buffer *out, const char *data, size_t len)
{
	evpipe_err err = evpipe__buffer_reserve(out, len + 1);
	if (err)
		return err;
	memcpy(out->data + out->len, data, len);
	out->data[out->len + len] = '\n';
	out->len += len + 1;
	out->data[out->len] = '\0';
	return EVPIPE_OK;
}

/* One that has to be read. */
static evpipe_err put_read(evpipe__body *body, size_t index)
{
	const evpipe_delivery *event = body->batch->events[index];
	evpipe__buffer        *out = body->out;
	size_t                 before = out->len;
	evpipe__json           json;

	if (!evpipe__json_scan(&json, event->data, event->data_len, body->options->id_member)) {
		evpipe__body_misfit(body, index, json.problem, json.at);
		return EVPIPE_OK;
	}
	evpipe_err err = evpipe__body_put_json(body, event, &json);
	if (err)
		return err;
	if (memchr(out->data + before, '\n', out->len - before))
		out->len = before + evpipe__json_compact(out->data + before, out->len - before);
	return evpipe__buffer_append(out, "\n", 1); /* and the NUL that belongs behind */
}

static evpipe_err put_line(evpipe__body *body, size_t index)
{
	const evpipe_delivery *event = body->batch->events[index];
	const char            *data = event->data;
	size_t                 len = event->data_len;

	if (!data)
		return put_plain(body->out, "null", 4); /* a tombstone that is to be delivered */
	while (len && is_blank(data[len - 1]))
		len--;
	if (body->options->id_member || memchr(data, '\n', len))
		return put_read(body, index);
	if (looks_like_json(data, len))
		return put_plain(body->out, data, len);
	evpipe__body_misfit(body, index, len ? "something that is not JSON" : "an empty payload", 0);
	return EVPIPE_OK;
}

static evpipe_err build(evpipe__body *body)
{
	evpipe_err err = evpipe__buffer_reserve(body->out, body->batch->bytes + body->batch->count);
	for (size_t i = 0; i < body->batch->count && !err; i++) {
		look_ahead(body->batch, i);
		err = put_line(body, i);
	}
	return err;
}

const evpipe__format evpipe__format_ndjson = {.name = "ndjson", .content_type = "application/x-ndjson", .build = build};
