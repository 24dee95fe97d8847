/*
 * The test broker's groups: who has which partition, and what the next owner takes over.
 */
#include "peer.h"

static evpipe_testbroker *open_broker(int32_t partitions)
{
	evpipe_testbroker *broker = NULL;
	assert_int_equal(evpipe_testbroker_new(&broker, 1), EVPIPE_OK);
	create_topic(broker, "t", partitions);
	return broker;
}

static void open_member(struct peer *peer, evpipe_testbroker *broker)
{
	peer_open(peer, broker);
	peer_subscribe(peer, "g", "t");
	peer_poll(peer);
}

static void test_testbroker_groups__a_cooperative_rebalance_takes_only_what_moves(void **state)
{
	evpipe_testbroker *broker = open_broker(8);
	struct peer        one, two, three;
	(void)state;

	open_member(&one, broker);
	assert_int_equal(peer_owned(&one), 8);
	open_member(&two, broker);
	assert_int_equal(peer_owned(&two), 0); /* not before the other has given back */
	peer_poll(&one);
	assert_int_equal(one.revoked, 4);
	assert_int_equal(peer_owned(&one), 4);
	peer_poll(&two);
	assert_int_equal(peer_owned(&two), 0);
	peer_relinquish_all(&one);
	peer_poll(&two);
	assert_int_equal(peer_owned(&two), 4);

	open_member(&three, broker);
	peer_poll(&one);
	peer_poll(&two);
	peer_relinquish_all(&one);
	peer_relinquish_all(&two);
	peer_poll(&three);
	assert_int_equal(peer_owned(&one) + peer_owned(&two) + peer_owned(&three), 8);
	assert_in_range(peer_owned(&three), 2, 3);
	assert_int_equal(one.revoked + two.revoked, 4 + peer_owned(&three));

	peer_close(&one);
	peer_poll(&two);
	peer_poll(&three);
	assert_int_equal(peer_owned(&two), 4);
	assert_int_equal(peer_owned(&three), 4);
	peer_close(&two);
	peer_close(&three);
	evpipe_testbroker_free(broker);
}

static void test_testbroker_groups__an_eager_rebalance_takes_everything_first(void **state)
{
	evpipe_testbroker *broker = open_broker(8);
	struct peer        one, two;
	(void)state;

	evpipe_testbroker_set_protocol(broker, EVPIPE_REBALANCE_EAGER);
	open_member(&one, broker);
	assert_int_equal(peer_owned(&one), 8);
	open_member(&two, broker);
	peer_poll(&one);
	assert_int_equal(one.revoked, 8);
	peer_poll(&two);
	/* Not even what one has given back is given out before all is. */
	one.partitions[0].state = PEER_NONE;
	one.ops->relinquish(one.self, one.partitions[0].assignment);
	peer_poll(&one);
	peer_poll(&two);
	assert_int_equal(peer_owned(&one) + peer_owned(&two), 0);
	peer_relinquish_all(&one);
	peer_poll(&one);
	peer_poll(&two);
	assert_int_equal(peer_owned(&one), 4);
	assert_int_equal(peer_owned(&two), 4);
	peer_close(&one);
	peer_close(&two);
	evpipe_testbroker_free(broker);
}

static void test_testbroker_groups__a_rebalance_that_is_asked_for_gives_everybody_others(void **state)
{
	evpipe_testbroker *broker = open_broker(4);
	struct peer        one, two;
	(void)state;

	open_member(&one, broker);
	open_member(&two, broker);
	peer_poll(&one);
	peer_relinquish_all(&one);
	peer_poll(&two);
	assert_int_equal(evpipe_testbroker_rebalance(broker, "nobody's"), EVPIPE_EINVAL);
	assert_non_null(peer_partition(&one, "t", 0));
	assert_int_equal(evpipe_testbroker_rebalance(broker, "g"), EVPIPE_OK);
	peer_poll(&one);
	peer_poll(&two);
	assert_int_equal(peer_owned(&one) + peer_owned(&two), 0);
	peer_relinquish_all(&one);
	peer_relinquish_all(&two);
	peer_poll(&one);
	peer_poll(&two);
	assert_int_equal(peer_owned(&one), 2);
	assert_int_equal(peer_owned(&two), 2);
	assert_null(peer_partition(&one, "t", 0));
	assert_non_null(peer_partition(&two, "t", 0));
	peer_close(&one);
	peer_close(&two);
	evpipe_testbroker_free(broker);
}

