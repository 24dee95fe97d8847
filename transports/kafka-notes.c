/*
 * What poll has to tell beside records, sends and assignments. Each is one allocation, told once, in order.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kafka.h"
#include "memory.h"

/*
 * A core that does not poll learns no more than this of what went wrong; what it waits for (COMMITTED, TOPIC) is not
 * dropped.
 */
#define NOTICES_MAX 64
#define AGAIN_MS 30000
#define BEGINNING 24

void evpipe__kafka_notes_init(evpipe__kafka_notes *notes)
{
	TAILQ_INIT(&notes->list);
}

void evpipe__kafka_notes_release(evpipe__kafka_notes *notes)
{
	evpipe__kafka_note *note;
	while ((note = TAILQ_FIRST(&notes->list))) {
		TAILQ_REMOVE(&notes->list, note, link);
		evpipe__free(note);
	}
	evpipe__free(notes->told);
	notes->told = NULL;
	notes->count = 0;
}

evpipe_err evpipe__kafka_tell(evpipe__kafka *kafka, const evpipe_transport_event *event)
{
	size_t              topic_size = event->topic ? strlen(event->topic) + 1 : 0;
	size_t              text_size = event->text ? strlen(event->text) + 1 : 0;
	evpipe__kafka_note *note = evpipe__malloc(sizeof *note + topic_size + text_size);
	if (!note)
		return EVPIPE_ENOMEM;
	char *behind = (char *)(note + 1);
	note->event = *event;
	if (event->topic)
		note->event.topic = memcpy(behind, event->topic, topic_size);
	if (event->text)
		note->event.text = memcpy(behind + topic_size, event->text, text_size);
	TAILQ_INSERT_TAIL(&kafka->notes.list, note, link);
	kafka->notes.count++;
	return EVPIPE_OK;
}

/* FNV-1a of the beginning, where a message says what it is about; the rest may be a time or a count. */
static uint32_t hash_of(const char *text)
{
	uint32_t hash = UINT32_C(2166136261);
	for (size_t i = 0; i < BEGINNING && text[i]; i++)
		hash = (hash ^ (unsigned char)text[i]) * UINT32_C(16777619);
	return hash;
}

static int was_said(evpipe__kafka_notes *notes, const char *text, int64_t now_ms)
{
	uint32_t hash = hash_of(text);
	size_t   oldest = 0;
	for (size_t i = 0; i < sizeof notes->said / sizeof *notes->said; i++) {
		if (notes->said[i].hash == hash && notes->said[i].said_ms && now_ms - notes->said[i].said_ms < AGAIN_MS)
			return 1;
		if (notes->said[i].said_ms < notes->said[oldest].said_ms)
			oldest = i;
	}
	notes->said[oldest].hash = hash;
	notes->said[oldest].said_ms = now_ms;
	return 0;
}

int evpipe__kafka_notice(evpipe__kafka *kafka, evpipe_log_level level, evpipe_err err, const char *format, ...)
{
	char    text[EVPIPE_ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (kafka->notes.count >= NOTICES_MAX || was_said(&kafka->notes, text, kafka->now_ms))
		return 0;
	evpipe_transport_event notice = {.type = EVPIPE_TRANSPORT_NOTICE, .level = level, .err = err, .text = text};
	return evpipe__kafka_tell(kafka, &notice) == EVPIPE_OK;
}

int evpipe__kafka_notes_take(evpipe__kafka_notes *notes, evpipe_transport_event *event)
{
	evpipe__free(notes->told);
	notes->told = TAILQ_FIRST(&notes->list);
	if (!notes->told)
		return 0;
	TAILQ_REMOVE(&notes->list, notes->told, link);
	notes->count--;
	*event = notes->told->event;
	return 1;
}
