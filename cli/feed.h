/*
 * feed.h: lines of JSON into a producer; what `emit' and `demo' have in common.
 */
#ifndef EVPIPE_CLI_FEED_H
#define EVPIPE_CLI_FEED_H

#include "fields.h"
#include "lines.h"

struct feed {
	struct fields    fields;
	int              strict; /* the first bad line ends it */
	int64_t          line_max;
	int64_t          timeout_ms; /* for the broker, when nothing moves */
	evpipe_producer *producer;
	int              stop_fd;

	/* May be NULL. Before an event is emitted, and if it was refused then. `prepare` may change it. */
	void (*prepare)(void *ctx, evpipe_event *event, uint64_t line);
	void (*refused)(void *ctx, const evpipe_event *event);
	/* Now and then. */
	void (*show)(void *ctx, const struct feed *feed);
	void *ctx;

	/* What came of it. */
	uint64_t emitted;
	uint64_t invalid; /* lines that are no event */
	uint64_t line;    /* the last one */
	int64_t  started_ms, next_show_ms;
	int      stopped; /* by a signal */
	int      gave_up; /* the journal was full and stayed so */
};

#define FEED_LINE_MAX (64 * 1024 * 1024)
#define FEED_INIT     {.line_max = 1024 * 1024, .timeout_ms = 30000, .stop_fd = -1}

/* What options gave. 0, or the exit code. */
int feed_check(const struct feed *feed);

/*
 * path NULL: standard input. Reads to its end. 0, 65: there were bad lines; 74: it cannot be read; 75: gave up. All
 * were complained of.
 */
int feed_run(struct feed *feed, const char *path);

#endif
