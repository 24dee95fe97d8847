/*
 * pipeline.h: a worker without its facade: from polled records to settled ones. Sans-I/O: transport, sink, clocks and
 * randomness are handed in, and whoever owns it calls step.
 *
 *   intake.c       what the transport tells, records above all
 *   partitions.c   which ones are ours; tiers' heads, that wait until they are due
 *   destinations.c whose events they are: what is known of each destination, and whether it may be posted to
 *   hoards.c       those of them that are in the way of others when memory is short
 *   lanes.c        where events wait in order; from which batches are taken
 *   lanes-number.c how many of them a destination has
 *   posting.c      which destination posts next: deficit round robin
 *   verdicts.c     what an answer means for each event
 *   router.c       handing events over to retry tiers and dead letters
 *   topics.c       starting: topics, then subscriptions
 *   pipeline.c     life, one round, the ledger, stopping
 */
#ifndef EVPIPE_PIPELINE_H
#define EVPIPE_PIPELINE_H

#include <evpipe-sink.h>
#include <evpipe-transport.h>
#include <sys/queue.h>
#include <uthash.h>

#include "batch.h"
#include "breaker.h"
#include "event.h"
#include "log.h"
#include "tiers.h"
#include "timers.h"

typedef struct evpipe__pipeline    evpipe__pipeline;
typedef struct evpipe__destination evpipe__destination;
typedef struct evpipe__lane        evpipe__lane;

/* What an owner hands in; all of it outlives the pipeline. */
typedef struct evpipe__pipeline_setup {
	const evpipe_config        *config;
	const evpipe_runtime       *runtime;
	const evpipe_transport_ops *transport_ops;
	void                       *transport;
	size_t                      transport_memory_max; /* its part of worker.memory_max */
	const evpipe_sink_ops      *sink_ops;
	void                       *sink;
	evpipe__log                 log;
} evpipe__pipeline_setup;

/* ENOMEM. */
evpipe_err evpipe__pipeline_new(evpipe__pipeline **out, const evpipe__pipeline_setup *setup, evpipe_error *error);
/* The transport and the sink were told before (closed, cancelled): no call goes to them. */
void       evpipe__pipeline_free(evpipe__pipeline *pipeline);

typedef enum evpipe__pipeline_state {
	EVPIPE__STARTING, /* topics are looked after */
	EVPIPE__RUNNING,
	EVPIPE__STOPPING, /* no more is taken; what is there is delivered or handed over */
	EVPIPE__DRAINED,  /* nothing unsettled is left */
	EVPIPE__GAVE_UP,  /* the time for draining was over */
	EVPIPE__FAILED    /* see error */
} evpipe__pipeline_state;

/* One round; never waits. True if it did something. Times are the runtime's. */
int evpipe__pipeline_step(evpipe__pipeline *pipeline, int64_t *next_due_ms);

/* Begin to stop; a second call gives up at once. */
void evpipe__pipeline_stop(evpipe__pipeline *pipeline);

/* It is over (drained, given up, failed), and the transport was closed: take its last reports. What is left now is relinquished. */
void evpipe__pipeline_finish(evpipe__pipeline *pipeline);

evpipe__pipeline_state evpipe__pipeline_state_of(const evpipe__pipeline *pipeline);
const evpipe_error    *evpipe__pipeline_error(const evpipe__pipeline *pipeline);
void                   evpipe__pipeline_stats(const evpipe__pipeline *pipeline, evpipe_stats *stats);
int evpipe__pipeline_each_destination(const evpipe__pipeline *pipeline, evpipe_destination_fn visit, void *ctx);

/* ==== shared by the files above ==== */

/* Events of a destination, in order; those of one key are in one lane. */
struct evpipe__lane {
	evpipe__destination       *destination;
	unsigned                   index;
	struct evpipe__batch_list  pending;      /* none is empty */
	evpipe__batch             *filling;      /* the last of these, to which is added; NULL: none */
	evpipe__piece             *open;         /* the memory of the next event; NULL: none yet */
	struct evpipe__batch_list  again;        /* batches to post before anything pending: halves, quick retries */
	unsigned                   posting;      /* posts in flight */
	evpipe__timer              timer;        /* pending has lingered, or the first of again may go */
	int                        is_ready;
	TAILQ_ENTRY(evpipe__lane) ready_link;
};

struct evpipe__lanes {
	unsigned     count; /* a power of two */
	evpipe__lane lane[];
};

TAILQ_HEAD(evpipe__lane_list, evpipe__lane);

