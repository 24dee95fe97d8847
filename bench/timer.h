/*
 * timer.h: a clock for what takes some tens of nanoseconds: the processor's own counter where there is one, and
 * CLOCK_MONOTONIC elsewhere. It counts in ticks; what reading it twice costs is measured once, and taken off each
 * result.
 */
#ifndef BENCH_TIMER_H
#define BENCH_TIMER_H

#include <stdint.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

struct timer {
	double   ns_per_tick;
	uint64_t cost_ticks; /* of an empty measurement, at the median */
};

static inline uint64_t timer_monotonic_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* The fences keep what is measured between the two, and what is not out of it. */
static inline uint64_t timer_start(void)
{
#if defined(__x86_64__)
	_mm_lfence();
	uint64_t ticks = __rdtsc();
	_mm_lfence();
	return ticks;
#else
	return timer_monotonic_ns();
#endif
}

static inline uint64_t timer_stop(void)
{
#if defined(__x86_64__)
	unsigned cpu;
	uint64_t ticks = __rdtscp(&cpu);
	_mm_lfence();
	return ticks;
#else
	return timer_monotonic_ns();
#endif
}

static inline double timer_ns(const struct timer *timer, double ticks)
{
	double rest = ticks - (double)timer->cost_ticks;
	return rest > 0 ? rest * timer->ns_per_tick : 0;
}

/* Takes a fifth of a second. */
struct timer timer_calibrate(void);

#endif
