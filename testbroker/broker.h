/*
 * broker.h: the test broker inside. One mutex guards all of it (a virtual broker never contends for it); nothing is
 * called out to while it is held.
 *
 *   broker.c     life, attaching
 *   topics.c     topics and partitions: logs with retention; inspect.c: seen from outside
 *   groups.c     groups and members; balance.c: who owns which partition
 *   transport.c  the table of operations, on:
 *   instance.c   an instance: life, and what poll gives; telling.c: notices and topics
 *   outbox.c     its sends, until they are acknowledged
 *   consumer.c   its partitions: handing out, settling, committing
 *   faults.c     what goes wrong on purpose
 *   clock.c      time, randomness, stepping
 *   sink.c       the scripted sink; deliveries.c what it recorded
 *
 * Everything is walked in the order in which it came about, so that one seed and the same calls replay one history.
 */
#ifndef EVPIPE_TESTBROKER_BROKER_H
#define EVPIPE_TESTBROKER_BROKER_H

#include <evpipe-testbroker.h>
#include <pthread.h>
#include <sys/queue.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* ---- topics -------------------------------------------------------------------------------------------------------- */

/* A record as the broker keeps it: one piece of memory, of which a log and whoever polled it last hold references. */
struct entry {
	unsigned      refs;
	size_t        bytes; /* key, value and headers */
	int64_t       appended_ms; /* wall clock */
	evpipe_record record; /* partition and offset once it is in a log */
};

struct claim;
TAILQ_HEAD(claim_list, claim);

struct partition {
	struct topic     *topic;
	int32_t           number;
	uint32_t          id; /* of all partitions of the broker, from 0 */
	struct entry    **entries; /* a ring: offset o lies at o modulo capacity */
	size_t            capacity; /* a power of two */
	int64_t           low, high;
	size_t            bytes;
	int               unavailable;
	struct claim_list claims; /* of the groups that read it */
};

struct topic {
	UT_hash_handle          hh;
	evpipe_testbroker      *broker;
	char                   *name;
	evpipe_testbroker_topic settings;
	struct partition       *partitions;
	uint32_t                next_any; /* for records without a key */
};

/* ---- groups -------------------------------------------------------------------------------------------------------- */

struct instance;
struct group;

/* An instance in a group: one for each subscription. */
struct member {
	TAILQ_ENTRY(member) link;    /* in its group, by the order of joining; not while it is expelled */
	TAILQ_ENTRY(member) of_instance;
	struct group       *group;
	struct instance    *instance;
	char              **topics;
	size_t              topics_count;
	int                 is_expelled; /* it joins again with its next poll */
	/* Of a balance that is being computed. */
	size_t              total, of_topic, quota;
};
TAILQ_HEAD(member_list, member);

/* A group's stake in a partition; there is one as long as the broker lives. */
struct claim {
	TAILQ_ENTRY(claim) link; /* in its group, by topic and number */
	TAILQ_ENTRY(claim) of_partition;
	struct group      *group;
	struct partition  *partition;
	int64_t            committed; /* -1: never */
	char              *metadata;  /* NULL: none */
	struct assignment *assignment; /* NULL: nobody has it */
	struct member     *target;     /* of a balance */
};

struct group {
	UT_hash_handle     hh;
	evpipe_testbroker *broker;
	char              *name;
	uint32_t           generation;
	struct member_list members;
	struct claim_list  claims;
	int                is_stopped; /* all partitions are taken back before any is given out */
	size_t             rotation;   /* whose turn it is to have the first partitions */
};

/* ---- instances ----------------------------------------------------------------------------------------------------- */

/* What poll has to tell. */
struct news {
	TAILQ_ENTRY(news)      link;
	evpipe_transport_event event;
	struct assignment     *assignment; /* the news is part of it; NULL: it is on its own, its texts behind it */
};
TAILQ_HEAD(news_list, news);

