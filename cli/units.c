#include "evpipe-build.h" /* strptime is an extension */

#include "units.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct unit {
	const char *name;
	int64_t     factor;
};

static int64_t with_unit(const char *text, const struct unit *units)
{
	char *rest;
	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	long long number = strtoll(text, &rest, 10);
	for (; units->name; units++) {
		if (strcmp(rest, units->name) == 0)
			return errno || number > INT64_MAX / units->factor ? -1 : number * units->factor;
	}
	return -1;
}

int64_t units_number(const char *text)
{
	static const struct unit units[] = {{"", 1}, {NULL, 0}};
	return with_unit(text, units);
}

int64_t units_duration(const char *text)
{
	static const struct unit units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
	                                    {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
	return strcmp(text, "0") == 0 ? 0 : with_unit(text, units);
}

int64_t units_bytes(const char *text)
{
	static const struct unit units[] = {{"", 1},          {"B", 1},           {"KiB", 1 << 10},
	                                    {"MiB", 1 << 20}, {"GiB", 1 << 30},   {"KB", 1000},
	                                    {"MB", 1000000},  {"GB", 1000000000}, {NULL, 0}};
	return with_unit(text, units);
}

int64_t units_rate(const char *text)
{
	char *rest;
	if (!isdigit((unsigned char)*text) && *text != '.')
		return -1;
	double rate = strtod(text, &rest);
	if (strcmp(rest, "%") == 0)
		rate /= 100;
	else if (*rest)
		return -1;
	return rate >= 0 && rate <= 1 ? (int64_t)(rate * 1e6 + 0.5) : -1;
}

/* The digits of a fraction, as ms; leaves *at behind them. */
static int64_t read_fraction(const char **at)
{
	int64_t ms = 0, weight = 100;
	for (; isdigit((unsigned char)**at); ++*at, weight /= 10)
		ms += (**at - '0') * weight;
	return ms;
}

/* "Z" or "+01:00", in ms; false if it is neither, or something follows. */
static int read_zone(const char *at, int64_t *zone_ms)
{
	int hours, minutes, len = 0;
	*zone_ms = 0;
	if ((*at == 'Z' || *at == 'z') && !at[1])
		return 1;
	if ((*at != '+' && *at != '-') || sscanf(at + 1, "%2d:%2d%n", &hours, &minutes, &len) != 2 || len != 5 ||
	    at[6] || hours > 23 || minutes > 59)
		return 0;
	*zone_ms = (*at == '-' ? -1 : 1) * (int64_t)(hours * 60 + minutes) * 60000;
	return 1;
}

int64_t units_time(const char *text)
{
	struct tm   tm = {0};
	int64_t     zone_ms, ms = 0;
	const char *at = strptime(text, "%Y-%m-%d", &tm);

	if (!at || (*at != 'T' && *at != 't' && *at != ' '))
		return -1;
	at = strptime(at + 1, "%H:%M:%S", &tm);
	if (!at)
		return -1;
	if (*at == '.') {
		at++;
		ms = read_fraction(&at);
	}
	if (!read_zone(at, &zone_ms))
		return -1;
	return (int64_t)timegm(&tm) * 1000 + ms - zone_ms;
}
