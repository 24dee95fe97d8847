/*
 * What a group has committed of its new partitions, with its metadata, in which the settled ranges are. librdkafka's own
 * look-up keeps that to itself, and rd_kafka_committed() waits, so a thread calls it. (An admin request would come as an
 * event, but goes to the coordinator of a cache, which is asked for ever after the group has moved to another one; and
 * when it cannot be sent, it is not answered, or ends the process: confluentinc/librdkafka#4605.)
 */
#include <stdatomic.h>
#include <unistd.h>

#include "kafka.h"
#include "memory.h"

/* How long one call may wait. */
#define CALL_MS 10000

enum {
	IDLE,
	ASKED,
	ANSWERED,
	LEFT
};

/* Shared with the thread, which may outlive the consumer: then it destroys the client, which it is still using. */
struct evpipe__kafka_offsets {
	atomic_int                       state;
	atomic_int                       owners; /* whoever leaves last frees it */
	rd_kafka_t                      *rk;
	int                              event_fd; /* a duplicate */
	rd_kafka_topic_partition_list_t *list;
	rd_kafka_resp_err_t              err;
};

static void leave(evpipe__kafka_offsets *offsets)
{
	if (atomic_fetch_sub(&offsets->owners, 1) > 1)
		return;
	if (offsets->list)
		rd_kafka_topic_partition_list_destroy(offsets->list);
	if (offsets->event_fd >= 0)
		close(offsets->event_fd);
	evpipe__free(offsets);
}

static void *call(void *arg)
{
	evpipe__kafka_offsets *offsets = arg;
	int                    asked = ASKED;

	offsets->err = rd_kafka_committed(offsets->rk, offsets->list, CALL_MS);
	if (atomic_compare_exchange_strong(&offsets->state, &asked, ANSWERED))
		evpipe__kafka_ring(offsets->event_fd);
	else
		evpipe__kafka_destroy_here(offsets->rk);
	leave(offsets);
	return NULL;
}

evpipe_err evpipe__kafka_offsets_new(evpipe__kafka_offsets **out, const evpipe__kafka_client *client)
{
	evpipe__kafka_offsets *offsets = evpipe__calloc(1, sizeof *offsets);
	if (!offsets)
		return EVPIPE_ENOMEM;
	offsets->owners = 1;
	offsets->rk = client->rk;
	offsets->event_fd = dup(client->kafka->event_fd);
	if (offsets->event_fd < 0) {
		evpipe__free(offsets);
		return EVPIPE_EIO;
	}
	*out = offsets;
	return EVPIPE_OK;
}

evpipe_err evpipe__kafka_offsets_ask(evpipe__kafka_offsets *offsets, const rd_kafka_topic_partition_list_t *of)
{
	pthread_t thread;

	if (atomic_load(&offsets->state) == ASKED)
		return EVPIPE_EAGAIN;
	if (offsets->list)
		rd_kafka_topic_partition_list_destroy(offsets->list);
	offsets->list = rd_kafka_topic_partition_list_copy(of);
	atomic_store(&offsets->state, ASKED);
	atomic_fetch_add(&offsets->owners, 1);
	if (!evpipe__kafka_thread(&thread, call, offsets)) {
		atomic_store(&offsets->state, IDLE);
		atomic_fetch_sub(&offsets->owners, 1);
		return EVPIPE_EIO;
	}
	pthread_detach(thread);
	return EVPIPE_OK;
}

const rd_kafka_topic_partition_list_t *evpipe__kafka_offsets_answer(const evpipe__kafka_offsets *offsets, rd_kafka_resp_err_t *err)
{
	if (atomic_load(&offsets->state) != ANSWERED)
		return NULL;
	*err = offsets->err;
	for (int i = 0; i < offsets->list->cnt && !*err; i++)
		*err = offsets->list->elems[i].err;
	return offsets->list;
}

int evpipe__kafka_offsets_free(evpipe__kafka_offsets *offsets)
{
	if (!offsets)
		return 0;
	int is_used = atomic_exchange(&offsets->state, LEFT) == ASKED;
	leave(offsets);
	return is_used;
}
