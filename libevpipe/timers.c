#include "timers.h"

#include <assert.h>

#include "memory.h"

void evpipe__timers_init(evpipe__timers *timers)
{
	*timers = (evpipe__timers){0};
}

void evpipe__timers_release(evpipe__timers *timers)
{
	evpipe__free(timers->heap);
	evpipe__timers_init(timers);
}

evpipe_err evpipe__timer_init(evpipe__timers *timers, evpipe__timer *timer, void (*fire)(void *owner), void *owner)
{
	*timer = (evpipe__timer){.fire = fire, .owner = owner};
	if (timers->reserved == timers->capacity) {
		size_t          capacity = timers->capacity ? 2 * timers->capacity : 64;
		evpipe__timer **heap = evpipe__realloc(timers->heap, capacity * sizeof *heap);
		if (!heap) {
			timer->fire = NULL;
			return EVPIPE_ENOMEM;
		}
		timers->heap = heap;
		timers->capacity = capacity;
	}
	timers->reserved++;
	return EVPIPE_OK;
}

void evpipe__timer_release(evpipe__timers *timers, evpipe__timer *timer)
{
	if (!timer->fire)
		return;
	evpipe__timer_stop(timers, timer);
	timer->fire = NULL;
	timers->reserved--;
}

static void place(evpipe__timers *timers, evpipe__timer *timer, size_t at)
{
	timers->heap[at - 1] = timer;
	timer->place = at;
}

static void rise(evpipe__timers *timers, evpipe__timer *timer, size_t at)
{
	for (; at > 1 && timer->due_ms < timers->heap[at / 2 - 1]->due_ms; at /= 2)
		place(timers, timers->heap[at / 2 - 1], at);
	place(timers, timer, at);
}

static void sink(evpipe__timers *timers, evpipe__timer *timer, size_t at)
{
	for (size_t child = 2 * at; child <= timers->count; child = 2 * at) {
		if (child < timers->count && timers->heap[child]->due_ms < timers->heap[child - 1]->due_ms)
			child++;
		if (timer->due_ms <= timers->heap[child - 1]->due_ms)
			break;
		place(timers, timers->heap[child - 1], at);
		at = child;
	}
	place(timers, timer, at);
}

void evpipe__timer_stop(evpipe__timers *timers, evpipe__timer *timer)
{
	if (!timer->place)
		return;
	size_t         at = timer->place;
	evpipe__timer *last = timers->heap[--timers->count];
	timer->place = 0;
	if (last == timer)
		return;
	if (at > 1 && last->due_ms < timers->heap[at / 2 - 1]->due_ms)
		rise(timers, last, at);
	else
		sink(timers, last, at);
}

void evpipe__timer_set(evpipe__timers *timers, evpipe__timer *timer, int64_t due_ms)
{
	assert(timer->fire);
	evpipe__timer_stop(timers, timer);
	timer->due_ms = due_ms;
	rise(timers, timer, ++timers->count);
}

int evpipe__timer_is_set(const evpipe__timer *timer)
{
	return timer->place != 0;
}

size_t evpipe__timers_fire(evpipe__timers *timers, int64_t now_ms)
{
	size_t fired = 0;
	/* One that sets itself again for now waits for the next round. */
	size_t most = timers->count;
	while (fired < most && timers->count && timers->heap[0]->due_ms <= now_ms) {
		evpipe__timer *timer = timers->heap[0];
		evpipe__timer_stop(timers, timer);
		timer->fire(timer->owner);
		fired++;
	}
	return fired;
}

int64_t evpipe__timers_next(const evpipe__timers *timers)
{
	return timers->count ? timers->heap[0]->due_ms : INT64_MAX;
}
