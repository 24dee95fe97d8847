/*
 * The scripted sink: what it answers, and what it records. Driven through the operations a worker would call.
 */
#include "test.h"

#include <evpipe-testbroker.h>

#include "sink.h"

struct bench {
	evpipe_testbroker     *broker;
	evpipe_sink           *sink;
	evpipe_delivery        events[4];
	const evpipe_delivery *pointers[4];
	evpipe_batch           batch;
};

static int setup(void **state)
{
	static const char *const ids[] = {"a", "b", "c", "d"};
	struct bench            *bench = calloc(1, sizeof *bench);
	if (!bench || evpipe_testbroker_new(&bench->broker, 1) != EVPIPE_OK)
		return -1;
	bench->sink = evpipe_testbroker_sink(bench->broker);
	for (size_t i = 0; i < 4; i++) {
		bench->events[i] = (evpipe_delivery){
			.id = ids[i], .type = "test", .content_type = "text/plain", .key = "k", .key_len = 1, .time_ms = 17};
		bench->events[i].data = "data";
		bench->events[i].data_len = 4;
		bench->pointers[i] = &bench->events[i];
	}
	bench->batch = (evpipe_batch){.destination = "ACME",
	                              .events = bench->pointers,
	                              .count = 3,
	                              .bytes = 12,
	                              .idempotency_key = "0123456789abcdef0123456789abcdef"};
	*state = bench;
	return 0;
}

static int teardown(void **state)
{
	struct bench *bench = *state;
	evpipe_testbroker_free(bench->broker);
	free(bench);
	return 0;
}

/* Submit, let the time pass, and give the answer. */
static evpipe_answer post(struct bench *bench, int64_t wait_ms)
{
	evpipe_answer answer = {0};
	assert_int_equal(bench->sink->ops->submit(bench->sink->self, &bench->batch), EVPIPE_OK);
	int64_t due_ms = bench->sink->ops->next_due(bench->sink->self);
	evpipe_runtime runtime;
	evpipe_testbroker_runtime(bench->broker, &runtime);
	assert_int_equal(due_ms, runtime.mono_ms(runtime.ctx) + wait_ms);
	if (wait_ms) {
		assert_int_equal(bench->sink->ops->poll(bench->sink->self, &answer), EVPIPE_EAGAIN);
		evpipe_testbroker_advance(bench->broker, wait_ms);
	}
	assert_int_equal(bench->sink->ops->poll(bench->sink->self, &answer), EVPIPE_OK);
	assert_ptr_equal(answer.batch, &bench->batch);
	assert_int_equal(bench->sink->ops->next_due(bench->sink->self), INT64_MAX);
	return answer;
}

static evpipe_testbroker_answer script(evpipe_verdict verdict, int status)
{
	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	answer.verdict = verdict;
	answer.status = status;
	return answer;
}

static uint32_t add(struct bench *bench, const evpipe_testbroker_answer *answer)
{
	uint32_t rule = 0;
	assert_int_equal(evpipe_testbroker_answer_with(bench->broker, answer, &rule), EVPIPE_OK);
	return rule;
}

static void test_testbroker_sink__delivers_and_records(void **state)
{
	struct bench *bench = *state;
	evpipe_answer answer = post(bench, 10);
	assert_int_equal(answer.verdict, EVPIPE_VERDICT_DELIVERED);
	assert_int_equal(evpipe_testbroker_delivery_count(bench->broker), 3);
	const evpipe_testbroker_delivery *delivery = evpipe_testbroker_delivery_at(bench->broker, 1);
	assert_string_equal(delivery->destination, "ACME");
	assert_string_equal(delivery->id, "b");
	assert_string_equal(delivery->type, "test");
	assert_memory_equal(delivery->data, "data", 4);
	assert_memory_equal(delivery->key, "k", 1);
	assert_int_equal(delivery->time_ms, 17);
	assert_int_equal(delivery->post, 1);
	assert_int_equal(delivery->at_ms, evpipe_testbroker_now_ms(bench->broker));
	assert_string_equal(delivery->idempotency_key, bench->batch.idempotency_key);
	assert_null(evpipe_testbroker_delivery_at(bench->broker, 3));

	const evpipe_testbroker_post *record = evpipe_testbroker_post_at(bench->broker, 0);
	assert_int_equal(record->answered_ms - record->at_ms, 10);
	assert_int_equal(record->count, 3);
	assert_int_equal(record->verdict, EVPIPE_VERDICT_DELIVERED);
	post(bench, 10);
	assert_int_equal(evpipe_testbroker_delivered(bench->broker, "ACME", "a"), 2);
	assert_int_equal(evpipe_testbroker_delivered(bench->broker, "ACME", "d"), 0);
	assert_int_equal(evpipe_testbroker_delivered(bench->broker, "other", "a"), 0);
	evpipe_testbroker_clear_deliveries(bench->broker);
	assert_int_equal(evpipe_testbroker_delivery_count(bench->broker), 0);
	assert_int_equal(evpipe_testbroker_delivered(bench->broker, "ACME", "a"), 0);
	assert_int_equal(evpipe_testbroker_post_count(bench->broker), 2);
}

