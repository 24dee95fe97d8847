/*
 * Journals that outlive their process: a child emits and is killed, another producer sends what it left.
 */
#include "world.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory-storage.h"
#include "platform.h"
#include "record.h"
#include "rejects.h"
#include "settings.h"

static char directory[64];

static int make_directory(void **state)
{
	(void)state;
	snprintf(directory, sizeof directory, "/tmp/evpipe-recovery.XXXXXX");
	return mkdtemp(directory) ? 0 : -1;
}

/* Visit all names; with `remove`, they go. Returns how many end like that. */
static int count_files(const char *suffix, int remove, char *first, size_t size)
{
	DIR           *dir = opendir(directory);
	struct dirent *entry;
	int            count = 0;
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);
		if (entry->d_name[0] == '.' || len < strlen(suffix) || strcmp(entry->d_name + len - strlen(suffix), suffix) != 0)
			continue;
		if (first && !count)
			snprintf(first, size, "%s/%s", directory, entry->d_name);
		if (remove)
			unlinkat(dirfd(dir), entry->d_name, 0);
		count++;
	}
	closedir(dir);
	return count;
}

static int remove_directory(void **state)
{
	(void)state;
	count_files("", 1, NULL, 0);
	return rmdir(directory);
}

/* Each process has randomness of its own: no nonce comes twice. */
static uint64_t seed;

static void open_on(struct world *world, const char *durability, const char *const more[])
{
	const char *settings[32] = {"topic.partitions", "1", "journal.size", "1MiB", "event.max", "64KiB", "journal.dir", directory,
	                            "journal.durability", durability};
	size_t      count = 10;
	for (; more && *more; more++)
		settings[count++] = *more;
	settings[count] = NULL;
	world_open(world, ++seed, settings);
}

