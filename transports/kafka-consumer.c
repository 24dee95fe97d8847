/*
 * Membership of a group: one librdkafka consumer, what comes out of its queue, and what is due.
 */
#include <stdio.h>
#include <string.h>

#include "errors.h"
#include "kafka.h"
#include "memory.h"

/* When a commit that has to be soon, or that had to wait, is tried again. */
#define COMMIT_AGAIN_MS 100

/* ---- life ---- */

static evpipe_err name_consumer(evpipe__kafka_consumer *consumer, const char *group)
{
	char name[300];
	snprintf(name, sizeof name, "the consumer of group %s", group);
	consumer->group = evpipe__strdup(group);
	consumer->name = evpipe__strdup(name);
	return consumer->group && consumer->name ? EVPIPE_OK : EVPIPE_ENOMEM;
}

static evpipe_err subscribe(evpipe__kafka_consumer *consumer, const evpipe_subscription *subscription)
{
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new((int)subscription->topics_count);
	for (size_t i = 0; i < subscription->topics_count; i++)
		rd_kafka_topic_partition_list_add(topics, subscription->topics[i], RD_KAFKA_PARTITION_UA);
	rd_kafka_resp_err_t err = rd_kafka_subscribe(consumer->client.rk, topics);
	rd_kafka_topic_partition_list_destroy(topics);
	return err ? EVPIPE_EINVAL : EVPIPE_OK;
}

/* As if all partitions were ours. */
static evpipe__kafka_share share_of(const evpipe__kafka *kafka, const evpipe_subscription *subscription)
{
	evpipe__kafka_share share = {.bytes = evpipe__kafka_share_of(kafka, EVPIPE__KAFKA_CONSUMER, subscription->delayed),
	                             .is_delayed = subscription->delayed};
	for (size_t i = 0; i < subscription->topics_count; i++)
		share.partitions += evpipe__kafka_topics_partitions(kafka, subscription->topics[i]);
	return share;
}

/* As the name of one of librdkafka's offsets: of two names for one, it gives the older. */
static int64_t first_offset(const rd_kafka_conf_t *conf)
{
	char   reset[32];
	size_t size = sizeof reset;

	if (rd_kafka_conf_get(conf, "auto.offset.reset", reset, &size) != RD_KAFKA_CONF_OK || strcmp(reset, "error") == 0)
		return RD_KAFKA_OFFSET_INVALID;
	return strcmp(reset, "smallest") == 0 ? RD_KAFKA_OFFSET_BEGINNING : RD_KAFKA_OFFSET_END;
}

static evpipe_err open_client(evpipe__kafka_consumer *consumer, const evpipe_subscription *subscription, evpipe_error *error)
{
	evpipe__kafka      *kafka = consumer->kafka;
	evpipe__kafka_share share = share_of(kafka, subscription);
	rd_kafka_conf_t    *conf;
	evpipe_err          err = evpipe__kafka_settings(&conf, kafka, EVPIPE__KAFKA_CONSUMER, consumer->group, &share, error);

	if (err)
		return err;
	consumer->queued_max = evpipe__kafka_number(conf, "queued.min.messages");
	consumer->first_offset = first_offset(conf);
	err = evpipe__kafka_joins_watch(&consumer->joins, conf);
	if (err) {
		rd_kafka_conf_destroy(conf);
		return evpipe__fail_plain(error, err);
	}
	err = evpipe__kafka_client_open(&consumer->client, kafka, EVPIPE__KAFKA_CONSUMER, consumer->name, conf, error);
	if (!err)
		err = evpipe__kafka_offsets_new(&consumer->offsets, &consumer->client);
	return err;
}

evpipe_err evpipe__kafka_consumer_new(evpipe__kafka_consumer **out, evpipe__kafka *kafka, const evpipe_subscription *subscription)
{
	evpipe__kafka_consumer *consumer = evpipe__calloc(1, sizeof *consumer);
	evpipe_error            error;

	if (!consumer)
		return EVPIPE_ENOMEM;
	consumer->kafka = kafka;
	consumer->commit_ms = kafka->now_ms;
	evpipe_err err = name_consumer(consumer, subscription->group);
	if (!err) {
		err = open_client(consumer, subscription, &error);
		if (err)
			evpipe__kafka_notice(kafka, EVPIPE_LOG_ERROR, err, "%s", error.text);
	}
	if (!err)
		err = subscribe(consumer, subscription);
	if (err) {
		evpipe__kafka_consumer_free(consumer);
		return err == EVPIPE_ECONFIG ? EVPIPE_EINVAL : err;
	}
	*out = consumer;
	return EVPIPE_OK;
}

/*
 * Before 2.3, librdkafka aborts the process when a client is destroyed that has joined its group and was told of no
 * assignment yet (confluentinc/librdkafka#4312): the group's leader has died, or the broker went away just then. Its
 * protocol is known from the join on, until it leaves.
 */
static void see_whether_it_must_stay(evpipe__kafka_consumer *consumer)
{
	const char *protocol = rd_kafka_rebalance_protocol(consumer->client.rk);
	consumer->must_stay = rd_kafka_version() < 0x02030000 && !consumer->was_assigned && protocol &&
	                      strcmp(protocol, "COOPERATIVE") == 0;
}

