/*
 * evpipe-testbroker.h: an in-process broker for tests. libevpipe-testbroker; pkg-config evpipe-testbroker.
 *
 * Topics, partitions, groups, rebalances, committed offsets, retention and faults, without network, without sleeping
 * and the same way each time: make a broker, attach a configuration to it, make producers and workers of that, and
 * let virtual time pass.
 *
 *     evpipe_testbroker_new(&broker, 1);
 *     evpipe_config_new(&config);
 *     evpipe_testbroker_attach(broker, config);
 *     evpipe_producer_new(&producer, config, NULL);
 *     evpipe_worker_new(&worker, config, evpipe_testbroker_sink(broker), NULL);
 *     evpipe_emit(producer, &event);
 *     evpipe_testbroker_advance(broker, 1000);
 *     assert(evpipe_testbroker_delivery_count(broker) == 1);
 *
 * A virtual broker and everything attached to it belong to one thread, on which all of it runs. A real-time one may
 * be used by many threads at once.
 */
#ifndef EVPIPE_TESTBROKER_H
#define EVPIPE_TESTBROKER_H

#include <evpipe-sink.h>
#include <evpipe-transport.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct evpipe_testbroker evpipe_testbroker;

/* ---- life and time ------------------------------------------------------------------------------------------------- */

/* A broker in virtual time, which starts at 2026-01-01T00:00:00Z; everything random is drawn from the seed. ENOMEM. */
EVPIPE_EXPORT evpipe_err evpipe_testbroker_new(evpipe_testbroker **out, uint64_t seed);

/* A broker in real time: only the transport is attached; pumps and workers have their own threads. */
EVPIPE_EXPORT evpipe_err evpipe_testbroker_new_realtime(evpipe_testbroker **out);

/* After everything that was attached is freed. Takes NULL. */
EVPIPE_EXPORT void evpipe_testbroker_free(evpipe_testbroker *broker);

/* What is made of `config` from now on uses this broker and, in virtual time, its clock, randomness and stepping. */
EVPIPE_EXPORT evpipe_err evpipe_testbroker_attach(evpipe_testbroker *broker, evpipe_config *config);

/*
 * What attach hands to the configuration, for those who put something between: the transport, whose arg is the broker
 * (a fault plan wants both), and, of a virtual broker, the runtime. EINVAL in real time.
 */
EVPIPE_EXPORT const evpipe_transport_ops *evpipe_testbroker_transport(void);
EVPIPE_EXPORT evpipe_err evpipe_testbroker_runtime(evpipe_testbroker *broker, evpipe_runtime *runtime);

/*
 * Let virtual time pass: steps everything attached until nothing more happens, moves to the next time at which
 * anything is due, and so on to now + ms. 0 only steps. EINVAL in real time, or if ms is negative. EINTERNAL if something goes on for ever
 * without time passing (1,000,000 rounds).
 */
EVPIPE_EXPORT evpipe_err evpipe_testbroker_advance(evpipe_testbroker *broker, int64_t ms);

/* The virtual wall clock, ms since 1970. The monotonic one starts at 0 and keeps pace with it, jumps aside. */
EVPIPE_EXPORT int64_t evpipe_testbroker_now_ms(const evpipe_testbroker *broker);

/* Set the wall clock forward or back without time passing. */
EVPIPE_EXPORT void evpipe_testbroker_jump_clock(evpipe_testbroker *broker, int64_t ms);

/* ---- topics -------------------------------------------------------------------------------------------------------- */

/*
 * partitions 1 to 1,024. retention_ms, from when a record was appended, -1: for ever. retention_bytes, of a
 * partition, key, value and headers counted, -1: any.
 */
typedef struct evpipe_testbroker_topic {
	size_t  size;
	int32_t partitions;
	int64_t retention_ms;
	int64_t retention_bytes;
	size_t  record_max; /* key, value and headers; larger ones are refused with ETOOLARGE */
} evpipe_testbroker_topic;
#define EVPIPE_TESTBROKER_TOPIC_INIT \
	{sizeof(evpipe_testbroker_topic), 8, -1, -1, 1048576}

