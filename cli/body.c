#include "body.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#define EVENTS_MAX 1000000 /* in one body */

static int make_room(void *memory, size_t *room, size_t needed, size_t size)
{
	void **at = memory;
	if (needed <= *room)
		return 0;
	size_t wanted = needed > 2 * *room ? needed : 2 * *room;
	void  *more = realloc(*at, wanted * size);
	if (!more)
		return -1;
	*at = more;
	*room = wanted;
	return 0;
}

/* ---- gzip ---- */

#define PLAIN_MIN (64 * 1024)

static int inflate_all(struct body *body, z_stream *stream, size_t size_max, const char **problem)
{
	int result = Z_OK;
	while (result != Z_STREAM_END) {
		if (body->size > size_max) {
			*problem = "the body is too large";
			return 413;
		}
		size_t wanted = body->size + PLAIN_MIN;
		if (make_room(&body->plain, &body->plain_room, wanted, 1) != 0) {
			*problem = "no memory";
			return 503;
		}
		stream->next_out = (unsigned char *)body->plain + body->size;
		stream->avail_out = (unsigned)(body->plain_room - body->size);
		result = inflate(stream, Z_NO_FLUSH);
		body->size = (size_t)((char *)stream->next_out - body->plain);
		if (result != Z_OK && result != Z_STREAM_END) {
			*problem = "the body is not in gzip format, or is cut off";
			return 400;
		}
	}
	return 0;
}

static int inflate_body(struct body *body, const struct body_request *request, const char **problem)
{
	z_stream stream = {.next_in = (unsigned char *)(uintptr_t)request->data, .avail_in = (unsigned)request->len};
	body->size = 0;
	if (inflateInit2(&stream, 15 + 32) != Z_OK) {
		*problem = "no memory";
		return 503;
	}
	int status = inflate_all(body, &stream, request->size_max, problem);
	inflateEnd(&stream);
	return status;
}

/* ---- events ---- */

static int add_event(struct body *body, struct slice payload, struct slice raw_id)
{
	if (body->events_count == EVENTS_MAX ||
	    make_room(&body->events, &body->events_room, body->events_count + 1, sizeof *body->events) != 0)
		return -1;
	/* Room for as many bytes as the body has was made: what is decoded is never longer. */
	struct slice id = scan_text(raw_id, body->scratch ? body->scratch + body->scratch_len : NULL);
	if (body->scratch && id.data == body->scratch + body->scratch_len)
		body->scratch_len += id.len;
	body->events[body->events_count++] = (struct received_event){.payload = payload, .id = id};
	return 0;
}

static int read_lines(struct body *body, struct slice text, const char *id_path, const char **problem)
{
	const char *at = text.data, *end = text.data + text.len;
	while ((at = scan_space(at, end)) < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *line_end = newline ? newline : end;
		while (line_end > at && (line_end[-1] == '\r' || line_end[-1] == ' ' || line_end[-1] == '\t'))
			line_end--;
		struct slice line = {at, (size_t)(line_end - at)};
		if (*at != '{' || line_end[-1] != '}') {
			*problem = "a line is not a JSON object";
			return 400;
		}
		if (add_event(body, line, scan_member(line, id_path)) != 0) {
			*problem = "too many events";
			return 413;
		}
		at = newline ? newline + 1 : end;
	}
	return 0;
}

static int read_array(struct body *body, struct slice text, const char *id_path, int cloudevents, const char **problem)
{
	const char *at = scan_space(text.data, text.data + text.len), *end = text.data + text.len;

	*problem = "the body is not a JSON array of objects";
	at = scan_space(at + 1, end);
	if (at < end && *at == ']')
		return scan_space(at + 1, end) == end ? 0 : 400;
	for (;;) {
		const char *begin = at;
		at = begin < end && *begin == '{' ? scan_value(begin, end) : NULL;
		if (!at)
			return 400;
		struct slice element = {begin, (size_t)(at - begin)};
		struct slice id = scan_member(element, cloudevents ? "id" : id_path);
		if (add_event(body, cloudevents ? scan_member(element, "data") : element, id) != 0) {
			*problem = "too many events";
			return 413;
		}
		at = scan_space(at, end);
		if (at == end || (*at != ',' && *at != ']'))
			return 400;
		if (*at++ == ']')
			return scan_space(at, end) == end ? 0 : 400;
		at = scan_space(at, end);
	}
}

static int read_events(struct body *body, struct slice text, const struct body_request *request, const char **problem)
{
	const char *type = request->content_type ? request->content_type : "";
	const char *begin = scan_space(text.data, text.data + text.len);
	int         cloudevents = strncasecmp(type, "application/cloudevents-batch+json", 34) == 0;

	body->events_count = 0;
	body->scratch_len = 0;
	if (memchr(text.data, '\\', text.len) && make_room(&body->scratch, &body->scratch_room, text.len, 1) != 0) {
		*problem = "no memory";
		return 503;
	}
	if (begin < text.data + text.len && *begin == '[')
		return read_array(body, text, request->id_path, cloudevents, problem);
	return read_lines(body, text, request->id_path, problem);
}

int body_read(struct body *body, const struct body_request *request, const char **problem)
{
	const char  *encoding = request->content_encoding;
	struct slice text = {request->data, request->len};

	body->events_count = 0;
	body->size = request->len;
	if (encoding && *encoding && strcasecmp(encoding, "identity") != 0) {
		if (strcasecmp(encoding, "gzip") != 0) {
			*problem = "Content-Encoding is neither gzip nor identity";
			return 415;
		}
		int status = inflate_body(body, request, problem);
		if (status)
			return status;
		text = (struct slice){body->plain, body->size};
	}
	if (text.len > request->size_max) {
		*problem = "the body is too large";
		return 413;
	}
	return text.len ? read_events(body, text, request, problem) : 0;
}

void body_release(struct body *body)
{
	free(body->events);
	free(body->plain);
	free(body->scratch);
	*body = (struct body){0};
}
