/*
 * evpipe-transport.h: for those who write a transport, the broker behind a table of operations.
 *
 * A transport carries records to topics and hands out the records of the partitions it is assigned. The core speaks of
 * settling records, one at a time and in any order; a transport that keeps offsets uses the frontier below, which turns
 * that into a commit position and settled ranges beyond it, and a transport that acknowledges one by one does just
 * that.
 *
 * One instance belongs to one producer or one worker, whose calls come one at a time, each seeing what those before it
 * did, but not all from one thread: whoever makes the owner opens it, a pump's thread or any that flushes steps it,
 * another may close and free it. Only wake may come in between. Only close may wait. The conformance suite
 * (tests/conformance) is the contract in code: it names no transport, and a new one passes it.
 */
#ifndef EVPIPE_TRANSPORT_H
#define EVPIPE_TRANSPORT_H

#include <evpipe-runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- records ------------------------------------------------------------------------------------------------------- */

#define EVPIPE_PARTITION_ANY (-1)

/* Null is not empty: key and value are NULL or not whatever their length. */
typedef struct evpipe_record {
	const char          *topic; /* to send: where to; polled: where from */
	int32_t              partition; /* to send: EVPIPE_PARTITION_ANY is by the key, or any if it is NULL */
	const void          *key;
	size_t               key_len;
	const void          *value;
	size_t               value_len;
	const evpipe_header *headers;
	size_t               headers_count;
	int64_t              timestamp_ms;
	int64_t              offset; /* polled: ascending in a partition, gaps allowed */
} evpipe_record;

/*
 * A partition in our hands: `slot` is a small number that no other current assignment of the instance has (the core
 * keeps an array), and `epoch` tells successive assignments apart.
 */
typedef struct evpipe_assignment {
	uint32_t slot;
	uint32_t epoch;
} evpipe_assignment;

#define EVPIPE_SLOTS_MAX 65536

/* ---- what poll gives ----------------------------------------------------------------------------------------------- */

typedef enum evpipe_transport_event_type {
	EVPIPE_TRANSPORT_RECORD,    /* assignment, record */
	EVPIPE_TRANSPORT_SENT,      /* token, outcome, err, text: once for each send that returned 0 */
	EVPIPE_TRANSPORT_ASSIGNED,  /* assignment, topic, partition: its records come from now on */
	EVPIPE_TRANSPORT_REVOKED,   /* assignment: no more records come; settle what can be settled, then relinquish it */
	EVPIPE_TRANSPORT_LOST,      /* assignment: ended already, nothing can be settled; do not relinquish */
	EVPIPE_TRANSPORT_COMMITTED, /* err, text: how a commit ended; the core counts and logs */
	EVPIPE_TRANSPORT_TOPIC,     /* topic, err, text: the answer to ensure_topic; 0 with a text: it differs from what was asked */
	EVPIPE_TRANSPORT_NOTICE     /* level, err, text: the broker went away or came back, a client was replaced ... */
} evpipe_transport_event_type;

typedef enum evpipe_outcome {
	EVPIPE_PERSISTED, /* the broker has it, as safe as was asked for */
	EVPIPE_POSSIBLY,  /* it may have it */
	EVPIPE_NOT        /* it has not. ETOOLARGE, EINVAL, EFORMAT: never as it is; anything else may be mended, and is sent again */
} evpipe_outcome;

/* Borrowed until the next call of poll. */
typedef struct evpipe_transport_event {
	evpipe_transport_event_type type;
	evpipe_assignment           assignment;
	evpipe_record               record;
	uint64_t                    token;
	evpipe_outcome              outcome;
	evpipe_err                  err;
	const char                 *text; /* may be NULL */
	const char                 *topic;
	int32_t                     partition;
	evpipe_log_level            level;
} evpipe_transport_event;

/* ---- what it is asked ---------------------------------------------------------------------------------------------- */

enum { EVPIPE_ROLE_SEND = 1, EVPIPE_ROLE_RECEIVE = 2 };

typedef struct evpipe_transport_setup {
	size_t                size;
	const char           *url;   /* transport.url; NULL for one that was handed in */
	void                 *arg;   /* of evpipe_config_use_transport */
	unsigned              roles; /* EVPIPE_ROLE_...; the others' operations are not called */
	size_t                memory_max; /* bytes it may keep of records polled ahead and records being sent */
	const evpipe_config  *config;  /* lives as long as the instance; the transport's own properties, and commit.interval */
	const evpipe_runtime *runtime; /* likewise; next_due is on its monotonic clock */
} evpipe_transport_setup;

typedef struct evpipe_subscription {
	size_t             size;
	const char        *group;
	const char *const *topics;
	size_t             topics_count;
	int                delayed; /* its records wait, held, until they are due: fetch little ahead */
} evpipe_subscription;

typedef struct evpipe_topic_spec {
	size_t      size;
	const char *name;
	int32_t     partitions;
	int16_t     replication;  /* 0: the broker's default */
	int64_t     retention_ms; /* 0: the broker's default; -1: for ever */
	int         create;       /* false: only look whether it is there */
} evpipe_topic_spec;

