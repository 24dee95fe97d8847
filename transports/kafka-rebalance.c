/*
 * Rebalances. librdkafka hands them out as events and waits for our answer to each, so one is in progress at a time.
 *
 *   assigned: ask what was committed -> make the partitions, assign
 *   revoked:  the core drains and relinquishes each -> commit -> unassign
 *   lost:     unassign at once
 */
#include <string.h>

#include "kafka.h"

/* What was committed is asked for again. */
#define ASK_AGAIN_MS 500

/* How long the last commit before partitions go may take. */
#define PARTING_MS 5000

/* ---- what librdkafka is told ---- */

static int is_cooperative(rd_kafka_t *rk)
{
	const char *protocol = rd_kafka_rebalance_protocol(rk); /* NULL: out of its group for good */
	return protocol && strcmp(protocol, "COOPERATIVE") == 0;
}

int evpipe__kafka_is_cooperative(const evpipe__kafka_consumer *consumer)
{
	return is_cooperative(consumer->client.rk);
}

static rd_kafka_error_t *assign(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list)
{
	if (is_cooperative(rk))
		return rd_kafka_incremental_assign(rk, list);
	rd_kafka_assign(rk, list);
	return NULL;
}

static rd_kafka_error_t *unassign(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *list)
{
	if (is_cooperative(rk))
		return rd_kafka_incremental_unassign(rk, list);
	rd_kafka_assign(rk, NULL);
	return NULL;
}

static void check(evpipe__kafka_consumer *consumer, const char *what, rd_kafka_error_t *error)
{
	if (!error)
		return;
	evpipe__kafka_notice(consumer->kafka, EVPIPE_LOG_ERROR, evpipe__kafka_err(rd_kafka_error_code(error)), "%s: %s (%s)", what,
	                     rd_kafka_error_string(error), consumer->name);
	rd_kafka_error_destroy(error);
}

static void take(evpipe__kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
	check(consumer, "assigning partitions", assign(consumer->client.rk, list));
}

static const rd_kafka_topic_partition_list_t *partitions_of(rd_kafka_event_t *rebalance)
{
	return rd_kafka_event_topic_partition_list(rebalance);
}

static void end_rebalance(evpipe__kafka_consumer *consumer)
{
	rd_kafka_event_destroy(consumer->rebalance);
	consumer->rebalance = NULL;
	consumer->state = EVPIPE__KAFKA_STEADY;
	consumer->is_asking = 0;
}

/* All partitions of this rebalance that are ours; visit may free them. */
static void each_of_them(evpipe__kafka_consumer *consumer, void (*visit)(evpipe__kafka_partition *))
{
	const rd_kafka_topic_partition_list_t *list = partitions_of(consumer->rebalance);

	for (int i = 0; i < list->cnt; i++) {
		evpipe__kafka_partition *partition =
			evpipe__kafka_partition_find(consumer, list->elems[i].topic, list->elems[i].partition);
		if (partition)
			visit(partition);
	}
}

void evpipe__kafka_answer(rd_kafka_t *rk, rd_kafka_event_t *rebalance)
{
	rd_kafka_error_t *error;

	if (rd_kafka_event_error(rebalance) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
		error = assign(rk, partitions_of(rebalance));
	else
		error = unassign(rk, partitions_of(rebalance));
	if (error)
		rd_kafka_error_destroy(error);
}

/* ---- partitions come ---- */

static void ask_again(evpipe__kafka_consumer *consumer)
{
	consumer->is_asking = 0;
	consumer->due_ms = consumer->kafka->now_ms + ASK_AGAIN_MS;
}

static void not_known(evpipe__kafka_consumer *consumer, evpipe_err err, const char *why)
{
	evpipe__kafka_notice(consumer->kafka, EVPIPE_LOG_WARN, err, "committed offsets are not known yet: %s (%s)", why, consumer->name);
	ask_again(consumer);
}

static void ask(evpipe__kafka_consumer *consumer)
{
	evpipe_err err = evpipe__kafka_offsets_ask(consumer->offsets, partitions_of(consumer->rebalance));

	consumer->is_asking = 1;
	if (err == EVPIPE_EAGAIN)
		ask_again(consumer); /* the question of a rebalance that is over is still out */
	else if (err)
		not_known(consumer, err, evpipe_strerror(err));
}

static evpipe_err make_partitions(evpipe__kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
	evpipe__kafka_partition *partition;

	for (int i = 0; i < list->cnt; i++) {
		partition = evpipe__kafka_partition_find(consumer, list->elems[i].topic, list->elems[i].partition);
		if (partition) {
			/* Assigned over again, without having been revoked. */
			evpipe__kafka_partition_tell(partition, EVPIPE__KAFKA_TELL_LOST);
			evpipe__kafka_partition_end(partition);
		}
		evpipe_err err = evpipe__kafka_partition_new(&partition, consumer, &list->elems[i]);
		if (err) {
			each_of_them(consumer, evpipe__kafka_partition_end); /* of which the core was told nothing */
			return err;
		}
	}
	return EVPIPE_OK;
}

/*
 * Each with its offset, without the metadata, which librdkafka has no use for. It would ask once more for what has no
 * offset, and that may go wrong for good: an error leaves the partition unfetched, or ends the process
 * (rd_kafka_assignment_handle_OffsetFetch).
 */
static rd_kafka_topic_partition_list_t *with_offsets(const rd_kafka_topic_partition_list_t *committed, int64_t otherwise)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(committed->cnt);

	for (int i = 0; i < committed->cnt; i++) {
		const rd_kafka_topic_partition_t *at = &committed->elems[i];
		rd_kafka_topic_partition_list_add(list, at->topic, at->partition)->offset = at->offset >= 0 ? at->offset : otherwise;
	}
	return list;
}

