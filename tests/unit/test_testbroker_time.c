/*
 * Virtual time: what is due happens at its time and in its order, and the same way each time.
 */
#include "test.h"

#include <evpipe-testbroker.h>

#define START_MS INT64_C(1767225600000)

struct clock {
	evpipe_testbroker *broker;
	evpipe_runtime     runtime;
	evpipe_stepper     stepper;
	int64_t            due_ms; /* when it does its next thing */
	int64_t            every_ms;
	unsigned           left; /* things to do */
	int64_t            done_ms[16];
	unsigned           done, asked;
};

static int step(void *object, int64_t *next_due_ms)
{
	struct clock *clock = object;
	int64_t       now_ms = clock->runtime.mono_ms(clock->runtime.ctx);
	int           any = clock->left && now_ms >= clock->due_ms;
	clock->asked++;
	if (any) {
		clock->done_ms[clock->done++ % 16] = now_ms;
		clock->due_ms += clock->every_ms;
		clock->left--;
	}
	*next_due_ms = clock->left ? clock->due_ms : INT64_MAX;
	return any;
}

static void open_clock(struct clock *clock, evpipe_testbroker *broker, int64_t first_ms, int64_t every_ms, unsigned times)
{
	*clock = (struct clock){.broker = broker, .due_ms = first_ms, .every_ms = every_ms, .left = times};
	clock->stepper = (evpipe_stepper){.object = clock, .step = step};
	assert_int_equal(evpipe_testbroker_runtime(broker, &clock->runtime), EVPIPE_OK);
	clock->runtime.enrol(clock->runtime.ctx, &clock->stepper);
}

static void test_testbroker_time__starts_at_2026_and_passes_only_when_told(void **state)
{
	evpipe_testbroker *broker;
	evpipe_runtime     runtime;
	(void)state;
	assert_int_equal(evpipe_testbroker_new(&broker, 1), EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_runtime(broker, &runtime), EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_now_ms(broker), START_MS);
	assert_int_equal(runtime.mono_ms(runtime.ctx), 0);
	assert_int_equal(evpipe_testbroker_advance(broker, 1500), EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_now_ms(broker), START_MS + 1500);
	assert_int_equal(runtime.wall_ms(runtime.ctx), START_MS + 1500);
	/* A clock that is set passes no time. */
	evpipe_testbroker_jump_clock(broker, -3600000);
	assert_int_equal(evpipe_testbroker_now_ms(broker), START_MS + 1500 - 3600000);
	assert_int_equal(runtime.mono_ms(runtime.ctx), 1500);
	assert_int_equal(evpipe_testbroker_advance(broker, -1), EVPIPE_EINVAL);
	evpipe_testbroker_free(broker);
}

static void test_testbroker_time__jumps_from_one_due_time_to_the_next(void **state)
{
	evpipe_testbroker *broker;
	struct clock       slow, fast;
	(void)state;
	assert_int_equal(evpipe_testbroker_new(&broker, 1), EVPIPE_OK);
	open_clock(&slow, broker, 21600000, 21600000, 2);
	open_clock(&fast, broker, 1000, 500, 3);
	assert_int_equal(evpipe_testbroker_advance(broker, 86400000), EVPIPE_OK);
	assert_int_equal(slow.done, 2);
	assert_int_equal(slow.done_ms[1], 2 * 21600000);
	assert_int_equal(fast.done, 3);
	assert_int_equal(fast.done_ms[0], 1000);
	assert_int_equal(fast.done_ms[2], 2000);
	assert_in_range(fast.asked, 6, 20); /* a day costs nothing */
	slow.runtime.leave(slow.runtime.ctx, &slow.stepper);
	fast.runtime.leave(fast.runtime.ctx, &fast.stepper);
	evpipe_testbroker_free(broker);
}