static void test_testbroker_sink__the_newest_rule_that_applies_answers(void **state)
{
	struct bench            *bench = *state;
	evpipe_testbroker_answer fails = script(EVPIPE_VERDICT_RETRY, 503), other = script(EVPIPE_VERDICT_REFUSED, 404);

	fails.text = "down";
	fails.overloaded = 1;
	fails.leave_alone_ms = 7000;
	fails.delay_ms = 25;
	uint32_t rule = add(bench, &fails);
	other.destination = "other";
	add(bench, &other);
	evpipe_answer answer = post(bench, 25);
	assert_int_equal(answer.verdict, EVPIPE_VERDICT_RETRY);
	assert_int_equal(answer.status, 503);
	assert_string_equal(answer.text, "down");
	assert_true(answer.overloaded);
	assert_int_equal(answer.leave_alone_ms, 7000);
	assert_int_equal(evpipe_testbroker_delivery_count(bench->broker), 0);
	bench->batch.destination = "other";
	assert_int_equal(post(bench, 10).status, 404);
	bench->batch.destination = "ACME";
	evpipe_testbroker_answer_remove(bench->broker, rule);
	assert_int_equal(post(bench, 10).verdict, EVPIPE_VERDICT_DELIVERED);
}

static void test_testbroker_sink__rules_apply_within_their_limits(void **state)
{
	struct bench            *bench = *state;
	evpipe_testbroker_answer answer = script(EVPIPE_VERDICT_RETRY, 500);

	evpipe_testbroker_set_sink_delay(bench->broker, 0);
	answer.times = 2;
	add(bench, &answer);
	assert_int_equal(post(bench, 0).status, 500);
	assert_int_equal(post(bench, 0).status, 500);
	assert_int_equal(post(bench, 0).status, 200);

	answer = script(EVPIPE_VERDICT_TOO_LARGE, 413);
	answer.bytes_above = 8;
	uint32_t rule = add(bench, &answer);
	assert_int_equal(post(bench, 0).status, 413);
	bench->batch.bytes = 8;
	assert_int_equal(post(bench, 0).status, 200);
	evpipe_testbroker_answer_remove(bench->broker, rule);

	answer = script(EVPIPE_VERDICT_TOO_LARGE, 413);
	answer.count_above = 2;
	rule = add(bench, &answer);
	assert_int_equal(post(bench, 0).status, 413);
	bench->batch.count = 2;
	assert_int_equal(post(bench, 0).status, 200);
	evpipe_testbroker_answer_remove(bench->broker, rule);

	answer = script(EVPIPE_VERDICT_PERMANENT, 400);
	answer.event_id = "c";
	add(bench, &answer);
	assert_int_equal(post(bench, 0).status, 200);
	bench->batch.count = 3;
	assert_int_equal(post(bench, 0).status, 400);

	answer = script(EVPIPE_VERDICT_RETRY, 503);
	answer.from_ms = evpipe_testbroker_now_ms(bench->broker) + 1000;
	answer.until_ms = answer.from_ms + 1000;
	bench->batch.count = 1;
	add(bench, &answer);
	assert_int_equal(post(bench, 0).status, 200);
	evpipe_testbroker_advance(bench->broker, 1000);
	assert_int_equal(post(bench, 0).status, 503);
	evpipe_testbroker_advance(bench->broker, 1000);
	assert_int_equal(post(bench, 0).status, 200);

	answer = script(EVPIPE_VERDICT_RETRY, 500);
	answer.from_ms = evpipe_testbroker_now_ms(bench->broker) + 1000;
	add(bench, &answer);
	assert_int_equal(post(bench, 0).status, 200);
	evpipe_testbroker_advance(bench->broker, 1000);
	assert_int_equal(post(bench, 0).status, 500);
}