static void test_testbroker_groups__share_each_topic(void **state)
{
	static const char *const topics[] = {"t", "u", "v", "later"};
	evpipe_subscription      subscription = {
			 .size = sizeof subscription, .group = "g", .topics = topics, .topics_count = COUNT_OF(topics)};
	evpipe_testbroker *broker = open_broker(1);
	struct peer        peers[2];
	(void)state;

	create_topic(broker, "u", 1);
	create_topic(broker, "v", 4);
	for (int i = 0; i < 2; i++) {
		peer_open(&peers[i], broker);
		assert_int_equal(peers[i].ops->subscribe(peers[i].self, &subscription), EVPIPE_OK);
		assert_int_equal(peers[i].ops->subscribe(peers[i].self, &subscription), EVPIPE_EINVAL); /* in the group already */
	}
	peer_poll(&peers[0]);
	peer_poll(&peers[1]);
	assert_int_equal(peer_owned(&peers[0]), 3);
	assert_int_equal(peer_owned(&peers[1]), 3);
	/* A topic that comes later is shared, too. */
	create_topic(broker, "later", 6);
	peer_poll(&peers[0]);
	peer_poll(&peers[1]);
	assert_int_equal(peer_owned(&peers[0]), 6);
	assert_int_equal(peer_owned(&peers[1]), 6);
	assert_int_equal(peers[0].revoked + peers[1].revoked, 0);
	peer_close(&peers[0]);
	peer_close(&peers[1]);
	evpipe_testbroker_free(broker);
}

static void test_testbroker_groups__settled_records_are_committed_after_the_interval(void **state)
{
	evpipe_testbroker *broker = open_broker(1);
	const char        *metadata;
	struct peer        peer;
	(void)state;

	open_member(&peer, broker);
	append_many(broker, "t", 0, 10);
	peer_poll(&peer);
	assert_int_equal(peer.records_count, 10);
	assert_int_equal(evpipe_testbroker_committed(broker, "g", "t", 0, NULL), -1);
	assert_int_equal(evpipe_testbroker_lag(broker, "g", "t"), 10);
	peer_settle(&peer, 0, 4);
	peer_settle(&peer, 6, 8);
	assert_int_equal(peer.ops->next_due(peer.self), 1000);
	peer_poll(&peer);
	assert_int_equal(evpipe_testbroker_committed(broker, "g", "t", 0, NULL), -1);
	evpipe_testbroker_advance(broker, 1000);
	peer_poll(&peer);
	assert_int_equal(peer.committed, 1);
	assert_int_equal(evpipe_testbroker_committed(broker, "g", "t", 0, &metadata), 4);
	assert_string_not_equal(metadata, "");
	assert_int_equal(evpipe_testbroker_lag(broker, "g", "t"), 6);
	assert_int_equal(peer.ops->next_due(peer.self), INT64_MAX);
	peer_close(&peer);
	evpipe_testbroker_free(broker);
}

/* Nothing that was settled is handed out again, also what lies beyond the frontier. */
static void test_testbroker_groups__the_next_owner_skips_what_was_settled(void **state)
{
	evpipe_testbroker *broker = open_broker(1);
	struct peer        one, two;
	(void)state;

	open_member(&one, broker);
	append_many(broker, "t", 0, 10);
	peer_poll(&one);
	peer_settle(&one, 0, 3);
	peer_settle(&one, 5, 8);
	evpipe_testbroker_rebalance(broker, "g");
	open_member(&two, broker);
	peer_poll(&one);
	assert_int_equal(one.ops->settle(one.self, one.records[9].assignment, 9), EVPIPE_OK); /* while it drains */
	peer_relinquish_all(&one);
	assert_int_equal(one.ops->settle(one.self, one.records[3].assignment, 3), EVPIPE_ESTALE);
	peer_poll(&one);
	peer_poll(&two);
	struct peer *next = peer_owned(&one) ? &one : &two;
	assert_int_equal(evpipe_testbroker_committed(broker, "g", "t", 0, NULL), 3);
	size_t first = next == &one ? 10 : 0;
	assert_int_equal(next->records_count, first + 3);
	assert_int_equal(next->records[first].offset, 3);
	assert_int_equal(next->records[first + 1].offset, 4);
	assert_int_equal(next->records[first + 2].offset, 8);
	peer_close(&one);
	peer_close(&two);
	evpipe_testbroker_free(broker);
}

