/*
 * The retry ladder, in virtual time.
 */
#include "world.h"

static const char *const ladder[] = {"retry.delays", "5s, 1m, 10m, 1h, 6h", "retry.age_max", "3d", "topic.partitions", "1", NULL};
static const int64_t     delays_ms[] = {5000, 60000, 600000, 3600000, 21600000};

static const evpipe_testbroker_post *last_post(const struct world *world)
{
	size_t count = evpipe_testbroker_post_count(world->broker);
	assert_true(count > 0);
	return evpipe_testbroker_post_at(world->broker, count - 1);
}

/* From 5 s to 6 h: at each tier not before due, not much after, and then the dead letters, which say why. */
static void test_retries__climb_the_whole_ladder_and_end_as_a_dead_letter(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 1, ladder);
	world_set(&world, "retry.quick_max", "0");
	world_set(&world, "breaker.failures", "100");
	world_add_worker(&world);
	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	answer.verdict = EVPIPE_VERDICT_RETRY;
	answer.status = 503;
	answer.text = "503 from ingest: database is down";
	assert_int_equal(evpipe_testbroker_answer_with(world.broker, &answer, NULL), EVPIPE_OK);
	world_emit(&world, "ACME", "session");
	world_pass(&world, 1000);
	assert_int_equal(evpipe_testbroker_post_count(world.broker), 1);

	for (size_t tier = 0; tier < COUNT_OF(delays_ms); tier++) {
		int64_t failed_ms = last_post(&world)->answered_ms;
		world_pass(&world, failed_ms + delays_ms[tier] - evpipe_testbroker_now_ms(world.broker) - 1);
		assert_int_equal(evpipe_testbroker_post_count(world.broker), tier + 1);
		/* Due time, plus linger, plus a second. */
		world_pass(&world, 1 + 200 + 1000);
		assert_int_equal(evpipe_testbroker_post_count(world.broker), tier + 2);
		assert_int_equal(world_stats(&world).retried[tier], 1);
	}
	world_pass(&world, 1000);
	assert_int_equal(world_stats(&world).dead_lettered[EVPIPE_REASON_EXHAUSTED], 1);
	assert_int_equal(evpipe_testbroker_count(world.broker, "evpipe.events.dead"), 1);
	assert_string_equal(world_envelope_field(&world, "evpipe.events.dead", 0, 0, "reason"), "exhausted");
	assert_string_equal(world_envelope_field(&world, "evpipe.events.dead", 0, 0, "attempt"), "6");
	assert_string_equal(world_envelope_field(&world, "evpipe.events.dead", 0, 0, "status"), "503");
	assert_string_equal(world_envelope_field(&world, "evpipe.events.dead", 0, 0, "error"), "503%20from%20ingest:%20database%20is%20down");
	assert_string_equal(world_envelope_field(&world, "evpipe.events.dead", 0, 0, "topic"), "evpipe.events");
	assert_string_equal(world_envelope_field(&world, "evpipe.events.dead", 0, 0, "offset"), "0");
	assert_string_equal(world_envelope_field(&world, "evpipe.events.dead", 0, 0, "destination"), "ACME");
	assert_string_equal(world_envelope_field(&world, "evpipe.events.dead", 0, 0, "id"), "ACME-0");
	/* The record itself is as it was. */
	evpipe_record record;
	evpipe_testbroker_read(world.broker, "evpipe.events.dead", 0, 0, &record);
	assert_int_equal(record.value_len, 7);
	assert_memory_equal(record.value, "{\"n\":0}", 7);
	assert_memory_equal(record.key, "session", 7);
	assert_int_equal(world_stats(&world).in_flight, 0);
	world_close(&world);
}

static void test_retries__a_passing_failure_costs_quick_retries_alone(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 2, ladder);
	world_add_worker(&world);
	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	answer.verdict = EVPIPE_VERDICT_RETRY;
	answer.status = 500;
	answer.times = 2;
	evpipe_testbroker_answer_with(world.broker, &answer, NULL);
	world_emit(&world, "ACME", NULL);
	world_pass(&world, 4600); /* linger, and twice 0.2 to 2 s */
	world_assert_delivered_once(&world, "ACME", 0, 1);
	assert_int_equal(world_stats(&world).retried[0], 0);
	assert_int_equal(evpipe_testbroker_post_count(world.broker), 3);
	/* A definite failure is not replayed under the same key. */
	assert_string_not_equal(evpipe_testbroker_post_at(world.broker, 0)->idempotency_key,
	                        evpipe_testbroker_post_at(world.broker, 1)->idempotency_key);
	world_close(&world);
}

