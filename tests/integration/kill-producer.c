/*
 * kill-producer.c: kill -9 a process that emits from four threads, again and again, and look whether each event that
 * evpipe_emit took has arrived.
 *
 *   kill-producer [--kills 60] [--seed 1] [--durability process|disk]
 *
 * Without --durability both, `process` in /dev/shm if that can be, `disk` in TMPDIR or /tmp.
 *
 * The broker is a file: the transport appends a record's id to it and acknowledges it some rounds later. Each child goes on
 * where the one before was killed, in the same directory, and what is left in the end is sent by the last one. Checked:
 * every event whose emit returned 0 is in the file; first arrivals of a thread's events are in order; an event comes twice
 * only if it was sent and not acknowledged when a process was killed; in the end no file is left.
 */
#include <errno.h>
#include <evpipe-transport.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS 4
#define OUTSTANDING_MAX 256
#define KILLS_MAX 100000
#define DELAY_MAX_US 15000
#define START_MS 20000
#define DRAIN_MS 120000

/* What an event is: which child, thread and number. Its payload, and what the file has of it. */
struct stamp {
	uint32_t life, thread;
	uint64_t number;
};

/* Shared with the children. */
struct shared {
	_Atomic uint64_t accepted[KILLS_MAX + 1][THREADS];
	_Atomic uint64_t refused;
	_Atomic uint64_t in_flight; /* sent, and not known to be acknowledged */
};

static struct shared *shared;
static int            broker_fd;
static uint32_t       life;

static void die(const char *what)
{
	fprintf(stderr, "kill-producer: %s: %s\n", what, strerror(errno));
	_exit(99);
}

static uint64_t draw(uint64_t *random)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return *random >> 33;
}

/* ---- the transport ---- */

struct file_transport {
	uint64_t tokens[OUTSTANDING_MAX];
	uint64_t sent, reported, polls;
	int      closed;
};

static evpipe_err file_open(void **self, const evpipe_transport_setup *setup, evpipe_error *error)
{
	(void)setup, (void)error;
	*self = calloc(1, sizeof(struct file_transport));
	return *self ? EVPIPE_OK : EVPIPE_ENOMEM;
}

static void file_close(void *self, uint32_t timeout_ms)
{
	(void)timeout_ms;
	((struct file_transport *)self)->closed = 1;
}

static evpipe_err file_send(void *self, const evpipe_record *record, uint64_t token)
{
	struct file_transport *transport = self;
	if (transport->sent - transport->reported == OUTSTANDING_MAX)
		return EVPIPE_EAGAIN;
	atomic_fetch_add(&shared->in_flight, 1);
	/* A payload that is not what was emitted would be a wrong one. */
	if (record->value_len < sizeof(struct stamp) || write(broker_fd, record->value, sizeof(struct stamp)) != sizeof(struct stamp))
		die("the broker's file");
	transport->tokens[transport->sent++ % OUTSTANDING_MAX] = token;
	return EVPIPE_OK;
}

static evpipe_err file_poll(void *self, unsigned flags, evpipe_transport_event *event)
{
	struct file_transport *transport = self;
	(void)flags;
	/* Who asks for the next one has done with those before. */
	atomic_store(&shared->in_flight, transport->sent - transport->reported);
	int wait = !transport->closed && transport->sent - transport->reported < OUTSTANDING_MAX / 2 && transport->polls++ % 8 != 0;
	if (transport->reported == transport->sent || wait)
		return transport->closed && !wait ? EVPIPE_ECLOSED : EVPIPE_EAGAIN;
	*event = (evpipe_transport_event){.type = EVPIPE_TRANSPORT_SENT,
	                                  .token = transport->tokens[transport->reported++ % OUTSTANDING_MAX],
	                                  .outcome = EVPIPE_PERSISTED};
	return EVPIPE_OK;
}

static int64_t file_next_due(void *self)
{
	struct file_transport *transport = self;
	return transport->sent == transport->reported ? INT64_MAX : 0;
}

static void nothing(void *self)
{
	(void)self;
}

static size_t file_memory(void *self)
{
	(void)self;
	return 0;
}

static evpipe_err no_subscription(void *self, const evpipe_subscription *subscription)
{
	(void)self, (void)subscription;
	return EVPIPE_EINVAL;
}

static evpipe_err no_settle(void *self, evpipe_assignment assignment, int64_t offset)
{
	(void)self, (void)assignment, (void)offset;
	return EVPIPE_ESTALE;
}

static void no_partition(void *self, evpipe_assignment assignment)
{
	(void)self, (void)assignment;
}

static evpipe_err no_topics(void *self, const evpipe_topic_spec *spec)
{
	(void)self, (void)spec;
	return EVPIPE_ENOTSUP;
}