/* A partition in an instance's hands. */
struct assignment {
	enum { ASSIGNMENT_NEW, ASSIGNMENT_OWNED, ASSIGNMENT_REVOKED, ASSIGNMENT_OVER } state;
	evpipe_assignment       id;
	struct claim           *claim;
	struct member          *member;
	evpipe_frontier        *frontier;
	int64_t                 position; /* to be handed out next */
	unsigned                run;      /* records in a row */
	int                     is_held, is_blocked /* too far beyond its frontier */, is_ready, is_dirty;
	int                     is_relinquished; /* as soon as the broker is there */
	int                     again; /* the last record is handed out once more */
	int64_t                 revoked_until_ms;
	TAILQ_ENTRY(assignment) ready_link, dirty_link, revoked_link;
	int                     is_queued; /* its news is to be polled */
	struct news             news;      /* the one thing there is to say of it */
};
TAILQ_HEAD(assignment_list, assignment);

/* A record on its way. */
struct flight {
	TAILQ_ENTRY(flight) link;
	struct entry       *entry;
	uint64_t            token;
	size_t              bytes;
	int64_t             persist_ms, report_ms;
	evpipe_outcome      outcome;
	evpipe_err          err;
	const char         *text;
};
TAILQ_HEAD(flight_list, flight);

/* What an instance sends to one partition, in order. */
struct outbox {
	TAILQ_ENTRY(outbox) link; /* among those that are not empty */
	struct partition   *partition;
	struct flight_list  flights;
};
TAILQ_HEAD(outbox_list, outbox);

/* To be looked after when the broker is back. */
struct asked_topic {
	TAILQ_ENTRY(asked_topic) link;
	evpipe_topic_spec spec;
	char              name[];
};

struct instance {
	TAILQ_ENTRY(instance) link;
	evpipe_testbroker    *broker;
	unsigned              roles;
	size_t                memory_max;
	int64_t               commit_interval_ms;
	enum { INSTANCE_OPEN, INSTANCE_CLOSED, INSTANCE_KILLED } state;
	struct news_list      news;
	struct news          *last_news;  /* borrowed by the caller until the next poll */
	struct entry         *last_entry; /* likewise */
	TAILQ_HEAD(, asked_topic) asked;

	/* outbox.c */
	struct outbox    **outboxes; /* by the partition's id */
	size_t             outboxes_count;
	struct outbox_list sending;
	struct flight_list persisted; /* or not; to be reported, by time */
	size_t             flights_count, flights_bytes;
	int64_t            full_until_ms; /* a send was refused by a fault: come again then */

	/* consumer.c */
	struct member_list     members;
	unsigned               expelled; /* of those */
	int                    lacks_some; /* a partition that is to be a member's could not be assigned for want of memory */
	struct assignment    **slots;
	size_t                 slots_count;
	struct assignment_list ready; /* with records to hand out, in turn */
	struct assignment_list dirty; /* with something to commit */
	int64_t                commit_due_ms;

	int fd; /* an eventfd; -1 in virtual time */
	int is_signalled;
};
TAILQ_HEAD(instance_list, instance);

/* ---- the rest ------------------------------------------------------------------------------------------------------ */

struct fault {
	TAILQ_ENTRY(fault)      link;
	evpipe_testbroker_fault fault; /* topic is our copy */
};

struct stepping {
	evpipe_stepper  *stepper;
	struct instance *instance; /* the transport it opened before it enrolled; NULL: none of ours */
	int64_t          due_ms;
};

struct delivery {
	evpipe_testbroker_delivery public;
	UT_hash_handle hh;    /* the first of its destination and id is in the hash, */
	size_t         count; /* and counts them all */
};

struct post;
TAILQ_HEAD(post_list, post);

struct rule {
	TAILQ_ENTRY(rule)        link; /* newest first */
	uint32_t                 number;
	evpipe_testbroker_answer answer; /* texts are our copies */
};

struct test_sink {
	TAILQ_ENTRY(test_sink) link;
	evpipe_testbroker *broker;
	evpipe_sink       *handle;
	struct post_list   posts; /* in flight, by when they are answered */
	struct post       *answered; /* the last one: its answer is borrowed until the next call */
};

struct evpipe_testbroker {
	pthread_mutex_t mutex;
	int             is_realtime;

	/* clock.c */
	int64_t          mono_ms; /* virtual */
	int64_t          wall_offset_ms;
	uint64_t         runtime_random, chance_random;
	struct stepping *steppings;
	size_t           steppings_count, steppings_capacity;
	struct instance *latest; /* opened last, and nobody has enrolled since */
	int              is_advancing;

