/*
 * envelope.h: what libevpipe says about an event beside its payload: in one header `evpipe` of readable text
 *
 *     1 destination=ACME id=5f2c-1a type=chat.step
 *
 * with time=1767225600000 when the event's own time is not the record's timestamp; on retries and dead letters, with
 * one set of fields that is replaced each time, never appended to:
 *
 *     attempt=2 parks=0 queued=1767225600000 delay=60000 first=1767225540000 status=503 error=... topic=... partition=3 offset=17
 *     reason=exhausted
 *
 * A field is name=value, separated by spaces; bytes up to the space, `%`, DEL are written as %XX. Unknown fields are
 * passed over.
 */
#ifndef EVPIPE_ENVELOPE_H
#define EVPIPE_ENVELOPE_H

#include <evpipe-transport.h>

#include "buffer.h"

#define EVPIPE__ENVELOPE_HEADER "evpipe"
#define EVPIPE__ENVELOPE_MAX 8192    /* bytes of the header's value */
#define EVPIPE__ENVELOPE_TEXT_MAX 255 /* bytes of each other text */
#define EVPIPE__ENVELOPE_ERROR_MAX 1024 /* bytes of error text that go on */

/* Texts are NULL where the field is absent; numbers are 0, origin_partition and origin_offset -1. */
typedef struct evpipe__envelope {
	const char *destination;
	const char *id;
	const char *type;
	const char *content_type;
	int64_t     time_ms;     /* the event's own; 0: the record's timestamp is */
	/* on retries */
	uint32_t    attempt;     /* tiers the event has gone through after a failed post */
	uint32_t    parks;       /* tiers it has gone through without one */
	int64_t     queued_ms;   /* wall clock when it was handed to the tier */
	int64_t     delay_ms;    /* how long after that it is due */
	int64_t     first_ms;    /* wall clock when it first came to a worker that could not deliver it */
	int         status;      /* of the last failure */
	const char *error;
	const char *origin_topic;
	int32_t     origin_partition;
	int64_t     origin_offset;
	const char *reason;      /* on dead letters */
} evpipe__envelope;

void evpipe__envelope_init(evpipe__envelope *envelope);

/* Append the header's value. ETOOLARGE, ENOMEM. */
evpipe_err evpipe__envelope_write(const evpipe__envelope *envelope, evpipe__buffer *out);

/*
 * Read a header's value. Texts point into `scratch`, which must have room for len + 1 bytes and is written over.
 * EFORMAT: not a header of ours (another version, no destination, a bad number or escape, a text longer than we write).
 */
evpipe_err evpipe__envelope_read(evpipe__envelope *envelope, const void *value, size_t len, char *scratch);

#endif
