#include "test.h"

#include <evpipe-transport.h>

static evpipe_frontier *frontier_at(int64_t start, size_t span_max)
{
	evpipe_frontier *frontier = NULL;
	assert_int_equal(evpipe_frontier_new(&frontier, start, span_max), EVPIPE_OK);
	return frontier;
}

static void take(evpipe_frontier *frontier, int64_t from, int64_t end)
{
	for (int64_t offset = from; offset < end; offset++)
		assert_int_equal(evpipe_frontier_take(frontier, offset), EVPIPE_OK);
}

static void settle(evpipe_frontier *frontier, int64_t from, int64_t end)
{
	for (int64_t offset = from; offset < end; offset++)
		assert_int_equal(evpipe_frontier_settle(frontier, offset), EVPIPE_OK);
}

static void test_frontier__stays_below_the_lowest_unsettled_record(void **state)
{
	evpipe_frontier *frontier = frontier_at(100, 10000);
	(void)state;
	take(frontier, 100, 300);
	settle(frontier, 101, 300);
	assert_int_equal(evpipe_frontier_offset(frontier), 100);
	assert_int_equal(evpipe_frontier_unsettled(frontier), 1);
	assert_int_equal(evpipe_frontier_span(frontier), 200);
	settle(frontier, 100, 101);
	assert_int_equal(evpipe_frontier_offset(frontier), 300);
	assert_int_equal(evpipe_frontier_unsettled(frontier), 0);
	assert_int_equal(evpipe_frontier_span(frontier), 0);
	evpipe_frontier_free(frontier);
}

static void test_frontier__settling_twice_is_once_and_untaken_is_refused(void **state)
{
	evpipe_frontier *frontier = frontier_at(0, 100);
	(void)state;
	take(frontier, 0, 3);
	settle(frontier, 1, 2);
	settle(frontier, 1, 2);
	assert_int_equal(evpipe_frontier_unsettled(frontier), 2);
	settle(frontier, 0, 1);
	settle(frontier, 0, 1);
	assert_int_equal(evpipe_frontier_unsettled(frontier), 1);
	assert_int_equal(evpipe_frontier_settle(frontier, 3), EVPIPE_EINVAL);
	evpipe_frontier_free(frontier);
}

static void test_frontier__gaps_are_settled(void **state)
{
	evpipe_frontier *frontier = frontier_at(0, 1000);
	(void)state;
	take(frontier, 5, 6);
	take(frontier, 10, 11);
	settle(frontier, 5, 6);
	assert_int_equal(evpipe_frontier_offset(frontier), 10);
	/* With nothing unsettled, one of any size is passed. */
	settle(frontier, 10, 11);
	take(frontier, INT64_C(1) << 40, (INT64_C(1) << 40) + 1);
	assert_int_equal(evpipe_frontier_span(frontier), 1);
	evpipe_frontier_free(frontier);
}

static void test_frontier__holds_back_what_is_too_far_ahead(void **state)
{
	evpipe_frontier *frontier = frontier_at(0, 64);
	(void)state;
	take(frontier, 0, 64);
	assert_int_equal(evpipe_frontier_take(frontier, 64), EVPIPE_EAGAIN);
	settle(frontier, 1, 64);
	assert_int_equal(evpipe_frontier_take(frontier, 64), EVPIPE_EAGAIN);
	settle(frontier, 0, 1);
	take(frontier, 64, 65);
	evpipe_frontier_free(frontier);
}

/* What the owner before had settled far ahead must not hold back what comes behind it. */
static void test_frontier__a_gap_beyond_the_span_is_passed_when_nothing_is_out(void **state)
{
	evpipe_frontier *frontier = frontier_at(0, 64);
	(void)state;
	assert_int_equal(evpipe_frontier_restore(frontier, "1 0 10 20"), EVPIPE_OK);
	take(frontier, 500, 501);
	assert_int_equal(evpipe_frontier_offset(frontier), 500);
	assert_int_equal(evpipe_frontier_take(frontier, 499), EVPIPE_ESTALE);
	assert_int_equal(evpipe_frontier_take(frontier, 15), EVPIPE_ESTALE);
	/* Its bits are gone, too. */
	take(frontier, 501, 540);
	assert_int_equal(evpipe_frontier_unsettled(frontier), 40);
	evpipe_frontier_free(frontier);
}

