/*
 * Between a machine and the broker: every operation passes through, is seen, and may be the one at which the machine is
 * killed. What a machine does after that never happened.
 */
#include "world.h"

#include <stdlib.h>
#include <string.h>

static const evpipe_transport_ops *broker(void)
{
	return evpipe_testbroker_transport();
}

/* True if the machine lives to see it. */
static int may_operate(struct machine *machine)
{
	return machine->inner && machine_operates(machine);
}

static uint32_t topic_number(const struct world *world, const char *name)
{
	uint32_t topic = 0;
	if (strcmp(name, TOPIC) == 0)
		return 0;
	for (topic = 1; topic <= world->plan->delays; topic++)
		if (strcmp(name, world->plan->tier_topics[topic - 1]) == 0)
			return topic;
	return TOPIC_DEAD;
}

/* ---- life ---- */

static evpipe_err do_open(void **self, const evpipe_transport_setup *setup, evpipe_error *error)
{
	struct machine        *machine = setup->arg;
	evpipe_transport_setup inside = *setup;
	inside.arg = machine->world->broker;
	evpipe_err err = broker()->open(&machine->inner, &inside, error);
	*self = machine;
	return err;
}

static void end_holdings(struct machine *machine, int is_committed)
{
	for (size_t i = 0; i < machine->holdings_count; i++)
		if (machine->holdings[i].state != HOLDING_NONE)
			account_ended(machine, &machine->holdings[i], is_committed);
}

static void do_close(void *self, uint32_t timeout_ms)
{
	struct machine *machine = self;
	if (!may_operate(machine))
		return;
	broker()->close(machine->inner, timeout_ms);
	end_holdings(machine, !machine->world->is_away);
}

void wire_cut(struct machine *machine)
{
	if (machine->inner)
		broker()->free(machine->inner);
	machine->inner = NULL;
	end_holdings(machine, 0);
	/* Of those on their way nobody knows, and who finds them in the journal sends them again. */
	for (size_t i = 0; machine->host && i < machine->sends_capacity; i++)
		if (machine->sends[i].number != NOBODY)
			machine->world->events[machine->sends[i].number].excuses++;
	machine->holdings_count = 0;
	free(machine->holdings);
	machine->holdings = NULL;
	free(machine->sends);
	machine->sends = NULL;
	machine->sends_capacity = 0;
	machine->sends_free = NOBODY;
}

static void do_free(void *self)
{
	struct machine *machine = self;
	if (machine && machine->inner)
		broker()->free(machine->inner);
	if (machine)
		machine->inner = NULL;
}

/* ---- sends: tokens are ours on the way ---- */

static void double_sends(struct machine *machine)
{
	size_t       from = machine->sends_capacity, to = from ? 2 * from : 64;
	struct send *sends = get_memory(to, sizeof *sends);
	if (from)
		memcpy(sends, machine->sends, from * sizeof *sends);
	free(machine->sends);
	for (size_t i = to; i-- > from;) {
		sends[i].number = NOBODY;
		sends[i].next_free = machine->sends_free;
		machine->sends_free = (uint32_t)i;
	}
	machine->sends = sends;
	machine->sends_capacity = to;
}

static evpipe_err do_send(void *self, const evpipe_record *record, uint64_t token)
{
	struct machine *machine = self;
	struct world   *world = machine->world;
	uint32_t        topic = topic_number(world, record->topic), number = event_number(record->headers, record->headers_count);

	if (!may_operate(machine))
		return EVPIPE_EAGAIN;
	if (number >= world->events_count) {
		world_fail(world, 'a', "%s sends a record to %s that has lost the application's header", machine->name, record->topic);
		return EVPIPE_EAGAIN;
	}
	if (machine->sends_free == NOBODY)
		double_sends(machine);
	uint32_t   at = machine->sends_free;
	evpipe_err err = broker()->send(machine->inner, record, at);
	if (err) {
		world->crowded_ms = world->now_ms;
		return err;
	}
	struct send *send = &machine->sends[at];
	machine->sends_free = send->next_free;
	*send = (struct send){.token = token, .number = number, .topic = topic};
	trace_note(&world->trace, TRACE_SENT, machine->name, number, topic, 0, 0);
	account_sent(machine, number, topic);
	if (topic > 0) {
		promise_sent(machine, number, record, topic);
		promise_leaves_tier(machine, number, 0);
	}
	return EVPIPE_OK;
}

static void on_sent(struct machine *machine, evpipe_transport_event *event)
{
	struct send *send = &machine->sends[event->token];
	trace_note(&machine->world->trace, TRACE_REPORTED, machine->name, send->number, send->topic, event->outcome, 0);
	account_reported(machine, send->number, send->topic, event->outcome);
	send->number = NOBODY;
	send->next_free = machine->sends_free;
	machine->sends_free = (uint32_t)event->token;
	event->token = send->token;
}

static void do_flush(void *self)
{
	struct machine *machine = self;
	if (may_operate(machine))
		broker()->flush(machine->inner);
}

static size_t do_record_max(void *self)
{
	struct machine *machine = self;
	return may_operate(machine) ? broker()->record_max(machine->inner) : SIZE_MAX;
}

/* ---- partitions ---- */

static struct holding *holding_of(struct machine *machine, evpipe_assignment assignment)
{
	struct holding *holding = assignment.slot < machine->holdings_count ? &machine->holdings[assignment.slot] : NULL;
	return holding && holding->state != HOLDING_NONE && holding->epoch == assignment.epoch ? holding : NULL;
}

