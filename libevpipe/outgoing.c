#include "outgoing.h"

#include <string.h>

#include "envelope.h"
#include "memory.h"
#include "timestamp.h"

/* How far from now a record's timestamp may be. Kafka's brokers refuse what is further ahead, since 4.0 and unless configured otherwise. */
#define FAR_MS 3600000

enum { ENVELOPE_COMPACT, ENVELOPE_CLOUDEVENTS, ENVELOPE_PAYLOAD }; /* as the choices of envelope */

evpipe_err evpipe__outgoing_init(evpipe__outgoing *outgoing, const evpipe_config *config, const evpipe_runtime *runtime)
{
	outgoing->runtime = runtime;
	outgoing->envelope = (int)evpipe_config_number(config, NULL, "envelope");
	outgoing->topic = evpipe__strdup(evpipe_config_text(config, NULL, "topic.name"));
	outgoing->source = evpipe__strdup(evpipe_config_text(config, NULL, "event.source"));
	outgoing->type = evpipe__strdup(evpipe_config_text(config, NULL, "event.type"));
	evpipe__buffer_init(&outgoing->header, EVPIPE__ENVELOPE_MAX);
	return outgoing->topic && outgoing->source && outgoing->type ? EVPIPE_OK : EVPIPE_ENOMEM;
}

void evpipe__outgoing_release(evpipe__outgoing *outgoing)
{
	evpipe__buffer_release(&outgoing->header);
	evpipe__free(outgoing->topic);
	evpipe__free(outgoing->source);
	evpipe__free(outgoing->type);
}

/*
 * A broker deletes records by their timestamp, so one that carried an old event's own time could be gone before it was
 * read; and it refuses those that are far ahead. Such a record is of now, and the event's time travels in its envelope.
 * Where there is none, an old event keeps its time: it has no other place.
 */
static int is_of_now(const evpipe__outgoing *outgoing, const evpipe_event *event, int64_t now_ms)
{
	int64_t age_ms = now_ms - event->time_ms;
	return age_ms < -FAR_MS || (age_ms > FAR_MS && outgoing->envelope != ENVELOPE_PAYLOAD);
}

static evpipe_err add_compact(evpipe__outgoing *outgoing, const evpipe_event *event, const char *id, int of_now, size_t *count)
{
	evpipe__envelope envelope;

	evpipe__envelope_init(&envelope);
	envelope.destination = event->destination;
	envelope.id = id;
	envelope.type = event->type;
	envelope.content_type = event->content_type;
	envelope.time_ms = of_now ? event->time_ms : 0;
	evpipe__buffer_clear(&outgoing->header);
	evpipe_err err = evpipe__envelope_write(&envelope, &outgoing->header);
	if (!err)
		outgoing->headers[(*count)++] =
			(evpipe_header){EVPIPE__ENVELOPE_HEADER, outgoing->header.data, outgoing->header.len};
	return err;
}

static void add_text(evpipe__outgoing *outgoing, const char *name, const char *text, size_t *count)
{
	outgoing->headers[(*count)++] = (evpipe_header){.name = name, .value = text, .value_len = strlen(text)};
}

/* The binary binding of CloudEvents 1.0 for Kafka; the destination travels as an extension attribute. */
static void add_cloudevents(evpipe__outgoing *outgoing, const evpipe_event *event, const char *id, size_t *count)
{
	evpipe__rfc3339(event->time_ms, outgoing->time);
	add_text(outgoing, "ce_specversion", "1.0", count);
	add_text(outgoing, "ce_id", id, count);
	add_text(outgoing, "ce_source", outgoing->source, count);
	add_text(outgoing, "ce_type", event->type ? event->type : outgoing->type, count);
	add_text(outgoing, "ce_time", outgoing->time, count);
	add_text(outgoing, "ce_destination", event->destination, count);
	add_text(outgoing, "content-type", event->content_type ? event->content_type : "application/json", count);
}

evpipe_err evpipe__outgoing_build(evpipe__outgoing *outgoing, const evpipe__journal_entry *entry, uint64_t nonce,
                                  evpipe_record *record)
{
	const evpipe_event *event = &entry->event;
	const char         *id = evpipe__journal_entry_id(entry, nonce, outgoing->id);
	int64_t             now_ms = outgoing->runtime->wall_ms(outgoing->runtime->ctx);
	int                 of_now = is_of_now(outgoing, event, now_ms);
	size_t              count = 0;

	if (outgoing->envelope == ENVELOPE_COMPACT) {
		evpipe_err err = add_compact(outgoing, event, id, of_now, &count);
		if (err)
			return err;
	} else if (outgoing->envelope == ENVELOPE_CLOUDEVENTS) {
		add_cloudevents(outgoing, event, id, &count);
	}
	memcpy(outgoing->headers + count, event->headers, event->headers_count * sizeof *event->headers);
	*record = (evpipe_record){.topic = outgoing->topic,
	                          .partition = EVPIPE_PARTITION_ANY,
	                          .key = event->key,
	                          .key_len = event->key_len,
	                          .value = event->data,
	                          .value_len = event->data_len,
	                          .headers = outgoing->headers,
	                          .headers_count = count + event->headers_count,
	                          .timestamp_ms = of_now ? now_ms : event->time_ms};
	return EVPIPE_OK;
}