static void test_frontier__the_next_owner_skips_settled_ranges(void **state)
{
	evpipe_frontier *frontier = frontier_at(1000, 100000), *next;
	char             text[4000];
	(void)state;
	take(frontier, 1000, 4000);
	settle(frontier, 1003, 1008);
	settle(frontier, 1010, 1011);
	settle(frontier, 2000, 3500);
	size_t len = evpipe_frontier_ranges(frontier, text, sizeof text);
	assert_string_equal(text, "1 1000 3 5 2 1 989 1500");
	assert_int_equal(len, strlen(text));

	next = frontier_at(evpipe_frontier_offset(frontier), 100000);
	assert_int_equal(evpipe_frontier_restore(next, text), EVPIPE_OK);
	for (int64_t offset = 1000; offset < 4000; offset++) {
		int settled = (offset >= 1003 && offset < 1008) || offset == 1010 || (offset >= 2000 && offset < 3500);
		assert_int_equal(evpipe_frontier_take(next, offset), settled ? EVPIPE_ESTALE : EVPIPE_OK);
	}
	assert_int_equal(evpipe_frontier_unsettled(next), 3000 - 1506);
	settle(next, 1000, 1003);
	assert_int_equal(evpipe_frontier_offset(next), 1008);
	/* What it took over goes on to the one after it. */
	evpipe_frontier_ranges(next, text, sizeof text);
	assert_string_equal(text, "1 1008 2 1 989 1500");
	evpipe_frontier_free(next);
	evpipe_frontier_free(frontier);
}

/* Every other record settled: as lengths that would take four characters a record, and 4,000 would not do. */
static void test_frontier__many_small_ranges_travel_as_bits(void **state)
{
	evpipe_frontier *frontier = frontier_at(1000, 100000), *next;
	char             text[4000];
	(void)state;
	take(frontier, 1000, 21000);
	for (int64_t offset = 1001; offset < 21000; offset += 2)
		settle(frontier, offset, offset + 1);
	size_t len = evpipe_frontier_ranges(frontier, text, sizeof text);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(text, "2 1000 ggg", 10);
	next = frontier_at(1000, 100000);
	assert_int_equal(evpipe_frontier_restore(next, text), EVPIPE_OK);
	for (int64_t offset = 1000; offset < 21000; offset++)
		assert_int_equal(evpipe_frontier_take(next, offset), offset % 2 ? EVPIPE_ESTALE : EVPIPE_OK);
	evpipe_frontier_free(next);
	evpipe_frontier_free(frontier);
}

static void test_frontier__ranges_that_do_not_fit_are_left_out(void **state)
{
	evpipe_frontier *frontier = frontier_at(0, 100000), *next;
	char             text[64];
	(void)state;
	take(frontier, 0, 1000);
	for (int64_t offset = 1; offset < 1000; offset += 2)
		settle(frontier, offset, offset + 1);
	size_t len = evpipe_frontier_ranges(frontier, text, sizeof text);
	assert_in_range(len, 50, sizeof text - 1);
	next = frontier_at(0, 100000);
	assert_int_equal(evpipe_frontier_restore(next, text), EVPIPE_OK);
	assert_int_equal(evpipe_frontier_take(next, 0), EVPIPE_OK);
	assert_int_equal(evpipe_frontier_take(next, 1), EVPIPE_ESTALE);
	assert_int_equal(evpipe_frontier_take(next, 999), EVPIPE_OK);
	assert_int_equal(evpipe_frontier_ranges(frontier, text, 0), 0);
	for (size_t max = 1; max < sizeof text; max++)
		assert_true(evpipe_frontier_ranges(frontier, text, max) < max);
	evpipe_frontier_free(next);
	evpipe_frontier_free(frontier);
}

