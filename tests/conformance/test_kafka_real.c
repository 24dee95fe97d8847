/*
 * Kafka as it is: EVPIPE_TEST_KAFKA=HOST:PORT says where. It must not create topics by itself; those that are made stay.
 */
#include <stdlib.h>

#include "kafka.h"

static void *begin(evpipe_config *config, const char **why)
{
	char *bootstraps = getenv("EVPIPE_TEST_KAFKA");

	if (!bootstraps || !*bootstraps) {
		*why = "EVPIPE_TEST_KAFKA=HOST:PORT does not say where a Kafka is";
		return NULL;
	}
	return use_kafka(config, bootstraps, "6000") ? bootstraps : NULL;
}

static void end(void *world)
{
	(void)world;
}

int main(void)
{
	static const struct conformance_target target = {
		.name = "kafka", .begin = begin, .end = end, .quirks = CONFORMANCE_ESTIMATES_MEMORY};
	return conformance_run(&target);
}
