#include "batch.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "bug.h"
#include "memory.h"

/* Room for so many to begin with: many destinations never have more at a time. */
#define CAPACITY_MIN 8

evpipe_err evpipe__batch_new(evpipe__batch **out, const char *destination)
{
	evpipe__batch *batch = evpipe__calloc(1, sizeof *batch);
	if (!batch)
		return EVPIPE_ENOMEM;
	batch->public.destination = destination;
	evpipe__batch_restart(batch);
	*out = batch;
	return EVPIPE_OK;
}

static evpipe_err reserve(evpipe__batch *batch, size_t capacity)
{
	evpipe__event **events = evpipe__realloc(batch->events, capacity * sizeof *events);
	if (!events)
		return EVPIPE_ENOMEM;
	batch->events = events;
	batch->capacity = capacity;
	/* The delivery is the event's first member, so the two arrays are one. */
	batch->public.events = (const evpipe_delivery *const *)(const void *)events;
	return EVPIPE_OK;
}

evpipe_err evpipe__batch_make_room(evpipe__batch *batch)
{
	if (batch->public.count < batch->capacity)
		return EVPIPE_OK;
	return reserve(batch, batch->capacity ? 2 * batch->capacity : CAPACITY_MIN);
}

void evpipe__batch_free(evpipe__batch *batch)
{
	if (!batch)
		return;
	if (batch->bisection && --batch->bisection->parts == 0)
		evpipe__free(batch->bisection);
	evpipe__free(batch->events);
	evpipe__free(batch);
}

void evpipe__batch_free_list(struct evpipe__batch_list *list, evpipe__pieces *pieces)
{
	evpipe__batch *batch;
	while ((batch = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, batch, link);
		for (size_t i = 0; i < batch->public.count; i++)
			evpipe__event_free(batch->events[i], pieces);
		evpipe__batch_free(batch);
	}
}

/* ---- in and out ---- */

static void chain(uint64_t digest[2], const void *bytes, size_t len)
{
	char link[2 * sizeof digest[0] + EVPIPE__EVENT_ID_SIZE];
	memcpy(link, digest, 2 * sizeof digest[0]);
	memcpy(link + 2 * sizeof digest[0], bytes, len);
	XXH128_hash_t hash = XXH3_128bits(link, 2 * sizeof digest[0] + len);
	digest[0] = hash.high64;
	digest[1] = hash.low64;
}

void evpipe__batch_restart(evpipe__batch *batch)
{
	XXH128_hash_t hash = XXH3_128bits(batch->public.destination, strlen(batch->public.destination));
	batch->digest[0] = hash.high64;
	batch->digest[1] = hash.low64;
	batch->public.count = batch->public.bytes = 0;
}

void evpipe__batch_add(evpipe__batch *batch, evpipe__event *event)
{
	if (!batch->public.count)
		batch->since_ms = event->arrived_ms;
	batch->events[batch->public.count++] = event;
	batch->public.bytes += event->delivery.data_len;
	if (!evpipe__bug(SAME_KEY) || batch->public.count == 1)
		chain(batch->digest, event->delivery.id, strlen(event->delivery.id));
}

/* The events from `first` on, of which there is at least one, in a batch of their own. */
static evpipe_err move_rest(evpipe__batch *batch, size_t first, evpipe__batch **out)
{
	size_t         count = batch->public.count;
	evpipe__batch *rest;
	evpipe_err     err = evpipe__batch_new(&rest, batch->public.destination);
	if (err)
		return err;
	err = reserve(rest, count - first);
	if (err) {
		evpipe__batch_free(rest);
		return err;
	}
	rest->lane = batch->lane;
	rest->losses_seen = batch->losses_seen;
	evpipe__batch_restart(batch);
	for (size_t i = 0; i < count; i++)
		evpipe__batch_add(i < first ? batch : rest, batch->events[i]);
	*out = rest;
	return EVPIPE_OK;
}

evpipe_err evpipe__batch_split(evpipe__batch *batch, evpipe__batch **second)
{
	struct evpipe__bisection *bisection = batch->bisection;

	assert(batch->public.count > 1);
	if (!bisection) {
		bisection = evpipe__calloc(1, sizeof *bisection);
		if (!bisection)
			return EVPIPE_ENOMEM;
		bisection->parts = 1;
		batch->bisection = bisection;
	}
	evpipe_err err = move_rest(batch, (batch->public.count + 1) / 2, second);
	if (err)
		return err;
	(*second)->bisection = bisection;
	bisection->parts++;
	batch->quick_retries = batch->definite_failures = 0;
	return EVPIPE_OK;
}

evpipe_err evpipe__batch_cut(evpipe__batch *batch, size_t bytes_max, evpipe__batch **rest)
{
	size_t first = 0, bytes = 0;

	*rest = NULL;
	if (batch->public.bytes <= bytes_max)
		return EVPIPE_OK;
	for (; first < batch->public.count; first++) {
		bytes += batch->events[first]->delivery.data_len;
		if (first && bytes > bytes_max)
			break;
	}
	return first < batch->public.count ? move_rest(batch, first, rest) : EVPIPE_OK;
}

void evpipe__batch_filter(evpipe__batch *batch, const unsigned char *keep)
{
	size_t count = batch->public.count;
	evpipe__batch_restart(batch);
	for (size_t i = 0; i < count; i++)
		if (keep[i])
			evpipe__batch_add(batch, batch->events[i]);
}

void evpipe__batch_seal(evpipe__batch *batch)
{
	uint64_t digest[2] = {batch->digest[0], batch->digest[1]};
	/* Tiers count, too: each was entered after a failure. */
	uint64_t failures = batch->definite_failures + ((uint64_t)batch->events[0]->delivery.attempt << 32);
	if (failures)
		chain(digest, &failures, sizeof failures);
	snprintf(batch->public.idempotency_key, sizeof batch->public.idempotency_key, "%016llx%016llx",
	         (unsigned long long)digest[0], (unsigned long long)digest[1]);
}
