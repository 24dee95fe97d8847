/*
 * formats.h: what the body of a post looks like. A format makes a body of a batch and, where the answer speaks of each
 * item, reads it.
 */
#ifndef EVPIPE_FORMATS_H
#define EVPIPE_FORMATS_H

#include <evpipe-sink.h>

#include "buffer.h"

/* What a destination wants to be in a body. Borrowed texts. */
typedef struct evpipe__format_options {
	const char *id_member; /* put the event's id under this name into objects that lack it; NULL: leave them as they are */
	const char *source;    /* where the events come from, for CloudEvents */
} evpipe__format_options;

/* A body while it is made. */
typedef struct evpipe__body {
	const char                   *format; /* its name */
	evpipe__buffer               *out;
	const evpipe_batch           *batch;
	const evpipe__format_options *options;
	evpipe_verdict               *each; /* room for one an event; set for events that don't fit, see evpipe__body_misfit */
	size_t                        misfits;
	char                          why[256]; /* the first of them */
} evpipe__body;

/* Operations of a format. No state: all of it is in the arguments. */
typedef struct evpipe__format {
	const char *name;
	const char *content_type;

	/*
	 * Append the body. An event that cannot be put into it is told by evpipe__body_misfit and left out; the others
	 * are still looked at, but what is then in the body does not matter: it is not posted. ETOOLARGE, ENOMEM.
	 */
	evpipe_err (*build)(evpipe__body *body);

	/*
	 * Optional, for APIs whose answer speaks of each item. Read the whole body of a 2xx answer into a verdict for
	 * each event, one of the first three. EFORMAT: it is not what it should be, so nobody knows what was stored.
	 */
	evpipe_err (*read_answer)(const evpipe_batch *batch, const void *answer, size_t len, evpipe_verdict *each);
} evpipe__format;

extern const evpipe__format evpipe__format_ndjson;
extern const evpipe__format evpipe__format_json;
extern const evpipe__format evpipe__format_cloudevents;

/* By its name, as in sink.format; NULL: there is none. */
const evpipe__format *evpipe__format_find(const char *name);

/* Event `index` does not fit, `at` is where in its payload. */
void evpipe__body_misfit(evpipe__body *body, size_t index, const char *why, size_t at);

/* Append valid JSON, with the id where options want it and the object lacks it. ETOOLARGE, ENOMEM. */
struct evpipe__json;
evpipe_err evpipe__body_put_json(evpipe__body *body, const evpipe_delivery *event, const struct evpipe__json *json);

#endif
