#include "breaker.h"
#include "bug.h"

void evpipe__breaker_init(evpipe__breaker *breaker, int64_t now_ms)
{
	*breaker = (evpipe__breaker){.window_start_ms = now_ms};
}

/* Two windows of fixed length, this and the one before, stand for a sliding one. */
static void slide(evpipe__breaker *breaker, const evpipe__breaker_settings *settings, int64_t now_ms)
{
	int64_t age_ms = now_ms - breaker->window_start_ms;
	if (age_ms < settings->window_ms)
		return;
	int recent = age_ms < 2 * settings->window_ms;
	breaker->last_posts = recent ? breaker->posts : 0;
	breaker->last_failures = recent ? breaker->failures : 0;
	if (!recent)
		breaker->in_a_row = 0;
	breaker->posts = breaker->failures = 0;
	breaker->window_start_ms = now_ms;
}

static int open_for(evpipe__breaker *breaker, const evpipe__breaker_settings *settings, int64_t now_ms)
{
	int64_t longer_ms = breaker->open_for_ms ? 2 * breaker->open_for_ms : settings->open_ms;
	breaker->open_for_ms = longer_ms < settings->open_max_ms ? longer_ms : settings->open_max_ms;
	breaker->open_until_ms = now_ms + breaker->open_for_ms;
	breaker->state = EVPIPE__BREAKER_OPEN;
	return 1;
}

int evpipe__breaker_success(evpipe__breaker *breaker, const evpipe__breaker_settings *settings, int64_t now_ms)
{
	slide(breaker, settings, now_ms);
	breaker->posts++;
	breaker->in_a_row = 0;
	/* A late success, of a post from before it opened, proves nothing about now. */
	if (breaker->state != EVPIPE__BREAKER_PROBING) {
		if (breaker->state == EVPIPE__BREAKER_CLOSED)
			breaker->open_for_ms = 0;
		return 0;
	}
	evpipe__breaker_init(breaker, now_ms);
	return 1;
}

int evpipe__breaker_failure(evpipe__breaker *breaker, const evpipe__breaker_settings *settings, int64_t now_ms)
{
	slide(breaker, settings, now_ms);
	breaker->posts++;
	breaker->failures++;
	breaker->in_a_row++;
	if (breaker->state == EVPIPE__BREAKER_OPEN)
		return 0;
	if (breaker->state == EVPIPE__BREAKER_PROBING)
		return open_for(breaker, settings, now_ms);
	uint64_t posts = breaker->posts + breaker->last_posts;
	uint64_t failures = breaker->failures + breaker->last_failures;
	if (breaker->in_a_row >= settings->failures ||
	    (posts >= settings->failures && failures * 100 >= posts * settings->percent))
		return open_for(breaker, settings, now_ms);
	return 0;
}

int evpipe__breaker_trip(evpipe__breaker *breaker, const evpipe__breaker_settings *settings, int64_t now_ms)
{
	return breaker->state == EVPIPE__BREAKER_OPEN ? 0 : open_for(breaker, settings, now_ms);
}

int evpipe__breaker_elapse(evpipe__breaker *breaker, int64_t now_ms)
{
	if (breaker->state != EVPIPE__BREAKER_OPEN || now_ms < breaker->open_until_ms || evpipe__bug(DESPAIR))
		return 0;
	breaker->state = EVPIPE__BREAKER_PROBING;
	return 1;
}
