#include "timer.h"

#include <stdlib.h>

#define SAMPLES 20001
#define CALIBRATE_NS UINT64_C(200000000)

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
	return (left > right) - (left < right);
}

struct timer timer_calibrate(void)
{
	static uint64_t samples[SAMPLES];
	uint64_t        start_ns = timer_monotonic_ns(), start = timer_start(), end_ns;

	while ((end_ns = timer_monotonic_ns()) - start_ns < CALIBRATE_NS)
		;
	struct timer timer = {.ns_per_tick = (double)(end_ns - start_ns) / (double)(timer_stop() - start)};
	for (int i = 0; i < SAMPLES; i++) {
		uint64_t from = timer_start();
		samples[i] = timer_stop() - from;
	}
	qsort(samples, SAMPLES, sizeof *samples, compare);
	timer.cost_ticks = samples[SAMPLES / 2];
	return timer;
}
