/*
 * Sending. librdkafka keeps the order of a partition and doubles nothing, until something happens that leaves it in
 * doubt; then it turns fatal and is of no more use. Its sends are then reported, each once, with what is known of them,
 * and a successor is made.
 */
#include <string.h>

#include "errors.h"
#include "kafka.h"
#include "memory.h"

/* A successor that could not be made is tried again. */
#define RENEW_MS 1000

/* After a batch was too large, how long less is outstanding at a time before twice as much is tried. */
#define WIDEN_MS 60000

/* Of message.max.bytes, what a record may take up beside key, value and headers. */
#define WIRE_OVERHEAD 64

/* ---- life ---- */

evpipe_err evpipe__kafka_producer_open(evpipe__kafka_producer *producer, evpipe__kafka *kafka, evpipe_error *error)
{
	rd_kafka_conf_t *conf;
	evpipe_err       err = evpipe__kafka_settings(&conf, kafka, EVPIPE__KAFKA_PRODUCER, NULL, NULL, error);

	if (err)
		return err;
	producer->bytes_max = evpipe__kafka_share_of(kafka, EVPIPE__KAFKA_PRODUCER, 0);
	producer->record_max = evpipe__kafka_number(conf, "message.max.bytes") - WIRE_OVERHEAD;
	producer->batch_max = evpipe__kafka_number(conf, "batch.size");
	producer->window = producer->bytes_max;
	return evpipe__kafka_client_open(&producer->client, kafka, EVPIPE__KAFKA_PRODUCER, "the producer", conf, error);
}

static void drop_topics(evpipe__kafka_producer *producer)
{
	for (size_t i = 0; i < producer->topics_count; i++) {
		rd_kafka_topic_destroy(producer->topics[i].handle);
		evpipe__free(producer->topics[i].name);
	}
	producer->topics_count = 0;
}

static void drop_client(evpipe__kafka_producer *producer)
{
	drop_topics(producer);
	evpipe__kafka_client_release(&producer->client);
}

void evpipe__kafka_producer_release(evpipe__kafka_producer *producer)
{
	if (producer->reports)
		rd_kafka_event_destroy(producer->reports);
	for (size_t i = producer->kept_next; i < producer->kept_count; i++)
		rd_kafka_event_destroy(producer->kept[i]);
	evpipe__free(producer->kept);
	drop_client(producer);
}

/* ---- topics ---- */

/* Borrowed; NULL if librdkafka does not take the name. */
static rd_kafka_topic_t *topic_of(evpipe__kafka_producer *producer, const char *name)
{
	const size_t max = sizeof producer->topics / sizeof *producer->topics;

	for (size_t i = 0; i < producer->topics_count; i++)
		if (strcmp(producer->topics[i].name, name) == 0)
			return producer->topics[i].handle;
	rd_kafka_topic_t *handle = rd_kafka_topic_new(producer->client.rk, name, NULL);
	if (!handle)
		return NULL;
	/*
	 * More topics than anybody has: the last place is everybody's. librdkafka keeps what it knows of a topic by
	 * itself.
	 */
	if (producer->topics_count == max) {
		producer->topics_count--;
		rd_kafka_topic_destroy(producer->topics[producer->topics_count].handle);
		evpipe__free(producer->topics[producer->topics_count].name);
	}
	char *copy = evpipe__strdup(name);
	if (!copy) {
		rd_kafka_topic_destroy(handle);
		return NULL;
	}
	producer->topics[producer->topics_count].name = copy;
	producer->topics[producer->topics_count++].handle = handle;
	return handle;
}

void evpipe__kafka_producer_warm(evpipe__kafka_producer *producer, const char *topic)
{
	if (producer->client.rk && !producer->is_fatal)
		topic_of(producer, topic);
}

/* ---- sending ---- */

static evpipe_err headers_new(rd_kafka_headers_t **out, const evpipe_record *record)
{
	*out = NULL;
	if (!record->headers_count)
		return EVPIPE_OK;
	rd_kafka_headers_t *headers = rd_kafka_headers_new(record->headers_count);
	if (!headers)
		return EVPIPE_ENOMEM;
	for (size_t i = 0; i < record->headers_count; i++) {
		const evpipe_header *header = &record->headers[i];
		rd_kafka_header_add(headers, header->name, -1, header->value, header->value ? (ssize_t)header->value_len : 0);
	}
	*out = headers;
	return EVPIPE_OK;
}

/* As record_max counts it. */
static size_t size_of(const evpipe_record *record)
{
	size_t size = record->key_len + record->value_len;
	for (size_t i = 0; i < record->headers_count; i++)
		size += strlen(record->headers[i].name) + record->headers[i].value_len;
	return size;
}

