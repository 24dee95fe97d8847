/*
 * buffer.h: bytes that grow, born with a limit. After a failed append the contents are as before.
 */
#ifndef EVPIPE_BUFFER_H
#define EVPIPE_BUFFER_H

#include <evpipe.h>

typedef struct evpipe__buffer {
	char  *data; /* NUL behind it whenever it is not NULL */
	size_t len;
	size_t capacity;
	size_t max; /* of len */
} evpipe__buffer;

void evpipe__buffer_init(evpipe__buffer *buffer, size_t max);
void evpipe__buffer_release(evpipe__buffer *buffer);
void evpipe__buffer_clear(evpipe__buffer *buffer); /* keeps the memory */

/* Room for `more` bytes behind what is there, which the caller fills and adds to len. ETOOLARGE, ENOMEM. */
evpipe_err evpipe__buffer_reserve(evpipe__buffer *buffer, size_t more);

/* ETOOLARGE, ENOMEM. */
evpipe_err evpipe__buffer_append(evpipe__buffer *buffer, const void *bytes, size_t len);
evpipe_err evpipe__buffer_append_text(evpipe__buffer *buffer, const char *text);
evpipe_err evpipe__buffer_printf(evpipe__buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
