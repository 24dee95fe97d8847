/*
 * Keeping librdkafka fetching. Before 2.2 its thread for a broker rests for up to a second when the queues of all
 * partitions there are full, and nothing that is taken from them wakes it.
 *
 * Any request to that broker does. So while records wait there and a queue has room for them, its leader is asked for
 * an offset, which is cheap and has no other effect; nobody waits for the answer. (A seek to where we are wakes it as
 * well, but throws away a fetch that is under way, and so may be made only when a queue is empty and had time to be
 * filled: measured, half of them threw something away.)
 */
#include "kafka.h"

/* How often; less often the longer nothing comes of it, as when memory is short and nothing is taken. */
#define WAIT_MIN_MS 10
#define WAIT_MAX_MS 1000

/* The offset asked for: of the end, as a timestamp. */
#define LATEST (-1)

static int is_starving(const evpipe__kafka_partition *partition)
{
	size_t queued = rd_kafka_queue_length(partition->queue);
	return queued < partition->consumer->queued_max && evpipe__kafka_partition_lag(partition) > (int64_t)queued;
}

static rd_kafka_topic_partition_list_t *find_starving(const evpipe__kafka_consumer *consumer)
{
	const evpipe__kafka             *kafka = consumer->kafka;
	rd_kafka_topic_partition_list_t *list = NULL;

	for (size_t i = 0; i < kafka->partitions_count; i++) {
		const evpipe__kafka_partition *partition = kafka->partitions[i];
		if (!partition || partition->consumer != consumer || !evpipe__kafka_partition_is_open(partition) || !is_starving(partition))
			continue;
		if (!list)
			list = rd_kafka_topic_partition_list_new(8);
		rd_kafka_topic_partition_list_add(list, partition->topic, partition->number)->offset = LATEST;
	}
	return list;
}

int64_t evpipe__kafka_wake(evpipe__kafka_consumer *consumer)
{
	int64_t now_ms = consumer->kafka->now_ms;

	/* Having been woken, it gets a moment; if records came of it, the next wait is short again. So is the first. */
	if (consumer->popped != consumer->wake_popped || !consumer->wake_wait_ms)
		consumer->wake_wait_ms = WAIT_MIN_MS;
	if (now_ms < consumer->wake_ms && now_ms + consumer->wake_wait_ms >= consumer->wake_ms)
		return consumer->wake_ms;
	rd_kafka_topic_partition_list_t *starving = find_starving(consumer);
	if (!starving)
		return INT64_MAX;
	rd_kafka_offsets_for_times(consumer->client.rk, starving, 0);
	rd_kafka_topic_partition_list_destroy(starving);
	consumer->wake_popped = consumer->popped;
	consumer->wake_ms = now_ms + consumer->wake_wait_ms;
	consumer->wake_wait_ms = 2 * consumer->wake_wait_ms < WAIT_MAX_MS ? 2 * consumer->wake_wait_ms : WAIT_MAX_MS;
	return consumer->wake_ms;
}