static size_t cost_of(size_t key_len, size_t value_len)
{
	return key_len + value_len + EVPIPE__KAFKA_RECORD_OVERHEAD;
}

static evpipe_err explain(evpipe__kafka_producer *producer, rd_kafka_resp_err_t err)
{
	if (err == RD_KAFKA_RESP_ERR__FATAL) {
		producer->is_fatal = 1;
		return EVPIPE_EAGAIN;
	}
	evpipe_err ours = evpipe__kafka_err(err);
	return evpipe_err_class_of(ours) == EVPIPE_CLASS_RETRY ? EVPIPE_EAGAIN : ours;
}

evpipe_err evpipe__kafka_producer_send(evpipe__kafka_producer *producer, const evpipe_record *record, uint64_t token)
{
	rd_kafka_headers_t *headers;
	size_t              cost = cost_of(record->key_len, record->value_len);

	if (!record->topic || record->partition < EVPIPE_PARTITION_ANY)
		return EVPIPE_EINVAL;
	if (size_of(record) > producer->record_max)
		return EVPIPE_ETOOLARGE;
	if (!producer->client.rk || producer->is_fatal)
		return EVPIPE_EAGAIN;
	/* One always fits. */
	if (producer->outstanding && producer->bytes + cost > producer->window)
		return EVPIPE_EAGAIN;
	rd_kafka_topic_t *topic = topic_of(producer, record->topic);
	if (!topic)
		return rd_kafka_last_error() == RD_KAFKA_RESP_ERR__INVALID_ARG ? EVPIPE_ETOPIC : EVPIPE_EAGAIN;
	evpipe_err err = headers_new(&headers, record);
	if (err)
		return err;
	/* It does not write to what it copies. */
	rd_kafka_resp_err_t failed = rd_kafka_producev(
		producer->client.rk, RD_KAFKA_V_RKT(topic), RD_KAFKA_V_PARTITION(record->partition),
		RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE((void *)(uintptr_t)record->value, record->value_len),
		RD_KAFKA_V_KEY(record->key, record->key_len), RD_KAFKA_V_TIMESTAMP(record->timestamp_ms), RD_KAFKA_V_HEADERS(headers),
		RD_KAFKA_V_OPAQUE((void *)(uintptr_t)token), RD_KAFKA_V_END);
	if (failed) {
		if (headers)
			rd_kafka_headers_destroy(headers);
		return explain(producer, failed);
	}
	producer->is_lone = !producer->outstanding;
	producer->outstanding++;
	producer->bytes += cost;
	return EVPIPE_OK;
}

/* ---- reports ---- */

static void fill_sent(const rd_kafka_message_t *message, evpipe_transport_event *event)
{
	rd_kafka_msg_status_t status = message->err ? rd_kafka_message_status(message) : RD_KAFKA_MSG_STATUS_PERSISTED;

	*event = (evpipe_transport_event){
		.type = EVPIPE_TRANSPORT_SENT,
		.token = (uint64_t)(uintptr_t)message->_private,
		.outcome = status == RD_KAFKA_MSG_STATUS_PERSISTED            ? EVPIPE_PERSISTED
	                   : status == RD_KAFKA_MSG_STATUS_POSSIBLY_PERSISTED ? EVPIPE_POSSIBLY
	                                                                      : EVPIPE_NOT,
	};
	if (event->outcome == EVPIPE_PERSISTED)
		return;
	event->err = event->outcome == EVPIPE_POSSIBLY ? EVPIPE_EMAYBE : evpipe__kafka_err(message->err);
	event->text = rd_kafka_err2str(message->err);
}

/*
 * A broker takes or refuses a batch as a whole, and there is nothing that limits a batch to what a topic takes: but no batch is
 * larger than what is outstanding. So that is halved, and what was refused is sent again, until batches fit, or what is too large is
 * alone. For those that were sent before, it is halved once.
 */
static void on_too_large(evpipe__kafka_producer *producer, const rd_kafka_message_t *message, evpipe_transport_event *event)
{
	if (producer->is_lone)
		return;
	event->err = EVPIPE_EAGAIN;
	event->text = "it was in a batch that is too large for the topic";
	if (producer->unhalved)
		return;
	producer->unhalved = producer->outstanding;
	producer->window = (producer->window < producer->batch_max ? producer->window : producer->batch_max) / 2;
	producer->widen_ms = producer->client.kafka->now_ms + WIDEN_MS;
	evpipe__kafka_notice(producer->client.kafka, EVPIPE_LOG_WARN, EVPIPE_OK,
	                     "topic %s: a batch was too large for it, and is sent again, for now %zu bytes at a time: let its "
	                     "max.message.bytes be more than kafka.producer.batch.size (%zu)",
	                     rd_kafka_topic_name(message->rkt), producer->window, producer->batch_max);
}

