/*
 * The test broker, in real time.
 */
#include "conformance.h"
#include "testbroker.h"

static void *begin(evpipe_config *config, const char **why)
{
	evpipe_testbroker *broker = NULL;
	(void)why;
	if (!evpipe_testbroker_new_realtime(&broker) && evpipe_testbroker_attach(broker, config)) {
		evpipe_testbroker_free(broker);
		broker = NULL;
	}
	return broker;
}

int main(void)
{
	static const struct conformance_target target = {
		.name = "test broker in real time", .begin = begin, .end = world_end, .expel = world_expel, .set_away = world_set_away};
	return conformance_run(&target);
}
