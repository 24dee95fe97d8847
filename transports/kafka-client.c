/*
 * One librdkafka client. Its queue gives logs and errors, which become notices, and the events that its owner wants.
 */
#include "evpipe-build.h" /* pthread_timedjoin_np */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "errors.h"
#include "kafka.h"
#include "memory.h"

/* While no broker can be reached, one is asked for so often. */
#define ASK_MS 1000

/* ---- threads ---- */

int evpipe__kafka_thread(pthread_t *thread, void *(*run)(void *), void *arg)
{
	sigset_t all, before;

	/* Signals are the application's, and its threads'. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return !failed;
}

void evpipe__kafka_ring(int event_fd)
{
	const uint64_t one = 1;
	if (write(event_fd, &one, sizeof one) < 0)
		return; /* it is signalled already */
}

/* ---- life ---- */

void evpipe__kafka_listen(evpipe__kafka *kafka, rd_kafka_queue_t *queue)
{
	static const uint64_t one = 1;
	rd_kafka_queue_io_event_enable(queue, kafka->event_fd, &one, sizeof one);
}

evpipe_err evpipe__kafka_client_open(evpipe__kafka_client *client, evpipe__kafka *kafka, int role, const char *name,
                                     rd_kafka_conf_t *conf, evpipe_error *error)
{
	char            text[256];
	rd_kafka_type_t type = role == EVPIPE__KAFKA_PRODUCER ? RD_KAFKA_PRODUCER : RD_KAFKA_CONSUMER;
	rd_kafka_t     *rk = rd_kafka_new(type, conf, text, sizeof text);

	if (!rk) {
		evpipe_err err = rd_kafka_last_error() == RD_KAFKA_RESP_ERR__INVALID_ARG ? EVPIPE_ECONFIG : EVPIPE_EIO;
		rd_kafka_conf_destroy(conf);
		return evpipe__fail(error, err, "kafka: %s could not be made: %s", name, text);
	}
	*client = (evpipe__kafka_client){.kafka = kafka, .name = name, .rk = rk};
	if (role == EVPIPE__KAFKA_CONSUMER) {
		rd_kafka_poll_set_consumer(rk);
		client->queue = rd_kafka_queue_get_consumer(rk);
	} else {
		client->queue = rd_kafka_queue_get_main(rk);
	}
	rd_kafka_set_log_queue(rk, client->queue);
	evpipe__kafka_listen(kafka, client->queue);
	return EVPIPE_OK;
}

void evpipe__kafka_destroy_here(rd_kafka_t *rk)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(rk);
	rd_kafka_event_t *event;

	/* What came since its owner let go of it, or the destruction would wait for our answer. */
	while (queue && (event = rd_kafka_queue_poll(queue, 0))) {
		if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE)
			evpipe__kafka_answer(rk, event);
		rd_kafka_event_destroy(event);
	}
	if (queue)
		rd_kafka_queue_destroy(queue);
	/*
	 * The group was left by close, if there was one; a client that was not closed leaves it by its session's end.
	 */
	rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

static void *destroy(void *arg)
{
	evpipe__kafka_destroy_here(arg);
	return NULL;
}

