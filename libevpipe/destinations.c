/*
 * What is known of each destination, and whether it may be posted to.
 */
#include <stddef.h>
#include <string.h>

#define uthash_malloc(size) evpipe__malloc(size)
#define uthash_free(memory, size) evpipe__free(memory)
#define HASH_NONFATAL_OOM 1
#define HASH_FUNCTION(key, len, hash) ((hash) = (unsigned)XXH3_64bits(key, len))
#define HASH_KEYCMP(a, b, len) is_another(a, b, len)
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "bug.h"
#include "memory.h"
#include "pipeline.h"

/*
 * One whose name has the hash that is looked for is nearly always the one. All of it that an event needs is asked for
 * at once: with many destinations, to wait for one line of the cache after the other takes longer than all the rest.
 */
static int is_another(const void *name, const void *other, size_t len)
{
	const char                *start = (const char *)name - offsetof(evpipe__destination, name);
	const evpipe__destination *destination = (const evpipe__destination *)(const void *)start;
	for (size_t at = 64; at < offsetof(evpipe__destination, linger_ms); at += 64)
		__builtin_prefetch(start + at, 1);
	__builtin_prefetch(destination->lanes, 1);
	__builtin_prefetch((const char *)destination->lanes + 64, 1);
	return memcmp(name, other, len);
}

/* Of destinations with nothing in flight at most so many are remembered. */
#define IDLE_MAX 10000

#define LEAVE_ALONE_MAX_MS 3600000

static void on_reopen(void *owner)
{
	evpipe__destination *destination = owner;
	if (evpipe__breaker_elapse(&destination->breaker, destination->pipeline->now_ms))
		destination->window = 1;
	evpipe__lanes_refresh(destination);
}

static void read_settings(evpipe__destination *destination, const evpipe_config *config)
{
	const char *name = destination->name;
	destination->events_max = (size_t)evpipe_config_number(config, name, "batch.events_max");
	destination->bytes_max = (size_t)evpipe_config_number(config, name, "batch.bytes_max");
	destination->linger_ms = evpipe_config_number(config, name, "batch.linger");
	destination->in_flight_max = (unsigned)evpipe_config_number(config, name, "sink.in_flight_per_destination_max");
	destination->breaker_settings = (evpipe__breaker_settings){
		.failures = (uint32_t)evpipe_config_number(config, name, "breaker.failures"),
		.percent = (uint32_t)evpipe_config_number(config, name, "breaker.failure_percent"),
		.window_ms = evpipe_config_number(config, name, "breaker.window"),
		.open_ms = evpipe_config_number(config, name, "breaker.open"),
		.open_max_ms = evpipe_config_number(config, name, "breaker.open_max"),
	};
}

static evpipe__destination *destination_new(evpipe__pipeline *pipeline, const char *name)
{
	size_t               size = strlen(name) + 1;
	evpipe__destination *destination = evpipe__calloc(1, sizeof *destination + size);
	if (!destination)
		return NULL;
	memcpy(destination->name, name, size);
	destination->pipeline = pipeline;
	TAILQ_INIT(&destination->ready);
	if (evpipe__timer_init(&pipeline->timers, &destination->reopen, on_reopen, destination) != EVPIPE_OK ||
	    evpipe__lanes_new(&destination->lanes, destination, 1) != EVPIPE_OK)
		goto fail;
	read_settings(destination, pipeline->setup.config);
	destination->window = destination->in_flight_max;
	destination->not_before_ms = destination->hoards_until_ms = INT64_MIN;
	evpipe__breaker_init(&destination->breaker, pipeline->now_ms);
	destination->stats = (evpipe_destination_stats){.size = sizeof destination->stats, .destination = destination->name};

	int added = 1;
#undef uthash_nonfatal_oom
#define uthash_nonfatal_oom(element) (added = 0)
	HASH_ADD_KEYPTR(hh, pipeline->destinations, destination->name, size - 1, destination);
	if (!added)
		goto fail;
	destination->is_idle = 1;
	destination->idle_since_ms = pipeline->now_ms;
	TAILQ_INSERT_TAIL(&pipeline->idle, destination, idle_link);
	return destination;
fail:
	evpipe__lanes_free(destination->lanes);
	evpipe__timer_release(&pipeline->timers, &destination->reopen);
	evpipe__free(destination);
	return NULL;
}

