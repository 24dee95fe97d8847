/*
 * Sends, until they are acknowledged: first in the outbox of their partition, in order; half of the acknowledgement's
 * time later they are in its log, or not, and wait to be reported.
 */
#include <stdlib.h>
#include <string.h>

#include "broker.h"

/* A send that a fault refused for want of room may come again after this. */
#define FULL_MS 1

static struct outbox *outbox_of(struct instance *instance, struct partition *partition)
{
	if (partition->id >= instance->outboxes_count) {
		size_t          count = instance->broker->partitions_count;
		struct outbox **outboxes = realloc(instance->outboxes, count * sizeof(struct outbox *));
		if (!outboxes)
			return NULL;
		memset(outboxes + instance->outboxes_count, 0, (count - instance->outboxes_count) * sizeof(struct outbox *));
		instance->outboxes = outboxes;
		instance->outboxes_count = count;
	}
	struct outbox *outbox = instance->outboxes[partition->id];
	if (!outbox && (outbox = calloc(1, sizeof *outbox))) {
		outbox->partition = partition;
		TAILQ_INIT(&outbox->flights);
		instance->outboxes[partition->id] = outbox;
	}
	return outbox;
}

/* By time; those of one time in the order in which they were decided. */
static void insert_by_time(struct flight_list *list, struct flight *flight)
{
	struct flight *before = TAILQ_LAST(list, flight_list);
	while (before && before->report_ms > flight->report_ms)
		before = TAILQ_PREV(before, flight_list, link);
	if (before)
		TAILQ_INSERT_AFTER(list, before, flight, link);
	else
		TAILQ_INSERT_HEAD(list, flight, link);
}

static void fail(struct flight *flight, evpipe_outcome outcome, evpipe_err err, const char *text)
{
	flight->outcome = outcome;
	flight->err = err;
	flight->text = text ? text : evpipe_strerror(err);
}

static void append_twice(struct partition *partition, const struct flight *flight)
{
	struct entry *twin;
	if (evpipe__tb_entry_new(&twin, partition->topic, &flight->entry->record) != EVPIPE_OK)
		return;
	evpipe__tb_partition_append(partition, twin);
	evpipe__tb_entry_unref(twin);
}

/* What becomes of it, faults included. */
static void decide(struct instance *instance, struct partition *partition, struct flight *flight)
{
	evpipe_testbroker             *broker = instance->broker;
	const evpipe_testbroker_fault *fault;

	flight->outcome = EVPIPE_PERSISTED;
	if ((fault = evpipe__tb_fault(broker, EVPIPE_FAULT_SEND_FAILS, partition))) {
		fail(flight, EVPIPE_NOT, fault->err ? fault->err : EVPIPE_EUNAVAILABLE, NULL);
		return;
	}
	if (evpipe__tb_fault(broker, EVPIPE_FAULT_SEND_LOST, partition)) {
		fail(flight, EVPIPE_POSSIBLY, EVPIPE_EMAYBE, "the send was lost");
		return;
	}
	if (evpipe__tb_partition_append(partition, flight->entry) != EVPIPE_OK) {
		fail(flight, EVPIPE_NOT, EVPIPE_ENOMEM, NULL);
		return;
	}
	if (evpipe__tb_fault(broker, EVPIPE_FAULT_SEND_DOUBLED, partition))
		append_twice(partition, flight);
	if (evpipe__tb_fault(broker, EVPIPE_FAULT_ACK_LOST, partition))
		fail(flight, EVPIPE_POSSIBLY, EVPIPE_EMAYBE, "the acknowledgement was lost");
	if ((fault = evpipe__tb_fault(broker, EVPIPE_FAULT_ACK_DELAYED, partition)))
		flight->report_ms += fault->delay_ms;
}