static void test_testbroker_sink__a_share_of_posts_is_drawn_from_the_seed(void **state)
{
	struct bench            *bench = *state;
	evpipe_testbroker_answer answer = script(EVPIPE_VERDICT_RETRY, 503);
	int                      failed = 0;

	evpipe_testbroker_set_sink_delay(bench->broker, 0);
	answer.permille = 100;
	add(bench, &answer);
	for (int i = 0; i < 2000; i++)
		failed += post(bench, 0).status == 503;
	assert_in_range(failed, 140, 260);
}

static void test_testbroker_sink__each_event_may_have_its_own_verdict(void **state)
{
	struct bench            *bench = *state;
	evpipe_testbroker_answer answer = script(EVPIPE_VERDICT_PERMANENT, 207);

	answer.event_id = "b";
	answer.each_id = 1;
	add(bench, &answer);
	evpipe_answer given = post(bench, 10);
	assert_int_equal(given.verdict, EVPIPE_VERDICT_EACH);
	assert_int_equal(given.each[0], EVPIPE_VERDICT_DELIVERED);
	assert_int_equal(given.each[1], EVPIPE_VERDICT_PERMANENT);
	assert_int_equal(given.each[2], EVPIPE_VERDICT_DELIVERED);
	assert_int_equal(evpipe_testbroker_delivered(bench->broker, "ACME", "a"), 1);
	assert_int_equal(evpipe_testbroker_delivered(bench->broker, "ACME", "b"), 0);
}

static void test_testbroker_sink__an_answer_may_be_lost_and_the_events_stored(void **state)
{
	struct bench            *bench = *state;
	evpipe_testbroker_answer answer = script(EVPIPE_VERDICT_RETRY, 0);

	answer.unknown = 1;
	answer.stored = 1;
	add(bench, &answer);
	evpipe_answer given = post(bench, 10);
	assert_int_equal(given.verdict, EVPIPE_VERDICT_RETRY);
	assert_true(given.unknown);
	assert_int_equal(evpipe_testbroker_delivery_count(bench->broker), 3);
}

static void test_testbroker_sink__answers_come_in_the_order_of_time(void **state)
{
	struct bench            *bench = *state;
	evpipe_testbroker_answer slow = script(EVPIPE_VERDICT_DELIVERED, 200);
	evpipe_batch             other = bench->batch;
	evpipe_answer            answer;

	slow.destination = "slow";
	slow.delay_ms = 100;
	add(bench, &slow);
	other.destination = "slow";
	assert_int_equal(bench->sink->ops->submit(bench->sink->self, &other), EVPIPE_OK);
	assert_int_equal(bench->sink->ops->submit(bench->sink->self, &bench->batch), EVPIPE_OK);
	evpipe_testbroker_advance(bench->broker, 10);
	assert_int_equal(bench->sink->ops->poll(bench->sink->self, &answer), EVPIPE_OK);
	assert_ptr_equal(answer.batch, &bench->batch);
	/* Given up: answered at once, and nobody knows. */
	bench->sink->ops->cancel(bench->sink->self);
	assert_int_equal(bench->sink->ops->poll(bench->sink->self, &answer), EVPIPE_OK);
	assert_ptr_equal(answer.batch, &other);
	assert_int_equal(answer.verdict, EVPIPE_VERDICT_RETRY);
	assert_true(answer.unknown);
}

/* A store that takes three events at a time, closes after having taken one, and has no opinion on what is not ACME's. */
static int moody_store(void *ctx, const evpipe_batch *batch, evpipe_testbroker_fate *fate)
{
	unsigned *asked = ctx;
	assert_int_equal(fate->size, sizeof *fate);
	if (strcmp(batch->destination, "ACME") != 0)
		return 0;
	++*asked;
	if (batch->count > 3) {
		fate->verdict = EVPIPE_VERDICT_TOO_LARGE;
		fate->status = 413;
	} else if (batch->count == 3) {
		fate->verdict = EVPIPE_VERDICT_RETRY;
		fate->status = 0;
		fate->unknown = 1;
		fate->stored = 1;
		fate->text = "the connection was closed";
		fate->delay_ms = 70;
	} else {
		fate->verdict = EVPIPE_VERDICT_EACH;
		fate->each[0] = EVPIPE_VERDICT_PERMANENT;
	}
	return 1;
}

