/*
 * event.h: an event in a worker, from its record until it is settled: one piece of memory with all it needs.
 */
#ifndef EVPIPE_EVENT_H
#define EVPIPE_EVENT_H

#include <evpipe-sink.h>
#include <evpipe-transport.h>
#include <sys/queue.h>

#include "envelope.h"
#include "pieces.h"

struct evpipe__destination;

/* The longest id and its NUL: an envelope's has at most 255 bytes, one made of topic, partition and offset at most 282. */
#define EVPIPE__EVENT_ID_SIZE 320

typedef struct evpipe__event {
	evpipe_delivery delivery; /* first, so that what a sink sees is the event itself */
	TAILQ_ENTRY(evpipe__event) link;
	struct evpipe__destination *destination; /* NULL: on its way to the dead letters without one */
	evpipe_assignment           assignment;  /* the record to settle */
	int64_t                     offset;
	evpipe__piece              *piece; /* its memory is from */
	uint32_t                    size; /* bytes it holds */
	uint32_t                    hash; /* of the key, to choose a lane by */
	int64_t                     arrived_ms; /* monotonic */

	/* As its envelope says, or as it will say. */
	uint32_t    parks;
	int64_t     first_ms;
	const char *origin_topic; /* NULL: the record's own, see origin_partition and origin_offset */
	int32_t     origin_partition;
	int64_t     origin_offset;
	int         status;
	const char *error; /* its own, or the note's; NULL: none */
	struct evpipe__note *note;

	/* Where it is being handed over to: router.c. */
	int16_t       target;
	uint8_t       parked;
	uint8_t       is_leaving;
	evpipe_reason reason;
} evpipe__event;

TAILQ_HEAD(evpipe__event_list, evpipe__event);

/*
 * Events that wait are out of the cache by the time their turn comes, and each by itself would be waited for. Who goes
 * through many has the head of one some places on come meanwhile.
 */
#define EVPIPE__AHEAD 12
static inline void evpipe__event_prefetch(const evpipe__event *event)
{
	__builtin_prefetch(event, 1);
	__builtin_prefetch((const char *)event + 64, 1);
	__builtin_prefetch((const char *)event + 128, 1);
}

/*
 * A copy of a record, in the memory of those it will be posted with. The envelope gives destination (not kept here),
 * id, type, and history; absent ones are filled from the defaults, an absent id from topic, partition and offset.
 * `default_type` must outlive it. ENOMEM.
 */
evpipe_err evpipe__event_new(evpipe__event **out, evpipe__pieces *pieces, evpipe__piece **open, const evpipe_record *record,
                             const evpipe__envelope *envelope, const char *default_type);
void       evpipe__event_free(evpipe__event *event, evpipe__pieces *pieces);
void       evpipe__event_free_list(struct evpipe__event_list *list, evpipe__pieces *pieces);

/* Why a post failed: one text for all events of its batch. */
typedef struct evpipe__note {
	size_t refs;
	char   text[];
} evpipe__note;

/* A copy, cut at EVPIPE__ENVELOPE_ERROR_MAX, with one reference. NULL for no text or "", and when memory is short: that costs the text alone. */
evpipe__note *evpipe__note_new(const char *text);
void          evpipe__note_release(evpipe__note *note);

/* The last post failed. Takes a reference of its own; note may be NULL. */
void evpipe__event_failed(evpipe__event *event, int status, evpipe__note *note);

#endif
