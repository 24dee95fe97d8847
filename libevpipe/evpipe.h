/*
 * evpipe.h: emit events, and run the workers that deliver them.
 *
 * An application makes a configuration, makes a producer of it and calls evpipe_emit() from any thread. Somewhere,
 * in the same process or on other machines, workers made of the same configuration read the events from the broker and
 * post them to each destination's data store. Whoever writes a transport or a sink reads evpipe-transport.h or
 * evpipe-sink.h, too.
 *
 * Rules that hold everywhere:
 *  - A function that can fail returns an evpipe_err; 0 is success. On failure, outputs are left untouched.
 *  - `type **out` gives you an object that is yours, to be freed by its own _free function, which takes NULL.
 *    `const type *` returned is borrowed, and lives as long as its owner unless said otherwise.
 *  - What is passed in is copied where it is kept; nothing has to outlive the call, callbacks and their contexts aside.
 *  - Durations end in _ms (milliseconds), times in _ms are milliseconds since 1970-01-01 UTC, sizes are bytes.
 *  - A handle is used by one thread at a time unless its function says otherwise.
 */
#ifndef EVPIPE_H
#define EVPIPE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define EVPIPE_EXPORT __attribute__((visibility("default")))
#else
#define EVPIPE_EXPORT
#endif

#ifdef __cplusplus
/* What an EVPIPE_..._INIT is in C++: all of it zero but its size. */
extern "C++" {
template <typename T> inline T evpipe_sized()
{
	T object = T();
	object.size = sizeof object;
	return object;
}
}
#endif

/* The version of this header; evpipe_version() is that of the library that runs. */
#define EVPIPE_VERSION_MAJOR 0
#define EVPIPE_VERSION_MINOR 1
#define EVPIPE_VERSION_PATCH 0

/* "0.1.0", static. */
EVPIPE_EXPORT const char *evpipe_version(void);

/* ---- errors ---------------------------------------------------------------------------------------------------- */

typedef enum evpipe_err {
	EVPIPE_OK = 0,
	EVPIPE_EINVAL,       /* an argument is not what the function takes */
	EVPIPE_ECONFIG,      /* a property is unknown, malformed, out of range or missing */
	EVPIPE_ENOMEM,       /* no memory could be had */
	EVPIPE_EFULL,        /* the journal has no room: the event was refused */
	EVPIPE_EAGAIN,       /* not now: a queue is full, or there is nothing to take */
	EVPIPE_ETOOLARGE,    /* larger than the limit on it */
	EVPIPE_ECLOSED,      /* the handle is closing or closed */
	EVPIPE_EFORKED,      /* the handle belongs to the parent process */
	EVPIPE_ETIMEOUT,     /* the time given did not suffice */
	EVPIPE_ENOTSUP,      /* this transport, sink or build cannot do that */
	EVPIPE_EUNAVAILABLE, /* the broker or the endpoint cannot be reached now */
	EVPIPE_ETOPIC,       /* the topic does not exist and may not be created, or is not usable */
	EVPIPE_EDENIED,      /* credentials are missing or were refused */
	EVPIPE_EMAYBE,       /* the answer was lost: it may have been stored */
	EVPIPE_ESTALE,       /* of an assignment that has ended: ignored */
	EVPIPE_EFORMAT,      /* the bytes are not in the format they should be in */
	EVPIPE_EIO,          /* a file or the system failed */
	EVPIPE_EINTERNAL,    /* a defect of libevpipe, a transport or a sink: please report it */
	EVPIPE_ERR_COUNT     /* the number of codes; not an error */
} evpipe_err;

/* What code decides by. */
typedef enum evpipe_err_class {
	EVPIPE_CLASS_NONE,   /* EVPIPE_OK */
	EVPIPE_CLASS_CALLER, /* the same call will fail again: change what is asked */
	EVPIPE_CLASS_RETRY,  /* nothing happened: the same call may succeed later */
	EVPIPE_CLASS_MAYBE,  /* it may have happened: repeating it may double it */
	EVPIPE_CLASS_FATAL   /* the object is of no more use, or somebody has to mend something outside */
} evpipe_err_class;

/* A short English text, static; for an unknown code, too. Any thread. */
EVPIPE_EXPORT const char *evpipe_strerror(evpipe_err err);

