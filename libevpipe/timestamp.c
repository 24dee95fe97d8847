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

/* Just so many digits, and behind them one of these characters, which is passed over; "": any, which stays. */
static int read_number(const char **at, int digits, const char *behind, int *out)
{
	*out = 0;
	for (; digits; digits--, (*at)++) {
		if (**at < '0' || **at > '9')
			return 0;
		*out = 10 * *out + (**at - '0');
	}
	if (!*behind)
		return 1;
	return **at && strchr(behind, *(*at)++);
}

static int64_t fraction_ms(const char **at)
{
	int64_t ms = 0, unit = 100;
	if (**at != '.')
		return 0;
	for ((*at)++; **at >= '0' && **at <= '9'; (*at)++, unit /= 10)
		ms += unit * (**at - '0');
	return ms;
}

/* East of Greenwich: what is to be taken away. */
static int read_offset(const char *at, int64_t *out_ms)
{
	int sign = *at == '-' ? -1 : 1, hours, minutes;
	*out_ms = 0;
	if (*at == 'Z' || *at == 'z')
		return !at[1];
	if (*at != '+' && *at != '-')
		return 0;
	at++;
	if (!read_number(&at, 2, ":", &hours) || !read_number(&at, 2, "", &minutes) || *at || hours > 23 || minutes > 59)
		return 0;
	*out_ms = sign * (hours * 60 + minutes) * INT64_C(60000);
	return 1;
}

int64_t evpipe__rfc3339_parse(const char *text)
{
	struct tm tm = {0};
	int64_t   offset_ms;

	if (!read_number(&text, 4, "-", &tm.tm_year) || !read_number(&text, 2, "-", &tm.tm_mon) ||
	    !read_number(&text, 2, "Tt ", &tm.tm_mday) || !read_number(&text, 2, ":", &tm.tm_hour) ||
	    !read_number(&text, 2, ":", &tm.tm_min) || !read_number(&text, 2, "", &tm.tm_sec))
		return INT64_MIN;
	if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 ||
	    tm.tm_sec > 60)
		return INT64_MIN;
	int64_t ms = fraction_ms(&text);
	if (!read_offset(text, &offset_ms))
		return INT64_MIN;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return (int64_t)timegm(&tm) * 1000 + ms - offset_ms;
}