void evpipe__destination_free(evpipe__destination *destination)
{
	evpipe__pipeline *pipeline = destination->pipeline;
	HASH_DEL(pipeline->destinations, destination);
	if (destination->is_idle)
		TAILQ_REMOVE(&pipeline->idle, destination, idle_link);
	if (destination->is_active)
		TAILQ_REMOVE(&pipeline->active, destination, active_link);
	if (pipeline->last == destination)
		pipeline->last = NULL;
	evpipe__lanes_free(destination->old);
	evpipe__lanes_free(destination->lanes);
	evpipe__timer_release(&pipeline->timers, &destination->reopen);
	evpipe__free(destination);
}

/* Its breaker or a Retry-After tells something; after so long, nothing any more. */
static int is_worth_remembering(const evpipe__destination *destination)
{
	int64_t now_ms = destination->pipeline->now_ms;
	if (destination->not_before_ms > now_ms)
		return 1;
	return destination->breaker.state != EVPIPE__BREAKER_CLOSED &&
	       now_ms - destination->idle_since_ms <= destination->breaker_settings.open_max_ms;
}

/* The longest idle one that is not worth remembering. Those that are go to the end, so that others are looked at the next time. */
static void forget_one(evpipe__pipeline *pipeline)
{
	for (int looked_at = 0; looked_at < 16; looked_at++) {
		evpipe__destination *destination = TAILQ_FIRST(&pipeline->idle);
		if (!destination)
			return;
		if (!is_worth_remembering(destination)) {
			evpipe__destination_free(destination);
			return;
		}
		TAILQ_REMOVE(&pipeline->idle, destination, idle_link);
		TAILQ_INSERT_TAIL(&pipeline->idle, destination, idle_link);
	}
}

evpipe__destination *evpipe__destination_get(evpipe__pipeline *pipeline, const char *name)
{
	evpipe__destination *destination = pipeline->last;
	if (destination && strcmp(destination->name, name) == 0)
		return destination;
	HASH_FIND(hh, pipeline->destinations, name, strlen(name), destination);
	if (!destination) {
		if (HASH_COUNT(pipeline->destinations) >= IDLE_MAX)
			forget_one(pipeline);
		destination = destination_new(pipeline, name);
		if (!destination)
			return NULL;
	}
	pipeline->last = destination;
	return destination;
}

void evpipe__destination_holds(evpipe__destination *destination, const evpipe__event *event)
{
	if (destination->is_idle) {
		TAILQ_REMOVE(&destination->pipeline->idle, destination, idle_link);
		destination->is_idle = 0;
	}
	destination->held += event->size;
	destination->stats.taken++;
	destination->stats.in_flight++;
}

void evpipe__destination_lets_go(evpipe__destination *destination, const evpipe__event *event, evpipe__end end)
{
	evpipe_destination_stats *stats = &destination->stats;

	if (!event->is_leaving)
		destination->held -= event->size;
	stats->in_flight--;
	if (end == EVPIPE__END_DELIVERED) {
		stats->delivered++;
	} else if (end == EVPIPE__END_RETRIED) {
		stats->retried++;
		stats->parked += event->parked;
	} else if (end == EVPIPE__END_DEAD) {
		stats->dead_lettered++;
	}
	evpipe__destination_rest(destination);
}

void evpipe__destination_rest(evpipe__destination *destination)
{
	if (destination->is_idle || destination->stats.in_flight || destination->posting)
		return;
	evpipe__lanes_rest(destination);
	TAILQ_INSERT_TAIL(&destination->pipeline->idle, destination, idle_link);
	destination->is_idle = 1;
	destination->idle_since_ms = destination->pipeline->now_ms;
}

/* ---- may it be posted to ---- */

int64_t evpipe__destination_wait(const evpipe__destination *destination)
{
	int64_t now_ms = destination->pipeline->now_ms, until_ms = destination->not_before_ms;
	if (destination->breaker.state == EVPIPE__BREAKER_OPEN && destination->breaker.open_until_ms > until_ms)
		until_ms = destination->breaker.open_until_ms;
	return until_ms > now_ms ? until_ms - now_ms : 0;
}

/*
 * How many posts it may have in flight: its window, and never more than the pool has free (a dynamic threshold,
 * Choudhury and Hahne 1998), so that however slow it is there is room for the others.
 */
