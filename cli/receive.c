/*
 * evpipe receive: an HTTP receiver that counts, and can fail on purpose.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "receiver.h"
#include "tally.h"

static const char help[] =
	"Receive events over HTTP, count them by destination, and fail on purpose.\n\n"
	"  evpipe receive --port 8080\n"
	"  evpipe receive --port 8080 --key-field session --seq-field seq --json\n"
	"  evpipe receive --port 8080 --fail-rate 0.1 --down ACME@5s+20s --retry-after 5s\n"
	"  curl -d '{\"id\":\"1\"}' http://127.0.0.1:8080/orgs/ACME/events; curl http://127.0.0.1:8080/stats\n\n"
	"Usage: evpipe receive [OPTIONS]\n\n"
	"Takes newline-delimited JSON, JSON arrays and CloudEvents batches, gzip or not, until SIGTERM or\n"
	"SIGINT. Duplicates are found among the last four million ids at least, by 64-bit hashes (0.5 GB at\n"
	"most); 10,000 destinations are told apart.\n\n"
	"  --address ADDRESS           127.0.0.1\n"
	"  --port PORT                 8080; 0: one that is free, and says which\n"
	"  --path TEMPLATE             /orgs/{destination}/events\n"
	"  --id-field F                the events' id; id. A field may be a path: meta.id\n"
	"  --key-field F --seq-field F events of a key should come with ascending whole numbers in F\n"
	FAULTS_HELP
	"  --quiet                     no table, and no lines, while it runs\n"
	"  --json                      the summary on standard output is one JSON object\n";

struct reception {
	struct receiver_setup setup;
	struct tally          tally;
	const char           *key_path, *seq_path;
	int64_t               port;
	int                   json, quiet;
	uint64_t              shown; /* events that the last line told of */
	int64_t               next_line_ms;
};

/* ---- the table ---- */

static int by_name(const void *a, const void *b)
{
	const struct table_row *left = a, *right = b;
	return strcmp(left->name, right->name);
}

#define COLUMNS 6

static void print_table(const struct tally *tally, FILE *to, size_t rows_max)
{
	static const char *const heads[COLUMNS + 1] = {"destination",  "events", "unique",      "duplicates",
	                                               "out of order", "posts",  "posts failed"};
	size_t                   count = HASH_COUNT(tally->destinations), i = 0;
	struct table_row        *rows = calloc(count + 1, sizeof *rows);
	uint64_t(*numbers)[COLUMNS] = calloc(count + 1, sizeof *numbers);
	struct tally_destination *destination, *next;

	if (!rows || !numbers)
		goto out;
	HASH_ITER(hh, tally->destinations, destination, next)
		rows[i++] = (struct table_row){destination->name, &destination->counts.events};
	qsort(rows, count, sizeof *rows, by_name);
	rows[count] = (struct table_row){"total", &tally->total.events};
	for (i = 0; i <= count; i++) {
		const struct tally_counts *counts = (const struct tally_counts *)(const void *)rows[i].numbers;
		uint64_t                   row[COLUMNS] = {counts->events,       counts->unique, counts->duplicates,
		                                           counts->out_of_order, counts->posts,  counts->posts_failed};
		memcpy(numbers[i], row, sizeof row);
		rows[i].numbers = numbers[i];
	}
	if (count > rows_max) {
		rows[rows_max] = rows[count];
		count = rows_max;
	}
	table_print(to, heads, COLUMNS + 1, rows, count + 1);
out:
	free(rows);
	free(numbers);
}

static void log_counts(const struct reception *reception)
{
	const struct tally_counts *total = &reception->tally.total;
	log_format(EVPIPE_LOG_INFO,
	           "event=received events=%llu unique=%llu duplicates=%llu out_of_order=%llu posts=%llu "
	           "posts_failed=%llu destinations=%u",
	           (unsigned long long)total->events, (unsigned long long)total->unique,
	           (unsigned long long)total->duplicates, (unsigned long long)total->out_of_order,
	           (unsigned long long)total->posts, (unsigned long long)total->posts_failed,
	           HASH_COUNT(reception->tally.destinations));
}

#define LIVE_ROWS_MAX 20
#define LINE_MS       10000