static void on_assigned(struct machine *machine, const evpipe_transport_event *event)
{
	uint32_t slot = event->assignment.slot;
	if (slot >= machine->holdings_count) {
		struct holding *more = get_memory(slot + 8, sizeof *more);
		if (machine->holdings)
			memcpy(more, machine->holdings, machine->holdings_count * sizeof *more);
		free(machine->holdings);
		machine->holdings = more;
		machine->holdings_count = slot + 8;
	}
	struct holding *holding = &machine->holdings[slot];
	*holding = (struct holding){.state = HOLDING_OWNED,
	                            .topic = topic_number(machine->world, event->topic),
	                            .partition = (uint32_t)event->partition,
	                            .epoch = event->assignment.epoch,
	                            .assigned_ms = machine->world->now_ms};
	trace_note(&machine->world->trace, TRACE_ASSIGNED, machine->name, 0, holding->topic, holding->partition, 0);
	account_assigned(machine, holding);
}

static void on_revoked(struct machine *machine, struct holding *holding)
{
	trace_note(&machine->world->trace, TRACE_REVOKED, machine->name, 0, holding->topic, holding->partition, 0);
	holding->state = HOLDING_REVOKED;
	holding->revoked_ms = machine->world->now_ms;
}

static evpipe_err do_subscribe(void *self, const evpipe_subscription *subscription)
{
	struct machine *machine = self;
	return may_operate(machine) ? broker()->subscribe(machine->inner, subscription) : EVPIPE_OK;
}

static evpipe_err do_settle(void *self, evpipe_assignment assignment, int64_t offset)
{
	struct machine *machine = self;
	if (!may_operate(machine))
		return EVPIPE_ESTALE;
	evpipe_err      err = broker()->settle(machine->inner, assignment, offset);
	struct holding *holding = holding_of(machine, assignment);
	if (!err && holding)
		account_settled(machine, holding, offset);
	return err;
}

static void do_hold(void *self, evpipe_assignment assignment)
{
	struct machine *machine = self;
	if (may_operate(machine))
		broker()->hold(machine->inner, assignment);
}

static void do_release(void *self, evpipe_assignment assignment)
{
	struct machine *machine = self;
	if (may_operate(machine))
		broker()->release(machine->inner, assignment);
}

static void do_relinquish(void *self, evpipe_assignment assignment)
{
	struct machine *machine = self;
	struct holding *holding = holding_of(machine, assignment);
	if (!may_operate(machine))
		return;
	broker()->relinquish(machine->inner, assignment);
	if (!holding)
		return;
	trace_note(&machine->world->trace, TRACE_RELINQUISHED, machine->name, 0, holding->topic, holding->partition, 0);
	account_ended(machine, holding, !machine->world->is_away);
}

static int64_t do_lag(void *self, evpipe_assignment assignment)
{
	struct machine *machine = self;
	return machine->inner ? broker()->lag(machine->inner, assignment) : -1;
}

/* ---- both ---- */

static evpipe_err do_poll(void *self, unsigned flags, evpipe_transport_event *event)
{
	struct machine *machine = self;
	struct world   *world = machine->world;
	if (!may_operate(machine))
		return machine->inner ? EVPIPE_EAGAIN : EVPIPE_ECLOSED;
	evpipe_err err = broker()->poll(machine->inner, flags, event);
	if (err)
		return err;
	struct holding *holding = holding_of(machine, event->assignment);
	switch (event->type) {
	case EVPIPE_TRANSPORT_RECORD:
		if (holding)
			account_taken(machine, &event->record, holding);
		break;
	case EVPIPE_TRANSPORT_SENT:
		on_sent(machine, event);
		break;
	case EVPIPE_TRANSPORT_ASSIGNED:
		on_assigned(machine, event);
		break;
	case EVPIPE_TRANSPORT_REVOKED:
		if (holding)
			on_revoked(machine, holding);
		break;
	case EVPIPE_TRANSPORT_LOST:
		if (!holding)
			break;
		trace_note(&world->trace, TRACE_LOST, machine->name, 0, holding->topic, holding->partition, 0);
		account_ended(machine, holding, 0);
		break;
	case EVPIPE_TRANSPORT_COMMITTED:
		trace_note(&world->trace, TRACE_COMMITTED, machine->name, event->err, 0, 0, 0);
		break;
	default:
		break;
	}
	return EVPIPE_OK;
}

static int do_fd(void *self)
{
	struct machine *machine = self;
	return broker()->fd(machine->inner);
}

static int64_t do_next_due(void *self)
{
	struct machine *machine = self;
	return machine->inner && !machine->is_dead ? broker()->next_due(machine->inner) : INT64_MAX;
}

static void do_wake(void *self)
{
	struct machine *machine = self;
	if (may_operate(machine))
		broker()->wake(machine->inner);
}

static size_t do_memory(void *self)
{
	struct machine *machine = self;
	return machine->inner ? broker()->memory(machine->inner) : 0;
}

static evpipe_err do_ensure_topic(void *self, const evpipe_topic_spec *spec)
{
	struct machine *machine = self;
	return may_operate(machine) ? broker()->ensure_topic(machine->inner, spec) : EVPIPE_EAGAIN;
}

const evpipe_transport_ops wire_ops = {
	.size = sizeof wire_ops,
	.name = "wire",
	.features = EVPIPE_FEATURE_OFFSETS | EVPIPE_FEATURE_ORDERED | EVPIPE_FEATURE_TOPICS | EVPIPE_FEATURE_LAG | EVPIPE_FEATURE_HEADERS,
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
