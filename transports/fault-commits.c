/*
 * What was settled, on its way to the transport inside: at once, or, where commits may be refused, with the next commit.
 */
#include "fault.h"

#include "memory.h"

static evpipe_err settle_inside(evpipe__fault_partition *partition, int64_t offset)
{
	evpipe__fault *fault = partition->fault;
	evpipe_err     err = fault->ops->settle(fault->inside, partition->inside, offset);
	if (!err)
		evpipe__fault_let_go(partition, offset);
	return err;
}

static void pass_on_settled(evpipe__fault_partition *partition)
{
	for (size_t i = 0; i < partition->settled_count; i++)
		settle_inside(partition, partition->settled[i]);
	partition->fault->memory -= partition->settled_count * sizeof *partition->settled;
	partition->settled_count = 0;
}

void evpipe__fault_forget_settled(evpipe__fault_partition *partition)
{
	partition->fault->memory -= partition->settled_count * sizeof *partition->settled;
	partition->settled_count = 0;
}

static int is_commit_refused(evpipe__fault *fault)
{
	const evpipe__fault_rule *rule = evpipe__fault_strike(fault, EVPIPE__FAULT_AT_COMMIT, NULL, -1);
	if (!rule)
		return 0;
	fault->refused++;
	fault->refused_err = rule->err;
	return 1;
}

/* As offsets are committed: every so often, all of them; what was refused is part of the next. */
static void on_commit(void *owner)
{
	evpipe__fault *fault = owner;
	if (is_commit_refused(fault)) {
		evpipe__timer_set(&fault->timers, &fault->commit, evpipe__fault_now(fault) + fault->commit_ms);
		return;
	}
	for (size_t i = 0; i < fault->partitions_count; i++)
		if (fault->partitions[i])
			pass_on_settled(fault->partitions[i]);
}

void evpipe__fault_commit_last(evpipe__fault_partition *partition)
{
	if (!partition->settled_count)
		return;
	if (is_commit_refused(partition->fault))
		evpipe__fault_forget_settled(partition);
	else
		pass_on_settled(partition);
}

static int defer(evpipe__fault_partition *partition, int64_t offset)
{
	evpipe__fault *fault = partition->fault;
	if (partition->settled_count == partition->settled_capacity) {
		size_t   capacity = partition->settled_capacity ? 2 * partition->settled_capacity : 64;
		int64_t *more = evpipe__realloc(partition->settled, capacity * sizeof *more);
		if (!more)
			return 0;
		partition->settled = more;
		partition->settled_capacity = capacity;
	}
	partition->settled[partition->settled_count++] = offset;
	fault->memory += sizeof offset;
	if (!evpipe__timer_is_set(&fault->commit))
		evpipe__timer_set(&fault->timers, &fault->commit, evpipe__fault_now(fault) + fault->commit_ms);
	return 1;
}

evpipe_err evpipe__fault_settle(void *self, evpipe_assignment assignment, int64_t offset)
{
	evpipe__fault           *fault = self;
	evpipe__fault_partition *partition = evpipe__fault_find(fault, assignment);
	if (!partition)
		return EVPIPE_ESTALE;
	if (fault->defers && defer(partition, offset))
		return EVPIPE_OK;
	return settle_inside(partition, offset);
}

int evpipe__fault_next_refusal(evpipe__fault *fault, evpipe_transport_event *event)
{
	if (!fault->refused)
		return 0;
	fault->refused--;
	*event = (evpipe_transport_event){.type = EVPIPE_TRANSPORT_COMMITTED,
					  .err = fault->refused_err,
					  .text = "fault: refuse-commit"};
	return 1;
}

evpipe_err evpipe__fault_commits_init(evpipe__fault *fault)
{
	fault->defers = evpipe__fault_script_has(&fault->script, EVPIPE__FAULT_REFUSE_COMMIT);
	return evpipe__timer_init(&fault->timers, &fault->commit, on_commit, fault);
}
