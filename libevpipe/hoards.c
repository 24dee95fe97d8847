/*
 * Hoards: destinations that take less than comes, until what they have here keeps others out. What of one is in the way of
 * others goes to the first retry tier, the oldest first.
 */
#include "pipeline.h"

/* A burst may be worked off soon: who holds much is a hoard only when something of it has waited for so long. */
#define PATIENCE_MS 1000

/* Bytes of the budget that are free, or soon will be, since their events are being handed over. */
static size_t room(const evpipe__pipeline *pipeline)
{
	size_t max = pipeline->events_memory_max, used = pipeline->pieces.used - pipeline->leaving;
	return used < max ? max - used : 0;
}

/*
 * Room for events is short although more could be posted than is here to post, and some destinations have nothing here:
 * theirs may well wait behind what is held. (When all have something to post, or all posts are out, taking more would
 * not help anybody.)
 */
static int is_starving(const evpipe__pipeline *pipeline)
{
	return pipeline->has_free_posts && !TAILQ_EMPTY(&pipeline->idle) && room(pipeline) <= pipeline->events_memory_max / 8;
}

/* NULL: nothing is pending. */
static evpipe__lane *oldest_lane(const evpipe__destination *destination)
{
	struct evpipe__lanes *const sets[] = {destination->old, destination->lanes};
	evpipe__lane               *oldest = NULL;
	for (int s = 0; s < 2; s++)
		for (unsigned i = 0; sets[s] && i < sets[s]->count; i++) {
			evpipe__lane        *lane = &sets[s]->lane[i];
			const evpipe__batch *first = TAILQ_FIRST(&lane->pending);
			if (first && (!oldest || first->since_ms < TAILQ_FIRST(&oldest->pending)->since_ms))
				oldest = lane;
		}
	return oldest;
}

/*
 * It takes less than comes: it holds more than is left for all others (as buffers are shared in a switch, Choudhury and
 * Hahne 1998), though all that may be posted was, and its oldest event has waited for some time beyond its linger. Once
 * that was seen, those that are the oldest then need not wait as long. Returns the lane with the oldest; NULL: it is none.
 */
static evpipe__lane *hoards(evpipe__destination *destination)
{
	const evpipe__pipeline *pipeline = destination->pipeline;

	if (destination->held <= room(pipeline))
		return NULL;
	evpipe__lane *lane = oldest_lane(destination);
	if (!lane)
		return NULL;
	int64_t now_ms = pipeline->now_ms, oldest_ms = TAILQ_FIRST(&lane->pending)->since_ms;
	if (now_ms >= destination->hoards_until_ms && now_ms - oldest_ms <= destination->linger_ms + PATIENCE_MS)
		return NULL;
	destination->hoards_until_ms = now_ms + PATIENCE_MS;
	return lane;
}

/* The lane's oldest batch to the first tier. False if the transport has no room: the rest of it stays. */
static int park_oldest(evpipe__lane *lane)
{
	evpipe__batch *batch = TAILQ_FIRST(&lane->pending);
	size_t         parked = 0, count = batch->public.count;

	while (parked < count && evpipe__router_park_now(lane->destination->pipeline, batch->events[parked]))
		parked++;
	if (parked == count) {
		evpipe__batch_free(evpipe__lane_take_pending(lane));
	} else if (parked) {
		evpipe__batch_restart(batch);
		for (size_t i = parked; i < count; i++)
			evpipe__batch_add(batch, batch->events[i]);
	}
	evpipe__lane_refresh(lane);
	return parked == count;
}

void evpipe__hoards_make_room(evpipe__destination *destination)
{
	evpipe__pipeline *pipeline = destination->pipeline;
	evpipe__lane     *lane;

	while (is_starving(pipeline) && (lane = hoards(destination)))
		if (!park_oldest(lane)) {
			pipeline->is_cramped = 1;
			return;
		}
}

void evpipe__hoards_sweep(evpipe__pipeline *pipeline)
{
	evpipe__destination *destination, *next;

	HASH_ITER(hh, pipeline->destinations, destination, next) {
		if (pipeline->state != EVPIPE__RUNNING || !is_starving(pipeline))
			return;
		evpipe__hoards_make_room(destination);
	}
}