static void test_retries__an_unknown_outcome_repeats_its_idempotency_key(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 3, ladder);
	world_add_worker(&world);
	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	answer.verdict = EVPIPE_VERDICT_RETRY;
	answer.status = 0;
	answer.unknown = 1;
	answer.times = 1;
	answer.stored = 1;
	evpipe_testbroker_answer_with(world.broker, &answer, NULL);
	world_emit(&world, "ACME", NULL);
	world_pass(&world, 3000);
	assert_int_equal(evpipe_testbroker_post_count(world.broker), 2);
	assert_string_equal(evpipe_testbroker_post_at(world.broker, 0)->idempotency_key,
	                    evpipe_testbroker_post_at(world.broker, 1)->idempotency_key);
	world_close(&world);
}

/* The state of a retry stands in its record: a worker that knows nothing of it goes on. */
static void test_retries__survive_a_restart_of_the_workers(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 4, ladder);
	world_set(&world, "retry.quick_max", "0");
	size_t   first = world_add_worker(&world);
	uint32_t rule = world_answer(&world, "ACME", EVPIPE_VERDICT_RETRY, 503);
	world_emit(&world, "ACME", NULL);
	world_pass(&world, 7000); /* failed twice: on its way in the second tier */
	assert_int_equal(world_stats(&world).retried[1], 1);
	int64_t failed_ms = last_post(&world)->answered_ms;
	world_kill_worker(&world, first);
	evpipe_testbroker_answer_remove(world.broker, rule);
	world_add_worker(&world);
	world_pass(&world, failed_ms + 60000 - evpipe_testbroker_now_ms(world.broker) - 1);
	assert_int_equal(evpipe_testbroker_delivery_count(world.broker), 0);
	world_pass(&world, 1201);
	world_assert_delivered_once(&world, "ACME", 0, 1);
	assert_int_equal(evpipe_testbroker_delivery_at(world.broker, 0)->attempt, 2);
	world_close(&world);
}

static void test_retries__clock_differences_shift_a_retry_by_no_more_than_its_delay(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 5, ladder);
	world_set(&world, "retry.quick_max", "0");
	world_add_worker(&world);
	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	answer.verdict = EVPIPE_VERDICT_RETRY;
	answer.times = 1;
	evpipe_testbroker_answer_with(world.broker, &answer, NULL);
	world_emit(&world, "ACME", NULL);
	world_pass(&world, 1000);
	evpipe_testbroker_jump_clock(world.broker, -3600000); /* an hour back: a naive due time would be an hour away */
	world_pass(&world, 6500);
	world_assert_delivered_once(&world, "ACME", 0, 1);
	world_close(&world);
}

/* Many retries in one partition, written by a clock that is an hour ahead: they don't wait one after the other. */
static void test_retries__clock_differences_do_not_add_up(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 6, ladder);
	world_set(&world, "retry.quick_max", "0");
	world_set(&world, "topic.partitions", "1");
	world_set(&world, "batch.linger", "10ms");
	world_add_worker(&world);
	uint32_t down = world_answer(&world, "ACME", EVPIPE_VERDICT_RETRY, 503);
	for (int i = 0; i < 9; i++) {
		world_emit(&world, "ACME", "k");
		world_pass(&world, 100);
	}
	evpipe_testbroker_answer_remove(world.broker, down);
	evpipe_testbroker_jump_clock(world.broker, -3600000);
	world_pass(&world, 10500);
	world_assert_delivered_once(&world, "ACME", 0, 9);
	world_close(&world);
}

static void keep_change(void *ctx, evpipe_log_level level, const char *line)
{
	(void)level;
	if (strncmp(line, "event=destination ", 18) == 0)
		snprintf(ctx, 256, "%s", line);
}

/* Retry-After: left alone until then on every connection, and the events wait elsewhere, without using up an attempt. */
static void test_retries__a_destination_that_asks_for_it_is_left_alone(void **state)
{
	struct world world;
	char         change[256] = "";
	(void)state;
	world_open(&world, 6, ladder);
	evpipe_config_on_log(world.config, keep_change, change);
	world_add_worker(&world);
	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	answer.destination = "ACME";
	answer.verdict = EVPIPE_VERDICT_RETRY;
	answer.status = 429;
	answer.overloaded = 1;
	answer.leave_alone_ms = 30000;
	answer.times = 1;
	evpipe_testbroker_answer_with(world.broker, &answer, NULL);
	world_emit(&world, "ACME", "a");
	world_pass(&world, 1000);
	assert_non_null(strstr(change, "destination=ACME state=\"left alone\" for_ms=3"));
	int64_t until_ms = last_post(&world)->answered_ms + 30000;
	for (int i = 0; i < 100; i++)
		world_emit(&world, "ACME", "b");
	for (int i = 0; i < 10; i++)
		world_emit(&world, "other", "b");
	world_pass(&world, 1000);
	assert_int_equal(evpipe_testbroker_delivery_count(world.broker), 10);
	/* But for the head of the tier, which waits until it is due. */
	assert_int_equal(world_stats(&world).in_flight, 1);
	assert_int_equal(world_stats(&world).parked, 100);
	world_pass(&world, 70000);
	world_assert_delivered_once(&world, "ACME", 0, 101);
	for (size_t i = 0; i < evpipe_testbroker_post_count(world.broker); i++) {
		const evpipe_testbroker_post *post = evpipe_testbroker_post_at(world.broker, i);
		if (i > 0 && strcmp(post->destination, "ACME") == 0)
			assert_true(post->at_ms >= until_ms);
	}
	for (size_t i = 0; i < evpipe_testbroker_delivery_count(world.broker); i++) {
		const evpipe_testbroker_delivery *delivery = evpipe_testbroker_delivery_at(world.broker, i);
		if (strcmp(delivery->destination, "ACME") == 0)
			assert_int_equal(delivery->attempt, strcmp(delivery->id, "ACME-0") == 0 ? 1 : 0);
	}
	world_close(&world);
}