static void test_testbroker_groups__an_expelled_member_loses_what_it_had_and_joins_again(void **state)
{
	evpipe_testbroker *broker = open_broker(4);
	struct peer        one, two;
	(void)state;

	open_member(&one, broker);
	append_many(broker, "t", 0, 10);
	peer_poll(&one);
	peer_settle(&one, 0, 10);
	assert_int_equal(evpipe_testbroker_expel(broker, "g", 1), EVPIPE_EINVAL);
	assert_int_equal(evpipe_testbroker_expel(broker, "g", 0), EVPIPE_OK);
	assert_int_equal(one.ops->settle(one.self, one.records[0].assignment, 0), EVPIPE_ESTALE);
	open_member(&two, broker); /* has it all, since the other is not back yet */
	assert_int_equal(peer_owned(&two), 4);
	assert_int_equal(two.records_count, 10); /* nothing had been committed */
	peer_poll(&one);
	assert_int_equal(one.lost, 4);
	peer_poll(&two);
	assert_int_equal(two.revoked, 2);
	peer_relinquish_all(&two);
	peer_poll(&one);
	assert_int_equal(peer_owned(&one), 2);
	peer_close(&one);
	peer_close(&two);
	evpipe_testbroker_free(broker);
}

static void test_testbroker_groups__who_does_not_give_back_in_time_is_expelled(void **state)
{
	evpipe_testbroker *broker = open_broker(2);
	struct peer        one, two;
	(void)state;

	evpipe_testbroker_set_rebalance_timeout(broker, 5000);
	open_member(&one, broker);
	open_member(&two, broker);
	peer_poll(&one);
	assert_int_equal(one.revoked, 1);
	evpipe_testbroker_advance(broker, 4999);
	peer_poll(&two);
	assert_int_equal(peer_owned(&two), 0);
	evpipe_testbroker_advance(broker, 1);
	peer_poll(&two);
	assert_int_equal(peer_owned(&two), 2);
	peer_poll(&one);
	assert_int_equal(one.lost, 2);
	peer_close(&one);
	peer_close(&two);
	evpipe_testbroker_free(broker);
}

static void test_testbroker_groups__a_killed_member_commits_nothing(void **state)
{
	evpipe_testbroker *broker = open_broker(2);
	struct peer        one, two;
	(void)state;

	open_member(&one, broker);
	append_many(broker, "t", 0, 10);
	peer_poll(&one);
	peer_settle(&one, 0, 10);
	assert_int_equal(evpipe_testbroker_kill_member(broker, "g", 0), EVPIPE_OK);
	assert_int_equal(evpipe_testbroker_kill_member(broker, "g", 0), EVPIPE_EINVAL);
	assert_int_equal(peer_poll(&one), EVPIPE_ECLOSED);
	assert_int_equal(one.lost, 0); /* it is not told anything */
	one.ops->free(one.self);
	open_member(&two, broker);
	assert_int_equal(two.records_count, 10);
	peer_close(&two);
	evpipe_testbroker_free(broker);
}

static void test_testbroker_groups__a_held_partition_hands_out_nothing(void **state)
{
	evpipe_testbroker *broker = open_broker(2);
	struct peer        peer;
	(void)state;

	open_member(&peer, broker);
	peer.ops->hold(peer.self, peer_partition(&peer, "t", 0)->assignment);
	append_many(broker, "t", 0, 5);
	append_many(broker, "t", 1, 5);
	peer_poll_without_records(&peer);
	assert_int_equal(peer.records_count, 0);
	peer_poll(&peer);
	assert_int_equal(peer.records_count, 5);
	assert_int_equal(peer.records[0].partition, 1);
	assert_int_equal(peer.ops->lag(peer.self, peer_partition(&peer, "t", 0)->assignment), 5);
	assert_int_equal(peer.ops->lag(peer.self, peer_partition(&peer, "t", 1)->assignment), 0);
	assert_int_equal(peer.ops->memory(peer.self), 0);
	peer.ops->release(peer.self, peer_partition(&peer, "t", 0)->assignment);
	peer_poll(&peer);
	assert_int_equal(peer.records_count, 10);
	peer_close(&peer);
	evpipe_testbroker_free(broker);
}

