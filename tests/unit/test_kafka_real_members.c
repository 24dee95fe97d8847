/*
 * Members of a group on a Kafka as it is, EVPIPE_TEST_KAFKA=HOST:PORT, where its coordinator's time-outs matter: the mock
 * cluster waits for nearly a session's time-out at each rebalance. The topics that are made stay.
 */
#include <stdlib.h>

#include "kafka-mock.h"

static evpipe_config *real_config(void)
{
	return config_new(getenv("EVPIPE_TEST_KAFKA"));
}

static void create(const char *topic, int partitions)
{
	struct seen       seen;
	evpipe_topic_spec spec = {.size = sizeof spec, .name = topic, .partitions = partitions, .create = 1};

	open_with(&seen, real_config(), EVPIPE_ROLE_SEND);
	assert_int_equal(ops->ensure_topic(seen.self, &spec), EVPIPE_OK);
	AWAIT(&seen, seen.topics);
	assert_int_equal(seen.topic_err, EVPIPE_OK);
	close_and_free(&seen, 1000);
}

/* It would take until the end of this session, which nobody waits for here. */
#define LONG_SESSION "120000"

static evpipe_config *long_session_config(void)
{
	evpipe_config *config = real_config();

	set(config, "kafka.consumer.session.timeout.ms", LONG_SESSION);
	look_often(config);
	return config;
}

static void test_kafka__a_client_that_is_replaced_does_not_keep_its_place(void **state)
{
	char              names[2][64];
	const char *const topics[] = {names[0], names[1]};
	struct seen       first, second;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		snprintf(names[i], sizeof names[i], "replaced.%zu.%lld.%ld", i, (long long)time(NULL), (long)getpid());
	create(topics[0], 4);
	open_with(&first, long_session_config(), EVPIPE_ROLE_RECEIVE);
	subscribe_to(&first, names[0], topics, 2);
	AWAIT(&first, first.assigned == 4);
	first.keeps = 1;
	open_with(&second, long_session_config(), EVPIPE_ROLE_RECEIVE);
	subscribe_to(&second, names[0], topics, 2);
	AWAIT(&first, (step(&second), first.revoked == 2));
	/* A topic that changes in the midst of it. */
	create(topics[1], 2);
	AWAIT(&first, (step(&second), first.lost == 4));
	assert_true(heard(&first, "joins its group anew"));
	first.keeps = 0;
	AWAIT(&first, (step(&second), first.assigned == 4 + 3 && second.assigned >= 3));
	close_and_free(&second, 5000);
	close_and_free(&first, 5000);
}

int main(void)
{
	const char  *address = getenv("EVPIPE_TEST_KAFKA");
	evpipe_error error;

	if (!address || !*address) {
		printf("skipped: EVPIPE_TEST_KAFKA=HOST:PORT does not say where a Kafka is\n");
		return 77;
	}
	if (evpipe_transport_find(&ops, "kafka://", &error) != EVPIPE_OK)
		return 1;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kafka__a_client_that_is_replaced_does_not_keep_its_place),
	};
	return cmocka_run_group_tests_name("kafka", tests, NULL, NULL);
}
