/*
 * What callers do wrong, and transports that cannot do what they are asked: told at once, in words, and harmless.
 */
#include "world.h"

static evpipe_error error;

static const char *const settings[] = {"topic.partitions", "1", "batch.linger", "10ms", NULL};

static void test_misuse__missing_arguments_are_refused(void **state)
{
	evpipe_config       *config;
	evpipe_producer     *producer = NULL;
	evpipe_worker       *worker = NULL;
	evpipe_frontier     *frontier = NULL;
	evpipe_transport_ops ops = *evpipe_testbroker_transport();
	(void)state;
	assert_int_equal(evpipe_config_new(&config), EVPIPE_OK);
	assert_int_equal(evpipe_producer_new(NULL, config, &error), EVPIPE_EINVAL);
	assert_int_equal(evpipe_producer_new(&producer, NULL, &error), EVPIPE_EINVAL);
	assert_int_equal(evpipe_producer_step(NULL), EVPIPE_EINVAL);
	assert_int_equal(evpipe_producer_flush(NULL, 0), EVPIPE_EINVAL);
	assert_int_equal(evpipe_producer_close(NULL, 0, NULL), EVPIPE_EINVAL);
	evpipe_producer_free(NULL);
	assert_int_equal(evpipe_worker_new(NULL, config, NULL, &error), EVPIPE_EINVAL);
	assert_int_equal(evpipe_worker_new(&worker, NULL, NULL, &error), EVPIPE_EINVAL);
	assert_int_equal(evpipe_worker_step(NULL, 0), EVPIPE_EINVAL);
	assert_int_equal(evpipe_worker_run(NULL), EVPIPE_EINVAL);
	evpipe_worker_free(NULL);
	assert_int_equal(evpipe_config_load(NULL, "x", &error), EVPIPE_EINVAL);
	assert_int_equal(evpipe_config_load(config, NULL, &error), EVPIPE_EINVAL);
	assert_int_equal(evpipe_config_check_file(config, "x", NULL, NULL, &error), EVPIPE_EINVAL);
	assert_int_equal(evpipe_config_use_transport(NULL, &ops, NULL, &error), EVPIPE_EINVAL);
	assert_int_equal(evpipe_config_use_transport(config, NULL, NULL, &error), EVPIPE_EINVAL);
	assert_int_equal(evpipe_frontier_new(NULL, 0, 1), EVPIPE_EINVAL);
	assert_int_equal(evpipe_frontier_new(&frontier, -1, 1), EVPIPE_EINVAL);
	assert_int_equal(evpipe_frontier_new(&frontier, 0, 0), EVPIPE_EINVAL);
	assert_null(producer);
	assert_null(worker);
	assert_null(frontier);
	evpipe_config_free(config);
	evpipe_config_free(NULL);
}

static void test_misuse__a_worker_without_a_place_to_post_to_says_so(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 1, settings);
	assert_int_equal(evpipe_worker_new(&world.workers[0], world.config, NULL, &error), EVPIPE_ECONFIG);
	assert_non_null(strstr(error.text, "sink.url is not set"));
	assert_null(world.workers[0]);
	world_close(&world);
}

static void test_misuse__one_in_virtual_time_is_not_run(void **state)
{
	struct world world;
	(void)state;
	world_open(&world, 1, settings);
	world_add_worker(&world);
	assert_int_equal(evpipe_worker_run(world.workers[0]), EVPIPE_EINVAL);
	world_close(&world);
}

static void test_misuse__a_value_has_a_limit(void **state)
{
	evpipe_config *config;
	char          *value = malloc(70000);
	(void)state;
	assert_non_null(value);
	memset(value, 'x', 69999);
	value[69999] = '\0';
	assert_int_equal(evpipe_config_new(&config), EVPIPE_OK);
	assert_int_equal(evpipe_config_set(config, "event.source", value, &error), EVPIPE_ECONFIG);
	assert_non_null(strstr(error.text, "event.source: its value is larger than 64KiB"));
	evpipe_config_free(config);
	free(value);
}

/* ---- transports ---- */

static struct {
	int        refusals; /* of ensure_topic */
	evpipe_err err;
	evpipe_err subscribe_err;
} refusing;

static evpipe_err refuse_topic(void *self, const evpipe_topic_spec *spec)
{
	if (refusing.refusals-- > 0)
		return refusing.err;
	return evpipe_testbroker_transport()->ensure_topic(self, spec);
}

static evpipe_err refuse_subscription(void *self, const evpipe_subscription *subscription)
{
	return refusing.subscribe_err ? refusing.subscribe_err : evpipe_testbroker_transport()->subscribe(self, subscription);
}

