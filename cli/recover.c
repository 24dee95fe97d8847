/*
 * evpipe recover: send what applications that died have left in a journal's directory, or look at it.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "options.h"

static const char help[] =
	"Send the events that dead applications have left in a journal's directory (journal.dir).\n\n"
	"  evpipe recover --dry-run /dev/shm/chatbot\n"
	"  evpipe recover -c evpipe.ini /dev/shm/chatbot\n"
	"  evpipe recover --rejected --dry-run /var/lib/chatbot\n"
	"  evpipe recover -c evpipe.ini --rejected /var/lib/chatbot\n\n"
	"Usage: evpipe recover [OPTIONS] DIR\n\n"
	"A producer that starts on the directory does the same by itself; this is for when none does. Events keep\n"
	"their ids and their order. Journals whose process lives are left alone; what cannot be read is told, and\n"
	"kept, and so is what the broker rejects. Exit code 65 if there was such a thing, 75 if events are left.\n\n"
	"  -n, --dry-run          look, change nothing, connect to nothing\n"
	"  --events               list each event found: its journal, id, destination, time and size\n"
	"  --rejected             those that the broker has rejected, with the reason; without --dry-run they\n"
	"                         are emitted again, and forgotten once the broker has them\n"
	"  --timeout DURATION     how long to wait for the broker when nothing moves; 30s\n"
	"  --json                 what was found and done as one JSON object on standard output\n";

struct recovery {
	const char      *dir;
	int              dry_run, events, rejected, json;
	int64_t          timeout_ms;
	int              stop_fd, stopped;
	evpipe_producer *producer;
	json_t          *journals, *listed; /* of --json */
	uint64_t         found, refused, damaged;
	uint64_t         not_emitted;
	uint64_t         lacking; /* at the end of the last file */
};

/* ---- what there is ---- */

static const char *const states[] = {"alive", "dead", "refused"};

static void write_time(char *out, size_t size, int64_t ms)
{
	time_t    seconds = (time_t)(ms / 1000);
	struct tm utc;
	if (!ms || !gmtime_r(&seconds, &utc) || !strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &utc))
		snprintf(out, size, "-");
}

static int on_journal(void *ctx, const evpipe_journal_info *info)
{
	struct recovery *recovery = ctx;
	char             created[40];

	recovery->found += info->events;
	recovery->refused += info->state == EVPIPE_JOURNAL_REFUSED;
	recovery->damaged += info->damaged;
	write_time(created, sizeof created, info->created_ms);
	if (recovery->json)
		json_array_append_new(recovery->journals,
		                      json_pack("{s:s, s:s, s:s*, s:s, s:I, s:I, s:I, s:I}", "journal", info->name, "state",
		                                states[info->state], "problem", info->problem, "created", created, "events",
		                                (json_int_t)info->events, "acknowledged", (json_int_t)info->done, "torn_bytes",
		                                (json_int_t)info->torn_bytes, "damaged", (json_int_t)info->damaged));
	else if (info->state == EVPIPE_JOURNAL_DEAD)
		printf("%s  dead     of %s: %" PRIu64 " events to send, %" PRIu64 " torn bytes, %" PRIu64 " damaged events\n", info->name,
		       created, info->events, info->torn_bytes, info->damaged);
	else
		printf("%s  %-7s  %s\n", info->name, states[info->state],
		       info->problem ? info->problem : "its process lives: left alone");
	return 0;
}

static void list_event(struct recovery *recovery, const evpipe_journal_info *info, const evpipe_event *event, const char *reason)
{
	char time[40];
	write_time(time, sizeof time, event->time_ms);
	if (recovery->json)
		json_array_append_new(recovery->listed, json_pack("{s:s, s:s, s:s, s:s, s:I, s:s*}", "journal", info->name, "id", event->id,
		                                                  "destination", event->destination, "time", time, "bytes",
		                                                  (json_int_t)event->data_len, "reason", reason));
	else
		printf("%s  %s  %s  %s  %zu bytes%s%s\n", info->name, event->id, event->destination, time, event->data_len,
		       reason ? "  " : "", reason ? reason : "");
}

