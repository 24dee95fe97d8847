/*
 * evpipe emit: lines of JSON to the broker.
 */
#include <stdlib.h>
#include <string.h>

#include "feed.h"

static const char help[] =
	"Emit events, one JSON object a line, to the broker.\n\n"
	"  evpipe emit -c evpipe.ini --destination-field org --key-field session --id-field id events.ndjson\n"
	"  tail -F bot.log | evpipe emit --set transport.url=kafka://127.0.0.1:9092 --destination ACME -\n"
	"  zcat events.ndjson.gz | evpipe emit -c evpipe.ini --destination-field user.org --json\n\n"
	"Usage: evpipe emit [OPTIONS] [FILE|-]\n\n"
	"The line is the event's payload, as it is. A line that is no event is told with its number and\n"
	"passed over; the exit code is 65 then. While the journal is full the command waits for the broker.\n\n"
	FIELDS_HELP
	"  --strict               stop at the first bad line\n"
	"  --line-max SIZE        longer lines are refused; 1MiB\n"
	"  --timeout DURATION     how long to wait for the broker when nothing moves; 30s. If events are\n"
	"                         left then, the exit code is 75\n"
	"  --json                 the account on standard output\n";

struct emission {
	struct feed feed;
	int         json;
	uint64_t    rejected; /* by the pump's thread, read when that has ended */
};

static void show(void *ctx, const struct feed *feed)
{
	char         emitted[GROUPED_MAX], sent[GROUPED_MAX], rate[GROUPED_MAX];
	evpipe_stats stats = EVPIPE_STATS_INIT;
	int64_t      ms = now_ms() - feed->started_ms;

	(void)ctx;
	evpipe_producer_stats(feed->producer, &stats);
	progress("%s emitted, %s sent, %s/s", grouped(emitted, feed->emitted), grouped(sent, stats.sent),
	         grouped(rate, stats.sent * 1000 / (uint64_t)(ms + !ms)));
}

static void on_rejected(void *ctx, const evpipe_event *event, evpipe_err why, const char *text)
{
	struct emission *emission = ctx;
	emission->rejected++;
	complain("the broker will never take event %s of %s: %s", event->id ? event->id : "(without id)",
	         event->destination, text && *text ? text : evpipe_strerror(why));
}

static void explain_left(evpipe_producer *producer, uint64_t left)
{
	char         number[GROUPED_MAX];
	evpipe_error error = {0};
	evpipe_producer_error(producer, &error);
	complain("%s %s left undelivered: %s", grouped(number, left), left == 1 ? "event is" : "events are",
	         error.code && *error.text ? error.text
	                                   : "the broker has not acknowledged them in time; see --timeout");
}

static void report(const struct emission *emission, uint64_t left)
{
	const struct feed *feed = &emission->feed;
	evpipe_stats       stats = EVPIPE_STATS_INIT;
	int64_t            ms = now_ms() - feed->started_ms;
	char               sent[GROUPED_MAX], emitted[GROUPED_MAX], rate[GROUPED_MAX];

	evpipe_producer_stats(feed->producer, &stats);
	if (emission->json)
		printf("{\"emitted\":%llu,\"sent\":%llu,\"rejected\":%llu,\"invalid\":%llu,\"left\":%llu,\"seconds\":%."
		       "3f}\n",
		       (unsigned long long)feed->emitted, (unsigned long long)stats.sent,
		       (unsigned long long)stats.rejected, (unsigned long long)feed->invalid, (unsigned long long)left,
		       (double)ms / 1000);
	if (feed->invalid)
		complain("%llu of %llu lines were refused", (unsigned long long)feed->invalid,
		         (unsigned long long)feed->line);
	tell("%s of %s events sent in %.1f s (%s/s)", grouped(sent, stats.sent), grouped(emitted, feed->emitted),
	     (double)ms / 1000, grouped(rate, stats.sent * 1000 / (uint64_t)(ms + !ms)));
}

/* With progress on a terminal, as long as it gets on; the deadline starts anew with each event that arrives. */
static void flush(struct emission *emission)
{
	struct feed *feed = &emission->feed;
	uint64_t     done = 0;
	int64_t      until_ms = now_ms() + feed->timeout_ms;

	while (evpipe_producer_flush(feed->producer, 200) == EVPIPE_ETIMEOUT && now_ms() < until_ms) {
		evpipe_stats stats = EVPIPE_STATS_INIT;
		evpipe_producer_stats(feed->producer, &stats);
		if (stats.sent + stats.rejected != done)
			until_ms = now_ms() + feed->timeout_ms;
		done = stats.sent + stats.rejected;
		show(emission, feed);
		if (!feed->stopped && stop_wait(feed->stop_fd, 0)) {
			feed->stopped = 1;
			return;
		}
	}
}

static int emit(struct emission *emission, const evpipe_config *config, const char *file)
{
	struct feed *feed = &emission->feed;
	evpipe_error error;
	uint64_t     left = 0;

	evpipe_err err = evpipe_producer_new(&feed->producer, config, &error);
	if (err)
		return fail(exit_code_of(err), "%s", error.text);
	int code = feed_run(feed, file);
	if (!feed->gave_up)
		flush(emission);
	progress_end();
	evpipe_producer_close(feed->producer, 0, &left);
	report(emission, left);
	if (left) {
		explain_left(feed->producer, left);
		code = EX_TEMPFAIL;
	} else if (!code && emission->rejected) {
		code = EX_DATAERR;
	}
	evpipe_producer_free(feed->producer);
	return code;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct emission emission = {.feed = FEED_INIT};
	struct feed    *feed = &emission.feed;
	struct common   common;
	const char     *file;
	evpipe_config  *config = NULL;

	const struct option_spec options[] = {
		FIELDS_OPTIONS(feed->fields),
		{"strict", OPTION_FLAG, &feed->strict, NULL},
		{"line-max", OPTION_BYTES, &feed->line_max, NULL},
		{"timeout", OPTION_DURATION, &feed->timeout_ms, NULL},
		{"json", OPTION_FLAG, &emission.json, NULL},
	};
	log_set_level("error");
	int code = options_parse(&common, self, options, sizeof options / sizeof *options, argc, argv, &file);
	if (code >= 0)
		return code;
	code = feed_check(feed);
	if (code)
		goto out;
	feed->show = show;
	feed->ctx = &emission;
	feed->stop_fd = stop_open();
	if (feed->stop_fd < 0 || evpipe_config_new(&config) != EVPIPE_OK) {
		code = EX_SOFTWARE;
		goto out;
	}
	evpipe_config_on_rejected(config, on_rejected, &emission);
	code = common_load(&common, config);
	if (!code)
		code = emit(&emission, config, file);
out:
	evpipe_config_free(config);
	common_release(&common);
	return code;
}

const struct command command_emit = {
	.name = "emit",
	.summary = "emit events, one JSON object a line, to the broker",
	.help = help,
	.operand = "one FILE, or - for standard input",
	.run = run};
