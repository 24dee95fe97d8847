/*
 * Sinks that others write: tables that are not complete, sinks with little room, or with odd answers.
 */
#include "world.h"

static const char *const settings[] = {"topic.partitions", "1", "batch.linger", "10ms", "retry.delays", "5s", NULL};

static evpipe_err never_submit(void *self, evpipe_batch *batch)
{
	(void)self, (void)batch;
	return EVPIPE_EAGAIN;
}

static evpipe_err never_poll(void *self, evpipe_answer *answer)
{
	(void)self, (void)answer;
	return EVPIPE_EAGAIN;
}

static void never_free(void *self)
{
	(void)self;
}

static void test_sink__a_table_that_is_incomplete_or_foreign_is_refused(void **state)
{
	static const evpipe_sink_ops whole = {
		.size = sizeof whole, .name = "mine", .submit = never_submit, .poll = never_poll, .free = never_free};
	evpipe_sink    *sink = NULL;
	evpipe_error    error;
	evpipe_sink_ops ops;
	(void)state;

	assert_int_equal(evpipe_sink_new(&sink, NULL, NULL, &error), EVPIPE_EINVAL);
	ops = whole;
	ops.size--;
	assert_int_equal(evpipe_sink_new(&sink, &ops, NULL, &error), EVPIPE_EINVAL);
	assert_non_null(strstr(error.text, "bytes"));
	ops = whole;
	ops.name = NULL;
	assert_int_equal(evpipe_sink_new(&sink, &ops, NULL, &error), EVPIPE_EINVAL);
	assert_non_null(strstr(error.text, "'name'"));
	ops = whole;
	ops.submit = NULL;
	assert_int_equal(evpipe_sink_new(&sink, &ops, NULL, &error), EVPIPE_EINVAL);
	assert_non_null(strstr(error.text, "mine: the table lacks 'submit'"));
	ops = whole;
	ops.poll = NULL;
	assert_int_equal(evpipe_sink_new(&sink, &ops, NULL, &error), EVPIPE_EINVAL);
	ops = whole;
	ops.free = NULL;
	assert_int_equal(evpipe_sink_new(&sink, &ops, NULL, &error), EVPIPE_EINVAL);
	assert_null(sink);
	assert_int_equal(evpipe_sink_new(&sink, &whole, NULL, &error), EVPIPE_OK);
	evpipe_sink_free(sink);
	evpipe_sink_free(NULL);
}

/* ---- one batch at a time ---- */

struct counts {
	unsigned       posts, events;
	evpipe_verdict verdict;
};

static void count(void *ctx, const evpipe_batch *batch, evpipe_answer *answer)
{
	struct counts *counts = ctx;
	counts->posts++;
	counts->events += (unsigned)batch->count;
	answer->verdict = counts->verdict;
}

static void add_worker(struct world *world, const evpipe_sink *sink)
{
	evpipe_error error;
	if (evpipe_worker_new(&world->workers[0], world->config, sink, &error) != EVPIPE_OK)
		fail_msg("%s", error.text);
	world->workers_count = 1;
}

static void test_sink__one_of_a_function_takes_batches_one_after_the_other(void **state)
{
	struct world  world;
	struct counts counts = {.verdict = EVPIPE_VERDICT_DELIVERED};
	evpipe_sink  *sink = evpipe_sink_simple(count, &counts);
	char          destination[16];
	(void)state;
	assert_non_null(sink);
	world_open(&world, 1, settings);
	add_worker(&world, sink);
	for (int i = 0; i < 20; i++) {
		snprintf(destination, sizeof destination, "org-%d", i);
		world_emit(&world, destination, "k");
	}
	world_pass(&world, 1000);
	assert_int_equal(counts.events, 20);
	assert_int_equal(counts.posts, 20);
	assert_int_equal(world_stats(&world).delivered, 20);
	world_close(&world);
	evpipe_sink_free(sink);
}

static void test_sink__a_whole_batch_may_not_fit_the_format(void **state)
{
	struct world  world;
	struct counts counts = {.verdict = EVPIPE_VERDICT_FORMAT};
	evpipe_sink  *sink = evpipe_sink_simple(count, &counts);
	(void)state;
	world_open(&world, 2, settings);
	add_worker(&world, sink);
	world_emit(&world, "ACME", "k");
	world_emit(&world, "ACME", "k");
	world_pass(&world, 1000);
	assert_int_equal(world_stats(&world).dead_lettered[EVPIPE_REASON_FORMAT], 2);
	assert_int_equal(counts.posts, 1);
	world_close(&world);
	evpipe_sink_free(sink);
}

/* ---- one that has no room for a while, and says so in ways it may and may not ---- */

struct full {
	int                 refusals;
	evpipe_err          err;
	const evpipe_batch *batch;
	unsigned            submits;
};

static evpipe_err full_submit(void *self, evpipe_batch *batch)
{
	struct full *full = self;
	full->submits++;
	if (full->refusals-- > 0)
		return full->err;
	full->batch = batch;
	return EVPIPE_OK;
}

static evpipe_err full_poll(void *self, evpipe_answer *answer)
{
	struct full *full = self;
	if (!full->batch)
		return EVPIPE_EAGAIN;
	*answer = (evpipe_answer){.batch = full->batch};
	full->batch = NULL;
	return EVPIPE_OK;
}

static void keep_error(void *ctx, evpipe_log_level level, const char *line)
{
	char *kept = ctx;
	if (level == EVPIPE_LOG_ERROR)
		snprintf(kept, 256, "%s", line);
}

static void test_sink__one_without_room_is_asked_again_though_it_has_nothing_to_answer(void **state)
{
	static const evpipe_sink_ops ops = {
		.size = sizeof ops, .name = "full", .submit = full_submit, .poll = full_poll, .free = never_free};
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct full  full = {.refusals = 3, .err = i ? EVPIPE_EIO : EVPIPE_EAGAIN};
		char         error[256] = "";
		struct world world;
		evpipe_sink *sink;
		assert_int_equal(evpipe_sink_new(&sink, &ops, &full, NULL), EVPIPE_OK);
		world_open(&world, 3, settings);
		evpipe_config_on_log(world.config, keep_error, error);
		add_worker(&world, sink);
		world_emit(&world, "ACME", "k");
		world_pass(&world, 2000);
		assert_int_equal(world_stats(&world).delivered, 1);
		assert_int_equal(full.submits, 4); /* not each round */
		assert_string_equal(error, i ? "event=sink_refused code=EVPIPE_EIO" : "");
		world_close(&world);
		evpipe_sink_free(sink);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sink__a_table_that_is_incomplete_or_foreign_is_refused),
		cmocka_unit_test(test_sink__one_of_a_function_takes_batches_one_after_the_other),
		cmocka_unit_test(test_sink__a_whole_batch_may_not_fit_the_format),
		cmocka_unit_test(test_sink__one_without_room_is_asked_again_though_it_has_nothing_to_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
