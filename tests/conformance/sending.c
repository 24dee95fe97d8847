/*
 * Sending: each record that was accepted is reported once, and what cannot be sent is refused.
 */
#include "harness.h"

static void test_sending__each_that_was_accepted_is_reported_once(void **state)
{
	char topic[NAME_MAX_BYTES];

	(void)state;
	new_topic(topic, 4);
	struct instance *sender = open_sender();
	send_numbers(sender, topic, EVPIPE_PARTITION_ANY, 0, 1000);
	ops->flush(sender->self);
	AWAIT(sender->reported == sender->sent);
	assert_int_equal(sender->persisted, 1000);
	pass(100);
	close_instance(sender, 1000);
	assert_int_equal(sender->reported, 1000);
}

static void test_sending__full_is_not_for_ever_and_takes_the_same_record_later(void **state)
{
	static char value[1024];
	char        topic[NAME_MAX_BYTES];
	evpipe_err  err = EVPIPE_OK;

	(void)state;
	new_topic(topic, 1);
	struct instance *sender = open_instance(EVPIPE_ROLE_SEND, 1 * MIB);
	evpipe_record    record = {.topic = topic, .partition = 0, .value = value, .value_len = sizeof value};
	while (sender->sent < SENDINGS_MAX - 1) {
		sender->sendings[sender->sent].is_sent = 1;
		err = ops->send(sender->self, &record, sender->sent);
		if (err)
			break;
		sender->sent++;
		assert_true(ops->memory(sender->self) <= sender->memory_max);
	}
	assert_int_equal(err, EVPIPE_EAGAIN);
	uint64_t at_once = sender->sent;
	assert_true(at_once > 0);
	assert_true(at_once * sizeof value <= sender->memory_max);
	send_record(sender, &record);
	AWAIT(sender->reported == sender->sent);
	assert_int_equal(sender->persisted, at_once + 1);
	assert_true(ops->memory(sender->self) < sender->memory_max / 4);
}

static evpipe_err send_of_size(struct instance *sender, const char *topic, size_t size)
{
	char *value = calloc(1, size);
	assert_non_null(value);
	evpipe_record record = {.topic = topic, .partition = 0, .value = value, .value_len = size};
	sender->sendings[sender->sent].is_sent = 1;
	evpipe_err err = ops->send(sender->self, &record, sender->sent);
	sender->sent += err == EVPIPE_OK;
	free(value);
	return err;
}

static void test_sending__the_largest_record_is_taken_and_a_larger_one_refused(void **state)
{
	char topic[NAME_MAX_BYTES];

	(void)state;
	new_topic(topic, 1);
	struct instance *sender = open_instance(EVPIPE_ROLE_SEND, 64 * MIB);
	send_number(sender, topic, 0, NULL, 1);
	AWAIT(sender->reported == 1);
	size_t max = ops->record_max(sender->self);
	assert_true(max > 0);
	if (max > 32 * MIB)
		skip_since("records may be as large as they like");
	assert_int_equal(send_of_size(sender, topic, max), EVPIPE_OK);
	AWAIT(sender->reported == 2);
	assert_int_equal(sender->persisted, 2);
	/* Where only the broker knows, it is reported. */
	evpipe_err err = send_of_size(sender, topic, max + 1);
	if (!err) {
		AWAIT(sender->reported == 3);
		assert_int_equal(sender->sendings[2].outcome, EVPIPE_NOT);
		err = sender->sendings[2].err;
	}
	assert_int_equal(err, EVPIPE_ETOOLARGE);
	assert_int_equal(sender->persisted, 2);
	send_number(sender, topic, 0, NULL, 2);
	AWAIT(sender->reported == sender->sent);
	assert_int_equal(sender->persisted, 3);
}

/* Refused at once, or reported as not sent. */
static evpipe_err refusal_of(struct instance *sender, const evpipe_record *record)
{
	uint64_t token = sender->sent;
	sender->sendings[token].is_sent = 1;
	evpipe_err err = ops->send(sender->self, record, token);
	if (err)
		return err;
	sender->sent++;
	AWAIT(sender->sendings[token].is_reported);
	assert_int_equal(sender->sendings[token].outcome, EVPIPE_NOT);
	return sender->sendings[token].err;
}

static void test_sending__unknown_topic_is_refused(void **state)
{
	char          topic[NAME_MAX_BYTES];
	evpipe_record record = {.topic = topic, .partition = EVPIPE_PARTITION_ANY, .value = "x", .value_len = 1};

	(void)state;
	if (target->quirks & CONFORMANCE_TOPICS_CREATE_THEMSELVES)
		skip_since("topics create themselves here");
	new_name(topic, "conformance");
	assert_int_equal(refusal_of(open_sender(), &record), EVPIPE_ETOPIC);
}

static void test_sending__unknown_partition_is_refused(void **state)
{
	char          topic[NAME_MAX_BYTES];
	evpipe_record record = {.topic = topic, .partition = 2, .value = "x", .value_len = 1};

	(void)state;
	new_topic(topic, 2);
	struct instance *sender = open_sender();
	send_number(sender, topic, 1, NULL, 1);
	AWAIT(sender->persisted == 1);
	evpipe_err err = refusal_of(sender, &record);
	assert_true(err == EVPIPE_EINVAL || err == EVPIPE_ETOPIC);
	record.partition = -2;
	assert_int_equal(ops->send(sender->self, &record, 77), EVPIPE_EINVAL);
	pass(50);
	assert_int_equal(sender->persisted, 1);
}

int conformance_sending(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_sending__each_that_was_accepted_is_reported_once),
		CASE(test_sending__full_is_not_for_ever_and_takes_the_same_record_later),
		CASE(test_sending__the_largest_record_is_taken_and_a_larger_one_refused),
		CASE(test_sending__unknown_topic_is_refused),
		CASE(test_sending__unknown_partition_is_refused),
	};
	return cmocka_run_group_tests_name("sending", tests, NULL, NULL);
}