static void test_testbroker_sink__a_store_of_ones_own_goes_before_the_rules(void **state)
{
	struct bench            *bench = *state;
	unsigned                 asked = 0;
	evpipe_testbroker_answer rule = script(EVPIPE_VERDICT_RETRY, 503);
	add(bench, &rule);
	evpipe_testbroker_set_store(bench->broker, moody_store, &asked);

	bench->batch.count = 4;
	evpipe_answer answer = post(bench, 10);
	assert_int_equal(answer.verdict, EVPIPE_VERDICT_TOO_LARGE);
	assert_int_equal(answer.status, 413);
	assert_int_equal(evpipe_testbroker_delivery_count(bench->broker), 0);

	bench->batch.count = 3;
	answer = post(bench, 70);
	assert_int_equal(answer.verdict, EVPIPE_VERDICT_RETRY);
	assert_true(answer.unknown);
	assert_string_equal(answer.text, "the connection was closed");
	assert_int_equal(evpipe_testbroker_delivery_count(bench->broker), 1);
	assert_int_equal(evpipe_testbroker_delivered(bench->broker, "ACME", "a"), 1);

	bench->batch.count = 2;
	answer = post(bench, 10);
	assert_int_equal(answer.verdict, EVPIPE_VERDICT_EACH);
	assert_int_equal(answer.each[0], EVPIPE_VERDICT_PERMANENT);
	assert_int_equal(answer.each[1], EVPIPE_VERDICT_DELIVERED);
	assert_int_equal(evpipe_testbroker_delivered(bench->broker, "ACME", "b"), 1);

	bench->batch.destination = "Umbrella";
	answer = post(bench, 10);
	assert_int_equal(answer.status, 503);
	assert_int_equal(asked, 3);
}

static void test_testbroker_sink__records_headers(void **state)
{
	struct bench       *bench = *state;
	const evpipe_header headers[] = {{"traceparent", "00-1", 4}, {"empty", "", 0}, {"none", NULL, 0}};
	bench->events[0].headers = headers;
	bench->events[0].headers_count = COUNT_OF(headers);
	post(bench, 10);
	const evpipe_testbroker_delivery *delivery = evpipe_testbroker_delivery_at(bench->broker, 0);
	assert_int_equal(delivery->headers_count, 3);
	assert_string_equal(delivery->headers[0].name, "traceparent");
	assert_memory_equal(delivery->headers[0].value, "00-1", 4);
	assert_int_equal(delivery->headers[0].value_len, 4);
	assert_non_null(delivery->headers[1].value);
	assert_null(delivery->headers[2].value);
	assert_int_equal(evpipe_testbroker_delivery_at(bench->broker, 1)->headers_count, 0);
}

static void test_testbroker_sink__refuses_a_script_that_makes_no_sense(void **state)
{
	struct bench            *bench = *state;
	evpipe_testbroker_answer answer = script(EVPIPE_VERDICT_EACH, 200);
	assert_int_equal(evpipe_testbroker_answer_with(bench->broker, &answer, NULL), EVPIPE_EINVAL);
	answer = script(EVPIPE_VERDICT_RETRY, 500);
	answer.permille = 1001;
	assert_int_equal(evpipe_testbroker_answer_with(bench->broker, &answer, NULL), EVPIPE_EINVAL);
	answer.permille = 1000;
	answer.size = 1;
	assert_int_equal(evpipe_testbroker_answer_with(bench->broker, &answer, NULL), EVPIPE_EINVAL);
}

int main(void)
{
#define SINK_TEST(name) cmocka_unit_test_setup_teardown(test_testbroker_sink__##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		SINK_TEST(delivers_and_records),
		SINK_TEST(the_newest_rule_that_applies_answers),
		SINK_TEST(rules_apply_within_their_limits),
		SINK_TEST(a_share_of_posts_is_drawn_from_the_seed),
		SINK_TEST(each_event_may_have_its_own_verdict),
		SINK_TEST(an_answer_may_be_lost_and_the_events_stored),
		SINK_TEST(answers_come_in_the_order_of_time),
		SINK_TEST(a_store_of_ones_own_goes_before_the_rules),
		SINK_TEST(records_headers),
		SINK_TEST(refuses_a_script_that_makes_no_sense),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
