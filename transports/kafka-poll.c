/*
 * One poll: what is to be told, reports of sends, records, and now and then everything else.
 */
#include <unistd.h>

#include "kafka.h"
#include "memory.h"

/* Records of one partition in a row, and records until everything else gets its turn, which costs as much as a dozen of them. */
#define TURN    1000
#define BETWEEN 1000

/* Headers of one record; more are cut off. */
#define HEADERS_MAX 1024

void evpipe__kafka_let_go(evpipe__kafka *kafka)
{
	if (kafka->message)
		rd_kafka_message_destroy(kafka->message);
	kafka->message = NULL;
	evpipe__kafka_partition_free(kafka->told);
	kafka->told = NULL;
}

static void fill_headers(evpipe__kafka *kafka, const rd_kafka_message_t *message, evpipe_record *record)
{
	rd_kafka_headers_t *headers;

	if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	size_t count = rd_kafka_header_cnt(headers);
	count = count < HEADERS_MAX ? count : HEADERS_MAX;
	if (count > kafka->headers_max) {
		evpipe_header *more = evpipe__realloc(kafka->headers, count * sizeof *more);
		if (more) {
			kafka->headers = more;
			kafka->headers_max = count;
		}
		count = kafka->headers_max;
	}
	for (size_t i = 0; i < count; i++) {
		evpipe_header *header = &kafka->headers[i];
		rd_kafka_header_get_all(headers, i, &header->name, &header->value, &header->value_len);
	}
	record->headers = kafka->headers;
	record->headers_count = count;
}

static void fill_record(evpipe__kafka *kafka, const evpipe__kafka_partition *partition, evpipe_transport_event *event)
{
	const rd_kafka_message_t *message = kafka->message;
	rd_kafka_timestamp_type_t type;
	int64_t                   timestamp_ms = rd_kafka_message_timestamp(message, &type);

	/* The members that a record has, and no others: this is done for each. */
	event->type = EVPIPE_TRANSPORT_RECORD;
	event->assignment = partition->assignment;
	event->record = (evpipe_record){.topic = partition->topic,
	                                .partition = partition->number,
	                                .key = message->key,
	                                .key_len = message->key_len,
	                                .value = message->payload,
	                                .value_len = message->len,
	                                .headers = NULL,
	                                .headers_count = 0,
	                                .timestamp_ms = timestamp_ms < 0 ? 0 : timestamp_ms,
	                                .offset = message->offset};
	fill_headers(kafka, message, &event->record);
	kafka->record_size = (15 * kafka->record_size + message->len + message->key_len) / 16;
}

/* Round robin over the partitions, a turn of several records each; false when each was found empty, held or blocked. */
static int next_record(evpipe__kafka *kafka, evpipe_transport_event *event)
{
	for (; kafka->empty < kafka->partitions_count; kafka->cursor = (kafka->cursor + 1) % kafka->partitions_count) {
		evpipe__kafka_partition *partition = kafka->partitions[kafka->cursor];
		if (partition && evpipe__kafka_partition_is_open(partition) && kafka->turn < TURN &&
		    evpipe__kafka_partition_pop(partition)) {
			kafka->turn++;
			kafka->empty = 0;
			fill_record(kafka, partition, event);
			return 1;
		}
		/* A turn that is over is not an empty one. */
		kafka->empty = kafka->turn == TURN ? 0 : kafka->empty + 1;
		kafka->turn = 0;
	}
	return 0;
}

/* Everything but handing out records. */
static void serve(evpipe__kafka *kafka)
{
	evpipe__kafka_now(kafka);
	kafka->between = BETWEEN;
	kafka->due_ms = INT64_MAX;
	for (size_t i = 0; i < kafka->consumers_count; i++) {
		int64_t consumer_ms = evpipe__kafka_consumer_serve(kafka->consumers[i]);
		kafka->due_ms = consumer_ms < kafka->due_ms ? consumer_ms : kafka->due_ms;
	}
	if (kafka->roles & EVPIPE_ROLE_SEND) {
		int64_t producer_ms = evpipe__kafka_producer_serve(&kafka->producer);
		kafka->due_ms = producer_ms < kafka->due_ms ? producer_ms : kafka->due_ms;
	}
	evpipe__kafka_topics_serve(kafka);
}

/* What was done with an assignment. */
static int next_told(evpipe__kafka *kafka, evpipe_transport_event *event)
{
	static const evpipe_transport_event_type types[] = {
		[EVPIPE__KAFKA_TELL_ASSIGNED] = EVPIPE_TRANSPORT_ASSIGNED,
		[EVPIPE__KAFKA_TELL_REVOKED] = EVPIPE_TRANSPORT_REVOKED,
		[EVPIPE__KAFKA_TELL_LOST] = EVPIPE_TRANSPORT_LOST,
	};
	evpipe__kafka_partition *partition = TAILQ_FIRST(&kafka->to_tell);

	if (!partition)
		return 0;
	*event = (evpipe_transport_event){.type = types[partition->tell],
	                                  .assignment = partition->assignment,
	                                  .topic = partition->topic,
	                                  .partition = partition->number};
	TAILQ_REMOVE(&kafka->to_tell, partition, tell_link);
	partition->tell = EVPIPE__KAFKA_TOLD;
	if (partition->is_gone)
		kafka->told = partition;
	return 1;
}

static int next_told_or_sent(evpipe__kafka *kafka, evpipe_transport_event *event)
{
	if (evpipe__kafka_notes_take(&kafka->notes, event))
		return 1;
	if (!kafka->is_closed && next_told(kafka, event))
		return 1;
	return kafka->roles & EVPIPE_ROLE_SEND && evpipe__kafka_producer_take(&kafka->producer, event);
}

/* Queues that speak from now on are heard: those that are looked at after this, too. */
static void begin_looking(evpipe__kafka *kafka)
{
	uint64_t drained;
	if (read(kafka->event_fd, &drained, sizeof drained) < 0)
		drained = 0; /* nobody spoke: it is polled for another reason */
	kafka->is_idle = 0;
	kafka->empty = 0;
	kafka->between = 0;
}

evpipe_err evpipe__kafka_poll(void *self, unsigned flags, evpipe_transport_event *event)
{
	evpipe__kafka *kafka = self;
	int            wants_records = !(flags & EVPIPE_POLL_NO_RECORDS) && !kafka->is_closed;

	evpipe__kafka_let_go(kafka);
	if (kafka->is_idle)
		begin_looking(kafka);
	if (wants_records && kafka->between) {
		kafka->between--;
		if (next_record(kafka, event))
			return EVPIPE_OK;
	}
	if (next_told_or_sent(kafka, event))
		return EVPIPE_OK;
	if (!kafka->is_closed)
		serve(kafka);
	if (next_told_or_sent(kafka, event))
		return EVPIPE_OK;
	if (wants_records && next_record(kafka, event))
		return EVPIPE_OK;
	kafka->is_idle = 1;
	return kafka->is_closed && !kafka->producer.outstanding ? EVPIPE_ECLOSED : EVPIPE_EAGAIN;
}