/* Nothing of them is handed out. */
static void assign_for_nothing(evpipe__kafka_consumer *consumer)
{
	rd_kafka_topic_partition_list_t *list = with_offsets(partitions_of(consumer->rebalance), RD_KAFKA_OFFSET_END);
	take(consumer, list);
	rd_kafka_topic_partition_list_destroy(list);
	end_rebalance(consumer);
}

static void start(evpipe__kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *committed)
{
	rd_kafka_topic_partition_list_t *list = with_offsets(committed, consumer->first_offset);
	evpipe_err err = make_partitions(consumer, committed);
	if (err) {
		not_known(consumer, err, evpipe_strerror(err));
	} else {
		take(consumer, list);
		end_rebalance(consumer);
	}
	rd_kafka_topic_partition_list_destroy(list);
}

static void go_on_asking(evpipe__kafka_consumer *consumer)
{
	rd_kafka_resp_err_t                    err;
	const rd_kafka_topic_partition_list_t *committed;

	if (!consumer->is_asking) {
		if (consumer->kafka->now_ms >= consumer->due_ms)
			ask(consumer);
		return;
	}
	committed = evpipe__kafka_offsets_answer(consumer->offsets, &err);
	if (!committed)
		return;
	if (err) {
		not_known(consumer, evpipe__kafka_err(err), rd_kafka_err2str(err));
		return;
	}
	evpipe__kafka_client_reached(&consumer->client);
	start(consumer, committed);
}

static void on_assigned(evpipe__kafka_consumer *consumer)
{
	if (!partitions_of(consumer->rebalance)->cnt || consumer->is_closing) {
		assign_for_nothing(consumer);
		return;
	}
	consumer->state = EVPIPE__KAFKA_ASKING;
	ask(consumer);
}

/* ---- partitions go ---- */

/* Partitions that the core has not relinquished yet. */
static size_t count_draining(const evpipe__kafka_consumer *consumer)
{
	const evpipe__kafka *kafka = consumer->kafka;
	size_t               count = 0;
	for (size_t i = 0; i < kafka->partitions_count; i++)
		count += kafka->partitions[i] && kafka->partitions[i]->consumer == consumer &&
		         kafka->partitions[i]->state == EVPIPE__KAFKA_REVOKED;
	return count;
}

static void lose(evpipe__kafka_partition *partition)
{
	if (partition->state != EVPIPE__KAFKA_ENDED)
		evpipe__kafka_partition_tell(partition, EVPIPE__KAFKA_TELL_LOST);
	partition->state = EVPIPE__KAFKA_ENDED;
}

static void revoke(evpipe__kafka_partition *partition)
{
	/* What was never told needs no draining. */
	int untold = partition->tell == EVPIPE__KAFKA_TELL_ASSIGNED;
	partition->state = untold ? EVPIPE__KAFKA_ENDED : EVPIPE__KAFKA_REVOKED;
	evpipe__kafka_partition_tell(partition, EVPIPE__KAFKA_TELL_REVOKED);
}

static void finish_going(evpipe__kafka_consumer *consumer)
{
	check(consumer, "giving up partitions", unassign(consumer->client.rk, partitions_of(consumer->rebalance)));
	/* Only now: librdkafka has dropped what it had fetched of them. */
	each_of_them(consumer, evpipe__kafka_partition_end);
	end_rebalance(consumer);
}

static void give_up(evpipe__kafka_consumer *consumer)
{
	each_of_them(consumer, lose);
	finish_going(consumer);
}

static void part(evpipe__kafka_consumer *consumer)
{
	consumer->state = EVPIPE__KAFKA_PARTING;
	consumer->due_ms = consumer->kafka->now_ms + PARTING_MS;
	consumer->commit_ms = consumer->kafka->now_ms;
}

static void on_revoked(evpipe__kafka_consumer *consumer)
{
	if (rd_kafka_assignment_lost(consumer->client.rk)) {
		give_up(consumer);
	} else if (consumer->is_closing) {
		part(consumer);
	} else {
		each_of_them(consumer, revoke);
		consumer->state = EVPIPE__KAFKA_DRAINING;
		evpipe__kafka_relinquished(consumer);
	}
}

