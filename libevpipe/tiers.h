/*
 * tiers.h: the retry ladder: a topic for each delay, and the dead letters behind the last. Each tier has one delay, so
 * that its records fall due in the order they lie.
 */
#ifndef EVPIPE_TIERS_H
#define EVPIPE_TIERS_H

#include <evpipe.h>

typedef struct evpipe__tiers {
	size_t  count;
	int64_t delays_ms[EVPIPE_TIERS_MAX];
	char   *topics[EVPIPE_TIERS_MAX];
	char   *dead_topic;
} evpipe__tiers;

/* From topic.name, retry.delays, dead_letter.topic. ENOMEM. */
evpipe_err evpipe__tiers_init(evpipe__tiers *tiers, const evpipe_config *config);
void       evpipe__tiers_release(evpipe__tiers *tiers);

/* The first tier from `least` on with a delay of at least wait_ms, else the last one. `least` is less than count. */
size_t evpipe__tiers_for(const evpipe__tiers *tiers, size_t least, int64_t wait_ms);

/* The tier whose topic this is, or -1. */
int evpipe__tiers_of_topic(const evpipe__tiers *tiers, const char *topic);

/*
 * How long a record still waits: what is left of its delay since it was queued, both by wall clocks of perhaps
 * different machines, and so never more than its delay and never less than 0.
 */
int64_t evpipe__tier_wait(int64_t queued_ms, int64_t delay_ms, int64_t now_wall_ms);

#endif
