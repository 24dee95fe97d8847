/*
 * conformance.h: the contract of evpipe-transport.h in code. The suite names no transport: each has a file of its own,
 * which says in a dozen or two lines what world it lives in.
 */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H

#include <evpipe-transport.h>

/* What a world cannot do; the cases that need it are skipped, and say so. */
enum {
	CONFORMANCE_TOPICS_CREATE_THEMSELVES = 1, /* a topic that nobody made is there as soon as somebody asks for it */
	CONFORMANCE_CANNOT_CREATE_TOPICS = 2,     /* other than by create_topic */
	/*
	 * It counts records that a library below fetched, compressed and unseen, by the size of those it has seen: half as
	 * much again as it may hold is let pass. What a process really takes is measured elsewhere (tests/integration/memory.sh).
	 */
	CONFORMANCE_ESTIMATES_MEMORY = 4,
	/*
	 * It refuses commits from when a member joins again until all have, which a broker takes. So what a partition's last
	 * owner settled may come again.
	 */
	CONFORMANCE_REFUSES_COMMITS_MEANWHILE = 8
};

struct conformance_target {
	const char *name;

	/*
	 * Make a world for the whole run: a broker without topics, and what makes `config` use the transport under
	 * test. NULL: it cannot be had here, *why says why, and the run is skipped.
	 */
	void *(*begin)(evpipe_config *config, const char **why);
	void (*end)(void *world);

	/* Let virtual time go by. NULL: time goes by on its own. */
	void (*pass)(void *world, int64_t ms);

	/* Make a topic. NULL: ensure_topic can. */
	void (*create_topic)(void *world, const char *topic, int32_t partitions);

	/* Throw all members of a group out, as if they had not been heard of. NULL: cannot be done. */
	void (*expel)(void *world, const char *group);

	/* The broker answers nothing from now on, or does again. NULL: cannot be done. */
	void (*set_away)(void *world, int away);

	unsigned quirks;
};

/* Runs every case; returns what main should. With EVPIPE_CONFORMANCE=PATTERN in the environment, those whose names match. */
int conformance_run(const struct conformance_target *target);

#endif