/* The code's name, "EVPIPE_EFULL"; static. Any thread. */
EVPIPE_EXPORT const char *evpipe_err_name(evpipe_err err);

/* Any thread. An unknown code is FATAL. */
EVPIPE_EXPORT evpipe_err_class evpipe_err_class_of(evpipe_err err);

/*
 * The details of a failure, in the caller's own memory. A function that takes an `evpipe_error *` fills it on failure
 * and leaves it alone on success; NULL is allowed. The text is one line without an end of line: what, where, what to do.
 */
#define EVPIPE_ERROR_TEXT_MAX 512
typedef struct evpipe_error {
	evpipe_err code;
	char       text[EVPIPE_ERROR_TEXT_MAX];
} evpipe_error;

/* ---- configuration --------------------------------------------------------------------------------------------- */

/*
 * A set of properties, each with a name, a type, a unit, a range and a default (docs/configuration.md). Producers and
 * workers copy what they are made from. One thread at a time; a configuration that nobody changes may be read by many.
 */
typedef struct evpipe_config evpipe_config;

/* ENOMEM. */
EVPIPE_EXPORT evpipe_err evpipe_config_new(evpipe_config **out);
EVPIPE_EXPORT evpipe_err evpipe_config_copy(evpipe_config **out, const evpipe_config *config);
EVPIPE_EXPORT void       evpipe_config_free(evpipe_config *config);

/*
 * Read an INI file. A section is a prefix: `linger = 1s` under `[batch]` is `batch.linger`; `[destination.ACME]` holds
 * what differs for the destination ACME. ECONFIG names file, line and problem (the first of them); EIO if the file
 * cannot be read. What stands before a problem may have been set: throw the configuration away.
 */
EVPIPE_EXPORT evpipe_err evpipe_config_load(evpipe_config *config, const char *path, evpipe_error *error);

/*
 * Set one property: name "batch.linger" or "destination.ACME.batch.linger", value as in the file ("200ms", "5MiB",
 * "@/run/secrets/token" for the contents of a file). ECONFIG with a "did you mean" for an unknown name; what was set
 * before stays.
 */
EVPIPE_EXPORT evpipe_err evpipe_config_set(evpipe_config *config, const char *name, const char *value,
                                           evpipe_error *error);

/* Called for each problem; the error's text is the caller's for the call. Return 0 to go on, else to stop. */
typedef int (*evpipe_problem_fn)(void *ctx, const evpipe_error *problem);

/*
 * Like evpipe_config_load, but go on after a problem and report each. Returns ECONFIG if there was one; EIO, and
 * nothing reported, if the file cannot be read.
 */
EVPIPE_EXPORT evpipe_err evpipe_config_check_file(evpipe_config *config, const char *path, evpipe_problem_fn on_problem,
                                                  void *ctx, evpipe_error *error);

/*
 * Look at what holds between properties (a URL that is needed, delays that ascend), report each problem. Producers and
 * workers do this first, before they open anything. ECONFIG if there was a problem.
 */
EVPIPE_EXPORT evpipe_err evpipe_config_check(const evpipe_config *config, evpipe_problem_fn on_problem, void *ctx);

/*
 * Read a property as it stands for a destination (NULL: for all of them): its own setting, else the common one, else
 * the default. Text is borrowed until the property is set again or the configuration is freed; NULL if it has neither
 * setting nor default. Numbers are in the base unit: milliseconds, bytes, a count, 0 or 1, or the index of a choice.
 * A name that is not in the table gives NULL and 0.
 */
EVPIPE_EXPORT const char *evpipe_config_text(const evpipe_config *config, const char *destination, const char *name);
EVPIPE_EXPORT int64_t     evpipe_config_number(const evpipe_config *config, const char *destination, const char *name);

/* A list of durations such as retry.delays: fills at most `max`, returns how many there are. */
EVPIPE_EXPORT size_t evpipe_config_durations(const evpipe_config *config, const char *name, int64_t *out_ms, size_t max);

/*
 * Visit the settings whose names begin with `prefix` and which are not in the table: the pass-through ones ("kafka.",
 * "sink.header."). `name` comes without the prefix; "kafka." visits "producer.linger.ms", too. With a destination, its
 * own settings come after the common ones and in place of those of the same name. Small and capital letters make no
 * difference between names. The visitor returns 0 to go on; anything else stops and is returned.
 */
