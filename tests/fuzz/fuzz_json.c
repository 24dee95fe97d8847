/*
 * JSON, looked at by sinks/json.c, against jansson: is it valid, has it a member `id`, is it the same without its
 * blanks, is a body of it what it should be.
 */
#include "fuzz.h"

#include <jansson.h>

#include "formats/formats.h"
#include "json.h"
#include "text.h"

#define MEMBER   "id"
#define BODY_MAX (1 << 20)

static json_t *parse(const char *text, size_t len)
{
	return json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

/* What jansson refuses and RFC 8259 does not: numbers it cannot keep, half a surrogate pair, a name that holds a NUL. */
static int is_beyond_jansson(const char *text, size_t len)
{
	size_t digits = 0;
	for (size_t i = 0; i < len; i++) {
		digits = text[i] >= '0' && text[i] <= '9' ? digits + 1 : 0;
		if (digits > 17 || text[i] == 'e' || text[i] == 'E' || (text[i] == '\\' && i + 1 < len && text[i + 1] == 'u'))
			return 1;
	}
	return 0;
}

static void check_member(const char *text, const evpipe__json *json, const json_t *member)
{
	char   name[256];
	size_t len;

	MUST(!json->members == !member);
	if (!member)
		return;
	len = evpipe__json_text(name, sizeof name - 1, text + json->member);
	int is_name = json_is_string(member) && json_string_length(member) < sizeof name &&
	              strlen(json_string_value(member)) == json_string_length(member);
	MUST(len == (is_name ? json_string_length(member) : 0));
	MUST(!len || strcmp(name, json_string_value(member)) == 0);
}

static void check_scan(const char *text, size_t len, const evpipe__json *json, int valid, const json_t *value)
{
	if (valid)
		MUST(value || is_beyond_jansson(text, len));
	else
		MUST(json->problem && json->at <= len);
	/* jansson takes a NUL for the end. */
	if (!valid && value)
		MUST(strcmp(json->problem, "deeper nesting than 256") == 0 || memchr(text, '\0', len));
	if (!valid || !value)
		return;
	MUST(json->is_object == json_is_object(value));
	check_member(text, json, json_object_get(value, MEMBER));
	if (json->is_object)
		MUST(json->is_empty == (json_object_size(value) == 0));
}

static void check_compact(const char *text, size_t len, const json_t *value)
{
	char *copy = malloc(len + 1);
	MUST(copy);
	memcpy(copy, text, len);
	size_t shorter = evpipe__json_compact(copy, len);
	MUST(shorter <= len && !memchr(copy, '\n', shorter));
	MUST(evpipe__json_compact(copy, shorter) == shorter);
	if (value) {
		json_t *again = parse(copy, shorter);
		MUST(again && json_equal(again, value));
		json_decref(again);
	}
	free(copy);
}

/* A body of this payload and a plain one. With each format it is JSON, and says what the payload says. */
static void check_body(const evpipe__format *format, const char *text, size_t len, int valid, const json_t *value)
{
	evpipe_delivery        events[2] = {{.id = "ev-\"1\"", .type = "step", .content_type = "application/json", .data = text, .data_len = len},
	                                    {.id = "ev-2", .type = "step", .content_type = "application/json", .data = "{}", .data_len = 2}};
	const evpipe_delivery *list[2] = {&events[0], &events[1]};
	evpipe_batch           batch = {.destination = "ACME", .events = list, .count = 2, .bytes = len + 2};
	evpipe__format_options options = {.id_member = MEMBER, .source = "fuzz"};
	evpipe_verdict         each[2];
	evpipe__buffer         out;
	evpipe__body           body = {.format = format->name, .out = &out, .batch = &batch, .options = &options, .each = each};

	evpipe__buffer_init(&out, BODY_MAX);
	MUST(format->build(&body) == EVPIPE_OK);
	if (body.misfits) {
		MUST(format != &evpipe__format_cloudevents && !valid && body.misfits == 1);
		MUST(each[0] == EVPIPE_VERDICT_FORMAT && each[1] == EVPIPE_VERDICT_RETRY);
		fuzz_must_be_a_line(body.why, sizeof body.why);
	} else if (format == &evpipe__format_ndjson) {
		const char *newline = memchr(out.data, '\n', out.len);
		MUST(valid && newline && newline + 1 < out.data + out.len);
		json_t *line = parse(out.data, (size_t)(newline - out.data));
		MUST(!value || (line && json_is_object(line) == json_is_object(value)));
		MUST(!json_is_object(line) || json_object_get(line, MEMBER));
		json_decref(line);
	} else {
		json_t *all = parse(out.data, out.len);
		MUST(all || (valid && !value));
		MUST(!all || json_array_size(all) == 2);
		json_decref(all);
	}
	evpipe__buffer_release(&out);
}

/* Any bytes, as a string. */
static void check_string(const char *text, size_t len)
{
	evpipe__buffer out;
	evpipe__json   json;
	int            is_utf8 = 1;

	for (size_t at = 0, length; at < len && is_utf8; at += length) {
		length = evpipe__utf8_length(text + at, len - at);
		is_utf8 = length > 0;
	}
	evpipe__buffer_init(&out, BODY_MAX);
	MUST(evpipe__json_put_string(&out, text, len) == EVPIPE_OK);
	MUST(evpipe__json_scan(&json, out.data, out.len, NULL));
	json_t *string = parse(out.data, out.len);
	MUST(json_is_string(string));
	if (is_utf8)
		MUST(json_string_length(string) == len && memcmp(json_string_value(string), text, len) == 0);
	json_decref(string);
	evpipe__buffer_clear(&out);
	MUST(evpipe__base64_put(&out, text, len) == EVPIPE_OK && out.len == (len + 2) / 3 * 4);
	evpipe__buffer_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char  *text = size ? (const char *)data : "";
	evpipe__json json;

	if (size > BODY_MAX / 16)
		return 0;
	int     valid = evpipe__json_scan(&json, text, size, MEMBER);
	json_t *value = parse(text, size);
	check_scan(text, size, &json, valid, value);
	if (valid)
		check_compact(text, size, value);
	check_body(&evpipe__format_ndjson, text, size, valid, value);
	check_body(&evpipe__format_json, text, size, valid, value);
	check_body(&evpipe__format_cloudevents, text, size, valid, value);
	check_string(text, size);
	json_decref(value);
	return 0;
}
