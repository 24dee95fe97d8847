/*
 * How an application tests its own pipeline: real producer, real worker, a broker in virtual time, a data store that
 * does as told.
 *
 *     cc test-own-pipeline.c $(pkg-config --cflags --libs evpipe-testbroker cmocka) -o test-own-pipeline
 */
#include <evpipe-testbroker.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* The application's own code, which is to be tested: it logs a step of a session. */
static void log_step(evpipe_producer *producer, const char *org, const char *id)
{
	evpipe_event event = EVPIPE_EVENT_INIT;
	event.destination = org;
	event.id = id;
	event.data = "{\"step\":\"hello\"}";
	event.data_len = 16;
	assert_int_equal(evpipe_emit(producer, &event), EVPIPE_OK);
}

static void test_outage__is_survived_and_delays_nobody_else(void **state)
{
	evpipe_testbroker *broker;
	evpipe_config     *config;
	evpipe_producer   *producer;
	evpipe_worker     *worker;
	(void)state;
	assert_int_equal(evpipe_testbroker_new(&broker, 1), EVPIPE_OK);
	assert_int_equal(evpipe_config_new(&config), EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_attach(broker, config), EVPIPE_OK);
	assert_int_equal(evpipe_producer_new(&producer, config, NULL), EVPIPE_OK);
	assert_int_equal(evpipe_worker_new(&worker, config, evpipe_testbroker_sink(broker), NULL), EVPIPE_OK);

	evpipe_testbroker_answer down = EVPIPE_TESTBROKER_ANSWER_INIT;
	down.destination = "ACME";
	down.until_ms = evpipe_testbroker_now_ms(broker) + 10 * 60 * 1000; /* for ten minutes */
	down.verdict = EVPIPE_VERDICT_RETRY;
	assert_int_equal(evpipe_testbroker_answer_with(broker, &down, NULL), EVPIPE_OK);

	log_step(producer, "ACME", "a-1");
	log_step(producer, "Umbrella", "u-1");
	evpipe_testbroker_advance(broker, 1000);
	assert_int_equal(evpipe_testbroker_delivered(broker, "Umbrella", "u-1"), 1);
	assert_int_equal(evpipe_testbroker_delivered(broker, "ACME", "a-1"), 0);
	evpipe_testbroker_advance(broker, 60 * 60 * 1000); /* an hour, in milliseconds */
	assert_int_equal(evpipe_testbroker_delivered(broker, "ACME", "a-1"), 1);

	evpipe_worker_free(worker);
	evpipe_producer_free(producer);
	evpipe_config_free(config);
	evpipe_testbroker_free(broker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_outage__is_survived_and_delays_nobody_else)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
