/*
 * evpipe run: workers, until a signal comes.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uthash.h>

#include "options.h"
#include "runner.h"

static const char help[] =
	"Deliver events: read them from the broker, batch them for each destination and post them.\n\n"
	"  evpipe run -c evpipe.ini\n"
	"  evpipe run -c evpipe.ini --workers 4 --report-interval 1m\n"
	"  evpipe run --set transport.url=kafka://127.0.0.1:9092 --set 'sink.url=http://127.0.0.1:80/{destination}'\n\n"
	"Usage: evpipe run [OPTIONS]\n\n"
	"Logs the ledger, what waits and each destination's changes of state on standard error, in logfmt.\n"
	"While the broker is away it keeps trying. SIGTERM or SIGINT: takes no more, delivers what it has or\n"
	"hands it over, and ends with 0, or with 75 and the number of events left to others; a second one\n"
	"ends at once.\n\n"
	"  --workers N                  threads, each a member of the group; 1\n"
	"  --report-interval DURATION   10s\n";

struct known_state {
	const char    *state; /* static, of the library */
	char          *name;
	UT_hash_handle hh;
};

struct serving {
	int64_t             workers, report_ms;
	struct known_state *states[RUNNER_WORKERS_MAX]; /* of each worker's destinations */
	unsigned            index;                      /* of the worker that is looked at */
};

/* ---- reports ---- */

static void log_ledger(struct runner *runner, const char *event)
{
	evpipe_stats stats;
	char         more[512] = "", trouble[EVPIPE_ERROR_TEXT_MAX], quoted[EVPIPE_ERROR_TEXT_MAX + 2];
	uint64_t     retried = 0, dead = 0;
	size_t       len = 0;

	runner_stats(runner, &stats);
	for (int i = 0; i < EVPIPE_TIERS_MAX; i++) {
		retried += stats.retried[i];
		if (stats.retried[i] && len < sizeof more)
			len += (size_t)snprintf(more + len, sizeof more - len, " retried_%d=%llu", i + 1,
			                        (unsigned long long)stats.retried[i]);
	}
	for (int i = 0; i < EVPIPE_REASON_COUNT; i++) {
		dead += stats.dead_lettered[i];
		if (stats.dead_lettered[i] && len < sizeof more)
			len += (size_t)snprintf(more + len, sizeof more - len, " dead_%s=%llu",
			                        evpipe_reason_name((evpipe_reason)i),
			                        (unsigned long long)stats.dead_lettered[i]);
	}
#define U(field) (unsigned long long)stats.field
	log_format(EVPIPE_LOG_INFO,
	           "event=%s taken=%llu delivered=%llu retried=%llu parked=%llu dead_lettered=%llu skipped=%llu "
	           "relinquished=%llu "
	           "in_flight=%llu posts=%llu posts_failed=%llu lag=%llu partitions=%llu memory=%llu memory_max=%llu%s",
	           event, U(taken), U(delivered), (unsigned long long)retried, U(parked), (unsigned long long)dead,
	           U(skipped), U(relinquished), U(in_flight), U(posts), U(posts_failed), U(lag), U(partitions),
	           U(memory), U(memory_max), more);
#undef U
	runner_trouble(runner, trouble, sizeof trouble);
	if (*trouble)
		log_format(EVPIPE_LOG_WARN, "event=trouble text=%s", log_quote(quoted, sizeof quoted, trouble));
}

static struct known_state *state_of(struct known_state **states, const char *name)
{
	struct known_state *known;
	HASH_FIND_STR(*states, name, known);
	if (known)
		return known;
	known = calloc(1, sizeof *known);
	if (known && (known->name = strdup(name))) {
		known->state = "ok";
		HASH_ADD_KEYPTR(hh, *states, known->name, strlen(known->name), known);
		return known;
	}
	free(known);
	return NULL;
}

static void forget_state(struct known_state **states, struct known_state *known)
{
	HASH_DEL(*states, known);
	free(known->name);
	free(known);
}

/* Those that are well are not kept: there may be many. */
static int log_change(void *ctx, const evpipe_destination_stats *stats)
{
	struct serving      *serving = ctx;
	struct known_state **states = &serving->states[serving->index];
	char                 quoted[300], from[32], to[32];
	struct known_state  *known = NULL;

	HASH_FIND_STR(*states, stats->destination, known);
	if (strcmp(stats->state, known ? known->state : "ok") == 0)
		return 0;
	if (!known && !(known = state_of(states, stats->destination)))
		return 0;
	log_format(EVPIPE_LOG_INFO,
	           "event=destination destination=%s worker=%u from=%s state=%s taken=%llu delivered=%llu retried=%llu "
	           "parked=%llu "
	           "dead_lettered=%llu in_flight=%llu posts=%llu posts_failed=%llu",
	           log_quote(quoted, sizeof quoted, stats->destination), serving->index,
	           log_quote(from, sizeof from, known->state), log_quote(to, sizeof to, stats->state),
	           (unsigned long long)stats->taken, (unsigned long long)stats->delivered,
	           (unsigned long long)stats->retried, (unsigned long long)stats->parked,
	           (unsigned long long)stats->dead_lettered, (unsigned long long)stats->in_flight,
	           (unsigned long long)stats->posts, (unsigned long long)stats->posts_failed);
	known->state = stats->state;
	if (strcmp(known->state, "ok") == 0)
		forget_state(states, known);
	return 0;
}

