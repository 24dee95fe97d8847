/*
 * Which destination posts next. Deficit round robin (Shreedhar and Varghese 1995): each in turn may post as many bytes,
 * however much waits, and the cost of choosing does not grow with what waits.
 */
#include "bug.h"
#include "errors.h"
#include "pipeline.h"

/* Bytes a destination may post in its turn, about one batch of usual events; and what the smallest post counts for. */
#define QUANTUM (256 * 1024)
#define POST_COST_MIN (4 * 1024)

/* A sink that was full is asked again after an answer, and after this at the latest: perhaps it has nothing to answer. */
#define SINK_AGAIN_MS 100

void evpipe__posting_activate(evpipe__destination *destination)
{
	if (destination->is_active || TAILQ_EMPTY(&destination->ready))
		return;
	destination->is_active = 1;
	TAILQ_INSERT_TAIL(&destination->pipeline->active, destination, active_link);
}

static void deactivate(evpipe__destination *destination)
{
	TAILQ_REMOVE(&destination->pipeline->active, destination, active_link);
	destination->is_active = 0;
	destination->deficit = 0;
}

static void next_turn(evpipe__destination *destination)
{
	TAILQ_REMOVE(&destination->pipeline->active, destination, active_link);
	TAILQ_INSERT_TAIL(&destination->pipeline->active, destination, active_link);
	destination->deficit += QUANTUM;
}

/* False if the sink has no room. */
static int post(evpipe__pipeline *pipeline, evpipe__batch *batch)
{
	evpipe__lane        *lane = batch->lane;
	evpipe__destination *destination = lane->destination;

	evpipe__batch_seal(batch);
	evpipe_err err = pipeline->setup.sink_ops->submit(pipeline->setup.sink, &batch->public);
	if (err) {
		/* Anything but EAGAIN is a defect of the sink; waiting is what loses nothing. */
		if (err != EVPIPE_EAGAIN)
			evpipe__log_line(&pipeline->setup.log, EVPIPE_LOG_ERROR, "event=sink_refused code=%s", evpipe_err_name(err));
		pipeline->sink_is_full = 1;
		evpipe__timer_set(&pipeline->timers, &pipeline->sink_again, pipeline->now_ms + SINK_AGAIN_MS);
		batch->not_before_ms = INT64_MIN;
		evpipe__lane_repost(lane, batch);
		evpipe__lane_posted(lane);
		return 0;
	}
	TAILQ_INSERT_TAIL(&pipeline->posted, batch, link);
	pipeline->posting++;
	pipeline->stats.posts++;
	destination->stats.posts++;
	destination->deficit -= batch->public.bytes < POST_COST_MIN ? POST_COST_MIN : (int64_t)batch->public.bytes;
	return 1;
}

int evpipe__posting_step(evpipe__pipeline *pipeline)
{
	evpipe__destination *destination;
	int                  any = 0;

	while (!pipeline->sink_is_full && pipeline->posting < pipeline->in_flight_max &&
	       (destination = TAILQ_FIRST(&pipeline->active))) {
		if (TAILQ_EMPTY(&destination->ready) || !evpipe__destination_may_post(destination)) {
			if (evpipe__bug(QUEUE) && !TAILQ_EMPTY(&destination->ready))
				break;
			/* An answer, a timer or an event brings it back. */
			deactivate(destination);
			continue;
		}
		if (destination->deficit <= 0) {
			next_turn(destination);
			continue;
		}
		evpipe__lane  *lane = TAILQ_FIRST(&destination->ready);
		evpipe__batch *batch = evpipe__lane_take(lane);
		if (!batch)
			continue;
		if (!post(pipeline, batch))
			break;
		any = 1;
	}
	pipeline->has_free_posts = !pipeline->sink_is_full && pipeline->posting < pipeline->in_flight_max;
	return any;
}
