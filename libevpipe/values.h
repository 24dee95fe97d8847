/*
 * values.h: how values of properties are written: durations, sizes, counts, yes and no. Each function returns NULL and
 * fills its output, or says in a few words what is wrong ("the unit is missing"; static) and leaves it alone. Overflow
 * is one of the wrongs.
 */
#ifndef EVPIPE_VALUES_H
#define EVPIPE_VALUES_H

#include <stddef.h>
#include <stdint.h>

/* A whole number from 0. */
const char *evpipe__parse_count(const char *text, int64_t *out);

/* 200ms, 5s, 1m, 6h, 7d, and 0, the only one that needs no unit. */
const char *evpipe__parse_duration(const char *text, int64_t *out_ms);

/*
 * 5MiB, 64KiB, 1MB, 100 or 100B: bytes. KiB, MiB, GiB are powers of 1,024; kB, MB, GB powers of 1,000; small letters
 * will do.
 */
const char *evpipe__parse_bytes(const char *text, int64_t *out);

/* yes, true, on: 1. no, false, off: 0. */
const char *evpipe__parse_bool(const char *text, int64_t *out);

/*
 * "5s, 1m, 10m": ascending durations, none of them 0, at least one and at most `max`; *count says how many. With out_ms
 * NULL they are only looked at.
 */
const char *evpipe__parse_durations(const char *text, int64_t *out_ms, size_t max, size_t *count);

/*
 * As people write them, in the largest unit that leaves no rest: "90s", "1h", "64KiB". Returns `out`; 32 bytes always
 * suffice.
 */
#define EVPIPE__VALUE_TEXT_MAX 32
const char *evpipe__duration_text(int64_t ms, char *out, size_t size);
const char *evpipe__bytes_text(int64_t bytes, char *out, size_t size);

#endif