static void test_frontier__refuses_text_that_is_no_ranges(void **state)
{
	static const char *const bad[] = {"x", "1", "1 ", "2 5 1 1", "1 5 1", "1 5 1 0", "1 5 -1 3", "1 5 1 1x", "1 5  1 1",
	                                  "1 99999999999999999999 1 1", "2 5", "2 5 +", "2 x abc", "3 5 abc", "2 5 ab c", "1 5 9000000000000000000 1", "metadata of somebody else"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		evpipe_frontier *frontier = frontier_at(0, 1000);
		assert_int_equal(evpipe_frontier_restore(frontier, bad[i]), EVPIPE_EFORMAT);
		take(frontier, 0, 100);
		evpipe_frontier_free(frontier);
	}
	evpipe_frontier *frontier = frontier_at(0, 1000);
	assert_int_equal(evpipe_frontier_restore(frontier, ""), EVPIPE_OK);
	/* Far ahead of what is kept apart: not an error, not taken over, and no memory spent. */
	assert_int_equal(evpipe_frontier_restore(frontier, "1 0 4000000000 4000000000"), EVPIPE_OK);
	take(frontier, 0, 100);
	evpipe_frontier_free(frontier);
}

/* Random histories against a plain array, at offsets where 32 bits end. */
static void run_history(uint64_t seed)
{
	enum { COUNT = 3000 };
	const int64_t    start = (INT64_C(1) << 32) - 1000;
	evpipe_frontier *frontier = frontier_at(start, 1500);
	char             text[4000];
	unsigned char    settled[COUNT] = {0}, taken[COUNT] = {0};
	int64_t          next = 0, lowest = 0;
	uint64_t         random = seed * 2654435761u + 1;

	while (next < COUNT) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		if (random >> 63) {
			int64_t    offset = next + ((random >> 40) % 16 == 0 ? (int64_t)(random >> 50) % 5 : 0);
			evpipe_err err = offset < COUNT ? evpipe_frontier_take(frontier, start + offset) : EVPIPE_EAGAIN;
			if (err == EVPIPE_EAGAIN && offset >= COUNT)
				break;
			if (err == EVPIPE_EAGAIN) {
				assert_true(offset - lowest >= 1500);
				settled[lowest] = 1;
				assert_int_equal(evpipe_frontier_settle(frontier, start + lowest), EVPIPE_OK);
			} else {
				assert_int_equal(err, EVPIPE_OK);
				for (; next < offset; next++)
					settled[next] = 1;
				taken[next++] = 1;
			}
		} else if (next) {
			int64_t offset = (int64_t)((random >> 30) % (uint64_t)next);
			assert_int_equal(evpipe_frontier_settle(frontier, start + offset), EVPIPE_OK);
			settled[offset] = 1;
		}
		while (lowest < next && settled[lowest])
			lowest++;
		assert_int_equal(evpipe_frontier_offset(frontier), start + lowest);
	}
	uint64_t unsettled = 0;
	for (int64_t i = 0; i < next; i++)
		unsettled += taken[i] && !settled[i];
	assert_int_equal(evpipe_frontier_unsettled(frontier), unsettled);

	evpipe_frontier *heir = frontier_at(evpipe_frontier_offset(frontier), 1500);
	evpipe_frontier_ranges(frontier, text, sizeof text);
	assert_int_equal(evpipe_frontier_restore(heir, text), EVPIPE_OK);
	for (int64_t i = lowest; i < next; i++)
		if (evpipe_frontier_take(heir, start + i) == EVPIPE_ESTALE)
			assert_true(settled[i]);
	evpipe_frontier_free(heir);
	evpipe_frontier_free(frontier);
}

static void test_frontier__random_histories_match_an_array(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 300; seed++)
		run_history(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frontier__stays_below_the_lowest_unsettled_record),
		cmocka_unit_test(test_frontier__settling_twice_is_once_and_untaken_is_refused),
		cmocka_unit_test(test_frontier__gaps_are_settled),
		cmocka_unit_test(test_frontier__holds_back_what_is_too_far_ahead),
		cmocka_unit_test(test_frontier__a_gap_beyond_the_span_is_passed_when_nothing_is_out),
		cmocka_unit_test(test_frontier__the_next_owner_skips_settled_ranges),
		cmocka_unit_test(test_frontier__many_small_ranges_travel_as_bits),
		cmocka_unit_test(test_frontier__ranges_that_do_not_fit_are_left_out),
		cmocka_unit_test(test_frontier__refuses_text_that_is_no_ranges),
		cmocka_unit_test(test_frontier__random_histories_match_an_array),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
