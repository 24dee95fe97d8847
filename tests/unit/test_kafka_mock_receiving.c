/*
 * Partitions that come, records, commits, while librdkafka or the coordinator fails.
 */
#include "kafka-mock.h"

/*
 * The question what was committed, put while the broker is away: as an admin request that runs out of time, it would have
 * librdkafka abort the process when the broker is back. ABSENCE_MS is longer than one would wait for it.
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
	AWAIT(&seen, heard(&seen, "committed offsets are not known yet"));
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

static void test_kafka__what_was_committed_is_learnt_from_a_coordinator_that_was_not_found_at_first(void **state)
{
	struct seen seen;

	(void)state;
	rd_kafka_mock_topic_create(cluster, "unfound", 1, 1);
	open_with(&seen, config_new(brokers()), EVPIPE_ROLE_RECEIVE);
	subscribe(&seen, "unfound", "unfound");
	const evpipe__kafka_consumer *consumer = consumer_of(&seen);
	AWAIT(&seen, evpipe__kafka_is_joining(consumer->joins));
	refuse_calls(FIND_COORDINATOR_CALL, 6, RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE);
	AWAIT(&seen, seen.assigned);
	rd_kafka_mock_clear_request_errors(cluster, FIND_COORDINATOR_CALL);
	close_and_free(&seen, 1000);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		kafka_test(test_kafka__the_broker_may_go_while_partitions_come),
		kafka_test(test_kafka__a_partition_is_woken_when_librdkafka_rests),
		kafka_test(test_kafka__what_was_settled_is_committed_when_the_coordinator_takes_it_again),
		kafka_test(test_kafka__what_was_committed_is_learnt_from_a_coordinator_that_was_not_found_at_first),
		kafka_test(test_kafka__what_was_committed_is_asked_of_the_coordinator_that_the_group_has_moved_to),
		kafka_test(test_kafka__a_partition_without_a_commit_is_asked_for_once),
	};
	return cmocka_run_group_tests_name("kafka", tests, NULL, NULL);
}
