/*
 * plan.h: what a seed stands for: who takes part and how it is set, what is emitted when, and what goes wrong when.
 * Everything is drawn before anything runs, so that a part of it can be left out and the rest stays as it was.
 */
#ifndef SIMULATION_PLAN_H
#define SIMULATION_PLAN_H

#include <stddef.h>
#include <stdint.h>

#define WORKERS_MAX 8
#define APPS_MAX 4
#define DESTINATIONS_MAX 200
#define DELAYS_MAX 4
#define SETTINGS_MAX 40

#define TOPIC "evpipe.events"
#define GROUP "evpipe"

/* Kinds of seeds: what goes wrong in them, and so what can be asked of them. */
enum theme {
	THEME_ANYTHING,
	THEME_NO_DOUBLES, /* nothing that could explain a duplicate */
	THEME_ISOLATION   /* one destination fails, and nothing else: run again without, the others must not feel it */
};

/* A destination's data store. */
struct store_plan {
	int64_t  latency_ms, jitter_ms;
	size_t   bytes_max, count_max; /* hidden limits, answered by 413; 0: none */
	int      tells_each;           /* of a poisoned batch: which events, else only that it refuses it */
	unsigned poison_permille;
};

/* Where an application keeps what it has emitted. Those of one host share a directory, and a disk. */
struct journal_plan {
	enum durability { DURABILITY_MEMORY, DURABILITY_PROCESS, DURABILITY_DISK } durability;
	uint32_t host; /* HOST_NONE: it has no directory */
	int64_t  size, sync_ms, spool_size;
};
#define HOST_NONE UINT32_MAX

struct emission {
	enum { EMISSION_EVENT, EMISSION_FOREIGN, EMISSION_TOMBSTONE } kind; /* the last two by another program */
	int64_t  at_ms;
	uint32_t app, destination;
	uint32_t key;   /* 0: none; a key is emitted by one application */
	uint32_t group; /* the events of this destination and key; those without a key have none: UINT32_MAX */
	uint32_t size;
	uint32_t drawn; /* as the how-manieth: of one moment, the order */
	int      has_id, is_poison;
};

enum fault_kind {
	FAULT_KILL_WORKER, /* target; after so many operations of its transport */
	FAULT_STOP_WORKER, /* target; drained, and started again after for_ms */
	FAULT_KILL_APP,
	FAULT_CLOSE_APP,
	FAULT_REBALANCE, /* target: group */
	FAULT_EXPEL,     /* target: group; amount: member */
	FAULT_PARTITION_AWAY, /* target: topic; amount: partition; for_ms */
	FAULT_BROKER_AWAY,    /* for_ms */
	FAULT_SEND_FAILS,     /* target: topic; times, after; and so on */
	FAULT_SEND_LOST,
	FAULT_SEND_DOUBLED,
	FAULT_ACK_LOST,
	FAULT_ACK_DELAYED, /* amount: ms */
	FAULT_COMMIT_REFUSED,
	FAULT_RECORD_DOUBLED,
	FAULT_QUEUE_FULL,
	FAULT_CLOCK, /* target: machine; amount: ms it is off by from now on */
	/* Of a destination's data store, for_ms: */
	FAULT_STORE_DOWN,
	FAULT_STORE_FLAKY,     /* amount: permille of posts that fail */
	FAULT_STORE_SLOW,      /* amount: ms */
	FAULT_STORE_THROTTLES, /* amount: Retry-After, ms */
	FAULT_STORE_REFUSES,   /* as for wrong credentials */
	FAULT_STORE_TIMES_OUT, /* amount: ms; it did not get the batch */
	FAULT_STORE_TAKES_AND_CLOSES, /* amount: permille of the batch that was stored */
	FAULT_STORE_PARTIAL,   /* amount: permille of events to come again */
	FAULT_STORE_SHRINKS,   /* amount: bytes, a hidden limit */
	FAULT_CRASH_HOST,      /* target: host; all of its applications are away for_ms */
	FAULT_DISK_FULL,       /* target: host; for_ms */
	FAULT_DISK_FAILS,      /* target: host; syncs do, for_ms */
	FAULT_KINDS
};

struct fault {
	enum fault_kind kind;
	int64_t  at_ms, for_ms, amount;
	uint32_t target, times, after, drawn;
};

struct setting {
	const char *name;
	char        value[64];
};

struct plan {
	uint64_t   seed;
	enum theme theme;
	unsigned   workers, apps, destinations, partitions;

	/* Settings as text, and those that checks need, as numbers. */
	struct setting settings[SETTINGS_MAX];
	size_t         settings_count;
	unsigned       delays;
	int64_t        delays_ms[DELAYS_MAX];
	char           tier_topics[DELAYS_MAX][64];
	int64_t        linger_ms, open_max_ms, memory_max;
	int64_t        quick_delay_ms; /* at most, between quick retries */
	unsigned       in_flight_max;
	uint32_t       event_max;
	int            is_ordered, skips_tombstones;
	int            is_eager;
	int64_t        rebalance_timeout_ms, ack_delay_ms;
	size_t         queue_max;
	int64_t        skew_ms[WORKERS_MAX + APPS_MAX]; /* how far each machine's clock is off at the start */

	struct store_plan   stores[DESTINATIONS_MAX];
	struct journal_plan journals[APPS_MAX]; /* by application */

	struct emission *emissions; /* in the order of time */
	size_t           emissions_count;
	size_t           groups;
	int64_t          load_end_ms;

	struct fault *faults; /* likewise */
	size_t        faults_count;
	int64_t       faults_end_ms; /* from then on nothing goes wrong any more */
};

/* Exits when memory is short, as everything here does. */
void plan_draw(struct plan *plan, uint64_t seed);
void plan_release(struct plan *plan);

/* Within plan_draw. */
void plan_draw_faults(struct plan *plan);
void plan_draw_load(struct plan *plan);
void plan_draw_journals(struct plan *plan);
/* What befalls journals, into `faults`, which has room for JOURNAL_FAULTS_MAX. Returns how many. */
#define JOURNAL_FAULTS_MAX 16
size_t plan_draw_journal_faults(const struct plan *plan, struct fault *faults);

const char *fault_name(enum fault_kind kind);
/* It is a data store's. */
int fault_is_of_store(enum fault_kind kind);

void *get_memory(size_t count, size_t size); /* zeroed */
/* `array` of elements of `size` bytes gets room for one more. */
void grow(void *array, size_t count, size_t *capacity, size_t size);

#endif
