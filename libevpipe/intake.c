/*
 * What the transport has to tell: records, which become events and go to their destinations, above all.
 */
#include "errors.h"
#include "foreign.h"
#include "pipeline.h"

/* A round ends after so many, so that posts and answers get their turn. */
#define EVENTS_A_ROUND 2000
/* And after fewer when the sink has all the posts it may have: what is taken then can only wait here. */
#define EVENTS_A_BUSY_ROUND 100

/* ---- records ---- */

void evpipe__intake_accept(evpipe__pipeline *pipeline, evpipe__event *event)
{
	evpipe__destination *destination = event->destination;
	int64_t              wait_ms = evpipe__destination_wait(destination);

	if (wait_ms > pipeline->tiers.delays_ms[0]) {
		evpipe__router_park(pipeline, event, wait_ms);
		return;
	}
	evpipe__lanes_add(destination, event);
	evpipe__hoards_make_room(destination);
}

/*
 * Keys spread over lanes by other bits than over partitions, or a partition's keys would all meet in one lane; what has no
 * key goes to one lane after the other, whatever comes for others in between.
 */
static uint32_t lane_hash(const evpipe__destination *destination, const evpipe_record *record)
{
	if (!record->key)
		return destination ? (uint32_t)destination->stats.taken : 0;
	return (evpipe_murmur2(record->key, record->key_len) * UINT32_C(0x9E3779B1)) >> 16;
}

/* NULL when memory is short. `destination` is NULL for one that is not known. */
static evpipe__event *make_event(evpipe__pipeline *pipeline, evpipe__destination *destination, const evpipe_transport_event *polled,
                                 const evpipe__envelope *envelope)
{
	uint32_t        hash = lane_hash(destination, &polled->record);
	evpipe__piece **open = destination ? evpipe__lanes_open_piece(destination, hash) : &pipeline->open;
	evpipe__event  *event;

	if (evpipe__event_new(&event, &pipeline->pieces, open, &polled->record, envelope, pipeline->type) != EVPIPE_OK)
		return NULL;
	event->destination = destination;
	event->assignment = polled->assignment;
	event->hash = hash;
	return event;
}

static void hold(evpipe__pipeline *pipeline, evpipe__event *event)
{
	pipeline->stats.in_flight++;
	if (event->destination)
		evpipe__destination_holds(event->destination, event);
}

static void on_tombstone(evpipe__pipeline *pipeline, evpipe__event *event)
{
	switch (evpipe__foreign_tombstone(pipeline->setup.config)) {
	case EVPIPE__TOMBSTONE_SKIP:
		evpipe__pipeline_end(pipeline, event, EVPIPE__END_SKIPPED);
		break;
	case EVPIPE__TOMBSTONE_DELIVER:
		evpipe__intake_accept(pipeline, event);
		break;
	default:
		evpipe__router_bury(pipeline, event, EVPIPE_REASON_TOMBSTONE);
	}
}

/* False if memory is short: the record stays unsettled, and comes again with the partition's next owner. */
static int on_record(evpipe__pipeline *pipeline, const evpipe_transport_event *polled)
{
	evpipe__partition   *partition = evpipe__partition_of(pipeline, polled->assignment);
	evpipe__destination *destination = NULL;
	evpipe__envelope     envelope;
	evpipe__event       *event;

	if (!partition)
		return 1; /* it came too late: another one has it */
	int known = evpipe__foreign_identify(pipeline->setup.config, &polled->record, &envelope, pipeline->scratch);
	if (known && !(destination = evpipe__destination_get(pipeline, envelope.destination)))
		return 0;
	event = make_event(pipeline, destination, polled, &envelope);
	if (!event)
		return 0;
	pipeline->stats.taken++;
	partition->unsettled++;
	hold(pipeline, event);

	int64_t wait_ms = partition->tier < 0 ? 0 : evpipe__partition_wait(pipeline, partition, &envelope, polled->record.offset);
	if (!known)
		evpipe__router_bury(pipeline, event, EVPIPE_REASON_FOREIGN);
	else if (wait_ms > 0)
		evpipe__partition_hold(pipeline, partition, event, wait_ms);
	else if (!event->delivery.data)
		on_tombstone(pipeline, event);
	else
		evpipe__intake_accept(pipeline, event);
	return 1;
}

/* ---- what else there is ---- */

static void on_notice(evpipe__pipeline *pipeline, const evpipe_transport_event *event)
{
	char quoted[512];
	if (event->err)
		evpipe__fail(&pipeline->error, event->err, "%s", event->text ? event->text : evpipe_strerror(event->err));
	evpipe__log_line(&pipeline->setup.log, event->level, "event=transport text=%s",
	                 evpipe__log_quote(quoted, sizeof quoted, event->text ? event->text : ""));
}

static void on_committed(evpipe__pipeline *pipeline, const evpipe_transport_event *event)
{
	char quoted[256];
	if (event->err)
		evpipe__log_line(&pipeline->setup.log, EVPIPE_LOG_WARN, "event=commit_failed code=%s text=%s",
		                 evpipe_err_name(event->err),
		                 evpipe__log_quote(quoted, sizeof quoted, event->text ? event->text : ""));
}

static int is_full(const evpipe__pipeline *pipeline)
{
	return evpipe__pipeline_memory(pipeline) >= pipeline->events_memory_max;
}

int evpipe__intake_step(evpipe__pipeline *pipeline)
{
	int may_post = pipeline->posting < pipeline->in_flight_max && !pipeline->sink_is_full;
	int count = 0, most = may_post ? EVENTS_A_ROUND : EVENTS_A_BUSY_ROUND;
	evpipe_transport_event event = {0}; /* so that a transport that knows fewer members leaves the others 0 */

	/* A batch that is full goes at once: its events are still in the cache, and its lane gets no backlog that asks for more lanes. */
	for (; count < most && !(may_post && !TAILQ_EMPTY(&pipeline->active)); count++) {
		unsigned flags = pipeline->state != EVPIPE__RUNNING || is_full(pipeline) ? EVPIPE_POLL_NO_RECORDS : 0;
		if (pipeline->setup.transport_ops->poll(pipeline->setup.transport, flags, &event) != EVPIPE_OK)
			break;
		switch (event.type) {
		case EVPIPE_TRANSPORT_RECORD:
			if (!on_record(pipeline, &event)) {
				evpipe__pipeline_fail(pipeline, EVPIPE_ENOMEM, "no memory for a record of %s", event.record.topic);
				return 1;
			}
			break;
		case EVPIPE_TRANSPORT_SENT:
			evpipe__router_sent(pipeline, &event);
			break;
		case EVPIPE_TRANSPORT_ASSIGNED:
			evpipe__partition_assigned(pipeline, &event);
			break;
		case EVPIPE_TRANSPORT_REVOKED:
			evpipe__partition_revoked(pipeline, &event);
			break;
		case EVPIPE_TRANSPORT_LOST:
			evpipe__partition_lost(pipeline, &event);
			break;
		case EVPIPE_TRANSPORT_COMMITTED:
			on_committed(pipeline, &event);
			break;
		case EVPIPE_TRANSPORT_TOPIC:
			evpipe__topics_told(pipeline, &event);
			break;
		case EVPIPE_TRANSPORT_NOTICE:
			on_notice(pipeline, &event);
			break;
		}
	}
	return count > 0;
}
