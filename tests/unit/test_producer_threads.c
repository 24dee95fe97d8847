/*
 * A producer with its pump's thread, and other threads that flush, close, fork and call back.
 */
#include "test.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <evpipe-testbroker.h>

/* A test that hangs is killed. */
#define DEADLINE_S 120

/* ---- a transport that says when two calls meet, in front of the test broker's ---- */

static struct probe {
	atomic_int calls; /* that are going on */
	atomic_int meetings;
	atomic_int closed;
	atomic_int late; /* sends and flushes after close */
} probe;

static const evpipe_transport_ops *inside(void)
{
	return evpipe_testbroker_transport();
}

static void enter(void)
{
	if (atomic_fetch_add(&probe.calls, 1) != 0)
		atomic_fetch_add(&probe.meetings, 1);
}

static void leave(void)
{
	atomic_fetch_sub(&probe.calls, 1);
}

static evpipe_err probe_send(void *self, const evpipe_record *record, uint64_t token)
{
	enter();
	probe.late += probe.closed;
	evpipe_err err = inside()->send(self, record, token);
	leave();
	return err;
}

static void probe_flush(void *self)
{
	enter();
	probe.late += probe.closed;
	inside()->flush(self);
	leave();
}

static evpipe_err probe_poll(void *self, unsigned flags, evpipe_transport_event *event)
{
	enter();
	evpipe_err err = inside()->poll(self, flags, event);
	leave();
	return err;
}

static void probe_close(void *self, uint32_t timeout_ms)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	enter();
	probe.closed = 1;
	nanosleep(&pause, NULL); /* time for others to walk in */
	inside()->close(self, timeout_ms);
	leave();
}

/* ---- a producer on it ---- */

struct fixture {
	evpipe_testbroker   *broker;
	evpipe_config       *config;
	evpipe_producer     *producer;
	evpipe_transport_ops ops;
};

static void open_it(struct fixture *fixture, evpipe_rejected_fn rejected, void *ctx)
{
	evpipe_testbroker_topic topic = EVPIPE_TESTBROKER_TOPIC_INIT;

	alarm(DEADLINE_S);
	probe = (struct probe){0};
	assert_int_equal(evpipe_testbroker_new_realtime(&fixture->broker), EVPIPE_OK);
	topic.record_max = 1000;
	assert_int_equal(evpipe_testbroker_create_topic(fixture->broker, "evpipe.events", &topic), EVPIPE_OK);
	assert_int_equal(evpipe_config_new(&fixture->config), EVPIPE_OK);
	assert_int_equal(evpipe_config_set(fixture->config, "journal.size", "1MiB", NULL), EVPIPE_OK);
	assert_int_equal(evpipe_config_set(fixture->config, "event.max", "64KiB", NULL), EVPIPE_OK);
	evpipe_config_on_rejected(fixture->config, rejected, ctx);
	fixture->ops = *inside();
	fixture->ops.send = probe_send;
	fixture->ops.flush = probe_flush;
	fixture->ops.poll = probe_poll;
	fixture->ops.close = probe_close;
	assert_int_equal(evpipe_config_use_transport(fixture->config, &fixture->ops, fixture->broker, NULL), EVPIPE_OK);
	assert_int_equal(evpipe_producer_new(&fixture->producer, fixture->config, NULL), EVPIPE_OK);
}

static void close_it(struct fixture *fixture)
{
	evpipe_producer_free(fixture->producer);
	evpipe_config_free(fixture->config);
	evpipe_testbroker_free(fixture->broker);
	assert_int_equal(probe.meetings, 0);
	assert_int_equal(probe.late, 0);
	alarm(0);
}

static evpipe_err emit(evpipe_producer *producer, const void *data, size_t len)
{
	evpipe_event event = EVPIPE_EVENT_INIT;
	event.destination = "ACME";
	event.data = data;
	event.data_len = len;
	return evpipe_emit(producer, &event);
}

static void pause_ms(long ms)
{
	const struct timespec pause = {.tv_nsec = ms * 1000000};
	nanosleep(&pause, NULL);
}

