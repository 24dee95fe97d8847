/*
 * What an answer means for each event of its batch.
 */
#include "world.h"

static const char *const settings[] = {"topic.partitions", "1", "retry.quick_max", "0", "batch.linger", "50ms", NULL};

static void answer_event(struct world *world, const char *id, evpipe_verdict verdict, int status, int each)
{
	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	answer.destination = "ACME";
	answer.event_id = id;
	answer.verdict = verdict;
	answer.status = status;
	answer.each_id = each;
	answer.text = "said no";
	assert_int_equal(evpipe_testbroker_answer_with(world->broker, &answer, NULL), EVPIPE_OK);
}

/* Bodies of more bytes than that are too large: so many times, 0 for always; the answer takes so long, -1 for as it does otherwise. */
static void answer_too_large(struct world *world, size_t bytes_above, uint32_t times, int64_t delay_ms)
{
	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	answer.verdict = EVPIPE_VERDICT_TOO_LARGE;
	answer.status = 413;
	answer.bytes_above = bytes_above;
	answer.times = times;
	answer.delay_ms = delay_ms;
	assert_int_equal(evpipe_testbroker_answer_with(world->broker, &answer, NULL), EVPIPE_OK);
}

static void emit_many(struct world *world, const char *destination, int count)
{
	for (int i = 0; i < count; i++)
		world_emit(world, destination, "key");
}

static void keep_dead_letter(void *ctx, evpipe_log_level level, const char *line)
{
	(void)level;
	if (strncmp(line, "event=dead_letter ", 18) == 0)
		snprintf(ctx, 1024, "%s", line);
}

static void test_verdicts__one_poisoned_event_is_found_and_the_rest_delivered(void **state)
{
	struct world world;
	char         dead_letter[1024] = "";
	(void)state;
	world_open(&world, 1, settings);
	evpipe_config_on_log(world.config, keep_dead_letter, dead_letter);
	world_add_worker(&world);
	answer_event(&world, "ACME-137", EVPIPE_VERDICT_PERMANENT, 400, 0);
	emit_many(&world, "ACME", 500);
	world_pass(&world, 3000);
	world_assert_delivered_once(&world, "ACME", 0, 137);
	world_assert_delivered_once(&world, "ACME", 138, 500);
	assert_int_equal(evpipe_testbroker_delivered(world.broker, "ACME", "ACME-137"), 0);
	assert_int_equal(world_stats(&world).dead_lettered[EVPIPE_REASON_REJECTED], 1);
	assert_string_equal(world_envelope_field(&world, "evpipe.events.dead", 0, 0, "id"), "ACME-137");
	assert_string_equal(world_envelope_field(&world, "evpipe.events.dead", 0, 0, "error"), "said%20no");
	assert_string_equal(dead_letter, "event=dead_letter reason=rejected destination=ACME id=ACME-137 status=400 attempts=0 error=\"said no\"");
	/* The batch, and two posts for each of nine halvings. */
	assert_in_range(evpipe_testbroker_post_count(world.broker), 10, 19);
	/* In order, in spite of it. */
	for (size_t i = 1; i < evpipe_testbroker_delivery_count(world.broker); i++)
		assert_true(strtol(evpipe_testbroker_delivery_at(world.broker, i)->id + 5, NULL, 10) >
		            strtol(evpipe_testbroker_delivery_at(world.broker, i - 1)->id + 5, NULL, 10));
	world_close(&world);
}

/*
 * A refusal speaks of events, whatever goes with it: a destination that were left alone after each would have the parts parked before the
 * poisoned event is found, each time anew.
 */
static void test_verdicts__bisection_gets_on_whatever_the_refusals_ask_for(void **state)
{
	struct world             world;
	evpipe_testbroker_answer poison = EVPIPE_TESTBROKER_ANSWER_INIT;
	(void)state;
	world_open(&world, 11, settings);
	world_add_worker(&world);
	poison.event_id = "ACME-77";
	poison.verdict = EVPIPE_VERDICT_PERMANENT;
	poison.status = 400;
	poison.leave_alone_ms = 30000;
	evpipe_testbroker_answer_with(world.broker, &poison, NULL);
	emit_many(&world, "ACME", 100);
	world_pass(&world, 3000);
	assert_int_equal(evpipe_testbroker_delivery_count(world.broker), 99);
	assert_int_equal(world_stats(&world).dead_lettered[EVPIPE_REASON_REJECTED], 1);
	assert_int_equal(world_stats(&world).parked, 0);
	world_close(&world);
}

