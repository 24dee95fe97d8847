/*
 * Emit, the pump, flush and close.
 */
#include "world.h"

#include <sys/wait.h>
#include <unistd.h>

static const char *const settings[] = {"topic.partitions", "1", "journal.size", "1MiB", "event.max", "64KiB", NULL};

#define START_MS INT64_C(1767225600000) /* the virtual clock's */

static void test_producer__what_it_accepts_is_on_the_topic(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 1, settings);
	for (int i = 0; i < 1000; i++)
		world_emit(&world, "ACME", "key");
	assert_int_equal(world_producer_stats(&world).pending, 1000);
	world_pass(&world, 1000);
	assert_int_equal(evpipe_testbroker_count(world.broker, "evpipe.events"), 1000);
	assert_int_equal(world_producer_stats(&world).sent, 1000);
	assert_string_equal(world_envelope_field(&world, "evpipe.events", 0, 999, "id"), "ACME-999");
	world_close(&world);
}

/* Emit an event of that time; it is tried once in vain, retried and delivered. Returns where its record on the topic stands in time. */
static int64_t timestamp_of(const char *envelope, int64_t time_ms)
{
	struct world             world;
	evpipe_event             event = EVPIPE_EVENT_INIT;
	evpipe_record            record;
	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	world_open(&world, 11, settings);
	evpipe_producer_free(world.producer);
	world_set(&world, "envelope", envelope);
	world_set(&world, "retry.quick_max", "0");
	assert_int_equal(evpipe_producer_new(&world.producer, world.config, NULL), EVPIPE_OK);
	world_add_worker(&world);
	answer.verdict = EVPIPE_VERDICT_RETRY;
	answer.times = 1;
	evpipe_testbroker_answer_with(world.broker, &answer, NULL);
	event.destination = "ACME";
	event.id = "far";
	event.time_ms = time_ms;
	assert_int_equal(evpipe_emit(world.producer, &event), EVPIPE_OK);
	world_pass(&world, 10000);
	assert_int_equal(evpipe_testbroker_read(world.broker, "evpipe.events.retry.5s", 0, 0, &record), EVPIPE_OK);
	assert_in_range(record.timestamp_ms, START_MS, START_MS + 1000);
	assert_int_equal(evpipe_testbroker_read(world.broker, "evpipe.events", 0, 0, &record), EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_delivered(world.broker, "ACME", "far"), 1);
	assert_int_equal(evpipe_testbroker_delivery_at(world.broker, 0)->time_ms, time_ms);
	int64_t timestamp_ms = record.timestamp_ms;
	world_close(&world);
	return timestamp_ms;
}

/*
 * A broker deletes by timestamp, and refuses what is far ahead: the record of such an event, on its topic or in a tier,
 * is of now, and the event keeps its time.
 */
static void test_producer__an_event_far_from_now_is_neither_deleted_nor_refused_for_it(void **state)
{
	static const char *const envelopes[] = {"compact", "cloudevents"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(envelopes); i++) {
		assert_in_range(timestamp_of(envelopes[i], 1548925205699), START_MS, START_MS + 1000); /* 2019 */
		assert_in_range(timestamp_of(envelopes[i], START_MS + 3700000), START_MS, START_MS + 1000);
		assert_in_range(timestamp_of(envelopes[i], INT64_C(4102444800000)), START_MS, START_MS + 1000); /* 2100 */
		assert_int_equal(timestamp_of(envelopes[i], START_MS + 3500000), START_MS + 3500000);
		assert_int_equal(timestamp_of(envelopes[i], START_MS - 3500000), START_MS - 3500000);
	}
}