/* What each event needs of it comes first and together: with many destinations, little of them is in the cache. */
struct evpipe__destination {
	UT_hash_handle        hh; /* by name */
	struct evpipe__lanes *lanes;
	evpipe__pipeline     *pipeline;
	size_t                events_max, bytes_max; /* settings, as they stand for it */
	size_t                bytes_limit;   /* larger bodies were refused, until bytes_limit_until_ms */
	int64_t               not_before_ms; /* Retry-After: monotonic; in the past: it may be posted to */
	evpipe__breaker       breaker;
	size_t                held;          /* bytes of its events, without those that are being handed over */
	int                   is_idle;       /* nothing in flight: in the list of those that may be forgotten */
	evpipe_destination_stats stats;

	/* What posts need. */
	int64_t                  linger_ms;
	unsigned                 in_flight_max;
	int64_t                  hoards_until_ms; /* for so long it needs no more proof */
	evpipe__breaker_settings breaker_settings;
	evpipe__timer            reopen;
	unsigned                 window;  /* posts at a time: halved when overloaded, grown by success */
	unsigned                 window_successes;
	int64_t                  bytes_limit_until_ms;
	struct evpipe__lanes    *old;     /* those from before a change of their number, until their posts are done */
	struct evpipe__lane_list ready;
	unsigned                 posting; /* posts in flight */
	int                      is_active;
	TAILQ_ENTRY(evpipe__destination) active_link;
	int64_t                  deficit; /* bytes it may still post this turn */
	int64_t                  idle_since_ms;
	TAILQ_ENTRY(evpipe__destination) idle_link;
	char                     name[];
};

TAILQ_HEAD(evpipe__destination_list, evpipe__destination);

/* A slot of the transport's. */
typedef struct evpipe__partition {
	evpipe__pipeline *pipeline;
	enum { PARTITION_NONE = 0, PARTITION_OWNED, PARTITION_DRAINING } state;
	evpipe_assignment assignment;
	int               tier; /* -1: the main topic */
	char             *topic;
	int32_t           number;
	uint64_t          unsettled;
	evpipe__event    *head;  /* of a tier: the record that is not due yet; the partition is held meanwhile */
	int64_t           seen_end; /* of a tier: the records before this offset were there at seen_ms, whatever clocks say */
	int64_t           seen_ms;  /* monotonic */
	evpipe__timer     timer; /* the head is due, or draining has lasted long enough */
} evpipe__partition;

struct evpipe__pipeline {
	evpipe__pipeline_setup setup;
	evpipe__pipeline_state state;
	evpipe_error           error;   /* the last thing that went wrong */
	evpipe_error           failure; /* what ended it, whatever goes wrong after that */
	int64_t                now_ms; /* of this round */
	evpipe__timers         timers;
	evpipe__tiers          tiers;

	/* Settings. */
	int     ordered; /* order = key */
	char   *type;    /* event.type */
	size_t  events_memory_max;
	unsigned in_flight_max;
	int64_t drain_ms;
	int64_t handover_ms; /* of a partition that others are to have */
	uint32_t quick_max;
	int64_t quick_min_ms, quick_max_ms;
	int64_t age_max_ms;

	/* Topics that are looked after before anything is subscribed to, in the order of topics.c. */
	struct {
		enum { TOPIC_TO_ASK = 0, TOPIC_ASKED, TOPIC_THERE } state;
	} topics[EVPIPE_TIERS_MAX + 2];
	char *topic;

	evpipe__partition **partitions; /* by slot */
	size_t              partitions_count;

	evpipe__destination            *destinations; /* a hash, by name */
	struct evpipe__destination_list active;       /* with something to post, in turn */
	struct evpipe__destination_list idle;         /* longest idle first */
	evpipe__destination            *last;         /* the last event's */
	evpipe__timer                   sweep;
	int                             is_cramped; /* a hoard is in the way of others, and the transport had no room for more of it */

	struct evpipe__event_list to_hand_over; /* the transport had no room yet */
	struct evpipe__event_list handed_over;  /* not acknowledged yet */
	struct evpipe__event_list stuck;        /* refused for good even by the dead letters */
	size_t                    leaving;      /* bytes of events in these three */
	evpipe__timer             hand_over_again, stuck_again;
	evpipe__buffer            header;

	unsigned                  posting; /* posts in flight */
	struct evpipe__batch_list posted;  /* these */
	evpipe__pieces            pieces;  /* the memory of all events */
	evpipe__piece            *open;    /* for those without a destination */
	evpipe_stats stats;
	uint64_t     losses; /* of partitions: while it stays the same, no event is somebody else's */
	int64_t      stop_until_ms;
	int          sink_is_full; /* until an answer comes, or for a while */
	int          has_free_posts; /* after everything that may be posted was */
	evpipe__timer sink_again;
	char         scratch[EVPIPE__ENVELOPE_MAX + 1];
};

