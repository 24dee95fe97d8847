/*
 * The test broker, in virtual time.
 */
#include <evpipe-testbroker.h>

#include "conformance.h"

static void *begin(evpipe_config *config, const char **why)
{
	evpipe_testbroker *broker = NULL;
	(void)why;
	if (!evpipe_testbroker_new(&broker, 1) && evpipe_testbroker_attach(broker, config)) {
		evpipe_testbroker_free(broker);
		broker = NULL;
	}
	/* Long enough for something to be on its way. */
	if (broker)
		evpipe_testbroker_set_ack_delay(broker, 20);
	return broker;
}

static void end(void *world)
{
	evpipe_testbroker_free(world);
}

static void pass(void *world, int64_t ms)
{
	evpipe_testbroker_advance(world, ms);
}

static void expel(void *world, const char *group)
{
	evpipe_testbroker_expel(world, group, 0);
}

static void set_away(void *world, int away)
{
	evpipe_testbroker_set_available(world, NULL, -1, !away);
}

int main(void)
{
	static const struct conformance_target target = {
		.name = "test broker", .begin = begin, .end = end, .pass = pass, .expel = expel, .set_away = set_away};
	return conformance_run(&target);
}