static void test_producer__gives_ids_that_never_repeat(void **state)
{
	struct world world;
	evpipe_event event = EVPIPE_EVENT_INIT;
	char         ids[3][64];
	(void)state;
	world_open(&world, 2, settings);
	event.destination = "ACME";
	for (int i = 0; i < 2; i++)
		evpipe_emit(world.producer, &event);
	world_pass(&world, 1000);
	evpipe_producer_free(world.producer);
	assert_int_equal(evpipe_producer_new(&world.producer, world.config, NULL), EVPIPE_OK);
	evpipe_emit(world.producer, &event);
	world_pass(&world, 1000);
	for (int i = 0; i < 3; i++)
		snprintf(ids[i], sizeof ids[i], "%s", world_envelope_field(&world, "evpipe.events", 0, i, "id"));
	assert_true(strlen(ids[0]) > 10);
	assert_string_not_equal(ids[0], ids[1]);
	assert_string_not_equal(ids[0], ids[2]);
	assert_string_not_equal(ids[1], ids[2]);
	world_close(&world);
}

static void test_producer__refuses_what_it_cannot_take(void **state)
{
	struct world        world;
	/* So large that it is not the size of all that is refused. */
	static const char *const roomy[] = {"topic.partitions", "1", "event.max", "128KiB", NULL};
	static char         large[140000], text[65536], name[300];
	evpipe_header       headers[40], reserved = {"evpipe", "x", 1}, type = {"content-type", "x", 1}, nameless = {NULL, "x", 1}, long_name = {NULL, "x", 1};
	evpipe_header       long_values[] = {{"a", large, SIZE_MAX / 2}, {"b", large, SIZE_MAX / 2 + 2}};
	const evpipe_event  good = {.size = sizeof good, .destination = "ACME", .data = "{}", .data_len = 2};
	evpipe_event        event;
	(void)state;
	world_open(&world, 3, roomy);
	memset(name, 'n', sizeof name - 1);
	memset(text, 't', sizeof text - 1); /* as long as the journal's mark for a text that is not there */
	long_name.name = name;
	for (int i = 0; i < 40; i++)
		headers[i] = (evpipe_header){"a", "b", 1};

#define REFUSED(how, err) \
	event = good; \
	how; \
	assert_int_equal(evpipe_emit(world.producer, &event), err)
	REFUSED(event.destination = NULL, EVPIPE_EINVAL);
	REFUSED(event.destination = "", EVPIPE_EINVAL);
	REFUSED(event.destination = name, EVPIPE_ETOOLARGE);
	REFUSED(event.size = 0, EVPIPE_EINVAL);
	REFUSED(event.data = NULL, EVPIPE_EINVAL);
	REFUSED(event.time_ms = -1, EVPIPE_EINVAL);
	REFUSED((event.key = large, event.key_len = 1025), EVPIPE_ETOOLARGE);
	REFUSED(event.type = name, EVPIPE_ETOOLARGE);
	REFUSED(event.id = name, EVPIPE_ETOOLARGE);
	REFUSED(event.type = text, EVPIPE_ETOOLARGE);
	REFUSED(event.content_type = text, EVPIPE_ETOOLARGE);
	REFUSED(event.id = text, EVPIPE_ETOOLARGE);
	REFUSED((event.data = large, event.data_len = 131073), EVPIPE_ETOOLARGE);
	REFUSED((event.data = large, event.data_len = SIZE_MAX - 8), EVPIPE_ETOOLARGE);
	REFUSED((event.headers = headers, event.headers_count = 40), EVPIPE_ETOOLARGE);
	REFUSED((event.headers = &reserved, event.headers_count = 1), EVPIPE_EINVAL);
	REFUSED((event.headers = &type, event.headers_count = 1), EVPIPE_EINVAL);
	REFUSED((event.headers = &nameless, event.headers_count = 1), EVPIPE_EINVAL);
	REFUSED((event.headers = &long_name, event.headers_count = 1), EVPIPE_ETOOLARGE);
	REFUSED((event.headers = long_values, event.headers_count = 1), EVPIPE_ETOOLARGE);
	REFUSED((event.headers = long_values, event.headers_count = 2), EVPIPE_ETOOLARGE);
	REFUSED((event.headers = NULL, event.headers_count = 1), EVPIPE_EINVAL);
#undef REFUSED
	assert_int_equal(evpipe_emit(world.producer, NULL), EVPIPE_EINVAL);
	assert_int_equal(world_producer_stats(&world).refused, 23);
	assert_int_equal(world_producer_stats(&world).accepted, 0);
	world_close(&world);
}

