/*
 * An instance of the Kafka transport on librdkafka's mock cluster, and what happened to it. What each transport does is in
 * tests/conformance; a first join of a group takes the mock cluster 3 s, so there are few. Without set_up there is no
 * cluster, and an instance may be told of any other.
 */
#ifndef KAFKA_MOCK_H
#define KAFKA_MOCK_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <unistd.h>

#include "kafka.h"
#include "test.h"

#define DEADLINE_MS 40000
#define PRODUCE_CALL 0
#define OFFSET_COMMIT_CALL 8
#define OFFSET_FETCH_CALL 9
#define FIND_COORDINATOR_CALL 10
#define HEARTBEAT_CALL 12
#define SYNC_GROUP_CALL 14

extern rd_kafka_t                 *host; /* the mock cluster lives in a client */
extern rd_kafka_mock_cluster_t    *cluster;
extern const evpipe_transport_ops *ops;
extern int64_t                     ahead_ms; /* of the clock that the transport is handed */

struct seen {
	void             *self;
	evpipe_config    *config;
	unsigned          sent[3]; /* by outcome */
	unsigned          reports[4096]; /* by token */
	evpipe_err        last_err;
	unsigned          assigned, revoked, lost;
	evpipe_assignment assignment;
	unsigned          records;
	int64_t           last_offset;
	int               settles; /* each record at once */
	int               keeps;   /* what it is to relinquish */
	unsigned          commits, commits_failed;
	unsigned          away, back, anew, notices;
	char              told[16384]; /* by notices, a line each; those that fit */
	unsigned          topics;
	evpipe_err        topic_err;
};

/* Of all below: fails the test when it does not succeed. */
int64_t       now_ms(void);
void          set(evpipe_config *config, const char *name, const char *value);
evpipe_config *config_new(const char *brokers);
const char    *brokers(void);

/*
 * For metadata. Not each half second: metadata that comes between a leader's join and its assignment makes librdkafka
 * join again, and the mock cluster's rebalances take 3 and 5 s, so that the next would, too, and so on for ever.
 */
void look_often(evpipe_config *config);

/* The next so many calls of the mock cluster's clients. */
void refuse_calls(int16_t call, size_t count, rd_kafka_resp_err_t err);

/* Takes the configuration over; try_open hands the error on. */
evpipe_err try_open(struct seen *seen, evpipe_config *config, unsigned roles, size_t memory_max, evpipe_error *error);
void       open_with(struct seen *seen, evpipe_config *config, unsigned roles);
void       close_and_free(struct seen *seen, uint32_t timeout_ms);

/* Of its first subscription. */
const evpipe__kafka_consumer *consumer_of(const struct seen *seen);

/* In any of the notices so far. */
int heard(const struct seen *seen, const char *text);

/* Poll until nothing comes. */
evpipe_err step(struct seen *seen);

evpipe_err send_one(struct seen *seen, const char *topic, uint64_t token);
void       send_all(struct seen *seen, const char *topic, uint64_t first, uint64_t count);
void       subscribe_to(struct seen *seen, const char *group, const char *const *topics, size_t count);
void       subscribe(struct seen *seen, const char *group, const char *topic);

/* Each test has a cluster of its own, so that what one leaves behind when it fails does not fail the next. */
int set_up(void **state);
int tear_down(void **state);
#define kafka_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#define AWAIT(seen, condition)                                                                                         \
	do {                                                                                                           \
		int64_t until_ms_ = now_ms() + DEADLINE_MS;                                                            \
		while (step(seen), !(condition)) {                                                                     \
			if (now_ms() > until_ms_)                                                                      \
				fail_msg("waited in vain for: %s", #condition);                                        \
			usleep(2000);                                                                                  \
		}                                                                                                      \
	} while (0)

#endif
