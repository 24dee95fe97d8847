#include "torture.h"

#include <execinfo.h>
#include <stdatomic.h>

#define RUNS_MAX 20000
#define FRAMES   24

evpipe_error torture_error;

static struct {
	unsigned         run;  /* whose run-th allocation fails */
	_Atomic unsigned made; /* so far in this run */
	_Atomic int      struck;
	void            *frames[FRAMES]; /* where */
	int              frames_count;
} now;

static int allow(void *ctx)
{
	(void)ctx;
	if (++now.made != now.run)
		return 1;
	now.frames_count = backtrace(now.frames, FRAMES);
	now.struck = 1;
	return 0;
}

int torture_struck(void)
{
	return now.struck;
}

void torture(void (*scenario)(void), unsigned at_least)
{
	for (now.run = 1;; now.run++) {
		int64_t held = allocations_held();
		now.made = 0;
		now.struck = 0;
		allocations_ask(allow, NULL);
		scenario();
		allocations_ask(NULL, NULL);
		if (allocations_held() != held)
			fail_msg("%lld pieces of memory were left", (long long)(allocations_held() - held));
		if (!now.struck)
			break;
		assert_true(now.run < RUNS_MAX);
	}
	print_message("%u allocations\n", now.run - 1);
	assert_true(now.run > at_least);
	now.run = 0;
}

void torture_assert_told(void)
{
	if (torture_error.code == EVPIPE_OK)
		return;
	assert_int_equal(torture_error.code, EVPIPE_ENOMEM);
	assert_non_null(strstr(torture_error.text, "memory"));
}

int torture_teardown(void **state)
{
	(void)state;
	allocations_ask(NULL, NULL);
	if (now.run && now.struck) {
		fprintf(stderr, "allocation %u was let fail in:\n", now.run);
		backtrace_symbols_fd(now.frames, now.frames_count, 2);
	}
	now.run = 0;
	return 0;
}
