/*
 * world.h: a whole pipeline in virtual time on one thread: applications, the broker, workers, data stores; what is known
 * of each event from outside; and what was promised of it.
 *
 *   world.c     life, and letting time pass
 *   machine.c   a worker or an application: starting, one step, stopping, being killed
 *   emit.c      what applications emit
 *   wire.c      between a machine and the broker: sees every record, acknowledgement and settlement
 *   disk.c      between an application and the files of its journal; what a death leaves of them
 *   store.c     the data stores: what they answer
 *   happen.c    making the scheduled faults happen
 *   account.c   what became of each event: nothing lost, nothing doubled (a, c, d)
 *   keeping.c   which events a journal has to keep when somebody dies (a, d)
 *   promises.c  when it was posted, in which order, under which key (e, f, j, k)
 *   ledger.c    what machines say of themselves (b, h)
 */
#ifndef SIMULATION_WORLD_H
#define SIMULATION_WORLD_H

#include <evpipe-testbroker.h>

#include "chance.h"
#include "plan.h"
#include "simulate.h"
#include "storage.h"
#include "trace.h"
#include "unit/memory-storage.h"

#define MACHINES_MAX (WORKERS_MAX + APPS_MAX)
#define TOPIC_DEAD (DELAYS_MAX + 1)
#define TOPICS_MAX (DELAYS_MAX + 2)
#define NOBODY UINT32_MAX

struct world;

/* ---- what is known of an event ----------------------------------------------------------------------------------------- */

struct event {
	/* Exposed: it may have died with its machine. */
	enum event_state { EVENT_NONE, EVENT_ACCEPTED, EVENT_EXPOSED, EVENT_DIED } state;
	int64_t  accepted_ms, first_ms; /* of acceptance and first delivery */
	uint32_t delivered;             /* times */
	uint32_t excuses;               /* how often a fault may have doubled it */
	uint32_t sends[2];              /* that may have arrived: to the topic; to tiers and dead letters */
	uint32_t seen[2];               /* distinct records handed out: of the topic; of tiers */
	uint32_t acked;                 /* sends to tiers and dead letters that were acknowledged */
	uint32_t settled;               /* distinct records */
	uint32_t next;                  /* of its key, as accepted */
	uint64_t first_sent, first_taken; /* to the topic, and from it: as the how-manieth step of all */
	uint8_t  is_on_topic, is_dead, is_skipped; /* as seen in the broker at the end, or when its application died */
	uint8_t  is_doubtful; /* a send of its application failed, or may have */
	uint8_t  is_retried;  /* or on its way to the dead letters */
	uint8_t  is_put_back; /* its data store did not take it: it is posted again, or handed over */
	uint8_t  is_adrift;   /* another application adopted it: its own does not wait for it */
	uint8_t  is_acked;    /* by the topic */
	uint32_t holder;      /* the machine in whose journal it is, or was */
	int64_t  safe_ms;     /* from then on it, or that it is acknowledged, survives its host; INT64_MAX: nobody sees to it */
	uint64_t id; /* a hash of the id it was first delivered with */
	/* A record of a tier that a worker has, until it is posted or handed over: not before due_ms. */
	uint32_t waits_at;
	int64_t  due_ms, latest_ms; /* latest_ms: it may be due then; */
	int64_t  held_ms;           /* or something had held it up until then */
	struct {
		int64_t queued_ms, at_ms; /* as it says, and in truth */
	} sent[4]; /* to tiers, the last times, round and round */
	uint32_t sent_count;
	uint32_t in_hands; /* records of it that were handed out and are not settled */
};

/* Where a record was handed out to; one for each offset. */
struct record {
	uint32_t number;  /* its event; NOBODY: not seen yet */
	uint32_t epoch;   /* last handed out under */
	uint32_t settled_epoch; /* settled under, and not forgotten with an owner who ended without having committed; 0: not */
	uint8_t  is_settled;    /* ever */
};

struct partition {
	struct record *records;
	size_t         count, capacity;
	int64_t        committed;  /* when it was assigned last */
	int64_t        back_ms;    /* when it was away last */
};

/* ---- machines ---------------------------------------------------------------------------------------------------------- */

/* What the applications of one directory share; a machine that may crash. */
struct host {
	struct memory_storage files;
	evpipe__storage       storage;
	struct chance         chance;
	int64_t               broken_until_ms; /* its disk takes nothing new */
};

