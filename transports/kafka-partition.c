/*
 * One partition in our hands. Its queue is its own, and one that is held is simply not popped: pausing would throw away
 * what was fetched, and resuming would not wake the fetcher.
 */
#include <string.h>

#include "errors.h"
#include "kafka.h"
#include "memory.h"

/* Offsets between the lowest unsettled record and the highest handed out; 128 KiB of bits. */
#define SPAN_MAX (1024 * 1024)

/* Bytes of a record that are asked for ahead; what is longer the processor itself finds to be a stream. */
#define LOOK_AHEAD 512

/* ---- life ---- */

static evpipe_err find_slot(evpipe__kafka *kafka, uint32_t *slot)
{
	for (size_t i = 0; i < kafka->partitions_count; i++) {
		if (!kafka->partitions[i]) {
			*slot = (uint32_t)i;
			return EVPIPE_OK;
		}
	}
	size_t count = kafka->partitions_count ? 2 * kafka->partitions_count : 16;
	if (count > EVPIPE_SLOTS_MAX)
		return EVPIPE_ENOMEM;
	evpipe__kafka_partition **more = evpipe__realloc(kafka->partitions, count * sizeof *more);
	if (!more)
		return EVPIPE_ENOMEM;
	memset(more + kafka->partitions_count, 0, (count - kafka->partitions_count) * sizeof *more);
	*slot = (uint32_t)kafka->partitions_count;
	kafka->partitions = more;
	kafka->partitions_count = count;
	return EVPIPE_OK;
}

/* Metadata of others' making is no reason not to go on: then nothing is known to be settled. */
static evpipe_err restore(evpipe__kafka_partition *partition, const rd_kafka_topic_partition_t *committed)
{
	char   text[4096 + 1];
	size_t len = committed->metadata_size;

	if (!committed->metadata || !len)
		return EVPIPE_OK;
	evpipe_err err = EVPIPE_EFORMAT;
	if (len < sizeof text) {
		memcpy(text, committed->metadata, len);
		text[len] = '\0';
		err = evpipe_frontier_restore(partition->frontier, text);
	}
	if (err != EVPIPE_EFORMAT)
		return err;
	evpipe__kafka_notice(partition->consumer->kafka, EVPIPE_LOG_WARN, EVPIPE_OK,
	                     "%s [%d] was committed by another program: what it had settled out of order comes again", partition->topic,
	                     (int)partition->number);
	return EVPIPE_OK;
}

static evpipe_err open_queue(evpipe__kafka_partition *partition)
{
	evpipe__kafka_client *client = &partition->consumer->client;

	partition->queue = rd_kafka_queue_get_partition(client->rk, partition->topic, partition->number);
	if (!partition->queue)
		return EVPIPE_ENOMEM;
	/* For good: librdkafka leaves a queue alone that the application has forwarded, to nowhere, too. */
	rd_kafka_queue_forward(partition->queue, NULL);
	evpipe__kafka_listen(client->kafka, partition->queue);
	return EVPIPE_OK;
}

evpipe_err evpipe__kafka_partition_new(evpipe__kafka_partition **out, evpipe__kafka_consumer *consumer,
                                       const rd_kafka_topic_partition_t *committed)
{
	evpipe__kafka           *kafka = consumer->kafka;
	evpipe__kafka_partition *partition = evpipe__calloc(1, sizeof *partition);
	int64_t                  start = committed->offset >= 0 ? committed->offset : 0;

	if (!partition)
		return EVPIPE_ENOMEM;
	partition->consumer = consumer;
	partition->number = committed->partition;
	partition->position = committed->offset >= 0 ? committed->offset : -1;
	partition->last = -1;
	partition->topic = evpipe__strdup(committed->topic);
	evpipe_err err = partition->topic ? find_slot(kafka, &partition->assignment.slot) : EVPIPE_ENOMEM;
	if (!err)
		err = evpipe_frontier_new(&partition->frontier, start, SPAN_MAX);
	if (!err)
		err = restore(partition, committed);
	if (!err)
		err = open_queue(partition);
	if (err) {
		evpipe__kafka_partition_free(partition);
		return err;
	}
	partition->assignment.epoch = ++kafka->epoch;
	kafka->partitions[partition->assignment.slot] = partition;
	evpipe__kafka_partition_tell(partition, EVPIPE__KAFKA_TELL_ASSIGNED);
	*out = partition;
	return EVPIPE_OK;
}

