/*
 * What is the Kafka transport's own, on librdkafka's mock cluster: how it is configured, what it does when librdkafka
 * or the broker fails. What each transport does is in tests/conformance. A first join of a group takes the mock cluster
 * 3 s, so there are few.
 */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <unistd.h>

#include "builtin.h"
#include "kafka.h"
#include "platform.h"
#include "test.h"

#define DEADLINE_MS 40000
#define PRODUCE_CALL 0
#define OFFSET_COMMIT_CALL 8
#define OFFSET_FETCH_CALL 9
#define FIND_COORDINATOR_CALL 10
#define HEARTBEAT_CALL 12
#define SYNC_GROUP_CALL 14

static rd_kafka_t                 *host; /* the mock cluster lives in a client */
static rd_kafka_mock_cluster_t    *cluster;
static const evpipe_transport_ops *ops;

/* ---- an instance, and what happened to it ---- */

struct seen {
	void             *self;
	evpipe_config    *config;
	unsigned          sent[3]; /* by outcome */
	unsigned          reports[4096]; /* by token */
	evpipe_err        last_err;
	unsigned          assigned, revoked, lost;
	evpipe_assignment assignment;
	unsigned          records;
	int64_t           last_offset;
	int               settles; /* each record at once */
	unsigned          commits, commits_failed;
	unsigned          away, back, notices;
	char              notice[EVPIPE_ERROR_TEXT_MAX]; /* the last */
	unsigned          topics;
	evpipe_err        topic_err;
};

static int64_t ahead_ms; /* of the clock that the transport is handed */

static int64_t later_ms(void *ctx)
{
	return evpipe__platform_runtime()->mono_ms(ctx) + ahead_ms;
}

static int64_t now_ms(void)
{
	const evpipe_runtime *runtime = evpipe__platform_runtime();
	return runtime->mono_ms(runtime->ctx);
}

static void set(evpipe_config *config, const char *name, const char *value)
{
	evpipe_error error;
	if (evpipe_config_set(config, name, value, &error))
		fail_msg("%s", error.text);
}

static evpipe_config *config_new(const char *brokers)
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

/* Takes the configuration over. */
static evpipe_err try_open(struct seen *seen, evpipe_config *config, unsigned roles, size_t memory_max, evpipe_error *error)
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
	*seen = (struct seen){.config = config, .last_offset = -1};
	return ops->open(&seen->self, &setup, error);
}

static void open_with(struct seen *seen, evpipe_config *config, unsigned roles)
{
	evpipe_error error;
	if (try_open(seen, config, roles, 16 << 20, &error))
		fail_msg("%s", error.text);
}

static void close_and_free(struct seen *seen, uint32_t timeout_ms)
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
	snprintf(seen->notice, sizeof seen->notice, "%s", event->text);
	seen->away += strstr(event->text, "no broker at") != NULL;
	seen->back += strstr(event->text, "again") != NULL;
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

/* Poll until nothing comes. */
static evpipe_err step(struct seen *seen)
{
	evpipe_transport_event event;
	evpipe_err             err;
	while ((err = ops->poll(seen->self, 0, &event)) == EVPIPE_OK)
		on_event(seen, &event);
	return err;
}