/* A send in flight. */
struct send {
	uint64_t token;
	uint32_t number, topic; /* NOBODY: there is none */
	uint32_t next_free;
};

/* A partition in a worker's hands, by slot. */
struct holding {
	enum { HOLDING_NONE, HOLDING_OWNED, HOLDING_REVOKED } state;
	uint32_t topic, partition, epoch;
	uint64_t unsettled;
	int64_t  assigned_ms, revoked_ms;
	int64_t  head_ms; /* of a tier: no record in it waits for a head after that */
};

/* A destination asked to be left alone. */
struct alone {
	uint32_t destination;
	int64_t  from_ms, until_ms;
};

struct machine {
	struct world *world;
	char          name[16];
	uint32_t      number; /* workers first */
	int           is_app;
	int64_t       skew_ms;
	struct chance chance;
	evpipe_runtime runtime;
	evpipe_config  *config;

	enum { MACHINE_DOWN, MACHINE_UP, MACHINE_STOPPING } state;
	evpipe_producer *producer;
	evpipe_worker   *worker;
	evpipe_stepper  *stepper;
	int64_t          due_ms, start_ms; /* start_ms: while it is down */
	uint32_t         operations_left;  /* of its transport's, until it is killed; 0: it is not to be */
	int64_t          down_ms;          /* so long then */
	int              is_dead;          /* what it still does in this step never happened */
	int              is_full;          /* after its last step: a worker may have no memory for more; */
	int64_t          full_ms;          /* when that was so last */
	int64_t          pool_ms;          /* when it may last have had as many posts out as it may */
	int64_t         *answers;          /* when those are answered that are out */
	size_t           answers_count, answers_capacity;
	int64_t          free_ms[DESTINATIONS_MAX]; /* from then on nothing keeps it from posting there */

	/* wire.c: the connection that it has now. */
	void           *inner;
	struct send    *sends;
	size_t          sends_capacity;
	uint32_t        sends_free;
	struct holding *holdings;
	size_t          holdings_count;
	uint64_t        acked[TOPICS_MAX], taken;

	/* disk.c: of an application with a directory. */
	struct host    *host; /* NULL: it has none */
	evpipe__storage storage;
	struct chance   fate; /* how it dies */
	void          **opened, **locks; /* the memory of files, and locks, that it has */
	size_t          opened_count, opened_capacity, locks_count, locks_capacity;
	void           *ring; /* of its own journal */
	size_t          ring_size;

	struct alone *alone;
	size_t        alone_count, alone_capacity;
	size_t        next_emission; /* of an application: the first of its emissions that is not done, in the plan's order */
};

/* A destination's data store. */
struct store {
	struct chance   chance;
	enum fault_kind mode; /* FAULT_KINDS: as it is */
	int64_t         mode_until_ms, amount;
	int64_t         quiet_from_ms; /* nothing it has answered keeps anybody from posting after this */
	int64_t         last_ms;
};

/* Keys of posts, for what they were used. */
struct post_keys {
	struct {
		uint64_t key, events;
	} *entries;
	size_t count, capacity;
};

struct world {
	const struct plan        *plan;
	const struct run_options *options;
	struct run_result        *result;
	struct trace              trace;
	int64_t                   now_ms; /* since the start */
	int64_t                   start_wall_ms;

	evpipe_testbroker *broker;
	struct machine     machines[MACHINES_MAX];
	struct host        hosts[APPS_MAX];
	size_t             machines_count;
	struct machine    *running; /* whose step it is */
	struct chance      turns;
	struct store       stores[DESTINATIONS_MAX];
	struct partition  *partitions[TOPICS_MAX];
	unsigned char     *payloads; /* event_payload */

	struct event *events;
	size_t        events_count;
	uint32_t     *group_first, *group_last; /* by key: the first event that has not ended, and the last accepted */
	size_t        deliveries_seen;
	int64_t      *topic_scanned; /* by partition of the topic: what is_on_topic knows */
	struct post_keys keys;

	size_t  next_fault;
	struct {
		int64_t at_ms;
		uint32_t topic, partition;
	} away[64]; /* comes back then; topic TOPICS_MAX: the broker */
	size_t  away_count;
	int64_t crowded_ms;   /* the last time that a worker could not hand an event over at once */
	int     is_away;            /* the broker */
	int     commits_are_refused, clocks_are_off; /* have ever been */
	int     is_healed;
};

