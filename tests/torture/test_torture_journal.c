/*
 * Journals that outlive their producer, with each allocation failing in turn: what one accepted while the broker was
 * away, the next one sends, or keeps among what the broker rejected.
 */
#include "torture.h"

#include <dirent.h>
#include <unistd.h>

#include "tests/unit/world.h"

#define EVENTS 60
#define END_MS 120000

static char directory[] = "/tmp/evpipe-test-torture-XXXXXX";

static int make_directory(void **state)
{
	(void)state;
	return mkdtemp(directory) ? 0 : -1;
}

static void empty_directory(void)
{
	DIR           *dir = opendir(directory);
	struct dirent *entry;
	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
}

static int remove_directory(void **state)
{
	(void)state;
	empty_directory();
	return rmdir(directory);
}

/* Nonces must differ from producer to producer, whatever failed. */
static uint64_t seed;

static void open_world(struct world *world, const char *durability)
{
	const char *const settings[] = {"topic.partitions", "1",          "journal.size",       "16KiB",    "event.max",          "1KiB",
	                                "journal.dir",      directory,    "journal.durability", durability, "journal.spool_size", "1MiB", NULL};
	*world = (struct world){.workers_count = 0};
	TRY(evpipe_testbroker_new(&world->broker, ++seed));
	TRY(evpipe_config_new(&world->config));
	TRY(evpipe_testbroker_attach(world->broker, world->config));
	for (size_t i = 0; settings[i]; i += 2)
		TRY_TOLD(evpipe_config_set(world->config, settings[i], settings[i + 1], &torture_error));
}

/* How many were accepted; the broker is away. */
static unsigned emit_all(struct world *world, int accepted[EVENTS])
{
	unsigned count = 0;
	char     data[250];
	memset(data, '1', sizeof data);
	for (int i = 0; i < EVENTS; i++) {
		char         id[16];
		evpipe_event event = EVPIPE_EVENT_INIT;
		snprintf(id, sizeof id, "%d", i);
		event.destination = "ACME";
		event.id = id;
		event.data = data;
		event.data_len = sizeof data;
		evpipe_err err = evpipe_emit(world->producer, &event);
		assert_true(err == EVPIPE_OK || err == EVPIPE_EFULL);
		accepted[i] = err == EVPIPE_OK;
		count += err == EVPIPE_OK;
		world_pass(world, 20);
	}
	return count;
}

static int is_on_topic(const struct world *world, int number)
{
	char    id[16];
	int64_t high = evpipe_testbroker_high(world->broker, "evpipe.events", 0);
	snprintf(id, sizeof id, "%d", number);
	for (int64_t offset = 0; offset < high; offset++)
		if (strcmp(world_envelope_field(world, "evpipe.events", 0, offset, "id"), id) == 0)
			return 1;
	return 0;
}

/* All but those that were rejected. */
static unsigned count_missing(const struct world *world, const int accepted[EVENTS])
{
	unsigned missing = 0;
	for (int i = 0; i < EVENTS; i++)
		missing += accepted[i] && !is_on_topic(world, i);
	return missing;
}

static void leave_and_recover(const char *durability)
{
	struct world            world;
	evpipe_testbroker_fault fault = EVPIPE_TESTBROKER_FAULT_INIT;
	int                     accepted[EVENTS];
	uint64_t                left = 0;

	open_world(&world, durability);
	evpipe_testbroker_set_available(world.broker, NULL, -1, 0);
	TRY_TOLD(evpipe_producer_new(&world.producer, world.config, &torture_error));
	unsigned count = emit_all(&world, accepted);
	assert_true(count > 20);
	assert_int_equal(evpipe_producer_close(world.producer, 0, &left), EVPIPE_ETIMEOUT);
	assert_int_equal(left, count);
	evpipe_producer_free(world.producer);
	world.producer = NULL;

	evpipe_testbroker_set_available(world.broker, NULL, -1, 1);
	fault.err = EVPIPE_ETOOLARGE;
	fault.after = 5;
	assert_int_equal(evpipe_testbroker_inject(world.broker, &fault), EVPIPE_OK);
	TRY_TOLD(evpipe_producer_new(&world.producer, world.config, &torture_error));
	for (int64_t passed = 0; count_missing(&world, accepted) > world_producer_stats(&world).rejected; passed += 1000) {
		assert_true(passed < END_MS);
		world_pass(&world, 1000);
	}
	world_pass(&world, 2000);
	assert_int_equal(world_producer_stats(&world).rejected, 1);
	assert_int_equal(evpipe_producer_close(world.producer, 1000, &left), EVPIPE_OK);
	assert_int_equal(left, 0);
	world_close(&world);
	empty_directory();
}

static void on_tmpfs(void)
{
	leave_and_recover("process");
}

static void on_disk(void)
{
	leave_and_recover("disk");
}

static void test_torture_journal__a_ring_is_recovered(void **state)
{
	(void)state;
	torture(on_tmpfs, 50);
}

static void test_torture_journal__segments_and_spool_are_recovered(void **state)
{
	(void)state;
	torture(on_disk, 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TORTURE(test_torture_journal__a_ring_is_recovered),
		TORTURE(test_torture_journal__segments_and_spool_are_recovered),
	};
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
