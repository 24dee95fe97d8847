#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "cli.h"

static const char *const level_names[] = {[EVPIPE_LOG_ERROR] = "error",
                                          [EVPIPE_LOG_WARN] = "warn",
                                          [EVPIPE_LOG_INFO] = "info",
                                          [EVPIPE_LOG_DEBUG] = "debug"};

static evpipe_log_level most = EVPIPE_LOG_INFO; /* set before there are threads */

int log_set_level(const char *level)
{
	for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++)
		if (strcmp(level, level_names[i]) == 0) {
			most = (evpipe_log_level)i;
			return 0;
		}
	return -1;
}

void log_write(void *ctx, evpipe_log_level level, const char *line)
{
	char            stamp[32];
	struct timespec now;
	struct tm       utc;

	(void)ctx;
	if (level > most)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
	tell("time=%s.%03ldZ level=%s %s", stamp, now.tv_nsec / 1000000, level_names[level], line);
}

void log_format(evpipe_log_level level, const char *format, ...)
{
	char    line[2048];
	va_list args;

	if (level > most)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	log_write(NULL, level, line);
}

/* As logfmt wants it: bare if it is one plain word. */
const char *log_quote(char *out, size_t size, const char *text)
{
	size_t at = 0;
	if (*text && !text[strcspn(text, " \"=\\\t\r\n")]) {
		snprintf(out, size, "%s", text);
		return out;
	}
	out[at++] = '"';
	for (; *text && at + 3 < size; text++) {
		if (*text == '"' || *text == '\\')
			out[at++] = '\\';
		out[at++] = (unsigned char)*text < ' ' ? ' ' : *text;
	}
	out[at++] = '"';
	out[at] = '\0';
	return out;
}