/* It may have been for one record, or the topic may take more by now: that is found out for the price of a refusal. */
static void widen(evpipe__kafka_producer *producer)
{
	int64_t now_ms = producer->client.kafka->now_ms;
	if (producer->window == producer->bytes_max || now_ms < producer->widen_ms)
		return;
	producer->window = 2 * producer->window < producer->batch_max ? 2 * producer->window : producer->bytes_max;
	producer->widen_ms = now_ms + WIDEN_MS;
}

/* The next event with reports: what close collected comes first. */
static rd_kafka_event_t *next_reports(evpipe__kafka_producer *producer)
{
	rd_kafka_event_t *event;

	if (producer->kept_next < producer->kept_count)
		return producer->kept[producer->kept_next++];
	while ((event = evpipe__kafka_client_poll(&producer->client))) {
		if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
			return event;
		if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR) {
			producer->is_fatal = 1;
			evpipe__kafka_notice(producer->client.kafka, EVPIPE_LOG_WARN, EVPIPE_EUNAVAILABLE,
			                     "the producer is replaced: %s", rd_kafka_event_error_string(event));
		}
		rd_kafka_event_destroy(event);
	}
	return NULL;
}

int evpipe__kafka_producer_take(evpipe__kafka_producer *producer, evpipe_transport_event *event)
{
	const rd_kafka_message_t *message;

	while (producer->reports || (producer->reports = next_reports(producer))) {
		message = rd_kafka_event_message_next(producer->reports);
		if (message) {
			size_t cost = cost_of(message->key_len, message->len);
			fill_sent(message, event);
			if (event->err == EVPIPE_ETOOLARGE)
				on_too_large(producer, message, event);
			producer->unhalved -= producer->unhalved > 0;
			producer->outstanding--;
			producer->bytes -= cost < producer->bytes ? cost : producer->bytes;
			if (!message->err)
				evpipe__kafka_client_reached(&producer->client);
			return 1;
		}
		rd_kafka_event_destroy(producer->reports);
		producer->reports = NULL;
	}
	return 0;
}

/* ---- a successor ---- */

static void purge(evpipe__kafka_producer *producer)
{
	rd_kafka_purge(producer->client.rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
}

static void renew(evpipe__kafka_producer *producer)
{
	evpipe__kafka *kafka = producer->client.kafka;
	evpipe_error   error;

	drop_client(producer);
	if (evpipe__kafka_producer_open(producer, kafka, &error) == EVPIPE_OK) {
		producer->is_fatal = 0;
		return;
	}
	producer->client.kafka = kafka;
	producer->renew_ms = kafka->now_ms + RENEW_MS;
	evpipe__kafka_notice(kafka, EVPIPE_LOG_ERROR, error.code, "%s", error.text);
}

int64_t evpipe__kafka_producer_serve(evpipe__kafka_producer *producer)
{
	const evpipe__kafka *kafka = producer->client.kafka;

	widen(producer);
	if (!producer->is_fatal || kafka->is_closed)
		return evpipe__kafka_client_watch(&producer->client);
	/* The old one's records are reported before the first of the new one's: nothing overtakes. */
	if (producer->outstanding) {
		purge(producer);
		return kafka->now_ms + 10;
	}
	if (kafka->now_ms < producer->renew_ms)
		return producer->renew_ms;
	renew(producer);
	return producer->is_fatal ? producer->renew_ms : INT64_MAX;
}

/* ---- closing ---- */

static int has_room(evpipe__kafka_producer *producer)
{
	if (producer->kept_count < producer->kept_max)
		return 1;
	size_t             max = producer->kept_max ? 2 * producer->kept_max : 64;
	rd_kafka_event_t **more = evpipe__realloc(producer->kept, max * sizeof *more);
	if (!more)
		return 0;
	producer->kept = more;
	producer->kept_max = max;
	return 1;
}

int evpipe__kafka_producer_collect(evpipe__kafka_producer *producer)
{
	uint64_t          here = producer->reports ? rd_kafka_event_message_count(producer->reports) : 0;
	rd_kafka_event_t *event;

	/* Without room they stay where they are, and poll finds them there. */
	while (producer->client.rk && producer->kept_messages + here < producer->outstanding && has_room(producer) &&
	       (event = evpipe__kafka_client_poll(&producer->client))) {
		if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR) {
			producer->kept[producer->kept_count++] = event;
			producer->kept_messages += rd_kafka_event_message_count(event);
		} else {
			rd_kafka_event_destroy(event);
		}
	}
	return producer->kept_messages + here >= producer->outstanding;
}

void evpipe__kafka_producer_give_up(evpipe__kafka_producer *producer)
{
	if (producer->client.rk)
		purge(producer);
}
