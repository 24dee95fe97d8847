/*
 * timestamp.h: a time as text.
 */
#ifndef EVPIPE_TIMESTAMP_H
#define EVPIPE_TIMESTAMP_H

#include <stdint.h>

/* "2026-01-01T00:00:00.000Z" (RFC 3339, UTC). Years beyond 1000 to 9999 are clamped. */
void evpipe__rfc3339(int64_t time_ms, char out[32]);

/* The time that an RFC 3339 text (with any offset, with or without a fraction) says, in ms since 1970; INT64_MIN: it is none. */
int64_t evpipe__rfc3339_parse(const char *text);

#endif