static const evpipe_transport_ops file_transport = {.size = sizeof file_transport,
                                                    .name = "file",
                                                    .features = EVPIPE_FEATURE_HEADERS,
                                                    .open = file_open,
                                                    .close = file_close,
                                                    .free = free,
                                                    .send = file_send,
                                                    .flush = nothing,
                                                    .record_max = file_memory,
                                                    .subscribe = no_subscription,
                                                    .settle = no_settle,
                                                    .hold = no_partition,
                                                    .release = no_partition,
                                                    .relinquish = no_partition,
                                                    .poll = file_poll,
                                                    .next_due = file_next_due,
                                                    .memory = file_memory,
                                                    .ensure_topic = no_topics};

/* ---- a child ---- */

static evpipe_producer *producer;

static void log_error(void *ctx, evpipe_log_level level, const char *line)
{
	(void)ctx;
	if (level == EVPIPE_LOG_ERROR)
		fprintf(stderr, "kill-producer: life %u: %s\n", life, line);
}

static void open_producer(const char *dir, const char *durability)
{
	const char *settings[] = {"journal.dir", dir, "journal.durability", durability, "journal.size", "1MiB", "event.max", "64KiB",
	                          "journal.sync_interval", "5ms", "journal.spool_size", "256MiB"};
	evpipe_config *config;
	evpipe_error   error;

	if (evpipe_config_new(&config))
		die("a configuration");
	evpipe_config_on_log(config, log_error, NULL);
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i += 2)
		if (evpipe_config_set(config, settings[i], settings[i + 1], &error)) {
			fprintf(stderr, "kill-producer: %s\n", error.text);
			_exit(99);
		}
	if (evpipe_config_use_transport(config, &file_transport, NULL, &error) || evpipe_producer_new(&producer, config, &error)) {
		fprintf(stderr, "kill-producer: %s\n", error.text);
		_exit(99);
	}
	evpipe_config_free(config);
}

static void *emit_on(void *arg)
{
	uint32_t     thread = (uint32_t)(uintptr_t)arg;
	char         data[1024] = {0}, key[8];
	struct stamp stamp = {.life = life, .thread = thread};
	evpipe_event event = EVPIPE_EVENT_INIT;

	event.destination = "ACME";
	event.key = key;
	event.key_len = (size_t)snprintf(key, sizeof key, "%u", thread);
	event.data = data;
	for (;;) {
		memcpy(data, &stamp, sizeof stamp);
		event.data_len = sizeof stamp + stamp.number * 7919 % (sizeof data - sizeof stamp);
		if (evpipe_emit(producer, &event) != EVPIPE_OK) {
			atomic_fetch_add(&shared->refused, 1);
			usleep(200);
			continue;
		}
		atomic_store(&shared->accepted[life][thread], ++stamp.number);
		if (stamp.number % 64 == 0)
			usleep(100);
	}
	return NULL;
}

static void live(const char *dir, const char *durability)
{
	pthread_t threads[THREADS];
	open_producer(dir, durability);
	for (uintptr_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, emit_on, (void *)i))
			die("a thread");
	for (;;)
		pause();
}

static void drain(const char *dir, const char *durability)
{
	uint64_t left = 0;
	open_producer(dir, durability);
	evpipe_err err = evpipe_producer_close(producer, DRAIN_MS, &left);
	if (err)
		fprintf(stderr, "kill-producer: %" PRIu64 " events are left: %s\n", left, evpipe_strerror(err));
	evpipe_producer_free(producer);
	_exit(err ? 1 : 0);
}

/* ---- the account ---- */

struct account {
	uint64_t missing, duplicates, misordered, unknown, events;
};

