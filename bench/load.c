/*
 * load.c: puts lines of NDJSON into a Kafka topic, in order for each key, and says how many were acknowledged.
 *
 *   load --broker HOST:PORT --topic NAME [--create PARTITIONS] [--key-field session_id]
 *        [--header-field org_id | --header-destination NAME] [-X name=value]... < events.ndjson
 *   load --broker HOST:PORT --delete NAME [NAME]...
 *
 * With --header-... each record has libevpipe's own header in its compact form: the destination is taken from a field, or is the same for
 * all; the id is the field "id". Without, a record is its payload and its key.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "common.h"

#define ADMIN_TIMEOUT_MS 15000
#define FLUSH_TIMEOUT_MS 120000

static const char *topic, *key_field = "session_id", *header_field, *header_destination;
static long        acknowledged, failed;

static void on_delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *ctx)
{
	(void)client;
	(void)ctx;
	if (message->err)
		failed++;
	else
		acknowledged++;
}

/* ---- topics ---- */

/* Waits for the answer of one admin call; `ignored` is no failure. */
static void check_answer(rd_kafka_queue_t *queue, rd_kafka_resp_err_t ignored)
{
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ADMIN_TIMEOUT_MS);
	if (!event)
		die("the broker did not answer within %d s", ADMIN_TIMEOUT_MS / 1000);
	if (rd_kafka_event_error(event))
		die("%s", rd_kafka_event_error_string(event));
	const rd_kafka_topic_result_t **results;
	size_t                          count;
	if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_CREATETOPICS_RESULT)
		results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
	else
		results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count);
	for (size_t i = 0; i < count; i++) {
		rd_kafka_resp_err_t err = rd_kafka_topic_result_error(results[i]);
		if (err && err != ignored)
			die("topic %s: %s", rd_kafka_topic_result_name(results[i]), rd_kafka_err2str(err));
	}
	rd_kafka_event_destroy(event);
}

static void create_topic(rd_kafka_t *client, int partitions)
{
	char                error[256];
	rd_kafka_queue_t   *queue = rd_kafka_queue_new(client);
	rd_kafka_NewTopic_t *spec = rd_kafka_NewTopic_new(topic, partitions, -1, error, sizeof error);
	if (!spec)
		die("topic %s: %s", topic, error);
	rd_kafka_CreateTopics(client, &spec, 1, NULL, queue);
	check_answer(queue, RD_KAFKA_RESP_ERR_NO_ERROR);
	rd_kafka_NewTopic_destroy(spec);
	rd_kafka_queue_destroy(queue);
}