static void test_producer__refuses_at_once_when_the_journal_is_full_and_takes_again_when_there_is_room(void **state)
{
	struct world world;
	evpipe_event event = EVPIPE_EVENT_INIT;
	char         data[1000];
	uint64_t     accepted = 0;
	evpipe_err   err;
	(void)state;
	world_open(&world, 4, settings);
	evpipe_testbroker_set_available(world.broker, NULL, -1, 0);
	memset(data, '1', sizeof data);
	event.destination = "ACME";
	event.data = data;
	event.data_len = sizeof data;
	while ((err = evpipe_emit(world.producer, &event)) == EVPIPE_OK)
		accepted++;
	assert_int_equal(err, EVPIPE_EFULL);
	assert_in_range(accepted, 900, 1048);
	world_pass(&world, 60000);
	assert_int_equal(world_producer_stats(&world).pending, accepted);
	evpipe_testbroker_set_available(world.broker, NULL, -1, 1);
	world_pass(&world, 60000);
	assert_int_equal(evpipe_testbroker_count(world.broker, "evpipe.events"), accepted);
	assert_int_equal(evpipe_emit(world.producer, &event), EVPIPE_OK);
	world_close(&world);
}

static void inject(struct world *world, evpipe_testbroker_fault_type type, uint32_t after, uint32_t times, evpipe_err err)
{
	evpipe_testbroker_fault fault = EVPIPE_TESTBROKER_FAULT_INIT;
	fault.type = type;
	fault.after = after;
	fault.times = times;
	fault.err = err;
	fault.delay_ms = 5000;
	assert_int_equal(evpipe_testbroker_inject(world->broker, &fault), EVPIPE_OK);
}

/* What is not acknowledged for certain is sent again, under the same id; nothing is lost. */
static void test_producer__sends_again_what_was_not_acknowledged(void **state)
{
	static const evpipe_testbroker_fault_type faults[] = {EVPIPE_FAULT_SEND_FAILS, EVPIPE_FAULT_ACK_LOST, EVPIPE_FAULT_SEND_LOST,
	                                                      EVPIPE_FAULT_ACK_DELAYED, EVPIPE_FAULT_QUEUE_FULL};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(faults); i++) {
		struct world world;
		world_open(&world, 5, settings);
		world_pass(&world, 100);
		inject(&world, faults[i], 50, 7, EVPIPE_EUNAVAILABLE);
		for (int j = 0; j < 100; j++)
			world_emit(&world, "ACME", "key");
		world_pass(&world, 30000);
		evpipe_stats stats = world_producer_stats(&world);
		assert_int_equal(stats.sent, 100);
		assert_int_equal(stats.pending, 0);
		world_add_worker(&world);
		world_pass(&world, 5000);
		for (uint64_t number = 0; number < 100; number++) {
			char id[32];
			snprintf(id, sizeof id, "ACME-%d", (int)number);
			assert_in_range(evpipe_testbroker_delivered(world.broker, "ACME", id), 1,
			                faults[i] == EVPIPE_FAULT_ACK_LOST ? 2 : 1);
		}
		world_close(&world);
	}
}

struct rejections {
	int        count;
	evpipe_err why;
	char       id[64];
};

static void on_rejected(void *ctx, const evpipe_event *event, evpipe_err why, const char *text)
{
	struct rejections *rejections = ctx;
	(void)text;
	rejections->count++;
	rejections->why = why;
	snprintf(rejections->id, sizeof rejections->id, "%s", event->id);
}

