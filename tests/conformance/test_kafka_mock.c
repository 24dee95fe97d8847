/*
 * Kafka on librdkafka's mock cluster. It takes some 3 s for a first join of a group.
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "kafka.h"

#define BROKERS        3
#define HEARTBEAT_CALL 12

static rd_kafka_t *host; /* the mock cluster lives in a client */

static void *begin(evpipe_config *config, const char **why)
{
	char             text[512];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	(void)why;
	host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
	if (!host) {
		rd_kafka_conf_destroy(conf);
		return NULL;
	}
	rd_kafka_mock_cluster_t *cluster = rd_kafka_mock_cluster_new(host, BROKERS);
	return cluster && use_kafka(config, rd_kafka_mock_cluster_bootstraps(cluster), "3000") ? cluster : NULL;
}

static void end(void *world)
{
	rd_kafka_mock_cluster_destroy(world);
	rd_kafka_destroy(host);
}

static void create_topic(void *world, const char *topic, int32_t partitions)
{
	rd_kafka_mock_topic_create(world, topic, partitions, BROKERS);
}

static void expel(void *world, const char *group)
{
	(void)group; /* one at a time is all that cases ask for */
	rd_kafka_mock_push_request_errors(world, HEARTBEAT_CALL, 1, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
}

static void set_away(void *world, int away)
{
	for (int32_t broker = 1; broker <= BROKERS; broker++) {
		if (away)
			rd_kafka_mock_broker_set_down(world, broker);
		else
			rd_kafka_mock_broker_set_up(world, broker);
	}
}

int main(void)
{
	static const struct conformance_target target = {
		.name = "kafka on a mock cluster",
		.begin = begin,
		.end = end,
		.create_topic = create_topic,
		.expel = expel,
		.set_away = set_away,
		.quirks = CONFORMANCE_CANNOT_CREATE_TOPICS | CONFORMANCE_TOPICS_CREATE_THEMSELVES | CONFORMANCE_ESTIMATES_MEMORY |
			  CONFORMANCE_REFUSES_COMMITS_MEANWHILE,
	};
	return conformance_run(&target);
}