/* ---- pipeline.c ---- */

/* A random time between two. */
int64_t evpipe__pipeline_jitter(evpipe__pipeline *pipeline, int64_t least_ms, int64_t most_ms);
int64_t evpipe__pipeline_wall_ms(const evpipe__pipeline *pipeline);
/* Bytes of events, of memory that is kept for them, and of the sink: what the worker holds beside the transport. */
size_t evpipe__pipeline_memory(const evpipe__pipeline *pipeline);

/* It cannot go on. Nothing if it is over already. */
void evpipe__pipeline_fail(evpipe__pipeline *pipeline, evpipe_err err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* How an event ends; each settles its record, but the last. The event is gone. */
typedef enum evpipe__end {
	EVPIPE__END_DELIVERED,
	EVPIPE__END_RETRIED,
	EVPIPE__END_DEAD,
	EVPIPE__END_SKIPPED,
	EVPIPE__END_RELINQUISHED
} evpipe__end;
void evpipe__pipeline_end(evpipe__pipeline *pipeline, evpipe__event *event, evpipe__end end);

/* ---- topics.c ---- */

/* While starting: ask for topics; subscribe when all are there. The transport goes on trying while its broker is away. */
int  evpipe__topics_step(evpipe__pipeline *pipeline);
void evpipe__topics_told(evpipe__pipeline *pipeline, const evpipe_transport_event *event); /* of one of them */

/* ---- intake.c ---- */

int evpipe__intake_step(evpipe__pipeline *pipeline);
/* Into the lanes of its destination, or straight on if that may not be posted to for long. */
void evpipe__intake_accept(evpipe__pipeline *pipeline, evpipe__event *event);

/* ---- partitions.c ---- */

/* NULL: it was taken from us meanwhile. In a header, since it is asked for each event, again and again. */
static inline evpipe__partition *evpipe__partition_of(const evpipe__pipeline *pipeline, evpipe_assignment assignment)
{
	if (assignment.slot >= pipeline->partitions_count)
		return NULL;
	evpipe__partition *partition = pipeline->partitions[assignment.slot];
	if (!partition || partition->state == PARTITION_NONE || partition->assignment.epoch != assignment.epoch)
		return NULL;
	return partition;
}

void evpipe__partition_assigned(evpipe__pipeline *pipeline, const evpipe_transport_event *event);
void evpipe__partition_revoked(evpipe__pipeline *pipeline, const evpipe_transport_event *event);
void evpipe__partition_lost(evpipe__pipeline *pipeline, const evpipe_transport_event *event);
/* One more of its records is settled: the last one ends its draining. */
void evpipe__partition_settled(evpipe__pipeline *pipeline, evpipe__partition *partition);
/* How long the record at this offset of a tier has still to wait; 0: it is due. */
int64_t evpipe__partition_wait(evpipe__pipeline *pipeline, evpipe__partition *partition, const evpipe__envelope *envelope,
                               int64_t offset);
/* No records until its head is due, which is accepted then. */
void     evpipe__partition_hold(evpipe__pipeline *pipeline, evpipe__partition *partition, evpipe__event *head, int64_t wait_ms);
void     evpipe__partitions_drop_heads(evpipe__pipeline *pipeline);
void     evpipe__partitions_forget(evpipe__pipeline *pipeline); /* nothing is settled any more */
void     evpipe__partitions_release(evpipe__pipeline *pipeline);
uint64_t evpipe__partitions_lag(const evpipe__pipeline *pipeline); /* records that are there and were not taken yet */

/* ---- destinations.c ---- */

/* Find or make. NULL when memory is short. */
evpipe__destination *evpipe__destination_get(evpipe__pipeline *pipeline, const char *name);
void                 evpipe__destination_free(evpipe__destination *destination);
/* In how many ms it may be posted to; 0: now, as far as breaker and Retry-After go. */
int64_t     evpipe__destination_wait(const evpipe__destination *destination);
int         evpipe__destination_may_post(const evpipe__destination *destination);
const char *evpipe__destination_state(const evpipe__destination *destination);
/* An event came or went. */
void evpipe__destination_holds(evpipe__destination *destination, const evpipe__event *event);
void evpipe__destination_lets_go(evpipe__destination *destination, const evpipe__event *event, evpipe__end end);
/* With nothing here any more, it may be forgotten. */
void evpipe__destination_rest(evpipe__destination *destination);
/* What a post showed. */
void evpipe__destination_succeeded(evpipe__destination *destination);
void evpipe__destination_failed(evpipe__destination *destination);
void evpipe__destination_overloaded(evpipe__destination *destination); /* fewer posts at a time */
void evpipe__destination_refused(evpipe__destination *destination, const evpipe_answer *answer);
void evpipe__destination_leave_alone(evpipe__destination *destination, int64_t ms);
/* Nothing waits here for longer than the first tier would make it wait: that goes to a tier. */
void evpipe__destination_wait_elsewhere(evpipe__destination *destination);

/* ---- hoards.c ---- */

/*
 * An event came. If others starve, and the destination is a hoard that is in their way, its oldest events go to the first
 * tier, until it holds no more than is left for all others, or the transport takes no more.
 */
void evpipe__hoards_make_room(evpipe__destination *destination);
/*
 * The same for all: where nothing comes in any more, nothing but time shows that others starve; or that the transport has
 * room again for what is in their way.
 */
void evpipe__hoards_sweep(evpipe__pipeline *pipeline);

/* ---- lanes.c ---- */

/* One lane, empty. ENOMEM. */
evpipe_err evpipe__lanes_new(struct evpipe__lanes **out, evpipe__destination *destination, unsigned count);
void       evpipe__lanes_free(struct evpipe__lanes *lanes); /* what is in them is freed, too */
void       evpipe__lanes_add(evpipe__destination *destination, evpipe__event *event);
/* A post of the lane ended. */
void evpipe__lane_posted(evpipe__lane *lane);
void evpipe__lane_repost(evpipe__lane *lane, evpipe__batch *batch); /* before everything else of the lane */
/* The next batch of a ready lane; NULL: there is none after all. */
evpipe__batch *evpipe__lane_take(evpipe__lane *lane);
/* The first batch that is pending, whoever its events are by now; NULL: there is none. The lane has to be refreshed. */
evpipe__batch *evpipe__lane_take_pending(evpipe__lane *lane);
void           evpipe__lane_refresh(evpipe__lane *lane);
void           evpipe__lanes_refresh(evpipe__destination *destination);
/* What is pending goes from those to these, which are of the same destination. */
void evpipe__lanes_move_pending(struct evpipe__lanes *from, struct evpipe__lanes *to);
/* How many posts wait, and would be full, however they are limited; no more than `enough` are counted. */
size_t evpipe__lanes_full_posts(const evpipe__destination *destination, size_t enough);
/* For the memory of an event with that hash of its key. */
evpipe__piece **evpipe__lanes_open_piece(evpipe__destination *destination, uint32_t hash);
/* Nothing is here: keep no memory for what may come. */
void            evpipe__lanes_rest(evpipe__destination *destination);
/* Hand everything that waits over to a tier, at or beyond wait_ms. */
void evpipe__lanes_divert(evpipe__destination *destination, int64_t wait_ms);

/* ---- lanes-number.c ---- */

/* With lanes from before a change: whether there may be something in them that has to be posted before this lane may. */
int evpipe__lane_waits_for_old(const evpipe__lane *lane);
/* A post has just ended: old lanes may be done with, more be wanted. True if not just its lane has to be refreshed. */
int evpipe__lanes_adapt(evpipe__destination *destination);

/* ---- posting.c ---- */

void evpipe__posting_activate(evpipe__destination *destination);
int  evpipe__posting_step(evpipe__pipeline *pipeline);

/* ---- verdicts.c ---- */

int evpipe__verdicts_step(evpipe__pipeline *pipeline);

/* ---- router.c ---- */

/* After a failed post: the next tier at or beyond wait_ms, or the dead letters. */
void evpipe__router_retry(evpipe__pipeline *pipeline, evpipe__event *event, int64_t wait_ms);
/* Without one. */
void evpipe__router_park(evpipe__pipeline *pipeline, evpipe__event *event, int64_t wait_ms);
/*
 * To the first tier and at once, so that nothing that comes after it is posted while it only waits to be handed over.
 * False if the transport has no room: nothing has happened.
 */
int  evpipe__router_park_now(evpipe__pipeline *pipeline, evpipe__event *event);
void evpipe__router_bury(evpipe__pipeline *pipeline, evpipe__event *event, evpipe_reason reason);
int  evpipe__router_step(evpipe__pipeline *pipeline);
void evpipe__router_unstick(evpipe__pipeline *pipeline); /* once more */
void evpipe__router_sent(evpipe__pipeline *pipeline, const evpipe_transport_event *event);

#endif
