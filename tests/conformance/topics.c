/*
 * Topics: made where that is asked for, never altered.
 */
#include "harness.h"

static void ensure(struct instance *instance, const char *name, int32_t partitions, int create)
{
	evpipe_topic_spec spec = {.size = sizeof spec,
				  .name = name,
				  .partitions = partitions,
				  .retention_ms = 86400000,
				  .create = create};
	unsigned before = instance->topics;
	assert_int_equal(ops->ensure_topic(instance->self, &spec), EVPIPE_OK);
	AWAIT(instance->topics > before);
}

static void test_topics__one_that_is_asked_for_is_made(void **state)
{
	char name[NAME_MAX_BYTES];

	(void)state;
	if (!has_feature(EVPIPE_FEATURE_TOPICS) || (target->quirks & CONFORMANCE_CANNOT_CREATE_TOPICS))
		skip_since("topics cannot be created here");
	struct instance *instance = open_sender();
	new_name(name, "conformance");
	ensure(instance, name, 3, 1);
	assert_int_equal(instance->topic_err, EVPIPE_OK);
	assert_false(instance->topic_differs);
	for (int32_t partition = 0; partition < 3; partition++)
		send_number(instance, name, partition, NULL, 1);
	AWAIT(instance->reported == 3);
	assert_int_equal(instance->persisted, 3);
}

static void test_topics__one_that_is_there_is_left_as_it_is(void **state)
{
	char name[NAME_MAX_BYTES];

	(void)state;
	new_topic(name, 2);
	struct instance *instance = open_sender();
	ensure(instance, name, 5, 0);
	assert_int_equal(instance->topic_err, EVPIPE_OK);
	ensure(instance, name, 2, 0);
	assert_int_equal(instance->topic_err, EVPIPE_OK);
	if (!has_feature(EVPIPE_FEATURE_TOPICS) || (target->quirks & CONFORMANCE_CANNOT_CREATE_TOPICS))
		return;
	ensure(instance, name, 5, 1);
	assert_int_equal(instance->topic_err, EVPIPE_OK);
	assert_true(instance->topic_differs);
	/* It still has two. */
	evpipe_record record = {.topic = name, .partition = 4, .value = "x", .value_len = 1};
	instance->sendings[0].is_sent = 1;
	evpipe_err err = ops->send(instance->self, &record, 0);
	instance->sent += err == EVPIPE_OK;
	AWAIT(instance->reported == instance->sent);
	assert_int_equal(instance->persisted, 0);
}

static void test_topics__one_that_may_not_be_made_is_not(void **state)
{
	char name[NAME_MAX_BYTES];

	(void)state;
	if (target->quirks & CONFORMANCE_TOPICS_CREATE_THEMSELVES)
		skip_since("topics create themselves here");
	struct instance *instance = open_sender();
	new_name(name, "conformance");
	for (int i = 0; i < 2; i++) {
		ensure(instance, name, 3, 0);
		assert_int_equal(instance->topic_err, EVPIPE_ETOPIC);
	}
}

static void test_topics__receivers_ask_for_them_too(void **state)
{
	char name[NAME_MAX_BYTES];

	(void)state;
	new_topic(name, 2);
	struct instance *instance = open_instance(EVPIPE_ROLE_RECEIVE, 16 * MIB);
	ensure(instance, name, 2, 0);
	assert_int_equal(instance->topic_err, EVPIPE_OK);
}

int conformance_topics(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_topics__one_that_is_asked_for_is_made),
		CASE(test_topics__one_that_is_there_is_left_as_it_is),
		CASE(test_topics__one_that_may_not_be_made_is_not),
		CASE(test_topics__receivers_ask_for_them_too),
	};
	return cmocka_run_group_tests_name("topics", tests, NULL, NULL);
}
