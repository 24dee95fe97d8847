/*
 * The fault transport: life, poll, the table of operations. What it does to sends and partitions is in files of their
 * own: fault.h.
 */
#include "fault.h"

#include "errors.h"
#include "memory.h"
#include "settings.h"

/* ---- time and chance ---- */

int64_t evpipe__fault_now(const evpipe__fault *fault)
{
	return fault->runtime->mono_ms(fault->runtime->ctx);
}

int evpipe__fault_is_away(const evpipe__fault *fault)
{
	return evpipe__timer_is_set(&fault->away);
}

const evpipe__fault_rule *evpipe__fault_strike(evpipe__fault *fault, evpipe__fault_occasion occasion, const char *topic,
					       int32_t partition)
{
	return evpipe__fault_script_strike(&fault->script, occasion, topic, partition,
					   evpipe__fault_now(fault) - fault->opened_ms);
}

static void on_back(void *owner)
{
	evpipe__fault *fault = owner;
	fault->notice = FAULT_NOTICE_BACK;
}

static void on_assign_again(void *owner)
{
	(void)owner; /* that it is not set any more lets poll go on */
}

static void go_away(evpipe__fault *fault)
{
	const evpipe__fault_rule *rule = evpipe__fault_strike(fault, EVPIPE__FAULT_AT_POLL, NULL, -1);
	if (!rule)
		return;
	evpipe__timer_set(&fault->timers, &fault->away, evpipe__fault_now(fault) + rule->duration_ms);
	fault->notice = FAULT_NOTICE_AWAY;
}

/* ---- life ---- */

static void fault_free(void *self)
{
	evpipe__fault *fault = self;
	if (!fault)
		return;
	if (fault->inside)
		fault->ops->free(fault->inside);
	evpipe__fault_sends_release(fault);
	evpipe__fault_partitions_release(fault);
	evpipe__timer_release(&fault->timers, &fault->commit);
	evpipe__timer_release(&fault->timers, &fault->away);
	evpipe__timer_release(&fault->timers, &fault->assign_again);
	evpipe__timers_release(&fault->timers);
	evpipe__fault_script_release(&fault->script);
	evpipe__free(fault);
}

/* Without faults unless script or seed ask for some. What only sends and what only receives see streams of their own. */
static evpipe_err read_script(evpipe__fault_script *script, const evpipe_fault_plan *plan, unsigned roles, evpipe_error *error)
{
	const char *text = plan->script ? plan->script : plan->seed ? NULL : "";
	return evpipe__fault_script_init(script, text, plan->seed + ((uint64_t)roles << 32), error);
}

/* The part of the memory that what is remembered of sends may have; the rest is for the transport inside. */
#define SENDS_SHARE 8

static const char *inside_url(const evpipe_config *config)
{
	return evpipe_config_text(config, NULL, "transport.url");
}

/* The plan's, else the one of transport.url. */
static evpipe_err find_inside(const evpipe_transport_ops **ops, const evpipe_fault_plan *plan, const evpipe_config *config,
                              evpipe_error *error)
{
	const char *url = inside_url(config);

	*ops = plan->ops;
	if (*ops)
		return EVPIPE_OK;
	if (!url)
		return evpipe__fail(error, EVPIPE_ECONFIG, "evpipe_fault_plan: neither ops nor transport.url say what transport is inside");
	return evpipe_transport_find(ops, url, error);
}

static evpipe_err open_inside(evpipe__fault *fault, const evpipe_transport_setup *setup, evpipe_error *error)
{
	const evpipe_fault_plan *plan = setup->arg;
	evpipe_transport_setup   inside = *setup;
	evpipe_err               err = find_inside(&fault->ops, plan, setup->config, error);

	if (err)
		return err;
	inside.arg = plan->arg;
	if (!plan->ops)
		inside.url = inside_url(setup->config);
	fault->sends_max = setup->memory_max / SENDS_SHARE;
	inside.memory_max -= fault->sends_max;
	return fault->ops->open(&fault->inside, &inside, error);
}

static int is_plan(const evpipe_fault_plan *plan)
{
	return plan && plan->size == sizeof *plan && plan->ops != evpipe_transport_fault();
}

static void fault_check(const evpipe_config *config, evpipe_transport_problem_fn on_problem, void *ctx)
{
	const evpipe_fault_plan    *plan = config->transport_arg;
	const evpipe_transport_ops *ops;
	evpipe_error                error;

	if (!is_plan(plan))
		return; /* open says so */
	if (find_inside(&ops, plan, config, &error) != EVPIPE_OK)
		on_problem(ctx, "transport.url", error.text);
	else if (ops->check)
		ops->check(config, on_problem, ctx);
}

