/*
 * Whole pipelines in virtual time, with each allocation failing in turn: whatever fails, what emit accepted, and what lies in the topic,
 * is delivered or dead-lettered as it should be. A worker that ends for lack of memory is replaced, as a supervisor would.
 */
#include "torture.h"

#include "tests/unit/world.h"

#define END_MS 60000

/* ---- what destinations answer ---- */

static void answer(const struct world *world, const char *destination, evpipe_verdict verdict, int status,
                   const evpipe_testbroker_answer *how)
{
	evpipe_testbroker_answer answer = *how;
	answer.destination = destination;
	answer.verdict = verdict;
	answer.status = status;
	answer.text = "an answer";
	assert_int_equal(evpipe_testbroker_answer_with(world->broker, &answer, NULL), EVPIPE_OK);
}

#define ANSWER(...) (&(evpipe_testbroker_answer){.size = sizeof(evpipe_testbroker_answer), .permille = 1000, .delay_ms = -1, __VA_ARGS__})

static void answer_in_all_ways(const struct world *world)
{
	answer(world, "retries", EVPIPE_VERDICT_RETRY, 503, ANSWER(.times = 4, .overloaded = 1));
	answer(world, "poisoned", EVPIPE_VERDICT_PERMANENT, 400, ANSWER(.event_id = "poisoned-2"));
	answer(world, "halved", EVPIPE_VERDICT_TOO_LARGE, 413, ANSWER(.count_above = 1));
	answer(world, "throttles", EVPIPE_VERDICT_RETRY, 429, ANSWER(.times = 1, .leave_alone_ms = 3000));
	answer(world, "fails", EVPIPE_VERDICT_RETRY, 500, ANSWER(.times = 0));
	answer(world, "refuses", EVPIPE_VERDICT_REFUSED, 404, ANSWER(.times = 1));
	answer(world, "each", EVPIPE_VERDICT_PERMANENT, 200, ANSWER(.event_id = "each-1", .each_id = 1));
	answer(world, "vague", EVPIPE_VERDICT_RETRY, 504, ANSWER(.times = 2, .unknown = 1, .stored = 1));
}

static const struct {
	const char *destination;
	int         dies; /* the number of the event that ends among the dead letters; -1: none, -2: all */
} kinds[] = {
	{"well", -1}, {"retries", -1}, {"poisoned", 2}, {"halved", -1}, {"throttles", -1},
	{"fails", -2}, {"refuses", -1}, {"each", 1}, {"vague", -1},
};
#define EVENTS 4 /* of each */

static void emit_all(const struct world *world)
{
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		for (int number = 0; number < EVENTS; number++) {
			char          id[64];
			evpipe_header header = {"traceparent", "00-1", 4};
			evpipe_event  event = EVPIPE_EVENT_INIT;
			snprintf(id, sizeof id, "%s-%d", kinds[i].destination, number);
			event.destination = kinds[i].destination;
			event.id = id;
			event.key = id;
			event.key_len = strlen(id);
			event.data = "{\"a\":1}";
			event.data_len = 7;
			event.headers = &header;
			event.headers_count = 1;
			/* Allocates nothing, so it fails never. */
			assert_int_equal(evpipe_emit(world->producer, &event), EVPIPE_OK);
		}
}

static void append_foreign(const struct world *world)
{
	evpipe_record record = {.topic = "evpipe.events",
	                        .partition = EVPIPE_PARTITION_ANY,
	                        .value = "{\"org\":\"well\",\"id\":\"foreign\"}",
	                        .value_len = 29,
	                        .timestamp_ms = 1767225600000};
	assert_int_equal(evpipe_testbroker_append(world->broker, &record), EVPIPE_OK);
	record.value = "nobody's";
	record.value_len = 8;
	assert_int_equal(evpipe_testbroker_append(world->broker, &record), EVPIPE_OK);
}

/* ---- life ---- */

static void set(struct world *world, const char *name, const char *value)
{
	TRY_TOLD(evpipe_config_set(world->config, name, value, &torture_error));
}