static void test_testbroker_groups__one_instance_may_be_in_two(void **state)
{
	evpipe_testbroker *broker = open_broker(2);
	struct peer        peer;
	(void)state;

	create_topic(broker, "retry", 2);
	open_member(&peer, broker);
	peer_subscribe(&peer, "g-retry", "retry");
	peer_poll(&peer);
	assert_int_equal(peer_owned(&peer), 4);
	append_many(broker, "t", 0, 1);
	append_many(broker, "retry", 0, 1);
	peer_poll(&peer);
	peer_settle(&peer, 0, 2);
	peer_close(&peer);
	/* Close commits what was settled. */
	assert_int_equal(evpipe_testbroker_committed(broker, "g", "t", 0, NULL), 1);
	assert_int_equal(evpipe_testbroker_committed(broker, "g-retry", "retry", 0, NULL), 1);
	assert_int_equal(evpipe_testbroker_committed(broker, "g", "retry", 0, NULL), -1);
	evpipe_testbroker_free(broker);
}

/* A lane that is stuck does not let a partition run away from its frontier. */
static void test_testbroker_groups__a_partition_does_not_run_away_from_its_frontier(void **state)
{
	evpipe_testbroker     *broker = open_broker(1);
	evpipe_transport_event event;
	evpipe_assignment      assignment = {0};
	struct peer            peer;
	size_t                 taken = 0;
	const size_t           many = 200000;
	(void)state;

	open_member(&peer, broker);
	for (size_t i = 0; i < many / 1000; i++)
		append_many(broker, "t", 0, 1000);
	for (; peer.ops->poll(peer.self, 0, &event) == EVPIPE_OK; taken++) {
		assignment = event.assignment;
		if (event.record.offset > 0)
			assert_int_equal(peer.ops->settle(peer.self, assignment, event.record.offset), EVPIPE_OK);
	}
	assert_in_range(taken, 1000, many - 1);
	assert_int_equal(peer.ops->settle(peer.self, assignment, 0), EVPIPE_OK);
	for (; peer.ops->poll(peer.self, 0, &event) == EVPIPE_OK; taken++)
		peer.ops->settle(peer.self, assignment, event.record.offset);
	assert_int_equal(taken, many);
	peer_close(&peer);
	assert_int_equal(evpipe_testbroker_committed(broker, "g", "t", 0, NULL), many);
	evpipe_testbroker_free(broker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_testbroker_groups__a_cooperative_rebalance_takes_only_what_moves),
		cmocka_unit_test(test_testbroker_groups__an_eager_rebalance_takes_everything_first),
		cmocka_unit_test(test_testbroker_groups__a_rebalance_that_is_asked_for_gives_everybody_others),
		cmocka_unit_test(test_testbroker_groups__share_each_topic),
		cmocka_unit_test(test_testbroker_groups__settled_records_are_committed_after_the_interval),
		cmocka_unit_test(test_testbroker_groups__the_next_owner_skips_what_was_settled),
		cmocka_unit_test(test_testbroker_groups__an_expelled_member_loses_what_it_had_and_joins_again),
		cmocka_unit_test(test_testbroker_groups__who_does_not_give_back_in_time_is_expelled),
		cmocka_unit_test(test_testbroker_groups__a_killed_member_commits_nothing),
		cmocka_unit_test(test_testbroker_groups__a_held_partition_hands_out_nothing),
		cmocka_unit_test(test_testbroker_groups__one_instance_may_be_in_two),
		cmocka_unit_test(test_testbroker_groups__a_partition_does_not_run_away_from_its_frontier),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