/* settings NULL: as EVPIPE_TESTBROKER_TOPIC_INIT has them. EINVAL: there is one of this name, or a bad number. ENOMEM. */
EVPIPE_EXPORT evpipe_err evpipe_testbroker_create_topic(evpipe_testbroker *broker, const char *name,
                                                        const evpipe_testbroker_topic *settings);

/* -1: no such topic or partition. Low: the first record there still is; high: one past the last. */
EVPIPE_EXPORT int32_t evpipe_testbroker_partitions(evpipe_testbroker *broker, const char *topic);
EVPIPE_EXPORT int64_t evpipe_testbroker_low(evpipe_testbroker *broker, const char *topic, int32_t partition);
EVPIPE_EXPORT int64_t evpipe_testbroker_high(evpipe_testbroker *broker, const char *topic, int32_t partition);

/* All records of a topic that there still are, over its partitions. 0 if there is no such topic. */
EVPIPE_EXPORT uint64_t evpipe_testbroker_count(evpipe_testbroker *broker, const char *topic);

/* Read one; borrowed until the broker is next stepped or changed. EINVAL: there is none. Real time: only while all is quiet. */
EVPIPE_EXPORT evpipe_err evpipe_testbroker_read(evpipe_testbroker *broker, const char *topic, int32_t partition,
                                                int64_t offset, evpipe_record *record);

/*
 * Append as any client would, foreign records and tombstones among them. The partition is chosen as for a send. EINVAL:
 * no such topic or partition. ETOOLARGE, ENOMEM.
 */
EVPIPE_EXPORT evpipe_err evpipe_testbroker_append(evpipe_testbroker *broker, const evpipe_record *record);

/* The committed offset of a group, -1 if none; *metadata (may be NULL) is borrowed until the next commit. */
EVPIPE_EXPORT int64_t evpipe_testbroker_committed(evpipe_testbroker *broker, const char *group, const char *topic,
                                                  int32_t partition, const char **metadata);

/* Records between committed and high, over all partitions of the topic. */
EVPIPE_EXPORT uint64_t evpipe_testbroker_lag(evpipe_testbroker *broker, const char *group, const char *topic);

/* ---- faults -------------------------------------------------------------------------------------------------------- */

/*
 * Scripted faults: each is used up by the next `times` operations it fits. topic NULL: any; partition -1: any.
 */
typedef enum evpipe_testbroker_fault_type {
	EVPIPE_FAULT_SEND_FAILS,      /* not persisted; reported as NOT with `err` */
	EVPIPE_FAULT_ACK_LOST,        /* persisted; reported as POSSIBLY */
	EVPIPE_FAULT_ACK_DELAYED,     /* persisted; reported after delay_ms */
	EVPIPE_FAULT_SEND_DOUBLED,    /* persisted twice, reported once as PERSISTED */
	EVPIPE_FAULT_SEND_LOST,       /* not persisted; reported as POSSIBLY */
	EVPIPE_FAULT_COMMIT_REFUSED,  /* nothing is committed; COMMITTED with `err` */
	EVPIPE_FAULT_RECORD_DOUBLED,  /* handed out twice in a row */
	EVPIPE_FAULT_QUEUE_FULL       /* send returns EAGAIN */
} evpipe_testbroker_fault_type;

typedef struct evpipe_testbroker_fault {
	size_t                       size;
	evpipe_testbroker_fault_type type;
	const char                  *topic; /* copied */
	int32_t                      partition;
	uint32_t                     times;
	uint32_t                     after; /* this many fitting operations pass unharmed first */
	int64_t                      delay_ms; /* of ACK_DELAYED */
	evpipe_err                   err;      /* of SEND_FAILS and COMMIT_REFUSED */
} evpipe_testbroker_fault;
#define EVPIPE_TESTBROKER_FAULT_INIT \
	{sizeof(evpipe_testbroker_fault), EVPIPE_FAULT_SEND_FAILS, NULL, -1, 1, 0, 0, EVPIPE_EUNAVAILABLE}
/* EINVAL: no such fault, or never (times 0). ENOMEM. */
EVPIPE_EXPORT evpipe_err evpipe_testbroker_inject(evpipe_testbroker *broker, const evpipe_testbroker_fault *fault);

/* Take back every fault that is not used up. What it has done to records and sends already stays. */
EVPIPE_EXPORT void evpipe_testbroker_clear_faults(evpipe_testbroker *broker);