static int on_event(void *ctx, const evpipe_journal_info *info, const evpipe_event *event)
{
	list_event(ctx, info, event, NULL);
	return 0;
}

/* ---- sending ---- */

static evpipe_stats stats_of(const struct recovery *recovery)
{
	evpipe_stats stats = EVPIPE_STATS_INIT;
	if (recovery->producer)
		evpipe_producer_stats(recovery->producer, &stats);
	return stats;
}

/* Until the broker has all, or nothing moves any more; the deadline starts anew with each event that arrives. */
static int wait_for_broker(struct recovery *recovery)
{
	int64_t  until_ms = now_ms() + recovery->timeout_ms;
	uint64_t pending = UINT64_MAX;
	char     number[GROUPED_MAX];

	while (!recovery->stopped && evpipe_producer_flush(recovery->producer, 200) == EVPIPE_ETIMEOUT && now_ms() < until_ms) {
		uint64_t left = stats_of(recovery).pending;
		if (left != pending)
			until_ms = now_ms() + recovery->timeout_ms;
		pending = left;
		progress("%s events to send", grouped(number, left));
		recovery->stopped = stop_wait(recovery->stop_fd, 0);
	}
	progress_end();
	return stats_of(recovery).pending == 0;
}

/* Of the events of rejected files, what neither the broker has nor, rejected again, a new file. */
static uint64_t lacking(const struct recovery *recovery)
{
	return recovery->not_emitted + stats_of(recovery).unkept;
}

static int emit_again(struct recovery *recovery, const evpipe_event *event)
{
	evpipe_err err;
	while ((err = evpipe_emit(recovery->producer, event)) == EVPIPE_EFULL && wait_for_broker(recovery))
		;
	if (err)
		complain("event %s could not be emitted again: %s", event->id, evpipe_strerror(err));
	recovery->not_emitted += err != EVPIPE_OK;
	return err == EVPIPE_EFULL;
}

/* A file goes when nothing in it is lacking. What it has besides comes again with the next try, under the same id. */
static int is_done_with_file(struct recovery *recovery)
{
	uint64_t before = recovery->lacking;
	int      all_answered = wait_for_broker(recovery);

	recovery->lacking = lacking(recovery);
	return all_answered && recovery->lacking == before;
}

static int on_rejected(void *ctx, const evpipe_journal_info *info, const evpipe_event *event, const char *reason)
{
	struct recovery *recovery = ctx;

	/* Those of who lives are only looked at; we are one of them, if the broker rejects something once more. */
	if (!recovery->dry_run && info->state != EVPIPE_JOURNAL_DEAD)
		return 0;
	if (!event)
		return !recovery->dry_run && is_done_with_file(recovery);
	recovery->found++;
	if (recovery->dry_run || recovery->events)
		list_event(recovery, info, event, reason);
	return recovery->dry_run ? 0 : emit_again(recovery, event);
}

/* What dead applications have left beside the files goes first: so it is with nobody, and rejections of it are not taken for ours. */
static evpipe_err visit_rejected(struct recovery *recovery, evpipe_error *error)
{
	if (!recovery->dry_run && !wait_for_broker(recovery))
		return EVPIPE_OK;
	recovery->lacking = lacking(recovery);
	return evpipe_journal_rejected(recovery->dir, on_rejected, recovery, error);
}

static evpipe_err open_producer(struct recovery *recovery, evpipe_config *config, evpipe_error *error)
{
	evpipe_err err = evpipe_config_set(config, "journal.dir", recovery->dir, error);
	if (!err)
		err = evpipe_config_set(config, "journal.durability", "memory", error);
	return err ? err : evpipe_producer_new(&recovery->producer, config, error);
}

