#include "test.h"

#include "breaker.h"

static const evpipe__breaker_settings settings = {
	.failures = 10, .percent = 70, .window_ms = 60000, .open_ms = 30000, .open_max_ms = 100000};

static void test_breaker__opens_after_failures_in_a_row(void **state)
{
	evpipe__breaker breaker;
	(void)state;
	evpipe__breaker_init(&breaker, 0);
	for (int i = 0; i < 9; i++)
		assert_false(evpipe__breaker_failure(&breaker, &settings, i));
	assert_false(evpipe__breaker_success(&breaker, &settings, 9));
	assert_int_equal(breaker.state, EVPIPE__BREAKER_CLOSED);
	evpipe__breaker_init(&breaker, 0);
	for (int i = 0; i < 9; i++)
		assert_false(evpipe__breaker_failure(&breaker, &settings, i));
	assert_true(evpipe__breaker_failure(&breaker, &settings, 9));
	assert_int_equal(breaker.open_until_ms, 30009);
}

static void test_breaker__opens_at_a_share_of_failures(void **state)
{
	evpipe__breaker breaker;
	int             opened = 0, posts = 0;
	(void)state;
	evpipe__breaker_init(&breaker, 0);
	for (; !opened && posts < 100; posts++)
		opened = posts % 4 == 0 ? evpipe__breaker_success(&breaker, &settings, posts)
		                        : evpipe__breaker_failure(&breaker, &settings, posts);
	assert_true(opened);
	assert_in_range(posts, 10, 20);
}

static void test_breaker__a_few_failures_long_apart_do_not_open_it(void **state)
{
	evpipe__breaker breaker;
	(void)state;
	evpipe__breaker_init(&breaker, 0);
	for (int i = 0; i < 100; i++)
		assert_false(evpipe__breaker_failure(&breaker, &settings, i * INT64_C(130000)));
}

static void test_breaker__probes_once_its_time_is_over_and_opens_for_longer_when_that_fails(void **state)
{
	evpipe__breaker breaker;
	(void)state;
	evpipe__breaker_init(&breaker, 0);
	assert_true(evpipe__breaker_trip(&breaker, &settings, 0));
	assert_false(evpipe__breaker_trip(&breaker, &settings, 1));
	assert_false(evpipe__breaker_elapse(&breaker, 29999));
	assert_true(evpipe__breaker_elapse(&breaker, 30000));
	assert_int_equal(breaker.state, EVPIPE__BREAKER_PROBING);
	assert_true(evpipe__breaker_failure(&breaker, &settings, 30000));
	assert_int_equal(breaker.open_until_ms, 90000);
	assert_true(evpipe__breaker_elapse(&breaker, 90000));
	assert_true(evpipe__breaker_failure(&breaker, &settings, 90000));
	assert_int_equal(breaker.open_until_ms, 190000); /* open_max */
	assert_true(evpipe__breaker_elapse(&breaker, 190000));
	assert_true(evpipe__breaker_success(&breaker, &settings, 190000));
	assert_int_equal(breaker.state, EVPIPE__BREAKER_CLOSED);
}

static void test_breaker__a_late_success_does_not_close_it(void **state)
{
	evpipe__breaker breaker;
	(void)state;
	evpipe__breaker_init(&breaker, 0);
	evpipe__breaker_trip(&breaker, &settings, 0);
	assert_false(evpipe__breaker_success(&breaker, &settings, 10));
	assert_int_equal(breaker.state, EVPIPE__BREAKER_OPEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_breaker__opens_after_failures_in_a_row),
		cmocka_unit_test(test_breaker__opens_at_a_share_of_failures),
		cmocka_unit_test(test_breaker__a_few_failures_long_apart_do_not_open_it),
		cmocka_unit_test(test_breaker__probes_once_its_time_is_over_and_opens_for_longer_when_that_fails),
		cmocka_unit_test(test_breaker__a_late_success_does_not_close_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
