/*
 * fault.h: what the files of the fault transport share.
 *
 *   fault-script.c     which fault strikes when
 *   fault-sends.c      from send to its report
 *   fault-partitions.c partitions, which rules hold and take away
 *   fault-commits.c    what was settled on them
 *   fault-kept.c       records that come again
 *   fault.c            life, poll, the table of operations
 *
 * Assignments that the caller sees have the slot of the transport inside and an epoch of ours, since one assignment
 * inside may be several outside: it was lost and came back.
 */
#ifndef EVPIPE_FAULT_PRIVATE_H
#define EVPIPE_FAULT_PRIVATE_H

#include <evpipe-transport.h>
#include <sys/queue.h>

#include "fault-script.h"
#include "timers.h"

typedef struct evpipe__fault           evpipe__fault;
typedef struct evpipe__fault_sending   evpipe__fault_sending;
typedef struct evpipe__fault_partition evpipe__fault_partition;
typedef struct evpipe__fault_kept      evpipe__fault_kept;

TAILQ_HEAD(evpipe__fault_sendings, evpipe__fault_sending);
TAILQ_HEAD(evpipe__fault_partitions, evpipe__fault_partition);

struct evpipe__fault {
	const evpipe_transport_ops *ops; /* the transport inside */
	void                       *inside;
	const evpipe_runtime       *runtime;
	int64_t                     opened_ms;
	int64_t                     commit_ms; /* commit.interval */
	evpipe__fault_script        script;
	evpipe__timers              timers;
	int                         closed;
	size_t                      memory;     /* ours, beside that of the transport inside */
	size_t                      sends;      /* of it, what is remembered of sends */
	size_t                      sends_max;

	/* The broker is away: nothing is sent, no report and no record comes. */
	evpipe__timer away;
	int64_t       away_ms;
	enum { FAULT_NOTICE_NONE, FAULT_NOTICE_AWAY, FAULT_NOTICE_BACK } notice;

	struct evpipe__fault_sendings    sent;    /* the transport inside owes a report */
	struct evpipe__fault_sendings    delayed; /* reported to us */
	struct evpipe__fault_sendings    ready;   /* to be reported */
	const evpipe__fault_rule        *decided; /* what strikes the next send, if ... */
	int                              is_decided;

	evpipe__fault_partition        **partitions; /* by slot */
	size_t                           partitions_count;
	uint32_t                         epoch; /* the last one given */
	int                              keeps; /* records are kept until they are settled, since they may have to come again */
	int                              defers; /* what is settled waits for the next commit */
	evpipe__timer                    commit;
	uint32_t                         refused; /* commits, to be told */
	evpipe_err                       refused_err;
	struct evpipe__fault_partitions  replaying; /* have kept records to hand out again */
	struct evpipe__fault_partitions  returning; /* to be assigned anew, to be told */
	evpipe__fault_kept              *lent; /* a record that came again: the caller has it until the next poll, ... */
	int                              lent_is_done; /* ... settled or not */
	evpipe_transport_event           again; /* a record to be handed out twice; it is as long as the transport inside is not polled */
	int                              has_again;
	evpipe_transport_event           assigned; /* a partition for which there was no memory; it is as long as has_again's is */
	int                              has_assigned;
	evpipe__timer                    assign_again;
};

int64_t                   evpipe__fault_now(const evpipe__fault *fault);
int                       evpipe__fault_is_away(const evpipe__fault *fault);
const evpipe__fault_rule *evpipe__fault_strike(evpipe__fault *fault, evpipe__fault_occasion occasion, const char *topic,
					       int32_t partition);

/* ---- fault-sends.c ---- */

evpipe_err evpipe__fault_send(void *self, const evpipe_record *record, uint64_t token);

/* The transport inside reports. True: *event, changed, is to be handed out. */
int evpipe__fault_on_sent(evpipe__fault *fault, evpipe_transport_event *event);

/* The next report that is due; false: none. */
int evpipe__fault_next_report(evpipe__fault *fault, evpipe_transport_event *event);

/* At close nothing is delayed any longer. */
void evpipe__fault_sends_close(evpipe__fault *fault);
void evpipe__fault_sends_release(evpipe__fault *fault);

/* ---- fault-partitions.c ---- */