/* A partition (-1: all of the topic; topic NULL: the whole broker) answers nothing until it is made available again. EINVAL: no such. */
EVPIPE_EXPORT evpipe_err evpipe_testbroker_set_available(evpipe_testbroker *broker, const char *topic, int32_t partition,
                                                         int available);

/* Every member of the group gives its partitions back and gets new ones. EINVAL: no such group. */
EVPIPE_EXPORT evpipe_err evpipe_testbroker_rebalance(evpipe_testbroker *broker, const char *group);

/*
 * A member (by the order of joining, from 0) is thrown out as if it had not been heard of: LOST at once, and it joins
 * again with its next poll. What it settled and had not committed is forgotten.
 */
EVPIPE_EXPORT evpipe_err evpipe_testbroker_expel(evpipe_testbroker *broker, const char *group, size_t member);

/*
 * How groups rebalance: EAGER (all partitions revoked, then assigned anew) or COOPERATIVE (only those that move).
 * Default COOPERATIVE.
 */
typedef enum evpipe_testbroker_protocol { EVPIPE_REBALANCE_COOPERATIVE, EVPIPE_REBALANCE_EAGER } evpipe_testbroker_protocol;
EVPIPE_EXPORT void evpipe_testbroker_set_protocol(evpipe_testbroker *broker, evpipe_testbroker_protocol protocol);

/*
 * A member that was revoked and has not relinquished after this long is expelled. Default 60,000.
 */
EVPIPE_EXPORT void evpipe_testbroker_set_rebalance_timeout(evpipe_testbroker *broker, int64_t ms);

/* An acknowledgement takes this long. Default 1 ms. */
EVPIPE_EXPORT void evpipe_testbroker_set_ack_delay(evpipe_testbroker *broker, int64_t ms);

/* How many sends an instance queues before EAGAIN. Default 10,000. */
EVPIPE_EXPORT void evpipe_testbroker_set_queue_max(evpipe_testbroker *broker, size_t records);

/*
 * Forget an attached worker or producer as a process that is killed is forgotten: it is not stepped any more, no
 * close, no commit; sends not yet persisted are gone, and so is what its journal has in memory. (What it has in a
 * journal.dir the next producer there adopts, after the handle was freed.) The handle may then only be freed, in
 * virtual time before time goes on: whether its posts in flight had arrived is drawn then. `member` as for expel;
 * producers are counted by the order of opening, those killed or closed left out. EINVAL: there is no such.
 */
EVPIPE_EXPORT evpipe_err evpipe_testbroker_kill_member(evpipe_testbroker *broker, const char *group, size_t member);
EVPIPE_EXPORT evpipe_err evpipe_testbroker_kill_producer(evpipe_testbroker *broker, size_t producer);

/* ---- a scripted, recording sink ------------------------------------------------------------------------------------ */

/*
 * A sink that delivers to the broker's own list after evpipe_testbroker_set_sink_delay, unless its script says otherwise; one for each
 * call, so that every worker can have its own, all with the same script and the same list. Owned by the broker: not
 * to be freed. NULL when memory is short.
 */
EVPIPE_EXPORT evpipe_sink *evpipe_testbroker_sink(evpipe_testbroker *broker);

/*
 * What a destination answers (destination NULL: each; event_id NULL: any batch, else batches that contain it). The
 * newest rule that applies does.
 */
typedef struct evpipe_testbroker_answer {
	size_t      size;
	const char *destination; /* copied */
	const char *event_id;    /* copied */
	int64_t     from_ms, until_ms; /* only from this virtual wall time on, and before that one; 0: without such an end */
	uint32_t    times;    /* only so often; 0: always */
	uint32_t    permille; /* only in so many of 1,000 cases, drawn from the seed; 1000: always */
	size_t      bytes_above, count_above; /* only larger batches; 0: any */
	int64_t     delay_ms; /* how long the answer takes; -1: as set */
	int         stored;   /* true: the batch is recorded as delivered whatever the answer says */
	/* The answer: as in evpipe_answer. With `each_id`, DELIVERED but for the event event_id, which gets `verdict`. */
	evpipe_verdict verdict;
	int         each_id;
	int         status;
	int         unknown;
	int         overloaded;
	int64_t     leave_alone_ms;
	const char *text; /* copied */
} evpipe_testbroker_answer;
#define EVPIPE_TESTBROKER_ANSWER_INIT \
	{sizeof(evpipe_testbroker_answer), NULL, NULL, 0, 0, 0, 1000, 0, 0, -1, 0, EVPIPE_VERDICT_DELIVERED, 0, 200, 0, 0, 0, NULL}

