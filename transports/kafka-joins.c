/*
 * Whether a member is on its way into its group's next generation.
 *
 * From its JoinGroup until all others have come too, or their sessions have ended, the coordinator answers nothing else
 * on that connection; a commit that is sent meanwhile is of an older generation when its turn comes. It is refused, and
 * librdkafka gives up all partitions over it. So commits wait. librdkafka does not say when it joins, but it lets
 * requests and responses be watched, by its own threads.
 */
#include <stdatomic.h>

#include "kafka.h"
#include "memory.h"

#define JOIN_GROUP 11
#define SYNC_GROUP 14

struct evpipe__kafka_joins {
	atomic_int is_joining;
};

static rd_kafka_resp_err_t on_request(rd_kafka_t *rk, int fd, const char *broker, int32_t broker_id, int16_t call, int16_t version,
                                      int32_t correlation, size_t size, void *opaque)
{
	evpipe__kafka_joins *joins = opaque;
	if (call == JOIN_GROUP)
		atomic_store(&joins->is_joining, 1);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* One that fails is followed by another JoinGroup. */
static rd_kafka_resp_err_t on_response(rd_kafka_t *rk, int fd, const char *broker, int32_t broker_id, int16_t call, int16_t version,
                                       int32_t correlation, size_t size, int64_t rtt, rd_kafka_resp_err_t err, void *opaque)
{
	evpipe__kafka_joins *joins = opaque;
	if (call == SYNC_GROUP)
		atomic_store(&joins->is_joining, 0);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque, char *text, size_t text_size)
{
	rd_kafka_resp_err_t err = rd_kafka_interceptor_add_on_request_sent(rk, "evpipe", on_request, opaque);
	return err ? err : rd_kafka_interceptor_add_on_response_received(rk, "evpipe", on_response, opaque);
}

/* The last thing that happens to a client. */
static rd_kafka_resp_err_t on_conf_destroy(void *opaque)
{
	evpipe__free(opaque);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

evpipe_err evpipe__kafka_joins_watch(evpipe__kafka_joins **out, rd_kafka_conf_t *conf)
{
	evpipe__kafka_joins *joins = evpipe__calloc(1, sizeof *joins);
	if (!joins)
		return EVPIPE_ENOMEM;
	if (rd_kafka_conf_interceptor_add_on_conf_destroy(conf, "evpipe", on_conf_destroy, joins)) {
		evpipe__free(joins);
		return EVPIPE_EIO;
	}
	if (rd_kafka_conf_interceptor_add_on_new(conf, "evpipe", on_new, joins))
		return EVPIPE_EIO;
	*out = joins;
	return EVPIPE_OK;
}

int evpipe__kafka_is_joining(const evpipe__kafka_joins *joins)
{
	return atomic_load(&joins->is_joining);
}
