/*
 * Receiving: when records come, and when not. One instance receives through all cases; each of them takes all that it
 * sends.
 */
#include "harness.h"

#include <poll.h>
#include <pthread.h>

#define PARTITIONS 4

static char             topic[NAME_MAX_BYTES];
static struct instance *receiver, *sender;

static int set_up(void **state)
{
	char group[NAME_MAX_BYTES];

	(void)state;
	new_topic(topic, PARTITIONS);
	new_name(group, "group");
	sender = open_sender();
	receiver = open_receiver(group, topic);
	AWAIT(receiver->ours == PARTITIONS);
	return 0;
}

/* What one case leaves behind is nothing to the next. */
static int calm_down(void **state)
{
	(void)state;
	receiver->is_full = 0;
	receiver->records_max = 0;
	for (size_t i = 0; i < OWNED_MAX; i++) {
		if (receiver->owned[i].state != OURS || !receiver->owned[i].is_held)
			continue;
		receiver->owned[i].is_held = 0;
		ops->release(receiver->self, receiver->owned[i].assignment);
	}
	pass(300);
	return 0;
}

static void take_all(uint64_t before, unsigned count)
{
	AWAIT(receiver->records == before + count);
	pass(50);
	assert_int_equal(receiver->records, before + count);
}

static void test_receiving__poll_without_records_gives_everything_else(void **state)
{
	uint64_t before = receiver->records;

	(void)state;
	receiver->is_full = 1;
	send_numbers(sender, topic, EVPIPE_PARTITION_ANY, 0, 50);
	AWAIT(sender->reported == sender->sent);
	pass(300);
	assert_int_equal(receiver->records, before);
	receiver->is_full = 0;
	take_all(before, 50);
}

static void test_receiving__a_held_partition_gives_nothing_and_loses_nothing(void **state)
{
	struct owned *held = find_owned(receiver, topic, 0), *other = find_owned(receiver, topic, 1);
	uint64_t      before = receiver->records;

	(void)state;
	unsigned of_held = held->records, of_other = other->records;
	receiver->is_full = 1;
	send_numbers(sender, topic, 0, 0, 100);
	send_numbers(sender, topic, 1, 0, 100);
	AWAIT(sender->reported == sender->sent);
	/* In the midst of a stream, */
	receiver->is_full = 0;
	receiver->records_max = before + 10;
	AWAIT(receiver->records == before + 10);
	receiver->records_max = 0;
	ops->hold(receiver->self, held->assignment);
	held->is_held = 1;
	of_held = held->records - of_held;
	AWAIT(other->records == of_other + 100);
	/* and while more comes. */
	send_numbers(sender, topic, 0, 100, 50);
	send_numbers(sender, topic, 1, 100, 50);
	AWAIT(other->records == of_other + 150);
	pass(200);
	assert_int_equal(receiver->records, before + 150 + of_held);
	held->is_held = 0;
	ops->release(receiver->self, held->assignment);
	take_all(before, 300);
}

static void test_receiving__hold_and_release_of_a_stale_assignment_do_nothing(void **state)
{
	struct owned     *owned = find_owned(receiver, topic, 0);
	evpipe_assignment stale = {.slot = owned->assignment.slot, .epoch = owned->assignment.epoch + 1000};
	evpipe_assignment nowhere = {.slot = EVPIPE_SLOTS_MAX - 1, .epoch = owned->assignment.epoch};
	uint64_t          before = receiver->records;

	(void)state;
	ops->hold(receiver->self, stale);
	ops->hold(receiver->self, nowhere);
	send_numbers(sender, topic, 0, 0, 10);
	take_all(before, 10);
	ops->hold(receiver->self, owned->assignment);
	owned->is_held = 1;
	ops->release(receiver->self, stale);
	ops->release(receiver->self, nowhere);
	send_numbers(sender, topic, 0, 0, 10);
	pass(200);
	owned->is_held = 0;
	ops->release(receiver->self, owned->assignment);
	take_all(before, 20);
}

static void test_receiving__lag_is_what_was_not_handed_out(void **state)
{
	struct owned *owned = find_owned(receiver, topic, 2);
	uint64_t      before = receiver->records;

	(void)state;
	if (!has_feature(EVPIPE_FEATURE_LAG))
		skip_since("lag is not known");
	receiver->is_full = 1;
	send_numbers(sender, topic, 2, 0, 20);
	AWAIT(ops->lag(receiver->self, owned->assignment) == 20);
	receiver->is_full = 0;
	receiver->records_max = before + 5;
	AWAIT(receiver->records == before + 5);
	AWAIT(ops->lag(receiver->self, owned->assignment) == 15);
	receiver->records_max = 0;
	take_all(before, 20);
	AWAIT(ops->lag(receiver->self, owned->assignment) == 0);
}

static void test_receiving__idle_is_quiet_and_poll_never_waits(void **state)
{
	evpipe_transport_event event;

	(void)state;
	pass(300);
	/* Whoever waits by descriptor and next_due is not kept busy. */
	assert_true(pass(1000) < 500);
	int64_t since_ms = now_ms();
	for (int i = 0; i < 1000; i++)
		assert_int_equal(ops->poll(receiver->self, 0, &event), EVPIPE_EAGAIN);
	/* A poll that waited at all would wait for some milliseconds. */
	assert_true(now_ms() - since_ms < 5000);
}