struct evpipe__fault_partition {
	evpipe__fault    *fault;
	evpipe_assignment inside;
	uint32_t          epoch; /* outside */
	char             *topic;
	int32_t           number;
	enum {
		FAULT_GONE,
		FAULT_OWNED,
		FAULT_REVOKED,  /* the transport inside wants it back */
		FAULT_ON_LEAVE, /* as revoked, but by a rule */
		FAULT_AWAY      /* taken from the caller by a rule */
	} state;
	int           held;        /* by the caller */
	int           held_inside; /* the transport inside was told */
	evpipe__timer stall;
	evpipe__timer come_back;
	int64_t       away_ms;

	evpipe__fault_kept *kept;
	evpipe__fault_kept *next; /* to hand out again */
	int                 gaps; /* there was no memory to keep a record: it cannot be taken away */
	TAILQ_ENTRY(evpipe__fault_partition) replaying;
	TAILQ_ENTRY(evpipe__fault_partition) returning;
	int                                  is_returning;

	int64_t *settled; /* deferred until the next commit */
	size_t   settled_count, settled_capacity;
};

/* Without memory the partition waits in fault->assigned, and is tried again with what comes next from inside. */
int evpipe__fault_on_assigned(evpipe__fault *fault, evpipe_transport_event *event);

/* Something of a partition came from the transport inside. True: *event, changed, is to be handed out. */
int evpipe__fault_on_record(evpipe__fault *fault, evpipe_transport_event *event);
int evpipe__fault_on_revoked(evpipe__fault *fault, evpipe_transport_event *event);
int evpipe__fault_on_lost(evpipe__fault *fault, evpipe_transport_event *event);

/* A partition that comes back; false: none does. */
int evpipe__fault_next_assigned(evpipe__fault *fault, evpipe_transport_event *event);

/* The event is a record, from inside or one that comes again; rules strike, and something else may come out. */
void evpipe__fault_hand_out(evpipe__fault_partition *partition, evpipe_transport_event *event);

/* As the caller knows it; NULL: it has ended. */
evpipe__fault_partition *evpipe__fault_find(evpipe__fault *fault, evpipe_assignment assignment);

/* Held inside for whatever reason there is, or released if there is none. */
void evpipe__fault_sync_hold(evpipe__fault_partition *partition);

void    evpipe__fault_hold(void *self, evpipe_assignment assignment);
void    evpipe__fault_unhold(void *self, evpipe_assignment assignment);
void    evpipe__fault_relinquish(void *self, evpipe_assignment assignment);
int64_t evpipe__fault_lag(void *self, evpipe_assignment assignment);

void evpipe__fault_partitions_init(evpipe__fault *fault);
void evpipe__fault_partitions_close(evpipe__fault *fault); /* passes on what was settled; all assignments end */
void evpipe__fault_partitions_release(evpipe__fault *fault);

/* ---- fault-commits.c ---- */

evpipe_err evpipe__fault_settle(void *self, evpipe_assignment assignment, int64_t offset);

/* The last commit of a partition: what is refused now is settled by nobody, and comes again. */
void evpipe__fault_commit_last(evpipe__fault_partition *partition);
void evpipe__fault_forget_settled(evpipe__fault_partition *partition);

/* A commit that was refused is to be told; false: none is. */
int        evpipe__fault_next_refusal(evpipe__fault *fault, evpipe_transport_event *event);
evpipe_err evpipe__fault_commits_init(evpipe__fault *fault);

/* ---- fault-kept.c ---- */

/* Keep a copy; if there is no memory for it, the partition is marked. */
void evpipe__fault_keep(evpipe__fault_partition *partition, const evpipe_record *record);
void evpipe__fault_let_go(evpipe__fault_partition *partition, int64_t offset);
void evpipe__fault_let_go_all(evpipe__fault_partition *partition);

/* Where the records to hand out again go on; NULL: there are no more. How many there are. */
void    evpipe__fault_set_next(evpipe__fault_partition *partition, evpipe__fault_kept *next);
int64_t evpipe__fault_kept_left(const evpipe__fault_partition *partition);

/* A record that comes again; false: none does. */
int evpipe__fault_next_record(evpipe__fault *fault, evpipe_transport_event *event);

/* A poll begins: what the one before handed out is no longer borrowed. */
void evpipe__fault_take_back(evpipe__fault *fault);

#endif
