/*
 * evpipe_emit: the event is checked and copied, in the thread of the application. No lock, no system call, no allocation.
 */
#include "producer.h"

#include <string.h>

#include "record.h"

#define DESTINATION_MAX 255
#define TEXT_MAX 255
#define KEY_MAX 1024
#define HEADER_NAME_MAX 255

static int is_name_reserved(const char *name)
{
	return strcmp(name, "evpipe") == 0 || strcmp(name, "content-type") == 0 || strncmp(name, "ce_", 3) == 0;
}

static evpipe_err check_headers(const evpipe_producer *producer, const evpipe_event *event)
{
	if (event->headers_count > EVPIPE__HEADERS_MAX)
		return EVPIPE_ETOOLARGE;
	if (event->headers_count && !event->headers)
		return EVPIPE_EINVAL;
	for (size_t i = 0; i < event->headers_count; i++) {
		const evpipe_header *header = &event->headers[i];
		if (!header->name || !*header->name || is_name_reserved(header->name))
			return EVPIPE_EINVAL;
		/* Each alone: the sum could wrap around. */
		if (strnlen(header->name, HEADER_NAME_MAX + 1) > HEADER_NAME_MAX ||
		    (header->value && header->value_len > producer->event_max))
			return EVPIPE_ETOOLARGE;
	}
	return EVPIPE_OK;
}

static evpipe_err check_event(const evpipe_producer *producer, const evpipe_event *event)
{
	if (!event || event->size != sizeof *event || !event->destination || !*event->destination)
		return EVPIPE_EINVAL;
	if (!event->data && event->data_len)
		return EVPIPE_EINVAL;
	if (event->key && event->key_len > KEY_MAX)
		return EVPIPE_ETOOLARGE;
	if (event->time_ms < 0)
		return EVPIPE_EINVAL;
	return event->headers_count ? check_headers(producer, event) : EVPIPE_OK;
}

static evpipe_err check_lengths(const evpipe_producer *producer, const size_t lengths[4], const evpipe_event *event, size_t size)
{
	if (lengths[0] > DESTINATION_MAX)
		return EVPIPE_ETOOLARGE;
	for (int i = 1; i < 4; i++)
		if (lengths[i] > TEXT_MAX && lengths[i] != EVPIPE__NO_TEXT)
			return EVPIPE_ETOOLARGE;
	/* The data alone first: the sum could wrap around. */
	return event->data_len > producer->event_max || size > producer->event_max ? EVPIPE_ETOOLARGE : EVPIPE_OK;
}

/* Hot, as the append is: so they lie together. The first call after a rest waits for each page of code that it needs. */
__attribute__((hot)) evpipe_err evpipe_emit(evpipe_producer *producer, const evpipe_event *event)
{
	if (!*producer->in_parent)
		return EVPIPE_EFORKED;

	size_t     lengths[4], size = 0;
	evpipe_err err = check_event(producer, event);
	if (!err) {
		size = evpipe__record_size_of(event, lengths);
		err = check_lengths(producer, lengths, event, size);
	}
	if (!err) {
		int64_t now_ms = producer->asks_clock ? producer->runtime->wall_ms(producer->runtime->ctx) : 0;
		err = evpipe__journal_append(producer->journal, event, lengths, size, now_ms);
	}
	if (err)
		atomic_fetch_add_explicit(&producer->refused, 1, memory_order_relaxed);
	return err;
}