static int compare_stamps(const void *a, const void *b)
{
	const struct stamp *x = a, *y = b;
	if (x->life != y->life)
		return x->life < y->life ? -1 : 1;
	if (x->thread != y->thread)
		return x->thread < y->thread ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

/* Of each thread of each life, what came first, and in which order. */
static void account_order(const struct stamp *all, size_t count, struct account *account)
{
	uint64_t(*next)[THREADS] = calloc(KILLS_MAX + 1, sizeof *next);
	if (!next)
		die("memory");
	for (size_t i = 0; i < count; i++) {
		if (all[i].life > life || all[i].thread >= THREADS) {
			account->unknown++;
			continue;
		}
		uint64_t *expected = &next[all[i].life][all[i].thread];
		if (all[i].number > *expected)
			account->misordered++;
		if (all[i].number >= *expected)
			*expected = all[i].number + 1;
	}
	free(next);
}

static void account_all(struct stamp *all, size_t count, struct account *account)
{
	size_t at = 0;
	account_order(all, count, account);
	qsort(all, count, sizeof *all, compare_stamps);
	for (uint32_t l = 0; l <= life; l++)
		for (uint32_t t = 0; t < THREADS; t++) {
			uint64_t accepted = atomic_load(&shared->accepted[l][t]), number = 0;
			while (at < count && all[at].life == l && all[at].thread == t) {
				uint64_t came = all[at].number;
				account->missing += came > number ? came - number : 0;
				number = came + 1;
				for (at++; at < count && compare_stamps(&all[at], &all[at - 1]) == 0; at++)
					account->duplicates++;
				account->events++;
			}
			account->missing += accepted > number ? accepted - number : 0;
			/* One was published when its thread was killed before it could tell. */
			account->unknown += number > accepted + 1 ? number - accepted - 1 : 0;
		}
}

static int report(const char *path, uint32_t kills, uint64_t in_flight, const char *durability)
{
	struct account account = {0};
	off_t          size = lseek(broker_fd, 0, SEEK_END);
	int            fd = open(path, O_RDONLY);
	struct stamp  *all = size > 0 ? mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) : NULL;
	if (all == MAP_FAILED)
		die(path);
	account_all(all, (size_t)size / sizeof *all, &account);
	printf("%s: %u kills, %" PRIu64 " events arrived, %" PRIu64 " missing, %" PRIu64 " twice (%" PRIu64 " were in flight), %" PRIu64
	       " out of order, %" PRIu64 " unknown, %" PRIu64 " times refused\n",
	       durability, kills, account.events, account.missing, account.duplicates, in_flight, account.misordered,
	       account.unknown, atomic_load(&shared->refused));
	fflush(stdout);
	return account.missing || account.misordered || account.unknown || !account.events ||
	       account.duplicates > in_flight;
}

static void wait_until_it_emits(void)
{
	for (int tries = 0; tries < START_MS && !atomic_load(&shared->accepted[life][0]); tries++)
		usleep(1000);
}

/* Kill so many children in a row, let the last one send the rest, and look. */
static int kill_many(const char *root, const char *durability, uint32_t kills, uint64_t random)
{
	char     dir[256], path[280];
	uint64_t in_flight = 0;
	int      status, failed = 0;

	snprintf(dir, sizeof dir, "%s/evpipe-kill.XXXXXX", root);
	if (!mkdtemp(dir))
		die(dir);
	snprintf(path, sizeof path, "%s/broker", dir);
	broker_fd = open(path, O_RDWR | O_CREAT | O_APPEND, 0600);
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (broker_fd < 0 || shared == MAP_FAILED)
		die(path);
	for (life = 0; life < kills && !failed; life++) {
		uint64_t delay_us = draw(&random) % DELAY_MAX_US;
		pid_t    child = fork();
		if (child < 0)
			die("fork");
		if (child == 0)
			live(dir, durability);
		/* Half of them while they recover or have hardly begun. */
		if (draw(&random) % 2)
			wait_until_it_emits();
		usleep((useconds_t)delay_us);
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		failed = !WIFSIGNALED(status);
		in_flight += atomic_exchange(&shared->in_flight, 0);
	}
	pid_t child = fork();
	if (child == 0)
		drain(dir, durability);
	waitpid(child, &status, 0);
	failed |= !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	failed |= report(path, kills, in_flight, durability);
	munmap(shared, sizeof *shared);
	close(broker_fd);
	/* Nothing is left but the broker's file: a kill damages nothing, and what was sent is gone. */
	failed |= !failed && (unlink(path) != 0 || rmdir(dir) != 0);
	if (failed)
		fprintf(stderr, "kill-producer: failed; what is left is in %s\n", dir);
	return failed;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"kills", required_argument, NULL, 'k'},
	                                        {"durability", required_argument, NULL, 'd'},
	                                        {"seed", required_argument, NULL, 's'},
	                                        {NULL, 0, NULL, 0}};
	const char *durability = NULL, *disk = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	uint32_t    kills = 60;
	uint64_t    random = 1;
	int         option, failed = 0;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'k')
			kills = (uint32_t)strtoul(optarg, NULL, 10);
		else if (option == 'd')
			durability = optarg;
		else if (option == 's')
			random = strtoull(optarg, NULL, 10);
		else
			return 64;
	}
	if (!kills || kills > KILLS_MAX)
		return 64;
	if (!durability || strcmp(durability, "process") == 0)
		failed |= kill_many(access("/dev/shm", W_OK) == 0 ? "/dev/shm" : disk, "process", kills, random);
	if (!durability || strcmp(durability, "disk") == 0)
		failed |= kill_many(disk, "disk", kills, random);
	return failed;
}
