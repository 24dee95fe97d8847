/*
 * breaker.h: whether a destination may be posted to, judged by how its posts ended.
 *
 *   CLOSED --- failures in a row, or a share of the last ones ---> OPEN --- its time is over ---> PROBING
 *      ^                                                            ^                               |
 *      +------------------------------ a success ---------------------------------------------------+
 *                                                                   +------------- a failure -------+ (open for longer)
 */
#ifndef EVPIPE_BREAKER_H
#define EVPIPE_BREAKER_H

#include <evpipe.h>

typedef struct evpipe__breaker_settings {
	uint32_t failures;    /* in a row, within the window */
	uint32_t percent;     /* failed, of at least `failures` posts within the window */
	int64_t  window_ms;
	int64_t  open_ms;     /* the first time; doubled by each failed probe */
	int64_t  open_max_ms;
} evpipe__breaker_settings;

typedef enum evpipe__breaker_state { EVPIPE__BREAKER_CLOSED, EVPIPE__BREAKER_OPEN, EVPIPE__BREAKER_PROBING } evpipe__breaker_state;

typedef struct evpipe__breaker {
	evpipe__breaker_state state;
	int64_t               window_start_ms;
	uint32_t              in_a_row;
	uint32_t              posts, failures; /* of this window */
	uint32_t              last_posts, last_failures; /* of the one before */
	int64_t               open_until_ms;
	int64_t               open_for_ms; /* the last time */
} evpipe__breaker;

void evpipe__breaker_init(evpipe__breaker *breaker, int64_t now_ms);

/* How a post ended. True if the state changed. */
int evpipe__breaker_success(evpipe__breaker *breaker, const evpipe__breaker_settings *settings, int64_t now_ms);
int evpipe__breaker_failure(evpipe__breaker *breaker, const evpipe__breaker_settings *settings, int64_t now_ms);

/* Open it at once, whatever it has seen: the destination refuses everything. True if the state changed. */
int evpipe__breaker_trip(evpipe__breaker *breaker, const evpipe__breaker_settings *settings, int64_t now_ms);

/* Open and its time is over: one post may probe. True if the state changed. */
int evpipe__breaker_elapse(evpipe__breaker *breaker, int64_t now_ms);

#endif
