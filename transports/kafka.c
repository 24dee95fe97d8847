/*
 * The Kafka transport's table of operations: life, and one poll.
 */
#include "kafka.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "errors.h"
#include "memory.h"

/* A call of memory may be this old. */
#define MEMORY_AGE_MS 10

/* What giving up sends takes at the most, when close has no time left. */
#define GRACE_MS 250

/* How large a record is before the first was seen. */
#define RECORD_SIZE 512

int64_t evpipe__kafka_now(evpipe__kafka *kafka)
{
	kafka->now_ms = kafka->runtime->mono_ms(kafka->runtime->ctx);
	return kafka->now_ms;
}

/* ---- life ---- */

static void kafka_free(void *self);

/* That the properties of a consumer are right is found out now, not at the first subscription. */
static evpipe_err check_consumer(const evpipe__kafka *kafka, evpipe_error *error)
{
	evpipe__kafka_share share = {.bytes = kafka->memory_max, .partitions = 1};
	rd_kafka_conf_t    *conf;
	evpipe_err          err = evpipe__kafka_settings(&conf, kafka, EVPIPE__KAFKA_CONSUMER, "group", &share, error);

	if (err)
		return err;
	size_t interval_ms = evpipe__kafka_number(conf, "max.poll.interval.ms");
	rd_kafka_conf_destroy(conf);
	if ((size_t)evpipe_config_number(kafka->config, NULL, "worker.handover_timeout") < interval_ms)
		return EVPIPE_OK;
	return evpipe__fail(error, EVPIPE_ECONFIG,
	                    "worker.handover_timeout = %s: it must be less than kafka.max.poll.interval.ms = %zu, at which a "
	                    "rebalance goes on without the worker",
	                    evpipe_config_text(kafka->config, NULL, "worker.handover_timeout"), interval_ms);
}

static evpipe_err open_parts(evpipe__kafka *kafka, evpipe_error *error)
{
	kafka->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (kafka->event_fd < 0)
		return evpipe__fail(error, EVPIPE_EIO, "kafka: eventfd: %s", strerror(errno));
	evpipe_err err = kafka->roles & EVPIPE_ROLE_RECEIVE ? check_consumer(kafka, error) : EVPIPE_OK;
	if (!err && kafka->roles & EVPIPE_ROLE_SEND)
		err = evpipe__kafka_producer_open(&kafka->producer, kafka, error);
	return err;
}

static evpipe_err kafka_open(void **self, const evpipe_transport_setup *setup, evpipe_error *error)
{
	const char    *brokers;
	evpipe_err     err = evpipe__kafka_brokers(&brokers, setup->url, error);
	evpipe__kafka *kafka = err ? NULL : evpipe__calloc(1, sizeof *kafka);

	if (err)
		return err;
	if (!kafka)
		return evpipe__fail_plain(error, EVPIPE_ENOMEM);
	kafka->config = setup->config;
	kafka->runtime = setup->runtime;
	kafka->roles = setup->roles;
	kafka->memory_max = setup->memory_max;
	kafka->event_fd = -1;
	kafka->record_size = RECORD_SIZE;
	kafka->is_idle = 1;
	TAILQ_INIT(&kafka->to_tell);
	evpipe__kafka_notes_init(&kafka->notes);
	evpipe__kafka_now(kafka);
	kafka->url = evpipe__strdup(setup->url);
	if (!kafka->url) {
		err = evpipe__fail_plain(error, EVPIPE_ENOMEM);
	} else {
		kafka->brokers = kafka->url + (brokers - setup->url);
		err = open_parts(kafka, error);
	}
	if (err) {
		kafka_free(kafka);
		return err;
	}
	*self = kafka;
	return EVPIPE_OK;
}

static void kafka_free(void *self)
{
	evpipe__kafka *kafka = self;

	if (!kafka)
		return;
	/* librdkafka waits for whoever still holds something of its. */
	evpipe__kafka_let_go(kafka);
	for (size_t i = 0; i < kafka->partitions_count; i++)
		evpipe__kafka_partition_free(kafka->partitions[i]);
	for (size_t i = 0; i < kafka->consumers_count; i++)
		evpipe__kafka_consumer_free(kafka->consumers[i]);
	evpipe__kafka_producer_release(&kafka->producer);
	evpipe__kafka_topics_release(kafka);
	evpipe__kafka_notes_release(&kafka->notes);
	if (kafka->event_fd >= 0)
		close(kafka->event_fd);
	evpipe__free(kafka->partitions);
	evpipe__free(kafka->headers);
	evpipe__free(kafka->url);
	evpipe__free(kafka);
}