/* A data store that takes some posts a minute, answers the others with 429 until the next one, and has no use for ACME-137. */
struct quota {
	const struct world *world;
	int64_t             from_ms;
	int                 taken, refused;
};

static int answer_within_quota(void *ctx, const evpipe_batch *batch, evpipe_testbroker_fate *fate)
{
	struct quota *quota = ctx;
	int64_t       now_ms = evpipe_testbroker_now_ms(quota->world->broker);

	if (now_ms >= quota->from_ms + 60000) {
		quota->from_ms = now_ms;
		quota->taken = 0;
	}
	if (quota->taken++ >= 5) {
		fate->verdict = EVPIPE_VERDICT_RETRY;
		fate->status = 429;
		fate->overloaded = 1;
		fate->leave_alone_ms = quota->from_ms + 60000 - now_ms;
		return 1;
	}
	for (size_t i = 0; i < batch->count; i++)
		if (strcmp(batch->events[i]->id, "ACME-137") == 0) {
			fate->verdict = EVPIPE_VERDICT_PERMANENT;
			fate->status = 400;
			quota->refused++;
		}
	return 1;
}

/*
 * Halves that have to wait are parked, and put together again when they come back, with what came meanwhile. It gets on
 * nevertheless, with what was delivered of them left out, and few of the others climb the whole ladder with the poisoned one.
 */
static void test_verdicts__bisection_comes_to_an_end_while_the_destination_throttles(void **state)
{
	struct world world;
	struct quota quota = {.world = &world};
	char         key[16];
	(void)state;
	world_open(&world, 12, settings);
	evpipe_testbroker_set_store(world.broker, answer_within_quota, &quota);
	world_add_worker(&world);
	for (int i = 0; i < 500; i++) {
		snprintf(key, sizeof key, "%d", i % 50);
		world_emit(&world, "ACME", key);
	}
	for (int i = 0; i < 600; i++) {
		world_emit(&world, "ACME", NULL);
		world_pass(&world, 10000);
	}
	world_pass(&world, 12 * 3600000);
	assert_int_equal(evpipe_testbroker_delivered(world.broker, "ACME", "ACME-137"), 0);
	assert_int_equal(evpipe_testbroker_delivery_count(world.broker) + evpipe_testbroker_count(world.broker, "evpipe.events.dead"),
	                 world.emitted);
	assert_true(evpipe_testbroker_count(world.broker, "evpipe.events.dead") <= 20);
	assert_in_range(quota.refused, 1, 30);
	world_close(&world);
}

static void test_verdicts__a_wholly_bad_batch_does_not_cost_a_post_an_event(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 2, settings);
	world_add_worker(&world);
	world_answer(&world, "ACME", EVPIPE_VERDICT_PERMANENT, 422);
	emit_many(&world, "ACME", 500);
	world_pass(&world, 5000);
	assert_int_equal(world_stats(&world).dead_lettered[EVPIPE_REASON_REJECTED], 500);
	assert_in_range(evpipe_testbroker_post_count(world.broker), 1, 60);
	world_close(&world);
}

static void test_verdicts__too_large_a_body_is_halved_and_the_limit_remembered(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 3, settings);
	world_add_worker(&world);
	answer_too_large(&world, 1200, 0, -1);
	emit_many(&world, "ACME", 500);
	world_pass(&world, 2000);
	world_assert_delivered_once(&world, "ACME", 0, 500);
	size_t before = evpipe_testbroker_post_count(world.broker);
	uint64_t failed = world_stats(&world).posts_failed;
	emit_many(&world, "ACME", 500);
	world_pass(&world, 2000);
	world_assert_delivered_once(&world, "ACME", 500, 1000);
	/* No more than a try or two beyond the limit it knows. */
	assert_in_range(world_stats(&world).posts_failed - failed, 0, 2);
	assert_in_range(evpipe_testbroker_post_count(world.broker) - before, 4, 16);
	world_close(&world);
}

/* One that was under way meanwhile, and is larger, does not undo what a smaller one has told. */
static void test_verdicts__of_several_bodies_too_large_the_smallest_tells(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 3, settings);
	world_set(&world, "order", "none");
	world_add_worker(&world);
	answer_too_large(&world, 100, 0, 400);
	emit_many(&world, "ACME", 20);
	world_pass(&world, 100);
	emit_many(&world, "ACME", 400);
	world_pass(&world, 100);
	assert_int_equal(evpipe_testbroker_post_count(world.broker), 2);
	world_pass(&world, 400);
	assert_int_equal(world_stats(&world).posts_failed, 2);
	/* The next ones go in bodies that fit. */
	emit_many(&world, "ACME", 100);
	world_pass(&world, 500);
	world_assert_delivered_once(&world, "ACME", 420, 520);
	world_pass(&world, 60000);
	world_assert_delivered_once(&world, "ACME", 0, 420);
	world_close(&world);
}