static void delete_topic(rd_kafka_t *client, const char *name)
{
	rd_kafka_queue_t       *queue = rd_kafka_queue_new(client);
	rd_kafka_DeleteTopic_t *spec = rd_kafka_DeleteTopic_new(name);
	rd_kafka_DeleteTopics(client, &spec, 1, NULL, queue);
	check_answer(queue, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
	rd_kafka_DeleteTopic_destroy(spec);
	rd_kafka_queue_destroy(queue);
}

/* ---- records ---- */

/* The text of a field of our own events, which have neither spaces around it nor escapes in it. NULL: there is none. */
static const char *find_field(const char *line, const char *name, size_t *len)
{
	char pattern[80];
	int  pattern_len = snprintf(pattern, sizeof pattern, "\"%s\":\"", name);
	if (pattern_len < 0 || (size_t)pattern_len >= sizeof pattern)
		die("field %s: the name is too long", name);
	const char *value = strstr(line, pattern);
	if (!value)
		return NULL;
	value += pattern_len;
	*len = strcspn(value, "\"");
	return value;
}

static int write_header(const char *line, char *header, size_t size)
{
	size_t      destination_len = header_destination ? strlen(header_destination) : 0, id_len = 0;
	const char *destination = header_destination ? header_destination : find_field(line, header_field, &destination_len);
	const char *id = find_field(line, "id", &id_len);
	if (!destination || !id)
		die("an event lacks destination or id: %.80s", line);
	return snprintf(header, size, "1 destination=%.*s id=%.*s", (int)destination_len, destination, (int)id_len, id);
}

static void produce(rd_kafka_t *client, const char *line, size_t len)
{
	char        header[256];
	size_t      key_len = 0;
	const char *key = find_field(line, key_field, &key_len);
	int         header_len = header_field || header_destination ? write_header(line, header, sizeof header) : -1;
	for (;;) {
		rd_kafka_resp_err_t err =
			header_len < 0 ? rd_kafka_producev(client, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY((void *)(uintptr_t)key, key_len),
		                                           RD_KAFKA_V_VALUE((void *)(uintptr_t)line, len),
		                                           RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END)
				       : rd_kafka_producev(client, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY((void *)(uintptr_t)key, key_len),
		                                           RD_KAFKA_V_VALUE((void *)(uintptr_t)line, len),
		                                           RD_KAFKA_V_HEADER("evpipe", header, header_len),
		                                           RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
		if (!err)
			return;
		if (err != RD_KAFKA_RESP_ERR__QUEUE_FULL)
			die("produce: %s", rd_kafka_err2str(err));
		rd_kafka_poll(client, 10);
	}
}

static int load(rd_kafka_t *client)
{
	char    *line = NULL;
	size_t   size = 0;
	ssize_t  len;
	long     count = 0;
	uint64_t start_ns = now_ns();

	while (!stopping && (len = getline(&line, &size, stdin)) > 0) {
		if (line[len - 1] == '\n')
			line[--len] = '\0';
		if (!len)
			continue;
		produce(client, line, (size_t)len);
		if (++count % 1000 == 0)
			rd_kafka_poll(client, 0);
	}
	free(line);
	rd_kafka_flush(client, FLUSH_TIMEOUT_MS);
	double seconds = (double)(now_ns() - start_ns) / 1e9;
	printf("{\"loaded\":%ld,\"acknowledged\":%ld,\"failed\":%ld,\"seconds\":%.3f}\n", count, acknowledged, failed, seconds);
	return stopping || failed || acknowledged != count;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"broker", required_argument, NULL, 'b'},
	                                        {"topic", required_argument, NULL, 't'},
	                                        {"create", required_argument, NULL, 'c'},
	                                        {"delete", no_argument, NULL, 'd'},
	                                        {"key-field", required_argument, NULL, 'k'},
	                                        {"header-field", required_argument, NULL, 'f'},
	                                        {"header-destination", required_argument, NULL, 'n'},
	                                        {NULL, 0, NULL, 0}};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	int              option, partitions = 0, deletes = 0, result = 0;

	conf_set(conf, "enable.idempotence", "true");
	conf_set(conf, "compression.codec", "lz4");
	conf_set(conf, "partitioner", "murmur2_random");
	conf_set(conf, "linger.ms", "20");
	conf_set(conf, "queue.buffering.max.messages", "500000");
	while ((option = getopt_long(argc, argv, "X:", options, NULL)) != -1) {
		switch (option) {
		case 'b':
			conf_set(conf, "bootstrap.servers", optarg);
			break;
		case 't':
			topic = optarg;
			break;
		case 'c':
			partitions = (int)number_of("create", optarg, 1, 10000);
			break;
		case 'd':
			deletes = 1;
			break;
		case 'k':
			key_field = optarg;
			break;
		case 'f':
			header_field = optarg;
			break;
		case 'n':
			header_destination = optarg;
			break;
		case 'X':
			conf_set_pair(conf, optarg);
			break;
		default:
			return 64;
		}
	}
	if (!topic == !deletes) {
		fprintf(stderr, "load: give either --topic NAME or --delete NAME...\n");
		return 64;
	}
	catch_signals();
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivered);
	rd_kafka_t *client = client_new(RD_KAFKA_PRODUCER, conf);
	if (partitions)
		create_topic(client, partitions);
	if (deletes)
		for (int i = optind; i < argc; i++)
			delete_topic(client, argv[i]);
	else
		result = load(client);
	rd_kafka_destroy(client);
	return result;
}