static evpipe_err fault_open(void **self, const evpipe_transport_setup *setup, evpipe_error *error)
{
	const evpipe_fault_plan *plan = setup->arg;

	if (!is_plan(plan))
		return evpipe__fail(error, EVPIPE_ECONFIG, "evpipe_fault_plan: none, of another size, or around itself");
	evpipe__fault *fault = evpipe__calloc(1, sizeof *fault);
	if (!fault)
		return evpipe__fail_plain(error, EVPIPE_ENOMEM);
	fault->runtime = setup->runtime;
	fault->opened_ms = evpipe__fault_now(fault);
	fault->commit_ms = evpipe_config_number(setup->config, NULL, "commit.interval");
	evpipe__timers_init(&fault->timers);
	TAILQ_INIT(&fault->sent);
	TAILQ_INIT(&fault->delayed);
	TAILQ_INIT(&fault->ready);
	evpipe_err err = read_script(&fault->script, plan, setup->roles, error);
	if (err)
		goto out;
	evpipe__fault_partitions_init(fault);
	err = evpipe__fault_commits_init(fault);
	if (!err)
		err = evpipe__timer_init(&fault->timers, &fault->away, on_back, fault);
	if (!err)
		err = evpipe__timer_init(&fault->timers, &fault->assign_again, on_assign_again, fault);
	if (err) {
		evpipe__fail_plain(error, err);
		goto out;
	}
	err = open_inside(fault, setup, error);
out:
	if (err)
		fault_free(fault);
	else
		*self = fault;
	return err;
}

static void fault_close(void *self, uint32_t timeout_ms)
{
	evpipe__fault *fault = self;
	evpipe__fault_partitions_close(fault);
	evpipe__timer_stop(&fault->timers, &fault->commit);
	fault->closed = 1;
	fault->has_again = 0;
	fault->has_assigned = 0;
	evpipe__timer_stop(&fault->timers, &fault->assign_again);
	evpipe__timer_stop(&fault->timers, &fault->away);
	evpipe__fault_sends_close(fault);
	fault->ops->close(fault->inside, timeout_ms);
}

/* ---- poll ---- */

static int next_notice(evpipe__fault *fault, evpipe_transport_event *event)
{
	if (!fault->notice)
		return 0;
	*event = (evpipe_transport_event){.type = EVPIPE_TRANSPORT_NOTICE,
					  .level = EVPIPE_LOG_INFO,
					  .text = "fault: the broker is back"};
	if (fault->notice == FAULT_NOTICE_AWAY) {
		event->level = EVPIPE_LOG_WARN;
		event->err = EVPIPE_EUNAVAILABLE;
		event->text = "fault: the broker is away";
	}
	fault->notice = FAULT_NOTICE_NONE;
	return 1;
}

/* False: it is not to be seen. */
static int on_event(evpipe__fault *fault, evpipe_transport_event *event)
{
	switch (event->type) {
	case EVPIPE_TRANSPORT_SENT:
		return evpipe__fault_on_sent(fault, event);
	case EVPIPE_TRANSPORT_ASSIGNED:
		return evpipe__fault_on_assigned(fault, event);
	case EVPIPE_TRANSPORT_RECORD:
		return evpipe__fault_on_record(fault, event);
	case EVPIPE_TRANSPORT_REVOKED:
		return evpipe__fault_on_revoked(fault, event);
	case EVPIPE_TRANSPORT_LOST:
		return evpipe__fault_on_lost(fault, event);
	default:
		return 1;
	}
}

/* The next event from inside, or the partition that waits for memory: nothing comes past it. */
static evpipe_err next_inside(evpipe__fault *fault, unsigned flags, evpipe_transport_event *event)
{
	if (!fault->has_assigned)
		return fault->ops->poll(fault->inside, flags, event);
	if (evpipe__timer_is_set(&fault->assign_again))
		return EVPIPE_EAGAIN;
	*event = fault->assigned;
	fault->has_assigned = 0;
	return EVPIPE_OK;
}

