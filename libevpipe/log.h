/*
 * log.h: lines of logfmt to whoever asked for them.
 */
#ifndef EVPIPE_LOG_PRIVATE_H
#define EVPIPE_LOG_PRIVATE_H

#include <evpipe.h>

typedef struct evpipe__log {
	evpipe_log_fn fn; /* NULL: nothing is logged */
	void         *ctx;
} evpipe__log;

/* `event=` and what follows, as the format says; at most 1 KiB. Text from outside belongs into %s between quotes: evpipe__log_quote. */
void evpipe__log_line(const evpipe__log *log, evpipe_log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* `text` as a logfmt value: in quotes if it needs them, cut to fit. Returns `out`. */
const char *evpipe__log_quote(char *out, size_t size, const char *text);

#endif
