/*
 * The broker's life, and what is set for all of it.
 */
#include "broker.h"

#include <stdlib.h>
#include <string.h>

/* Virtual time starts at 2026-01-01T00:00:00Z. */
#define START_MS INT64_C(1767225600000)

#define REBALANCE_TIMEOUT_MS 60000
#define ACK_DELAY_MS 1
#define QUEUE_MAX 10000
#define SINK_DELAY_MS 10

void evpipe__tb_lock(const evpipe_testbroker *broker)
{
	pthread_mutex_lock((pthread_mutex_t *)(uintptr_t)&broker->mutex);
}

void evpipe__tb_unlock(const evpipe_testbroker *broker)
{
	pthread_mutex_unlock((pthread_mutex_t *)(uintptr_t)&broker->mutex);
}

evpipe_err evpipe__tb_grow(void *array, size_t count, size_t *capacity, size_t size)
{
	void *old, *larger;
	if (count < *capacity)
		return EVPIPE_OK;
	memcpy(&old, array, sizeof old);
	size_t wanted = *capacity ? 2 * *capacity : 16;
	larger = realloc(old, wanted * size);
	if (!larger)
		return EVPIPE_ENOMEM;
	memcpy(array, &larger, sizeof larger);
	*capacity = wanted;
	return EVPIPE_OK;
}

static evpipe_err broker_new(evpipe_testbroker **out, int is_realtime, uint64_t seed)
{
	if (!out)
		return EVPIPE_EINVAL;
	evpipe_testbroker *broker = calloc(1, sizeof *broker);
	if (!broker || pthread_mutex_init(&broker->mutex, NULL) != 0) {
		free(broker);
		return EVPIPE_ENOMEM;
	}
	broker->is_realtime = is_realtime;
	broker->wall_offset_ms = START_MS;
	/* What the core draws does not depend on how often the sink's script draws. */
	broker->runtime_random = seed;
	broker->chance_random = ~seed;
	broker->rebalance_timeout_ms = REBALANCE_TIMEOUT_MS;
	broker->ack_delay_ms = ACK_DELAY_MS;
	broker->queue_max = QUEUE_MAX;
	broker->sink_delay_ms = SINK_DELAY_MS;
	TAILQ_INIT(&broker->instances);
	TAILQ_INIT(&broker->revoked);
	TAILQ_INIT(&broker->faults);
	TAILQ_INIT(&broker->sinks);
	TAILQ_INIT(&broker->rules);
	*out = broker;
	return EVPIPE_OK;
}

evpipe_err evpipe_testbroker_new(evpipe_testbroker **out, uint64_t seed)
{
	return broker_new(out, 0, seed);
}

evpipe_err evpipe_testbroker_new_realtime(evpipe_testbroker **out)
{
	return broker_new(out, 1, 0);
}

void evpipe_testbroker_free(evpipe_testbroker *broker)
{
	struct topic *topic, *next;
	if (!broker)
		return;
	evpipe__tb_sinks_free(broker);
	evpipe__tb_deliveries_free(broker);
	evpipe__tb_faults_free(broker);
	evpipe__tb_groups_free(broker);
	HASH_ITER(hh, broker->topics, topic, next) {
		HASH_DEL(broker->topics, topic);
		evpipe__tb_topic_free(topic);
	}
	free(broker->steppings);
	pthread_mutex_destroy(&broker->mutex);
	free(broker);
}

evpipe_err evpipe_testbroker_attach(evpipe_testbroker *broker, evpipe_config *config)
{
	if (!broker || !config)
		return EVPIPE_EINVAL;
	evpipe_err err = evpipe_config_use_transport(config, evpipe_testbroker_transport(), broker, NULL);
	if (err || broker->is_realtime)
		return err;
	evpipe_runtime runtime;
	evpipe_testbroker_runtime(broker, &runtime);
	return evpipe_config_use_runtime(config, &runtime);
}

void evpipe_testbroker_set_ack_delay(evpipe_testbroker *broker, int64_t ms)
{
	evpipe__tb_lock(broker);
	broker->ack_delay_ms = ms > 0 ? ms : 0;
	evpipe__tb_unlock(broker);
}

void evpipe_testbroker_set_queue_max(evpipe_testbroker *broker, size_t records)
{
	evpipe__tb_lock(broker);
	broker->queue_max = records;
	evpipe__tb_unlock(broker);
}
