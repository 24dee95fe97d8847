/*
 * units.h: numbers with units, as options give them.
 */
#ifndef EVPIPE_CLI_UNITS_H
#define EVPIPE_CLI_UNITS_H

#include <stdint.h>

/* Each gives -1 for what it does not take: a sign, a fraction, an unknown unit, something after it, too large a number.
 */
int64_t units_number(const char *text);   /* "500" */
int64_t units_duration(const char *text); /* "20ms", "5s", "1m", "6h", "3d"; in ms */
int64_t units_bytes(const char *text);    /* "512", "64KiB", "1MiB", "2GiB", also KB, MB, GB */

/* RFC 3339, "2026-01-31T09:00:05.699+01:00", in ms since 1970. */
int64_t units_time(const char *text);

/* "0.1", "10%": parts of 1,000,000; -1 unless from 0 to 1. */
int64_t units_rate(const char *text);

#endif
