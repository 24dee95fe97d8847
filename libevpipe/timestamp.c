#include "timestamp.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define MS_MIN INT64_C(-30610224000000) /* 1000-01-01T00:00:00Z: before, strftime writes fewer digits */
#define MS_MAX INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

void evpipe__rfc3339(int64_t time_ms, char out[32])
{
	time_ms = time_ms < MS_MIN ? MS_MIN : time_ms > MS_MAX ? MS_MAX : time_ms;
	int64_t   ms = (time_ms % 1000 + 1000) % 1000;
	time_t    seconds = (time_t)((time_ms - ms) / 1000);
	struct tm tm;
	gmtime_r(&seconds, &tm);
	strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + 19, 32 - 19, ".%03uZ", (unsigned)ms % 1000);
}

static int64_t fraction_ms(const char **at)
{
	int64_t ms = 0;
	int     digits = 0;
	if (**at != '.')
		return 0;
	for ((*at)++; **at >= '0' && **at <= '9'; (*at)++, digits++)
		if (digits < 3)
			ms = ms * 10 + (**at - '0');
	for (; digits < 3; digits++)
		ms *= 10;
	return ms;
}

int64_t evpipe__rfc3339_parse(const char *text)
{
	struct tm tm = {0};
	int       used = 0, hours = 0, minutes = 0;
	char      separator = 0;

	if (strlen(text) > 64 || sscanf(text, "%4d-%2d-%2d%c%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &separator,
	                                &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) != 7 || !used)
		return INT64_MIN;
	if (!strchr("Tt ", separator) || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
	    tm.tm_min > 59 || tm.tm_sec > 60)
		return INT64_MIN;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	const char *at = text + used;
	int64_t     ms = fraction_ms(&at);
	if (*at == '+' || *at == '-') {
		if (sscanf(at + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || at[1 + used] || hours > 23 || minutes > 59)
			return INT64_MIN;
		int64_t offset = (hours * 60 + minutes) * 60000;
		ms += *at == '+' ? -offset : offset;
	} else if (strcmp(at, "Z") != 0 && strcmp(at, "z") != 0) {
		return INT64_MIN;
	}
	return (int64_t)timegm(&tm) * 1000 + ms;
}
