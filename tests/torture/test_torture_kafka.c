/*
 * The Kafka transport on librdkafka's mock cluster. librdkafka itself ends the process when memory runs out, so it is
 * our own allocations that fail: each in turn while an instance is opened, used and closed; and, since a join of a group takes
 * the mock cluster 3 s, now and then one of them while records go there and come back.
 */
#include "torture.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <poll.h>

#include "builtin.h"
#include "platform.h"

#define DEADLINE_MS 40000
#define RECORDS     500

static rd_kafka_t                 *host; /* the mock cluster lives in a client */
static rd_kafka_mock_cluster_t    *cluster;
static const evpipe_transport_ops *ops;
static evpipe_config              *config;

static int make_cluster(void **state)
{
	char url[256], text[256];
	(void)state;
	host = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), text, sizeof text);
	cluster = host ? rd_kafka_mock_cluster_new(host, 1) : NULL;
	if (!cluster || evpipe_config_new(&config) != EVPIPE_OK)
		return -1;
	rd_kafka_mock_topic_create(cluster, "torture", 4, 1);
	snprintf(url, sizeof url, "kafka://%s", rd_kafka_mock_cluster_bootstraps(cluster));
	return evpipe_config_set(config, "transport.url", url, NULL) || evpipe_config_set(config, "commit.interval", "100ms", NULL) ||
	       evpipe_transport_find(&ops, url, NULL);
}

static int free_cluster(void **state)
{
	(void)state;
	evpipe_config_free(config);
	rd_kafka_mock_cluster_destroy(cluster);
	rd_kafka_destroy(host);
	return 0;
}

/* ---- an instance ---- */

static evpipe_err open_instance(void **self, evpipe_error *error)
{
	evpipe_transport_setup setup = {.size = sizeof setup,
	                                .url = evpipe_config_text(config, NULL, "transport.url"),
	                                .roles = EVPIPE_ROLE_SEND | EVPIPE_ROLE_RECEIVE,
	                                .memory_max = 16 << 20,
	                                .config = config,
	                                .runtime = evpipe__platform_runtime()};
	return ops->open(self, &setup, error);
}

/* To each test its own: an instance that closes before it has joined is waited for by others of its group, for session.timeout.ms. */
static evpipe_err subscribe(void *self, const char *group)
{
	static const char *const topics[] = {"torture"};
	evpipe_subscription      subscription = {.size = sizeof subscription, .group = group, .topics = topics, .topics_count = 1};
	return ops->subscribe(self, &subscription);
}

static evpipe_err send_one(void *self, uint64_t token)
{
	char                key[24];
	const evpipe_header header = {"evpipe", "1 destination=A", 15};
	int                 len = snprintf(key, sizeof key, "%llu", (unsigned long long)token);
	evpipe_record       record = {.topic = "torture",
	                              .partition = EVPIPE_PARTITION_ANY,
	                              .key = key,
	                              .key_len = (size_t)len,
	                              .value = "value",
	                              .value_len = 5,
	                              .headers = &header,
	                              .headers_count = 1};
	return ops->send(self, &record, token);
}

static int64_t now_ms(void)
{
	const evpipe_runtime *runtime = evpipe__platform_runtime();
	return runtime->mono_ms(runtime->ctx);
}

/* A client of librdkafka's is destroyed by a thread of its own, since that takes its time. */
static void free_instance(void *self, int64_t held)
{
	int64_t until_ms = now_ms() + DEADLINE_MS;
	ops->free(self);
	while (allocations_held() > held && now_ms() < until_ms)
		poll(NULL, 0, 1);
	assert_int_equal(allocations_held(), held);
}

/* ---- opened and closed ---- */

