/*
 * Where events wait in order. A key belongs to one lane, and with order = key a lane has one post in flight, so that a
 * key's events arrive in order without anything being kept for each key.
 */
#include "bug.h"
#include "memory.h"
#include "pipeline.h"

static void on_timer(void *owner)
{
	evpipe__lane_refresh(owner);
}

evpipe_err evpipe__lanes_new(struct evpipe__lanes **out, evpipe__destination *destination, unsigned count)
{
	struct evpipe__lanes *lanes = evpipe__calloc(1, sizeof *lanes + count * sizeof lanes->lane[0]);
	if (!lanes)
		return EVPIPE_ENOMEM;
	for (; lanes->count < count; lanes->count++) {
		evpipe__lane *lane = &lanes->lane[lanes->count];
		lane->destination = destination;
		lane->index = lanes->count;
		TAILQ_INIT(&lane->pending);
		TAILQ_INIT(&lane->again);
		if (evpipe__timer_init(&destination->pipeline->timers, &lane->timer, on_timer, lane) != EVPIPE_OK) {
			evpipe__lanes_free(lanes);
			return EVPIPE_ENOMEM;
		}
	}
	*out = lanes;
	return EVPIPE_OK;
}

void evpipe__lanes_free(struct evpipe__lanes *lanes)
{
	if (!lanes)
		return;
	for (unsigned i = 0; i < lanes->count; i++) {
		evpipe__lane   *lane = &lanes->lane[i];
		evpipe__pieces *pieces = &lane->destination->pipeline->pieces;
		evpipe__batch_free_list(&lane->pending, pieces);
		evpipe__batch_free_list(&lane->again, pieces);
		evpipe__pieces_close(pieces, &lane->open);
		if (lane->is_ready)
			TAILQ_REMOVE(&lane->destination->ready, lane, ready_link);
		evpipe__timer_release(&lane->destination->pipeline->timers, &lane->timer);
	}
	evpipe__free(lanes);
}

/* ---- what is pending ---- */

static size_t bytes_max(const evpipe__destination *destination)
{
	if (destination->bytes_limit && destination->pipeline->now_ms < destination->bytes_limit_until_ms &&
	    destination->bytes_limit < destination->bytes_max)
		return destination->bytes_limit;
	return destination->bytes_max;
}

static int is_full(const evpipe__batch *batch)
{
	const evpipe__destination *destination = batch->lane->destination;
	return batch->public.count >= destination->events_max || batch->public.bytes >= bytes_max(destination);
}

static int has_room(const evpipe__batch *batch, const evpipe__event *event)
{
	return !is_full(batch) && batch->public.bytes + event->delivery.data_len <= bytes_max(batch->lane->destination);
}

static evpipe__batch *begin_batch(evpipe__lane *lane)
{
	evpipe__batch *batch;
	if (evpipe__batch_new(&batch, lane->destination->name) != EVPIPE_OK)
		return NULL;
	if (evpipe__batch_make_room(batch) != EVPIPE_OK) {
		evpipe__batch_free(batch);
		return NULL;
	}
	batch->lane = lane;
	batch->losses_seen = lane->destination->pipeline->losses;
	TAILQ_INSERT_TAIL(&lane->pending, batch, link);
	lane->filling = batch;
	return batch;
}

static void append(evpipe__lane *lane, evpipe__event *event)
{
	evpipe__batch *batch = lane->filling;
	if (!batch || !has_room(batch, event) || evpipe__batch_make_room(batch) != EVPIPE_OK)
		batch = begin_batch(lane);
	if (!batch) {
		evpipe__router_park(lane->destination->pipeline, event, 0); /* no memory: the ladder has time */
		return;
	}
	evpipe__batch_add(batch, event);
}

evpipe__batch *evpipe__lane_take_pending(evpipe__lane *lane)
{
	evpipe__batch *batch = TAILQ_FIRST(&lane->pending);
	if (!batch)
		return NULL;
	TAILQ_REMOVE(&lane->pending, batch, link);
	if (batch == lane->filling)
		lane->filling = NULL;
	return batch;
}

static evpipe__lane *lane_for(struct evpipe__lanes *lanes, uint32_t hash)
{
	return &lanes->lane[hash & (lanes->count - 1)];
}

/* Its partition may be somebody else's by now, who will deliver it. */
static void add_unless_gone(evpipe__pipeline *pipeline, evpipe__batch *batch, evpipe__event *event)
{
	if (evpipe__partition_of(pipeline, event->assignment))
		evpipe__batch_add(batch, event);
	else
		evpipe__pipeline_end(pipeline, event, EVPIPE__END_RELINQUISHED);
}

static evpipe__batch *unless_empty(evpipe__batch *batch)
{
	if (batch->public.count)
		return batch;
	evpipe__batch_free(batch);
	return NULL;
}