static void add_worker(struct world *world, size_t worker)
{
	evpipe_sink *sink = evpipe_testbroker_sink(world->broker);
	if (!sink)
		sink = evpipe_testbroker_sink(world->broker);
	assert_non_null(sink);
	TRY_TOLD(evpipe_worker_new(&world->workers[worker], world->config, sink, &torture_error));
	if (world->workers_count <= worker)
		world->workers_count = worker + 1;
}

static evpipe_fault_plan plan;

static void open_all(struct world *world, const char *faults)
{
	static const char *const settings[] = {"topic.partitions",        "2",         "batch.linger",   "20ms", "batch.events_max", "4",
	                                       "retry.delays",            "200ms, 1s", "retry.quick_max", "1",    "breaker.open",     "500ms",
	                                       "retry.quick_delay_max",   "50ms",      "retry.quick_delay_min", "10ms",
	                                       "topic.destination_from",  "field:org", "topic.id_from",  "field:id",
	                                       "event.max",               "64KiB",     "journal.size",   "1MiB", "commit.interval",  "200ms", NULL};
	*world = (struct world){.workers_count = 0};
	TRY(evpipe_testbroker_new(&world->broker, 1));
	TRY(evpipe_config_new(&world->config));
	TRY(evpipe_testbroker_attach(world->broker, world->config));
	for (size_t i = 0; settings[i]; i += 2)
		set(world, settings[i], settings[i + 1]);
	answer_in_all_ways(world);
	if (faults) {
		plan = (evpipe_fault_plan){.size = sizeof plan, .script = faults, .seed = 1};
		TRY_TOLD(evpipe_config_use_faults(world->config, &plan, &torture_error));
	}
	TRY_TOLD(evpipe_producer_new(&world->producer, world->config, &torture_error));
	add_worker(world, 0);
}

/* Is it over, and not as it should be? */
static int has_failed(evpipe_worker *worker)
{
	evpipe_err err = evpipe_worker_step(worker, 0);
	if (err == EVPIPE_OK || err == EVPIPE_EAGAIN || err == EVPIPE_ECLOSED)
		return 0;
	assert_int_equal(err, EVPIPE_ENOMEM);
	assert_true(torture_struck());
	assert_non_null(strstr(evpipe_worker_error(worker), "memory"));
	return 1;
}

static void replace_failed(struct world *world)
{
	for (size_t i = 0; i < world->workers_count; i++) {
		if (!world->workers[i] || !has_failed(world->workers[i]))
			continue;
		evpipe_worker_free(world->workers[i]);
		world->workers[i] = NULL;
		add_worker(world, i);
	}
}

static void pass(struct world *world, int64_t ms)
{
	world_pass(world, ms);
	replace_failed(world);
}

/* ---- what became of it ---- */

static size_t dead_letters_of(const struct world *world, const char *id)
{
	size_t count = 0;
	for (int32_t partition = 0; partition < evpipe_testbroker_partitions(world->broker, "evpipe.events.dead"); partition++) {
		int64_t high = evpipe_testbroker_high(world->broker, "evpipe.events.dead", partition);
		for (int64_t offset = 0; offset < high; offset++)
			count += strcmp(world_envelope_field(world, "evpipe.events.dead", partition, offset, "id"), id) == 0;
	}
	return count;
}

static int is_there(const struct world *world, const char *destination, const char *id, int dead)
{
	return dead ? dead_letters_of(world, id) > 0 : evpipe_testbroker_delivered(world->broker, destination, id) > 0;
}

static size_t missing(const struct world *world, int complain)
{
	size_t count = 0;
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		for (int number = 0; number < EVENTS; number++) {
			char id[64];
			snprintf(id, sizeof id, "%s-%d", kinds[i].destination, number);
			int there = is_there(world, kinds[i].destination, id, kinds[i].dies == -2 || kinds[i].dies == number);
			count += !there;
			if (!there && complain)
				print_error("%s is missing\n", id);
		}
	int foreign = is_there(world, "well", "foreign", 0);
	if (!foreign && complain)
		print_error("the foreign event is missing\n");
	return count + !foreign;
}

