/*
 * What an answer means for each event of its batch: delivered, again soon, again later, halved, bisected, dead-lettered.
 */
#include <string.h>

#include "bug.h"
#include "memory.h"
#include "pipeline.h"

/*
 * Parts of one batch refused in a row, none delivered: then it is not a poisoned event but all of them. Enough to find
 * one poisoned event, or a few at the start, in a batch of 500 (9 halvings); a wholly bad batch would cost 999 posts
 * otherwise.
 */
#define REFUSALS_MAX 16

/* A limit on the size of a body is forgotten after this, since it may have been a passing one. */
#define BYTES_LIMIT_MS 3600000

typedef void (*event_fate)(evpipe__pipeline *pipeline, evpipe__event *event, int64_t argument);

static void deliver(evpipe__pipeline *pipeline, evpipe__event *event, int64_t unused)
{
	(void)unused;
	evpipe__pipeline_end(pipeline, event, EVPIPE__END_DELIVERED);
}

static void bury(evpipe__pipeline *pipeline, evpipe__event *event, int64_t reason)
{
	evpipe__router_bury(pipeline, event, (evpipe_reason)reason);
}

/* All events of the batch go the same way; the batch is gone. */
static void dissolve(evpipe__pipeline *pipeline, evpipe__batch *batch, event_fate fate, int64_t argument)
{
	evpipe__lane *lane = batch->lane;
	size_t        count = batch->public.count;
	for (size_t i = 0; i < count; i++) {
		if (i + EVPIPE__AHEAD < count)
			evpipe__event_prefetch(batch->events[i + EVPIPE__AHEAD]);
		fate(pipeline, batch->events[i], argument);
	}
	evpipe__batch_free(batch);
	evpipe__lane_posted(lane);
}

static void note_failure(evpipe__batch *batch, const evpipe_answer *answer)
{
	evpipe__note *note = evpipe__note_new(answer->text);
	for (size_t i = 0; i < batch->public.count; i++)
		evpipe__event_failed(batch->events[i], answer->status, note);
	evpipe__note_release(note);
}

/* A few quick retries here, then the ladder. */
static void retry(evpipe__pipeline *pipeline, evpipe__batch *batch, const evpipe_answer *answer)
{
	evpipe__lane *lane = batch->lane;
	int64_t       wait_ms = evpipe__destination_wait(lane->destination);
	int           patient = wait_ms <= pipeline->tiers.delays_ms[0] && pipeline->state == EVPIPE__RUNNING;

	note_failure(batch, answer);
	if (!patient || batch->quick_retries >= pipeline->quick_max) {
		dissolve(pipeline, batch, evpipe__router_retry, wait_ms);
		return;
	}
	int64_t delay_ms = evpipe__pipeline_jitter(pipeline, pipeline->quick_min_ms, pipeline->quick_max_ms);
	batch->quick_retries++;
	if (!answer->unknown)
		batch->definite_failures++;
	batch->not_before_ms = pipeline->now_ms + (wait_ms > delay_ms ? wait_ms : delay_ms);
	evpipe__lane_repost(lane, batch);
	evpipe__lane_posted(lane);
}

static void again_at_once(evpipe__batch *batch)
{
	evpipe__lane *lane = batch->lane;
	batch->not_before_ms = INT64_MIN;
	evpipe__lane_repost(lane, batch);
	evpipe__lane_posted(lane);
	/* Unless this very answer asked for no posts. */
	evpipe__destination_wait_elsewhere(lane->destination);
}

/* Both halves go again, one after the other, before anything else of the lane. */
static void halve(evpipe__pipeline *pipeline, evpipe__batch *batch)
{
	evpipe__lane  *lane = batch->lane;
	evpipe__batch *second;

	if (evpipe__batch_split(batch, &second) != EVPIPE_OK) {
		dissolve(pipeline, batch, evpipe__router_retry, 0); /* no memory: the ladder has time */
		return;
	}
	second->not_before_ms = INT64_MIN;
	evpipe__lane_repost(lane, second);
	again_at_once(batch);
}

static void on_permanent(evpipe__pipeline *pipeline, evpipe__batch *batch, const evpipe_answer *answer)
{
	struct evpipe__bisection *bisection = batch->bisection;

	note_failure(batch, answer);
	if (bisection && !bisection->delivered && ++bisection->refusals >= REFUSALS_MAX)
		dissolve(pipeline, batch, bury, EVPIPE_REASON_REJECTED);
	else if (batch->public.count == 1)
		dissolve(pipeline, batch, bury, EVPIPE_REASON_REJECTED);
	else
		halve(pipeline, batch);
}

static void on_too_large(evpipe__pipeline *pipeline, evpipe__batch *batch, const evpipe_answer *answer)
{
	evpipe__destination *destination = batch->lane->destination;

	note_failure(batch, answer);
	if (batch->public.count == 1) {
		dissolve(pipeline, batch, bury, EVPIPE_REASON_TOO_LARGE);
		return;
	}
	/* Of several that were under way, the smallest tells most. 0 would be no limit, and hide all others for an hour. */
	size_t limit = batch->public.bytes > 1 ? batch->public.bytes / 2 : 1;
	if (limit < destination->bytes_limit || pipeline->now_ms >= destination->bytes_limit_until_ms)
		destination->bytes_limit = limit;
	destination->bytes_limit_until_ms = pipeline->now_ms + BYTES_LIMIT_MS;
	halve(pipeline, batch);
}

/*
 * The sink found events that don't fit the format, and so posted none of them: the others have not failed.
 */