static void test_producer__tells_what_the_broker_will_never_take(void **state)
{
	struct world            world;
	struct rejections       rejections = {0};
	evpipe_testbroker_topic topic = EVPIPE_TESTBROKER_TOPIC_INIT;
	char                    data[5000];
	(void)state;
	memset(data, '1', sizeof data);
	world_open(&world, 6, settings);
	evpipe_producer_free(world.producer);
	evpipe_config_on_rejected(world.config, on_rejected, &rejections);
	topic.partitions = 1;
	topic.record_max = 4000;
	assert_int_equal(evpipe_testbroker_create_topic(world.broker, "evpipe.events", &topic), EVPIPE_OK);
	assert_int_equal(evpipe_producer_new(&world.producer, world.config, NULL), EVPIPE_OK);
	world_emit(&world, "ACME", "key");
	world_emit_data(&world, "ACME", "key", "big", data, sizeof data);
	world_emit(&world, "ACME", "key");
	world_pass(&world, 1000);
	evpipe_stats stats = world_producer_stats(&world);
	assert_int_equal(stats.sent, 2);
	assert_int_equal(stats.rejected, 1);
	assert_int_equal(stats.unkept, 1);
	assert_int_equal(rejections.count, 1);
	assert_int_equal(rejections.why, EVPIPE_ETOOLARGE);
	assert_string_equal(rejections.id, "big");
	world_close(&world);
}

static evpipe_err refusal; /* what send answers; 0: what the test broker does */
static int        refused;

static evpipe_err refuse(void *self, const evpipe_record *record, uint64_t token)
{
	refused += refusal != EVPIPE_OK;
	return refusal ? refusal : evpipe_testbroker_transport()->send(self, record, token);
}

/* It makes no difference whether send says so or the report does: what may be mended is waited for, what may not is rejected. */
static void test_producer__waits_for_what_may_be_mended(void **state)
{
	static const evpipe_err to_mend[] = {EVPIPE_ETOPIC, EVPIPE_EDENIED, EVPIPE_EUNAVAILABLE, EVPIPE_ENOMEM, EVPIPE_EIO};
	static const evpipe_err never[] = {EVPIPE_ETOOLARGE, EVPIPE_EINVAL, EVPIPE_EFORMAT};
	evpipe_transport_ops    ops = *evpipe_testbroker_transport();
	(void)state;
	ops.send = refuse;
	for (size_t i = 0; i < COUNT_OF(to_mend) + COUNT_OF(never); i++) {
		struct world      world;
		struct rejections rejections = {0};
		evpipe_error      error = {0};
		int               mendable = i < COUNT_OF(to_mend);
		world_open(&world, 12, settings);
		evpipe_producer_free(world.producer);
		evpipe_config_on_rejected(world.config, on_rejected, &rejections);
		assert_int_equal(evpipe_config_use_transport(world.config, &ops, world.broker, NULL), EVPIPE_OK);
		assert_int_equal(evpipe_producer_new(&world.producer, world.config, NULL), EVPIPE_OK);
		refusal = mendable ? to_mend[i] : never[i - COUNT_OF(to_mend)];
		refused = 0;
		world_emit(&world, "ACME", "key");
		world_pass(&world, 60000);
		evpipe_producer_error(world.producer, &error);
		assert_int_equal(error.code, refusal);
		assert_int_equal(rejections.count, !mendable);
		/* Not in each round, but now and then. */
		assert_in_range(refused, mendable ? 10 : 1, mendable ? 30 : 1);
		refusal = EVPIPE_OK;
		world_pass(&world, 6000);
		assert_int_equal(world_producer_stats(&world).sent, mendable);
		evpipe_producer_error(world.producer, &error);
		assert_int_equal(error.code, mendable ? EVPIPE_OK : never[i - COUNT_OF(to_mend)]);
		world_close(&world);
	}
}

static void test_producer__flush_waits_for_what_was_accepted(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 7, settings);
	world_pass(&world, 100);
	world_emit(&world, "ACME", "key");
	world_pass(&world, 1000);
	assert_int_equal(evpipe_producer_flush(world.producer, 1000), EVPIPE_OK);
	evpipe_testbroker_set_available(world.broker, NULL, -1, 0);
	world_emit(&world, "ACME", "key");
	assert_int_equal(evpipe_producer_flush(world.producer, 1000), EVPIPE_ETIMEOUT);
	world_close(&world);
}

