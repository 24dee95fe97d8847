/*
 * Members of a group that join, go, and are out of it, in ways that librdkafka does not take well.
 */
#include "kafka-mock.h"

#include <dirent.h>

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
	const evpipe__kafka_consumer *consumer = consumer_of(&first);
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

/* ---- topics that change while partitions do ---- */

/* The second of two topics is not there yet; clients look often. */
static evpipe_config *begin_change(const char *const topics[2], int partitions)
{
	evpipe_config *config = config_new(brokers());

	rd_kafka_mock_topic_create(cluster, topics[0], partitions, 1);
	rd_kafka_mock_topic_create(cluster, topics[1], 2, 1);
	rd_kafka_mock_topic_set_error(cluster, topics[1], RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
	look_often(config);
	return config;
}

static void change(const char *const topics[2])
{
	rd_kafka_mock_topic_set_error(cluster, topics[1], RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void test_kafka__topics_that_change_while_partitions_go_do_not_cost_the_membership(void **state)
{
	static const char *const topics[] = {"going", "going.too"};
	struct seen              first, second;
	evpipe_config           *config = begin_change(topics, 4);

	(void)state;
	open_with(&first, config, EVPIPE_ROLE_RECEIVE);
	subscribe_to(&first, "going", topics, 2);
	AWAIT(&first, first.assigned == 4);
	first.keeps = 1;
	open_with(&second, config_new(brokers()), EVPIPE_ROLE_RECEIVE);
	subscribe_to(&second, "going", topics, 2);
	AWAIT(&first, (step(&second), first.revoked == 2));
	change(topics);
	AWAIT(&first, (step(&second), first.lost == 4));
	first.keeps = 0;
	/* When the session of the client before has ended, each gets its share, of the new topic, too. */
	AWAIT(&first, (step(&second), first.assigned == 4 + 3 && second.assigned >= 3));
	close_and_free(&second, 5000);
	close_and_free(&first, 5000);
}

#define JOIN_MS 15000

static void test_kafka__topics_that_change_while_partitions_come_do_not_cost_their_records(void **state)
{
	static const char *const topics[] = {"coming.1", "coming.2"};
	struct seen              seen;
	evpipe_config           *config = begin_change(topics, 2);

	(void)state;
	open_with(&seen, config, EVPIPE_ROLE_SEND | EVPIPE_ROLE_RECEIVE);
	send_all(&seen, topics[0], 0, 20);
	refuse_calls(OFFSET_FETCH_CALL, 2000, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
	subscribe_to(&seen, "coming.1", topics, 2);
	AWAIT(&seen, heard(&seen, "committed offsets are not known yet"));
	change(topics);
	/* Time for librdkafka to see it and to join; whether it does so in the midst of the question is its affair. */
	int64_t until_ms = now_ms() + JOIN_MS;
	AWAIT(&seen, seen.anew || now_ms() >= until_ms);
	rd_kafka_mock_clear_request_errors(cluster, OFFSET_FETCH_CALL);
	AWAIT(&seen, seen.records == 20);
	close_and_free(&seen, 5000);
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
	assert_true(heard(&seen, "it takes no more part in its group"));
	assert_int_equal(ops->settle(seen.self, seen.assignment, 0), EVPIPE_ESTALE);
	close_and_free(&seen, 5000);
}

static unsigned count_threads(void)
{
	DIR     *directory = opendir("/proc/self/task");
	unsigned count = 0;

	assert_non_null(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

/* Else librdkafka's threads would be there for ever, one of them busy. */
static void test_kafka__what_ends_while_partitions_come_or_go_leaves_no_threads(void **state)
{
	struct seen first, second;
	unsigned    before = count_threads();

	(void)state;
	rd_kafka_mock_topic_create(cluster, "ends", 2, 1);
	open_with(&first, config_new(brokers()), EVPIPE_ROLE_RECEIVE);
	subscribe(&first, "ends", "ends");
	AWAIT(&first, first.assigned == 2);
	first.keeps = 1;
	open_with(&second, config_new(brokers()), EVPIPE_ROLE_RECEIVE);
	subscribe(&second, "ends", "ends");
	AWAIT(&first, (step(&second), first.revoked));
	ops->free(first.self);
	const evpipe__kafka_consumer *consumer = consumer_of(&second);
	AWAIT(&second, consumer->state == EVPIPE__KAFKA_ASKING || second.assigned);
	ops->free(second.self);
	for (int64_t until_ms = now_ms() + DEADLINE_MS; count_threads() > before && now_ms() < until_ms;)
		usleep(10000);
	assert_true(count_threads() <= before);
	evpipe_config_free(first.config);
	evpipe_config_free(second.config);
}

/* librdkafka before 2.3 aborts when such a client is destroyed. */
static void test_kafka__a_member_that_never_learnt_its_assignment_may_end(void **state)
{
	struct seen seen;

	(void)state;
	rd_kafka_mock_topic_create(cluster, "unlearnt", 1, 1);
	for (int closes = 0; closes <= 1; closes++) {
		refuse_calls(SYNC_GROUP_CALL, 100, RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS);
		open_with(&seen, config_new(brokers()), EVPIPE_ROLE_RECEIVE);
		subscribe(&seen, "unlearnt", "unlearnt");
		const evpipe__kafka_consumer *consumer = consumer_of(&seen);
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
		kafka_test(test_kafka__a_member_commits_nothing_while_it_joins_again),
		kafka_test(test_kafka__topics_that_change_while_partitions_go_do_not_cost_the_membership),
		kafka_test(test_kafka__topics_that_change_while_partitions_come_do_not_cost_their_records),
		kafka_test(test_kafka__a_static_member_that_another_has_taken_the_place_of_loses_all),
		kafka_test(test_kafka__what_ends_while_partitions_come_or_go_leaves_no_threads),
		kafka_test(test_kafka__a_member_that_never_learnt_its_assignment_may_end),
	};
	return cmocka_run_group_tests_name("kafka", tests, NULL, NULL);
}