static void test_testbroker_time__what_is_due_at_the_end_still_happens(void **state)
{
	evpipe_testbroker *broker;
	struct clock       clock;
	(void)state;
	assert_int_equal(evpipe_testbroker_new(&broker, 1), EVPIPE_OK);
	open_clock(&clock, broker, 1000, 1, 2);
	assert_int_equal(evpipe_testbroker_advance(broker, 999), EVPIPE_OK);
	assert_int_equal(clock.done, 0);
	assert_int_equal(evpipe_testbroker_advance(broker, 1), EVPIPE_OK);
	assert_int_equal(clock.done, 1);
	assert_int_equal(evpipe_testbroker_advance(broker, 0), EVPIPE_OK);
	assert_int_equal(clock.done, 1);
	clock.runtime.leave(clock.runtime.ctx, &clock.stepper);
	assert_int_equal(evpipe_testbroker_advance(broker, 100), EVPIPE_OK);
	assert_int_equal(clock.done, 1); /* it has left */
	evpipe_testbroker_free(broker);
}

static int step_for_ever(void *object, int64_t *next_due_ms)
{
	*next_due_ms = INT64_MAX;
	return *(int *)object;
}

static int due_for_ever(void *object, int64_t *next_due_ms)
{
	*next_due_ms = INT64_MIN;
	return *(int *)object;
}

static void test_testbroker_time__that_does_not_pass_is_a_defect(void **state)
{
	static const struct {
		int (*step)(void *object, int64_t *next_due_ms);
		int does;
	} loops[] = {{step_for_ever, 1}, {due_for_ever, 0}};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(loops); i++) {
		evpipe_testbroker *broker;
		evpipe_runtime     runtime;
		int                does = loops[i].does;
		evpipe_stepper     stepper = {.object = &does, .step = loops[i].step};
		assert_int_equal(evpipe_testbroker_new(&broker, 1), EVPIPE_OK);
		evpipe_testbroker_runtime(broker, &runtime);
		runtime.enrol(runtime.ctx, &stepper);
		assert_int_equal(evpipe_testbroker_advance(broker, 1000), EVPIPE_EINTERNAL);
		runtime.leave(runtime.ctx, &stepper);
		evpipe_testbroker_free(broker);
	}
}

static void test_testbroker_time__is_real_only_if_asked_for(void **state)
{
	evpipe_testbroker *broker;
	evpipe_runtime     runtime;
	(void)state;
	assert_int_equal(evpipe_testbroker_new_realtime(&broker), EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_advance(broker, 0), EVPIPE_EINVAL);
	assert_int_equal(evpipe_testbroker_runtime(broker, &runtime), EVPIPE_EINVAL);
	assert_true(evpipe_testbroker_now_ms(broker) > START_MS / 2);
	evpipe_testbroker_free(broker);
}

static void test_testbroker_time__randomness_is_the_seeds(void **state)
{
	uint64_t drawn[3][4];
	(void)state;
	for (int i = 0; i < 3; i++) {
		evpipe_testbroker *broker;
		evpipe_runtime     runtime;
		assert_int_equal(evpipe_testbroker_new(&broker, i < 2 ? 42 : 43), EVPIPE_OK);
		evpipe_testbroker_runtime(broker, &runtime);
		for (int j = 0; j < 4; j++)
			drawn[i][j] = runtime.random(runtime.ctx);
		evpipe_testbroker_free(broker);
	}
	assert_memory_equal(drawn[0], drawn[1], sizeof drawn[0]);
	assert_memory_not_equal(drawn[0], drawn[2], sizeof drawn[0]);
	assert_true(drawn[0][0] != drawn[0][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_testbroker_time__starts_at_2026_and_passes_only_when_told),
		cmocka_unit_test(test_testbroker_time__jumps_from_one_due_time_to_the_next),
		cmocka_unit_test(test_testbroker_time__what_is_due_at_the_end_still_happens),
		cmocka_unit_test(test_testbroker_time__that_does_not_pass_is_a_defect),
		cmocka_unit_test(test_testbroker_time__is_real_only_if_asked_for),
		cmocka_unit_test(test_testbroker_time__randomness_is_the_seeds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