static evpipe_err fault_poll(void *self, unsigned flags, evpipe_transport_event *event)
{
	evpipe__fault *fault = self;
	evpipe_err     err;

	evpipe__fault_take_back(fault);
	if (!fault->closed) {
		evpipe__timers_fire(&fault->timers, evpipe__fault_now(fault));
		go_away(fault);
	}
	if (evpipe__fault_is_away(fault))
		flags |= EVPIPE_POLL_NO_RECORDS;
	if (next_notice(fault, event) || evpipe__fault_next_refusal(fault, event) ||
	    evpipe__fault_next_assigned(fault, event) || evpipe__fault_next_report(fault, event))
		return EVPIPE_OK;
	if (!(flags & EVPIPE_POLL_NO_RECORDS) && evpipe__fault_next_record(fault, event))
		return EVPIPE_OK;
	/* What it points to ends with the poll inside. */
	fault->has_again = 0;
	do
		err = next_inside(fault, flags, event);
	while (!err && !on_event(fault, event));
	return err;
}

static int64_t fault_next_due(void *self)
{
	evpipe__fault *fault = self;
	int64_t        ours = evpipe__timers_next(&fault->timers);
	int64_t        due = fault->has_assigned ? INT64_MAX : fault->ops->next_due(fault->inside);

	if (fault->notice || fault->refused || !TAILQ_EMPTY(&fault->returning) ||
	    (!TAILQ_EMPTY(&fault->ready) && !evpipe__fault_is_away(fault)))
		return evpipe__fault_now(fault);
	return ours < due ? ours : due;
}

static size_t fault_memory(void *self)
{
	evpipe__fault *fault = self;
	return fault->memory + fault->ops->memory(fault->inside);
}

/* ---- what passes through ---- */

static void fault_flush(void *self)
{
	evpipe__fault *fault = self;
	fault->ops->flush(fault->inside);
}

static size_t fault_record_max(void *self)
{
	evpipe__fault *fault = self;
	return fault->ops->record_max(fault->inside);
}

static evpipe_err fault_subscribe(void *self, const evpipe_subscription *subscription)
{
	evpipe__fault *fault = self;
	return fault->ops->subscribe(fault->inside, subscription);
}

static int fault_fd(void *self)
{
	evpipe__fault *fault = self;
	return fault->ops->fd ? fault->ops->fd(fault->inside) : -1;
}

static void fault_wake(void *self)
{
	evpipe__fault *fault = self;
	if (fault->ops->wake)
		fault->ops->wake(fault->inside);
}

static evpipe_err fault_ensure_topic(void *self, const evpipe_topic_spec *spec)
{
	evpipe__fault *fault = self;
	return fault->ops->ensure_topic(fault->inside, spec);
}

/* Its features are those of the transport inside; what that one lacks answers as it does there. */
static const evpipe_transport_ops fault_ops = {
	.size = sizeof fault_ops,
	.name = "fault",
	.features = EVPIPE_FEATURE_OFFSETS | EVPIPE_FEATURE_ORDERED | EVPIPE_FEATURE_TOPICS | EVPIPE_FEATURE_LAG |
		    EVPIPE_FEATURE_HEADERS,
	.check = fault_check,
	.open = fault_open,
	.close = fault_close,
	.free = fault_free,
	.send = evpipe__fault_send,
	.flush = fault_flush,
	.record_max = fault_record_max,
	.subscribe = fault_subscribe,
	.settle = evpipe__fault_settle,
	.hold = evpipe__fault_hold,
	.release = evpipe__fault_unhold,
	.relinquish = evpipe__fault_relinquish,
	.lag = evpipe__fault_lag,
	.poll = fault_poll,
	.fd = fault_fd,
	.next_due = fault_next_due,
	.wake = fault_wake,
	.memory = fault_memory,
	.ensure_topic = fault_ensure_topic,
};

const evpipe_transport_ops *evpipe_transport_fault(void)
{
	return &fault_ops;
}

evpipe_err evpipe_config_use_faults(evpipe_config *config, evpipe_fault_plan *plan, evpipe_error *error)
{
	evpipe__fault_script script;

	if (!config || !plan || plan->size != sizeof *plan || config->transport_ops == &fault_ops)
		return evpipe__fail(error, EVPIPE_EINVAL, "a configuration without faults and an evpipe_fault_plan are needed");
	evpipe_err err = read_script(&script, plan, 0, error);
	evpipe__fault_script_release(&script);
	if (err)
		return err;
	evpipe_fault_plan filled = *plan;
	filled.ops = config->transport_ops;
	filled.arg = config->transport_arg;
	err = evpipe_config_use_transport(config, &fault_ops, plan, error);
	if (!err)
		*plan = filled;
	return err;
}
