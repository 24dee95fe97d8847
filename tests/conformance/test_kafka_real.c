/*
 * Kafka as it is: EVPIPE_TEST_KAFKA=HOST:PORT says where. It must not create topics by itself; those that are made stay.
 */
#include <poll.h>
#include <stdlib.h>

#include "kafka.h"
#include "settings.h"

#define ANSWER_S 15

/* Asks for a topic; that there is none is an answer, too. */
static int is_answered(const evpipe_config *config)
{
	const evpipe_topic_spec     spec = {.size = sizeof spec, .name = "evpipe-is-anybody-there"};
	const evpipe_runtime       *runtime = evpipe__settings_runtime(config);
	const evpipe_transport_ops *ops;
	evpipe_transport_setup      setup = {
		     .size = sizeof setup, .roles = EVPIPE_ROLE_SEND, .memory_max = 1 << 20, .runtime = runtime};
	evpipe_transport_event event = {.type = EVPIPE_TRANSPORT_NOTICE};
	evpipe_error           error;
	void                  *self;

	if (evpipe__settings_open_transport(config, &setup, &ops, &self, &error) != EVPIPE_OK) {
		fprintf(stderr, "%s\n", error.text);
		return 0;
	}
	int64_t until_ms = runtime->mono_ms(runtime->ctx) + ANSWER_S * 1000;
	evpipe_err err = ops->ensure_topic(self, &spec);
	while (!err && event.type != EVPIPE_TRANSPORT_TOPIC && runtime->mono_ms(runtime->ctx) < until_ms)
		if (ops->poll(self, 0, &event) != EVPIPE_OK)
			poll(NULL, 0, 10);
	ops->free(self);
	return event.type == EVPIPE_TRANSPORT_TOPIC;
}

static void *begin(evpipe_config *config, const char **why)
{
	char *bootstraps = getenv("EVPIPE_TEST_KAFKA");

	if (!bootstraps || !*bootstraps) {
		*why = "EVPIPE_TEST_KAFKA=HOST:PORT does not say where a Kafka is";
		return NULL;
	}
	if (!use_kafka(config, bootstraps, "6000"))
		return NULL;
	if (!is_answered(config)) {
		/* Rather than that each case waits in vain. */
		fprintf(stderr, "EVPIPE_TEST_KAFKA=%s: no Kafka has answered there within %d s\n", bootstraps, ANSWER_S);
		return NULL;
	}
	return bootstraps;
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