static void open_and_close(void)
{
	void                  *self = NULL;
	evpipe_topic_spec      spec = {.size = sizeof spec, .name = "torture", .partitions = 4};
	evpipe_transport_event event;
	unsigned               reports = 0;
	int64_t                held = allocations_held();
	evpipe_err             err;

	TRY_TOLD(open_instance(&self, &torture_error));
	TRY(ops->ensure_topic(self, &spec));
	TRY(subscribe(self, "open-and-close"));
	/* Memory may be short for its topic, which is not told apart from a full queue. */
	while ((err = send_one(self, 1)) == EVPIPE_EAGAIN || err == EVPIPE_ENOMEM)
		;
	assert_int_equal(err, EVPIPE_OK);
	ops->flush(self);
	ops->close(self, 2000);
	while ((err = ops->poll(self, 0, &event)) == EVPIPE_OK)
		reports += event.type == EVPIPE_TRANSPORT_SENT;
	assert_int_equal(err, EVPIPE_ECLOSED);
	assert_int_equal(reports, 1);
	free_instance(self, held);
}

static void test_torture_kafka__opens_or_says_why_not(void **state)
{
	(void)state;
	torture(open_and_close, 8);
}

/* ---- memory that comes and goes ---- */

static uint64_t random_state;

static int allow_most(void *ctx)
{
	(void)ctx;
	random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return random_state >> 33 & 7;
}

struct seen {
	unsigned           reports[RECORDS], records[RECORDS];
	unsigned           reported, received, commits;
};

static void take(struct seen *seen, void *self, const evpipe_transport_event *event)
{
	char key[24];
	switch (event->type) {
	case EVPIPE_TRANSPORT_SENT:
		assert_true(event->token < RECORDS && event->outcome == EVPIPE_PERSISTED);
		seen->reported += !seen->reports[event->token]++;
		break;
	case EVPIPE_TRANSPORT_RECORD:
		/* The other test has sent some, too, whose key is 1. */
		snprintf(key, sizeof key, "%.*s", (int)event->record.key_len, (const char *)event->record.key);
		seen->received += !seen->records[strtoul(key, NULL, 10) % RECORDS]++;
		assert_int_equal(ops->settle(self, event->assignment, event->record.offset), EVPIPE_OK);
		break;
	case EVPIPE_TRANSPORT_COMMITTED:
		seen->commits += event->err == EVPIPE_OK;
		break;
	default:
		break;
	}
}

static void test_torture_kafka__records_go_round_while_memory_comes_and_goes(void **state)
{
	static struct seen     seen;
	void                  *self = NULL;
	evpipe_transport_event event;
	evpipe_err             err;
	uint64_t               sent = 0;
	int64_t                held = allocations_held(), began_ms = now_ms();
	(void)state;

	random_state = 1;
	assert_int_equal(open_instance(&self, NULL), EVPIPE_OK);
	allocations_ask(allow_most, NULL);
	while ((err = subscribe(self, "round")) == EVPIPE_ENOMEM)
		;
	assert_int_equal(err, EVPIPE_OK);
	while (seen.reported < RECORDS || seen.received < RECORDS || !seen.commits) {
		assert_true(now_ms() - began_ms < DEADLINE_MS);
		if (sent < RECORDS) {
			err = send_one(self, sent);
			assert_true(err == EVPIPE_OK || err == EVPIPE_EAGAIN || err == EVPIPE_ENOMEM);
			sent += err == EVPIPE_OK;
		}
		if (ops->poll(self, 0, &event) == EVPIPE_OK)
			take(&seen, self, &event);
		else if (sent == RECORDS)
			poll(NULL, 0, 5);
	}
	ops->close(self, 5000);
	while ((err = ops->poll(self, 0, &event)) == EVPIPE_OK)
		take(&seen, self, &event);
	assert_int_equal(err, EVPIPE_ECLOSED);
	allocations_ask(NULL, NULL);
	free_instance(self, held);
	for (size_t i = 0; i < RECORDS; i++)
		assert_int_equal(seen.reports[i], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TORTURE(test_torture_kafka__opens_or_says_why_not),
		TORTURE(test_torture_kafka__records_go_round_while_memory_comes_and_goes),
	};
	return cmocka_run_group_tests(tests, make_cluster, free_cluster);
}