/* The first so many reach a broker, which goes with the child; then so many are emitted, and the child is killed. */
static void kill_after(const char *durability, const char *const more[], int acknowledged, int left, int64_t then_pass_ms)
{
	int   status;
	pid_t child = (seed++, fork());
	assert_true(child >= 0);
	if (child == 0) {
		struct world world;
		alarm(60);
		open_on(&world, durability, more);
		for (int i = 0; i < acknowledged; i++)
			world_emit(&world, "ACME", "key");
		if (acknowledged)
			world_pass(&world, 1000);
		evpipe_testbroker_set_available(world.broker, NULL, -1, 0);
		for (int i = 0; i < left; i++)
			world_emit(&world, "ACME", "key");
		if (then_pass_ms)
			world_pass(&world, then_pass_ms);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void assert_on_topic(struct world *world, int first, int end)
{
	assert_int_equal(evpipe_testbroker_count(world->broker, "evpipe.events"), end - first);
	for (int i = first; i < end; i++) {
		char id[32];
		snprintf(id, sizeof id, "ACME-%d", i);
		assert_string_equal(world_envelope_field(world, "evpipe.events", 0, i - first, "id"), id);
	}
}

static void test_recovery__what_a_killed_process_had_accepted_is_sent_in_order(void **state)
{
	struct world world;
	(void)state;
	kill_after("process", NULL, 50, 100, 0);
	assert_int_equal(count_files(".ring", 0, NULL, 0), 1);
	open_on(&world, "process", NULL);
	assert_int_equal(world_producer_stats(&world).recovered, 100);
	assert_int_equal(world_producer_stats(&world).pending, 100);
	world.emitted = 150;
	world_emit(&world, "ACME", "key"); /* behind them */
	world_pass(&world, 1000);
	assert_on_topic(&world, 50, 151);
	assert_int_equal(world_producer_stats(&world).sent, 101);
	assert_int_equal(count_files(".ring", 0, NULL, 0), 1); /* our own */
	world_close(&world);
	assert_int_equal(count_files("", 0, NULL, 0), 0);
}

/* Taken is not acknowledged; and whoever recovers may be killed as well. */
static void test_recovery__may_be_interrupted_as_often_as_one_likes(void **state)
{
	struct world world;
	(void)state;
	for (int i = 0; i < 3; i++)
		kill_after("process", NULL, 0, 10, 500);
	open_on(&world, "memory", NULL);
	assert_int_equal(world_producer_stats(&world).recovered, 30);
	world_pass(&world, 1000);
	for (int i = 0; i < 30; i++) {
		char id[32];
		snprintf(id, sizeof id, "ACME-%d", i % 10);
		assert_string_equal(world_envelope_field(&world, "evpipe.events", 0, i, "id"), id);
	}
	world_close(&world);
	assert_int_equal(count_files("", 0, NULL, 0), 0);
}

static void test_recovery__what_close_leaves_is_sent_by_the_next_start(void **state)
{
	struct world world;
	uint64_t     left = 0;
	(void)state;
	open_on(&world, "process", NULL);
	evpipe_testbroker_set_available(world.broker, NULL, -1, 0);
	for (int i = 0; i < 10; i++)
		world_emit(&world, "ACME", "key");
	assert_int_equal(evpipe_producer_close(world.producer, 100, &left), EVPIPE_ETIMEOUT);
	assert_int_equal(left, 10);
	world_close(&world);
	open_on(&world, "process", NULL);
	world_pass(&world, 1000);
	assert_on_topic(&world, 0, 10);
	world_close(&world);
	assert_int_equal(count_files("", 0, NULL, 0), 0);
}

static void test_recovery__leaves_the_living_alone(void **state)
{
	struct world world;
	int          status, ready[2], go[2];
	char         byte;
	(void)state;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	pid_t child = (seed++, fork());
	if (child == 0) {
		alarm(60);
		open_on(&world, "process", NULL);
		world_emit(&world, "ACME", "key");
		if (write(ready[1], "!", 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	open_on(&world, "process", NULL);
	/* Neither the child's, nor that of another producer of this process. */
	struct world other;
	open_on(&other, "process", NULL);
	assert_int_equal(world_producer_stats(&world).recovered, 0);
	assert_int_equal(world_producer_stats(&other).recovered, 0);
	world_close(&other);
	assert_int_equal(write(go[1], "!", 1), 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WEXITSTATUS(status), 0);
	open_on(&other, "process", NULL);
	assert_int_equal(world_producer_stats(&other).recovered, 1);
	world_pass(&other, 1000);
	world_close(&other);
	world_close(&world);
	assert_int_equal(count_files("", 0, NULL, 0), 0);
	for (int i = 0; i < 2; i++) {
		close(ready[i]);
		close(go[i]);
	}
}

static void poke(const char *path, off_t at, unsigned char xor)
{
	unsigned char byte;
	int           fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= xor;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static char told[4096];

static void keep_line(void *ctx, evpipe_log_level level, const char *line)
{
	(void)ctx;
	if (level <= EVPIPE_LOG_WARN)
		snprintf(told + strlen(told), sizeof told - strlen(told), "%s\n", line);
}

static void reopen_and_listen(struct world *world)
{
	*told = '\0';
	open_on(world, "memory", NULL);
	evpipe_producer_free(world->producer);
	evpipe_config_on_log(world->config, keep_line, NULL);
	*told = '\0';
	assert_int_equal(evpipe_producer_new(&world->producer, world->config, NULL), EVPIPE_OK);
}

/* Magic, version, byte order, capacity: each is looked at, and the file stays. */
static void test_recovery__refuses_and_keeps_what_it_does_not_know(void **state)
{
	static const struct {
		off_t       at;
		const char *says;
	} spoiled[] = {{0, "not a journal"}, {8, "another version"}, {12, "damaged"}, {24, "damaged"}, {33, "damaged"}};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(spoiled); i++) {
		struct world world;
		char         ring[512];
		kill_after("process", NULL, 0, 10, 0);
		assert_int_equal(count_files(".ring", 0, ring, sizeof ring), 1);
		poke(ring, spoiled[i].at, 1);
		reopen_and_listen(&world);
		assert_non_null(strstr(told, spoiled[i].says));
		assert_int_equal(world_producer_stats(&world).recovered, 0);
		world_close(&world);
		assert_int_equal(count_files(".ring", 0, NULL, 0), 1);
		poke(ring, spoiled[i].at, 1);
		open_on(&world, "memory", NULL);
		assert_int_equal(world_producer_stats(&world).recovered, 10);
		world_pass(&world, 1000);
		world_close(&world);
		assert_int_equal(count_files("", 0, NULL, 0), 0);
	}
}

static void test_recovery__knows_the_other_byte_order(void **state)
{
	static const unsigned char order[] = {0x04 ^ 0x01, 0x03 ^ 0x02, 0x02 ^ 0x03, 0x01 ^ 0x04};
	struct world               world;
	char                       ring[512];
	(void)state;
	kill_after("process", NULL, 0, 10, 0);
	count_files(".ring", 0, ring, sizeof ring);
	for (int i = 0; i < 4; i++)
		poke(ring, 12 + i, order[i]);
	reopen_and_listen(&world);
	assert_non_null(strstr(told, "other byte order"));
	world_close(&world);
	assert_int_equal(count_files(".ring", 0, NULL, 0), 1);
}

/* Another start of the machine: the ring may be half there. */
static void test_recovery__does_not_believe_a_ring_from_before_the_machine_was_restarted(void **state)
{
	struct world world;
	char         ring[512];
	(void)state;
	kill_after("process", NULL, 0, 10, 0);
	count_files(".ring", 0, ring, sizeof ring);
	assert_int_equal(truncate(ring, 8192), 0);
	reopen_and_listen(&world);
	assert_non_null(strstr(told, "not as large as its header says"));
	world_close(&world);
	assert_int_equal(count_files(".ring", 0, NULL, 0), 1);
}

static void test_recovery__files_of_others_with_such_names_are_kept(void **state)
{
	static const char *const names[] = {"0123456789abcdef.ring", "0123456789abcdef.lock", "1123456789abcdef.ring",
	                                    "2123456789abcdef-0000000000000000.segment"};
	static const char *const says[] = {"0123456789abcdef.lock: it is not empty: not a lock", "1123456789abcdef.ring: shorter than a header",
	                                   "0000000000000000.segment: shorter than a header"};
	struct world             world;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		char path[512];
		snprintf(path, sizeof path, "%s/%s", directory, names[i]);
		FILE *file = fopen(path, "w");
		assert_non_null(file);
		fprintf(file, "notes\n");
		fclose(file);
	}
	reopen_and_listen(&world);
	for (size_t i = 0; i < COUNT_OF(says); i++)
		assert_non_null(strstr(told, says[i]));
	world_close(&world);
	assert_int_equal(count_files("", 0, NULL, 0), COUNT_OF(names));
}

/* ---- looking ---- */

struct shown {
	uint64_t recovered; /* by who started while the first was shown */
	int      events;
};

static int start_meanwhile(void *ctx, const evpipe_journal_info *info, const evpipe_event *event)
{
	struct shown *shown = ctx;
	struct world  world;
	(void)info;
	assert_non_null(event->id);
	if (shown->events++)
		return 0;
	open_on(&world, "memory", NULL);
	shown->recovered = world_producer_stats(&world).recovered;
	world_pass(&world, 1000);
	assert_int_equal(world_producer_stats(&world).pending, 0);
	world_close(&world);
	return 0;
}

static void test_recovery__who_starts_while_events_are_shown_adopts_them(void **state)
{
	static const char *const durabilities[] = {"process", "disk"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(durabilities); i++) {
		struct shown shown = {0};
		kill_after(durabilities[i], NULL, 50, 100, 500);
		assert_int_equal(evpipe_journal_inspect(directory, NULL, start_meanwhile, &shown, NULL), EVPIPE_OK);
		assert_int_equal(shown.recovered, 100);
		assert_in_range(shown.events, 1, 100);
		assert_int_equal(count_files("", 0, NULL, 0), 0);
	}
}

/* Another process reads the journal just when one starts. */
static void test_recovery__who_starts_while_a_journal_is_looked_at_waits_for_it(void **state)
{
	struct world world;
	int          status, ready[2];
	char         byte, ring[512];
	(void)state;
	kill_after("process", NULL, 0, 10, 0);
	assert_int_equal(count_files(".ring", 0, ring, sizeof ring), 1);
	assert_int_equal(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		evpipe__storage storage;
		char            name[EVPIPE__FILE_NAME_MAX];
		void           *lock;
		snprintf(name, sizeof name, "%.16s.lock", strrchr(ring, '/') + 1);
		if (evpipe__directory_new(&storage, directory, 0, NULL) ||
		    storage.ops->lock(storage.self, name, EVPIPE__FILE_SCRATCH, &lock, NULL) || write(ready[1], "!", 1) != 1)
			_exit(1);
		usleep(200000);
		storage.ops->unlock(storage.self, lock);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	open_on(&world, "memory", NULL);
	assert_int_equal(world_producer_stats(&world).recovered, 10);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WEXITSTATUS(status), 0);
	world_pass(&world, 1000);
	world_close(&world);
	assert_int_equal(count_files("", 0, NULL, 0), 0);
	close(ready[0]);
	close(ready[1]);
}

/* ---- disk ---- */

static void test_recovery__a_disk_journal_survives_the_loss_of_its_ring(void **state)
{
	struct world world;
	(void)state;
	kill_after("disk", NULL, 50, 100, 500);
	assert_int_equal(count_files(".ring", 1, NULL, 0), 1);
	assert_int_equal(count_files(".segment", 0, NULL, 0), 1);
	open_on(&world, "disk", NULL);
	assert_int_equal(world_producer_stats(&world).recovered, 100);
	world_pass(&world, 1000);
	assert_on_topic(&world, 50, 150);
	world_close(&world);
	assert_int_equal(count_files("", 0, NULL, 0), 0);
}

static void test_recovery__a_disk_journal_counts_what_is_in_ring_and_segment_once(void **state)
{
	struct world world;
	(void)state;
	kill_after("disk", NULL, 50, 100, 500);
	open_on(&world, "disk", NULL);
	assert_int_equal(world_producer_stats(&world).recovered, 100);
	world_pass(&world, 1000);
	assert_on_topic(&world, 50, 150);
	world_close(&world);
	assert_int_equal(count_files("", 0, NULL, 0), 0);
}

/* Killed before the first sync, and whoever adopted it soon after it: by then the ring is needed no more. */
static void test_recovery__what_is_adopted_of_a_disk_journal_is_written_to_the_disk(void **state)
{
	struct world world;
	(void)state;
	kill_after("disk", NULL, 50, 100, 0);
	assert_int_equal(count_files(".segment", 0, NULL, 0), 0);
	kill_after("memory", NULL, 0, 0, 500);
	assert_int_equal(count_files(".ring", 1, NULL, 0), 1);
	open_on(&world, "memory", NULL);
	assert_int_equal(world_producer_stats(&world).recovered, 100);
	world_pass(&world, 1000);
	assert_on_topic(&world, 50, 150);
	world_close(&world);
	assert_int_equal(count_files("", 0, NULL, 0), 0);
}

static void test_recovery__closing_writes_what_is_adopted_of_a_disk_journal(void **state)
{
	struct world world;
	(void)state;
	kill_after("disk", NULL, 50, 100, 0);
	open_on(&world, "memory", NULL);
	evpipe_testbroker_set_available(world.broker, NULL, -1, 0);
	world_close(&world);
	assert_int_equal(count_files(".ring", 1, NULL, 0), 1);
	open_on(&world, "memory", NULL);
	world_pass(&world, 1000);
	assert_on_topic(&world, 50, 150);
	world_close(&world);
}

static const char *const spool[] = {"journal.spool_size", "64MiB", NULL};

/* Far more than the ring holds, in payloads of 10,000 bytes. */
static void emit_large(struct world *world, int first, int end)
{
	static char data[10000];
	for (int i = first; i < end; i++) {
		char id[32];
		snprintf(id, sizeof id, "ACME-%d", i);
		memset(data, 'a' + i % 26, sizeof data);
		world_emit_data(world, "ACME", "key", id, data, sizeof data);
		if (i % 10 == 9)
			world_pass(world, 1);
	}
}

static void test_recovery__the_spool_takes_what_the_ring_has_no_room_for(void **state)
{
	struct world world;
	(void)state;
	open_on(&world, "disk", spool);
	evpipe_testbroker_set_available(world.broker, NULL, -1, 0);
	emit_large(&world, 0, 1000);
	assert_int_equal(world_producer_stats(&world).pending, 1000);
	evpipe_testbroker_set_available(world.broker, NULL, -1, 1);
	emit_large(&world, 1000, 1010);
	world_pass(&world, 60000);
	assert_on_topic(&world, 0, 1010);
	assert_int_equal(world_producer_stats(&world).pending, 0);
	world_close(&world);
	assert_int_equal(count_files("", 0, NULL, 0), 0);
}

static void test_recovery__the_spool_lasts_over_restarts(void **state)
{
	struct world world;
	(void)state;
	for (int start = 0; start < 3; start++) {
		open_on(&world, "disk", spool);
		assert_int_equal(world_producer_stats(&world).recovered, 500 * start);
		evpipe_testbroker_set_available(world.broker, NULL, -1, 0);
		emit_large(&world, 500 * start, 500 * (start + 1));
		world_close(&world);
	}
	open_on(&world, "disk", spool);
	world_pass(&world, 60000);
	assert_on_topic(&world, 0, 1500);
	world_close(&world);
	assert_int_equal(count_files("", 0, NULL, 0), 0);
}

static void test_recovery__a_full_spool_refuses_at_once(void **state)
{
	struct world world;
	static char  data[60000];
	evpipe_event event = EVPIPE_EVENT_INIT;
	uint64_t     accepted = 0;
	(void)state;
	open_on(&world, "disk", spool);
	evpipe_testbroker_set_available(world.broker, NULL, -1, 0);
	event.destination = "ACME";
	event.data = data;
	event.data_len = sizeof data;
	for (int full = 0; full < 100;) {
		if (evpipe_emit(world.producer, &event) == EVPIPE_OK)
			accepted++;
		else
			full++;
		if (full || accepted % 4 == 0)
			world_pass(&world, 1);
	}
	assert_in_range(accepted * sizeof data, 40 << 20, 66 << 20);
	evpipe_testbroker_set_available(world.broker, NULL, -1, 1);
	world_pass(&world, 60000);
	assert_int_equal(world_producer_stats(&world).sent, accepted);
	assert_int_equal(evpipe_emit(world.producer, &event), EVPIPE_OK);
	world_close(&world);
}

/* One that is not acknowledged does not keep the ring from the others. */
static void test_recovery__the_spool_takes_what_is_stuck(void **state)
{
	struct world            world;
	evpipe_testbroker_fault fault = EVPIPE_TESTBROKER_FAULT_INIT;
	(void)state;
	open_on(&world, "disk", spool);
	world_pass(&world, 100);
	fault.type = EVPIPE_FAULT_ACK_DELAYED;
	fault.delay_ms = 60000;
	fault.times = 1;
	assert_int_equal(evpipe_testbroker_inject(world.broker, &fault), EVPIPE_OK);
	emit_large(&world, 0, 1000);
	world_pass(&world, 100);
	assert_int_equal(world_producer_stats(&world).pending, 1);
	world_pass(&world, 60000);
	assert_int_equal(world_producer_stats(&world).pending, 0);
	assert_on_topic(&world, 0, 1000);
	world_close(&world);
	assert_int_equal(count_files("", 0, NULL, 0), 0);
}

/* ---- rejected ---- */

struct seen {
	int count, files, remove;
	char id[64], reason[200], data[16];
};

static int see(void *ctx, const evpipe_journal_info *info, const evpipe_event *event, const char *reason)
{
	struct seen *seen = ctx;
	if (!event) {
		seen->files++;
		return seen->remove;
	}
	assert_int_equal(strlen(info->name), 16);
	snprintf(seen->id, sizeof seen->id, "%s", event->id);
	snprintf(seen->reason, sizeof seen->reason, "%s", reason);
	snprintf(seen->data, sizeof seen->data, "%.10s", (const char *)event->data);
	seen->count++;
	return 0;
}

static void test_recovery__keeps_what_the_broker_rejects_with_the_reason(void **state)
{
	struct world            world;
	struct seen             seen = {0};
	evpipe_testbroker_topic topic = EVPIPE_TESTBROKER_TOPIC_INIT;
	static char             data[5000];
	(void)state;
	memset(data, '1', sizeof data);
	open_on(&world, "memory", NULL);
	topic.partitions = 1;
	topic.record_max = 4000;
	assert_int_equal(evpipe_testbroker_create_topic(world.broker, "evpipe.events", &topic), EVPIPE_OK);
	for (int i = 0; i < 3; i++)
		world_emit_data(&world, "ACME", "key", i ? "big" : NULL, data, sizeof data);
	world_pass(&world, 1000);
	assert_int_equal(world_producer_stats(&world).rejected, 3);
	assert_int_equal(world_producer_stats(&world).unkept, 0);
	seen.remove = 1;
	assert_int_equal(evpipe_journal_rejected(directory, see, &seen, NULL), EVPIPE_OK);
	assert_int_equal(seen.count, 3);
	assert_string_equal(seen.id, "big");
	assert_string_equal(seen.data, "1111111111");
	assert_int_equal(strncmp(seen.reason, "EVPIPE_ETOOLARGE: ", 18), 0);
	world_close(&world);
	/* It was the living one's: still there. */
	assert_int_equal(count_files(".rejected", 0, NULL, 0), 1);
	assert_int_equal(evpipe_journal_rejected(directory, see, &seen, NULL), EVPIPE_OK);
	assert_int_equal(seen.count, 6);
	assert_int_equal(seen.files, 2);
	assert_int_equal(count_files("", 0, NULL, 0), 0);
}

static void test_recovery__a_file_of_rejected_events_whose_maker_died_early_has_none(void **state)
{
	struct seen seen = {.remove = 1};
	char        path[512];
	(void)state;
	snprintf(path, sizeof path, "%s/0123456789abcdef-0000000000000000.rejected", directory);
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 8192), 0);
	close(fd);
	assert_int_equal(evpipe_journal_rejected(directory, see, &seen, NULL), EVPIPE_OK);
	assert_int_equal(seen.count, 0);
	assert_int_equal(count_files("", 0, NULL, 0), 0);
}

/* What cannot be kept is told, and counted. */
static void test_recovery__counts_what_was_rejected_and_not_kept(void **state)
{
	struct memory_storage   files = {0};
	evpipe__storage         storage = memory_storage(&files);
	struct world            world;
	evpipe_testbroker_topic topic = EVPIPE_TESTBROKER_TOPIC_INIT;
	static char             data[5000];
	(void)state;
	open_on(&world, "memory", NULL);
	evpipe_producer_free(world.producer);
	world.config->storage = &storage;
	assert_int_equal(evpipe_producer_new(&world.producer, world.config, NULL), EVPIPE_OK);
	topic.partitions = 1;
	topic.record_max = 4000;
	assert_int_equal(evpipe_testbroker_create_topic(world.broker, "evpipe.events", &topic), EVPIPE_OK);
	files.create_fails = EVPIPE_EFULL;
	world_emit_data(&world, "ACME", "key", NULL, data, sizeof data);
	world_pass(&world, 1000);
	files.create_fails = EVPIPE_OK;
	world_emit_data(&world, "ACME", "key", NULL, data, sizeof data);
	world_pass(&world, 1000);
	assert_int_equal(world_producer_stats(&world).rejected, 2);
	assert_int_equal(world_producer_stats(&world).unkept, 1);
	world_close(&world);
	memory_storage_release(&files);
}

/* ---- the rest ---- */

static void test_recovery__a_child_of_fork_leaves_its_parents_journal_alone(void **state)
{
	static const char *const durabilities[] = {"process", "disk"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(durabilities); i++) {
		struct world world;
		int          status;
		open_on(&world, durabilities[i], NULL);
		world_emit(&world, "ACME", "key");
		pid_t child = (seed++, fork());
		if (child == 0) {
			struct world  other;
			evpipe_event  event = {.size = sizeof event, .destination = "ACME"};
			alarm(60);
			int refused = evpipe_emit(world.producer, &event) == EVPIPE_EFORKED;
			evpipe_producer_free(world.producer);
			/* A producer of its own, in the same directory. */
			open_on(&other, durabilities[i], NULL);
			int alone = world_producer_stats(&other).recovered == 0;
			world_close(&other);
			_exit(!refused || !alone);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		world_pass(&world, 1000);
		assert_int_equal(world_producer_stats(&world).sent, 1);
		world_close(&world);
		assert_int_equal(count_files("", 0, NULL, 0), 0);
	}
}

/* No file system is so large; one that took it nevertheless would have the error when it ran full. */
static void test_recovery__too_little_space_is_an_error_at_the_start(void **state)
{
	struct world     world;
	evpipe_producer *producer;
	evpipe_error     error = {0};
	(void)state;
	if (access("/dev/shm", W_OK) != 0)
		skip();
	assert_int_equal(rmdir(directory), 0);
	snprintf(directory, sizeof directory, "/dev/shm/evpipe-recovery.XXXXXX");
	assert_non_null(mkdtemp(directory));
	open_on(&world, "process", NULL);
	world_set(&world, "journal.size", "64GiB");
	evpipe_err err = evpipe_producer_new(&producer, world.config, &error);
	world_close(&world);
	if (err == EVPIPE_OK) {
		evpipe_producer_free(producer);
		skip(); /* so much memory */
	}
	assert_int_equal(err, EVPIPE_EFULL);
	assert_non_null(strstr(error.text, "too little space for "));
	assert_int_equal(count_files("", 0, NULL, 0), 0);
}

static void count_lines(void *ctx, evpipe_log_level level, const char *line)
{
	int *counts = ctx;
	(void)level;
	counts[0] += strstr(line, "event=journal_not_synced") != NULL;
	counts[1] += strstr(line, "event=journal_synced") != NULL;
}

/* Segments have 16 MiB, the ring one. */
static void let_files_be_large(int large)
{
	static struct rlimit before;
	if (!before.rlim_max)
		assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	struct rlimit limit = {.rlim_cur = large ? before.rlim_cur : 2 << 20, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A file of so many rejected events, the last of which is spoilt. */
static void make_rejected(int count, void (*spoil)(evpipe__rejects *rejects, struct evpipe__record *record, uint64_t position))
{
	evpipe__identity identity = {.nonce = 0xaa, .key = 1};
	evpipe__storage  storage;
	evpipe__rejects  rejects;
	evpipe_error     error;
	evpipe_event     event = EVPIPE_EVENT_INIT;
	event.destination = "ACME";
	event.data = "22222222";
	event.data_len = 8;
	assert_int_equal(evpipe__directory_new(&storage, directory, 0, &error), EVPIPE_OK);
	evpipe__rejects_init(&rejects, &storage, &identity, 1024);
	for (int i = 0; i < count; i++) {
		uint64_t position = rejects.end;
		event.id = i ? "another" : "one";
		assert_int_equal(evpipe__rejects_add(&rejects, &event, "too late", &error), EVPIPE_OK);
		if (i == count - 1)
			spoil(&rejects, evpipe__area_at(&rejects.area, position), position);
	}
	evpipe__rejects_release(&rejects);
	storage.ops->free(storage.self);
}

/* Checksums are no secret: the file may be anybody's. */
static void spoil_reason(evpipe__rejects *rejects, struct evpipe__record *record, uint64_t position)
{
	char *reason = (char *)record;
	while (memcmp(reason, "too late", sizeof "too late") != 0)
		assert_true(++reason < (char *)record + (rejects->end - position));
	reason[strlen("too late")] = '!';
	evpipe__area_publish_checked(&rejects->area, record, position, rejects->end - position);
}

static void test_recovery__a_reason_that_does_not_end_is_none(void **state)
{
	evpipe_error error;
	struct seen  seen = {.remove = 1};
	(void)state;
	make_rejected(1, spoil_reason);
	assert_int_equal(evpipe_journal_rejected(directory, see, &seen, &error), EVPIPE_OK);
	assert_int_equal(seen.count, 1);
	assert_string_equal(seen.reason, "");
	assert_string_equal(seen.id, "one");
	assert_int_equal(count_files("", 0, NULL, 0), 0);
}

static void spoil_data(evpipe__rejects *rejects, struct evpipe__record *record, uint64_t position)
{
	(void)rejects, (void)position;
	((char *)(record + 1))[0] ^= 1;
}

static void test_recovery__a_file_with_a_damaged_rejected_event_stays(void **state)
{
	evpipe_error error;
	struct seen  seen = {.remove = 1};
	(void)state;
	make_rejected(2, spoil_data);
	assert_int_equal(evpipe_journal_rejected(directory, see, &seen, &error), EVPIPE_EFORMAT);
	assert_non_null(strstr(error.text, "damaged events: 1"));
	assert_int_equal(seen.count, 1);
	assert_string_equal(seen.id, "one");
	assert_int_equal(count_files(".rejected", 0, NULL, 0), 1);
}

static void test_recovery__trouble_with_the_disk_does_not_hide_what_keeps_events_from_being_sent(void **state)
{
	struct world world;
	evpipe_error error;
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	open_on(&world, "disk", NULL);
	let_files_be_large(0);
	evpipe_testbroker_set_available(world.broker, NULL, -1, 0);
	world_emit(&world, "ACME", "key");
	world_pass(&world, 1000);
	evpipe_producer_error(world.producer, &error);
	assert_int_equal(error.code, EVPIPE_EUNAVAILABLE);
	let_files_be_large(1);
	evpipe_testbroker_set_available(world.broker, NULL, -1, 1);
	world_pass(&world, 10000);
	assert_on_topic(&world, 0, 1);
	world_close(&world);
	signal(SIGXFSZ, SIG_DFL);
}

static void test_recovery__trouble_with_the_disk_is_told_when_it_begins_and_ends(void **state)
{
	struct world world;
	evpipe_error error;
	int          counts[2] = {0, 0};
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	open_on(&world, "disk", NULL);
	evpipe_producer_free(world.producer);
	evpipe_config_on_log(world.config, count_lines, counts);
	let_files_be_large(0);
	assert_int_equal(evpipe_producer_new(&world.producer, world.config, &error), EVPIPE_OK);
	evpipe_testbroker_set_ack_delay(world.broker, 60000);
	static char data[60000];
	for (int i = 0; i < 14; i++) { /* the ring is nearly full, which has the disk tried all the time */
		char id[32];
		snprintf(id, sizeof id, "ACME-%d", i);
		world_emit_data(&world, "ACME", "key", id, data, sizeof data);
	}
	for (int i = 0; i < 1000; i++)
		world_pass(&world, 1);
	assert_int_equal(counts[0], 1);
	assert_int_equal(counts[1], 0);
	evpipe_producer_error(world.producer, &error);
	assert_int_equal(error.code, EVPIPE_EIO);
	assert_non_null(strstr(error.text, "in memory alone"));

	let_files_be_large(1);
	world_pass(&world, 500);
	assert_int_equal(counts[0], 1);
	assert_int_equal(counts[1], 1);
	evpipe_producer_error(world.producer, &error);
	assert_int_equal(error.code, EVPIPE_OK);
	assert_int_equal(count_files(".segment", 0, NULL, 0), 1);
	world_pass(&world, 60000);
	assert_on_topic(&world, 0, 14);
	world_close(&world);
	signal(SIGXFSZ, SIG_DFL);
}

/* At each sync, and now and then, not at each look at the ring. Meanwhile what is in the ring is sent. */
static void test_recovery__a_full_disk_is_tried_now_and_then(void **state)
{
	struct memory_storage files = {0};
	evpipe__storage       storage = memory_storage(&files);
	struct world          world;
	static char           data[60000];
	(void)state;
	open_on(&world, "disk", (const char *const[]){"journal.sync_interval", "10s", NULL});
	evpipe_producer_free(world.producer);
	world.config->storage = &storage;
	assert_int_equal(evpipe_producer_new(&world.producer, world.config, NULL), EVPIPE_OK);
	evpipe_testbroker_set_available(world.broker, NULL, -1, 0);
	files.create_fails = EVPIPE_EFULL;
	files.creates = 0;
	for (int i = 0; i < 14; i++) { /* nearly full */
		char id[32];
		snprintf(id, sizeof id, "ACME-%d", i);
		world_emit_data(&world, "ACME", "key", id, data, sizeof data);
	}
	for (int i = 0; i < 1000; i++)
		world_pass(&world, 1);
	assert_in_range(files.creates, 2, 20);

	evpipe_testbroker_set_available(world.broker, NULL, -1, 1);
	world_pass(&world, 10000);
	assert_on_topic(&world, 0, 14);
	world_close(&world);
	memory_storage_release(&files);
}

int main(void)
{
#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(test_recovery__what_a_killed_process_had_accepted_is_sent_in_order),
		IN_DIRECTORY(test_recovery__may_be_interrupted_as_often_as_one_likes),
		IN_DIRECTORY(test_recovery__what_close_leaves_is_sent_by_the_next_start),
		IN_DIRECTORY(test_recovery__leaves_the_living_alone),
		IN_DIRECTORY(test_recovery__refuses_and_keeps_what_it_does_not_know),
		IN_DIRECTORY(test_recovery__knows_the_other_byte_order),
		IN_DIRECTORY(test_recovery__does_not_believe_a_ring_from_before_the_machine_was_restarted),
		IN_DIRECTORY(test_recovery__files_of_others_with_such_names_are_kept),
		IN_DIRECTORY(test_recovery__who_starts_while_events_are_shown_adopts_them),
		IN_DIRECTORY(test_recovery__who_starts_while_a_journal_is_looked_at_waits_for_it),
		IN_DIRECTORY(test_recovery__a_disk_journal_survives_the_loss_of_its_ring),
		IN_DIRECTORY(test_recovery__a_disk_journal_counts_what_is_in_ring_and_segment_once),
		IN_DIRECTORY(test_recovery__what_is_adopted_of_a_disk_journal_is_written_to_the_disk),
		IN_DIRECTORY(test_recovery__closing_writes_what_is_adopted_of_a_disk_journal),
		IN_DIRECTORY(test_recovery__the_spool_takes_what_the_ring_has_no_room_for),
		IN_DIRECTORY(test_recovery__the_spool_lasts_over_restarts),
		IN_DIRECTORY(test_recovery__a_full_spool_refuses_at_once),
		IN_DIRECTORY(test_recovery__the_spool_takes_what_is_stuck),
		IN_DIRECTORY(test_recovery__keeps_what_the_broker_rejects_with_the_reason),
		IN_DIRECTORY(test_recovery__a_file_of_rejected_events_whose_maker_died_early_has_none),
		IN_DIRECTORY(test_recovery__counts_what_was_rejected_and_not_kept),
		IN_DIRECTORY(test_recovery__a_child_of_fork_leaves_its_parents_journal_alone),
		IN_DIRECTORY(test_recovery__too_little_space_is_an_error_at_the_start),
		IN_DIRECTORY(test_recovery__a_reason_that_does_not_end_is_none),
		IN_DIRECTORY(test_recovery__a_file_with_a_damaged_rejected_event_stays),
		IN_DIRECTORY(test_recovery__trouble_with_the_disk_does_not_hide_what_keeps_events_from_being_sent),
		IN_DIRECTORY(test_recovery__trouble_with_the_disk_is_told_when_it_begins_and_ends),
		IN_DIRECTORY(test_recovery__a_full_disk_is_tried_now_and_then),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