static void test_producer__close_counts_what_is_left(void **state)
{
	struct world world;
	uint64_t     left = 0;
	evpipe_event event = EVPIPE_EVENT_INIT;
	(void)state;
	world_open(&world, 8, settings);
	for (int i = 0; i < 10; i++)
		world_emit(&world, "ACME", "key");
	world_pass(&world, 1000);
	evpipe_testbroker_set_available(world.broker, NULL, -1, 0);
	for (int i = 0; i < 7; i++)
		world_emit(&world, "ACME", "key");
	world_pass(&world, 1000);
	assert_int_equal(evpipe_producer_close(world.producer, 0, &left), EVPIPE_ETIMEOUT);
	assert_int_equal(left, 7);
	event.destination = "ACME";
	assert_int_equal(evpipe_emit(world.producer, &event), EVPIPE_ECLOSED);
	assert_int_equal(evpipe_producer_close(world.producer, 0, &left), EVPIPE_ECLOSED);
	assert_int_equal(evpipe_producer_flush(world.producer, 0), EVPIPE_ECLOSED);
	world_close(&world);
}

static void test_producer__refuses_in_a_child_of_fork(void **state)
{
	struct world world;
	evpipe_event event = EVPIPE_EVENT_INIT;
	int          status;
	(void)state;
	world_open(&world, 9, settings);
	event.destination = "ACME";
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(evpipe_emit(world.producer, &event) == EVPIPE_EFORKED && evpipe_producer_flush(world.producer, 0) == EVPIPE_EFORKED
		              ? 0
		              : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(evpipe_emit(world.producer, &event), EVPIPE_OK);
	world_close(&world);
}

static void test_producer__goes_on_once_a_missing_topic_is_there(void **state)
{
	struct world            world;
	evpipe_testbroker_topic topic = EVPIPE_TESTBROKER_TOPIC_INIT;
	evpipe_error            error = {0};
	(void)state;
	world_open(&world, 10, settings);
	evpipe_producer_free(world.producer);
	world_set(&world, "topic.create", "never");
	world_set(&world, "topic.name", "later");
	assert_int_equal(evpipe_producer_new(&world.producer, world.config, NULL), EVPIPE_OK);
	world_emit(&world, "ACME", "key");
	world_pass(&world, 20000);
	evpipe_producer_error(world.producer, &error);
	assert_int_equal(error.code, EVPIPE_ETOPIC);
	assert_non_null(strstr(error.text, "later"));
	assert_int_equal(evpipe_testbroker_create_topic(world.broker, "later", &topic), EVPIPE_OK);
	world_pass(&world, 10000);
	assert_int_equal(evpipe_testbroker_count(world.broker, "later"), 1);
	evpipe_producer_error(world.producer, &error);
	assert_int_equal(error.code, EVPIPE_OK);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_producer__what_it_accepts_is_on_the_topic),
		cmocka_unit_test(test_producer__gives_ids_that_never_repeat),
		cmocka_unit_test(test_producer__an_event_far_from_now_is_neither_deleted_nor_refused_for_it),
		cmocka_unit_test(test_producer__refuses_what_it_cannot_take),
		cmocka_unit_test(test_producer__refuses_at_once_when_the_journal_is_full_and_takes_again_when_there_is_room),
		cmocka_unit_test(test_producer__sends_again_what_was_not_acknowledged),
		cmocka_unit_test(test_producer__tells_what_the_broker_will_never_take),
		cmocka_unit_test(test_producer__waits_for_what_may_be_mended),
		cmocka_unit_test(test_producer__flush_waits_for_what_was_accepted),
		cmocka_unit_test(test_producer__close_counts_what_is_left),
		cmocka_unit_test(test_producer__refuses_in_a_child_of_fork),
		cmocka_unit_test(test_producer__goes_on_once_a_missing_topic_is_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
