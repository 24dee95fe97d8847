/*
 * timers.h: what is due when, on a clock that is handed in: a binary heap of timers that live in their owners.
 */
#ifndef EVPIPE_TIMERS_H
#define EVPIPE_TIMERS_H

#include <evpipe.h>

typedef struct evpipe__timer {
	int64_t due_ms;
	size_t  place; /* in the heap, from 1; 0: not set */
	void (*fire)(void *owner);
	void *owner;
} evpipe__timer;

typedef struct evpipe__timers {
	evpipe__timer **heap;
	size_t          count, capacity;
	size_t          reserved; /* timers there are: the heap has room for each, so that setting one cannot fail */
} evpipe__timers;

void evpipe__timers_init(evpipe__timers *timers);
void evpipe__timers_release(evpipe__timers *timers);

/* A timer comes into being, not set. ENOMEM. */
evpipe_err evpipe__timer_init(evpipe__timers *timers, evpipe__timer *timer, void (*fire)(void *owner), void *owner);
void       evpipe__timer_release(evpipe__timers *timers, evpipe__timer *timer);

/* Set, or set anew. Timers that are due at the same time fire in an order that depends on the history alone. */
void evpipe__timer_set(evpipe__timers *timers, evpipe__timer *timer, int64_t due_ms);
void evpipe__timer_stop(evpipe__timers *timers, evpipe__timer *timer);
int  evpipe__timer_is_set(const evpipe__timer *timer);

/* Fire what is due at now; a timer is stopped before it fires. Returns how many fired. */
size_t  evpipe__timers_fire(evpipe__timers *timers, int64_t now_ms);
int64_t evpipe__timers_next(const evpipe__timers *timers); /* INT64_MAX: none is set */

#endif