/* Leave out what is somebody else's by now. NULL if nothing is left. */
static evpipe__batch *without_gone(evpipe__pipeline *pipeline, evpipe__batch *batch)
{
	size_t count = batch->public.count;
	if (batch->losses_seen == pipeline->losses)
		return batch;
	batch->losses_seen = pipeline->losses;
	evpipe__batch_restart(batch);
	for (size_t i = 0; i < count; i++)
		add_unless_gone(pipeline, batch, batch->events[i]);
	return unless_empty(batch);
}

void evpipe__lanes_move_pending(struct evpipe__lanes *from, struct evpipe__lanes *to)
{
	for (unsigned i = 0; i < from->count; i++) {
		evpipe__lane  *lane = &from->lane[i];
		evpipe__batch *batch;
		while ((batch = evpipe__lane_take_pending(lane))) {
			/* The batches they come into know only of what is lost from now on. */
			batch = without_gone(lane->destination->pipeline, batch);
			if (!batch)
				continue;
			for (size_t e = 0; e < batch->public.count; e++)
				append(lane_for(to, batch->events[e]->hash), batch->events[e]);
			evpipe__batch_free(batch);
		}
	}
}

size_t evpipe__lanes_full_posts(const evpipe__destination *destination, size_t enough)
{
	const struct evpipe__lanes *lanes = destination->lanes;
	const evpipe__batch        *batch;
	size_t                      posts = 0;
	for (unsigned i = 0; i < lanes->count; i++)
		for (batch = TAILQ_FIRST(&lanes->lane[i].pending); batch && posts < enough; batch = TAILQ_NEXT(batch, link)) {
			/* Filled before the limit on bytes fell, it will be cut. */
			size_t parts = batch->public.bytes / bytes_max(destination);
			if (TAILQ_NEXT(batch, link) || is_full(batch))
				posts += parts > 1 ? parts : 1;
		}
	return posts;
}

/* ---- whether a lane may post ---- */

/* When what is pending wants to be posted; now or before: at once. */
static int64_t pending_due(const evpipe__lane *lane)
{
	const evpipe__destination *destination = lane->destination;
	const evpipe__batch       *first = TAILQ_FIRST(&lane->pending);
	if (!first)
		return INT64_MAX;
	if (TAILQ_NEXT(first, link) || is_full(first) || destination->pipeline->state == EVPIPE__STOPPING)
		return INT64_MIN;
	return first->since_ms + destination->linger_ms;
}

/* When the lane may post next, as far as it goes; INT64_MAX: not before something happens to it. */
static int64_t lane_due(const evpipe__lane *lane)
{
	const evpipe__batch *again = TAILQ_FIRST(&lane->again);
	int                  ordered = lane->destination->pipeline->ordered;
	if ((ordered && lane->posting && !evpipe__bug(DISORDER)) ||
	    (lane->destination->old && evpipe__lane_waits_for_old(lane)))
		return INT64_MAX;
	int64_t due = again ? again->not_before_ms : INT64_MAX;
	if (again && ordered)
		return due;
	int64_t pending = pending_due(lane);
	return pending < due ? pending : due;
}

static void set_ready(evpipe__lane *lane, int ready)
{
	evpipe__destination *destination = lane->destination;
	if (ready == lane->is_ready)
		return;
	lane->is_ready = ready;
	if (ready)
		TAILQ_INSERT_TAIL(&destination->ready, lane, ready_link);
	else
		TAILQ_REMOVE(&destination->ready, lane, ready_link);
}

void evpipe__lane_refresh(evpipe__lane *lane)
{
	evpipe__pipeline *pipeline = lane->destination->pipeline;
	int64_t           due = lane_due(lane);

	set_ready(lane, due <= pipeline->now_ms);
	if (lane->is_ready || due == INT64_MAX)
		evpipe__timer_stop(&pipeline->timers, &lane->timer);
	else if (!evpipe__timer_is_set(&lane->timer) || lane->timer.due_ms != due)
		evpipe__timer_set(&pipeline->timers, &lane->timer, due);
	if (lane->is_ready)
		evpipe__posting_activate(lane->destination);
}

void evpipe__lanes_refresh(evpipe__destination *destination)
{
	struct evpipe__lanes *const sets[] = {destination->old, destination->lanes};
	for (int s = 0; s < 2; s++)
		for (unsigned i = 0; sets[s] && i < sets[s]->count; i++)
			evpipe__lane_refresh(&sets[s]->lane[i]);
}

/* ---- in and out ---- */

evpipe__piece **evpipe__lanes_open_piece(evpipe__destination *destination, uint32_t hash)
{
	evpipe__lane *lane = lane_for(destination->lanes, hash);
	/* Needed when the event is there; with many destinations it has to be fetched from afar. */
	__builtin_prefetch(lane->open, 1);
	__builtin_prefetch(lane->filling, 1);
	__builtin_prefetch((const char *)lane->filling + 64, 1);
	return &lane->open;
}

