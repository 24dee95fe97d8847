#include "test.h"

#include "values.h"

/* A text, and what becomes of it: a number, or what is wrong. */
struct example {
	const char *text;
	int64_t     number;
	const char *problem;
};

static void assert_examples(const char *(*parse)(const char *, int64_t *), const struct example *examples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int64_t     number = 4711;
		const char *problem = parse(examples[i].text, &number);
		if ((problem && !examples[i].problem) || (!problem && examples[i].problem))
			print_message("'%s'\n", examples[i].text);
		if (examples[i].problem) {
			assert_string_equal(problem, examples[i].problem);
			assert_int_equal(number, 4711); /* left alone */
		} else {
			assert_null(problem);
			assert_true(number == examples[i].number);
		}
	}
}

static void test_values__durations_have_a_unit(void **state)
{
	(void)state;
	const struct example examples[] = {
		{"200ms", 200, NULL},
		{"5s", 5000, NULL},
		{"1m", 60000, NULL},
		{"6h", 21600000, NULL},
		{"7d", 604800000, NULL},
		{"7 d", 604800000, NULL},
		{"0", 0, NULL},
		{"0s", 0, NULL},
		{"", 0, "nothing stands there"},
		{"200", 0, "the unit is missing"},
		{"5x", 0, "there is no such unit"},
		{"5M", 0, "there is no such unit"},
		{"1h30m", 0, "there is no such unit"},
		{"1.5s", 0, "only whole numbers will do"},
		{"-5s", 0, "it is less than 0"},
		{"+5s", 0, "it does not begin with a number"},
		{"soon", 0, "it does not begin with a number"},
		{"9223372036854775807ms", INT64_MAX, NULL},
		{"9223372036854775808ms", 0, "the number is too large"},
		{"106751991168d", 0, "the number is too large"},
		{"99999999999999999999999999s", 0, "the number is too large"},
	};
	assert_examples(evpipe__parse_duration, examples, COUNT_OF(examples));
}

static void test_values__sizes_are_binary_or_decimal(void **state)
{
	(void)state;
	const struct example examples[] = {
		{"5MiB", 5 << 20, NULL},
		{"64KiB", 65536, NULL},
		{"64kib", 65536, NULL},
		{"1GiB", 1 << 30, NULL},
		{"1MB", 1000000, NULL},
		{"1kB", 1000, NULL},
		{"2GB", 2000000000, NULL},
		{"100", 100, NULL},
		{"100B", 100, NULL},
		{"0", 0, NULL},
		{"5M", 0, "there is no such unit"},
		{"MiB", 0, "it does not begin with a number"},
		{"1.5MiB", 0, "only whole numbers will do"},
		{"-1", 0, "it is less than 0"},
		{"8589934591GiB", INT64_C(8589934591) << 30, NULL},
		{"8589934592GiB", 0, "the number is too large"},
	};
	assert_examples(evpipe__parse_bytes, examples, COUNT_OF(examples));
}

static void test_values__counts_are_whole_numbers(void **state)
{
	(void)state;
	const struct example examples[] = {
		{"0", 0, NULL},
		{"500", 500, NULL},
		{"0010", 10, NULL},
		{"9223372036854775807", INT64_MAX, NULL},
		{"9223372036854775808", 0, "the number is too large"},
		{"5k", 0, "something stands behind the number"},
		{"1,000", 0, "only whole numbers will do"},
		{"0x10", 0, "something stands behind the number"},
	};
	assert_examples(evpipe__parse_count, examples, COUNT_OF(examples));
}

static void test_values__yes_and_no_have_three_words_each(void **state)
{
	(void)state;
	const struct example examples[] = {
		{"yes", 1, NULL}, {"true", 1, NULL}, {"on", 1, NULL},  {"no", 0, NULL},
		{"false", 0, NULL}, {"off", 0, NULL}, {"Yes", 1, NULL}, {"1", 0, "it is neither"},
		{"", 0, "it is neither"}, {"yess", 0, "it is neither"},
	};
	assert_examples(evpipe__parse_bool, examples, COUNT_OF(examples));
}

static void test_values__lists_of_durations_ascend(void **state)
{
	(void)state;
	int64_t ms[3] = {0};
	size_t  count = 0;

	assert_null(evpipe__parse_durations("5s, 1m ,10m", ms, 3, &count));
	assert_int_equal(count, 3);
	assert_int_equal(ms[0], 5000);
	assert_int_equal(ms[2], 600000);
	assert_null(evpipe__parse_durations("5s", NULL, 3, &count));
	assert_int_equal(count, 1);

	const struct {
		const char *text, *problem;
	} wrong[] = {
		{"", "a duration is missing"},
		{"5s,", "a duration is missing"},
		{",5s", "a duration is missing"},
		{"5s,,1m", "a duration is missing"},
		{"5s 1m", "there is no such unit"},
		{"5s, 1", "the unit is missing"},
		{"0, 5s", "the first is 0"},
		{"1m, 5s", "they do not ascend"},
		{"60s, 1m", "they do not ascend"},
		{"1s, 2s, 3s, 4s", "there are too many"},
		{"5sssssssssssssssssssssssssssssssssssssssssssss", "one of them is no duration"},
	};
	for (size_t i = 0; i < COUNT_OF(wrong); i++)
		assert_string_equal(evpipe__parse_durations(wrong[i].text, ms, 3, &count), wrong[i].problem);
}

static void test_values__are_written_in_the_largest_unit(void **state)
{
	(void)state;
	char out[EVPIPE__VALUE_TEXT_MAX];

	assert_string_equal(evpipe__duration_text(0, out, sizeof out), "0");
	assert_string_equal(evpipe__duration_text(1, out, sizeof out), "1ms");
	assert_string_equal(evpipe__duration_text(5000, out, sizeof out), "5s");
	assert_string_equal(evpipe__duration_text(90000, out, sizeof out), "90s");
	assert_string_equal(evpipe__duration_text(604800000, out, sizeof out), "7d");
	assert_string_equal(evpipe__duration_text(INT64_MAX, out, sizeof out), "9223372036854775807ms");
	assert_string_equal(evpipe__bytes_text(0, out, sizeof out), "0");
	assert_string_equal(evpipe__bytes_text(100, out, sizeof out), "100");
	assert_string_equal(evpipe__bytes_text(65536, out, sizeof out), "64KiB");
	assert_string_equal(evpipe__bytes_text(5 << 20, out, sizeof out), "5MiB");
	assert_string_equal(evpipe__bytes_text(1000000, out, sizeof out), "1000000");
	assert_string_equal(evpipe__bytes_text(INT64_C(1) << 40, out, sizeof out), "1024GiB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values__durations_have_a_unit),
		cmocka_unit_test(test_values__sizes_are_binary_or_decimal),
		cmocka_unit_test(test_values__counts_are_whole_numbers),
		cmocka_unit_test(test_values__yes_and_no_have_three_words_each),
		cmocka_unit_test(test_values__lists_of_durations_ascend),
		cmocka_unit_test(test_values__are_written_in_the_largest_unit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
