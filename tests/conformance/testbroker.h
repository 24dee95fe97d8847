/*
 * testbroker.h: what the conformance runs on the test broker share.
 */
#ifndef CONFORMANCE_TESTBROKER_H
#define CONFORMANCE_TESTBROKER_H

#include <evpipe-testbroker.h>

static inline void world_end(void *world)
{
	evpipe_testbroker_free(world);
}

static inline void world_pass(void *world, int64_t ms)
{
	evpipe_testbroker_advance(world, ms);
}

static inline void world_expel(void *world, const char *group)
{
	evpipe_testbroker_expel(world, group, 0);
}

static inline void world_set_away(void *world, int away)
{
	evpipe_testbroker_set_available(world, NULL, -1, !away);
}

/* In virtual time; an acknowledgement takes long enough for something to be on its way. NULL: it could not be made. */
static inline evpipe_testbroker *world_begin(evpipe_config *config)
{
	evpipe_testbroker *broker = NULL;
	if (evpipe_testbroker_new(&broker, 1) != EVPIPE_OK)
		return NULL;
	if (evpipe_testbroker_attach(broker, config) != EVPIPE_OK) {
		evpipe_testbroker_free(broker);
		return NULL;
	}
	evpipe_testbroker_set_ack_delay(broker, 20);
	return broker;
}

#endif