static void wait_for(const atomic_int *flag)
{
	while (!*flag)
		pause_ms(1);
}

/* ---- callbacks ---- */

struct caller {
	evpipe_producer *producer;
	evpipe_stats     stats;
	evpipe_err       emitted;
	atomic_int       called;
	atomic_int       may_go;
};

static void look_in(void *ctx, const evpipe_event *event, evpipe_err why, const char *text)
{
	struct caller *caller = ctx;
	evpipe_error   error;
	(void)event, (void)why, (void)text;
	wait_for(&caller->may_go);
	evpipe_producer_stats(caller->producer, &caller->stats);
	evpipe_producer_error(caller->producer, &error);
	caller->emitted = emit(caller->producer, "{}", 2);
	caller->called = 1;
}

static void test_producer_threads__a_callback_may_look_in_and_emit(void **state)
{
	struct fixture fixture;
	struct caller  caller = {.stats = EVPIPE_STATS_INIT};
	static char    large[2000];
	(void)state;
	open_it(&fixture, look_in, &caller);
	caller.producer = fixture.producer;
	caller.may_go = 1;
	assert_int_equal(emit(fixture.producer, large, sizeof large), EVPIPE_OK);
	assert_int_equal(evpipe_producer_flush(fixture.producer, 1000 * DEADLINE_S), EVPIPE_OK);
	wait_for(&caller.called);
	assert_int_equal(caller.stats.rejected, 1);
	assert_int_equal(caller.emitted, EVPIPE_OK);
	assert_int_equal(evpipe_producer_close(fixture.producer, 1000 * DEADLINE_S, NULL), EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_count(fixture.broker, "evpipe.events"), 1);
	close_it(&fixture);
}

/* ---- flush and close ---- */

struct flusher {
	pthread_t        thread;
	evpipe_producer *producer;
	evpipe_err       flushed, closed;
};

static void *flush(void *arg)
{
	struct flusher *flusher = arg;
	flusher->flushed = evpipe_producer_flush(flusher->producer, 1000 * DEADLINE_S);
	flusher->closed = evpipe_producer_close(flusher->producer, 1000 * DEADLINE_S, NULL);
	return NULL;
}

static void test_producer_threads__close_sends_those_away_who_flush(void **state)
{
	struct fixture fixture;
	struct flusher flushers[4];
	uint64_t       left = 0;
	(void)state;
	open_it(&fixture, NULL, NULL);
	evpipe_testbroker_set_available(fixture.broker, NULL, -1, 0);
	assert_int_equal(emit(fixture.producer, "{}", 2), EVPIPE_OK);
	for (size_t i = 0; i < COUNT_OF(flushers); i++) {
		flushers[i] = (struct flusher){.producer = fixture.producer};
		pthread_create(&flushers[i].thread, NULL, flush, &flushers[i]);
	}
	pause_ms(20); /* so that they flush; if not yet, they find it closed */
	assert_int_equal(evpipe_producer_close(fixture.producer, 50, &left), EVPIPE_ETIMEOUT);
	assert_int_equal(left, 1);
	for (size_t i = 0; i < COUNT_OF(flushers); i++) {
		pthread_join(flushers[i].thread, NULL);
		assert_int_equal(flushers[i].flushed, EVPIPE_ECLOSED);
		assert_int_equal(flushers[i].closed, EVPIPE_ECLOSED);
	}
	close_it(&fixture);
}

/* ---- close and emit ---- */

static int        gate[2]; /* who reads from it waits until somebody writes */
static char      *page;
static atomic_int is_copying;

/* The payload's page cannot be read: whoever copies it gets stuck here until the gate is opened. */
static void on_fault(int signal)
{
	char byte;
	(void)signal;
	is_copying = 1;
	if (read(gate[0], &byte, 1) == 1)
		mprotect(page, 4096, PROT_READ);
}

struct closer {
	evpipe_producer *producer;
	evpipe_err       emitted, closed;
	uint64_t         left;
	atomic_int       gate_opened;
	int              waited;
};

