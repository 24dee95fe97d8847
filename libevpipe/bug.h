/*
 * bug.h: deliberate bugs, each at the one place where a promise is kept, to see that the checks of tests/simulation notice.
 * They are compiled into the simulator's own copy of the core alone, where one can be chosen; in the library the question is
 * a constant, and nothing of them is left.
 */
#ifndef EVPIPE_BUG_H
#define EVPIPE_BUG_H

#ifdef EVPIPE_SIMULATION

typedef enum evpipe__bug_kind {
	EVPIPE__BUG_NONE,
	EVPIPE__BUG_LOSE,         /* an application drops what the broker did not take */
	EVPIPE__BUG_FORGET,       /* who adopts a journal takes what was sent for acknowledged */
	EVPIPE__BUG_MISCOUNT,     /* what is given up is not counted */
	EVPIPE__BUG_SETTLE_EARLY, /* before the hand-over is acknowledged */
	EVPIPE__BUG_REPEAT,       /* events that were taken are posted again with those that were not */
	EVPIPE__BUG_HASTE,        /* a retry waits for half of its time */
	EVPIPE__BUG_TARDY,        /* or two seconds more */
	EVPIPE__BUG_IMPATIENCE,   /* half of a Retry-After is enough */
	EVPIPE__BUG_QUEUE,        /* a destination that may not be posted to is waited for by all others */
	EVPIPE__BUG_GREED,        /* more memory than there is */
	EVPIPE__BUG_DESPAIR,      /* a breaker that is open stays open */
	EVPIPE__BUG_DISORDER,     /* a lane has several posts in flight */
	EVPIPE__BUG_SAME_KEY      /* an idempotency key is of the first event of its batch alone */
} evpipe__bug_kind;

extern evpipe__bug_kind evpipe__bug_chosen;
#define evpipe__bug(name) (evpipe__bug_chosen == EVPIPE__BUG_##name)

#else
#define evpipe__bug(name) 0
#endif

#endif