static int was_posted(const evpipe_answer *answer)
{
	if (answer->status || answer->unknown)
		return 1;
	for (size_t i = 0; i < answer->batch->count; i++)
		if (answer->each[i] != EVPIPE_VERDICT_FORMAT && answer->each[i] != EVPIPE_VERDICT_RETRY)
			return 1;
	return 0;
}

/* Each event its own verdict; those to be tried again stay together. */
static void on_each(evpipe__pipeline *pipeline, evpipe__batch *batch, const evpipe_answer *answer)
{
	size_t         count = batch->public.count, left = 0;
	int            posted = was_posted(answer);
	evpipe__note  *note;
	unsigned char *keep = evpipe__malloc(count);
	if (!keep) {
		retry(pipeline, batch, answer); /* no memory: what was stored is stored again, by its id */
		return;
	}
	note = evpipe__note_new(answer->text);
	for (size_t i = 0; i < count; i++) {
		evpipe__event *event = batch->events[i];
		keep[i] = answer->each[i] == EVPIPE_VERDICT_RETRY ||
		          (evpipe__bug(REPEAT) && answer->each[i] == EVPIPE_VERDICT_DELIVERED);
		left += keep[i];
		if (keep[i])
			continue;
		if (answer->each[i] == EVPIPE_VERDICT_DELIVERED) {
			deliver(pipeline, event, 0);
			continue;
		}
		evpipe__event_failed(event, answer->status, note);
		bury(pipeline, event, answer->each[i] == EVPIPE_VERDICT_FORMAT ? EVPIPE_REASON_FORMAT : EVPIPE_REASON_REJECTED);
	}
	evpipe__note_release(note);
	evpipe__batch_filter(batch, keep);
	evpipe__free(keep);
	if (!left)
		dissolve(pipeline, batch, deliver, 0);
	else if (!posted && left < count)
		again_at_once(batch);
	else
		retry(pipeline, batch, answer);
}

static int any_of(const evpipe_answer *answer, evpipe_verdict verdict)
{
	if (answer->verdict != EVPIPE_VERDICT_EACH)
		return answer->verdict == verdict;
	for (size_t i = 0; i < answer->batch->count; i++)
		if (answer->each[i] == verdict)
			return 1;
	return 0;
}

/*
 * What the answer says of the destination. That it refuses an event, or a size, shows that it is well; a payload that
 * did not fit the format never came to it. Nor is it left alone after it has refused an event: bisection would never get
 * beyond its first post, with the parts parked and put together again each time.
 */
static void judge_destination(evpipe__destination *destination, const evpipe_answer *answer)
{
	switch (answer->verdict) {
	case EVPIPE_VERDICT_RETRY:
		evpipe__destination_failed(destination);
		break;
	case EVPIPE_VERDICT_REFUSED:
		evpipe__destination_refused(destination, answer);
		break;
	case EVPIPE_VERDICT_FORMAT:
		break;
	case EVPIPE_VERDICT_EACH:
		if (any_of(answer, EVPIPE_VERDICT_DELIVERED))
			evpipe__destination_succeeded(destination);
		else if (was_posted(answer) && any_of(answer, EVPIPE_VERDICT_RETRY))
			evpipe__destination_failed(destination);
		break;
	default:
		evpipe__destination_succeeded(destination);
	}
	if (answer->overloaded)
		evpipe__destination_overloaded(destination);
	if (answer->leave_alone_ms > 0 && answer->verdict != EVPIPE_VERDICT_PERMANENT)
		evpipe__destination_leave_alone(destination, answer->leave_alone_ms);
}

static void on_answer(evpipe__pipeline *pipeline, const evpipe_answer *answer)
{
	evpipe__batch       *batch = (evpipe__batch *)(uintptr_t)answer->batch;
	evpipe__destination *destination = batch->lane->destination;

	TAILQ_REMOVE(&pipeline->posted, batch, link);
	pipeline->posting--;
	pipeline->sink_is_full = 0;
	if (answer->verdict != EVPIPE_VERDICT_DELIVERED) {
		pipeline->stats.posts_failed++;
		destination->stats.posts_failed++;
	}
	judge_destination(destination, answer);
	if (batch->bisection && any_of(answer, EVPIPE_VERDICT_DELIVERED))
		batch->bisection->delivered = 1;

	switch (answer->verdict) {
	case EVPIPE_VERDICT_DELIVERED:
		dissolve(pipeline, batch, deliver, 0);
		break;
	case EVPIPE_VERDICT_PERMANENT:
		on_permanent(pipeline, batch, answer);
		break;
	case EVPIPE_VERDICT_TOO_LARGE:
		on_too_large(pipeline, batch, answer);
		break;
	case EVPIPE_VERDICT_FORMAT:
		note_failure(batch, answer);
		dissolve(pipeline, batch, bury, EVPIPE_REASON_FORMAT);
		break;
	case EVPIPE_VERDICT_EACH:
		on_each(pipeline, batch, answer);
		break;
	case EVPIPE_VERDICT_REFUSED:
		/* The events have done nothing wrong: they wait until somebody has mended what is, as long as retry.age_max. */
		note_failure(batch, answer);
		dissolve(pipeline, batch, evpipe__router_park, evpipe__destination_wait(destination));
		break;
	default:
		retry(pipeline, batch, answer);
	}
}

int evpipe__verdicts_step(evpipe__pipeline *pipeline)
{
	int any = 0;
	for (;;) {
		evpipe_answer answer = {0}; /* so that a sink that knows fewer members leaves the others 0 */
		if (pipeline->setup.sink_ops->poll(pipeline->setup.sink, &answer) != EVPIPE_OK)
			return any;
		on_answer(pipeline, &answer);
		any = 1;
	}
}