/* The first failure of a check ends the run. */
__attribute__((format(printf, 3, 4))) void world_fail(struct world *world, char check, const char *format, ...);
int64_t world_wall_ms(const struct world *world); /* true time, as the broker has it */
const char *world_topic(const struct world *world, uint32_t topic);

/* ---- machine.c ---- */

void machine_init(struct world *world, uint32_t number, const evpipe_config *config);
void machine_start(struct machine *machine);
int  machine_step(struct machine *machine);
void machine_stop(struct machine *machine, int64_t start_ms);
void machine_kill(struct machine *machine);
/* True if it lives, after one more operation. */
int  machine_operates(struct machine *machine);
void machine_release(struct machine *machine);
int64_t machine_wall_ms(const struct machine *machine);

/* ---- emit.c ---- */

void machine_emit(struct machine *machine);
/* INT64_MAX: it has emitted all. */
int64_t machine_next_emission_ms(const struct machine *machine);
/* Emit what is to come next, and go on as if nothing had been. NOBODY: nothing is to come, or it was refused. */
uint32_t machine_try_emit(struct machine *machine);

/* ---- wire.c ---- */

extern const evpipe_transport_ops wire_ops;
void wire_cut(struct machine *machine); /* everything of its connection is forgotten */

/* ---- disk.c ---- */

void disk_attach(struct machine *machine, struct host *host);
/* The machine dies in this very moment: the files are as they are, whatever its code still does. */
void disk_die(struct machine *machine);
void disk_crash(struct world *world, struct host *host);
/* Of journals that were adopted nothing is left. */
void disk_end(struct world *world);

/* ---- store.c ---- */

int  store_answer(void *ctx, const evpipe_batch *batch, evpipe_testbroker_fate *fate);
void store_init(struct world *world, uint32_t destination);

/* ---- happen.c ---- */

void faults_happen(struct world *world);
int64_t faults_next_ms(const struct world *world);

/* ---- account.c ---- */

#define NUMBER_HEADER "n"

/* What an event is, byte by byte. */
const void *event_payload(const struct world *world, uint32_t number);
/* The number of an event by its header; NOBODY: it has none. */
uint32_t event_number(const evpipe_header *headers, size_t count);
void account_accepted(struct machine *machine, uint32_t number);
void account_taken(struct machine *machine, const evpipe_record *record, struct holding *holding);
void account_settled(struct machine *machine, struct holding *holding, int64_t offset);
void account_assigned(struct machine *machine, const struct holding *holding);
/* The machine has the partition no more; is_committed: what it had settled is. */
void account_ended(struct machine *machine, struct holding *holding, int is_committed);
void account_sent(struct machine *machine, uint32_t number, uint32_t topic);
void account_reported(struct machine *machine, uint32_t number, uint32_t topic, evpipe_outcome outcome);
void account_deliveries(struct world *world);
/* Look which events the topic has: is_on_topic. */
void account_topic(struct world *world);
void account_end(struct world *world);

/* ---- keeping.c ---- */

void keep_accepted(struct machine *machine, struct event *event);
void keep_acked(struct machine *machine, struct event *event);
/* It adopts what those have left that are down. */
void keep_started(struct machine *machine);
/* What only its memory held has died. was_killed: it did not have the time to put its journal in order. */
void keep_died(struct machine *machine, int was_killed);
void keep_crashed(struct world *world, const struct host *host);
/* Until broken_until_ms nothing more gets safe. */
void keep_broken(struct world *world, const struct host *host);

/* ---- promises.c ---- */

/* A partition, or with topic TOPICS_MAX the broker, is there again. */
void promise_back(struct world *world, uint32_t topic, uint32_t partition);
/* What a worker says in its log. */
void promise_log(void *ctx, evpipe_log_level level, const char *line);
void promise_post(struct machine *machine, uint32_t destination, const evpipe_batch *batch);
void promise_taken(struct machine *machine, uint32_t number, const evpipe_record *record, struct holding *holding);
void promise_leaves_tier(struct machine *machine, uint32_t number, int is_posted);
/* A record for a tier says when it is due. */
void promise_sent(struct machine *machine, uint32_t number, const evpipe_record *record, uint32_t topic);
void promise_answer(struct machine *machine, uint32_t destination, const evpipe_batch *batch, const evpipe_testbroker_fate *fate);
void promise_order(struct world *world, uint32_t number);

/* ---- ledger.c ---- */

void ledger_check(struct machine *machine);

#endif