	struct topic *topics; /* a hash in the order of creation */
	uint32_t      partitions_count;
	struct group *groups; /* likewise */

	struct instance_list   instances;
	struct assignment_list revoked; /* not relinquished yet */
	uint32_t               last_epoch;
	int                    is_down;

	evpipe_testbroker_protocol protocol;
	int64_t                    rebalance_timeout_ms;
	int64_t                    ack_delay_ms;
	size_t                     queue_max;

	TAILQ_HEAD(, fault) faults;
	unsigned faults_of[EVPIPE_FAULT_QUEUE_FULL + 1]; /* how many of each type are not used up */

	TAILQ_HEAD(, test_sink) sinks;
	TAILQ_HEAD(, rule) rules;
	uint32_t                last_rule;
	int64_t                 sink_delay_ms;
	evpipe_testbroker_store_fn store; /* called without the mutex: set before the first post */
	void                   *store_ctx;
	struct delivery       **deliveries;
	size_t                  deliveries_count, deliveries_capacity;
	struct delivery        *by_id; /* a hash */
	evpipe_testbroker_post **posts;
	size_t                  posts_count, posts_capacity;
};

/* Functions below are called with the mutex held, these two aside. */
void evpipe__tb_lock(const evpipe_testbroker *broker);
void evpipe__tb_unlock(const evpipe_testbroker *broker);

/* Room for one more in an array of elements of `size` bytes. ENOMEM. */
evpipe_err evpipe__tb_grow(void *array, size_t count, size_t *capacity, size_t size);

/* ---- clock.c ---- */

int64_t  evpipe__tb_mono(const evpipe_testbroker *broker);
int64_t  evpipe__tb_wall(const evpipe_testbroker *broker);
uint64_t evpipe__tb_random(uint64_t *state);
/* Room for one more stepper, since enrolling cannot fail. ENOMEM. */
evpipe_err evpipe__tb_reserve_stepping(evpipe_testbroker *broker);

/* ---- topics.c ---- */

struct topic *evpipe__tb_topic(evpipe_testbroker *broker, const char *name);
evpipe_err    evpipe__tb_topic_new(evpipe_testbroker *broker, const char *name, const evpipe_testbroker_topic *settings);
void          evpipe__tb_topic_free(struct topic *topic);
/* The partition for a record, NULL if there is no such. */
struct partition *evpipe__tb_partition_for(struct topic *topic, const evpipe_record *record);
/* A copy of a record, with one reference. ENOMEM, ETOOLARGE, EINVAL. */
evpipe_err evpipe__tb_entry_new(struct entry **out, struct topic *topic, const evpipe_record *record);
void       evpipe__tb_entry_unref(struct entry *entry);
/* The partition takes a reference of its own, and tells who reads it. ENOMEM. */
evpipe_err    evpipe__tb_partition_append(struct partition *partition, struct entry *entry);
struct entry *evpipe__tb_partition_at(const struct partition *partition, int64_t offset);
/* Drop what retention no longer keeps. */
void evpipe__tb_partition_expire(struct partition *partition);
int  evpipe__tb_partition_is_available(const struct partition *partition);

/* ---- groups.c ---- */

evpipe_err evpipe__tb_join(struct instance *instance, const evpipe_subscription *subscription);
void       evpipe__tb_rejoin(struct instance *instance); /* where it was expelled */
void       evpipe__tb_leave_all(struct instance *instance);
void       evpipe__tb_expel(struct member *member);
void       evpipe__tb_topic_came(evpipe_testbroker *broker, struct topic *topic);
void       evpipe__tb_groups_free(evpipe_testbroker *broker);
/* Whoever was revoked and has not relinquished in time is expelled. */
void          evpipe__tb_check_revoked(evpipe_testbroker *broker, int64_t now_ms);
int64_t       evpipe__tb_revoked_due(const evpipe_testbroker *broker);
struct group *evpipe__tb_group(evpipe_testbroker *broker, const char *name);
struct claim *evpipe__tb_claim(const struct group *group, const struct partition *partition);

/* ---- balance.c ---- */

