/*
 * Configuration files, as evpipe_config_load and evpipe_config_check_file read them.
 */
#include "test.h"

#include <sys/stat.h>
#include <unistd.h>

#include <evpipe.h>

#include "tests/torture/allocations.h"

static char           directory[] = "/tmp/evpipe-test-ini-XXXXXX";
static char           path[64];
static evpipe_config *config;
static evpipe_error   error;

static void write_bytes(const char *bytes, size_t len)
{
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static evpipe_err load(const char *text)
{
	write_bytes(text, strlen(text));
	return evpipe_config_load(config, path, &error);
}

/* The file does not load, and the error says what comes after the file's name. */
static void assert_problem(const char *text, const char *problem)
{
	char expected[EVPIPE_ERROR_TEXT_MAX];
	snprintf(expected, sizeof expected, "%s:%s", path, problem);
	assert_int_equal(load(text), EVPIPE_ECONFIG);
	assert_int_equal(error.code, EVPIPE_ECONFIG);
	assert_string_equal(error.text, expected);
}

static int make_directory(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof path, "%s/evpipe.ini", directory);
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

static int setup(void **state)
{
	(void)state;
	return evpipe_config_new(&config) != EVPIPE_OK;
}

static int teardown(void **state)
{
	(void)state;
	evpipe_config_free(config);
	config = NULL;
	return 0;
}

static void test_ini__sections_are_prefixes(void **state)
{
	(void)state;
	assert_int_equal(load("transport.url = kafka://a:1\n"
	                      "# a comment\n"
	                      "; another one\n"
	                      "\n"
	                      "[batch]\n"
	                      "linger = 1s\n"
	                      "   events_max=7   \n"
	                      "\t[ destination.ACME ]\t\n"
	                      "batch.linger = 2s\n"
	                      "[destination.a.b c.sink]\n"
	                      "url = https://x/\n"),
	                 EVPIPE_OK);
	assert_string_equal(evpipe_config_text(config, NULL, "transport.url"), "kafka://a:1");
	assert_int_equal(evpipe_config_number(config, NULL, "batch.linger"), 1000);
	assert_int_equal(evpipe_config_number(config, NULL, "batch.events_max"), 7);
	assert_int_equal(evpipe_config_number(config, "ACME", "batch.linger"), 2000);
	assert_string_equal(evpipe_config_text(config, "a.b c", "sink.url"), "https://x/");
}

static void test_ini__comment_signs_are_part_of_a_value(void **state)
{
	(void)state;
	assert_int_equal(load("event.source = a ; b # c = d\n"), EVPIPE_OK);
	assert_string_equal(evpipe_config_text(config, NULL, "event.source"), "a ; b # c = d");
}

static void test_ini__takes_windows_files_and_a_missing_last_end(void **state)
{
	(void)state;
	assert_int_equal(load("\xef\xbb\xbf[batch]\r\nlinger = 1s\r\n\r\nevents_max = 7"), EVPIPE_OK);
	assert_int_equal(evpipe_config_number(config, NULL, "batch.linger"), 1000);
	assert_int_equal(evpipe_config_number(config, NULL, "batch.events_max"), 7);
	assert_int_equal(load(""), EVPIPE_OK);
	assert_int_equal(load("\xef\xbb\xbf"), EVPIPE_OK);
}

static void test_ini__problems_name_file_and_line(void **state)
{
	(void)state;
	assert_problem("\n[batch\n", "2: the section is not closed: expected [NAME] and nothing behind it");
	assert_problem("[batch] # all\n", "1: the section is not closed: expected [NAME] and nothing behind it");
	assert_problem("[]\n", "1: the section has no name: expected [NAME]");
	assert_problem("[batch]\nlinger\n", "2: there is no '=': expected NAME = VALUE, [SECTION], or # and a comment");
	assert_problem("[batch]\nlinger: 1s\n", "2: there is no '=': expected NAME = VALUE, [SECTION], or # and a comment");
	assert_problem("= 1s\n", "1: there is no name before '='");
	assert_problem("[batch]\n= 1s\nlinger\n", "2: there is no name before '='"); /* the first of them */
	assert_problem("\n\n[batch]\nlingr = 1s\n", "4: batch.lingr: there is no such property; did you mean batch.linger?");
	assert_problem("[batch]\r\nlinger = 1x\r\n",
	               "2: batch.linger = 1x: there is no such unit; expected a duration from 0 to 1h, such as 200ms, 5s, 1m, 6h, 7d");
}

static void test_ini__a_property_comes_once_in_a_file(void **state)
{
	(void)state;
	char problem[160];

	snprintf(problem, sizeof problem, "3: batch.linger is set already at %s:2", path);
	assert_problem("[batch]\nlinger = 1s\nlinger = 2s\n", problem);
	snprintf(problem, sizeof problem, "4: destination.A.batch.linger is set already at %s:2", path);
	assert_problem("[destination.A]\nbatch.linger = 1s\n[destination.A.batch]\nlinger = 2s\n", problem);
	snprintf(problem, sizeof problem, "3: sink.header.x-a is set already at %s:2", path);
	assert_problem("[sink]\nheader.X-A = 1\nheader.x-a = 2\n", problem);
	/* For two destinations, or in two files, it is two things. */
	assert_int_equal(load("[destination.B]\nbatch.linger = 1s\n[destination.C]\nbatch.linger = 2s\n"), EVPIPE_OK);
	assert_int_equal(load("[destination.B]\nbatch.linger = 3s\n"), EVPIPE_OK);
	assert_int_equal(evpipe_config_number(config, "B", "batch.linger"), 3000);
}

static void test_ini__long_lines_come_whole_or_not_at_all(void **state)
{
	(void)state;
	static char text[20000], destination[256], name[300];
	char        value[8192 - sizeof "kafka.tls = " + 1];

	/* A section of 300 bytes and more, a value to the last byte of the line. */
	memset(destination, 'd', 255);
	snprintf(text, sizeof text, "[destination.%s.sink.header]\nX-%0100d = 1\n", destination, 7);
	assert_int_equal(load(text), EVPIPE_OK);
	memset(value, 'k', sizeof value - 1);
	value[sizeof value - 1] = '\0';
	snprintf(text, sizeof text, "kafka.tls = %s\r\n[batch]\nlinger = 1s\n", value);
	assert_int_equal(strcspn(text, "\r"), 8191);
	assert_int_equal(load(text), EVPIPE_OK);
	snprintf(text, sizeof text, "kafka.tlsx = %s\r\n[batch]\nlinger = 2s\n", value);
	assert_int_equal(load(text), EVPIPE_OK);
	snprintf(text, sizeof text, "\nkafka.tlsxy = %s\n[batch]\nlinger = 3s\n", value);
	assert_problem(text, "2: the line is longer than 8192 bytes");

	memset(name, 'n', sizeof name - 1);
	snprintf(text, sizeof text, "%s%s = 1\n", name, name);
	assert_int_equal(load(text), EVPIPE_ECONFIG);
	assert_non_null(strstr(error.text, "nnn...: there is no such property"));
	snprintf(text, sizeof text, "[destination.%s%s]\nbatch.linger = 1s\n", destination, "e");
	assert_int_equal(load(text), EVPIPE_ECONFIG);
	assert_non_null(strstr(error.text, "the destination's name is longer than 255 bytes"));
}

static void test_ini__nul_bytes_are_refused(void **state)
{
	(void)state;
	static const char bytes[] = "[batch]\nlinger = 1\0s\n";
	char              expected[200];

	write_bytes(bytes, sizeof bytes - 1);
	assert_int_equal(evpipe_config_load(config, path, &error), EVPIPE_ECONFIG);
	snprintf(expected, sizeof expected, "%s:2: it has a NUL byte: the file is not a text in UTF-8", path);
	assert_string_equal(error.text, expected);
}

static void test_ini__what_cannot_be_read_is_said(void **state)
{
	(void)state;
	char expected[200];

	assert_int_equal(evpipe_config_load(config, directory, &error), EVPIPE_EIO);
	snprintf(expected, sizeof expected, "%s: Is a directory", directory);
	assert_string_equal(error.text, expected);
	assert_int_equal(evpipe_config_load(config, "/nonexistent/evpipe.ini", &error), EVPIPE_EIO);
	assert_string_equal(error.text, "/nonexistent/evpipe.ini: No such file or directory");
	assert_int_equal(evpipe_config_load(config, "/nonexistent/evpipe.ini", NULL), EVPIPE_EIO);
}

static void test_ini__control_characters_do_not_reach_errors(void **state)
{
	(void)state;
	assert_problem("[batch]\nlin\x1b[31mger\x7f = 1s\n", "2: batch.lin?[31mger?: there is no such property");
}

struct report {
	size_t count;
	size_t stop_after;
	char   texts[8][EVPIPE_ERROR_TEXT_MAX];
};

static int on_problem(void *ctx, const evpipe_error *problem)
{
	struct report *report = ctx;
	assert_int_equal(problem->code, EVPIPE_ECONFIG);
	assert_in_range(report->count, 0, COUNT_OF(report->texts) - 1);
	memcpy(report->texts[report->count++], problem->text, sizeof problem->text);
	return report->count == report->stop_after;
}

static void test_ini__a_check_reports_every_problem(void **state)
{
	(void)state;
	static const char text[] = "[batch]\n"
				   "linger = 1x\n"
				   "nonsense\n"
				   "events_max = 7\n"
				   "[batch\n"
				   "[topic]\n"
				   "nam = x\n"
				   "partitions = 0\n";
	struct report report = {.count = 0};

	write_bytes(text, sizeof text - 1);
	assert_int_equal(evpipe_config_check_file(config, path, on_problem, &report, &error), EVPIPE_ECONFIG);
	assert_int_equal(report.count, 5);
	assert_non_null(strstr(report.texts[0], "evpipe.ini:2: "));
	assert_non_null(strstr(report.texts[1], "evpipe.ini:3: "));
	assert_non_null(strstr(report.texts[2], "evpipe.ini:5: "));
	assert_non_null(strstr(report.texts[3], "evpipe.ini:7: topic.nam: there is no such property; did you mean topic.name?"));
	assert_non_null(strstr(report.texts[4], "evpipe.ini:8: topic.partitions = 0: it is out of range; expected a whole number "
	                                        "from 1 to 10000"));
	assert_int_equal(evpipe_config_number(config, NULL, "batch.events_max"), 7);

	report = (struct report){.stop_after = 2};
	assert_int_equal(evpipe_config_check_file(config, path, on_problem, &report, NULL), EVPIPE_ECONFIG);
	assert_int_equal(report.count, 2);
	assert_int_equal(evpipe_config_check_file(config, "/nonexistent", on_problem, &report, &error), EVPIPE_EIO);
	assert_int_equal(report.count, 2);
}

static int allow_first(void *ctx)
{
	size_t *left = ctx;
	return *left && (*left)--;
}

static void test_ini__any_allocation_may_fail(void **state)
{
	(void)state;
	static const char text[] = "[destination.ACME]\nsink.url = https://x/\nsink.header.A = b\n[batch]\nlinger = 1s\n[kafka]\na = b\n";
	evpipe_err        err;
	size_t            allowed = 0;

	write_bytes(text, sizeof text - 1);
	do {
		evpipe_config *fresh, *copy = NULL;
		size_t         left = allowed;
		allocations_ask(allow_first, &left);
		err = evpipe_config_new(&fresh);
		if (!err) {
			err = evpipe_config_load(fresh, path, &error);
			if (!err)
				err = evpipe_config_copy(&copy, fresh);
			if (!err) {
				assert_string_equal(evpipe_config_text(copy, "ACME", "sink.url"), "https://x/");
				assert_int_equal(evpipe_config_number(copy, "ACME", "batch.linger"), 1000);
			}
			evpipe_config_free(copy);
			evpipe_config_free(fresh);
		}
		allocations_ask(NULL, NULL);
		assert_true(err == EVPIPE_OK || err == EVPIPE_ENOMEM);
		assert_true(++allowed < 1000);
	} while (err);
	assert_true(allowed > 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ini__sections_are_prefixes),
		TEST(test_ini__comment_signs_are_part_of_a_value),
		TEST(test_ini__takes_windows_files_and_a_missing_last_end),
		TEST(test_ini__problems_name_file_and_line),
		TEST(test_ini__a_property_comes_once_in_a_file),
		TEST(test_ini__long_lines_come_whole_or_not_at_all),
		TEST(test_ini__nul_bytes_are_refused),
		TEST(test_ini__what_cannot_be_read_is_said),
		TEST(test_ini__control_characters_do_not_reach_errors),
		TEST(test_ini__a_check_reports_every_problem),
		TEST(test_ini__any_allocation_may_fail),
	};
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
