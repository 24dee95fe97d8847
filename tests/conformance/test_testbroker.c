/*
 * The test broker, in virtual time.
 */
#include "conformance.h"
#include "testbroker.h"

static void *begin(evpipe_config *config, const char **why)
{
	(void)why;
	return world_begin(config);
}

int main(void)
{
	static const struct conformance_target target = {.name = "test broker",
	                                                 .begin = begin,
	                                                 .end = world_end,
	                                                 .pass = world_pass,
	                                                 .expel = world_expel,
	                                                 .set_away = world_set_away};
	return conformance_run(&target);
}
