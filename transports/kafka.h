/*
 * kafka.h: private to the Kafka transport, which is built on librdkafka (2.0.2 and later).
 *
 *   kafka.c            the table of operations, life
 *   kafka-poll.c       one poll
 *   kafka-client.c     one librdkafka client: its queue, logs and errors, the broker going away and coming back
 *   kafka-settings.c   from configuration and budget to a client's properties
 *   kafka-errors.c     what librdkafka's codes mean to us
 *   kafka-notes.c      what poll has to tell beside records and sends
 *   kafka-producer.c   sending, and a successor for a producer that turned fatal
 *   kafka-consumer.c   membership of a group
 *   kafka-rebalance.c  partitions come and go
 *   kafka-commit.c     what of it is committed
 *   kafka-joins.c      when nothing may be committed
 *   kafka-partition.c  one partition in our hands: its queue, its frontier
 *   kafka-wake.c       keeping librdkafka fetching
 *   kafka-topics.c     looking after topics, by a thread
 *   kafka-admin.c      what it asks of the broker
 *
 * librdkafka's threads never call into this code: whatever they have to say comes out of a queue that poll looks at.
 * All queues of an instance write to one eventfd, each when it turns from empty to not empty, and only once until it is
 * read. So poll clears the eventfd first, looks at every queue, and says EAGAIN when all of them were found empty.
 */
#ifndef EVPIPE_KAFKA_H
#define EVPIPE_KAFKA_H

#include <evpipe-transport.h>

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <sys/queue.h>

typedef struct evpipe__kafka           evpipe__kafka;
typedef struct evpipe__kafka_consumer  evpipe__kafka_consumer;
typedef struct evpipe__kafka_partition evpipe__kafka_partition;
typedef struct evpipe__kafka_topics    evpipe__kafka_topics;

/* Subscriptions of one instance. */
#define EVPIPE__KAFKA_CONSUMERS_MAX 8

/* ---- errors (kafka-errors.c) ---- */

evpipe_err evpipe__kafka_err(rd_kafka_resp_err_t err);

/* The broker was not reached: nothing can be said of what was asked. */
int evpipe__kafka_is_away(rd_kafka_resp_err_t err);

/* ---- notes (kafka-notes.c) ---- */

typedef struct evpipe__kafka_note {
	TAILQ_ENTRY(evpipe__kafka_note) link;
	evpipe_transport_event event; /* its text and topic are behind it */
} evpipe__kafka_note;

typedef struct evpipe__kafka_notes {
	TAILQ_HEAD(evpipe__kafka_note_list, evpipe__kafka_note) list;
	size_t              count;
	evpipe__kafka_note *told; /* borrowed by the core until the next poll */
	struct {
		uint32_t hash;
		int64_t  said_ms;
	} said[16]; /* what was said of late, so that it is not said again */
} evpipe__kafka_notes;

void evpipe__kafka_notes_init(evpipe__kafka_notes *notes);
void evpipe__kafka_notes_release(evpipe__kafka_notes *notes);

/*
 * A NOTICE, unless one that begins like it (its first 24 bytes) was said within the last half minute, or too many wait,
 * or memory is short. True if it was.
 */