static void test_receiving__descriptor_and_next_due_tell_of_reports_and_commits(void **state)
{
	(void)state;
	send_numbers(sender, topic, 3, 0, 10);
	for (step(sender); sender->reported < sender->sent; step(sender))
		wait_as_told(sender);
	if (!has_feature(EVPIPE_FEATURE_OFFSETS))
		return;
	pass(300);
	for (size_t i = 0; i < receiver->taken_count; i++)
		assert_int_equal(settle(receiver, &receiver->taken[i]), EVPIPE_OK);
	unsigned before = receiver->commits;
	for (step(receiver); receiver->commits == before; step(receiver))
		wait_as_told(receiver);
	assert_int_equal(receiver->commits_failed, 0);
}

/* The descriptor alone says that there is something. */
static int is_readable(int timeout_ms)
{
	struct pollfd fd = {.fd = ops->fd(receiver->self), .events = POLLIN};
	return poll(&fd, 1, timeout_ms) == 1;
}

static void test_receiving__descriptor_speaks_when_something_comes(void **state)
{
	uint64_t before = receiver->records;

	(void)state;
	if (!ops->fd || ops->fd(receiver->self) < 0)
		skip_since("it has no descriptor");
	int fd = ops->fd(receiver->self);
	for (unsigned i = 0; i < 3; i++) {
		AWAIT(!step(receiver) && !is_readable(0));
		send_number(sender, topic, 3, NULL, i);
		int64_t since_ms = now_ms();
		while (!is_readable(10) && now_ms() - since_ms < 20000)
			step(sender);
		assert_true(is_readable(0));
		AWAIT(receiver->records == before + i + 1);
	}
	assert_int_equal(ops->fd(receiver->self), fd);
}

static void *wake(void *self)
{
	ops->wake(self);
	return NULL;
}

static void test_receiving__wake_from_another_thread_makes_it_readable(void **state)
{
	pthread_t thread;

	(void)state;
	if (!ops->wake || !ops->fd || ops->fd(receiver->self) < 0)
		skip_since("it has nothing to wake");
	for (int i = 0; i < 3; i++) {
		AWAIT(!step(receiver) && !is_readable(0));
		assert_int_equal(pthread_create(&thread, NULL, wake, receiver->self), 0);
		assert_true(is_readable(20000));
		pthread_join(thread, NULL);
	}
}

/* More than the memory, and less than what a mock cluster keeps of a partition (5 MiB). */
#define BACKLOG 32000

static void test_receiving__a_backlog_does_not_outgrow_the_memory(void **state)
{
	static char value[1024];
	char        group[NAME_MAX_BYTES], large[NAME_MAX_BYTES];

	(void)state;
	free_all_instances();
	new_topic(large, 8);
	new_name(group, "group");
	sender = open_sender();
	/* Not to be compressed: a transport that fetches compressed batches cannot know how large they will be. */
	uint32_t noise = 1;
	for (unsigned i = 0; i < BACKLOG; i++) {
		for (size_t at = 0; at < sizeof value; at++)
			value[at] = (char)((noise = noise * UINT32_C(1664525) + UINT32_C(1013904223)) >> 24);
		evpipe_record record = {.topic = large, .partition = (int32_t)(i % 8), .value = value, .value_len = sizeof value};
		send_record(sender, &record);
	}
	AWAIT(sender->reported == BACKLOG);
	receiver = open_instance(EVPIPE_ROLE_RECEIVE, 32 * MIB);
	size_t most = receiver->memory_max + (target->quirks & CONFORMANCE_ESTIMATES_MEMORY ? receiver->memory_max / 2 : 0);
	receiver->counts_only = 1;
	receiver->is_full = 1;
	subscribe(receiver, group, large);
	AWAIT(receiver->ours == 8);
	/* Nor is it kept busy by what it has no room for, though nothing was taken yet. */
	assert_true(pass(1000) < 500);
	assert_true(ops->memory(receiver->self) <= most);
	receiver->is_full = 0;
	AWAIT(receiver->records == BACKLOG);
	assert_true(receiver->memory_seen <= most);
}

int conformance_receiving(void)
{
#define RECEIVING(function) cmocka_unit_test_setup(function, calm_down)
	const struct CMUnitTest tests[] = {
		RECEIVING(test_receiving__poll_without_records_gives_everything_else),
		RECEIVING(test_receiving__a_held_partition_gives_nothing_and_loses_nothing),
		RECEIVING(test_receiving__hold_and_release_of_a_stale_assignment_do_nothing),
		RECEIVING(test_receiving__lag_is_what_was_not_handed_out),
		RECEIVING(test_receiving__idle_is_quiet_and_poll_never_waits),
		RECEIVING(test_receiving__descriptor_and_next_due_tell_of_reports_and_commits),
		RECEIVING(test_receiving__descriptor_speaks_when_something_comes),
		RECEIVING(test_receiving__wake_from_another_thread_makes_it_readable),
		RECEIVING(test_receiving__a_backlog_does_not_outgrow_the_memory),
	};
	return cmocka_run_group_tests_name("receiving", tests, set_up, clean_up);
}