typedef int (*evpipe_setting_fn)(void *ctx, const char *name, const char *value);
EVPIPE_EXPORT int evpipe_config_each(const evpipe_config *config, const char *destination, const char *prefix,
                                     evpipe_setting_fn visit, void *ctx);

/*
 * Visit everything as it stands, for people: each property of the table, what is passed through, and then what differs
 * by destination ("destination.ACME.batch.linger"). `value` is written as in a file, NULL if there is none, and
 * "(hidden)" for what is or may be a secret. `origin` is "path:line", "" for what evpipe_config_set set, NULL for a
 * default. Returns what the visitor returned, if that was not 0.
 */
typedef int (*evpipe_effective_fn)(void *ctx, const char *name, const char *value, const char *origin);
EVPIPE_EXPORT int evpipe_config_show(const evpipe_config *config, evpipe_effective_fn visit, void *ctx);

/* ---- what a producer or worker tells ------------------------------------------------------------------------------ */

typedef enum evpipe_log_level { EVPIPE_LOG_ERROR, EVPIPE_LOG_WARN, EVPIPE_LOG_INFO, EVPIPE_LOG_DEBUG } evpipe_log_level;

/*
 * One line of logfmt without a level, a time or an end of line: `event=destination destination=ACME state=open ...`
 * (docs/operations.md has the events). Ids and counts, never the data of an event. Called by the thread that runs the handle (pump or worker loop) or closes it, holding no lock
 * of libevpipe's; must not call back into the handle. NULL: nothing is logged, libevpipe never prints.
 */
typedef void (*evpipe_log_fn)(void *ctx, evpipe_log_level level, const char *line);
EVPIPE_EXPORT void evpipe_config_on_log(evpipe_config *config, evpipe_log_fn fn, void *ctx);

/*
 * An event that was accepted by evpipe_emit but that the broker will never take as it is: too large for it, or
 * malformed. It is counted as `rejected`. A topic that is gone or not allowed is waited for instead, which
 * evpipe_producer_error and the log tell. Called by the pump or, at the end, by who closes, holding no lock of
 * libevpipe's; everything is borrowed for the call. Of the producer it may call evpipe_emit, evpipe_producer_stats and
 * evpipe_producer_error.
 */
struct evpipe_event;
typedef void (*evpipe_rejected_fn)(void *ctx, const struct evpipe_event *event, evpipe_err why, const char *text);
EVPIPE_EXPORT void evpipe_config_on_rejected(evpipe_config *config, evpipe_rejected_fn fn, void *ctx);

/* ---- events ------------------------------------------------------------------------------------------------------ */

/* A header of the application's own, `traceparent` among them. Names "evpipe", "content-type" and "ce_..." are libevpipe's. */
typedef struct evpipe_header {
	const char *name;  /* 1 to 255 bytes */
	const void *value; /* NULL is allowed and is not the same as empty */
	size_t      value_len;
} evpipe_header;

typedef struct evpipe_event {
	size_t               size;        /* EVPIPE_EVENT_INIT sets it */
	const char          *destination; /* whose data store: an organisation, a tenant; 1 to 255 bytes of UTF-8 */
	const void          *key;         /* chooses the partition; events of one key stay in order; NULL: any */
	size_t               key_len;     /* at most 1,024 */
	const void          *data;        /* the payload, as it is; may be NULL if data_len is 0 (an empty payload) */
	size_t               data_len;    /* at most event.max with everything else */
	const char          *type;        /* CloudEvents type, at most 255 bytes; NULL: event.type */
	const char          *content_type; /* at most 255 bytes; NULL: application/json */
	const char          *id;          /* stable and unique, at most 255 bytes; NULL: libevpipe gives one */
	int64_t              time_ms;     /* since 1970, not before; 0: now, to some 10 ms: as the pump knew it when it last looked */
	const evpipe_header *headers;
	size_t               headers_count; /* at most 32 */
} evpipe_event;

#ifdef __cplusplus
#define EVPIPE_EVENT_INIT evpipe_sized<evpipe_event>()
#else
#define EVPIPE_EVENT_INIT {.size = sizeof(evpipe_event)}
#endif

/* ---- the ledger ---------------------------------------------------------------------------------------------------- */

#define EVPIPE_TIERS_MAX 16

