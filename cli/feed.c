#include "feed.h"

#include <errno.h>
#include <string.h>

/* How long to wait before the journal is tried again. */
#define FULL_WAIT_MS 1
/* The clock is looked at once for so many lines. */
#define LINES_A_LOOK 256
#define SHOW_MS      200

static void show(struct feed *feed)
{
	int64_t now = now_ms();
	if (!feed->show || now < feed->next_show_ms)
		return;
	feed->next_show_ms = now + SHOW_MS;
	feed->show(feed->ctx, feed);
}

static void refuse(struct feed *feed, const struct lines *lines, const char *why)
{
	feed->invalid++;
	complain("%s:%llu: %s", lines->name, (unsigned long long)lines->number, why);
}

static uint64_t done_of(evpipe_producer *producer)
{
	evpipe_stats stats = EVPIPE_STATS_INIT;
	evpipe_producer_stats(producer, &stats);
	return stats.sent + stats.rejected;
}

/* A command has time: it waits for the pump to make room, as long as that gets on. */
static evpipe_err emit_patiently(struct feed *feed, const evpipe_event *event)
{
	evpipe_err err = evpipe_emit(feed->producer, event);
	if (err != EVPIPE_EFULL)
		return err;

	uint64_t done = done_of(feed->producer);
	int64_t  since_ms = now_ms();
	while ((err = evpipe_emit(feed->producer, event)) == EVPIPE_EFULL) {
		if (feed->stop_fd >= 0 && !feed->stopped && stop_wait(feed->stop_fd, FULL_WAIT_MS)) {
			feed->stopped = 1;
			stop_restore();
			return err;
		}
		if (feed->stop_fd < 0)
			sleep_ms(FULL_WAIT_MS);
		uint64_t done_now = done_of(feed->producer);
		if (done_now != done)
			since_ms = now_ms();
		done = done_now;
		if (now_ms() - since_ms >= feed->timeout_ms) {
			feed->gave_up = 1;
			return err;
		}
		show(feed);
	}
	return err;
}

/* False: it ends here. */
static int take_line(struct feed *feed, const struct lines *lines, const char *line, size_t len)
{
	struct parsed_line parsed = {0};
	char               problem[FIELDS_PROBLEM_MAX];

	if (fields_read(&feed->fields, line, len, &parsed, problem) != 0) {
		refuse(feed, lines, problem);
		return !feed->strict;
	}
	if (feed->prepare)
		feed->prepare(feed->ctx, &parsed.event, lines->number);
	evpipe_err err = emit_patiently(feed, &parsed.event);
	if (err && feed->refused)
		feed->refused(feed->ctx, &parsed.event);
	if (!err) {
		feed->emitted++;
	} else if (err == EVPIPE_ETOOLARGE) {
		snprintf(problem, sizeof problem,
		         "an event of %zu bytes is too large: see event.max; a destination, id or type has at most "
		         "255 bytes, a key 1,024",
		         len);
		refuse(feed, lines, problem);
	} else if (err != EVPIPE_EFULL) {
		refuse(feed, lines, evpipe_strerror(err));
	}
	parsed_line_release(&parsed);
	return !err || (err != EVPIPE_EFULL && !feed->strict);
}

int feed_check(const struct feed *feed)
{
	if (feed->line_max < 2 || feed->line_max > FEED_LINE_MAX)
		return fail(EX_USAGE, "--line-max: it should be from 2 to 64MiB");
	return fields_check(&feed->fields);
}

static int result_of(const struct feed *feed)
{
	return feed->gave_up ? EX_TEMPFAIL : feed->invalid ? EX_DATAERR : EX_OK;
}

int feed_run(struct feed *feed, const char *path)
{
	struct lines lines;
	const char  *line;
	size_t       len;
	int          going = 1, code = 0;
	char         problem[FIELDS_PROBLEM_MAX];

	feed->started_ms = now_ms();
	if (lines_open(&lines, path, (size_t)feed->line_max, feed->stop_fd) != 0)
		return fail(EX_IOERR, "%s: %s", path ? path : "standard input", strerror(errno));
	while (going && !feed->stopped) {
		enum lines_result result = lines_next(&lines, &line, &len);
		if (result == LINES_END)
			break;
		if (result == LINES_FAILED) {
			code = fail(EX_IOERR, "%s:%llu: %s", lines.name, (unsigned long long)lines.number + 1,
			            strerror(errno));
			break;
		}
		if (result == LINES_TOO_LONG) {
			snprintf(problem, sizeof problem, "the line is longer than %lld bytes: see --line-max",
			         (long long)feed->line_max);
			refuse(feed, &lines, problem);
			going = !feed->strict;
		} else {
			going = take_line(feed, &lines, line, len);
		}
		if (lines.number % LINES_A_LOOK == 0)
			show(feed);
	}
	feed->line = lines.number;
	feed->stopped |= lines.stopped;
	if (feed->stopped)
		complain("stopped by a signal after line %llu of %s", (unsigned long long)feed->line, lines.name);
	lines_close(&lines);
	return code ? code : result_of(feed);
}