/* It leaves its outbox. */
static void send_off(struct instance *instance, struct outbox *outbox, struct flight *flight, int64_t at_ms)
{
	int64_t ack_delay_ms = instance->broker->ack_delay_ms;
	TAILQ_REMOVE(&outbox->flights, flight, link);
	flight->report_ms = at_ms + ack_delay_ms - ack_delay_ms / 2;
	decide(instance, outbox->partition, flight);
	evpipe__tb_entry_unref(flight->entry);
	flight->entry = NULL;
	insert_by_time(&instance->persisted, flight);
}

/* What leaves until then, at its time, or now if that has passed. */
static void run(struct instance *instance, struct outbox *outbox, int64_t now_ms, int64_t until_ms)
{
	struct flight *flight;
	if (!evpipe__tb_partition_is_available(outbox->partition))
		return;
	while ((flight = TAILQ_FIRST(&outbox->flights)) && flight->persist_ms <= until_ms)
		send_off(instance, outbox, flight, flight->persist_ms > now_ms ? flight->persist_ms : now_ms);
	if (!flight)
		TAILQ_REMOVE(&instance->sending, outbox, link);
}

static void run_all(struct instance *instance, int64_t now_ms, int64_t until_ms)
{
	struct outbox *outbox, *next;
	for (outbox = TAILQ_FIRST(&instance->sending); outbox; outbox = next) {
		next = TAILQ_NEXT(outbox, link);
		run(instance, outbox, now_ms, until_ms);
	}
}

void evpipe__tb_outbox_run(struct instance *instance, int64_t now_ms)
{
	run_all(instance, now_ms, now_ms);
	if (instance->full_until_ms <= now_ms)
		instance->full_until_ms = INT64_MAX;
}

static evpipe_err make_flight(struct flight **out, struct instance *instance, struct topic *topic, const evpipe_record *record)
{
	struct flight *flight = malloc(sizeof *flight);
	if (!flight)
		return EVPIPE_ENOMEM;
	*flight = (struct flight){0};
	evpipe_err err = evpipe__tb_entry_new(&flight->entry, topic, record);
	if (!err && instance->flights_count && instance->flights_bytes + flight->entry->bytes > instance->memory_max) {
		evpipe__tb_entry_unref(flight->entry);
		err = EVPIPE_EAGAIN;
	}
	if (err) {
		free(flight);
		return err;
	}
	flight->bytes = flight->entry->bytes;
	*out = flight;
	return EVPIPE_OK;
}

evpipe_err evpipe__tb_send(struct instance *instance, const evpipe_record *record, uint64_t token)
{
	evpipe_testbroker *broker = instance->broker;
	struct topic      *topic = evpipe__tb_topic(broker, record->topic);
	if (!topic)
		return EVPIPE_ETOPIC;
	/* Room first: a record without a key has its partition only when it is taken. */
	if (instance->flights_count >= broker->queue_max)
		return EVPIPE_EAGAIN;
	struct flight *flight;
	evpipe_err     err = make_flight(&flight, instance, topic, record);
	if (err)
		return err;
	struct partition *partition = evpipe__tb_partition_for(topic, record);
	struct outbox    *outbox = partition ? outbox_of(instance, partition) : NULL;
	int64_t           now_ms = evpipe__tb_mono(broker);
	if (!partition)
		err = EVPIPE_EINVAL;
	else if (!outbox)
		err = EVPIPE_ENOMEM;
	else if (evpipe__tb_fault(broker, EVPIPE_FAULT_QUEUE_FULL, partition))
		err = EVPIPE_EAGAIN;
	if (err) {
		if (err == EVPIPE_EAGAIN)
			instance->full_until_ms = now_ms + FULL_MS;
		evpipe__tb_entry_unref(flight->entry);
		free(flight);
		return err;
	}
	flight->token = token;
	flight->persist_ms = now_ms + broker->ack_delay_ms / 2;
	instance->flights_count++;
	instance->flights_bytes += flight->bytes;
	if (TAILQ_EMPTY(&outbox->flights))
		TAILQ_INSERT_TAIL(&instance->sending, outbox, link);
	TAILQ_INSERT_TAIL(&outbox->flights, flight, link);
	run(instance, outbox, now_ms, now_ms);
	return EVPIPE_OK;
}

