/*
 * peer.h: one instance of the test broker's transport, driven by hand: what poll gives is kept to be looked at.
 */
#ifndef EVPIPE_TEST_PEER_H
#define EVPIPE_TEST_PEER_H

#include "test.h"

#include <evpipe-testbroker.h>

#define PEER_PARTITIONS_MAX 128
#define PEER_RECORDS_MAX 4096

struct peer_partition {
	enum { PEER_NONE, PEER_OWNED, PEER_REVOKED } state;
	evpipe_assignment assignment;
	char              topic[32];
	int32_t           number;
};

struct peer_record {
	evpipe_assignment assignment;
	int32_t           partition;
	int64_t           offset;
	char              value[32];
};

struct peer_sent {
	uint64_t       token;
	evpipe_outcome outcome;
	evpipe_err     err;
};

struct peer {
	const evpipe_transport_ops *ops;
	evpipe_testbroker          *broker;
	void                       *self;
	struct peer_partition       partitions[PEER_PARTITIONS_MAX]; /* by slot */
	struct peer_record          records[PEER_RECORDS_MAX];
	size_t                      records_count;
	struct peer_sent            sent[PEER_RECORDS_MAX];
	size_t                      sent_count;
	unsigned                    assigned, revoked, lost, committed, refused, notices;
	evpipe_err                  topic_err; /* of the last TOPIC event */
	char                        topic_text[160];
};

void peer_open(struct peer *peer, evpipe_testbroker *broker);
void peer_close(struct peer *peer); /* close and free */
void peer_subscribe(struct peer *peer, const char *group, const char *topic);

/* Until nothing comes. Returns what poll said last: EAGAIN or ECLOSED. */
evpipe_err peer_poll(struct peer *peer);
evpipe_err peer_poll_without_records(struct peer *peer);

/* "key" may be NULL. */
evpipe_err peer_send(struct peer *peer, const char *topic, int32_t partition, const char *key, const char *value, uint64_t token);

/* How many partitions it has, the revoked ones left out. */
size_t                 peer_owned(const struct peer *peer);
struct peer_partition *peer_partition(struct peer *peer, const char *topic, int32_t number); /* NULL: not one of its own */
void                   peer_settle(struct peer *peer, size_t first, size_t end); /* of its records */
void                   peer_relinquish_all(struct peer *peer); /* what was revoked */

/* Append `count` records "0", "1", ... to a partition. */
void append_many(evpipe_testbroker *broker, const char *topic, int32_t partition, int count);
void create_topic(evpipe_testbroker *broker, const char *name, int32_t partitions);

#endif