static void *emit_page(void *arg)
{
	struct closer *closer = arg;
	closer->emitted = emit(closer->producer, page, 100);
	return NULL;
}

static void *close_at_once(void *arg)
{
	struct closer *closer = arg;
	closer->closed = evpipe_producer_close(closer->producer, 0, &closer->left);
	closer->waited = closer->gate_opened;
	return NULL;
}

static void test_producer_threads__close_waits_for_who_is_copying(void **state)
{
	struct fixture   fixture;
	struct closer    closer = {0};
	struct sigaction catch = {.sa_handler = on_fault}, before;
	pthread_t        emitting, closing;
	long             page_size = sysconf(_SC_PAGESIZE);
	(void)state;
	open_it(&fixture, NULL, NULL);
	closer.producer = fixture.producer;
	assert_int_equal(pipe(gate), 0);
	page = mmap(NULL, (size_t)page_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(page != MAP_FAILED);
	is_copying = 0;
	sigaction(SIGSEGV, &catch, &before);

	pthread_create(&emitting, NULL, emit_page, &closer);
	wait_for(&is_copying);
	pthread_create(&closing, NULL, close_at_once, &closer);
	pause_ms(50); /* so that it could be too early */
	closer.gate_opened = 1;
	assert_int_equal(write(gate[1], "!", 1), 1);
	pthread_join(emitting, NULL);
	pthread_join(closing, NULL);
	sigaction(SIGSEGV, &before, NULL);

	assert_int_equal(closer.emitted, EVPIPE_OK);
	assert_true(closer.waited);
	assert_int_equal(closer.closed, EVPIPE_ETIMEOUT);
	assert_int_equal(closer.left, 1);
	munmap(page, (size_t)page_size);
	close(gate[0]);
	close(gate[1]);
	close_it(&fixture);
}

/* ---- fork ---- */

/* All that a child may do with what it has inherited. 0: as it should be. */
static int use_in_child(struct fixture *fixture)
{
	evpipe_stats stats = EVPIPE_STATS_INIT;
	evpipe_error error = {0};

	alarm(10);
	evpipe_producer_stats(fixture->producer, &stats);
	evpipe_producer_error(fixture->producer, &error);
	if (stats.accepted != 2 || error.code != EVPIPE_EFORKED)
		return 1;
	if (emit(fixture->producer, "{}", 2) != EVPIPE_EFORKED || evpipe_producer_flush(fixture->producer, 0) != EVPIPE_EFORKED ||
	    evpipe_producer_close(fixture->producer, 0, NULL) != EVPIPE_EFORKED)
		return 2;
	evpipe_producer_free(fixture->producer);
	return 0;
}

/* The pump is inside a callback, another thread waits in flush: neither is there in the child. */
static void test_producer_threads__a_child_of_fork_waits_for_nobody(void **state)
{
	struct fixture fixture;
	struct flusher flusher;
	struct caller  caller = {.stats = EVPIPE_STATS_INIT};
	static char    large[2000];
	int            status;
	(void)state;
	open_it(&fixture, look_in, &caller);
	caller.producer = fixture.producer;
	assert_int_equal(emit(fixture.producer, "{}", 2), EVPIPE_OK);
	assert_int_equal(emit(fixture.producer, large, sizeof large), EVPIPE_OK);
	flusher = (struct flusher){.producer = fixture.producer};
	pthread_create(&flusher.thread, NULL, flush, &flusher);
	pause_ms(50); /* so that both are where they are to be */
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(use_in_child(&fixture));
	assert_int_equal(waitpid(child, &status, 0), child);
	caller.may_go = 1;
	pthread_join(flusher.thread, NULL);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(flusher.flushed, EVPIPE_OK);
	close_it(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_producer_threads__a_callback_may_look_in_and_emit),
		cmocka_unit_test(test_producer_threads__close_sends_those_away_who_flush),
		cmocka_unit_test(test_producer_threads__close_waits_for_who_is_copying),
		cmocka_unit_test(test_producer_threads__a_child_of_fork_waits_for_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