static void close_queue(evpipe__kafka_partition *partition)
{
	rd_kafka_message_t *message;

	if (!partition->queue)
		return;
	rd_kafka_queue_io_event_enable(partition->queue, -1, NULL, 0);
	/* What was fetched and is outdated by now lies there until somebody looks. */
	while ((message = rd_kafka_consume_queue(partition->queue, 0)))
		rd_kafka_message_destroy(message);
	rd_kafka_queue_destroy(partition->queue);
	partition->queue = NULL;
}

void evpipe__kafka_partition_free(evpipe__kafka_partition *partition)
{
	if (!partition)
		return;
	evpipe__kafka *kafka = partition->consumer->kafka;
	if (partition->assignment.epoch)
		kafka->partitions[partition->assignment.slot] = NULL;
	if (partition->tell != EVPIPE__KAFKA_TOLD)
		TAILQ_REMOVE(&kafka->to_tell, partition, tell_link);
	if (partition->kept)
		rd_kafka_message_destroy(partition->kept);
	close_queue(partition);
	evpipe_frontier_free(partition->frontier);
	evpipe__free(partition->topic);
	evpipe__free(partition);
}

void evpipe__kafka_partition_end(evpipe__kafka_partition *partition)
{
	partition->state = EVPIPE__KAFKA_ENDED;
	partition->is_gone = 1;
	partition->is_dirty = 0;
	if (partition->tell == EVPIPE__KAFKA_TELL_ASSIGNED)
		evpipe__kafka_partition_tell(partition, EVPIPE__KAFKA_TELL_LOST);
	if (partition->kept)
		rd_kafka_message_destroy(partition->kept);
	partition->kept = NULL;
	close_queue(partition);
	if (partition->tell == EVPIPE__KAFKA_TOLD)
		evpipe__kafka_partition_free(partition);
}

/* ---- finding and telling ---- */

evpipe__kafka_partition *evpipe__kafka_partition_of(evpipe__kafka *kafka, evpipe_assignment assignment)
{
	if (assignment.slot >= kafka->partitions_count)
		return NULL;
	evpipe__kafka_partition *partition = kafka->partitions[assignment.slot];
	if (!partition || partition->assignment.epoch != assignment.epoch || partition->state == EVPIPE__KAFKA_ENDED)
		return NULL;
	return partition;
}

evpipe__kafka_partition *evpipe__kafka_partition_find(evpipe__kafka_consumer *consumer, const char *topic, int32_t number)
{
	const evpipe__kafka *kafka = consumer->kafka;
	for (size_t i = 0; i < kafka->partitions_count; i++) {
		evpipe__kafka_partition *partition = kafka->partitions[i];
		if (partition && partition->consumer == consumer && !partition->is_gone && partition->number == number &&
		    strcmp(partition->topic, topic) == 0)
			return partition;
	}
	return NULL;
}

void evpipe__kafka_partition_tell(evpipe__kafka_partition *partition, int tell)
{
	evpipe__kafka *kafka = partition->consumer->kafka;
	int            was = partition->tell;

	if (was != EVPIPE__KAFKA_TOLD)
		TAILQ_REMOVE(&kafka->to_tell, partition, tell_link);
	/* Of what came and went unseen nothing is told. */
	partition->tell = was == EVPIPE__KAFKA_TELL_ASSIGNED ? EVPIPE__KAFKA_TOLD : tell;
	if (partition->tell != EVPIPE__KAFKA_TOLD)
		TAILQ_INSERT_TAIL(&kafka->to_tell, partition, tell_link);
}

/* ---- records ---- */

int evpipe__kafka_partition_is_open(const evpipe__kafka_partition *partition)
{
	return partition->state == EVPIPE__KAFKA_OWNED && !partition->is_held && partition->tell == EVPIPE__KAFKA_TOLD;
}

static void on_error(const evpipe__kafka_partition *partition, const rd_kafka_message_t *message)
{
	evpipe__kafka_notice(partition->consumer->kafka, EVPIPE_LOG_WARN, evpipe__kafka_err(message->err), "%s [%d]: %s",
	                     partition->topic, (int)partition->number, rd_kafka_message_errstr(message));
}

