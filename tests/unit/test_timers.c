#include "test.h"

#include "timers.h"

struct ringer {
	evpipe__timer timer;
	int64_t       due_ms;
	int           rang;
};

static evpipe__timers timers;
static int64_t        last_due_ms;

static void ring(void *owner)
{
	struct ringer *ringer = owner;
	assert_true(ringer->due_ms >= last_due_ms);
	assert_false(evpipe__timer_is_set(&ringer->timer));
	last_due_ms = ringer->due_ms;
	ringer->rang++;
}

static void test_timers__fire_in_order_whatever_happens_before(void **state)
{
	static struct ringer ringers[1000];
	uint64_t             random = 7;
	size_t               set = 0;

	(void)state;
	evpipe__timers_init(&timers);
	assert_int_equal(evpipe__timers_next(&timers), INT64_MAX);
	for (size_t i = 0; i < COUNT_OF(ringers); i++)
		assert_int_equal(evpipe__timer_init(&timers, &ringers[i].timer, ring, &ringers[i]), EVPIPE_OK);
	for (int i = 0; i < 20000; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		struct ringer *ringer = &ringers[(random >> 33) % COUNT_OF(ringers)];
		if ((random >> 20) % 3 == 0) {
			evpipe__timer_stop(&timers, &ringer->timer);
		} else {
			ringer->due_ms = (int64_t)(random >> 50);
			evpipe__timer_set(&timers, &ringer->timer, ringer->due_ms);
		}
	}
	for (size_t i = 0; i < COUNT_OF(ringers); i++)
		set += (size_t)evpipe__timer_is_set(&ringers[i].timer);
	size_t fired = 0;
	for (int64_t now_ms = 0; now_ms < 1 << 14; now_ms += 100) {
		fired += evpipe__timers_fire(&timers, now_ms);
		assert_true(evpipe__timers_next(&timers) > now_ms);
	}
	fired += evpipe__timers_fire(&timers, INT64_MAX - 1);
	assert_int_equal(fired, set);
	for (size_t i = 0; i < COUNT_OF(ringers); i++)
		evpipe__timer_release(&timers, &ringers[i].timer);
	evpipe__timers_release(&timers);
}

static void set_again(void *owner)
{
	struct ringer *ringer = owner;
	ringer->rang++;
	evpipe__timer_set(&timers, &ringer->timer, 5);
}

static void test_timers__one_that_sets_itself_again_waits_for_the_next_round(void **state)
{
	struct ringer ringer = {.rang = 0};

	(void)state;
	evpipe__timers_init(&timers);
	assert_int_equal(evpipe__timer_init(&timers, &ringer.timer, set_again, &ringer), EVPIPE_OK);
	evpipe__timer_set(&timers, &ringer.timer, 5);
	assert_int_equal(evpipe__timers_fire(&timers, 5), 1);
	assert_int_equal(ringer.rang, 1);
	assert_int_equal(evpipe__timers_fire(&timers, 5), 1);
	evpipe__timer_release(&timers, &ringer.timer);
	evpipe__timers_release(&timers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timers__fire_in_order_whatever_happens_before),
		cmocka_unit_test(test_timers__one_that_sets_itself_again_waits_for_the_next_round),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
