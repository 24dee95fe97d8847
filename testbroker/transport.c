/*
 * The transport's table of operations: each takes the broker's mutex for its own time.
 */
#include <stdio.h>

#include "broker.h"

/* ---- life ---- */

static evpipe_err do_open(void **self, const evpipe_transport_setup *setup, evpipe_error *error)
{
	evpipe_testbroker *broker = setup->arg;
	struct instance   *instance;

	evpipe__tb_lock(broker);
	evpipe_err err = evpipe__tb_open(&instance, broker, setup);
	evpipe__tb_unlock(broker);
	if (!err) {
		*self = instance;
	} else if (error) {
		error->code = err;
		snprintf(error->text, sizeof error->text, "test broker: %s", evpipe_strerror(err));
	}
	return err;
}

static void do_close(void *self, uint32_t timeout_ms)
{
	struct instance *instance = self;
	evpipe__tb_lock(instance->broker);
	evpipe__tb_close(instance, timeout_ms);
	evpipe__tb_unlock(instance->broker);
}

static void do_free(void *self)
{
	struct instance *instance = self;
	if (!instance)
		return;
	evpipe_testbroker *broker = instance->broker;
	evpipe__tb_lock(broker);
	evpipe__tb_free(instance);
	evpipe__tb_unlock(broker);
}

/* ---- both roles ---- */

static evpipe_err do_poll(void *self, unsigned flags, evpipe_transport_event *event)
{
	struct instance *instance = self;
	evpipe__tb_lock(instance->broker);
	evpipe_err err = evpipe__tb_poll(instance, flags, event);
	evpipe__tb_unlock(instance->broker);
	return err;
}

static int64_t do_next_due(void *self)
{
	struct instance *instance = self;
	evpipe__tb_lock(instance->broker);
	int64_t due_ms = evpipe__tb_due(instance);
	evpipe__tb_unlock(instance->broker);
	return due_ms;
}

static int do_fd(void *self)
{
	return ((struct instance *)self)->fd;
}

static void do_wake(void *self)
{
	struct instance *instance = self;
	evpipe__tb_lock(instance->broker);
	evpipe__tb_notify(instance);
	evpipe__tb_unlock(instance->broker);
}

/* Records polled ahead are the broker's own and cost nothing. */
static size_t do_memory(void *self)
{
	struct instance *instance = self;
	evpipe__tb_lock(instance->broker);
	size_t bytes = instance->flights_bytes;
	evpipe__tb_unlock(instance->broker);
	return bytes;
}

static evpipe_err do_ensure_topic(void *self, const evpipe_topic_spec *spec)
{
	struct instance *instance = self;
	evpipe__tb_lock(instance->broker);
	evpipe_err err = instance->state == INSTANCE_OPEN ? evpipe__tb_ensure_topic(instance, spec) : EVPIPE_ECLOSED;
	evpipe__tb_unlock(instance->broker);
	return err;
}

/* ---- sending ---- */

static evpipe_err do_send(void *self, const evpipe_record *record, uint64_t token)
{
	struct instance *instance = self;
	evpipe__tb_lock(instance->broker);
	evpipe_err err = instance->state == INSTANCE_OPEN     ? evpipe__tb_send(instance, record, token)
	                 : instance->state == INSTANCE_KILLED ? EVPIPE_EAGAIN
	                                                      : EVPIPE_ECLOSED;
	evpipe__tb_unlock(instance->broker);
	return err;
}

static void do_flush(void *self)
{
	(void)self; /* nothing lingers */
}

/* What every topic takes. */
static size_t do_record_max(void *self)
{
	struct instance *instance = self;
	size_t           max = SIZE_MAX;
	evpipe__tb_lock(instance->broker);
	for (const struct topic *topic = instance->broker->topics; topic; topic = topic->hh.next)
		if (topic->settings.record_max < max)
			max = topic->settings.record_max;
	evpipe__tb_unlock(instance->broker);
	return max;
}

/* ---- receiving ---- */

static evpipe_err do_subscribe(void *self, const evpipe_subscription *subscription)
{
	struct instance *instance = self;
	if (!subscription->group || !*subscription->group || !subscription->topics_count)
		return EVPIPE_EINVAL;
	evpipe__tb_lock(instance->broker);
	evpipe_err err = instance->state == INSTANCE_OPEN ? evpipe__tb_join(instance, subscription) : EVPIPE_ECLOSED;
	evpipe__tb_unlock(instance->broker);
	return err;
}

static evpipe_err do_settle(void *self, evpipe_assignment id, int64_t offset)
{
	struct instance *instance = self;
	evpipe__tb_lock(instance->broker);
	struct assignment *assignment = evpipe__tb_assignment(instance, id);
	evpipe_err         err = assignment ? evpipe__tb_settle(assignment, offset) : EVPIPE_ESTALE;
	evpipe__tb_unlock(instance->broker);
	return err;
}

static void set_held(struct instance *instance, evpipe_assignment id, int is_held)
{
	evpipe__tb_lock(instance->broker);
	struct assignment *assignment = evpipe__tb_assignment(instance, id);
	if (assignment)
		evpipe__tb_hold(assignment, is_held);
	evpipe__tb_unlock(instance->broker);
}

static void do_hold(void *self, evpipe_assignment id)
{
	set_held(self, id, 1);
}

static void do_release(void *self, evpipe_assignment id)
{
	set_held(self, id, 0);
}

static void do_relinquish(void *self, evpipe_assignment id)
{
	struct instance *instance = self;
	evpipe__tb_lock(instance->broker);
	struct assignment *assignment = evpipe__tb_assignment(instance, id);
	if (assignment)
		evpipe__tb_relinquish(assignment);
	evpipe__tb_unlock(instance->broker);
}

static int64_t do_lag(void *self, evpipe_assignment id)
{
	struct instance *instance = self;
	evpipe__tb_lock(instance->broker);
	const struct assignment *assignment = evpipe__tb_assignment(instance, id);
	int64_t                  lag = -1;
	if (assignment) {
		const struct partition *partition = assignment->claim->partition;
		int64_t                 from = assignment->position > partition->low ? assignment->position : partition->low;
		lag = partition->high > from ? partition->high - from : 0;
	}
	evpipe__tb_unlock(instance->broker);
	return lag;
}

static const evpipe_transport_ops ops = {
	.size = sizeof ops,
	.name = "test",
	.features = EVPIPE_FEATURE_OFFSETS | EVPIPE_FEATURE_ORDERED | EVPIPE_FEATURE_TOPICS | EVPIPE_FEATURE_LAG |
	            EVPIPE_FEATURE_HEADERS,
	.open = do_open,
	.close = do_close,
	.free = do_free,
	.send = do_send,
	.flush = do_flush,
	.record_max = do_record_max,
	.subscribe = do_subscribe,
	.settle = do_settle,
	.hold = do_hold,
	.release = do_release,
	.relinquish = do_relinquish,
	.lag = do_lag,
	.poll = do_poll,
	.fd = do_fd,
	.next_due = do_next_due,
	.wake = do_wake,
	.memory = do_memory,
	.ensure_topic = do_ensure_topic,
};

const evpipe_transport_ops *evpipe_testbroker_transport(void)
{
	return &ops;
}
