/*
 * batch.h: events of one destination that are posted together, and the halves they are split into.
 */
#ifndef EVPIPE_BATCH_H
#define EVPIPE_BATCH_H

#include "event.h"
#include "timers.h"

struct evpipe__lane;

typedef struct evpipe__batch {
	evpipe_batch public; /* first, so that what a sink answers is the batch itself */
	evpipe__event      **events; /* the same array as public.events */
	struct evpipe__lane *lane;
	TAILQ_ENTRY(evpipe__batch) link; /* in its lane, of those to post before anything pending, or of those in flight */
	int64_t  not_before_ms;  /* monotonic */
	uint32_t quick_retries;  /* done */
	uint32_t definite_failures; /* answers that said for certain that nothing was stored */
	/* Of the batch it was split from first: refusals in a row before any part was delivered, shared by all parts. */
	struct evpipe__bisection *bisection;
} evpipe__batch;

TAILQ_HEAD(evpipe__batch_list, evpipe__batch);

/* What is known about a batch that is being bisected; counted by its parts. */
struct evpipe__bisection {
	size_t   parts;
	uint32_t refusals;
	int      delivered; /* some part of it was */
};

/* Room for `count` events, none in it. ENOMEM. */
evpipe_err evpipe__batch_new(evpipe__batch **out, const char *destination, size_t count);
/* The events are not the batch's. */
void evpipe__batch_free(evpipe__batch *batch);
/* All batches of a list, and their events. */
void evpipe__batch_free_list(struct evpipe__batch_list *list);

void evpipe__batch_add(evpipe__batch *batch, evpipe__event *event);

/*
 * Make the last half of a batch of at least two into one of its own; the first half stays. ENOMEM.
 */
evpipe_err evpipe__batch_split(evpipe__batch *batch, evpipe__batch **second);

/* Keep only the events for which keep[i] is not 0, in order. */
void evpipe__batch_filter(evpipe__batch *batch, const unsigned char *keep);

/*
 * Set the idempotency key: the 128-bit XXH3 hash of destination, ids in order, and the number of definite failures, if any.
 */
void evpipe__batch_seal(evpipe__batch *batch);

#endif