/* Half of a byte is no limit, but what is known of others stays: the large ones go one by one, not in a batch that is halved each time. */
static void test_verdicts__the_limit_of_a_body_of_a_byte_hides_no_other(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 3, settings);
	world_add_worker(&world);
	answer_too_large(&world, 0, 1, -1);
	world_emit_data(&world, "ACME", "key", "small-0", "1", 1);
	world_emit_data(&world, "ACME", "key", "small-1", "", 0);
	world_pass(&world, 1000);
	answer_too_large(&world, 10, 0, -1);
	world_emit_data(&world, "ACME", "key", "large-0", "1234567890", 10);
	world_emit_data(&world, "ACME", "key", "large-1", "1234567890", 10);
	world_pass(&world, 1000);
	assert_int_equal(world_stats(&world).posts_failed, 1);
	assert_int_equal(evpipe_testbroker_delivered(world.broker, "ACME", "large-1"), 1);
	world_close(&world);
}

static void test_verdicts__an_event_too_large_alone_is_a_dead_letter(void **state)
{
	struct world world;
	char         data[5000];
	(void)state;
	world_open(&world, 4, settings);
	world_add_worker(&world);
	answer_too_large(&world, 4000, 0, -1);
	memset(data, '1', sizeof data);
	emit_many(&world, "ACME", 3);
	world_emit_data(&world, "ACME", "key", "big", data, sizeof data);
	emit_many(&world, "ACME", 3);
	world_pass(&world, 2000);
	assert_int_equal(evpipe_testbroker_delivery_count(world.broker), 6);
	assert_int_equal(world_stats(&world).dead_lettered[EVPIPE_REASON_TOO_LARGE], 1);
	world_close(&world);
}

/* Takes no batch with ACME-3 in it, as a sink does whose format cannot hold that event. */
static void refuse_format(void *ctx, const evpipe_batch *batch, evpipe_answer *answer)
{
	static evpipe_verdict each[10];
	size_t               *posts = ctx;
	(*posts)++;
	assert_true(batch->count <= COUNT_OF(each));
	for (size_t i = 0; i < batch->count; i++) {
		int misfit = strcmp(batch->events[i]->id, "ACME-3") == 0;
		each[i] = misfit ? EVPIPE_VERDICT_FORMAT : EVPIPE_VERDICT_RETRY;
		if (misfit)
			answer->verdict = EVPIPE_VERDICT_EACH;
	}
	answer->each = each;
	answer->text = "no JSON";
}

static void test_verdicts__what_was_not_posted_for_anothers_format_goes_again_at_once(void **state)
{
	struct world world;
	size_t       posts = 0;
	evpipe_sink *sink = evpipe_sink_simple(refuse_format, &posts);
	(void)state;
	world_open(&world, 6, settings);
	assert_int_equal(evpipe_worker_new(&world.workers[world.workers_count++], world.config, sink, NULL), EVPIPE_OK);
	emit_many(&world, "ACME", 10);
	world_pass(&world, 200);
	assert_int_equal(world_stats(&world).delivered, 9);
	assert_int_equal(world_stats(&world).dead_lettered[EVPIPE_REASON_FORMAT], 1);
	assert_int_equal(world_stats(&world).retried[0], 0);
	assert_int_equal(posts, 2);
	world_close(&world);
	evpipe_sink_free(sink);
}

static void test_verdicts__each_event_has_its_own(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 5, settings);
	world_add_worker(&world);
	answer_event(&world, "ACME-3", EVPIPE_VERDICT_FORMAT, 0, 1);
	emit_many(&world, "ACME", 10);
	world_pass(&world, 500);
	assert_int_equal(evpipe_testbroker_delivery_count(world.broker), 9);
	assert_int_equal(world_stats(&world).dead_lettered[EVPIPE_REASON_FORMAT], 1);
	assert_int_equal(evpipe_testbroker_post_count(world.broker), 1);

	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	answer.event_id = "ACME-14";
	answer.each_id = 1;
	answer.verdict = EVPIPE_VERDICT_RETRY;
	answer.times = 1;
	evpipe_testbroker_answer_with(world.broker, &answer, NULL);
	emit_many(&world, "ACME", 10);
	world_pass(&world, 500);
	assert_int_equal(evpipe_testbroker_delivery_count(world.broker), 18);
	assert_int_equal(world_stats(&world).retried[0], 1);
	world_pass(&world, 6000);
	world_assert_delivered_once(&world, "ACME", 10, 20);
	world_close(&world);
}