/* Why an event went to the dead-letter topic. */
typedef enum evpipe_reason {
	EVPIPE_REASON_REJECTED,  /* the destination refuses this event for good (400, 409, 422) */
	EVPIPE_REASON_EXHAUSTED, /* every retry tier was tried */
	EVPIPE_REASON_EXPIRED,   /* older than retry.age_max without having been delivered */
	EVPIPE_REASON_TOO_LARGE, /* alone larger than the destination takes, or than the broker takes on a retry topic */
	EVPIPE_REASON_FORMAT,    /* the payload does not fit the body format */
	EVPIPE_REASON_FOREIGN,   /* the record is not ours, and names no destination */
	EVPIPE_REASON_TOMBSTONE, /* the record has no payload (topic.tombstones) */
	EVPIPE_REASON_COUNT
} evpipe_reason;
#define EVPIPE_REASONS_MAX 16 /* room for more of them */

/* "rejected", "exhausted", ...; static. */
EVPIPE_EXPORT const char *evpipe_reason_name(evpipe_reason reason);

/*
 * Counts since the handle was made, of events unless said otherwise. A producer fills the first group, a worker the
 * second, the other is zero. They balance at every moment:
 *   accepted  = pending + sent + rejected
 *   taken     = in_flight + delivered + sum(retried) + sum(dead_lettered) + skipped + relinquished
 */
typedef struct evpipe_stats {
	size_t   size;     /* EVPIPE_STATS_INIT sets it; a library that knows more fills only this much */
	uint64_t accepted; /* evpipe_emit returned 0; those recovered, too */
	uint64_t refused;  /* evpipe_emit returned an error */
	uint64_t sent;     /* acknowledged by the broker */
	uint64_t rejected; /* the broker will never take it */
	uint64_t pending;  /* in the journal or one that was adopted, not acknowledged */
	uint64_t resent;   /* sends repeated after a doubtful or failed acknowledgement */

	uint64_t taken;     /* records polled */
	uint64_t delivered; /* the destination has it */
	uint64_t retried[EVPIPE_TIERS_MAX]; /* handed to a retry tier, after a failed attempt or parked, by tier */
	uint64_t parked;    /* of those: without an attempt, since the destination may not be posted to, or takes too little */
	uint64_t dead_lettered[EVPIPE_REASONS_MAX]; /* by evpipe_reason */
	uint64_t skipped;      /* tombstones that are to be skipped */
	uint64_t relinquished; /* given up unsettled with their partition, or at the end: somebody else delivers them */
	uint64_t in_flight;    /* in this worker, unsettled */
	uint64_t posts;        /* batches handed to the sink */
	uint64_t posts_failed; /* of those: answered otherwise than delivered */
	uint64_t memory;       /* bytes held now, the transport's queues included */
	uint64_t memory_max;   /* the most there ever was */
	uint64_t lag;          /* records on the assigned partitions not yet taken, where the transport knows */
	uint64_t partitions;   /* assigned now */

	uint64_t recovered; /* of a producer's accepted: by processes that died, whose journals it adopted when it was made */
	uint64_t unkept;    /* of rejected: not in a file beside the journal, since there is no journal.dir, or no room in it */
} evpipe_stats;

#ifdef __cplusplus
#define EVPIPE_STATS_INIT evpipe_sized<evpipe_stats>()
#else
#define EVPIPE_STATS_INIT {.size = sizeof(evpipe_stats)}
#endif

/* ---- producer ------------------------------------------------------------------------------------------------------ */

typedef struct evpipe_producer evpipe_producer;

/*
 * Opens the journal and the transport and starts the pump, one thread. Also while the broker is away: events wait in
 * the journal. With a journal.dir, reads what dead processes have left there (docs/journal.md says how long that takes).
 * ECONFIG, ENOMEM, ENOTSUP (the URL names a transport that this build lacks), EIO, EFULL (journal.dir has too little
 * space).
 */
EVPIPE_EXPORT evpipe_err evpipe_producer_new(evpipe_producer **out, const evpipe_config *config, evpipe_error *error);

/*
 * Copy the event into the journal. Any thread, many at once, not from a signal handler; never waits, and normally makes
 * no system call, takes no lock and allocates nothing. 0: accepted. EFULL: the journal is full, try later or drop it,
 * it is counted. EINVAL, ETOOLARGE: never for this event. ECLOSED: after evpipe_producer_close began. EFORKED: in a
 * child of fork.
 */
