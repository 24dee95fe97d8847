/*
 * emit_rdkafka.c: rd_kafka_produce, copying, with a thread that serves its delivery reports. By default its broker is
 * librdkafka's own mock cluster, which lives in a thread of this process.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include "client.h"
#include "common.h"
#include "emit.h"

#define METADATA_TIMEOUT_MS 20000
#define DRAIN_TIMEOUT_MS 120000
#define WARM_UP 1000

static rd_kafka_t       *client;
static rd_kafka_topic_t *topic;
static pthread_t         poller;
static atomic_int        quit;
static _Atomic long      failed;

static void on_delivered(rd_kafka_t *rk, const rd_kafka_message_t *message, void *ctx)
{
	(void)rk;
	(void)ctx;
	if (message->err)
		failed++;
}

static void *poll_reports(void *arg)
{
	(void)arg;
	while (!quit)
		rd_kafka_poll(client, 100);
	return NULL;
}

static int emit_rdkafka(const struct sample *sample)
{
	return rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, sample->data, sample->data_len, sample->key,
	                        sample->key_len, NULL);
}

static void drain_rdkafka(void)
{
	if (rd_kafka_flush(client, DRAIN_TIMEOUT_MS))
		die("rd_kafka_flush: not everything was acknowledged within %d s", DRAIN_TIMEOUT_MS / 1000);
}

static void open_rdkafka(const struct emit_options *options)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	if (options->broker)
		conf_set(conf, "bootstrap.servers", options->broker);
	else
		conf_set(conf, "test.mock.num.brokers", "1");
	conf_set(conf, "enable.idempotence", "true");
	conf_set(conf, "compression.codec", "lz4");
	conf_set(conf, "queue.buffering.max.messages", "1000000");
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivered);
	client = client_new(RD_KAFKA_PRODUCER, conf);
	topic = rd_kafka_topic_new(client, options->topic, NULL);

	/* Connections and metadata are not what is measured. */
	const struct rd_kafka_metadata *metadata;
	rd_kafka_resp_err_t             err = rd_kafka_metadata(client, 0, topic, &metadata, METADATA_TIMEOUT_MS);
	if (err)
		die("%s: %s", options->broker ? options->broker : "mock cluster", rd_kafka_err2str(err));
	rd_kafka_metadata_destroy(metadata);
	quit = 0;
	if (pthread_create(&poller, NULL, poll_reports, NULL) != 0)
		die("no thread could be started");
	char          data[] = "{}";
	struct sample sample = {.key = "warm", .key_len = 4, .data = data, .data_len = 2};
	for (int i = 0; i < WARM_UP; i++)
		emit_rdkafka(&sample);
	drain_rdkafka();
}

static void close_rdkafka(void)
{
	drain_rdkafka();
	quit = 1;
	pthread_join(poller, NULL);
	if (failed)
		die("rd_kafka_produce: %ld messages were not delivered", (long)failed);
	rd_kafka_topic_destroy(topic);
	rd_kafka_destroy(client);
}

const struct target target_rdkafka = {"rdkafka", open_rdkafka, emit_rdkafka, drain_rdkafka, close_rdkafka};
