/*
 * evpipe demo: application, broker, worker and endpoint in one process, and an account of every event.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "demo.h"

static const char help[] =
	"Show the whole pipeline in one process: events, a broker, a worker, an HTTP endpoint, an account.\n\n"
	"  evpipe demo                 a chatbot's log for five organisations; one is down for a while\n"
	"  zcat events.ndjson.gz | evpipe demo --destination-field org --key-field session --id-field id -\n"
	"  evpipe demo --destination-field org --fail-rate 10% --down ACME@1s+10s --json events.ndjson\n\n"
	"Usage: evpipe demo [OPTIONS] [FILE|-]\n\n"
	"With a FILE, or -, its lines are events, as for `evpipe emit', and the endpoint fails only as\n"
	"options say. Everything is in this process and on 127.0.0.1, and gone at its end. The exit code\n"
	"is 0 if nothing was lost, 70 if something was, 75 if it ended before all had arrived.\n\n"
	FIELDS_HELP
	FAULTS_HELP
	"  --workers N                 threads, each a member of the group; 1\n"
	"  --strict                    stop at the first bad line\n"
	"  --line-max SIZE             longer lines are refused; 1MiB\n"
	"  --timeout DURATION          give up when nothing has moved for so long; 2m\n"
	"  --json                      the account on standard output is one JSON object\n";

/* Short, so that what is retried can be waited for. A configuration file and --set come after these. */
static const struct {
	const char *name, *value;
} demo_settings[] = {
	{"retry.delays", "1s, 3s, 10s"}, {"retry.quick_delay_max", "500ms"}, {"breaker.open", "2s"},
	{"breaker.open_max", "2s"},      {"batch.linger", "50ms"},   {"worker.drain_timeout", "5s"},
};

/* What an event is known by when the input has no ids. */
#define OWN_ID "evpipe_id"

static int configure(struct demo *demo, const struct common *common)
{
	evpipe_error error;
	evpipe_err   err = evpipe_testbroker_new_realtime(&demo->broker);
	if (!err)
		err = evpipe_config_new(&demo->config);
	demo->account = account_new();
	if (err || !demo->account)
		return fail(EX_SOFTWARE, "%s", evpipe_strerror(err ? err : EVPIPE_ENOMEM));
	for (size_t i = 0; i < sizeof demo_settings / sizeof *demo_settings; i++) {
		err = evpipe_config_set(demo->config, demo_settings[i].name, demo_settings[i].value, &error);
		if (err)
			return fail(exit_code_of(err), "%s", error.text);
	}
	if (demo->has_input && !demo->feed.fields.id) {
		demo->endpoint.id_path = OWN_ID;
		err = evpipe_config_set(demo->config, "sink.id_member", OWN_ID, &error);
		if (err)
			return fail(exit_code_of(err), "%s", error.text);
	}
	int code = common_load(common, demo->config);
	if (code)
		return code;
	err = evpipe_testbroker_attach(demo->broker, demo->config);
	return err ? fail(EX_SOFTWARE, "the test broker cannot be attached: %s", evpipe_strerror(err)) : 0;
}

static void release(struct demo *demo)
{
	if (demo->receiver_runs) {
		receiver_stop(demo->receiver);
		pthread_join(demo->receiver_thread, NULL);
	}
	receiver_free(demo->receiver);
	evpipe_config_free(demo->config);
	evpipe_testbroker_free(demo->broker);
	account_free(demo->account);
}

static int run_demo(struct demo *demo, const struct common *common)
{
	int code = configure(demo, common);
	if (!code && !demo->has_input)
		demo_example_prepare(demo);
	demo->started_ms = now_ms();
	if (!code)
		code = demo_run(demo);
	if (!code)
		code = demo_report(demo);
	release(demo);
	return code;
}

static int check(struct demo *demo)
{
	const struct fields *fields = &demo->feed.fields;
	if (demo->workers < 1 || demo->workers > RUNNER_WORKERS_MAX)
		return fail(EX_USAGE, "--workers %lld: it should be from 1 to %d", (long long)demo->workers,
		            RUNNER_WORKERS_MAX);
	if (!demo->has_input && (fields->destination || fields->destination_name || fields->id || fields->key))
		return fail(EX_USAGE, "say where the events are: a FILE, or - for standard input");
	int code = demo->has_input ? feed_check(&demo->feed) : 0;
	return code ? code : faults_check(&demo->endpoint.faults);
}

static int run(const struct command *self, int argc, char **argv)
{
	struct common common;
	struct demo   demo = {.feed = FEED_INIT, .endpoint = {.faults = FAULTS_INIT, .id_path = "id"}, .workers = 1};
	struct feed  *feed = &demo.feed;

	const struct option_spec options[] = {
		FIELDS_OPTIONS(feed->fields),
		FAULTS_OPTIONS(demo.endpoint.faults),
		{"workers", OPTION_NUMBER, &demo.workers, NULL},
		{"strict", OPTION_FLAG, &feed->strict, NULL},
		{"line-max", OPTION_BYTES, &feed->line_max, NULL},
		{"timeout", OPTION_DURATION, &feed->timeout_ms, NULL},
		{"json", OPTION_FLAG, &demo.json, NULL},
	};
	feed->timeout_ms = 120000;
	log_set_level("error");
	int code = options_parse(&common, self, options, sizeof options / sizeof *options, argc, argv, &demo.file);
	if (code >= 0)
		return code;
	demo.has_input = optind < argc;
	if (feed->fields.id)
		demo.endpoint.id_path = feed->fields.id;
	code = check(&demo);
	if (!code) {
		feed->stop_fd = stop_open();
		code = feed->stop_fd < 0 ? EX_SOFTWARE : run_demo(&demo, &common);
	}
	common_release(&common);
	return code;
}

const struct command command_demo = {.name = "demo",
                                     .summary = "show all of it in one process, with an account of every event",
                                     .help = help,
                                     .operand = "one FILE, or - for standard input",
                                     .run = run};