void evpipe__kafka_relinquished(evpipe__kafka_consumer *consumer)
{
	if (consumer->state == EVPIPE__KAFKA_DRAINING && !count_draining(consumer))
		part(consumer);
}

static int is_any_dirty(evpipe__kafka_consumer *consumer)
{
	const rd_kafka_topic_partition_list_t *list = partitions_of(consumer->rebalance);

	for (int i = 0; i < list->cnt; i++) {
		const evpipe__kafka_partition *partition =
			evpipe__kafka_partition_find(consumer, list->elems[i].topic, list->elems[i].partition);
		if (partition && partition->is_dirty)
			return 1;
	}
	return 0;
}

/* While the core drains, or the last commit of those that go is under way; what is kept may be settled meanwhile. */
static void go_on_parting(evpipe__kafka_consumer *consumer)
{
	if (rd_kafka_assignment_lost(consumer->client.rk)) {
		give_up(consumer);
		return;
	}
	int is_committed = !consumer->is_committing && !is_any_dirty(consumer);
	if (consumer->state == EVPIPE__KAFKA_PARTING && (is_committed || consumer->kafka->now_ms >= consumer->due_ms))
		finish_going(consumer);
}

/* ---- rebalances ---- */

/*
 * librdkafka gives one at a time, unless the membership was lost meanwhile, or we close. Then the one before is finished
 * as it would have it: it counts on what it assigned to be assigned, so that it can be given up.
 */
void evpipe__kafka_rebalance_abandon(evpipe__kafka_consumer *consumer)
{
	if (!consumer->rebalance)
		return;
	if (rd_kafka_event_error(consumer->rebalance) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS)
		assign_for_nothing(consumer);
	else
		give_up(consumer);
}

/*
 * Topics that change, as when partitions are added, make librdkafka join again in the midst of a rebalance that we have
 * not answered (rd_kafka_cgrp_metadata_update_check does not ask for that). It then takes our answer for one to
 * something else: partitions stay assigned that we know nothing of, or it never notices again that it is out of its
 * group, and goes on with what others have got by then.
 */
static int is_overtaken(const evpipe__kafka_consumer *consumer)
{
	return evpipe__kafka_is_cooperative(consumer) && !consumer->is_closing && !rd_kafka_assignment_lost(consumer->client.rk);
}

static void start_over(evpipe__kafka_consumer *consumer)
{
	evpipe__kafka_consumer_start_over(consumer, "librdkafka did not wait for the end of a rebalance when topics changed");
}

/* Takes the event over. */
void evpipe__kafka_on_rebalance(evpipe__kafka_consumer *consumer, rd_kafka_event_t *event)
{
	int is_second = consumer->rebalance && is_overtaken(consumer);

	evpipe__kafka_rebalance_abandon(consumer);
	consumer->rebalance = event;
	if (is_second) {
		start_over(consumer);
		return;
	}
	switch (rd_kafka_event_error(event)) {
	case RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS:
		consumer->was_assigned = 1;
		on_assigned(consumer);
		break;
	case RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS:
		on_revoked(consumer);
		break;
	default:
		evpipe__kafka_notice(consumer->kafka, EVPIPE_LOG_ERROR, EVPIPE_EUNAVAILABLE, "rebalancing: %s (%s)",
		                     rd_kafka_event_error_string(event), consumer->name);
		give_up(consumer);
	}
}

int64_t evpipe__kafka_rebalance_go_on(evpipe__kafka_consumer *consumer)
{
	switch (consumer->state) {
	case EVPIPE__KAFKA_ASKING:
		go_on_asking(consumer);
		return consumer->state == EVPIPE__KAFKA_ASKING && !consumer->is_asking ? consumer->due_ms : INT64_MAX;
	case EVPIPE__KAFKA_DRAINING:
	case EVPIPE__KAFKA_PARTING:
		if (evpipe__kafka_is_joining(consumer->joins) && is_overtaken(consumer)) {
			start_over(consumer);
			return INT64_MAX;
		}
		go_on_parting(consumer);
		return consumer->state == EVPIPE__KAFKA_PARTING ? consumer->due_ms : INT64_MAX;
	default:
		return INT64_MAX;
	}
}

void evpipe__kafka_lose_all(evpipe__kafka_consumer *consumer)
{
	evpipe__kafka *kafka = consumer->kafka;

	evpipe__kafka_rebalance_abandon(consumer);
	for (size_t i = 0; i < kafka->partitions_count; i++) {
		evpipe__kafka_partition *partition = kafka->partitions[i];
		if (partition && partition->consumer == consumer && !partition->is_gone) {
			lose(partition);
			evpipe__kafka_partition_end(partition);
		}
	}
	consumer->is_dirty = 0;
}

void evpipe__kafka_rebalance_close(evpipe__kafka_consumer *consumer)
{
	if (consumer->state == EVPIPE__KAFKA_DRAINING)
		part(consumer);
	if (consumer->state == EVPIPE__KAFKA_ASKING)
		evpipe__kafka_rebalance_abandon(consumer);
}
