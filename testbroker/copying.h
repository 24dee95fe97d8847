/*
 * copying.h: copies of what is borrowed, one behind the other in one piece of memory.
 */
#ifndef EVPIPE_TESTBROKER_COPYING_H
#define EVPIPE_TESTBROKER_COPYING_H

#include <evpipe.h>

/* To *to, which moves on. NULL stays NULL. */
const void *evpipe__tb_put(char **to, const void *bytes, size_t len);
/* `out` has room for so many; names and values go to *to. Null is not empty; the length of what is null is 0. */
void evpipe__tb_put_headers(evpipe_header *out, char **to, const evpipe_header *headers, size_t count);

#endif