/* ---- closing ---- */

/* True when all consumers have left their groups, and each send has its report. */
static int is_finished(evpipe__kafka *kafka)
{
	int finished = 1;
	for (size_t i = 0; i < kafka->consumers_count; i++)
		finished &= evpipe__kafka_consumer_leave(kafka->consumers[i]);
	return evpipe__kafka_producer_collect(&kafka->producer) && finished;
}

/* While it waits, a flush has the producer not linger. */
static void wait_a_little(evpipe__kafka *kafka)
{
	struct pollfd fd = {.fd = kafka->event_fd, .events = POLLIN};
	uint64_t      drained;

	if (kafka->producer.client.rk && kafka->producer.outstanding > kafka->producer.kept_messages)
		rd_kafka_flush(kafka->producer.client.rk, 2);
	else if (poll(&fd, 1, 10) > 0 && read(kafka->event_fd, &drained, sizeof drained) < 0)
		return; /* nothing was in it */
}

static void wait_until(evpipe__kafka *kafka, int64_t until_ms)
{
	while (!is_finished(kafka) && evpipe__kafka_now(kafka) < until_ms)
		wait_a_little(kafka);
}

static void kafka_close(void *self, uint32_t timeout_ms)
{
	evpipe__kafka *kafka = self;

	if (kafka->is_closed)
		return;
	evpipe__kafka_let_go(kafka);
	kafka->is_closed = 1;
	evpipe__kafka_now(kafka);
	int64_t until_ms = kafka->now_ms + timeout_ms;
	for (size_t i = 0; i < kafka->consumers_count; i++)
		evpipe__kafka_consumer_close(kafka->consumers[i]);
	wait_until(kafka, until_ms);
	if (evpipe__kafka_producer_collect(&kafka->producer))
		return;
	evpipe__kafka_producer_give_up(&kafka->producer);
	until_ms = kafka->now_ms + GRACE_MS;
	while (!evpipe__kafka_producer_collect(&kafka->producer) && evpipe__kafka_now(kafka) < until_ms)
		wait_a_little(kafka);
}

/* ---- sending ---- */

static evpipe_err kafka_send(void *self, const evpipe_record *record, uint64_t token)
{
	evpipe__kafka *kafka = self;
	return kafka->is_closed ? EVPIPE_ECLOSED : evpipe__kafka_producer_send(&kafka->producer, record, token);
}

/* Has its threads look; what lingers does so for milliseconds only, unless configured otherwise. */
static void kafka_flush(void *self)
{
	evpipe__kafka *kafka = self;
	if (kafka->producer.client.rk)
		rd_kafka_flush(kafka->producer.client.rk, 0);
}

static size_t kafka_record_max(void *self)
{
	const evpipe__kafka *kafka = self;
	return kafka->producer.record_max;
}

/* ---- receiving ---- */

static void kafka_wake(void *self)
{
	const evpipe__kafka *kafka = self;
	evpipe__kafka_ring(kafka->event_fd);
}

static evpipe_err kafka_subscribe(void *self, const evpipe_subscription *subscription)
{
	evpipe__kafka *kafka = self;

	if (kafka->is_closed)
		return EVPIPE_ECLOSED;
	if (!subscription->group || !*subscription->group || !subscription->topics_count)
		return EVPIPE_EINVAL;
	if (kafka->consumers_count == EVPIPE__KAFKA_CONSUMERS_MAX)
		return EVPIPE_EINVAL;
	for (size_t i = 0; i < kafka->consumers_count; i++)
		if (strcmp(kafka->consumers[i]->group, subscription->group) == 0)
			return EVPIPE_EINVAL;
	evpipe__kafka_now(kafka);
	evpipe_err err = evpipe__kafka_consumer_new(&kafka->consumers[kafka->consumers_count], kafka, subscription);
	kafka->consumers_count += !err;
	return err;
}

