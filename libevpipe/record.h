/*
 * record.h: writing a record. In a header since emit does that for each event: calls would be a tenth of its time.
 */
#ifndef EVPIPE_RECORD_H
#define EVPIPE_RECORD_H

#include <string.h>

#include "area.h"

static inline uint64_t evpipe__granules(uint64_t size)
{
	return (size + EVPIPE__GRANULE - 1) & ~(uint64_t)(EVPIPE__GRANULE - 1);
}

/*
 * The texts are taken one by one: the caller has just stored their pointers, and a loop over them becomes wide loads of
 * two pointers at once, which wait until all stores before are in the cache, those of the record before included.
 */
static inline size_t evpipe__text_size_of(const char *text, size_t *length)
{
	if (!text) {
		*length = EVPIPE__NO_TEXT;
		return 0;
	}
	*length = strlen(text);
	return *length + 1;
}

/* Bytes that an event takes; fills lengths with those of destination, type, content_type and id. */
static inline size_t evpipe__record_size_of(const evpipe_event *event, size_t lengths[4])
{
	size_t size = sizeof(struct evpipe__record) + (event->key ? event->key_len : 0) + event->data_len;
	size += evpipe__text_size_of(event->destination, &lengths[0]);
	size += evpipe__text_size_of(event->type, &lengths[1]);
	size += evpipe__text_size_of(event->content_type, &lengths[2]);
	size += evpipe__text_size_of(event->id, &lengths[3]);
	for (size_t i = 0; i < event->headers_count; i++) {
		const evpipe_header *header = &event->headers[i];
		size += strlen(header->name) + 1 + sizeof(uint32_t) + (header->value ? header->value_len : 0);
	}
	return evpipe__granules(size);
}

static inline char *evpipe__put(char *to, const void *bytes, size_t len)
{
	if (len)
		memcpy(to, bytes, len);
	return to + len;
}

static inline char *evpipe__put_text(char *to, const char *text, size_t length)
{
	return text ? evpipe__put(to, text, length + 1) : to;
}

/* All but the commit word and the checksum. `time_ms` stands for an event's 0. */
static inline void evpipe__record_write(struct evpipe__record *record, const evpipe_event *event, const size_t lengths[4], int64_t time_ms)
{
	char *to = (char *)(record + 1);
	to = evpipe__put_text(to, event->destination, lengths[0]);
	to = evpipe__put_text(to, event->type, lengths[1]);
	to = evpipe__put_text(to, event->content_type, lengths[2]);
	to = evpipe__put_text(to, event->id, lengths[3]);
	for (int i = 0; i < 4; i++)
		record->text_len[i] = lengths[i] == EVPIPE__NO_TEXT ? EVPIPE__NO_LENGTH : (uint16_t)lengths[i];
	char *headers = to;
	for (size_t i = 0; i < event->headers_count; i++) {
		const evpipe_header *header = &event->headers[i];
		uint32_t             len = header->value ? (uint32_t)header->value_len : UINT32_MAX;
		to = evpipe__put(to, header->name, strlen(header->name) + 1);
		to = evpipe__put(to, &len, sizeof len);
		to = evpipe__put(to, header->value, header->value ? header->value_len : 0);
	}
	record->headers_len = (uint32_t)(to - headers);
	record->headers_count = (uint8_t)event->headers_count;
	record->key_len = event->key ? (uint16_t)event->key_len : EVPIPE__NO_LENGTH;
	to = evpipe__put(to, event->key, event->key ? event->key_len : 0);
	record->data_len = (uint32_t)event->data_len;
	evpipe__put(to, event->data, event->data_len);
	record->time_ms = event->time_ms ? event->time_ms : time_ms;
	record->is_padding = 0;
	record->mark = EVPIPE__MARK_NEW;
}

#endif