int evpipe__tb_outbox_report(struct instance *instance, int64_t now_ms, evpipe_transport_event *event)
{
	struct flight *flight = TAILQ_FIRST(&instance->persisted);
	if (!flight || (instance->state == INSTANCE_OPEN && (flight->report_ms > now_ms || instance->broker->is_down)))
		return 0;
	TAILQ_REMOVE(&instance->persisted, flight, link);
	instance->flights_count--;
	instance->flights_bytes -= flight->bytes;
	*event = (evpipe_transport_event){.type = EVPIPE_TRANSPORT_SENT,
	                                  .token = flight->token,
	                                  .outcome = flight->outcome,
	                                  .err = flight->err,
	                                  .text = flight->text};
	free(flight);
	return 1;
}

int64_t evpipe__tb_outbox_due(const struct instance *instance)
{
	const struct outbox *outbox;
	const struct flight *flight = TAILQ_FIRST(&instance->persisted);
	int64_t              due_ms = instance->full_until_ms;

	if (instance->broker->is_down)
		return due_ms;
	if (flight && flight->report_ms < due_ms)
		due_ms = flight->report_ms;
	TAILQ_FOREACH(outbox, &instance->sending, link) {
		flight = TAILQ_FIRST(&outbox->flights);
		if (evpipe__tb_partition_is_available(outbox->partition) && flight->persist_ms < due_ms)
			due_ms = flight->persist_ms;
	}
	return due_ms;
}

void evpipe__tb_outbox_close(struct instance *instance, int64_t timeout_ms)
{
	int64_t        now_ms = evpipe__tb_mono(instance->broker), until_ms = now_ms + timeout_ms;
	struct outbox *outbox;
	struct flight *flight;

	run_all(instance, now_ms, until_ms);
	/* What was decided and cannot be answered in time is doubtful; */
	TAILQ_FOREACH(flight, &instance->persisted, link)
		if (flight->outcome == EVPIPE_PERSISTED && (flight->report_ms > until_ms || instance->broker->is_down))
			fail(flight, EVPIPE_POSSIBLY, EVPIPE_EMAYBE, "closed before it was acknowledged");
	/* what is still in an outbox never left. */
	while ((outbox = TAILQ_FIRST(&instance->sending))) {
		TAILQ_REMOVE(&instance->sending, outbox, link);
		while ((flight = TAILQ_FIRST(&outbox->flights))) {
			TAILQ_REMOVE(&outbox->flights, flight, link);
			evpipe__tb_entry_unref(flight->entry);
			fail(flight, EVPIPE_NOT, EVPIPE_EUNAVAILABLE, "closed before it was sent");
			TAILQ_INSERT_TAIL(&instance->persisted, flight, link);
		}
	}
}

void evpipe__tb_outbox_free(struct instance *instance)
{
	struct outbox *outbox;
	struct flight *flight;

	while ((outbox = TAILQ_FIRST(&instance->sending))) {
		TAILQ_REMOVE(&instance->sending, outbox, link);
		while ((flight = TAILQ_FIRST(&outbox->flights))) {
			TAILQ_REMOVE(&outbox->flights, flight, link);
			evpipe__tb_entry_unref(flight->entry);
			free(flight);
		}
	}
	while ((flight = TAILQ_FIRST(&instance->persisted))) {
		TAILQ_REMOVE(&instance->persisted, flight, link);
		free(flight);
	}
	for (size_t i = 0; i < instance->outboxes_count; i++)
		free(instance->outboxes[i]);
	free(instance->outboxes);
	instance->outboxes = NULL;
	instance->outboxes_count = 0;
	instance->flights_count = instance->flights_bytes = 0;
}
