/*
 * gzip.h: compressing bodies, one after the other, with one state.
 */
#ifndef EVPIPE_GZIP_H
#define EVPIPE_GZIP_H

#include "buffer.h"

/* About what one state takes (zlib's zconf.h: 2^(windowBits + 2) + 2^(memLevel + 9), and a little). */
#define EVPIPE__GZIP_MEMORY (272 * 1024)

typedef struct evpipe__gzip evpipe__gzip;

evpipe_err evpipe__gzip_new(evpipe__gzip **out); /* ENOMEM */
void       evpipe__gzip_free(evpipe__gzip *gzip);

/* Append the bytes, compressed fast (level 1), as one gzip member. ETOOLARGE, ENOMEM. */
evpipe_err evpipe__gzip_put(evpipe__gzip *gzip, evpipe__buffer *out, const void *bytes, size_t len);

#endif