int evpipe__destination_may_post(const evpipe__destination *destination)
{
	const evpipe__pipeline *pipeline = destination->pipeline;
	if (evpipe__destination_wait(destination) > 0)
		return 0;
	if (destination->breaker.state != EVPIPE__BREAKER_CLOSED)
		return destination->breaker.state == EVPIPE__BREAKER_PROBING && destination->posting == 0;
	unsigned free_posts = pipeline->in_flight_max - pipeline->posting;
	return destination->posting < destination->window && (destination->posting == 0 || destination->posting <= free_posts);
}

const char *evpipe__destination_state(const evpipe__destination *destination)
{
	static const char *const names[] = {
		[EVPIPE__BREAKER_CLOSED] = "ok", [EVPIPE__BREAKER_OPEN] = "open", [EVPIPE__BREAKER_PROBING] = "probing"};
	if (destination->breaker.state == EVPIPE__BREAKER_CLOSED) {
		if (destination->not_before_ms > destination->pipeline->now_ms)
			return "left alone";
		if (destination->breaker.in_a_row)
			return "failing";
	}
	return names[destination->breaker.state];
}

static void log_state(const evpipe__destination *destination, evpipe_log_level level, const char *why)
{
	char name[300], state[32], text[256];
	evpipe__log_line(&destination->pipeline->setup.log, level, "event=destination destination=%s state=%s for_ms=%lld text=%s",
	                 evpipe__log_quote(name, sizeof name, destination->name),
	                 evpipe__log_quote(state, sizeof state, evpipe__destination_state(destination)),
	                 (long long)evpipe__destination_wait(destination), evpipe__log_quote(text, sizeof text, why));
}

void evpipe__destination_wait_elsewhere(evpipe__destination *destination)
{
	evpipe__pipeline *pipeline = destination->pipeline;
	int64_t           wait_ms = evpipe__destination_wait(destination);
	if (wait_ms <= 0)
		return;
	evpipe__timer_set(&pipeline->timers, &destination->reopen, pipeline->now_ms + wait_ms);
	if (wait_ms > pipeline->tiers.delays_ms[0] || pipeline->state == EVPIPE__STOPPING)
		evpipe__lanes_divert(destination, wait_ms);
}

void evpipe__destination_succeeded(evpipe__destination *destination)
{
	evpipe__pipeline *pipeline = destination->pipeline;
	if (evpipe__breaker_success(&destination->breaker, &destination->breaker_settings, pipeline->now_ms)) {
		log_state(destination, EVPIPE_LOG_INFO, "answers again");
		destination->window = 1;
		destination->window_successes = 0;
	}
	/* One more post at a time for each window of successes. */
	if (destination->window < destination->in_flight_max && ++destination->window_successes >= destination->window) {
		destination->window++;
		destination->window_successes = 0;
	}
}

void evpipe__destination_failed(evpipe__destination *destination)
{
	if (evpipe__breaker_failure(&destination->breaker, &destination->breaker_settings, destination->pipeline->now_ms)) {
		log_state(destination, EVPIPE_LOG_WARN, "too many posts failed");
		evpipe__destination_wait_elsewhere(destination);
	}
}

void evpipe__destination_overloaded(evpipe__destination *destination)
{
	if (destination->window > 1)
		destination->window /= 2;
	destination->window_successes = 0;
}

void evpipe__destination_refused(evpipe__destination *destination, const evpipe_answer *answer)
{
	if (evpipe__breaker_trip(&destination->breaker, &destination->breaker_settings, destination->pipeline->now_ms)) {
		log_state(destination, EVPIPE_LOG_ERROR, answer->text && *answer->text ? answer->text : "refuses everything");
		evpipe__destination_wait_elsewhere(destination);
	}
}

void evpipe__destination_leave_alone(evpipe__destination *destination, int64_t ms)
{
	evpipe__pipeline *pipeline = destination->pipeline;
	ms = ms > LEAVE_ALONE_MAX_MS ? LEAVE_ALONE_MAX_MS : ms;
	if (evpipe__bug(IMPATIENCE))
		ms /= 2;
	/* A tenth on top, drawn at random, and never less than was asked for. */
	int64_t until_ms = pipeline->now_ms + ms + evpipe__pipeline_jitter(pipeline, 0, ms / 10);
	if (ms <= 0 || until_ms <= destination->not_before_ms)
		return;
	destination->not_before_ms = until_ms;
	log_state(destination, EVPIPE_LOG_INFO, "asked to be left alone");
	evpipe__destination_wait_elsewhere(destination);
}