/* A wrong URL or refused credentials are nobody's poison: no bisection, and the events climb the ladder. */
static void test_verdicts__a_destination_that_refuses_everything_is_not_bisected(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 6, settings);
	world_add_worker(&world);
	uint32_t rule = world_answer(&world, "ACME", EVPIPE_VERDICT_REFUSED, 404);
	emit_many(&world, "ACME", 500);
	world_pass(&world, 1000);
	assert_int_equal(evpipe_testbroker_post_count(world.broker), 1);
	emit_many(&world, "ACME", 500);
	emit_many(&world, "other", 5);
	world_pass(&world, 2000);
	assert_int_equal(evpipe_testbroker_post_count(world.broker), 2);
	assert_int_equal(evpipe_testbroker_delivery_count(world.broker), 5);
	/* But for the head of the tier, which waits until it is due. */
	assert_int_equal(world_stats(&world).in_flight, 1);
	evpipe_testbroker_answer_remove(world.broker, rule);
	world_pass(&world, 300000);
	world_assert_delivered_once(&world, "ACME", 0, 1000);
	world_close(&world);
}

/* Credentials that expire on a Friday: the ladder is not used up by Monday. */
static void test_verdicts__a_refusal_uses_up_no_attempt(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 7, settings);
	world_add_worker(&world);
	uint32_t rule = world_answer(&world, "ACME", EVPIPE_VERDICT_REFUSED, 401);
	emit_many(&world, "ACME", 20);
	world_pass(&world, 60 * 3600000);
	assert_int_equal(evpipe_testbroker_delivery_count(world.broker), 0);
	evpipe_testbroker_answer_remove(world.broker, rule);
	world_pass(&world, 2 * 3600000);
	world_assert_delivered_once(&world, "ACME", 0, 20);
	assert_int_equal(evpipe_testbroker_delivery_at(world.broker, 0)->attempt, 0);
	world_close(&world);
}

/* Of a bulk answer, too: with every event refused for now, the destination is failing. */
static void test_verdicts__answers_by_event_open_the_breaker(void **state)
{
	struct world             world;
	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	(void)state;
	world_open(&world, 8, settings);
	world_set(&world, "batch.events_max", "1");
	world_add_worker(&world);
	for (int i = 0; i < 60; i++) {
		char id[32];
		snprintf(id, sizeof id, "ACME-%d", i);
		answer.event_id = id;
		answer.each_id = 1;
		answer.verdict = EVPIPE_VERDICT_RETRY;
		answer.status = 200;
		evpipe_testbroker_answer_with(world.broker, &answer, NULL);
	}
	emit_many(&world, "ACME", 60);
	world_pass(&world, 4000);
	assert_in_range(evpipe_testbroker_post_count(world.broker), 10, 30);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts__one_poisoned_event_is_found_and_the_rest_delivered),
		cmocka_unit_test(test_verdicts__bisection_gets_on_whatever_the_refusals_ask_for),
		cmocka_unit_test(test_verdicts__bisection_comes_to_an_end_while_the_destination_throttles),
		cmocka_unit_test(test_verdicts__a_wholly_bad_batch_does_not_cost_a_post_an_event),
		cmocka_unit_test(test_verdicts__too_large_a_body_is_halved_and_the_limit_remembered),
		cmocka_unit_test(test_verdicts__of_several_bodies_too_large_the_smallest_tells),
		cmocka_unit_test(test_verdicts__the_limit_of_a_body_of_a_byte_hides_no_other),
		cmocka_unit_test(test_verdicts__an_event_too_large_alone_is_a_dead_letter),
		cmocka_unit_test(test_verdicts__what_was_not_posted_for_anothers_format_goes_again_at_once),
		cmocka_unit_test(test_verdicts__each_event_has_its_own),
		cmocka_unit_test(test_verdicts__a_destination_that_refuses_everything_is_not_bisected),
		cmocka_unit_test(test_verdicts__a_refusal_uses_up_no_attempt),
		cmocka_unit_test(test_verdicts__answers_by_event_open_the_breaker),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