static evpipe_err kafka_settle(void *self, evpipe_assignment assignment, int64_t offset)
{
	evpipe__kafka_partition *partition = evpipe__kafka_partition_of(self, assignment);

	if (!partition)
		return EVPIPE_ESTALE;
	evpipe_err err = evpipe_frontier_settle(partition->frontier, offset);
	if (!err)
		partition->is_dirty = partition->consumer->is_dirty = 1;
	return err;
}

static void kafka_hold(void *self, evpipe_assignment assignment)
{
	evpipe__kafka_partition *partition = evpipe__kafka_partition_of(self, assignment);
	if (partition)
		partition->is_held = 1;
}

static void kafka_release(void *self, evpipe_assignment assignment)
{
	evpipe__kafka_partition *partition = evpipe__kafka_partition_of(self, assignment);
	if (!partition || !partition->is_held)
		return;
	partition->is_held = 0;
	/* Its queue has spoken long ago. */
	kafka_wake(self);
}

static void kafka_relinquish(void *self, evpipe_assignment assignment)
{
	evpipe__kafka_partition *partition = evpipe__kafka_partition_of(self, assignment);
	if (!partition || partition->state != EVPIPE__KAFKA_REVOKED)
		return;
	partition->state = EVPIPE__KAFKA_ENDED;
	evpipe__kafka_relinquished(partition->consumer);
	kafka_wake(self);
}

static int64_t kafka_lag(void *self, evpipe_assignment assignment)
{
	const evpipe__kafka_partition *partition = evpipe__kafka_partition_of(self, assignment);
	return partition ? evpipe__kafka_partition_lag(partition) : -1;
}

/* ---- the rest ---- */

static int kafka_fd(void *self)
{
	const evpipe__kafka *kafka = self;
	return kafka->event_fd;
}

static int64_t kafka_next_due(void *self)
{
	const evpipe__kafka *kafka = self;
	int64_t              due_ms = kafka->due_ms;

	if (kafka->is_closed)
		return INT64_MAX;
	/* What was settled since poll is committed when it is due. */
	for (size_t i = 0; i < kafka->consumers_count; i++) {
		const evpipe__kafka_consumer *consumer = kafka->consumers[i];
		if (consumer->is_dirty && !consumer->is_committing && consumer->commit_ms < due_ms)
			due_ms = consumer->commit_ms;
	}
	return due_ms;
}

static size_t kafka_memory(void *self)
{
	evpipe__kafka *kafka = self;

	if (kafka->now_ms - kafka->prefetched_ms >= MEMORY_AGE_MS) {
		size_t records = 0;
		for (size_t i = 0; i < kafka->partitions_count; i++)
			if (kafka->partitions[i] && kafka->partitions[i]->queue)
				records += rd_kafka_queue_length(kafka->partitions[i]->queue);
		kafka->prefetched = records * (kafka->record_size + EVPIPE__KAFKA_RECORD_OVERHEAD);
		kafka->prefetched_ms = kafka->now_ms;
	}
	return kafka->prefetched + kafka->producer.bytes;
}

static evpipe_err kafka_ensure_topic(void *self, const evpipe_topic_spec *spec)
{
	evpipe__kafka *kafka = self;
	return kafka->is_closed ? EVPIPE_ECLOSED : evpipe__kafka_topics_ensure(kafka, spec);
}

extern const evpipe_transport_ops evpipe__kafka_transport;
const evpipe_transport_ops        evpipe__kafka_transport = {
	.size = sizeof evpipe__kafka_transport,
	.name = "kafka",
	.features = EVPIPE_FEATURE_OFFSETS | EVPIPE_FEATURE_ORDERED | EVPIPE_FEATURE_TOPICS | EVPIPE_FEATURE_LAG | EVPIPE_FEATURE_HEADERS,
	.check = evpipe__kafka_check,
	.open = kafka_open,
	.close = kafka_close,
	.free = kafka_free,
	.send = kafka_send,
	.flush = kafka_flush,
	.record_max = kafka_record_max,
	.subscribe = kafka_subscribe,
	.settle = kafka_settle,
	.hold = kafka_hold,
	.release = kafka_release,
	.relinquish = kafka_relinquish,
	.lag = kafka_lag,
	.poll = evpipe__kafka_poll,
	.fd = kafka_fd,
	.next_due = kafka_next_due,
	.wake = kafka_wake,
	.memory = kafka_memory,
	.ensure_topic = kafka_ensure_topic,
};