/* Give out what nobody has and take back what belongs to others now; asked again after each change. */
void evpipe__tb_balance(struct group *group);
/* All partitions are taken back before any is given out. */
void evpipe__tb_stop_group(struct group *group);
int  evpipe__tb_reads(const struct member *member, const struct topic *topic);

/* ---- instance.c: as the operations of the transport ---- */

evpipe_err evpipe__tb_open(struct instance **out, evpipe_testbroker *broker, const evpipe_transport_setup *setup);
void       evpipe__tb_close(struct instance *instance, uint32_t timeout_ms);
void       evpipe__tb_free(struct instance *instance);
evpipe_err evpipe__tb_poll(struct instance *instance, unsigned flags, evpipe_transport_event *event);
int64_t    evpipe__tb_due(const struct instance *instance);
/* Forget what a killed process would have. */
void       evpipe__tb_kill(struct instance *instance);

/* ---- telling.c ---- */

/* Make the descriptor readable; or not any more, when nothing is left. */
void evpipe__tb_notify(struct instance *instance);
void evpipe__tb_unsignal(struct instance *instance);
/* Queue news on its own; topic and text are copied. NULL when memory is short: then it is not told. */
struct news *evpipe__tb_news(evpipe_transport_event_type type, const char *topic, const char *text);
void         evpipe__tb_tell(struct instance *instance, struct news *news);
/* What waited for the broker goes on, or learns that it is away. */
void evpipe__tb_broker_came(struct instance *instance);
void       evpipe__tb_broker_went(struct instance *instance);
evpipe_err evpipe__tb_ensure_topic(struct instance *instance, const evpipe_topic_spec *spec);

/* ---- outbox.c ---- */

evpipe_err evpipe__tb_send(struct instance *instance, const evpipe_record *record, uint64_t token);
void       evpipe__tb_outbox_run(struct instance *instance, int64_t now_ms);
/* Fills a SENT event if one is to be reported. */
int     evpipe__tb_outbox_report(struct instance *instance, int64_t now_ms, evpipe_transport_event *event);
int64_t evpipe__tb_outbox_due(const struct instance *instance);
/* Everything is decided now; what could not be within timeout_ms is doubtful, or not there. */
void evpipe__tb_outbox_close(struct instance *instance, int64_t timeout_ms);
void evpipe__tb_outbox_free(struct instance *instance);

/* ---- consumer.c ---- */

evpipe_err evpipe__tb_assign(struct member *member, struct claim *claim);
void       evpipe__tb_revoke(struct assignment *assignment);
/* It is over, without a word or with LOST. */
void evpipe__tb_assignment_end(struct assignment *assignment, int is_lost);
/* Its news was polled. */
void evpipe__tb_assignment_told(struct assignment *assignment);
/* Its partition has something, or may have again. */
void evpipe__tb_assignment_wake(struct assignment *assignment);
struct assignment *evpipe__tb_assignment(const struct instance *instance, evpipe_assignment id);
int  evpipe__tb_consumer_next(struct instance *instance, evpipe_transport_event *event);
void       evpipe__tb_hold(struct assignment *assignment, int is_held);
evpipe_err evpipe__tb_settle(struct assignment *assignment, int64_t offset);
void evpipe__tb_relinquish(struct assignment *assignment);
void evpipe__tb_commit(struct instance *instance);

/* ---- faults.c ---- */

/* The fault that befalls this operation, NULL: none; one of its times is used up. Valid until the next call. */
const evpipe_testbroker_fault *evpipe__tb_fault(evpipe_testbroker *broker, evpipe_testbroker_fault_type type,
                                                const struct partition *partition);
void evpipe__tb_faults_free(evpipe_testbroker *broker);

/* ---- deliveries.c ---- */

void evpipe__tb_record_delivery(evpipe_testbroker *broker, int64_t at_ms, uint64_t post, const evpipe_batch *batch,
                                const evpipe_delivery *event);
/* NULL when memory is short: it is not recorded then. Its number is posts_count. */
evpipe_testbroker_post *evpipe__tb_record_post(evpipe_testbroker *broker, const evpipe_batch *batch);
void evpipe__tb_deliveries_free(evpipe_testbroker *broker);

/* ---- sink.c ---- */

void evpipe__tb_sinks_free(evpipe_testbroker *broker);

#endif