#define AWAIT(seen, condition)                                                                                         \
	do {                                                                                                           \
		int64_t until_ms_ = now_ms() + DEADLINE_MS;                                                            \
		while (step(seen), !(condition)) {                                                                     \
			if (now_ms() > until_ms_)                                                                      \
				fail_msg("waited in vain for: %s", #condition);                                        \
			usleep(2000);                                                                                  \
		}                                                                                                      \
	} while (0)

static evpipe_err send_one(struct seen *seen, const char *topic, uint64_t token)
{
	evpipe_record record = {.topic = topic, .partition = 0, .value = "value", .value_len = 5};
	return ops->send(seen->self, &record, token);
}

static void send_all(struct seen *seen, const char *topic, uint64_t first, uint64_t count)
{
	for (uint64_t token = first; token < first + count; token++)
		AWAIT(seen, send_one(seen, topic, token) == EVPIPE_OK);
}

static void subscribe(struct seen *seen, const char *group, const char *topic)
{
	evpipe_subscription subscription = {.size = sizeof subscription, .group = group, .topics = &topic, .topics_count = 1};
	assert_int_equal(ops->subscribe(seen->self, &subscription), EVPIPE_OK);
}

/* ---- the world ---- */

static int set_up(void **state)
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

static int tear_down(void **state)
{
	(void)state;
	rd_kafka_mock_cluster_destroy(cluster);
	rd_kafka_destroy(host);
	return 0;
}

static const char *brokers(void)
{
	return rd_kafka_mock_cluster_bootstraps(cluster);
}

/* ---- configuration ---- */

static void refuse(const char *name, const char *value, const char *says)
{
	struct seen    seen;
	evpipe_error   error;
	evpipe_config *config = config_new("127.0.0.1:9");

	set(config, name, value);
	assert_int_equal(try_open(&seen, config, EVPIPE_ROLE_SEND | EVPIPE_ROLE_RECEIVE, 1 << 20, &error), EVPIPE_ECONFIG);
	assert_null(seen.self);
	if (!strstr(error.text, says))
		fail_msg("\"%s\" is not in \"%s\"", says, error.text);
	close_and_free(&seen, 0);
}

static void test_kafka__what_cannot_be_is_refused_before_anything_is_opened(void **state)
{
	(void)state;
	refuse("kafka.no.such.property", "1", "kafka.no.such.property");
	refuse("kafka.consumer.fetch.min.bytes", "many", "kafka.consumer.");
	refuse("kafka.producer.linger.ms", "-1", "kafka.producer.");
	refuse("kafka.consumer.max.poll.interval.ms", "5000",
	       "worker.handover_timeout = 5s: it must be less than kafka.max.poll.interval.ms = 5000");
}

static void test_kafka__properties_reach_the_client_they_are_for(void **state)
{
	struct seen          seen;
	char                 text[64];
	evpipe_config       *config = config_new("127.0.0.1:9");
	evpipe_error         error;
	evpipe__kafka_share  share = {.bytes = 96 << 20, .partitions = 8};
	rd_kafka_conf_t     *conf;
	size_t               size = sizeof text;

	(void)state;
	set(config, "kafka.compression.type", "zstd");
	set(config, "kafka.producer.linger.ms", "20");
	set(config, "kafka.consumer.fetch.wait.max.ms", "70");
	set(config, "kafka.message.max.bytes", "2000000");
	open_with(&seen, config, EVPIPE_ROLE_SEND | EVPIPE_ROLE_RECEIVE);
	assert_in_range(ops->record_max(seen.self), 1999000, 2000000);

	assert_int_equal(evpipe__kafka_settings(&conf, seen.self, EVPIPE__KAFKA_PRODUCER, NULL, NULL, &error), EVPIPE_OK);
	assert_int_equal(rd_kafka_conf_get(conf, "compression.codec", text, &size), RD_KAFKA_CONF_OK);
	assert_string_equal(text, "zstd");
	assert_int_equal(evpipe__kafka_number(conf, "linger.ms"), 20);
	rd_kafka_conf_destroy(conf);

	assert_int_equal(evpipe__kafka_settings(&conf, seen.self, EVPIPE__KAFKA_CONSUMER, "g", &share, &error), EVPIPE_OK);
	assert_int_equal(evpipe__kafka_number(conf, "fetch.wait.max.ms"), 70);
	/* Of a partition's 12 MiB at most half before a fetch. */
	assert_in_range(evpipe__kafka_number(conf, "queued.max.messages.kbytes"), 1024, 6 * 1024);
	assert_in_range(evpipe__kafka_number(conf, "queued.min.messages"), 1000, 12000);
	rd_kafka_conf_destroy(conf);

	/* A consumer with a small share can be made all the same. */
	share = (evpipe__kafka_share){.bytes = 1 << 20, .partitions = 1};
	assert_int_equal(evpipe__kafka_settings(&conf, seen.self, EVPIPE__KAFKA_CONSUMER, "g", &share, &error), EVPIPE_OK);
	rd_kafka_t *client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
	assert_non_null(client);
	rd_kafka_destroy(client);
	close_and_free(&seen, 0);
}

/* ---- sending ---- */

static void test_kafka__a_fatal_producer_reports_each_send_once_and_is_replaced(void **state)
{
	struct seen seen;

	(void)state;
	open_with(&seen, config_new(brokers()), EVPIPE_ROLE_SEND);
	send_all(&seen, "fatal", 0, 10);
	AWAIT(&seen, seen.sent[EVPIPE_PERSISTED] == 10);

	/* Some are on their way, some are not. */
	rd_kafka_mock_broker_set_rtt(cluster, 1, 300);
	send_all(&seen, "fatal", 10, 100);
	usleep(50000);
	send_all(&seen, "fatal", 110, 100);
	rd_kafka_t *before = ((evpipe__kafka *)seen.self)->producer.client.rk;
	char        name[64];
	snprintf(name, sizeof name, "%s", rd_kafka_name(before));
	rd_kafka_test_fatal_error(before, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, "on purpose");
	AWAIT(&seen, seen.sent[0] + seen.sent[1] + seen.sent[2] == 210);
	rd_kafka_mock_broker_set_rtt(cluster, 1, 0);

	AWAIT(&seen, send_one(&seen, "fatal", 210) == EVPIPE_OK);
	assert_string_not_equal(rd_kafka_name(((evpipe__kafka *)seen.self)->producer.client.rk), name);
	AWAIT(&seen, seen.reports[210]);
	assert_non_null(strstr(seen.notice, "on purpose"));
	for (unsigned token = 0; token <= 210; token++)
		assert_int_equal(seen.reports[token], 1);
	assert_int_equal(evpipe_err_class_of(seen.last_err) == EVPIPE_CLASS_CALLER, 0);
	close_and_free(&seen, 1000);
}

static void test_kafka__what_the_broker_refuses_for_now_is_sent_again_by_itself(void **state)
{
	struct seen seen;

	(void)state;
	open_with(&seen, config_new(brokers()), EVPIPE_ROLE_SEND);
	send_all(&seen, "again", 0, 1);
	AWAIT(&seen, seen.sent[EVPIPE_PERSISTED] == 1);
	rd_kafka_mock_push_request_errors(cluster, PRODUCE_CALL, 3, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
	                                  RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT, RD_KAFKA_RESP_ERR__TRANSPORT);
	send_all(&seen, "again", 1, 100);
	AWAIT(&seen, seen.sent[0] + seen.sent[1] + seen.sent[2] == 101);
	assert_int_equal(seen.sent[EVPIPE_PERSISTED], 101);
	close_and_free(&seen, 1000);
}

static void test_kafka__what_the_broker_refuses_for_good_is_reported_with_its_reason(void **state)
{
	static const struct {
		rd_kafka_resp_err_t theirs;
		evpipe_err          ours;
	} cases[] = {
		{RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, EVPIPE_ETOOLARGE},
		{RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, EVPIPE_EDENIED},
		{RD_KAFKA_RESP_ERR_INVALID_RECORD, EVPIPE_EINVAL},
	};
	struct seen seen;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		open_with(&seen, config_new(brokers()), EVPIPE_ROLE_SEND);
		send_all(&seen, "refused", 0, 1);
		AWAIT(&seen, seen.sent[EVPIPE_PERSISTED] == 1);
		rd_kafka_mock_push_request_errors(cluster, PRODUCE_CALL, 1, cases[i].theirs);
		send_all(&seen, "refused", 1, 1);
		AWAIT(&seen, seen.reports[1]);
		assert_int_equal(seen.sent[EVPIPE_NOT], 1);
		assert_int_equal(seen.last_err, cases[i].ours);
		/* Whatever became of that producer, the next record goes. */
		send_all(&seen, "refused", 2, 1);
		AWAIT(&seen, seen.reports[2]);
		assert_int_equal(seen.sent[EVPIPE_PERSISTED], 2);
		close_and_free(&seen, 1000);
	}
}

