/*
 * What is the Kafka transport's own on a mock cluster: how it is configured, what it does when librdkafka or the broker
 * fails.
 */
#include "kafka-mock.h"

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
	assert_true(heard(&seen, "on purpose"));
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
	assert_true(heard(&seen, "topic batches: a batch was too large for it"));
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
	assert_true(heard(&seen, "127.0.0.1:9"));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		kafka_test(test_kafka__what_cannot_be_is_refused_before_anything_is_opened),
		kafka_test(test_kafka__properties_reach_the_client_they_are_for),
		kafka_test(test_kafka__a_fatal_producer_reports_each_send_once_and_is_replaced),
		kafka_test(test_kafka__what_the_broker_refuses_for_now_is_sent_again_by_itself),
		kafka_test(test_kafka__what_the_broker_refuses_for_good_is_reported_with_its_reason),
		kafka_test(test_kafka__what_was_not_alone_in_a_batch_that_is_too_large_may_be_sent_again),
		kafka_test(test_kafka__a_broker_that_is_not_there_is_told_of_and_nothing_waits),
		kafka_test(test_kafka__a_broker_that_goes_and_comes_is_told_of),
	};
	return cmocka_run_group_tests_name("kafka", tests, NULL, NULL);
}
