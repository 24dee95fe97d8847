/*
 * A million emits, with the pump running: no system call, no page fault, no allocation.
 */
#include "test.h"

#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <evpipe-testbroker.h>

#define EVENTS 1000000
#define WARM_UP 1000
#define DEADLINE_S 120

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* The test broker's transport, except that it takes any number of records and forgets them. */
static struct {
	uint64_t tokens[4096];
	uint64_t sent, reported;
} outbox;

static evpipe_err take(void *self, const evpipe_record *record, uint64_t token)
{
	(void)self, (void)record;
	if (outbox.sent - outbox.reported == 4096)
		return EVPIPE_EAGAIN;
	outbox.tokens[outbox.sent++ % 4096] = token;
	return EVPIPE_OK;
}

static evpipe_err tell(void *self, unsigned flags, evpipe_transport_event *event)
{
	if (outbox.reported == outbox.sent)
		return evpipe_testbroker_transport()->poll(self, flags, event);
	*event = (evpipe_transport_event){.type = EVPIPE_TRANSPORT_SENT, .outcome = EVPIPE_PERSISTED};
	event->token = outbox.tokens[outbox.reported++ % 4096];
	return EVPIPE_OK;
}

static int64_t due(void *self)
{
	return outbox.reported == outbox.sent ? evpipe_testbroker_transport()->next_due(self) : 0;
}

struct emitter {
	evpipe_producer *producer;
	int              confined; /* the kernel kills it at its first system call */
	atomic_int       done;
	uint64_t         refused;
	long             faults;
};

static long faults_of_thread(void)
{
	struct rusage usage;
	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

static void emit_many(struct emitter *emitter, int count)
{
	static char  data[350];
	evpipe_event event = EVPIPE_EVENT_INIT;
	event.destination = "ACME";
	event.key = "session";
	event.key_len = 7;
	event.data = data;
	event.data_len = sizeof data;
	for (int i = 0; i < count; i++)
		while (evpipe_emit(emitter->producer, &event) != EVPIPE_OK)
			emitter->refused++;
}

static void *emit_on(void *arg)
{
	struct emitter *emitter = arg;
	emit_many(emitter, WARM_UP);
	long before = faults_of_thread();
	if (emitter->confined && prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
		return NULL;
	emit_many(emitter, EVENTS);
	emitter->done = 1;
	if (emitter->confined)
		syscall(SYS_exit, 0); /* the one call that it may make, with read and write */
	emitter->faults = faults_of_thread() - before;
	return NULL;
}

static int has_tmpfs(void)
{
	return access("/dev/shm", W_OK) == 0;
}

static void run(const char *durability, int confined, struct emitter *emitter)
{
	evpipe_testbroker   *broker;
	evpipe_config       *config;
	evpipe_transport_ops ops = *evpipe_testbroker_transport();
	char                 directory[64];
	pthread_t            thread;
	evpipe_error         error = {0};

	alarm(DEADLINE_S);
	memset(&outbox, 0, sizeof outbox);
	snprintf(directory, sizeof directory, "%s/evpipe-calls.XXXXXX", has_tmpfs() ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(directory));
	assert_int_equal(evpipe_testbroker_new_realtime(&broker), EVPIPE_OK);
	assert_int_equal(evpipe_config_new(&config), EVPIPE_OK);
	assert_int_equal(evpipe_config_set(config, "journal.durability", durability, NULL), EVPIPE_OK);
	assert_int_equal(evpipe_config_set(config, "journal.dir", directory, NULL), EVPIPE_OK);
	ops.send = take;
	ops.poll = tell;
	ops.next_due = due;
	assert_int_equal(evpipe_config_use_transport(config, &ops, broker, NULL), EVPIPE_OK);
	*emitter = (struct emitter){.confined = confined};
	if (evpipe_producer_new(&emitter->producer, config, &error) != EVPIPE_OK)
		fail_msg("%s", error.text);
	assert_int_equal(pthread_create(&thread, NULL, emit_on, emitter), 0);
	pthread_join(thread, NULL);
	assert_int_equal(evpipe_producer_close(emitter->producer, 60000, NULL), EVPIPE_OK);
	evpipe_producer_free(emitter->producer);
	evpipe_config_free(config);
	evpipe_testbroker_free(broker);
	assert_int_equal(rmdir(directory), 0);
	alarm(0);
}

/* Under seccomp's strict mode the kernel kills whoever calls it. */
static void test_emit_calls__a_million_emits_make_no_system_call(void **state)
{
	struct emitter emitter;
	(void)state;
	if (SANITIZED)
		skip();
	run("memory", 1, &emitter);
	assert_true(emitter.done);
	run("process", 1, &emitter);
	assert_true(emitter.done);
}

/* The stack's and the program's own pages may come late; a page of the ring for each event would be 100,000. */
static void test_emit_calls__a_million_emits_meet_no_page_fault(void **state)
{
	struct emitter emitter;
	(void)state;
	if (SANITIZED)
		skip();
	run("memory", 0, &emitter);
	assert_in_range(emitter.faults, 0, 20);
	if (!has_tmpfs())
		return; /* the kernel protects the pages of a disk's file again when it writes them */
	run("process", 0, &emitter);
	assert_in_range(emitter.faults, 0, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_emit_calls__a_million_emits_make_no_system_call),
		cmocka_unit_test(test_emit_calls__a_million_emits_meet_no_page_fault),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
