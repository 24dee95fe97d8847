#include "kafka-mock.h"

#include "builtin.h"
#include "platform.h"

rd_kafka_t                 *host;
rd_kafka_mock_cluster_t    *cluster;
const evpipe_transport_ops *ops;
int64_t                     ahead_ms;
static int64_t              began_ms;

/* ---- an instance, and what happened to it ---- */

static int64_t later_ms(void *ctx)
{
	return evpipe__platform_runtime()->mono_ms(ctx) + ahead_ms;
}

int64_t now_ms(void)
{
	const evpipe_runtime *runtime = evpipe__platform_runtime();
	return runtime->mono_ms(runtime->ctx);
}

void set(evpipe_config *config, const char *name, const char *value)
{
	evpipe_error error;
	if (evpipe_config_set(config, name, value, &error))
		fail_msg("%s", error.text);
}

evpipe_config *config_new(const char *brokers)
{
	char           url[256];
	evpipe_config *config;

	assert_int_equal(evpipe_config_new(&config), EVPIPE_OK);
	snprintf(url, sizeof url, "kafka://%s", brokers);
	set(config, "transport.url", url);
	set(config, "kafka.consumer.session.timeout.ms", "6000");
	set(config, "kafka.consumer.heartbeat.interval.ms", "300");
	set(config, "commit.interval", "100ms");
	return config;
}

void look_often(evpipe_config *config)
{
	set(config, "kafka.topic.metadata.refresh.interval.ms", "470");
}

evpipe_err try_open(struct seen *seen, evpipe_config *config, unsigned roles, size_t memory_max, evpipe_error *error)
{
	static evpipe_runtime  runtime;
	evpipe_transport_setup setup = {.size = sizeof setup,
	                                .url = evpipe_config_text(config, NULL, "transport.url"),
	                                .roles = roles,
	                                .memory_max = memory_max,
	                                .config = config,
	                                .runtime = &runtime};
	runtime = *evpipe__platform_runtime();
	runtime.mono_ms = later_ms;
	if (!began_ms)
		began_ms = now_ms();
	*seen = (struct seen){.config = config, .last_offset = -1};
	return ops->open(&seen->self, &setup, error);
}

void open_with(struct seen *seen, evpipe_config *config, unsigned roles)
{
	evpipe_error error;
	if (try_open(seen, config, roles, 16 << 20, &error))
		fail_msg("%s", error.text);
}

void close_and_free(struct seen *seen, uint32_t timeout_ms)
{
	if (seen->self) {
		ops->close(seen->self, timeout_ms);
		ops->free(seen->self);
	}
	evpipe_config_free(seen->config);
	*seen = (struct seen){.self = NULL};
}

static void on_notice(struct seen *seen, const evpipe_transport_event *event)
{
	seen->notices++;
	print_message("%8lld ms  %s\n", (long long)(now_ms() - began_ms), event->text);
	size_t used = strlen(seen->told);
	snprintf(seen->told + used, sizeof seen->told - used, "%s\n", event->text);
	seen->away += strstr(event->text, "no broker at") != NULL;
	seen->back += strstr(event->text, "again") != NULL;
	seen->anew += strstr(event->text, "joins its group anew") != NULL;
}

static void on_event(struct seen *seen, const evpipe_transport_event *event)
{
	switch (event->type) {
	case EVPIPE_TRANSPORT_SENT:
		seen->sent[event->outcome]++;
		seen->reports[event->token]++;
		if (event->outcome != EVPIPE_PERSISTED)
			seen->last_err = event->err;
		break;
	case EVPIPE_TRANSPORT_ASSIGNED:
		seen->assigned++;
		seen->assignment = event->assignment;
		break;
	case EVPIPE_TRANSPORT_REVOKED:
		seen->revoked++;
		if (!seen->keeps)
			ops->relinquish(seen->self, event->assignment);
		break;
	case EVPIPE_TRANSPORT_LOST:
		seen->lost++;
		break;
	case EVPIPE_TRANSPORT_RECORD:
		seen->records++;
		seen->last_offset = event->record.offset;
		if (seen->settles)
			ops->settle(seen->self, event->assignment, event->record.offset);
		break;
	case EVPIPE_TRANSPORT_COMMITTED:
		seen->commits++;
		seen->commits_failed += event->err != EVPIPE_OK;
		break;
	case EVPIPE_TRANSPORT_NOTICE:
		on_notice(seen, event);
		break;
	case EVPIPE_TRANSPORT_TOPIC:
		seen->topics++;
		seen->topic_err = event->err;
		break;
	}
}

const evpipe__kafka_consumer *consumer_of(const struct seen *seen)
{
	return ((const evpipe__kafka *)seen->self)->consumers[0];
}

int heard(const struct seen *seen, const char *text)
{
	return strstr(seen->told, text) != NULL;
}

evpipe_err step(struct seen *seen)
{
	evpipe_transport_event event;
	evpipe_err             err;
	while ((err = ops->poll(seen->self, 0, &event)) == EVPIPE_OK)
		on_event(seen, &event);
	return err;
}

evpipe_err send_one(struct seen *seen, const char *topic, uint64_t token)
{
	evpipe_record record = {.topic = topic, .partition = 0, .value = "value", .value_len = 5};
	return ops->send(seen->self, &record, token);
}

void send_all(struct seen *seen, const char *topic, uint64_t first, uint64_t count)
{
	for (uint64_t token = first; token < first + count; token++)
		AWAIT(seen, send_one(seen, topic, token) == EVPIPE_OK);
}

void subscribe_to(struct seen *seen, const char *group, const char *const *topics, size_t count)
{
	evpipe_subscription subscription = {.size = sizeof subscription, .group = group, .topics = topics, .topics_count = count};
	assert_int_equal(ops->subscribe(seen->self, &subscription), EVPIPE_OK);
}

void subscribe(struct seen *seen, const char *group, const char *topic)
{
	subscribe_to(seen, group, &topic, 1);
}

/* ---- the world ---- */

int set_up(void **state)
{
	char            text[256];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	evpipe_error     error;

	(void)state;
	rd_kafka_conf_set(conf, "log_level", "0", text, sizeof text);
	host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
	cluster = host ? rd_kafka_mock_cluster_new(host, 1) : NULL;
	return !cluster || evpipe_transport_find(&ops, "kafka://", &error) != EVPIPE_OK;
}

int tear_down(void **state)
{
	(void)state;
	rd_kafka_mock_cluster_destroy(cluster);
	rd_kafka_destroy(host);
	return 0;
}

const char *brokers(void)
{
	return rd_kafka_mock_cluster_bootstraps(cluster);
}

void refuse_calls(int16_t call, size_t count, rd_kafka_resp_err_t err)
{
	while (count--)
		rd_kafka_mock_push_request_errors(cluster, call, 1, err);
}
