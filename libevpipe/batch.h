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
	size_t               capacity; /* of that */
	uint64_t             digest[2]; /* of destination and ids so far, while they are in the cache */
	struct evpipe__lane *lane;
	TAILQ_ENTRY(evpipe__batch) link; /* in its lane, pending or to post before that, or of those in flight */
	int64_t  since_ms;       /* monotonic: when its first event arrived */
	uint64_t losses_seen;    /* partitions that had been taken from us when its events were last looked through */
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

/* Without events, and without room for any. ENOMEM. */
evpipe_err evpipe__batch_new(evpipe__batch **out, const char *destination);
/* The events are not the batch's. */
void evpipe__batch_free(evpipe__batch *batch);
/* All batches of a list, and their events. */
void evpipe__batch_free_list(struct evpipe__batch_list *list, evpipe__pieces *pieces);

/* Have room for one more. ENOMEM. */
evpipe_err evpipe__batch_make_room(evpipe__batch *batch);
/* There is room. */
void evpipe__batch_add(evpipe__batch *batch, evpipe__event *event);
/* Begin again without events; those that were there, and still are in `events`, may be added again in order. */
void evpipe__batch_restart(evpipe__batch *batch);

/*
 * Make the last half of a batch of at least two into one of its own; the first half stays. ENOMEM.
 */
evpipe_err evpipe__batch_split(evpipe__batch *batch, evpipe__batch **second);
/*
 * The same with what has no room in so many bytes, of which the first event counts in any case. Neither part was
 * posted. *rest is NULL if all has room. ENOMEM.
 */
evpipe_err evpipe__batch_cut(evpipe__batch *batch, size_t bytes_max, evpipe__batch **rest);

/* Keep only the events for which keep[i] is not 0, in order. */
void evpipe__batch_filter(evpipe__batch *batch, const unsigned char *keep);

/*
 * Set the idempotency key: a chain of 128-bit XXH3 hashes, of the destination, then each of the one before and the next
 * id, then, if there were any, of the number of definite failures and the tiers come through.
 */
void evpipe__batch_seal(evpipe__batch *batch);

#endif
