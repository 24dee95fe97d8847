/*
 * Commits: for each partition of which something was settled, its frontier, and in the metadata the settled ranges
 * beyond it.
 */
#include <stdio.h>
#include <string.h>

#include "kafka.h"

/* What goes round safely; brokers take 4,096 bytes (offset.metadata.max.bytes). */
#define RANGES_MAX 4000

static int add_partition(rd_kafka_topic_partition_list_t *list, evpipe__kafka_partition *partition)
{
	char                        ranges[RANGES_MAX + 1];
	rd_kafka_topic_partition_t *at = rd_kafka_topic_partition_list_add(list, partition->topic, partition->number);
	size_t                      len = evpipe_frontier_ranges(partition->frontier, ranges, sizeof ranges);

	at->offset = evpipe_frontier_offset(partition->frontier);
	if (!len)
		return 1;
	/* The list frees it with librdkafka's own free. */
	at->metadata = rd_kafka_mem_malloc(NULL, len);
	if (!at->metadata)
		return 0;
	memcpy(at->metadata, ranges, len);
	at->metadata_size = len;
	return 1;
}

static size_t count_dirty(const evpipe__kafka_consumer *consumer)
{
	const evpipe__kafka *kafka = consumer->kafka;
	size_t               count = 0;
	for (size_t i = 0; i < kafka->partitions_count; i++)
		count += kafka->partitions[i] && kafka->partitions[i]->consumer == consumer && kafka->partitions[i]->is_dirty;
	return count;
}

void evpipe__kafka_commit(evpipe__kafka_consumer *consumer)
{
	evpipe__kafka *kafka = consumer->kafka;
	size_t         count = count_dirty(consumer);

	consumer->is_dirty = 0;
	if (!count)
		return;
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
	for (size_t i = 0; i < kafka->partitions_count; i++) {
		evpipe__kafka_partition *partition = kafka->partitions[i];
		if (partition && partition->consumer == consumer && partition->is_dirty && add_partition(list, partition))
			partition->is_dirty = 0;
	}
	rd_kafka_resp_err_t err = rd_kafka_commit_queue(consumer->client.rk, list, consumer->client.queue, NULL, NULL);
	rd_kafka_topic_partition_list_destroy(list);
	consumer->is_committing = !err;
}

/* A moment later it may be taken: from a member of a group that is about to rebalance, or by another coordinator. */
static int is_passing(rd_kafka_resp_err_t err)
{
	switch (err) {
	case RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS:
	case RD_KAFKA_RESP_ERR_NOT_COORDINATOR:
	case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
	case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
		return 1;
	default:
		return evpipe__kafka_is_away(err);
	}
}

/*
 * What was not committed is dirty again; of partitions that go, only if trying again makes sense. One that was assigned
 * anew since then gets a commit too many, of what it has.
 */
static void mark(evpipe__kafka_consumer *consumer, const rd_kafka_topic_partition_t *at, rd_kafka_resp_err_t err)
{
	evpipe__kafka_partition *partition = evpipe__kafka_partition_find(consumer, at->topic, at->partition);
	if (!partition || (partition->state == EVPIPE__KAFKA_ENDED && !is_passing(err)))
		return;
	partition->is_dirty = 1;
	consumer->is_dirty = 1;
}

void evpipe__kafka_committed(evpipe__kafka_consumer *consumer, rd_kafka_event_t *event)
{
	const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
	rd_kafka_resp_err_t                    whole = rd_kafka_event_error(event), first = whole;
	char                                   text[256] = "";

	consumer->is_committing = 0;
	for (int i = 0; list && i < list->cnt; i++) {
		const rd_kafka_topic_partition_t *at = &list->elems[i];
		rd_kafka_resp_err_t               err = at->err ? at->err : whole;
		if (!err)
			continue;
		mark(consumer, at, err);
		first = first ? first : err;
		if (!*text)
			snprintf(text, sizeof text, "%s [%d] at %lld: %s", at->topic, (int)at->partition, (long long)at->offset,
			         rd_kafka_err2str(err));
	}
	if (!first)
		evpipe__kafka_client_reached(&consumer->client);
	evpipe_transport_event committed = {
		.type = EVPIPE_TRANSPORT_COMMITTED, .err = evpipe__kafka_err(first), .text = *text ? text : NULL};
	evpipe__kafka_tell(consumer->kafka, &committed);
}
