#include "test.h"

#include "timestamp.h"

static void test_timestamp__reads_what_rfc_3339_allows(void **state)
{
	static const struct {
		const char *text;
		int64_t     time_ms;
	} cases[] = {
		{"2026-01-01T00:00:00Z", INT64_C(1767225600000)},
		{"2026-01-01t00:00:00.5z", INT64_C(1767225600500)},
		{"2026-01-01 00:00:00.1239Z", INT64_C(1767225600123)},
		{"2026-01-01T02:30:00.007+02:30", INT64_C(1767225600007)},
		{"2025-12-31T23:00:00-01:00", INT64_C(1767225600000)},
		{"1969-12-31T23:59:59.999Z", -1},
		{"2016-12-31T23:59:60Z", INT64_C(1483228800000)}, /* a leap second */
		{"0000-01-01T00:00:00Z", INT64_C(-62167219200000)},
		{"9999-12-31T23:59:59.999Z", INT64_C(253402300799999)},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(evpipe__rfc3339_parse(cases[i].text), cases[i].time_ms);
}

static void test_timestamp__refuses_everything_else(void **state)
{
	static const char *const cases[] = {
		"", "2026", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00X", "2026-01-01T00:00:00Zz", "2026-01-01T00:00Z",
		"26-01-01T00:00:00Z", "2026-1-01T00:00:00Z", "2026-01-01T-1:00:00Z", "2026-01-01T+1:00:00Z", "2026-01- 1T00:00:00Z",
		"2026-00-01T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-32T00:00:00Z", "2026-01-01T24:00:00Z",
		"2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z", "2026-01-01X00:00:00Z", "2026-01-01T00:00:00+", "2026-01-01T00:00:00+1:00",
		"2026-01-01T00:00:00+01", "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+01:60", "2026-01-01T00:00:00+01:00Z",
		"2026/01/01T00:00:00Z", "1767225600000",
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (evpipe__rfc3339_parse(cases[i]) != INT64_MIN)
			fail_msg("%s was taken for %lld", cases[i], (long long)evpipe__rfc3339_parse(cases[i]));
}

static void test_timestamp__what_is_written_is_read_back(void **state)
{
	static const int64_t times[] = {0, 1, -1, -1001, INT64_C(1767225600123), INT64_C(-30610224000000), INT64_C(253402300799999)};
	char                 text[32];
	(void)state;
	for (size_t i = 0; i < COUNT_OF(times); i++) {
		evpipe__rfc3339(times[i], text);
		assert_int_equal(strlen(text), 24);
		assert_int_equal(evpipe__rfc3339_parse(text), times[i]);
	}
	evpipe__rfc3339(INT64_MAX, text);
	assert_string_equal(text, "9999-12-31T23:59:59.999Z");
	evpipe__rfc3339(INT64_MIN, text);
	assert_string_equal(text, "1000-01-01T00:00:00.000Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timestamp__reads_what_rfc_3339_allows),
		cmocka_unit_test(test_timestamp__refuses_everything_else),
		cmocka_unit_test(test_timestamp__what_is_written_is_read_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
