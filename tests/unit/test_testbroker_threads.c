/*
 * A broker in real time: producers and workers in threads of their own.
 */
#include "test.h"

#include <pthread.h>
#include <time.h>

#include <evpipe-testbroker.h>

#define PRODUCERS 2
#define WORKERS 2
#define EVENTS 5000 /* of each producer */
#define DEADLINE_S 60

struct party {
	pthread_t          thread;
	int                number;
	evpipe_testbroker *broker;
	evpipe_config     *config;
	evpipe_worker     *worker;
	evpipe_err         result;
};

static void *produce(void *arg)
{
	struct party    *party = arg;
	evpipe_producer *producer;
	char             id[32], key[32];

	party->result = evpipe_producer_new(&producer, party->config, NULL);
	for (int i = 0; !party->result && i < EVENTS; i++) {
		evpipe_event event = EVPIPE_EVENT_INIT;
		snprintf(id, sizeof id, "%d-%d", party->number, i);
		snprintf(key, sizeof key, "key-%d", i % 37);
		event.destination = i % 3 ? "ACME" : "other";
		event.id = id;
		event.key = key;
		event.key_len = strlen(key);
		event.data = "{}";
		event.data_len = 2;
		party->result = evpipe_emit(producer, &event);
	}
	if (!party->result)
		party->result = evpipe_producer_close(producer, DEADLINE_S * 1000, NULL);
	evpipe_producer_free(producer);
	return NULL;
}

static void *work(void *arg)
{
	struct party *party = arg;
	party->result = evpipe_worker_run(party->worker);
	return NULL;
}

static void wait_for_deliveries(evpipe_testbroker *broker, size_t count)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	time_t                until = time(NULL) + DEADLINE_S;
	while (evpipe_testbroker_delivery_count(broker) < count && time(NULL) < until)
		nanosleep(&pause, NULL);
}

static void test_testbroker_threads__deliver_each_event_once(void **state)
{
	evpipe_testbroker *broker;
	evpipe_config     *config;
	struct party       producers[PRODUCERS], workers[WORKERS];
	char               id[32];
	(void)state;

	assert_int_equal(evpipe_testbroker_new_realtime(&broker), EVPIPE_OK);
	assert_int_equal(evpipe_config_new(&config), EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_attach(broker, config), EVPIPE_OK);
	assert_int_equal(evpipe_config_set(config, "batch.linger", "5ms", NULL), EVPIPE_OK);
	evpipe_testbroker_set_sink_delay(broker, 1);
	for (int i = 0; i < WORKERS; i++) {
		workers[i] = (struct party){.number = i, .broker = broker};
		assert_int_equal(evpipe_worker_new(&workers[i].worker, config, evpipe_testbroker_sink(broker), NULL), EVPIPE_OK);
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < PRODUCERS; i++) {
		producers[i] = (struct party){.number = i, .broker = broker, .config = config};
		assert_int_equal(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
	}
	for (int i = 0; i < PRODUCERS; i++) {
		pthread_join(producers[i].thread, NULL);
		assert_int_equal(producers[i].result, EVPIPE_OK);
	}
	wait_for_deliveries(broker, PRODUCERS * EVENTS);
	for (int i = 0; i < WORKERS; i++)
		evpipe_worker_stop(workers[i].worker);
	for (int i = 0; i < WORKERS; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].result, EVPIPE_OK);
		evpipe_worker_free(workers[i].worker);
	}
	assert_int_equal(evpipe_testbroker_delivery_count(broker), PRODUCERS * EVENTS);
	for (int producer = 0; producer < PRODUCERS; producer++)
		for (int i = 0; i < EVENTS; i++) {
			snprintf(id, sizeof id, "%d-%d", producer, i);
			assert_int_equal(evpipe_testbroker_delivered(broker, i % 3 ? "ACME" : "other", id), 1);
		}
	assert_int_equal(evpipe_testbroker_lag(broker, "evpipe", "evpipe.events"), 0);
	evpipe_config_free(config);
	evpipe_testbroker_free(broker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_testbroker_threads__deliver_each_event_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