void evpipe__lanes_rest(evpipe__destination *destination)
{
	for (unsigned i = 0; i < destination->lanes->count; i++)
		evpipe__pieces_close(&destination->pipeline->pieces, &destination->lanes->lane[i].open);
}

void evpipe__lanes_add(evpipe__destination *destination, evpipe__event *event)
{
	evpipe__lane *lane = lane_for(destination->lanes, event->hash);
	int           was_empty = TAILQ_EMPTY(&lane->pending);

	event->arrived_ms = destination->pipeline->now_ms;
	append(lane, event);
	/* In between, nothing changes for the lane. */
	if (was_empty || (!lane->is_ready && pending_due(lane) == INT64_MIN))
		evpipe__lane_refresh(lane);
}

void evpipe__lane_posted(evpipe__lane *lane)
{
	evpipe__destination *destination = lane->destination;
	lane->posting--;
	destination->posting--;
	if (evpipe__lanes_adapt(destination))
		evpipe__lanes_refresh(destination);
	else
		evpipe__lane_refresh(lane);
	/* Other lanes may have stepped back for want of room in the pool: this is the answer they wait for. */
	evpipe__posting_activate(destination);
	evpipe__destination_rest(destination);
}

void evpipe__lane_repost(evpipe__lane *lane, evpipe__batch *batch)
{
	TAILQ_INSERT_HEAD(&lane->again, batch, link);
	evpipe__lane_refresh(lane);
}

/* The limit on bytes may have fallen since it was filled. Without memory it goes as it is: it is halved when it is refused. */
static void cut(evpipe__lane *lane, evpipe__batch *batch)
{
	evpipe__batch *rest;
	if (evpipe__batch_cut(batch, bytes_max(lane->destination), &rest) != EVPIPE_OK || !rest)
		return;
	TAILQ_INSERT_HEAD(&lane->pending, rest, link);
	if (!lane->filling)
		lane->filling = rest;
}

static evpipe__batch *next_pending(evpipe__lane *lane)
{
	evpipe__batch *batch = NULL, *first;
	while (!batch && (first = evpipe__lane_take_pending(lane))) {
		cut(lane, first);
		batch = without_gone(lane->destination->pipeline, first);
	}
	return batch;
}

static evpipe__batch *next_again(evpipe__lane *lane)
{
	evpipe__pipeline *pipeline = lane->destination->pipeline;
	evpipe__batch    *batch = NULL, *first;
	while (!batch && (first = TAILQ_FIRST(&lane->again)) && first->not_before_ms <= pipeline->now_ms) {
		TAILQ_REMOVE(&lane->again, first, link);
		batch = without_gone(pipeline, first);
	}
	return batch;
}

evpipe__batch *evpipe__lane_take(evpipe__lane *lane)
{
	evpipe__batch *batch = next_again(lane);
	/* With order = key, what has to go again goes before what is pending. */
	int may_pend = TAILQ_EMPTY(&lane->again) || !lane->destination->pipeline->ordered;
	if (!batch && may_pend)
		batch = next_pending(lane);
	if (batch) {
		lane->posting++;
		lane->destination->posting++;
	}
	/* What it had was somebody else's by now: no post of it will end, and newer lanes may wait for just that. */
	if (!batch && lane->destination->old)
		evpipe__lanes_refresh(lane->destination);
	else
		evpipe__lane_refresh(lane);
	return batch;
}

/* ---- away ---- */

static void divert_batch(evpipe__pipeline *pipeline, evpipe__batch *batch, int64_t wait_ms)
{
	for (size_t i = 0; i < batch->public.count; i++) {
		evpipe__event *event = batch->events[i];
		/* One that waits for its quick retry has failed; a half has not been posted as it is. */
		if (!evpipe__partition_of(pipeline, event->assignment))
			evpipe__pipeline_end(pipeline, event, EVPIPE__END_RELINQUISHED);
		else if (batch->quick_retries)
			evpipe__router_retry(pipeline, event, wait_ms);
		else
			evpipe__router_park(pipeline, event, wait_ms);
	}
	evpipe__batch_free(batch);
}

static void divert_lane(evpipe__lane *lane, int64_t wait_ms)
{
	evpipe__pipeline *pipeline = lane->destination->pipeline;
	evpipe__batch    *batch;

	while ((batch = TAILQ_FIRST(&lane->again))) {
		TAILQ_REMOVE(&lane->again, batch, link);
		divert_batch(pipeline, batch, wait_ms);
	}
	while ((batch = evpipe__lane_take_pending(lane)))
		divert_batch(pipeline, batch, wait_ms);
	evpipe__lane_refresh(lane);
}

void evpipe__lanes_divert(evpipe__destination *destination, int64_t wait_ms)
{
	struct evpipe__lanes *const sets[] = {destination->old, destination->lanes};
	for (int s = 0; s < 2; s++)
		for (unsigned i = 0; sets[s] && i < sets[s]->count; i++)
			divert_lane(&sets[s]->lane[i], wait_ms);
}