static void test_retries__a_short_wait_is_waited_for_in_the_worker(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 7, ladder);
	world_add_worker(&world);
	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	answer.verdict = EVPIPE_VERDICT_RETRY;
	answer.status = 429;
	answer.leave_alone_ms = 2000;
	answer.times = 1;
	evpipe_testbroker_answer_with(world.broker, &answer, NULL);
	world_emit(&world, "ACME", NULL);
	world_pass(&world, 6000);
	world_assert_delivered_once(&world, "ACME", 0, 1);
	assert_int_equal(world_stats(&world).retried[0], 0);
	assert_true(last_post(&world)->at_ms - evpipe_testbroker_post_at(world.broker, 0)->answered_ms >= 2000);
	world_close(&world);
}

/* Also what the answer itself sends back to the lanes: the halves of a body that was too large. */
static void test_retries__halves_do_not_wait_in_the_worker_for_an_hour(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 9, ladder);
	world_add_worker(&world);
	evpipe_testbroker_answer answer = EVPIPE_TESTBROKER_ANSWER_INIT;
	answer.verdict = EVPIPE_VERDICT_TOO_LARGE;
	answer.status = 413;
	answer.leave_alone_ms = 3600000;
	answer.times = 1;
	evpipe_testbroker_answer_with(world.broker, &answer, NULL);
	for (int i = 0; i < 10; i++)
		world_emit(&world, "ACME", "a");
	world_pass(&world, 2000);
	assert_int_equal(world_stats(&world).parked, 10);
	assert_in_range(world_stats(&world).in_flight, 0, 1); /* the head of the tier */
	world_pass(&world, 8 * 3600000);
	world_assert_delivered_once(&world, "ACME", 0, 10);
	world_close(&world);
}

/* Some days of an unreachable destination: nothing is lost, and what is too old ends as a dead letter that says so. */
static void test_retries__what_is_older_than_age_max_is_a_dead_letter(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 8, ladder);
	world_set(&world, "retry.age_max", "2h");
	world_add_worker(&world);
	world_answer(&world, "ACME", EVPIPE_VERDICT_RETRY, 503);
	for (int i = 0; i < 20; i++) {
		world_emit(&world, "ACME", "a");
		world_pass(&world, 300);
	}
	world_pass(&world, 16 * 3600000);
	evpipe_stats stats = world_stats(&world);
	assert_int_equal(stats.in_flight, 0);
	assert_int_equal(stats.dead_lettered[EVPIPE_REASON_EXPIRED] + stats.dead_lettered[EVPIPE_REASON_EXHAUSTED], 20);
	assert_true(stats.dead_lettered[EVPIPE_REASON_EXPIRED] > 0);
	assert_int_equal(evpipe_testbroker_count(world.broker, "evpipe.events.dead"), 20);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_retries__climb_the_whole_ladder_and_end_as_a_dead_letter),
		cmocka_unit_test(test_retries__a_passing_failure_costs_quick_retries_alone),
		cmocka_unit_test(test_retries__an_unknown_outcome_repeats_its_idempotency_key),
		cmocka_unit_test(test_retries__survive_a_restart_of_the_workers),
		cmocka_unit_test(test_retries__clock_differences_shift_a_retry_by_no_more_than_its_delay),
		cmocka_unit_test(test_retries__clock_differences_do_not_add_up),
		cmocka_unit_test(test_retries__a_destination_that_asks_for_it_is_left_alone),
		cmocka_unit_test(test_retries__halves_do_not_wait_in_the_worker_for_an_hour),
		cmocka_unit_test(test_retries__a_short_wait_is_waited_for_in_the_worker),
		cmocka_unit_test(test_retries__what_is_older_than_age_max_is_a_dead_letter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
