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

/* How long it takes librdkafka at most to go on after an answer. */
#define ANSWER_WAIT_MS 100
#define ANSWERS_MAX    100

/* When a client that could not be made is tried again. */
#define JOIN_AGAIN_MS 1000

/* ---- life ---- */

static evpipe_err name_consumer(evpipe__kafka_consumer *consumer, const char *group)
{
	char name[300];
	snprintf(name, sizeof name, "the consumer of group %s", group);
	consumer->group = evpipe__strdup(group);
	consumer->name = evpipe__strdup(name);
	return consumer->group && consumer->name ? EVPIPE_OK : EVPIPE_ENOMEM;
}

static void name_topics(evpipe__kafka_consumer *consumer, const evpipe_subscription *subscription)
{
	consumer->is_delayed = subscription->delayed;
	consumer->topics = rd_kafka_topic_partition_list_new((int)subscription->topics_count);
	for (size_t i = 0; i < subscription->topics_count; i++)
		rd_kafka_topic_partition_list_add(consumer->topics, subscription->topics[i], RD_KAFKA_PARTITION_UA);
}

/* As if all partitions were ours. */
static evpipe__kafka_share share_of(const evpipe__kafka_consumer *consumer)
{
	const evpipe__kafka *kafka = consumer->kafka;
	evpipe__kafka_share  share = {.bytes = evpipe__kafka_share_of(kafka, EVPIPE__KAFKA_CONSUMER, consumer->is_delayed),
	                              .is_delayed = consumer->is_delayed};
	for (int i = 0; i < consumer->topics->cnt; i++)
		share.partitions += evpipe__kafka_topics_partitions(kafka, consumer->topics->elems[i].topic);
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

static evpipe_err open_client(evpipe__kafka_consumer *consumer, evpipe_error *error)
{
	evpipe__kafka      *kafka = consumer->kafka;
	evpipe__kafka_share share = share_of(consumer);
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

/* Opened, and on its way into the group; else the error is told, and what there is of it is for release_client. */
static evpipe_err join(evpipe__kafka_consumer *consumer)
{
	evpipe_error error;
	evpipe_err   err = open_client(consumer, &error);

	if (err)
		evpipe__kafka_notice(consumer->kafka, EVPIPE_LOG_ERROR, err, "%s", error.text);
	else if (rd_kafka_subscribe(consumer->client.rk, consumer->topics))
		err = EVPIPE_EINVAL;
	return err;
}

evpipe_err evpipe__kafka_consumer_new(evpipe__kafka_consumer **out, evpipe__kafka *kafka, const evpipe_subscription *subscription)
{
	evpipe__kafka_consumer *consumer = evpipe__calloc(1, sizeof *consumer);

	if (!consumer)
		return EVPIPE_ENOMEM;
	consumer->kafka = kafka;
	consumer->commit_ms = kafka->now_ms;
	evpipe_err err = name_consumer(consumer, subscription->group);
	if (!err) {
		name_topics(consumer, subscription);
		err = join(consumer);
	}
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
	consumer->must_stay = rd_kafka_version() < 0x02030000 && !consumer->was_assigned && evpipe__kafka_is_cooperative(consumer);
}

/* False: it was out of its group before, by an error that ended it. */
static int leave_group(evpipe__kafka_consumer *consumer)
{
	consumer->is_leaving = 1;
	rd_kafka_error_t *error = rd_kafka_consumer_close_queue(consumer->client.rk, consumer->client.queue);
	if (error)
		rd_kafka_error_destroy(error);
	return !error;
}

/*
 * A destruction never ends, and keeps a processor busy, while librdkafka waits for our answer to a rebalance; when
 * partitions have gone, another one follows, of what comes in their stead.
 */
static void answer_all(evpipe__kafka_consumer *consumer, int is_more_to_come)
{
	rd_kafka_t       *rk = consumer->client.rk;
	int               was_closing = consumer->is_closing, wait_ms = is_more_to_come ? ANSWER_WAIT_MS : 0;
	rd_kafka_event_t *event;

	consumer->is_closing = 1;
	evpipe__kafka_rebalance_abandon(consumer);
	for (int left = ANSWERS_MAX; left && !rd_kafka_consumer_closed(rk); left--) {
		event = rd_kafka_queue_poll(consumer->client.queue, wait_ms);
		if (!event)
			break;
		if (rd_kafka_event_type(event) != RD_KAFKA_EVENT_REBALANCE) {
			rd_kafka_event_destroy(event);
			continue;
		}
		evpipe__kafka_on_rebalance(consumer, event);
		evpipe__kafka_rebalance_abandon(consumer);
		wait_ms = ANSWER_WAIT_MS;
	}
	consumer->is_closing = was_closing;
}

/*
 * And all that is of this client and no other's. Unless it leaves, or has left, it keeps its place in the group until
 * its session ends.
 */
static void release_client(evpipe__kafka_consumer *consumer, int leaves, int wait_s)
{
	rd_kafka_t *rk = consumer->client.rk;

	if (!rk)
		return;
	answer_all(consumer, consumer->rebalance != NULL);
	if (!consumer->is_leaving) {
		see_whether_it_must_stay(consumer);
		if ((leaves || consumer->must_stay) && leave_group(consumer))
			answer_all(consumer, 1);
	}
	if (consumer->must_stay)
		rd_kafka_set_log_level(rk, 0); /* nobody takes it any more */
	evpipe__kafka_client_let_go(&consumer->client);
	int is_used = evpipe__kafka_offsets_free(consumer->offsets);
	if (!is_used && !consumer->must_stay)
		evpipe__kafka_destroy(rk, wait_s);
	consumer->joins = NULL;
	consumer->offsets = NULL;
	consumer->was_assigned = 0;
	consumer->must_stay = 0;
	consumer->is_committing = 0;
	consumer->is_leaving = 0;
}

void evpipe__kafka_consumer_free(evpipe__kafka_consumer *consumer)
{
	if (!consumer)
		return;
	release_client(consumer, 0, EVPIPE__KAFKA_DESTROY_S);
	if (consumer->topics)
		rd_kafka_topic_partition_list_destroy(consumer->topics);
	evpipe__free(consumer->group);
	evpipe__free(consumer->name);
	evpipe__free(consumer);
}

/* ---- another client ---- */

void evpipe__kafka_consumer_start_over(evpipe__kafka_consumer *consumer, const char *why)
{
	evpipe__kafka_notice(consumer->kafka, EVPIPE_LOG_WARN, EVPIPE_EUNAVAILABLE, "%s (%s): it joins its group anew", why,
	                     consumer->name);
	evpipe__kafka_lose_all(consumer);
	release_client(consumer, 1, 0);
	consumer->join_ms = consumer->kafka->now_ms;
}

/* False: not yet. */
static int join_anew(evpipe__kafka_consumer *consumer)
{
	if (consumer->kafka->now_ms < consumer->join_ms)
		return 0;
	consumer->join_ms = consumer->kafka->now_ms + JOIN_AGAIN_MS;
	if (join(consumer) == EVPIPE_OK)
		return 1;
	release_client(consumer, 0, 0);
	return 0;
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

	if (!consumer->client.rk && !join_anew(consumer))
		return consumer->join_ms;
	while ((event = evpipe__kafka_client_poll(&consumer->client)))
		on_event(consumer, event);
	int64_t commit = commit_when_due(consumer);
	int64_t due = evpipe__kafka_rebalance_go_on(consumer);
	int64_t watch = evpipe__kafka_client_watch(&consumer->client);
	int64_t wake = evpipe__kafka_wake(consumer);
	if (!consumer->client.rk)
		return consumer->join_ms;
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
	if (!consumer->client.rk)
		return 1;
	evpipe__kafka_consumer_serve(consumer);
	if (!consumer->is_leaving) {
		if (consumer->is_dirty || consumer->is_committing || consumer->state != EVPIPE__KAFKA_STEADY)
			return 0;
		see_whether_it_must_stay(consumer);
		consumer->has_left = !leave_group(consumer);
	}
	return consumer->has_left || rd_kafka_consumer_closed(consumer->client.rk);
}