/* Kafka refuses whole batches. What was not alone is to be sent again, with less and less beside it, and in the end it is alone. */
static void test_kafka__what_was_not_alone_in_a_batch_that_is_too_large_may_be_sent_again(void **state)
{
	evpipe_config *config = config_new(brokers());
	struct seen    seen;
	unsigned       refused = 0;

	(void)state;
	set(config, "kafka.producer.batch.size", "4096");
	set(config, "kafka.producer.linger.ms", "200"); /* two that are sent together are in one batch */
	open_with(&seen, config, EVPIPE_ROLE_SEND);
	send_all(&seen, "batches", 0, 1);
	AWAIT(&seen, seen.sent[EVPIPE_PERSISTED] == 1);
	for (;; refused += 2) {
		assert_true(refused < 20);
		rd_kafka_mock_push_request_errors(cluster, PRODUCE_CALL, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
		assert_int_equal(send_one(&seen, "batches", 1), EVPIPE_OK);
		if (send_one(&seen, "batches", 2) == EVPIPE_EAGAIN)
			break;
		AWAIT(&seen, seen.sent[EVPIPE_NOT] == refused + 2);
		assert_int_equal(seen.last_err, EVPIPE_EAGAIN);
	}
	assert_int_equal(refused, 2 * 3); /* 2048, 1024, 512: two of 405 do not fit */
	AWAIT(&seen, seen.sent[EVPIPE_NOT] == refused + 1);
	assert_int_equal(seen.last_err, EVPIPE_ETOOLARGE);
	assert_non_null(strstr(seen.notice, "topic batches: a batch was too large for it"));
	send_all(&seen, "batches", 3, 20);
	AWAIT(&seen, seen.sent[EVPIPE_PERSISTED] == 21);

	/* A minute later two go together again. */
	ahead_ms += 60000;
	send_all(&seen, "batches", 23, 1);
	AWAIT(&seen, seen.sent[EVPIPE_PERSISTED] == 22);
	assert_int_equal(send_one(&seen, "batches", 24), EVPIPE_OK);
	assert_int_equal(send_one(&seen, "batches", 25), EVPIPE_OK);
	AWAIT(&seen, seen.sent[EVPIPE_PERSISTED] == 24);
	close_and_free(&seen, 1000);
}

/* ---- the broker away ---- */

static void test_kafka__a_broker_that_is_not_there_is_told_of_and_nothing_waits(void **state)
{
	struct seen       seen;
	evpipe_topic_spec spec = {.size = sizeof spec, .name = "topic", .partitions = 1, .create = 1};

	(void)state;
	int64_t began_ms = now_ms();
	open_with(&seen, config_new("127.0.0.1:9"), EVPIPE_ROLE_SEND | EVPIPE_ROLE_RECEIVE);
	subscribe(&seen, "group", "topic");
	assert_int_equal(ops->ensure_topic(seen.self, &spec), EVPIPE_OK);
	assert_int_equal(send_one(&seen, "topic", 0), EVPIPE_OK);
	step(&seen);
	assert_true(now_ms() - began_ms < 5000);
	AWAIT(&seen, seen.away);
	assert_non_null(strstr(seen.notice, "127.0.0.1:9"));
	assert_int_equal(seen.topics, 0);
	ops->close(seen.self, 100);
	AWAIT(&seen, seen.reports[0]);
	assert_int_equal(seen.sent[EVPIPE_NOT], 1);
	assert_int_equal(step(&seen), EVPIPE_ECLOSED);
	close_and_free(&seen, 0);
}

static void test_kafka__a_broker_that_goes_and_comes_is_told_of(void **state)
{
	struct seen seen;

	(void)state;
	open_with(&seen, config_new(brokers()), EVPIPE_ROLE_SEND);
	send_all(&seen, "away", 0, 1);
	AWAIT(&seen, seen.reports[0]);
	rd_kafka_mock_broker_set_down(cluster, 1);
	AWAIT(&seen, seen.away);
	assert_int_equal(seen.back, 0);
	rd_kafka_mock_broker_set_up(cluster, 1);
	AWAIT(&seen, seen.back);
	assert_int_equal(seen.back, 1);
	close_and_free(&seen, 1000);
}

/* ---- receiving ---- */

/*
 * The question what was committed, put while the broker is away: had it a time-out, then librdkafka would abort the
 * process when the broker is back. ABSENCE_MS is longer than one that would suggest itself.
 */
#define ABSENCE_MS 11000

static void test_kafka__the_broker_may_go_while_partitions_come(void **state)
{
	struct seen seen;

	(void)state;
	rd_kafka_mock_topic_create(cluster, "coming", 1, 1);
	open_with(&seen, config_new(brokers()), EVPIPE_ROLE_RECEIVE);
	rd_kafka_mock_push_request_errors(cluster, OFFSET_FETCH_CALL, 1, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID);
	subscribe(&seen, "coming", "coming");
	AWAIT(&seen, strstr(seen.notice, "committed offsets are not known yet"));
	rd_kafka_mock_broker_set_down(cluster, 1);
	int64_t until_ms = now_ms() + ABSENCE_MS;
	AWAIT(&seen, now_ms() >= until_ms);
	assert_int_equal(seen.assigned, 0);
	rd_kafka_mock_broker_set_up(cluster, 1);
	AWAIT(&seen, seen.assigned);
	close_and_free(&seen, 1000);
}

/* More than fits the queue of a partition several times over: librdkafka would rest for a second at each. */
#define BACKLOG 4000

static void test_kafka__a_partition_is_woken_when_librdkafka_rests(void **state)
{
	struct seen    sender, receiver;
	evpipe_error   error;
	evpipe_config *config = config_new(brokers());

	(void)state;
	rd_kafka_mock_topic_create(cluster, "woken", 1, 1);
	open_with(&sender, config_new(brokers()), EVPIPE_ROLE_SEND);
	for (unsigned i = 0; i < BACKLOG / 50; i++) {
		send_all(&sender, "woken", i * 50, 50);
		AWAIT(&sender, sender.sent[EVPIPE_PERSISTED] == (i + 1) * 50);
	}
	close_and_free(&sender, 1000);

	set(config, "kafka.consumer.queued.min.messages", "40");
	assert_int_equal(try_open(&receiver, config, EVPIPE_ROLE_RECEIVE, 16 << 20, &error), EVPIPE_OK);
	subscribe(&receiver, "woken", "woken");
	AWAIT(&receiver, receiver.records > 0);
	int64_t began_ms = now_ms();
	AWAIT(&receiver, receiver.records == BACKLOG);
	/* 80 batches: without, more than a minute. */
	assert_true(now_ms() - began_ms < 30000);
	assert_int_equal(receiver.last_offset, BACKLOG - 1);
	close_and_free(&receiver, 1000);
}

static void test_kafka__what_was_settled_is_committed_when_the_coordinator_takes_it_again(void **state)
{
	struct seen seen;

	(void)state;
	rd_kafka_mock_topic_create(cluster, "commits", 1, 1);
	open_with(&seen, config_new(brokers()), EVPIPE_ROLE_SEND | EVPIPE_ROLE_RECEIVE);
	seen.settles = 1;
	/* What was committed is not to be had at first, and then commits are not taken. */
	rd_kafka_mock_push_request_errors(cluster, OFFSET_FETCH_CALL, 1, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
	rd_kafka_mock_push_request_errors(cluster, OFFSET_COMMIT_CALL, 1, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
	subscribe(&seen, "commits", "commits");
	send_all(&seen, "commits", 0, 20);
	AWAIT(&seen, seen.records == 20);
	AWAIT(&seen, seen.commits_failed);
	AWAIT(&seen, seen.commits > seen.commits_failed);
	close_and_free(&seen, 5000);

	/* Nothing comes again, to anybody. */
	open_with(&seen, config_new(brokers()), EVPIPE_ROLE_SEND | EVPIPE_ROLE_RECEIVE);
	subscribe(&seen, "commits", "commits");
	AWAIT(&seen, seen.assigned);
	send_all(&seen, "commits", 20, 1);
	AWAIT(&seen, seen.records);
	assert_int_equal(seen.records, 1);
	assert_int_equal(seen.last_offset, 20);
	close_and_free(&seen, 5000);
}

static void test_kafka__a_member_commits_nothing_while_it_joins_again(void **state)
{
	struct seen first, second;
	uint64_t    token = 0;
	unsigned    waited = 0;

	(void)state;
	rd_kafka_mock_topic_create(cluster, "joins", 2, 1);
	open_with(&first, config_new(brokers()), EVPIPE_ROLE_SEND | EVPIPE_ROLE_RECEIVE);
	first.settles = 1;
	subscribe(&first, "joins", "joins");
	AWAIT(&first, first.assigned == 2);
	open_with(&second, config_new(brokers()), EVPIPE_ROLE_RECEIVE);
	subscribe(&second, "joins", "joins");
	const evpipe__kafka_consumer *consumer = ((evpipe__kafka *)first.self)->consumers[0];
	/* There is always something to commit while the group rebalances. */
	int64_t until_ms = now_ms() + DEADLINE_MS;
	while (!second.assigned && now_ms() < until_ms) {
		int was_joining = evpipe__kafka_is_joining(consumer->joins), was_committing = consumer->is_committing;
		send_one(&first, "joins", token++ % 4096);
		step(&first);
		step(&second);
		if (was_joining && evpipe__kafka_is_joining(consumer->joins) && !was_committing) {
			assert_false(consumer->is_committing);
			waited += consumer->is_dirty;
		}
		usleep(2000);
	}
	assert_int_equal(second.assigned, 1);
	assert_true(waited > 0);
	assert_int_equal(first.lost, 0);
	assert_int_equal(first.revoked, 1);
	AWAIT(&first, !consumer->is_dirty && !consumer->is_committing);
	close_and_free(&second, 5000);
	close_and_free(&first, 5000);
}

static void test_kafka__what_was_committed_is_learnt_from_a_coordinator_that_was_not_found_at_first(void **state)
{
	rd_kafka_resp_err_t unavailable[6];
	struct seen         seen;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(unavailable); i++)
		unavailable[i] = RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE;
	rd_kafka_mock_topic_create(cluster, "unfound", 1, 1);
	open_with(&seen, config_new(brokers()), EVPIPE_ROLE_RECEIVE);
	subscribe(&seen, "unfound", "unfound");
	const evpipe__kafka_consumer *consumer = ((evpipe__kafka *)seen.self)->consumers[0];
	AWAIT(&seen, evpipe__kafka_is_joining(consumer->joins));
	rd_kafka_mock_push_request_errors_array(cluster, FIND_COORDINATOR_CALL, COUNT_OF(unavailable), unavailable);
	AWAIT(&seen, seen.assigned);
	rd_kafka_mock_clear_request_errors(cluster, FIND_COORDINATOR_CALL);
	close_and_free(&seen, 1000);
}

static void test_kafka__a_static_member_that_another_has_taken_the_place_of_loses_all(void **state)
{
	struct seen     seen;
	evpipe_config  *config = config_new(brokers());

	(void)state;
	set(config, "kafka.consumer.group.instance.id", "one-of-two");
	rd_kafka_mock_topic_create(cluster, "fenced", 2, 1);
	open_with(&seen, config, EVPIPE_ROLE_SEND | EVPIPE_ROLE_RECEIVE);
	seen.settles = 1;
	subscribe(&seen, "fenced", "fenced");
	AWAIT(&seen, seen.assigned == 2);
	rd_kafka_mock_push_request_errors(cluster, HEARTBEAT_CALL, 1, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
	AWAIT(&seen, seen.lost == 2);
	assert_non_null(strstr(seen.notice, "it takes no more part in its group"));
	assert_int_equal(ops->settle(seen.self, seen.assignment, 0), EVPIPE_ESTALE);
	close_and_free(&seen, 5000);
}

/* The mock cluster answers for any group; the first of two brokers is told to refuse. */
static void test_kafka__what_was_committed_is_asked_of_the_coordinator_that_the_group_has_moved_to(void **state)
{
	rd_kafka_mock_cluster_t *only = cluster;
	struct seen              first, second;

	(void)state;
	cluster = rd_kafka_mock_cluster_new(host, 2);
	assert_non_null(cluster);
	rd_kafka_mock_topic_create(cluster, "moves", 2, 1);
	rd_kafka_mock_coordinator_set(cluster, "group", "moves", 1);
	open_with(&first, config_new(brokers()), EVPIPE_ROLE_RECEIVE);
	subscribe(&first, "moves", "moves");
	AWAIT(&first, first.assigned == 2);
	open_with(&second, config_new(brokers()), EVPIPE_ROLE_RECEIVE);
	subscribe(&second, "moves", "moves");
	AWAIT(&first, (step(&second), second.assigned == 1));
	rd_kafka_mock_coordinator_set(cluster, "group", "moves", 2);
	for (int i = 0; i < 200; i++)
		rd_kafka_mock_broker_push_request_error_rtts(cluster, 1, OFFSET_FETCH_CALL, 1, RD_KAFKA_RESP_ERR_NOT_COORDINATOR, 0);
	close_and_free(&second, 5000);
	AWAIT(&first, first.assigned == 3);
	close_and_free(&first, 5000);
	rd_kafka_mock_cluster_destroy(cluster);
	cluster = only;
}

/* librdkafka would ask again what is known, and leave the partition alone when that is refused. */
static void test_kafka__a_partition_without_a_commit_is_asked_for_once(void **state)
{
	const rd_kafka_resp_err_t refused[] = {RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR_NOT_COORDINATOR};
	struct seen               seen;

	(void)state;
	rd_kafka_mock_topic_create(cluster, "uncommitted", 1, 1);
	open_with(&seen, config_new(brokers()), EVPIPE_ROLE_SEND | EVPIPE_ROLE_RECEIVE);
	send_all(&seen, "uncommitted", 0, 20);
	rd_kafka_mock_push_request_errors_array(cluster, OFFSET_FETCH_CALL, COUNT_OF(refused), refused);
	subscribe(&seen, "uncommitted", "uncommitted");
	AWAIT(&seen, seen.records == 20);
	rd_kafka_mock_clear_request_errors(cluster, OFFSET_FETCH_CALL);
	close_and_free(&seen, 1000);
}

/* librdkafka before 2.3 aborts when such a client is destroyed. */
static void test_kafka__a_member_that_never_learnt_its_assignment_may_end(void **state)
{
	rd_kafka_resp_err_t refused[100];
	struct seen         seen;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(refused); i++)
		refused[i] = RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS;
	rd_kafka_mock_topic_create(cluster, "unlearnt", 1, 1);
	for (int closes = 0; closes <= 1; closes++) {
		rd_kafka_mock_push_request_errors_array(cluster, SYNC_GROUP_CALL, COUNT_OF(refused), refused);
		open_with(&seen, config_new(brokers()), EVPIPE_ROLE_RECEIVE);
		subscribe(&seen, "unlearnt", "unlearnt");
		const evpipe__kafka_consumer *consumer = ((evpipe__kafka *)seen.self)->consumers[0];
		AWAIT(&seen, strcmp(rd_kafka_rebalance_protocol(consumer->client.rk), "COOPERATIVE") == 0);
		assert_int_equal(seen.assigned, 0);
		if (closes)
			ops->close(seen.self, 1000);
		for (int64_t until_ms = now_ms() + 2000; closes && step(&seen) != EVPIPE_ECLOSED && now_ms() < until_ms;)
			usleep(2000);
		ops->free(seen.self);
		evpipe_config_free(seen.config);
		rd_kafka_mock_clear_request_errors(cluster, SYNC_GROUP_CALL);
	}
	/* Nor do they stand in the way of who comes after them. */
	open_with(&seen, config_new(brokers()), EVPIPE_ROLE_RECEIVE);
	subscribe(&seen, "unlearnt", "unlearnt");
	AWAIT(&seen, seen.assigned);
	close_and_free(&seen, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kafka__what_cannot_be_is_refused_before_anything_is_opened),
		cmocka_unit_test(test_kafka__properties_reach_the_client_they_are_for),
		cmocka_unit_test(test_kafka__a_fatal_producer_reports_each_send_once_and_is_replaced),
		cmocka_unit_test(test_kafka__what_the_broker_refuses_for_now_is_sent_again_by_itself),
		cmocka_unit_test(test_kafka__what_the_broker_refuses_for_good_is_reported_with_its_reason),
		cmocka_unit_test(test_kafka__what_was_not_alone_in_a_batch_that_is_too_large_may_be_sent_again),
		cmocka_unit_test(test_kafka__a_broker_that_is_not_there_is_told_of_and_nothing_waits),
		cmocka_unit_test(test_kafka__a_broker_that_goes_and_comes_is_told_of),
		cmocka_unit_test(test_kafka__the_broker_may_go_while_partitions_come),
		cmocka_unit_test(test_kafka__a_partition_is_woken_when_librdkafka_rests),
		cmocka_unit_test(test_kafka__what_was_settled_is_committed_when_the_coordinator_takes_it_again),
		cmocka_unit_test(test_kafka__a_member_commits_nothing_while_it_joins_again),
		cmocka_unit_test(test_kafka__what_was_committed_is_learnt_from_a_coordinator_that_was_not_found_at_first),
		cmocka_unit_test(test_kafka__what_was_committed_is_asked_of_the_coordinator_that_the_group_has_moved_to),
		cmocka_unit_test(test_kafka__a_static_member_that_another_has_taken_the_place_of_loses_all),
		cmocka_unit_test(test_kafka__a_partition_without_a_commit_is_asked_for_once),
		cmocka_unit_test(test_kafka__a_member_that_never_learnt_its_assignment_may_end),
	};
	return cmocka_run_group_tests_name("kafka", tests, set_up, tear_down);
}