static void log_changes(void *ctx, unsigned index, const evpipe_worker *worker, int last)
{
	struct serving *serving = ctx;
	(void)last;
	serving->index = index;
	evpipe_worker_each_destination(worker, log_change, serving);
}

static void forget_states(struct serving *serving)
{
	struct known_state *known, *next;
	for (size_t i = 0; i < RUNNER_WORKERS_MAX; i++)
		HASH_ITER(hh, serving->states[i], known, next)
			forget_state(&serving->states[i], known);
}

/* ---- running ---- */

static uint64_t relinquished(struct runner *runner)
{
	evpipe_stats stats;
	runner_stats(runner, &stats);
	return stats.relinquished;
}

/*
 * Until all workers have ended. Returns what they had relinquished before they were told to end: that went with
 * partitions, to others.
 */
static uint64_t watch(const struct serving *serving, struct runner *runner, int stop_fd)
{
	int64_t  next_ms = now_ms() + serving->report_ms;
	int      stopping = 0;
	uint64_t before = 0;

	while (runner_alive(runner)) {
		/* One that broke takes the others with it: what broke it would break them. */
		int broke = !stopping && runner_alive(runner) < (unsigned)serving->workers;
		if (stop_wait(stop_fd, broke ? 0 : 100) || broke) {
			if (!stopping++)
				before = relinquished(runner);
			runner_stop(runner);
		}
		if (now_ms() >= next_ms) {
			log_ledger(runner, "ledger");
			next_ms += serving->report_ms;
		}
	}
	return before;
}

static int conclude(struct runner *runner, evpipe_err err, uint64_t before)
{
	char     number[GROUPED_MAX], trouble[EVPIPE_ERROR_TEXT_MAX];
	uint64_t left = relinquished(runner) - before;

	if (!err)
		return EX_OK;
	if (err == EVPIPE_ETIMEOUT)
		return fail(EX_TEMPFAIL, "%s %s left unsettled; other workers, or the next start, deliver %s", grouped(number, left),
		            left == 1 ? "event is" : "events are", left == 1 ? "it" : "them");
	runner_trouble(runner, trouble, sizeof trouble);
	return fail(exit_code_of(err), "%s", *trouble ? trouble : evpipe_strerror(err));
}

static int serve(struct serving *serving, const evpipe_config *config, int stop_fd)
{
	struct runner      *runner = NULL;
	struct runner_setup setup = {
		.config = config,
		.workers = (unsigned)serving->workers,
		.inspect_ms = serving->report_ms,
		.inspect = log_changes,
		.ctx = serving,
	};
	int code = runner_start(&runner, &setup);
	if (code)
		return code;
	log_format(EVPIPE_LOG_INFO, "event=started version=%s workers=%u pid=%ld", evpipe_version(), setup.workers,
	           (long)getpid());
	uint64_t before = watch(serving, runner, stop_fd);
	evpipe_err err = runner_join(runner);
	log_ledger(runner, "stopped");
	code = conclude(runner, err, before);
	runner_free(runner);
	return code;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct serving serving = {.workers = 1, .report_ms = 10000};
	struct common  common;
	evpipe_config *config = NULL;

	const struct option_spec options[] = {
		{"workers", OPTION_NUMBER, &serving.workers, NULL},
		{"report-interval", OPTION_DURATION, &serving.report_ms, NULL},
	};
	int code = options_parse(&common, self, options, sizeof options / sizeof *options, argc, argv, NULL);
	if (code >= 0)
		return code;
	if (serving.workers < 1 || serving.workers > RUNNER_WORKERS_MAX)
		code = fail(EX_USAGE, "--workers %lld: it should be from 1 to %d", (long long)serving.workers,
		            RUNNER_WORKERS_MAX);
	else if (serving.report_ms < 100)
		code = fail(EX_USAGE, "--report-interval: it should be at least 100ms");
	else
		code = 0;
	int stop_fd = code ? -1 : stop_open();
	if (!code && (stop_fd < 0 || evpipe_config_new(&config) != EVPIPE_OK))
		code = EX_SOFTWARE;
	if (!code)
		code = common_load(&common, config);
	if (!code)
		code = serve(&serving, config, stop_fd);
	forget_states(&serving);
	evpipe_config_free(config);
	common_release(&common);
	return code;
}

const struct command command_run = {.name = "run",
                                    .summary = "deliver events: read them from the broker, batch and post them",
                                    .help = help,
                                    .run = run};
