#include "batch.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "memory.h"

evpipe_err evpipe__batch_new(evpipe__batch **out, const char *destination, size_t count)
{
	evpipe__batch *batch = evpipe__calloc(1, sizeof *batch);
	if (!batch)
		return EVPIPE_ENOMEM;
	batch->events = evpipe__malloc(count * sizeof *batch->events);
	if (!batch->events) {
		evpipe__free(batch);
		return EVPIPE_ENOMEM;
	}
	batch->public.destination = destination;
	/* The delivery is the event's first member, so the two arrays are one. */
	batch->public.events = (const evpipe_delivery *const *)(const void *)batch->events;
	*out = batch;
	return EVPIPE_OK;
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

void evpipe__batch_free_list(struct evpipe__batch_list *list)
{
	evpipe__batch *batch;
	while ((batch = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, batch, link);
		for (size_t i = 0; i < batch->public.count; i++)
			evpipe__event_free(batch->events[i]);
		evpipe__batch_free(batch);
	}
}

void evpipe__batch_add(evpipe__batch *batch, evpipe__event *event)
{
	batch->events[batch->public.count++] = event;
	batch->public.bytes += event->delivery.data_len;
}

static evpipe_err share_bisection(evpipe__batch *batch, evpipe__batch *half)
{
	if (!batch->bisection) {
		batch->bisection = evpipe__calloc(1, sizeof *batch->bisection);
		if (!batch->bisection)
			return EVPIPE_ENOMEM;
		batch->bisection->parts = 1;
	}
	half->bisection = batch->bisection;
	half->bisection->parts++;
	return EVPIPE_OK;
}

evpipe_err evpipe__batch_split(evpipe__batch *batch, evpipe__batch **second)
{
	size_t         count = batch->public.count, first = (count + 1) / 2;
	evpipe__batch *half;

	assert(count > 1);
	evpipe_err err = evpipe__batch_new(&half, batch->public.destination, count - first);
	if (err)
		return err;
	err = share_bisection(batch, half);
	if (err) {
		evpipe__batch_free(half);
		return err;
	}
	half->lane = batch->lane;
	for (size_t i = first; i < count; i++) {
		evpipe__batch_add(half, batch->events[i]);
		batch->public.bytes -= batch->events[i]->delivery.data_len;
	}
	batch->public.count = first;
	batch->quick_retries = batch->definite_failures = 0;
	*second = half;
	return EVPIPE_OK;
}

void evpipe__batch_filter(evpipe__batch *batch, const unsigned char *keep)
{
	size_t count = batch->public.count;
	batch->public.count = batch->public.bytes = 0;
	for (size_t i = 0; i < count; i++)
		if (keep[i])
			evpipe__batch_add(batch, batch->events[i]);
}

void evpipe__batch_seal(evpipe__batch *batch)
{
	XXH3_state_t state;
	XXH3_128bits_reset(&state);
	/* Each text with its NUL, so that no two lists read the same. */
	XXH3_128bits_update(&state, batch->public.destination, strlen(batch->public.destination) + 1);
	for (size_t i = 0; i < batch->public.count; i++) {
		const char *id = batch->events[i]->delivery.id;
		XXH3_128bits_update(&state, id, strlen(id) + 1);
	}
	/* Tiers count, too: each was entered after a failure. */
	uint64_t failures = batch->definite_failures + ((uint64_t)batch->events[0]->delivery.attempt << 32);
	if (failures)
		XXH3_128bits_update(&state, &failures, sizeof failures);
	XXH128_hash_t hash = XXH3_128bits_digest(&state);
	snprintf(batch->public.idempotency_key, sizeof batch->public.idempotency_key, "%016llx%016llx",
	         (unsigned long long)hash.high64, (unsigned long long)hash.low64);
}
