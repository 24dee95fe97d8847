/*
 * A configuration that is read, checked, copied, shown, with each of its allocations failing in turn.
 */
#include "torture.h"

#include <evpipe-transport.h>
#include <stdio.h>
#include <unistd.h>

static char path[] = "/tmp/evpipe-test-torture-XXXXXX";

static const char text[] = "transport.url = kafka://127.0.0.1:9092\n"
			   "[topic]\n"
			   "name = events\n"
			   "[batch]\n"
			   "linger = 1s\n"
			   "[kafka]\n"
			   "producer.linger.ms = 20\n"
			   "[sink]\n"
			   "url = https://ingest.example.com/{destination}\n"
			   "header.X-Team = platform\n"
			   "[destination.ACME]\n"
			   "sink.url = https://acme.example.net/bulk\n"
			   "sink.header.X-Team = acme\n";

static int count(void *ctx, const char *name, const char *value, const char *origin)
{
	(void)name, (void)value;
	*(unsigned *)ctx += origin != NULL;
	return 0;
}

static int fail_on_problem(void *ctx, const evpipe_error *problem)
{
	(void)ctx;
	if (problem->code != EVPIPE_ENOMEM)
		fail_msg("%s", problem->text);
	return 0;
}

static void read_and_copy(void)
{
	const evpipe_transport_ops *ops;
	evpipe_config              *config = NULL, *copy = NULL;
	unsigned                    settings = 0;

	TRY(evpipe_config_new(&config));
	torture_error = (evpipe_error){.code = EVPIPE_OK};
	if (evpipe_config_load(config, path, &torture_error) != EVPIPE_OK) {
		/* What stood before may have been set: it is thrown away, as the header says. */
		torture_assert_told();
		evpipe_config_free(config);
		TRY(evpipe_config_new(&config));
		TRY(evpipe_config_load(config, path, NULL));
	}
	TRY_TOLD(evpipe_config_set(config, "batch.linger", "2s", &torture_error));
	TRY_TOLD(evpipe_config_set(config, "destination.INIT.batch.linger", "3s", &torture_error));
	/* Which is a problem where it is not built. */
	if (evpipe_transport_find(&ops, "kafka://", NULL) == EVPIPE_OK)
		TRY(evpipe_config_check(config, fail_on_problem, NULL));
	TRY(evpipe_config_copy(&copy, config));
	evpipe_config_free(config);
	assert_int_equal(evpipe_config_number(copy, "ACME", "batch.linger"), 2000);
	assert_int_equal(evpipe_config_number(copy, "INIT", "batch.linger"), 3000);
	assert_string_equal(evpipe_config_text(copy, "ACME", "sink.url"), "https://acme.example.net/bulk");
	evpipe_config_show(copy, count, &settings);
	assert_int_equal(settings, 9);
	evpipe_config_free(copy);
}

static void test_torture_config__is_read_in_spite_of_any_lack_of_memory(void **state)
{
	(void)state;
	torture(read_and_copy, 50);
}

/* But for its last end of line. */
static int is_the_file(void *ctx, const char *name, const char *value)
{
	(void)ctx;
	assert_string_equal(name, "ssl.ca.pem");
	assert_int_equal(strlen(value), sizeof text - 2);
	return memcmp(value, text, sizeof text - 2) == 0;
}

static void read_file(void)
{
	evpipe_config *config = NULL;
	char           value[64];

	snprintf(value, sizeof value, "@%s", path);
	TRY(evpipe_config_new(&config));
	TRY_TOLD(evpipe_config_set(config, "kafka.ssl.ca.pem", value, &torture_error));
	assert_int_equal(evpipe_config_each(config, NULL, "kafka.", is_the_file, NULL), 1);
	evpipe_config_free(config);
}

static void test_torture_config__values_in_files(void **state)
{
	(void)state;
	torture(read_file, 4);
}

static int make_file(void **state)
{
	(void)state;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof text - 1), sizeof text - 1);
	close(fd);
	return 0;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TORTURE(test_torture_config__is_read_in_spite_of_any_lack_of_memory),
		TORTURE(test_torture_config__values_in_files),
	};
	return cmocka_run_group_tests(tests, make_file, remove_file);
}