static void run_whole_way(const char *faults)
{
	struct world world;
	uint64_t     left = 1;

	open_all(&world, faults);
	pass(&world, 100);
	emit_all(&world);
	append_foreign(&world);
	pass(&world, 60);
	add_worker(&world, 1); /* partitions move while posts are in flight */
	pass(&world, 300);
	pass(&world, 500);
	evpipe_worker_stop(world.workers[0]);
	for (int64_t passed = 0; missing(&world, passed > END_MS); passed += 1000) {
		assert_true(passed <= END_MS);
		pass(&world, 1000);
	}
	assert_int_equal(evpipe_producer_close(world.producer, 1000, &left), EVPIPE_OK);
	assert_int_equal(left, 0);
	for (size_t i = 0; i < world.workers_count; i++)
		evpipe_worker_stop(world.workers[i]);
	pass(&world, 40000);
	world_close(&world);
}

static void whole_way(void)
{
	run_whole_way(NULL);
}

static void test_torture_pipeline__nothing_is_lost_for_want_of_memory(void **state)
{
	(void)state;
	torture(whole_way, 300);
}

static void whole_way_with_faults(void)
{
	run_whole_way("queue-full times=2; fail times=1 after=1; lose-send times=1 after=3; double times=2 after=5; lose-ack times=2 after=8\n"
	              "delay-ack 50ms times=2 after=12; refuse-commit times=2; double-record times=2 after=2; stall 100ms times=1 after=5\n"
	              "lose-partition 200ms times=1 after=8; revoke-partition 200ms times=1 after=12; away 100ms from=2s until=3s\n");
}

static void test_torture_pipeline__nor_when_the_transport_is_at_fault(void **state)
{
	(void)state;
	torture(whole_way_with_faults, 300);
}

/* ---- a backlog, for which lanes double ---- */

#define BACKLOG 40

static void backlog(void)
{
	struct world world = {.workers_count = 0};

	TRY(evpipe_testbroker_new(&world.broker, 1));
	TRY(evpipe_config_new(&world.config));
	TRY(evpipe_testbroker_attach(world.broker, world.config));
	set(&world, "batch.events_max", "2");
	set(&world, "batch.linger", "10ms");
	set(&world, "topic.partitions", "1");
	set(&world, "event.max", "64KiB");
	set(&world, "journal.size", "1MiB");
	evpipe_testbroker_set_sink_delay(world.broker, 100);
	TRY_TOLD(evpipe_producer_new(&world.producer, world.config, &torture_error));
	add_worker(&world, 0);
	for (int i = 0; i < BACKLOG; i++) {
		char         key[16];
		evpipe_event event = EVPIPE_EVENT_INIT;
		snprintf(key, sizeof key, "%d", i);
		event.destination = "ACME";
		event.id = event.key = key;
		event.key_len = strlen(key);
		assert_int_equal(evpipe_emit(world.producer, &event), EVPIPE_OK);
	}
	for (int64_t passed = 0; evpipe_testbroker_delivery_count(world.broker) < BACKLOG; passed += 200) {
		assert_true(passed < END_MS);
		pass(&world, 200);
	}
	for (int i = 0; i < BACKLOG; i++) {
		char id[16];
		snprintf(id, sizeof id, "%d", i);
		assert_in_range(evpipe_testbroker_delivered(world.broker, "ACME", id), 1, torture_struck() ? 2 : 1);
	}
	pass(&world, 1000); /* and lanes are one again */
	world_close(&world);
}

static void test_torture_pipeline__a_backlog_is_worked_off(void **state)
{
	(void)state;
	torture(backlog, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TORTURE(test_torture_pipeline__nothing_is_lost_for_want_of_memory),
		TORTURE(test_torture_pipeline__nor_when_the_transport_is_at_fault),
		TORTURE(test_torture_pipeline__a_backlog_is_worked_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