static void report(const struct recovery *recovery, uint64_t left)
{
	evpipe_stats stats = stats_of(recovery);
	char         found[GROUPED_MAX], sent[GROUPED_MAX], number[GROUPED_MAX];

	if (recovery->json) {
		json_t *all = json_pack("{s:o, s:o, s:I, s:I, s:I, s:I}", "journals", json_incref(recovery->journals), "events",
		                        json_incref(recovery->listed), "found", (json_int_t)recovery->found, "sent", (json_int_t)stats.sent,
		                        "rejected", (json_int_t)stats.rejected, "left", (json_int_t)left);
		json_dumpf(all, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(all);
	}
	const char *what = recovery->rejected ? "rejected events" : "events";
	if (recovery->dry_run)
		tell("%s %s found", grouped(found, recovery->found), what);
	else
		tell("%s %s found, %s sent, %s left", grouped(found, recovery->found), what, grouped(sent, stats.sent),
		     grouped(number, left));
}

static int recover(struct recovery *recovery, evpipe_config *config)
{
	evpipe_error error;
	uint64_t     left = 0;
	evpipe_err   err = EVPIPE_OK;

	/* A producer would make it. */
	if (access(recovery->dir, F_OK) != 0)
		return fail(EX_IOERR, "%s cannot be opened: %s", recovery->dir, strerror(errno));
	if (!recovery->rejected)
		err = evpipe_journal_inspect(recovery->dir, on_journal, recovery->events ? on_event : NULL, recovery, &error);
	if (!err && !recovery->dry_run)
		err = open_producer(recovery, config, &error);
	if (!err && recovery->rejected)
		err = visit_rejected(recovery, &error);
	if (err && !recovery->producer)
		return fail(exit_code_of(err), "%s", error.text);
	if (err)
		complain("%s", error.text);
	if (recovery->producer) {
		wait_for_broker(recovery);
		evpipe_producer_close(recovery->producer, 0, &left);
	}
	report(recovery, left);
	if (left) {
		evpipe_producer_error(recovery->producer, &error);
		return fail(EX_TEMPFAIL, "%" PRIu64 " %s left in %s: %s", left, left == 1 ? "event is" : "events are", recovery->dir,
		            error.code ? error.text : "the broker has not acknowledged them in time; see --timeout");
	}
	if (err)
		return exit_code_of(err);
	evpipe_stats stats = stats_of(recovery);
	if (stats.unkept)
		return fail(EX_DATAERR, "the broker has rejected %" PRIu64 " %s, and %" PRIu64 " could not be kept%s", stats.rejected,
		            stats.rejected == 1 ? "event" : "events", stats.unkept,
		            recovery->rejected ? " anew: the files that have them stay" : "");
	if (stats.rejected)
		return fail(EX_DATAERR, "the broker has rejected %" PRIu64 " %s kept: see evpipe recover --rejected --dry-run %s",
		            stats.rejected, stats.rejected == 1 ? "event, which is" : "events, which are", recovery->dir);
	if (recovery->not_emitted)
		return EX_DATAERR;
	return recovery->refused || recovery->damaged ? EX_DATAERR : EX_OK;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct recovery recovery = {.timeout_ms = 30000, .stop_fd = -1};
	struct common   common;
	evpipe_config  *config = NULL;

	const struct option_spec options[] = {
		{"dry-run", OPTION_FLAG, &recovery.dry_run, NULL}, {"events", OPTION_FLAG, &recovery.events, NULL},
		{"rejected", OPTION_FLAG, &recovery.rejected, NULL}, {"timeout", OPTION_DURATION, &recovery.timeout_ms, NULL},
		{"json", OPTION_FLAG, &recovery.json, NULL},
	};
	log_set_level("error");
	int code = options_parse(&common, self, options, sizeof options / sizeof *options, argc, argv, &recovery.dir);
	if (code >= 0)
		return code;
	recovery.journals = json_array();
	recovery.listed = json_array();
	recovery.stop_fd = stop_open();
	if (!recovery.dir)
		code = fail(EX_USAGE, "say which directory: the journal.dir of the application");
	else if (!recovery.journals || !recovery.listed || recovery.stop_fd < 0 || evpipe_config_new(&config) != EVPIPE_OK)
		code = fail(EX_SOFTWARE, "out of memory");
	else
		code = common_load(&common, config);
	if (!code)
		code = recover(&recovery, config);
	evpipe_producer_free(recovery.producer);
	json_decref(recovery.journals);
	json_decref(recovery.listed);
	evpipe_config_free(config);
	common_release(&common);
	return code;
}

const struct command command_recover = {
	.name = "recover",
	.summary = "send what dead applications have left in a journal's directory",
	.help = help,
	.operand = "one DIR",
	.run = run};
