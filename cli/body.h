/*
 * body.h: the events in the body of a request: newline-delimited JSON, a JSON array, a CloudEvents batch; gzip or not.
 */
#ifndef EVPIPE_CLI_BODY_H
#define EVPIPE_CLI_BODY_H

#include "scan.h"

/* What there is of an event in a body. */
struct received_event {
	struct slice payload; /* the event's own JSON */
	struct slice id;      /* .data NULL: none */
};

/* Kept from body to body, so that its memory is. Zeroed before the first. */
struct body {
	struct received_event *events;
	size_t                 events_count, events_room;
	char                  *plain; /* decompressed */
	size_t                 plain_room;
	char                  *scratch; /* decoded ids */
	size_t                 scratch_room, scratch_len;
	size_t                 size; /* of the body, decompressed */
};

struct body_request {
	const char *data;
	size_t      len;
	const char *content_type;     /* may be NULL */
	const char *content_encoding; /* may be NULL */
	const char *id_path;          /* of the id, in the payload */
	size_t      size_max;         /* decompressed */
};

/*
 * Events and ids point into the request or into the body. 0; else the HTTP status that says what is wrong, and
 * *problem, static: 400, 413, 415 or 503 (no memory).
 */
int  body_read(struct body *body, const struct body_request *request, const char **problem);
void body_release(struct body *body);

#endif
