/*
 * The table of operations: complete, refused where it is not, and honest about what it lacks.
 */
#include "harness.h"

#define SLOT(name, optional) {#name, offsetof(evpipe_transport_ops, name), optional}

static const struct slot {
	const char *name;
	size_t      offset;
	int         is_optional;
} slots[] = {
	SLOT(open, 0),	SLOT(close, 0),	   SLOT(free, 0),	SLOT(send, 0), SLOT(flush, 0), SLOT(record_max, 0),
	SLOT(subscribe, 0), SLOT(settle, 0), SLOT(hold, 0),	SLOT(release, 0), SLOT(relinquish, 0), SLOT(poll, 0),
	SLOT(fd, 1),	SLOT(next_due, 0), SLOT(wake, 1), SLOT(memory, 0), SLOT(ensure_topic, 0),
};

typedef void (*function)(void);

static function get_slot(const evpipe_transport_ops *table, const struct slot *slot)
{
	function value;
	memcpy(&value, (const char *)table + slot->offset, sizeof value);
	return value;
}

static void find_table(void)
{
	free_instance(open_sender());
	assert_non_null(ops);
}

/* What a table is refused with; 0: it is taken. The configuration is thrown away. */
static evpipe_err offer(const evpipe_transport_ops *table, evpipe_error *error)
{
	evpipe_config *other;
	error->text[0] = '\0';
	assert_int_equal(evpipe_config_new(&other), EVPIPE_OK);
	evpipe_err err = evpipe_config_use_transport(other, table, NULL, error);
	evpipe_config_free(other);
	return err;
}

static void test_features__table_is_complete(void **state)
{
	(void)state;
	find_table();
	assert_int_equal(ops->size, sizeof *ops);
	assert_non_null(ops->name);
	assert_true(ops->name[0] != '\0');
	for (size_t i = 0; i < COUNT_OF(slots); i++)
		if (!slots[i].is_optional)
			assert_non_null(get_slot(ops, &slots[i]));
	if (has_feature(EVPIPE_FEATURE_LAG))
		assert_non_null(ops->lag);
}

static void test_features__incomplete_table_is_refused_by_the_name_of_its_slot(void **state)
{
	evpipe_error error;

	(void)state;
	find_table();
	for (size_t i = 0; i < COUNT_OF(slots); i++) {
		evpipe_transport_ops table = *ops;
		memset((char *)&table + slots[i].offset, 0, sizeof(function));
		evpipe_err err = offer(&table, &error);
		assert_int_equal(err, slots[i].is_optional ? EVPIPE_OK : EVPIPE_EINVAL);
		if (err)
			assert_non_null(strstr(error.text, slots[i].name));
	}
	evpipe_transport_ops table = *ops;
	table.lag = NULL;
	table.features |= EVPIPE_FEATURE_LAG;
	assert_int_equal(offer(&table, &error), EVPIPE_EINVAL);
	assert_non_null(strstr(error.text, "lag"));
	table.features &= ~(uint32_t)EVPIPE_FEATURE_LAG;
	assert_int_equal(offer(&table, &error), EVPIPE_OK);
}

static void test_features__foreign_table_is_refused(void **state)
{
	evpipe_error         error;
	evpipe_transport_ops table;

	(void)state;
	find_table();
	table = *ops;
	table.size = 0;
	assert_int_equal(offer(&table, &error), EVPIPE_EINVAL);
	table.size = sizeof table - sizeof(function);
	assert_int_equal(offer(&table, &error), EVPIPE_EINVAL);
	table = *ops;
	table.name = NULL;
	assert_int_equal(offer(&table, &error), EVPIPE_EINVAL);
	assert_int_equal(offer(NULL, &error), EVPIPE_EINVAL);
	assert_true(error.text[0] != '\0');
}

static void test_features__absent_ones_are_not_supported(void **state)
{
	evpipe_topic_spec spec = {.size = sizeof spec, .name = "never-there", .partitions = 1, .create = 1};

	(void)state;
	find_table();
	if (!has_feature(EVPIPE_FEATURE_TOPICS)) {
		struct instance *instance = open_sender();
		assert_int_equal(ops->ensure_topic(instance->self, &spec), EVPIPE_ENOTSUP);
	}
	if (!has_feature(EVPIPE_FEATURE_HEADERS)) {
		evpipe_header    header = {"name", "value", 5};
		evpipe_record    record = {.topic = "t", .partition = 0, .headers = &header, .headers_count = 1};
		struct instance *instance = open_sender();
		assert_int_equal(ops->send(instance->self, &record, 0), EVPIPE_ENOTSUP);
	}
}

int conformance_features(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_features__table_is_complete),
		CASE(test_features__incomplete_table_is_refused_by_the_name_of_its_slot),
		CASE(test_features__foreign_table_is_refused),
		CASE(test_features__absent_ones_are_not_supported),
	};
	return cmocka_run_group_tests_name("features", tests, NULL, NULL);
}
