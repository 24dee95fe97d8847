/*
 * The fault transport without faults, around the test broker in virtual time.
 */
#include "conformance.h"
#include "testbroker.h"

static void *begin(evpipe_config *config, const char **why)
{
	static evpipe_fault_plan plan = EVPIPE_FAULT_PLAN_INIT;
	evpipe_testbroker       *broker = world_begin(config);
	(void)why;
	if (broker && evpipe_config_use_faults(config, &plan, NULL) != EVPIPE_OK) {
		evpipe_testbroker_free(broker);
		broker = NULL;
	}
	return broker;
}

int main(void)
{
	static const struct conformance_target target = {.name = "fault",
	                                                 .begin = begin,
	                                                 .end = world_end,
	                                                 .pass = world_pass,
	                                                 .expel = world_expel,
	                                                 .set_away = world_set_away};
	return conformance_run(&target);
}
