/*
 * What can be asked of a broker about topics. Each call waits for the answer, two seconds at the most: they are for the
 * thread of kafka-topics.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kafka.h"

/* The result of an admin request, on the queue made for it alone; NULL: none came. */
static rd_kafka_event_t *wait_for(rd_kafka_queue_t *queue)
{
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, EVPIPE__KAFKA_CALL_MS + 500);
	rd_kafka_queue_destroy(queue);
	return event;
}

static rd_kafka_AdminOptions_t *options_new(rd_kafka_t *rk)
{
	char                     text[128];
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_ANY);
	rd_kafka_AdminOptions_set_request_timeout(options, EVPIPE__KAFKA_CALL_MS, text, sizeof text);
	return options;
}

rd_kafka_resp_err_t evpipe__kafka_topic_look(rd_kafka_t *rk, const char *name, int32_t *partitions)
{
	const struct rd_kafka_metadata *metadata;
	rd_kafka_topic_t               *topic = rd_kafka_topic_new(rk, name, NULL);

	if (!topic)
		return rd_kafka_last_error();
	rd_kafka_resp_err_t err = rd_kafka_metadata(rk, 0, topic, &metadata, EVPIPE__KAFKA_CALL_MS);
	if (!err) {
		const struct rd_kafka_metadata_topic *seen = metadata->topic_cnt ? &metadata->topics[0] : NULL;
		err = seen ? seen->err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
		*partitions = seen && !err ? seen->partition_cnt : 0;
		rd_kafka_metadata_destroy(metadata);
	}
	rd_kafka_topic_destroy(topic);
	if (err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
		*partitions = 0;
		return RD_KAFKA_RESP_ERR_NO_ERROR;
	}
	return err;
}

static int find_retention(const rd_kafka_ConfigResource_t *resource, int64_t *retention_ms)
{
	size_t                         count;
	const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);

	for (size_t i = 0; i < count; i++) {
		const char *value = rd_kafka_ConfigEntry_value(entries[i]);
		if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), "retention.ms") != 0 || !value)
			continue;
		*retention_ms = strtoll(value, NULL, 10);
		return 1;
	}
	return 0;
}

int evpipe__kafka_topic_retention(rd_kafka_t *rk, const char *name, int64_t *retention_ms)
{
	rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name);
	rd_kafka_AdminOptions_t   *options = options_new(rk);
	rd_kafka_queue_t          *queue = rd_kafka_queue_new(rk);
	size_t                     count = 0;
	int                        found = 0;

	rd_kafka_DescribeConfigs(rk, &resource, 1, options, queue);
	rd_kafka_event_t *event = wait_for(queue);
	if (event && !rd_kafka_event_error(event)) {
		const rd_kafka_ConfigResource_t **resources =
			rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &count);
		found = count && !rd_kafka_ConfigResource_error(resources[0]) && find_retention(resources[0], retention_ms);
	}
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_ConfigResource_destroy(resource);
	return found;
}

static rd_kafka_NewTopic_t *new_topic(const evpipe_topic_spec *spec)
{
	char                 text[256];
	int                  partitions = spec->partitions > 0 ? spec->partitions : -1; /* -1: as the broker likes it */
	int                  replication = spec->replication > 0 ? spec->replication : -1;
	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(spec->name, partitions, replication, text, sizeof text);

	if (topic && spec->retention_ms) {
		snprintf(text, sizeof text, "%lld", (long long)spec->retention_ms);
		rd_kafka_NewTopic_set_config(topic, "retention.ms", text);
	}
	return topic;
}

rd_kafka_resp_err_t evpipe__kafka_topic_create(rd_kafka_t *rk, const evpipe_topic_spec *spec, char *text, size_t size)
{
	rd_kafka_NewTopic_t *topic = new_topic(spec);
	size_t               count = 0;

	snprintf(text, size, "%s", "its name is not one for a topic");
	if (!topic)
		return RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
	rd_kafka_AdminOptions_t *options = options_new(rk);
	rd_kafka_queue_t        *queue = rd_kafka_queue_new(rk);
	rd_kafka_CreateTopics(rk, &topic, 1, options, queue);
	rd_kafka_event_t   *event = wait_for(queue);
	rd_kafka_resp_err_t err = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
	if (event && !err) {
		const rd_kafka_topic_result_t **results =
			rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
		err = count ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR__BAD_MSG;
		snprintf(text, size, "%s", count && rd_kafka_topic_result_error_string(results[0])
		                                   ? rd_kafka_topic_result_error_string(results[0])
		                                   : rd_kafka_err2str(err));
	} else if (event) {
		snprintf(text, size, "%s", rd_kafka_event_error_string(event));
	}
	if (event)
		rd_kafka_event_destroy(event);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_NewTopic_destroy(topic);
	return err == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS ? RD_KAFKA_RESP_ERR_NO_ERROR : err;
}