int evpipe__kafka_notice(evpipe__kafka *kafka, evpipe_log_level level, evpipe_err err, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Any event of type NOTICE, COMMITTED or TOPIC; its topic and text are copied. ENOMEM. */
evpipe_err evpipe__kafka_tell(evpipe__kafka *kafka, const evpipe_transport_event *event);

/* The next of them, until the next call. */
int evpipe__kafka_notes_take(evpipe__kafka_notes *notes, evpipe_transport_event *event);

/* ---- settings (kafka-settings.c) ---- */

/*
 * What a record costs in librdkafka's queues beside its bytes: message, operation, headers and their allocations in
 * 2.0.2.
 */
#define EVPIPE__KAFKA_RECORD_OVERHEAD 400

enum { EVPIPE__KAFKA_PRODUCER, EVPIPE__KAFKA_CONSUMER, EVPIPE__KAFKA_ADMIN };

/* What a consumer may keep, and of how many partitions. */
typedef struct evpipe__kafka_share {
	size_t bytes;
	size_t partitions;
	int    is_delayed; /* of topics whose records wait until they are due */
} evpipe__kafka_share;

/*
 * The properties of a client: what fits us, made to fit its share (a consumer's; else NULL), what is configured, and
 * what our promises need. ECONFIG names the property that librdkafka does not take.
 */
evpipe_err evpipe__kafka_settings(rd_kafka_conf_t **out, const evpipe__kafka *kafka, int role, const char *group,
                                  const evpipe__kafka_share *share, evpipe_error *error);

/* The transport's check. */
void evpipe__kafka_check(const evpipe_config *config, evpipe_transport_problem_fn on_problem, void *ctx);

/* A property that is a number, as it stands. */
size_t evpipe__kafka_number(const rd_kafka_conf_t *conf, const char *name);

/* The brokers of a kafka:// URL, in place: what they look like, the configuration has seen to. ECONFIG. */
evpipe_err evpipe__kafka_brokers(const char **out, const char *url, evpipe_error *error);

/* The share of a role of the instance's memory. */
size_t evpipe__kafka_share_of(const evpipe__kafka *kafka, int role, int delayed);

/* ---- one client (kafka-client.c) ---- */

typedef struct evpipe__kafka_client {
	evpipe__kafka    *kafka;
	const char       *name; /* for notices: "the producer", "the consumer of group evpipe" */
	rd_kafka_t       *rk;
	rd_kafka_queue_t *queue; /* all it has to say, records aside */
	int               is_away;  /* no broker can be reached */
	int               is_said;  /* and that was told */
	int64_t           ask_ms;   /* when to look whether one is back */
} evpipe__kafka_client;

/* Takes over `conf`, always. `name` is borrowed. EIO, ECONFIG. */
evpipe_err evpipe__kafka_client_open(evpipe__kafka_client *client, evpipe__kafka *kafka, int role, const char *name,
                                     rd_kafka_conf_t *conf, evpipe_error *error);

/* The next event that is not settled here, as logs are, and errors that mend themselves; NULL: none. */
rd_kafka_event_t *evpipe__kafka_client_poll(evpipe__kafka_client *client);

/* Something came from the broker. */
void evpipe__kafka_client_reached(evpipe__kafka_client *client);

/* While the broker is away, look for it now and then. Returns when it wants to be called again. */
int64_t evpipe__kafka_client_watch(evpipe__kafka_client *client);

/* How long a release waits for librdkafka to end its threads. */
#define EVPIPE__KAFKA_DESTROY_S 2

/* Lets go and destroys. Nothing of the client may be in use. */
void evpipe__kafka_client_release(evpipe__kafka_client *client);

/* Its handle is another's to destroy from now on, and its queue is gone. */
void evpipe__kafka_client_let_go(evpipe__kafka_client *client);

/* Destroying may take its time: a thread does it, which is waited for so long and then left alone. */
void evpipe__kafka_destroy(rd_kafka_t *rk, int wait_s);

/* The same by this thread, however long it takes. */
void evpipe__kafka_destroy_here(rd_kafka_t *rk);

/* Without signals. False: there is none. */
int evpipe__kafka_thread(pthread_t *thread, void *(*run)(void *), void *arg);

/* Have the instance polled. Any thread. */
void evpipe__kafka_ring(int event_fd);

/* Let a queue write to our eventfd. */
void evpipe__kafka_listen(evpipe__kafka *kafka, rd_kafka_queue_t *queue);

/* ---- sending (kafka-producer.c) ---- */

typedef struct evpipe__kafka_producer {
	evpipe__kafka_client client; /* rk is NULL while there is none */
	size_t               record_max;
	size_t               bytes_max;
	size_t               batch_max;   /* bytes of a batch */
	uint64_t             outstanding; /* sends that were not reported yet */
	size_t               bytes;       /* of those, about */
	size_t               window;      /* so many may be outstanding: bytes_max, unless a batch was too large for its topic */
	int64_t              widen_ms;    /* when more is tried */
	uint64_t             unhalved;    /* sends outstanding from before it was halved */
	int                  is_lone;     /* one is outstanding, and was sent when none was */
	int                  is_fatal;
	int64_t              renew_ms; /* when a successor is tried again */
	rd_kafka_event_t    *reports; /* whose messages are being told */
	struct {
		char             *name;
		rd_kafka_topic_t *handle;
	} topics[64];
	size_t             topics_count;
	rd_kafka_event_t **kept; /* reports that close has collected */
	size_t             kept_count, kept_next, kept_max;
	uint64_t           kept_messages;
} evpipe__kafka_producer;

evpipe_err evpipe__kafka_producer_open(evpipe__kafka_producer *producer, evpipe__kafka *kafka, evpipe_error *error);
void       evpipe__kafka_producer_release(evpipe__kafka_producer *producer);
evpipe_err evpipe__kafka_producer_send(evpipe__kafka_producer *producer, const evpipe_record *record, uint64_t token);

/* Learn where a topic's partitions are before the first record needs it. */
void evpipe__kafka_producer_warm(evpipe__kafka_producer *producer, const char *topic);

/* The next SENT event. */
int evpipe__kafka_producer_take(evpipe__kafka_producer *producer, evpipe_transport_event *event);

/* What comes from its queue, and replacing it. Returns when it wants to be called again. */
int64_t evpipe__kafka_producer_serve(evpipe__kafka_producer *producer);

/* Collect reports; true when each send has its own. Closing: what has none is to be given up. */
int  evpipe__kafka_producer_collect(evpipe__kafka_producer *producer);
void evpipe__kafka_producer_give_up(evpipe__kafka_producer *producer);

/* ---- receiving (kafka-consumer.c, kafka-rebalance.c and so on) ---- */

/* Belongs to the configuration, and then to the client that is made of it. EIO, ENOMEM. */
typedef struct evpipe__kafka_joins evpipe__kafka_joins;
evpipe_err evpipe__kafka_joins_watch(evpipe__kafka_joins **out, rd_kafka_conf_t *conf);

/* Between a JoinGroup and the end of its SyncGroup: a commit would cost us all partitions. */
int evpipe__kafka_is_joining(const evpipe__kafka_joins *joins);

/* What the group has committed (kafka-offsets.c). EIO, ENOMEM. */
typedef struct evpipe__kafka_offsets evpipe__kafka_offsets;
evpipe_err evpipe__kafka_offsets_new(evpipe__kafka_offsets **out, const evpipe__kafka_client *client);

/* True: a call of it goes on, after which it destroys the client. Else that is to be done by who frees it. */
int evpipe__kafka_offsets_free(evpipe__kafka_offsets *offsets);

/* The instance is polled when the answer is there. EAGAIN: an earlier question has none yet; EIO. */
evpipe_err evpipe__kafka_offsets_ask(evpipe__kafka_offsets *offsets, const rd_kafka_topic_partition_list_t *of);

/* Until the next question. *err: that of the first of them that has one. NULL: not yet. */
const rd_kafka_topic_partition_list_t *evpipe__kafka_offsets_answer(const evpipe__kafka_offsets *offsets, rd_kafka_resp_err_t *err);

struct evpipe__kafka_consumer {
	evpipe__kafka *kafka;
	char          *group;
	char          *name;
	int            is_delayed;

	rd_kafka_topic_partition_list_t *topics;

	/* One client after the other. */
	evpipe__kafka_client   client;
	evpipe__kafka_joins   *joins;
	evpipe__kafka_offsets *offsets;
	size_t                 queued_max;   /* records of a partition at which librdkafka stops fetching it */
	int64_t                first_offset; /* of a partition without a commit (auto.offset.reset) */
	int                    was_assigned; /* something or nothing, once */
	int                    must_stay;    /* see kafka-consumer.c */
	int64_t                join_ms;      /* without one: when there is to be another */

	rd_kafka_event_t *rebalance; /* the one we are in; its partitions are its */
	enum {
		EVPIPE__KAFKA_STEADY,
		EVPIPE__KAFKA_ASKING,   /* partitions came: for what was committed before them */
		EVPIPE__KAFKA_DRAINING, /* partitions go: the core settles what it can */
		EVPIPE__KAFKA_PARTING   /* and the last of it is committed */
	} state;
	int     is_asking; /* the answer is due; else the question at due_ms */
	int64_t due_ms;

	int     is_dirty;      /* something was settled since the last commit */
	int     is_committing; /* one commit at a time, or an older one might win */
	int64_t commit_ms;     /* when the next one may be */

	/* See kafka-wake.c. */
	int64_t  wake_ms;
	int64_t  wake_wait_ms;
	uint64_t wake_popped;
	uint64_t popped; /* records */

	int is_closing;
	int is_leaving;
	int has_left;
};

evpipe_err evpipe__kafka_consumer_new(evpipe__kafka_consumer **out, evpipe__kafka *kafka, const evpipe_subscription *subscription);
void       evpipe__kafka_consumer_free(evpipe__kafka_consumer *consumer);

/* What comes from its queue, and what is due. Returns when it wants to be called again. */
int64_t evpipe__kafka_consumer_serve(evpipe__kafka_consumer *consumer);

/* Nothing is settled any more. */
void evpipe__kafka_consumer_close(evpipe__kafka_consumer *consumer);
/* After that, instead of serve: commits what there is to commit, then leaves the group. True when it has left. */
int  evpipe__kafka_consumer_leave(evpipe__kafka_consumer *consumer);

/* librdkafka is seen to be in a state that it does not get out of: all is lost, and another client joins. */
void evpipe__kafka_consumer_start_over(evpipe__kafka_consumer *consumer, const char *why);

/* How its group rebalances; known while it is in it. */
int evpipe__kafka_is_cooperative(const evpipe__kafka_consumer *consumer);

/* Rebalances. Takes the event over. */
void evpipe__kafka_on_rebalance(evpipe__kafka_consumer *consumer, rd_kafka_event_t *event);

/* librdkafka has given up its membership for good, and says nothing of each partition. */
void evpipe__kafka_lose_all(evpipe__kafka_consumer *consumer);

/* The answer of a client that nobody owns any more. */
void evpipe__kafka_answer(rd_kafka_t *rk, rd_kafka_event_t *rebalance);

/* One of the partitions that go was relinquished. */
void evpipe__kafka_relinquished(evpipe__kafka_consumer *consumer);

/* What a rebalance waits for, by now. Returns when it wants to be called again. */
int64_t evpipe__kafka_rebalance_go_on(evpipe__kafka_consumer *consumer);

/* Answers the rebalance that there may be at once: what came is not used, what goes is lost. */
void evpipe__kafka_rebalance_abandon(evpipe__kafka_consumer *consumer);

/* The core settles nothing any more: it need not be waited for. */
void evpipe__kafka_rebalance_close(evpipe__kafka_consumer *consumer);

/* See that it goes on fetching. Returns when it wants to be called again. */
int64_t evpipe__kafka_wake(evpipe__kafka_consumer *consumer);

/* What was settled since the last commit. None may be under way. */
void evpipe__kafka_commit(evpipe__kafka_consumer *consumer);
void evpipe__kafka_committed(evpipe__kafka_consumer *consumer, rd_kafka_event_t *event);

/* ---- one partition (kafka-partition.c) ---- */

struct evpipe__kafka_partition {
	evpipe__kafka_consumer *consumer;
	char                   *topic;
	int32_t                 number;
	evpipe_assignment       assignment;
	enum {
		EVPIPE__KAFKA_OWNED,
		EVPIPE__KAFKA_REVOKED,
		EVPIPE__KAFKA_ENDED /* nothing is settled any more; what was may still have to be committed */
	} state;
	enum {
		EVPIPE__KAFKA_TOLD,
		EVPIPE__KAFKA_TELL_ASSIGNED,
		EVPIPE__KAFKA_TELL_REVOKED,
		EVPIPE__KAFKA_TELL_LOST
	} tell;
	int  is_gone;  /* from the consumer: to be freed once everything is told */
	int  is_held;
	int  is_dirty; /* settled since the last commit */
	TAILQ_ENTRY(evpipe__kafka_partition) tell_link;

	rd_kafka_queue_t   *queue;
	evpipe_frontier    *frontier;
	rd_kafka_message_t *kept; /* popped, and the next to be handed out, when the frontier has room for it */
	int64_t             position; /* after the last popped; -1: unknown */
	int64_t             last;     /* popped; -1: none */
	int64_t             last_ms;  /* its timestamp */
};

/* At the committed offset (or RD_KAFKA_OFFSET_INVALID) with the ranges that were committed with it. ENOMEM. */
evpipe_err evpipe__kafka_partition_new(evpipe__kafka_partition **out, evpipe__kafka_consumer *consumer,
                                       const rd_kafka_topic_partition_t *committed);

/* The assignment that the core means; NULL: it has ended. */
evpipe__kafka_partition *evpipe__kafka_partition_of(evpipe__kafka *kafka, evpipe_assignment assignment);
evpipe__kafka_partition *evpipe__kafka_partition_find(evpipe__kafka_consumer *consumer, const char *topic, int32_t number);

/* What the core is to be told of it: replaces what was not told yet. */
void evpipe__kafka_partition_tell(evpipe__kafka_partition *partition, int tell);

/* Not ours any more: records that wait are dropped, and it is freed when the core knows. */
void evpipe__kafka_partition_end(evpipe__kafka_partition *partition);
void evpipe__kafka_partition_free(evpipe__kafka_partition *partition);

/* The next record of it, in kafka->message. The partition may be gone after a false. */
int evpipe__kafka_partition_pop(evpipe__kafka_partition *partition);

/* Whether records of it may be handed out. */
int evpipe__kafka_partition_is_open(const evpipe__kafka_partition *partition);

/* Records after what was popped of it, as far as is known; else -1. */
int64_t evpipe__kafka_partition_lag(const evpipe__kafka_partition *partition);

/* ---- topics (kafka-topics.c, kafka-admin.c) ---- */

/* Calls that wait, so long at the most. */
#define EVPIPE__KAFKA_CALL_MS 2000

/* How many partitions a topic has; 0: it is not there. */
rd_kafka_resp_err_t evpipe__kafka_topic_look(rd_kafka_t *rk, const char *name, int32_t *partitions);

/* The retention of an existing topic; false if we may not see it. */
int evpipe__kafka_topic_retention(rd_kafka_t *rk, const char *name, int64_t *retention_ms);

/* 0: it will be there. Else `text` is what the broker says against it. */
rd_kafka_resp_err_t evpipe__kafka_topic_create(rd_kafka_t *rk, const evpipe_topic_spec *spec, char *text, size_t size);

evpipe_err evpipe__kafka_topics_ensure(evpipe__kafka *kafka, const evpipe_topic_spec *spec);
void       evpipe__kafka_topics_serve(evpipe__kafka *kafka);
void       evpipe__kafka_topics_release(evpipe__kafka *kafka);

/* How many partitions a topic has, as far as was seen; else what topic.partitions says. */
size_t evpipe__kafka_topics_partitions(const evpipe__kafka *kafka, const char *topic);

/* ---- the instance (kafka.c, kafka-poll.c) ---- */

struct evpipe__kafka {
	const evpipe_config    *config;
	const evpipe_runtime   *runtime;
	unsigned                roles;
	size_t                  memory_max;
	const char             *brokers; /* in the configuration's URL */
	char                   *url;
	int                     event_fd;
	int64_t                 now_ms; /* of the last look at the clock */
	evpipe__kafka_notes     notes;
	evpipe__kafka_producer  producer;
	evpipe__kafka_consumer *consumers[EVPIPE__KAFKA_CONSUMERS_MAX];
	size_t                  consumers_count;
	evpipe__kafka_topics   *topics;

	/* Slots of assignments; empty ones are NULL. */
	evpipe__kafka_partition **partitions;
	size_t                    partitions_count;
	uint32_t                  epoch;
	TAILQ_HEAD(evpipe__kafka_tell_list, evpipe__kafka_partition) to_tell;
	evpipe__kafka_partition *told; /* gone, and borrowed by the core until the next poll */

	/* One poll. */
	rd_kafka_message_t *message; /* borrowed by the core until the next poll */
	evpipe_header      *headers;
	size_t              headers_max;
	size_t              cursor; /* the slot whose turn it is, for so many records more */
	size_t              turn;
	size_t              empty;   /* slots in a row that had nothing */
	size_t              between; /* records until everything else is looked at again */
	int                 is_idle; /* the last poll found nothing */
	int                 is_closed;
	int64_t             due_ms;
	int64_t             prefetched_ms; /* when memory last looked */
	size_t              prefetched;
	size_t              record_size; /* of the records that came lately, on average */
};

int64_t    evpipe__kafka_now(evpipe__kafka *kafka);
evpipe_err evpipe__kafka_poll(void *self, unsigned flags, evpipe_transport_event *event);

/* What the core has borrowed until now. */
void evpipe__kafka_let_go(evpipe__kafka *kafka);

#endif
