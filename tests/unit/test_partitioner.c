#include "test.h"

#include <evpipe-transport.h>

/* Values of org.apache.kafka.common.utils.Utils.murmur2, from the tests of Kafka's own clients. */
static void test_partitioner__hashes_as_kafkas_java_clients_do(void **state)
{
	static const struct {
		const char *key;
		int32_t     hash;
	} known[] = {
		{"21", -973932308},
		{"foobar", -790332482},
		{"a-little-bit-long-string", -985981536},
		{"a-little-bit-longer-string", -1486304829},
		{"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
		{"abc", 479470107},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(known); i++)
		assert_int_equal((int32_t)evpipe_murmur2(known[i].key, strlen(known[i].key)), known[i].hash);
}

static void test_partitioner__a_negative_hash_gives_a_partition_there_is(void **state)
{
	(void)state;
	assert_int_equal(evpipe_partition_of("21", 2, 8), (-973932308 & 0x7fffffff) % 8);
	assert_int_equal(evpipe_partition_of("abc", 3, 1), 0);
	assert_in_range(evpipe_partition_of("", 0, 1024), 0, 1023);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_partitioner__hashes_as_kafkas_java_clients_do),
		cmocka_unit_test(test_partitioner__a_negative_hash_gives_a_partition_there_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