/*
 * Offsets went back: the topic was deleted and made anew, or its log was cut. What is in flight of the old ones must
 * not settle the new ones, so that is another assignment, which begins with this record. Takes the record over, or
 * leaves it for later without memory.
 */
static void start_over(evpipe__kafka_partition *partition, rd_kafka_message_t *message)
{
	evpipe__kafka_partition   *successor;
	rd_kafka_topic_partition_t at = {.topic = partition->topic, .partition = partition->number, .offset = message->offset};

	evpipe__kafka_notice(partition->consumer->kafka, EVPIPE_LOG_WARN, EVPIPE_OK,
	                     "%s [%d] goes on at offset %lld after %lld: it was made anew or has lost records", partition->topic,
	                     (int)partition->number, (long long)message->offset, (long long)partition->position);
	partition->kept = message;
	if (evpipe__kafka_partition_new(&successor, partition->consumer, &at) != EVPIPE_OK)
		return;
	partition->kept = NULL;
	successor->kept = message;
	successor->is_held = partition->is_held;
	/* What it had fetched is its successor's. */
	rd_kafka_queue_destroy(partition->queue);
	partition->queue = NULL;
	evpipe__kafka_partition_tell(partition, EVPIPE__KAFKA_TELL_LOST);
	evpipe__kafka_partition_end(partition);
}

static void note(evpipe__kafka_partition *partition, const rd_kafka_message_t *message)
{
	partition->last = message->offset;
	partition->last_ms = rd_kafka_message_timestamp(message, NULL);
	partition->position = message->offset + 1;
	partition->consumer->popped++;
}

/* The next record's bytes were last touched by librdkafka's thread: let them come while this one is worked on. */
static void look_ahead(evpipe__kafka_partition *partition)
{
	rd_kafka_message_t *next = rd_kafka_consume_queue(partition->queue, 0);

	partition->kept = next;
	if (!next || !next->payload)
		return;
	/* Headers lie behind the payload. */
	for (size_t at = 0; at < next->len && at < LOOK_AHEAD; at += 64)
		__builtin_prefetch((const char *)next->payload + at);
	__builtin_prefetch((const char *)next->payload + next->len);
	__builtin_prefetch((const char *)next->payload + next->len + 64);
}

/* A rebalance may have librdkafka fetch the last record once more. */
static int went_back(const evpipe__kafka_partition *partition, const rd_kafka_message_t *message)
{
	return message->offset < partition->position &&
	       (message->offset != partition->last || rd_kafka_message_timestamp(message, NULL) != partition->last_ms);
}

int evpipe__kafka_partition_pop(evpipe__kafka_partition *partition)
{
	evpipe__kafka *kafka = partition->consumer->kafka;

	for (;;) {
		rd_kafka_message_t *message = partition->kept ? partition->kept : rd_kafka_consume_queue(partition->queue, 0);
		partition->kept = NULL;
		if (!message)
			return 0;
		if (message->err) {
			on_error(partition, message);
			rd_kafka_message_destroy(message);
			continue;
		}
		if (went_back(partition, message)) {
			start_over(partition, message);
			return 0;
		}
		switch (evpipe_frontier_take(partition->frontier, message->offset)) {
		case EVPIPE_OK:
			note(partition, message);
			kafka->message = message;
			look_ahead(partition);
			return 1;
		case EVPIPE_ESTALE:
			note(partition, message);
			rd_kafka_message_destroy(message);
			break;
		default:
			partition->kept = message;
			return 0;
		}
	}
}

/* ---- how far behind ---- */

/* As the last fetch saw its log; -1: none did yet. */
static int64_t end_of(const evpipe__kafka_partition *partition, int64_t *begin)
{
	int64_t low, high;
	if (rd_kafka_get_watermark_offsets(partition->consumer->client.rk, partition->topic, partition->number, &low, &high))
		return -1;
	*begin = low;
	return high;
}

int64_t evpipe__kafka_partition_lag(const evpipe__kafka_partition *partition)
{
	int64_t begin, end = end_of(partition, &begin);
	int64_t at = partition->position < 0 ? begin : partition->position;
	if (end < 0 || at < 0)
		return -1;
	return end > at ? end - at : 0;
}