enum {
	EVPIPE_FEATURE_OFFSETS = 1 << 0,   /* keeps offsets: settled ranges survive a change of owner */
	EVPIPE_FEATURE_ORDERED = 1 << 1,   /* records of one partition come in the order they were persisted */
	EVPIPE_FEATURE_TOPICS = 1 << 2,    /* ensure_topic can create topics */
	EVPIPE_FEATURE_LAG = 1 << 3,       /* lag is known */
	EVPIPE_FEATURE_HEADERS = 1 << 4    /* headers are carried */
};

enum { EVPIPE_POLL_NO_RECORDS = 1 }; /* flag of poll: everything but records */

/* What is wrong with a property; both texts are the transport's, and valid during the call. */
typedef void (*evpipe_transport_problem_fn)(void *ctx, const char *name, const char *problem);

typedef struct evpipe_transport_ops {
	size_t      size; /* sizeof(evpipe_transport_ops) */
	const char *name; /* the URL scheme it serves */
	uint32_t    features;

	/*
	 * Optional. Tell all that is wrong with the properties that the core only passes on, such as kafka.*. Opens and
	 * connects nothing. Any thread.
	 */
	void (*check)(const evpipe_config *config, evpipe_transport_problem_fn on_problem, void *ctx);

	/* ---- life ---- */

	/* Make an instance; does not wait for the broker. ECONFIG, ENOMEM, EIO. */
	evpipe_err (*open)(void **self, const evpipe_transport_setup *setup, evpipe_error *error);

	/*
	 * Stop: no records come any more, assignments end (commit what is settled first). Waits at most timeout_ms for
	 * outstanding sends and commits. After it, poll gives what is left to report, each outstanding send among it,
	 * then ECLOSED for ever.
	 */
	void (*close)(void *self, uint32_t timeout_ms);

	/* Release everything, closed or not; nothing is waited for. */
	void (*free)(void *self);

	/* ---- EVPIPE_ROLE_SEND ---- */

	/*
	 * Queue a copy; `token` comes back with its SENT event. Records of one partition are persisted in the order of
	 * the calls that returned 0; no SENT event comes of others. EAGAIN: no room, come again later with this same
	 * record. ETOOLARGE, EINVAL, EFORMAT: never as it is. Anything else (ETOPIC, EDENIED, ENOMEM): not until
	 * something is mended.
	 */
	evpipe_err (*send)(void *self, const evpipe_record *record, uint64_t token);

	/* Do not let what was sent linger. */
	void (*flush)(void *self);

	/* The largest record it takes, key and headers included, as far as it knows; SIZE_MAX: no limit known. */
	size_t (*record_max)(void *self);

	/* ---- EVPIPE_ROLE_RECEIVE ---- */

	/* Join a group for these topics; ASSIGNED events follow. Several subscriptions of different groups may be made. EINVAL, EIO. */
	evpipe_err (*subscribe)(void *self, const evpipe_subscription *subscription);

	/* The record needs not be handed out again, to anybody. ESTALE: the assignment has ended; nothing happened. */
	evpipe_err (*settle)(void *self, evpipe_assignment assignment, int64_t offset);

	/* No records of this assignment come until release. Does nothing if stale. */
	void (*hold)(void *self, evpipe_assignment assignment);
	void (*release)(void *self, evpipe_assignment assignment);

	/* After REVOKED: nothing more will be settled. What was is committed before another member gets the partition. */
	void (*relinquish)(void *self, evpipe_assignment assignment);

	/* Records not yet handed out on this assignment; -1: unknown. Cheap. Optional without EVPIPE_FEATURE_LAG. */
	int64_t (*lag)(void *self, evpipe_assignment assignment);

	/* ---- both ---- */

	/*
	 * The next event: 0, else EAGAIN, and ECLOSED after close. Fills all the members that its type names, others as it
	 * likes. Does the transport's I/O; never waits.
	 */
	evpipe_err (*poll)(void *self, unsigned flags, evpipe_transport_event *event);

	/*
	 * Optional. A descriptor that becomes readable when poll may have something. It may speak only once: the core
	 * polls until EAGAIN before it waits again. -1: none. The same for the life of the instance.
	 */
	int (*fd)(void *self);

	/* When poll wants to be called at the latest, on the monotonic clock; INT64_MAX: no need. */
	int64_t (*next_due)(void *self);

	/* Optional. Make fd readable. Any thread. */
	void (*wake)(void *self);

	/* Bytes it holds: records polled ahead, records being sent. Cheap: it is asked each round. */
	size_t (*memory)(void *self);

	/* ---- topics; answered by a TOPIC event ---- */

	/*
	 * See that a topic is there, create it if spec->create. An existing one is never altered. Retries by itself
	 * while the broker is away, and says so by NOTICE. ETOPIC in the answer: it is not there and may not be
	 * created.
	 */
	evpipe_err (*ensure_topic)(void *self, const evpipe_topic_spec *spec);
} evpipe_transport_ops;

