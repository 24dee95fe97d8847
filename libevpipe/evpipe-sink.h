/*
 * evpipe-sink.h: for those who write a sink, the downstream data store that batches are delivered to.
 *
 * A sink takes batches and gives for each exactly one answer. It decides nothing: halving, bisection, retries, Retry-After,
 * breaker and order are the core's. All calls come from the worker's one thread, wake aside; none may wait.
 *
 * The shortest sink is a function, evpipe_sink_simple(): ten lines.
 */
#ifndef EVPIPE_SINK_H
#define EVPIPE_SINK_H

#include <evpipe-runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An event on its way to its destination. Borrowed from the core until its batch is answered. */
typedef struct evpipe_delivery {
	const char          *id;           /* never NULL: stable over retries, to upsert by */
	const char          *type;         /* never NULL */
	const char          *content_type; /* never NULL */
	const void          *key;          /* NULL: none */
	size_t               key_len;
	const void          *data; /* NULL: a tombstone (only with topic.tombstones = deliver) */
	size_t               data_len;
	int64_t              time_ms; /* the event's own time */
	const evpipe_header *headers; /* the application's own */
	size_t               headers_count;
	uint32_t             attempt; /* tiers it has come through; 0: the first time */
} evpipe_delivery;

typedef struct evpipe_batch {
	const char                   *destination;
	const evpipe_delivery *const *events; /* in order; at least one */
	size_t                        count;
	size_t                        bytes; /* sum of data_len */
	/*
	 * 32 hex digits and a NUL: a hash of the destination and the ids in order, so that the same events have the
	 * same key and others never do. After an answer that says for certain that nothing was stored, a repeat has
	 * another one, since some servers replay the failure they stored.
	 */
	char idempotency_key[33];
	/*
	 * The sink's own, for this batch: zeroed before the first submit, and left alone until the answer. NULL it
	 * before answering if it owns something.
	 */
	void *sink_data;
} evpipe_batch;

typedef enum evpipe_verdict {
	EVPIPE_VERDICT_DELIVERED, /* stored, or was already */
	EVPIPE_VERDICT_RETRY,     /* not now: the same may succeed later */
	EVPIPE_VERDICT_PERMANENT, /* never, as it is. Of a whole batch: the core bisects */
	EVPIPE_VERDICT_FORMAT,    /* cannot be put into the body format (for single events) */
	EVPIPE_VERDICT_TOO_LARGE, /* (for a whole batch) the core halves it at once and remembers */
	EVPIPE_VERDICT_REFUSED,   /* (for a whole batch) the destination's fault, not the events': wrong URL, credentials */
	EVPIPE_VERDICT_EACH       /* (for a whole batch) see `each` */
} evpipe_verdict;

/*
 * The answer to one batch. It comes zeroed to poll, which fills it; text and each are borrowed until the next call into
 * the sink.
 */
typedef struct evpipe_answer {
	const evpipe_batch   *batch;
	evpipe_verdict        verdict;
	/*
	 * With EVPIPE_VERDICT_EACH: one of the first four for each event. FORMAT for some and RETRY for all others,
	 * without a status and not unknown, says that nothing was posted because of those: the core submits the others
	 * at once, and it was no attempt.
	 */
	const evpipe_verdict *each;
	int                   status;   /* as HTTP's, or 0 if there was none */
	const char           *text;     /* one line for people: what went wrong; NULL or "" if nothing did. The core cuts it at 1 KiB */
	int                   unknown;  /* true: it may have been stored (a time-out, a lost connection) */
	/* How long the destination wants no posts at all (Retry-After); 0: it didn't say. Not heeded with PERMANENT, which speaks of events. */
	int64_t               leave_alone_ms;
	int                   overloaded; /* true: fewer posts at a time, please (429, 503, a time-out) */
} evpipe_answer;

typedef struct evpipe_sink_setup {
	size_t                size;
	const char           *url; /* sink.url; NULL for a sink that was handed in */
	const evpipe_config  *config; /* lives as long as the sink; ask it for what differs by destination */
	const evpipe_runtime *runtime; /* likewise */
	evpipe_log_fn         log;  /* may be NULL */
	void                 *log_ctx;
} evpipe_sink_setup;

/* Beside each: what it must do, and what it may return. Slots marked optional may be NULL. */
typedef struct evpipe_sink_ops {
	size_t      size; /* sizeof(evpipe_sink_ops) */
	const char *name; /* the URL scheme it serves, or a name for logs */

	/* Make an instance. ECONFIG, ENOMEM, EIO. NULL for a sink that is handed in, which has its instance: it is not called. */
	evpipe_err (*open)(void **self, const evpipe_sink_setup *setup, evpipe_error *error);

	/*
	 * Take a batch; it stays valid until its answer was polled. EAGAIN: no room, try again after the next answer.
	 * Anything else but 0 is a defect. A failure to build or send it is an answer, not an error.
	 */
	evpipe_err (*submit)(void *self, evpipe_batch *batch);

	/* The next answer, if there is one: 0, else EAGAIN. Does the sink's I/O. */
	evpipe_err (*poll)(void *self, evpipe_answer *answer);

	/*
	 * Optional. A descriptor that epoll finds readable when poll has something to do; level-triggered. -1: none.
	 * The same for the life of the instance.
	 */
	int (*fd)(void *self);

	/* Optional. When poll wants to be called at the latest, on the monotonic clock; INT64_MAX: no need. */
	int64_t (*next_due)(void *self);

	/* Optional. Bytes held beside the events themselves: bodies, buffers. They count against worker.memory_max. */
	size_t (*memory)(void *self);

	/*
	 * Optional for a sink that answers each batch by the next poll. Give up all batches: each one submitted and not
	 * yet answered is answered by the polls that follow (RETRY, unknown if it may have arrived), without an EAGAIN
	 * in between: when that comes, the batches are gone. So a thread of the sink's that still reads one has to be
	 * waited for here, or to have a copy.
	 */
	void (*cancel)(void *self);

	/* Release everything. No batch is touched any more. */
	void (*free)(void *self);
} evpipe_sink_ops;

/*
 * A sink to hand to evpipe_worker_new. The table is not copied: make it static. `self` is what the operations are called
 * with; evpipe_sink_free ends it by ops->free, a failure here leaves it alone. EINVAL: the table is incomplete or foreign,
 * the text names the slot. ENOMEM.
 */
EVPIPE_EXPORT evpipe_err evpipe_sink_new(evpipe_sink **out, const evpipe_sink_ops *ops, void *self, evpipe_error *error);

/*
 * A sink of one function that answers at once. It fills *answer (which comes zeroed: DELIVERED) and need not set batch.
 * NULL when memory is short.
 */
typedef void (*evpipe_sink_fn)(void *ctx, const evpipe_batch *batch, evpipe_answer *answer);
EVPIPE_EXPORT evpipe_sink *evpipe_sink_simple(evpipe_sink_fn fn, void *ctx);

/* After the worker that it serves. Takes NULL. */
EVPIPE_EXPORT void evpipe_sink_free(evpipe_sink *sink);

#ifdef __cplusplus
}
#endif

#endif
