/*
 * What goes wrong on purpose.
 */
#include <stdlib.h>
#include <string.h>

#include "broker.h"

static void fault_free(evpipe_testbroker *broker, struct fault *fault)
{
	TAILQ_REMOVE(&broker->faults, fault, link);
	broker->faults_of[fault->fault.type]--;
	free((char *)(uintptr_t)fault->fault.topic);
	free(fault);
}

static int fits(const struct fault *fault, evpipe_testbroker_fault_type type, const struct partition *partition)
{
	return fault->fault.type == type && (!fault->fault.topic || strcmp(fault->fault.topic, partition->topic->name) == 0) &&
	       (fault->fault.partition < 0 || fault->fault.partition == partition->number);
}

const evpipe_testbroker_fault *evpipe__tb_fault(evpipe_testbroker *broker, evpipe_testbroker_fault_type type,
                                                const struct partition *partition)
{
	struct fault *fault, *next;

	if (!broker->faults_of[type])
		return NULL;
	for (fault = TAILQ_FIRST(&broker->faults); fault; fault = next) {
		next = TAILQ_NEXT(fault, link);
		if (fault->fault.type == type && !fault->fault.times)
			fault_free(broker, fault); /* used up, and no longer looked at by who used it */
		else if (!fits(fault, type, partition))
			continue;
		else if (fault->fault.after)
			fault->fault.after--;
		else
			break;
	}
	if (!fault)
		return NULL;
	fault->fault.times--;
	return &fault->fault;
}

evpipe_err evpipe_testbroker_inject(evpipe_testbroker *broker, const evpipe_testbroker_fault *wanted)
{
	if (!broker || !wanted || wanted->size != sizeof *wanted || (unsigned)wanted->type > EVPIPE_FAULT_QUEUE_FULL ||
	    !wanted->times || wanted->delay_ms < 0)
		return EVPIPE_EINVAL;
	struct fault *fault = malloc(sizeof *fault);
	char         *topic = wanted->topic ? strdup(wanted->topic) : NULL;
	if (!fault || (wanted->topic && !topic)) {
		free(fault);
		free(topic);
		return EVPIPE_ENOMEM;
	}
	fault->fault = *wanted;
	fault->fault.topic = topic;
	evpipe__tb_lock(broker);
	TAILQ_INSERT_TAIL(&broker->faults, fault, link);
	broker->faults_of[wanted->type]++;
	evpipe__tb_unlock(broker);
	return EVPIPE_OK;
}

void evpipe__tb_faults_free(evpipe_testbroker *broker)
{
	while (!TAILQ_EMPTY(&broker->faults))
		fault_free(broker, TAILQ_FIRST(&broker->faults));
}

void evpipe_testbroker_clear_faults(evpipe_testbroker *broker)
{
	evpipe__tb_lock(broker);
	evpipe__tb_faults_free(broker);
	evpipe__tb_unlock(broker);
}

/* ---- partitions and the whole broker out of reach ---- */

static void set_down(evpipe_testbroker *broker, int is_down)
{
	struct instance *instance;
	if (broker->is_down == is_down)
		return;
	broker->is_down = is_down;
	TAILQ_FOREACH(instance, &broker->instances, link) {
		if (instance->state != INSTANCE_OPEN)
			continue;
		if (is_down)
			evpipe__tb_broker_went(instance);
		else
			evpipe__tb_broker_came(instance);
		evpipe__tb_notify(instance);
	}
	if (is_down)
		return;
	for (struct group *group = broker->groups; group; group = group->hh.next)
		evpipe__tb_balance(group);
}

/* Whoever waits for the partition, to read or to send, looks again. */
static void wake_partition(evpipe_testbroker *broker, struct partition *partition)
{
	struct instance *instance;
	struct claim    *claim;
	TAILQ_FOREACH(claim, &partition->claims, of_partition)
		if (claim->assignment)
			evpipe__tb_assignment_wake(claim->assignment);
	TAILQ_FOREACH(instance, &broker->instances, link)
		evpipe__tb_notify(instance);
}

static evpipe_err set_available_locked(evpipe_testbroker *broker, const char *name, int32_t number, int available)
{
	if (!name) {
		set_down(broker, !available);
		for (struct topic *topic = broker->topics; topic && available; topic = topic->hh.next)
			for (int32_t i = 0; i < topic->settings.partitions; i++)
				wake_partition(broker, &topic->partitions[i]);
		return EVPIPE_OK;
	}
	struct topic *topic = evpipe__tb_topic(broker, name);
	if (!topic || number >= topic->settings.partitions)
		return EVPIPE_EINVAL;
	for (int32_t i = 0; i < topic->settings.partitions; i++) {
		if (number >= 0 && i != number)
			continue;
		topic->partitions[i].unavailable = !available;
		if (available)
			wake_partition(broker, &topic->partitions[i]);
	}
	return EVPIPE_OK;
}

evpipe_err evpipe_testbroker_set_available(evpipe_testbroker *broker, const char *topic, int32_t partition, int available)
{
	if (!broker)
		return EVPIPE_EINVAL;
	evpipe__tb_lock(broker);
	evpipe_err err = set_available_locked(broker, topic, partition, available);
	evpipe__tb_unlock(broker);
	return err;
}