/*
 * Producers and workers made of `config` use this transport instead of transport.url; `arg` comes back in the setup. It must
 * outlive them, and so must the table, which is not copied. EINVAL: the table is incomplete or foreign (the text names the slot).
 */
EVPIPE_EXPORT evpipe_err evpipe_config_use_transport(evpipe_config *config, const evpipe_transport_ops *ops, void *arg,
                                                     evpipe_error *error);

/* The transport that serves a URL, from those this library was built with. ENOTSUP names the schemes there are. Any thread. */
EVPIPE_EXPORT evpipe_err evpipe_transport_find(const evpipe_transport_ops **out, const char *url, evpipe_error *error);

/*
 * A transport that injects faults into another one, to break a pipeline on purpose; docs/faults.md has the format of
 * the script. With a seed and no script, a mix of faults is drawn; with a script, its rates are. The same seed and the
 * same calls give the same faults.
 */
typedef struct evpipe_fault_plan {
	size_t                      size;
	const evpipe_transport_ops *ops; /* the transport inside, and its arg; NULL: the one of transport.url */
	void                       *arg;
	const char                 *script; /* NULL: none */
	uint64_t                    seed;   /* 0: only the script */
} evpipe_fault_plan;

#ifdef __cplusplus
#define EVPIPE_FAULT_PLAN_INIT evpipe_sized<evpipe_fault_plan>()
#else
#define EVPIPE_FAULT_PLAN_INIT {.size = sizeof(evpipe_fault_plan)}
#endif

/*
 * Put faults around the transport that `config` uses so far: one that was handed in (a test broker's is), else that of
 * transport.url. Sets ops and arg of the plan, which, with its script, must outlive what is made from the configuration. ECONFIG names
 * the line of the script and what is wrong with it; EINVAL.
 */
EVPIPE_EXPORT evpipe_err evpipe_config_use_faults(evpipe_config *config, evpipe_fault_plan *plan, evpipe_error *error);

/*
 * The same by hand: evpipe_config_use_transport(config, evpipe_transport_fault(), &plan). A bad script is found when a
 * producer or a worker is made.
 */
EVPIPE_EXPORT const evpipe_transport_ops *evpipe_transport_fault(void);

/* ---- for transports that keep offsets ---------------------------------------------------------------------------------- */

/*
 * The frontier of one partition: which of the records handed out are settled. Its offset is the lowest that is not, and
 * what may be committed. Memory: one bit for each offset between it and the highest one taken.
 */
typedef struct evpipe_frontier evpipe_frontier;

/* A partition whose first record to be handed out is at `start` or later; at most `span_max` offsets are kept apart. ENOMEM. */
EVPIPE_EXPORT evpipe_err evpipe_frontier_new(evpipe_frontier **out, int64_t start, size_t span_max);
EVPIPE_EXPORT void       evpipe_frontier_free(evpipe_frontier *frontier);

/*
 * A record is about to be handed out. 0: go on. EAGAIN: too far beyond the frontier, hold it back until something is
 * settled. ESTALE: settled already, skip it. ENOMEM. Offsets between this and the one before are taken for gaps.
 */
EVPIPE_EXPORT evpipe_err evpipe_frontier_take(evpipe_frontier *frontier, int64_t offset);

/* 0, or EINVAL if it was not taken. Twice is once. */
EVPIPE_EXPORT evpipe_err evpipe_frontier_settle(evpipe_frontier *frontier, int64_t offset);

/* The lowest offset that is not settled: commit this. */
EVPIPE_EXPORT int64_t evpipe_frontier_offset(const evpipe_frontier *frontier);

/* How many records are taken and not settled; how many offsets lie between the frontier and the highest one taken. */
EVPIPE_EXPORT uint64_t evpipe_frontier_unsettled(const evpipe_frontier *frontier);
EVPIPE_EXPORT uint64_t evpipe_frontier_span(const evpipe_frontier *frontier);

/*
 * The settled ranges beyond the frontier as text, for the metadata of a commit: at most `max` bytes with the NUL, the
 * lowest ranges first, what does not fit is left out. Returns its length; 0 and "" if there are none.
 */
EVPIPE_EXPORT size_t evpipe_frontier_ranges(const evpipe_frontier *frontier, char *text, size_t max);

/* Take over what the owner before had settled. EFORMAT: not such a text; nothing was taken over. ENOMEM. */
EVPIPE_EXPORT evpipe_err evpipe_frontier_restore(evpipe_frontier *frontier, const char *text);

/* The partition for a key as Kafka's Java clients choose it: (murmur2(key) & 0x7fffffff) mod partitions. */
EVPIPE_EXPORT int32_t  evpipe_partition_of(const void *key, size_t key_len, int32_t partitions);
EVPIPE_EXPORT uint32_t evpipe_murmur2(const void *data, size_t len);

#ifdef __cplusplus
}
#endif

#endif
