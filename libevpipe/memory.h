/*
 * memory.h: the one way to memory inside libevpipe, so that tests can let any allocation fail: they put
 * functions of their own in the place of these when they are linked (tests/torture).
 */
#ifndef EVPIPE_MEMORY_H
#define EVPIPE_MEMORY_H

#include <stddef.h>

/* As malloc, calloc, realloc, free. */
void *evpipe__malloc(size_t size);
void *evpipe__calloc(size_t count, size_t size);
void *evpipe__realloc(void *memory, size_t size);
void  evpipe__free(void *memory);

/* A copy of a text, or of bytes (with a NUL behind them that does not count). NULL gives NULL; so does lack of memory. */
char *evpipe__strdup(const char *text);
void *evpipe__memdup(const void *bytes, size_t len);

#endif
