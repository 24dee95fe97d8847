#include "buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"

void evpipe__buffer_init(evpipe__buffer *buffer, size_t max)
{
	*buffer = (evpipe__buffer){.max = max};
}

void evpipe__buffer_release(evpipe__buffer *buffer)
{
	evpipe__free(buffer->data);
	*buffer = (evpipe__buffer){.max = buffer->max};
}

void evpipe__buffer_clear(evpipe__buffer *buffer)
{
	buffer->len = 0;
	if (buffer->data)
		buffer->data[0] = '\0';
}

evpipe_err evpipe__buffer_reserve(evpipe__buffer *buffer, size_t more)
{
	if (more > buffer->max - buffer->len)
		return EVPIPE_ETOOLARGE;
	size_t need = buffer->len + more + 1;
	if (need <= buffer->capacity)
		return EVPIPE_OK;
	size_t capacity = buffer->capacity ? buffer->capacity : 256;
	while (capacity < need)
		capacity *= 2;
	char *data = evpipe__realloc(buffer->data, capacity);
	if (!data)
		return EVPIPE_ENOMEM;
	data[buffer->len] = '\0';
	buffer->data = data;
	buffer->capacity = capacity;
	return EVPIPE_OK;
}

evpipe_err evpipe__buffer_append(evpipe__buffer *buffer, const void *bytes, size_t len)
{
	evpipe_err err = evpipe__buffer_reserve(buffer, len);
	if (err)
		return err;
	if (len)
		memcpy(buffer->data + buffer->len, bytes, len);
	buffer->len += len;
	buffer->data[buffer->len] = '\0';
	return EVPIPE_OK;
}

evpipe_err evpipe__buffer_append_text(evpipe__buffer *buffer, const char *text)
{
	return evpipe__buffer_append(buffer, text, strlen(text));
}

evpipe_err evpipe__buffer_printf(evpipe__buffer *buffer, const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	evpipe_err err = len < 0 ? EVPIPE_EINVAL : evpipe__buffer_reserve(buffer, (size_t)len);
	if (!err) {
		vsnprintf(buffer->data + buffer->len, (size_t)len + 1, format, again);
		buffer->len += (size_t)len;
	}
	va_end(again);
	return err;
}
