/*
 * How many lanes a destination has. When it has a backlog they double, and what is pending moves to the new ones; when
 * nothing is here, one is enough again. A new lane may not post before what the old ones have in flight, or have to post
 * again, is done.
 */
#include "pipeline.h"

/* A post is worth another lane when this many batches wait for each. */
#define BACKLOG_BATCHES 2

static int is_empty(const evpipe__lane *lane)
{
	return !lane->posting && TAILQ_EMPTY(&lane->pending) && TAILQ_EMPTY(&lane->again);
}

/* A key in lane j of n is in lane j mod m of m, where m divides n: two lanes share keys if they agree modulo the smaller number. */
int evpipe__lane_waits_for_old(const evpipe__lane *lane)
{
	const struct evpipe__lanes *old = lane->destination->old, *lanes = lane->destination->lanes;
	if (lane < lanes->lane || lane >= lanes->lane + lanes->count)
		return 0;
	unsigned smaller = old->count < lanes->count ? old->count : lanes->count;
	for (unsigned i = lane->index % smaller; i < old->count; i += smaller)
		if (!is_empty(&old->lane[i]))
			return 1;
	return 0;
}

static void drop_old(evpipe__destination *destination)
{
	for (unsigned i = 0; i < destination->old->count; i++)
		if (!is_empty(&destination->old->lane[i]))
			return;
	evpipe__lanes_free(destination->old);
	destination->old = NULL;
}

static unsigned lanes_max(const evpipe__destination *destination)
{
	unsigned max = 1;
	while (2 * max <= destination->in_flight_max)
		max *= 2;
	return max;
}

/* Each event moves as often as lanes double, which is seldom. */
static void change(evpipe__destination *destination, unsigned count)
{
	struct evpipe__lanes *lanes;
	if (evpipe__lanes_new(&lanes, destination, count) != EVPIPE_OK)
		return; /* it works with those it has */
	destination->old = destination->lanes;
	destination->lanes = lanes;
	evpipe__lanes_move_pending(destination->old, lanes);
	drop_old(destination);
}

int evpipe__lanes_adapt(evpipe__destination *destination)
{
	const struct evpipe__lanes *lanes = destination->lanes;

	if (destination->old) {
		drop_old(destination);
		return 1;
	}
	if (!destination->pipeline->ordered)
		return 0;
	if (lanes->count > 1 && !destination->posting && destination->held == 0) {
		change(destination, 1);
		return 1;
	}
	/* Asked when a post has just ended: all the others are out, too. */
	if (lanes->count >= lanes_max(destination) || destination->posting + 1 < lanes->count)
		return 0;
	size_t enough = (size_t)BACKLOG_BATCHES * lanes->count;
	if (evpipe__lanes_full_posts(destination, enough) < enough)
		return 0;
	change(destination, 2 * lanes->count);
	return 1;
}