/* A live table on a terminal, else a line each ten seconds in which something came. */
static void tick(void *ctx)
{
	struct reception *reception = ctx;
	uint64_t          posts = reception->tally.total.posts;

	if (posts == reception->shown || reception->quiet)
		return;
	if (progress_wanted()) {
		fputs("\033[H\033[J", stderr);
		print_table(&reception->tally, stderr, LIVE_ROWS_MAX);
		fflush(stderr);
	} else if (now_ms() >= reception->next_line_ms) {
		log_counts(reception);
		reception->next_line_ms = now_ms() + LINE_MS;
	} else {
		return;
	}
	reception->shown = posts;
}

/* ---- the command ---- */

static void on_post(void *ctx, const char *destination, int status, size_t count)
{
	struct reception *reception = ctx;
	tally_post(&reception->tally, destination, status, count);
}

static void on_event(void *ctx, const char *destination, const struct received_event *event)
{
	struct reception *reception = ctx;
	tally_event(&reception->tally, destination, event);
}

static json_t *stats(void *ctx)
{
	struct reception *reception = ctx;
	return tally_json(&reception->tally);
}

static int report(struct reception *reception)
{
	if (!reception->json) {
		print_table(&reception->tally, stdout, SIZE_MAX);
		return EX_OK;
	}
	json_t *all = tally_json(&reception->tally);
	int     failed = json_dumpf(all, stdout, JSON_COMPACT) != 0;
	json_decref(all);
	putchar('\n');
	return failed ? fail(EX_IOERR, "standard output cannot be written to") : EX_OK;
}

static int receive(struct reception *reception)
{
	if (tally_init(&reception->tally, reception->key_path, reception->seq_path) != 0)
		return fail(EX_SOFTWARE, "out of memory");
	struct receiver *receiver = NULL;
	int              code = receiver_new(&receiver, &reception->setup);
	if (code) {
		tally_release(&reception->tally);
		return code;
	}
	tell("evpipe: receiving at http://%s:%u%s", reception->setup.address, receiver_port(receiver),
	     reception->setup.path);
	receiver_run(receiver);
	receiver_free(receiver);
	code = report(reception);
	tally_release(&reception->tally);
	return code;
}

static int check(const struct reception *reception)
{
	if (reception->port > 65535)
		return fail(EX_USAGE, "--port %lld: it should be from 0 to 65535", (long long)reception->port);
	if (!reception->key_path != !reception->seq_path)
		return fail(EX_USAGE, "--key-field and --seq-field: order needs both");
	return faults_check(&reception->setup.faults);
}

static int run(const struct command *self, int argc, char **argv)
{
	struct common    common;
	struct reception reception = {
		.port = 8080,
		.setup = {
			.address = "127.0.0.1",
			.path = "/orgs/{destination}/events",
			.id_path = "id",
			.faults = FAULTS_INIT,
			.on_post = on_post,
			.on_event = on_event,
			.stats = stats,
			.on_tick = tick,
			.ctx = &reception,
		},
	};
	const struct option_spec options[] = {
		{"address", OPTION_TEXT, &reception.setup.address, NULL},
		{"port", OPTION_NUMBER, &reception.port, NULL},
		{"path", OPTION_TEXT, &reception.setup.path, NULL},
		{"id-field", OPTION_TEXT, &reception.setup.id_path, NULL},
		{"key-field", OPTION_TEXT, &reception.key_path, NULL},
		{"seq-field", OPTION_TEXT, &reception.seq_path, NULL},
		FAULTS_OPTIONS(reception.setup.faults),
		{"quiet", OPTION_FLAG, &reception.quiet, NULL},
		{"json", OPTION_FLAG, &reception.json, NULL},
	};
	int code = options_parse(&common, self, options, sizeof options / sizeof *options, argc, argv, NULL);
	if (code >= 0)
		return code;
	code = check(&reception);
	if (!code) {
		reception.setup.port = (uint16_t)reception.port;
		reception.setup.stop_fd = stop_open();
		code = reception.setup.stop_fd < 0 ? EX_SOFTWARE : receive(&reception);
	}
	common_release(&common);
	return code;
}

const struct command command_receive = {.name = "receive",
                                        .summary = "receive events over HTTP, count them, fail on purpose",
                                        .help = help,
                                        .is_unconfigured = 1,
                                        .run = run};