void evpipe__kafka_destroy(rd_kafka_t *rk, int wait_s)
{
	pthread_t       thread;
	struct timespec until;

	if (!evpipe__kafka_thread(&thread, destroy, rk)) {
		destroy(rk);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += wait_s;
	if (pthread_timedjoin_np(thread, NULL, &until) != 0)
		pthread_detach(thread);
}

void evpipe__kafka_client_let_go(evpipe__kafka_client *client)
{
	rd_kafka_queue_io_event_enable(client->queue, -1, NULL, 0);
	rd_kafka_queue_destroy(client->queue);
	client->rk = NULL;
	client->queue = NULL;
}

void evpipe__kafka_client_release(evpipe__kafka_client *client)
{
	rd_kafka_t *rk = client->rk;

	if (!rk)
		return;
	evpipe__kafka_client_let_go(client);
	evpipe__kafka_destroy(rk, EVPIPE__KAFKA_DESTROY_S);
}

/* ---- the broker goes away and comes back ---- */

static void say_away(evpipe__kafka_client *client, const char *why)
{
	evpipe__kafka *kafka = client->kafka;
	if (evpipe__kafka_notice(kafka, EVPIPE_LOG_WARN, EVPIPE_EUNAVAILABLE, "no broker at %s can be reached%s%s; still trying",
	                         kafka->url, why ? ": " : "", why ? why : ""))
		client->is_said = 1;
}

static void went_away(evpipe__kafka_client *client, const char *why)
{
	if (!client->is_away)
		client->ask_ms = client->kafka->now_ms + ASK_MS;
	client->is_away = 1;
	say_away(client, why);
}

void evpipe__kafka_client_reached(evpipe__kafka_client *client)
{
	char text[EVPIPE_ERROR_TEXT_MAX];

	if (!client->is_away)
		return;
	client->is_away = 0;
	if (!client->is_said)
		return;
	client->is_said = 0;
	snprintf(text, sizeof text, "%s has a broker at %s again", client->name, client->kafka->url);
	evpipe_transport_event notice = {.type = EVPIPE_TRANSPORT_NOTICE, .level = EVPIPE_LOG_INFO, .text = text};
	evpipe__kafka_tell(client->kafka, &notice);
}

/*
 * librdkafka says nothing when a broker is back. Asked for metadata with no time to wait for it, it fails in another
 * way when there is a broker to ask than when there is none, and then it looks for one.
 */
static int has_broker(evpipe__kafka_client *client)
{
	const struct rd_kafka_metadata *metadata;
	rd_kafka_resp_err_t             err = rd_kafka_metadata(client->rk, 0, NULL, &metadata, 0);
	if (!err)
		rd_kafka_metadata_destroy(metadata);
	return err != RD_KAFKA_RESP_ERR__TRANSPORT;
}

int64_t evpipe__kafka_client_watch(evpipe__kafka_client *client)
{
	if (!client->rk || !client->is_away)
		return INT64_MAX;
	if (client->kafka->now_ms < client->ask_ms)
		return client->ask_ms;
	if (has_broker(client)) {
		evpipe__kafka_client_reached(client);
		return INT64_MAX;
	}
	say_away(client, NULL);
	client->ask_ms = client->kafka->now_ms + ASK_MS;
	return client->ask_ms;
}

/* ---- logs and errors ---- */

static void on_log(evpipe__kafka_client *client, rd_kafka_event_t *event)
{
	const char *facility, *text;
	int         level;

	if (rd_kafka_event_log(event, &facility, &text, &level) != 0)
		return;
	/* Of a property for both clients that one of them has no use for; and what comes as an error, too. */
	if (strcmp(facility, "CONFWARN") == 0 || strcmp(facility, "FAIL") == 0)
		return;
	evpipe__kafka_notice(client->kafka, level <= 3 ? EVPIPE_LOG_ERROR : level == 4 ? EVPIPE_LOG_WARN : EVPIPE_LOG_INFO, EVPIPE_OK,
	                     "%s: %s (%s)", facility, text, client->name);
}

static void on_error(evpipe__kafka_client *client, rd_kafka_event_t *event)
{
	rd_kafka_resp_err_t err = rd_kafka_event_error(event);
	const char         *text = rd_kafka_event_error_string(event);

	if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
		went_away(client, NULL);
		return;
	}
	/* One broker of several, or the one there is: then the line above follows. */
	if (err == RD_KAFKA_RESP_ERR__TRANSPORT || err == RD_KAFKA_RESP_ERR__RESOLVE) {
		evpipe__kafka_notice(client->kafka, EVPIPE_LOG_WARN, EVPIPE_EUNAVAILABLE, "%s (%s)", text, client->name);
		return;
	}
	evpipe__kafka_notice(client->kafka, EVPIPE_LOG_ERROR, evpipe__kafka_err(err), "%s (%s)", text, client->name);
}

rd_kafka_event_t *evpipe__kafka_client_poll(evpipe__kafka_client *client)
{
	rd_kafka_event_t *event;

	while (client->rk && (event = rd_kafka_queue_poll(client->queue, 0))) {
		switch (rd_kafka_event_type(event)) {
		case RD_KAFKA_EVENT_LOG:
			on_log(client, event);
			break;
		case RD_KAFKA_EVENT_ERROR:
			if (rd_kafka_event_error_is_fatal(event))
				return event;
			on_error(client, event);
			break;
		default:
			return event;
		}
		rd_kafka_event_destroy(event);
	}
	return NULL;
}