/* False: it was out of its group before, by an error that ended it. */
static int leave_group(evpipe__kafka_consumer *consumer)
{
	see_whether_it_must_stay(consumer);
	consumer->is_leaving = 1;
	rd_kafka_error_t *error = rd_kafka_consumer_close_queue(consumer->client.rk, consumer->client.queue);
	if (error)
		rd_kafka_error_destroy(error);
	return !error;
}

static void release_client(evpipe__kafka_consumer *consumer)
{
	rd_kafka_t *rk = consumer->client.rk;

	if (!consumer->is_leaving)
		see_whether_it_must_stay(consumer);
	if (consumer->must_stay) {
		if (!consumer->is_leaving)
			leave_group(consumer);
		rd_kafka_set_log_level(rk, 0); /* nobody takes it any more */
	}
	evpipe__kafka_client_let_go(&consumer->client);
	int is_used = evpipe__kafka_offsets_free(consumer->offsets);
	if (!is_used && !consumer->must_stay)
		evpipe__kafka_destroy(rk);
}

void evpipe__kafka_consumer_free(evpipe__kafka_consumer *consumer)
{
	if (!consumer)
		return;
	/* librdkafka waits for the answer to what it has assigned, or its destruction never ends. */
	evpipe__kafka_rebalance_close(consumer);
	if (consumer->rebalance)
		rd_kafka_event_destroy(consumer->rebalance);
	if (consumer->client.rk)
		release_client(consumer);
	evpipe__free(consumer->group);
	evpipe__free(consumer->name);
	evpipe__free(consumer);
}

/* ---- serving ---- */

static void on_event(evpipe__kafka_consumer *consumer, rd_kafka_event_t *event)
{
	switch (rd_kafka_event_type(event)) {
	case RD_KAFKA_EVENT_REBALANCE:
		evpipe__kafka_on_rebalance(consumer, event);
		return;
	case RD_KAFKA_EVENT_OFFSET_COMMIT:
		evpipe__kafka_committed(consumer, event);
		break;
	case RD_KAFKA_EVENT_ERROR:
		evpipe__kafka_notice(consumer->kafka, EVPIPE_LOG_ERROR, EVPIPE_EIO, "%s (%s): it takes no more part in its group",
		                     rd_kafka_event_error_string(event), consumer->name);
		evpipe__kafka_lose_all(consumer);
		break;
	default:
		break; /* records of what was not ours any more */
	}
	rd_kafka_event_destroy(event);
}

static int64_t commit_when_due(evpipe__kafka_consumer *consumer)
{
	evpipe__kafka *kafka = consumer->kafka;

	if (!consumer->is_dirty || consumer->is_committing)
		return INT64_MAX;
	if (kafka->now_ms < consumer->commit_ms)
		return consumer->commit_ms;
	if (evpipe__kafka_is_joining(consumer->joins)) {
		consumer->commit_ms = kafka->now_ms + COMMIT_AGAIN_MS;
		return consumer->commit_ms;
	}
	consumer->commit_ms = kafka->now_ms + (consumer->state == EVPIPE__KAFKA_PARTING || consumer->is_closing
	                                               ? COMMIT_AGAIN_MS
	                                               : evpipe_config_number(kafka->config, NULL, "commit.interval"));
	evpipe__kafka_commit(consumer);
	return INT64_MAX;
}

int64_t evpipe__kafka_consumer_serve(evpipe__kafka_consumer *consumer)
{
	rd_kafka_event_t *event;

	while ((event = evpipe__kafka_client_poll(&consumer->client)))
		on_event(consumer, event);
	int64_t commit = commit_when_due(consumer);
	int64_t due = evpipe__kafka_rebalance_go_on(consumer);
	int64_t watch = evpipe__kafka_client_watch(&consumer->client);
	int64_t wake = evpipe__kafka_wake(consumer);
	due = commit < due ? commit : due;
	due = watch < due ? watch : due;
	return wake < due ? wake : due;
}

/* ---- closing ---- */

void evpipe__kafka_consumer_close(evpipe__kafka_consumer *consumer)
{
	evpipe__kafka *kafka = consumer->kafka;

	consumer->is_closing = 1;
	for (size_t i = 0; i < kafka->partitions_count; i++)
		if (kafka->partitions[i] && kafka->partitions[i]->consumer == consumer)
			kafka->partitions[i]->state = EVPIPE__KAFKA_ENDED;
	evpipe__kafka_rebalance_close(consumer);
	consumer->commit_ms = kafka->now_ms;
}

int evpipe__kafka_consumer_leave(evpipe__kafka_consumer *consumer)
{
	evpipe__kafka_consumer_serve(consumer);
	if (!consumer->is_leaving) {
		if (consumer->is_dirty || consumer->is_committing || consumer->state != EVPIPE__KAFKA_STEADY)
			return 0;
		consumer->has_left = !leave_group(consumer);
	}
	return consumer->has_left || rd_kafka_consumer_closed(consumer->client.rk);
}