/* *rule (may be NULL) is a number to take it back by. EINVAL: a bad number, or EACH, which `each_id` stands for. ENOMEM. */
EVPIPE_EXPORT evpipe_err evpipe_testbroker_answer_with(evpipe_testbroker *broker, const evpipe_testbroker_answer *answer,
                                                       uint32_t *rule);
EVPIPE_EXPORT void evpipe_testbroker_answer_remove(evpipe_testbroker *broker, uint32_t rule);

/*
 * A data store of your own, where rules do not do: a hidden limit on sizes, an order to check, a state. It is asked once
 * about each post, when that is submitted and before the rules, and returns true with the post's fate filled in, or false
 * to leave it to the rules. The batch is borrowed for the call, which must not step, free or advance anything.
 */
typedef struct evpipe_testbroker_fate {
	size_t          size;
	evpipe_verdict  verdict;  /* as in evpipe_answer, and so on; comes as DELIVERED */
	evpipe_verdict *each;     /* room for a verdict for each event, all DELIVERED; counts if `verdict` is EACH */
	int             status;   /* comes as 200 */
	int             unknown, overloaded;
	int64_t         leave_alone_ms;
	const char     *text;     /* copied when the call has returned */
	size_t          stored;   /* so many events of the batch, from the first on, are recorded as delivered whatever the answer says */
	int64_t         delay_ms; /* until the answer; comes as set by evpipe_testbroker_set_sink_delay */
} evpipe_testbroker_fate;
typedef int (*evpipe_testbroker_store_fn)(void *ctx, const evpipe_batch *batch, evpipe_testbroker_fate *fate);

/* Before the first post. NULL: none. */
EVPIPE_EXPORT void evpipe_testbroker_set_store(evpipe_testbroker *broker, evpipe_testbroker_store_fn store, void *ctx);

/* How long a post takes. Default 10 ms. */
EVPIPE_EXPORT void evpipe_testbroker_set_sink_delay(evpipe_testbroker *broker, int64_t ms);

/* One event as a destination stored it. Borrowed until the broker is freed or deliveries are cleared. */
typedef struct evpipe_testbroker_delivery {
	int64_t     at_ms; /* virtual wall time */
	uint64_t    post;  /* the post it came with, from 1 */
	const char *destination, *id, *type;
	const void *key;
	size_t      key_len;
	const void *data;
	size_t      data_len;
	int64_t     time_ms;
	uint32_t    attempt;
	const char *idempotency_key;
	const evpipe_header *headers;
	size_t      headers_count;
} evpipe_testbroker_delivery;
EVPIPE_EXPORT size_t evpipe_testbroker_delivery_count(const evpipe_testbroker *broker);
EVPIPE_EXPORT const evpipe_testbroker_delivery *evpipe_testbroker_delivery_at(const evpipe_testbroker *broker, size_t index);
/* How often this event was delivered there. */
EVPIPE_EXPORT size_t evpipe_testbroker_delivered(const evpipe_testbroker *broker, const char *destination, const char *id);
EVPIPE_EXPORT void evpipe_testbroker_clear_deliveries(evpipe_testbroker *broker);

/* Every post, delivered or not. */
typedef struct evpipe_testbroker_post {
	int64_t     at_ms, answered_ms;
	const char *destination;
	const char *idempotency_key;
	size_t      count, bytes;
	evpipe_verdict verdict;
	int         status;
} evpipe_testbroker_post;
EVPIPE_EXPORT size_t evpipe_testbroker_post_count(const evpipe_testbroker *broker);
EVPIPE_EXPORT const evpipe_testbroker_post *evpipe_testbroker_post_at(const evpipe_testbroker *broker, size_t index);

#ifdef __cplusplus
}
#endif

#endif