EVPIPE_EXPORT evpipe_err evpipe_emit(evpipe_producer *producer, const evpipe_event *event);

/*
 * Wait until everything accepted before the call was acknowledged or rejected. Any thread. ETIMEOUT. ECLOSED as soon as
 * evpipe_producer_close begins. With a stepped pump, steps it, and returns ETIMEOUT as soon as a step changes nothing.
 */
EVPIPE_EXPORT evpipe_err evpipe_producer_flush(evpipe_producer *producer, uint32_t timeout_ms);

/*
 * Refuse new events, flush, stop the pump and close the transport. *left (may be NULL) is the exact number of events
 * accepted and neither acknowledged nor rejected; ETIMEOUT if it is not 0. Any thread, once; other calls give ECLOSED
 * at once. Threads whose evpipe_emit will return 0 are waited for, whatever the timeout: they are copying their event.
 */
EVPIPE_EXPORT evpipe_err evpipe_producer_close(evpipe_producer *producer, uint32_t timeout_ms, uint64_t *left);

/*
 * One round of a pump without a thread (pump.thread = no, or a test broker's). Any thread, one after the other. EAGAIN:
 * nothing was done. ECLOSED. EINVAL if it has a thread.
 */
EVPIPE_EXPORT evpipe_err evpipe_producer_step(evpipe_producer *producer);

/* Any thread. In a child of fork: as they were. */
EVPIPE_EXPORT void evpipe_producer_stats(evpipe_producer *producer, evpipe_stats *stats);

/*
 * What keeps the pump from sending, or the last event's rejection, as of its last round; if there is neither, what keeps
 * a journal from its disk; code 0 if nothing does. Any thread. EFORKED in a child of fork.
 */
EVPIPE_EXPORT void evpipe_producer_error(evpipe_producer *producer, evpipe_error *error);

/*
 * Closes with a timeout of 0 if that was not done. No thread may be inside a call. In a child of fork, gives back what
 * it safely can and leaves the parent's connections alone.
 */
EVPIPE_EXPORT void evpipe_producer_free(evpipe_producer *producer);

/* ---- journals that were left ---------------------------------------------------------------------------------------- */

/*
 * What lies in a journal.dir. A producer that is made with this directory adopts what dead processes have left and sends it;
 * these functions are for people who want to look first (evpipe recover). Any thread.
 */
typedef enum evpipe_journal_state {
	EVPIPE_JOURNAL_ALIVE,  /* its process lives: nothing else is known of it */
	EVPIPE_JOURNAL_DEAD,   /* the next producer sends its events */
	EVPIPE_JOURNAL_REFUSED /* it, or a file of it, cannot be read, and stays where it is */
} evpipe_journal_state;

typedef struct evpipe_journal_info {
	size_t               size;
	const char          *name;    /* 16 hexadecimal digits, with which its files' names and the ids made by it begin */
	evpipe_journal_state state;
	const char          *problem; /* of one that is refused, else NULL */
	int64_t              created_ms; /* since 1970 */
	uint64_t             events;     /* accepted and not acknowledged */
	uint64_t             done;       /* acknowledged, and not yet freed */
	uint64_t             torn_bytes; /* what was being written when the process was killed, or did not reach the disk */
	uint64_t             damaged;    /* events that are there, but not as they were written: passed over and kept */
} evpipe_journal_info;

/* The infos, and for each dead journal its events, in order; every pointer is borrowed for the call. Not 0: stop. */
typedef int (*evpipe_journal_fn)(void *ctx, const evpipe_journal_info *info);
typedef int (*evpipe_journal_event_fn)(void *ctx, const evpipe_journal_info *info, const evpipe_event *event);

/*
 * Look, and change nothing. Either function may be NULL. A dead journal is locked while it is read, which takes a directory
 * that may be written to; a producer that starts then waits for that, and adopts it. One that starts later may send events while
 * they are shown. EINVAL: no directory is named. EIO names it; ENOMEM.
 */
EVPIPE_EXPORT evpipe_err evpipe_journal_inspect(const char *dir, evpipe_journal_fn on_journal, evpipe_journal_event_fn on_event,
                                                void *ctx, evpipe_error *error);

