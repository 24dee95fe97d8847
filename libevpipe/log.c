#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void evpipe__log_line(const evpipe__log *log, evpipe_log_level level, const char *format, ...)
{
	char    line[1024];
	va_list args;

	if (!log->fn)
		return;
	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	log->fn(log->ctx, level, line);
}

static int is_plain(unsigned char c)
{
	return c > ' ' && c != '"' && c != '=' && c != '\\' && c != 0x7f;
}

const char *evpipe__log_quote(char *out, size_t size, const char *text)
{
	size_t plain = 0, at = 0;

	while (text[plain] && is_plain((unsigned char)text[plain]))
		plain++;
	if (plain && !text[plain]) {
		snprintf(out, size, "%s", text);
		return out;
	}
	out[at++] = '"';
	for (; *text && at + 3 < size; text++) {
		unsigned char c = (unsigned char)*text;
		if (c == '"' || c == '\\')
			out[at++] = '\\';
		out[at++] = c < ' ' || c == 0x7f ? ' ' : (char)c;
	}
	out[at++] = '"';
	out[at] = '\0';
	return out;
}