/* The test broker's, but for what `refusing` says. Makes the producer anew. */
static void open_refusing(struct world *world, evpipe_transport_ops *ops)
{
	world_open(world, 1, settings);
	evpipe_producer_free(world->producer);
	world->producer = NULL;
	*ops = *evpipe_testbroker_transport();
	ops->ensure_topic = refuse_topic;
	ops->subscribe = refuse_subscription;
	assert_int_equal(evpipe_config_use_transport(world->config, ops, world->broker, &error), EVPIPE_OK);
	assert_int_equal(evpipe_producer_new(&world->producer, world->config, &error), EVPIPE_OK);
}

static void test_misuse__topics_that_cannot_be_looked_after_are_taken_as_they_are(void **state)
{
	struct world         world;
	evpipe_transport_ops ops;
	(void)state;
	memset(&refusing, 0, sizeof refusing);
	refusing.refusals = INT32_MAX;
	refusing.err = EVPIPE_ENOTSUP;
	open_refusing(&world, &ops);
	evpipe_testbroker_create_topic(world.broker, "evpipe.events", NULL);
	world_add_worker(&world);
	world_emit(&world, "ACME", "k");
	world_pass(&world, 2000);
	assert_int_equal(evpipe_testbroker_delivery_count(world.broker), 1);
	world_close(&world);
}

static void test_misuse__a_producer_asks_for_its_topic_again(void **state)
{
	struct world         world;
	evpipe_transport_ops ops;
	(void)state;
	memset(&refusing, 0, sizeof refusing);
	refusing.refusals = 2;
	refusing.err = EVPIPE_EDENIED;
	open_refusing(&world, &ops);
	world_emit(&world, "ACME", "k");
	world_pass(&world, 1000);
	evpipe_producer_error(world.producer, &error);
	assert_int_equal(error.code, EVPIPE_EDENIED);
	assert_non_null(strstr(error.text, "evpipe.events"));
	assert_int_equal(world_producer_stats(&world).sent, 0);
	world_pass(&world, 15000);
	assert_int_equal(world_producer_stats(&world).sent, 1);
	evpipe_producer_error(world.producer, &error);
	assert_int_equal(error.code, EVPIPE_OK);
	world_close(&world);
}

static void test_misuse__a_worker_that_cannot_begin_ends_and_says_why(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct world         world;
		evpipe_transport_ops ops;
		memset(&refusing, 0, sizeof refusing);
		open_refusing(&world, &ops);
		refusing.refusals = i ? 0 : INT32_MAX;
		refusing.err = EVPIPE_EDENIED;
		refusing.subscribe_err = EVPIPE_EIO;
		world_add_worker(&world);
		world_pass(&world, 2000);
		assert_int_equal(evpipe_worker_step(world.workers[0], 0), i ? EVPIPE_EIO : EVPIPE_EDENIED);
		assert_non_null(strstr(evpipe_worker_error(world.workers[0]), i ? "subscribing" : "evpipe.events"));
		world_close(&world);
	}
}

/* The broker takes it at first, and then says that it never will. */
static void test_misuse__a_late_refusal_is_a_rejection(void **state)
{
	struct world            world;
	evpipe_testbroker_fault fault = EVPIPE_TESTBROKER_FAULT_INIT;
	(void)state;
	world_open(&world, 1, settings);
	fault.err = EVPIPE_ETOOLARGE;
	assert_int_equal(evpipe_testbroker_inject(world.broker, &fault), EVPIPE_OK);
	world_emit(&world, "ACME", "k");
	world_emit(&world, "ACME", "k");
	world_pass(&world, 1000);
	assert_int_equal(world_producer_stats(&world).rejected, 1);
	assert_int_equal(world_producer_stats(&world).sent, 1);
	assert_int_equal(world_producer_stats(&world).pending, 0);
	world_close(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_misuse__missing_arguments_are_refused),
		cmocka_unit_test(test_misuse__a_worker_without_a_place_to_post_to_says_so),
		cmocka_unit_test(test_misuse__one_in_virtual_time_is_not_run),
		cmocka_unit_test(test_misuse__a_value_has_a_limit),
		cmocka_unit_test(test_misuse__topics_that_cannot_be_looked_after_are_taken_as_they_are),
		cmocka_unit_test(test_misuse__a_producer_asks_for_its_topic_again),
		cmocka_unit_test(test_misuse__a_worker_that_cannot_begin_ends_and_says_why),
		cmocka_unit_test(test_misuse__a_late_refusal_is_a_rejection),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