/*
 * Visit the events that brokers have rejected, file by file, with the id they were sent under and the reason
 * ("EVPIPE_ETOOLARGE: ..."). Of `info`, size, name and state are filled: files of a living process may grow. For an event,
 * not 0 stops. After the last one of a file comes a call with `event` NULL: not 0 removes the file, if its process is dead.
 * EFORMAT: of a file that is none, or has damaged events; it stays, and the others were visited. EINVAL, EIO, ENOMEM.
 */
typedef int (*evpipe_journal_rejected_fn)(void *ctx, const evpipe_journal_info *info, const evpipe_event *event, const char *reason);
EVPIPE_EXPORT evpipe_err evpipe_journal_rejected(const char *dir, evpipe_journal_rejected_fn on_event, void *ctx, evpipe_error *error);

/* ---- worker -------------------------------------------------------------------------------------------------------- */

typedef struct evpipe_worker evpipe_worker;
typedef struct evpipe_sink   evpipe_sink; /* evpipe-sink.h */

/*
 * A worker that posts to `sink`, or, if that is NULL, to what sink.url names. A sink that is given stays the caller's,
 * serves one worker and must outlive it. Starts no thread. Run as many workers as you like, in threads, processes or
 * machines: they share the partitions. ECONFIG, ENOMEM, ENOTSUP, EIO.
 */
EVPIPE_EXPORT evpipe_err evpipe_worker_new(evpipe_worker **out, const evpipe_config *config, const evpipe_sink *sink,
                                           evpipe_error *error);

/*
 * Work until evpipe_worker_stop, then drain: take no more, deliver or hand over what was taken within
 * worker.drain_timeout, settle and leave the group. 0: nothing unsettled is left. ETIMEOUT: some is (stats:
 * relinquished); others, or the next start, deliver it. FATAL errors of the transport end it, too; evpipe_worker_error
 * has the text. EINVAL: it lives in a virtual time, and is stepped by that.
 */
EVPIPE_EXPORT evpipe_err evpipe_worker_run(evpipe_worker *worker);

/*
 * One round, for a loop of your own: wait at most timeout_ms for something to do (0: not at all), then do it. EAGAIN:
 * nothing was done. ECLOSED: stopped and drained, as evpipe_worker_run would have returned 0; ETIMEOUT likewise.
 * Worker_fd becomes readable when there is something new to do (-1: the worker has none, ask every 10 ms), and
 * worker_next_ms, asked after each round, says in how many milliseconds it wants to be called at the latest: 0 as long
 * as rounds do something, since a round is limited and may leave something undone.
 */
EVPIPE_EXPORT evpipe_err evpipe_worker_step(evpipe_worker *worker, uint32_t timeout_ms);
EVPIPE_EXPORT int        evpipe_worker_fd(evpipe_worker *worker);
EVPIPE_EXPORT uint32_t   evpipe_worker_next_ms(evpipe_worker *worker);

/* Begin to stop. Any thread, and any signal handler. A second call ends the drain at once. */
EVPIPE_EXPORT void evpipe_worker_stop(evpipe_worker *worker);

/* What ended the worker, or the last thing that went wrong; "" if nothing did. Borrowed until the next step. */
EVPIPE_EXPORT const char *evpipe_worker_error(const evpipe_worker *worker);

/* By the thread that runs the worker, or while none does. */
EVPIPE_EXPORT void evpipe_worker_stats(const evpipe_worker *worker, evpipe_stats *stats);

/* A destination's part of the ledger, and its state: "ok", "failing", "open" (breaker), "probing", "left alone"; static. */
typedef struct evpipe_destination_stats {
	size_t      size;
	const char *destination;
	const char *state;
	uint64_t    taken, delivered, retried, parked, dead_lettered, in_flight;
	uint64_t    posts, posts_failed;
} evpipe_destination_stats;

/*
 * Visit each destination this worker has seen since it last forgot it (idle ones are forgotten). What is given is borrowed
 * for the call. The visitor returns 0 to go on; anything else stops and is returned. Thread as for stats.
 */
typedef int (*evpipe_destination_fn)(void *ctx, const evpipe_destination_stats *stats);
EVPIPE_EXPORT int evpipe_worker_each_destination(const evpipe_worker *worker, evpipe_destination_fn visit, void *ctx);

/* Without a drain, if it was not stopped: what it holds stays unsettled and is delivered by others. */
EVPIPE_EXPORT void evpipe_worker_free(evpipe_worker *worker);

#ifdef __cplusplus
}
#endif

#endif
