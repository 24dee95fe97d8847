/*
 * Endpoint, workers and input, until every event has arrived somewhere.
 */
#include "demo.h"

/* ---- showing ---- */

uint64_t demo_dead_lettered(const evpipe_stats *stats)
{
	uint64_t dead = 0;
	for (int i = 0; i < EVPIPE_REASON_COUNT; i++)
		dead += stats->dead_lettered[i];
	return dead;
}

uint64_t demo_retried(const evpipe_stats *stats)
{
	uint64_t sum = 0;
	for (int i = 0; i < EVPIPE_TIERS_MAX; i++)
		sum += stats->retried[i];
	return sum;
}

uint64_t demo_show(struct demo *demo)
{
	struct account_counts totals;
	evpipe_stats          stats;
	char                  emitted[GROUPED_MAX], delivered[GROUPED_MAX], again[GROUPED_MAX], dead[GROUPED_MAX];

	account_totals(demo->account, &totals);
	runner_stats(demo->runner, &stats);
	progress("%5.1f s   emitted %s   delivered %s   retried %s   dead-lettered %s",
	         (double)(now_ms() - demo->started_ms) / 1000, grouped(emitted, totals.emitted),
	         grouped(delivered, totals.delivered), grouped(again, demo_retried(&stats)),
	         grouped(dead, demo_dead_lettered(&stats)));
	return totals.delivered + demo_dead_lettered(&stats);
}

static void show_feed(void *ctx, const struct feed *feed)
{
	(void)feed;
	demo_show(ctx);
}

/* ---- the endpoint ---- */

static void on_event(void *ctx, const char *destination, const struct received_event *event)
{
	struct demo *demo = ctx;
	account_delivered(demo->account, destination, event->id);
}

static void *run_receiver(void *arg)
{
	receiver_run(arg);
	return NULL;
}

static int start_receiver(struct demo *demo)
{
	char         url[128];
	evpipe_error error;

	demo->endpoint.address = "127.0.0.1";
	demo->endpoint.path = "/orgs/{destination}/events";
	demo->endpoint.on_event = on_event;
	demo->endpoint.ctx = demo;
	demo->endpoint.stop_fd = -1;
	int code = receiver_new(&demo->receiver, &demo->endpoint);
	if (code)
		return code;
	if (pthread_create(&demo->receiver_thread, NULL, run_receiver, demo->receiver) != 0)
		return fail(EX_SOFTWARE, "a thread for the endpoint could not be started");
	demo->receiver_runs = 1;
	snprintf(url, sizeof url, "http://127.0.0.1:%u%s", receiver_port(demo->receiver), demo->endpoint.path);
	evpipe_err err = evpipe_config_set(demo->config, "sink.url", url, &error);
	return err ? fail(exit_code_of(err), "%s", error.text) : 0;
}

/* ---- emitting ---- */

static void prepare(void *ctx, evpipe_event *event, uint64_t line)
{
	struct demo *demo = ctx;
	if (!event->id) {
		snprintf(demo->own_id, sizeof demo->own_id, "%llu", (unsigned long long)line);
		event->id = demo->own_id;
	}
	account_emitting(demo->account, event);
}

static void refused(void *ctx, const evpipe_event *event)
{
	struct demo *demo = ctx;
	account_withdraw(demo->account, event);
}

static void on_rejected(void *ctx, const evpipe_event *event, evpipe_err why, const char *text)
{
	struct demo *demo = ctx;
	demo->rejected++;
	account_withdraw(demo->account, event);
	complain("the broker will never take event %s of %s: %s", event->id, event->destination,
	         text && *text ? text : evpipe_strerror(why));
}

static int emit_all(struct demo *demo)
{
	struct feed *feed = &demo->feed;
	evpipe_error error;
	uint64_t     left = 0;
	evpipe_err   err = evpipe_producer_new(&feed->producer, demo->config, &error);
	if (err)
		return fail(exit_code_of(err), "%s", error.text);
	feed->prepare = prepare;
	feed->refused = refused;
	feed->show = show_feed;
	feed->ctx = demo;
	demo->input_code = demo->has_input ? feed_run(feed, demo->file) : demo_example_run(demo);
	if (evpipe_producer_close(feed->producer, (uint32_t)feed->timeout_ms, &left) == EVPIPE_ETIMEOUT) {
		evpipe_producer_error(feed->producer, &error);
		complain("%llu %s not get to the broker: %s", (unsigned long long)left, left == 1 ? "event did" : "events did",
		         error.code ? error.text : "no acknowledgement came in time; see --timeout");
		demo->incomplete = 1;
	}
	demo->incomplete |= feed->stopped | feed->gave_up;
	evpipe_producer_free(feed->producer);
	feed->producer = NULL;
	return 0;
}

/* ---- waiting ---- */

/* Of which anything grows while the pipeline gets on. */
static uint64_t moves(struct demo *demo)
{
	evpipe_stats stats;
	runner_stats(demo->runner, &stats);
	return stats.delivered + demo_retried(&stats) + demo_dead_lettered(&stats);
}

/* What still waits for a retry, or for its answer, is not lost. */
static void give_up(struct demo *demo)
{
	evpipe_stats stats;
	runner_stats(demo->runner, &stats);
	if (stats.lag + stats.in_flight == 0)
		return;
	complain("nothing has moved for %.1f s: see --timeout", (double)demo->feed.timeout_ms / 1000);
	demo->incomplete = 1;
}

/* Until each event was delivered or dead-lettered, or nothing moves any more. */
static void wait_for_all(struct demo *demo)
{
	struct account_counts totals;
	uint64_t              before = 0;
	int64_t               moved_ms = now_ms();

	account_totals(demo->account, &totals);
	while (!demo->incomplete && demo_show(demo) < totals.emitted && runner_alive(demo->runner)) {
		if (stop_wait(demo->feed.stop_fd, 20)) {
			complain("stopped by a signal");
			demo->incomplete = 1;
			stop_restore();
		}
		if (moves(demo) != before)
			moved_ms = now_ms();
		before = moves(demo);
		if (now_ms() - moved_ms > demo->feed.timeout_ms) {
			give_up(demo);
			return;
		}
	}
}

static int add_retries(void *ctx, const evpipe_destination_stats *stats)
{
	account_retried(ctx, stats->destination, stats->retried);
	return 0;
}

static void inspect(void *ctx, unsigned index, const evpipe_worker *worker, int last)
{
	struct demo *demo = ctx;
	(void)index;
	if (last)
		evpipe_worker_each_destination(worker, add_retries, demo->account);
}

/* ---- all of it ---- */

static int run_workers(struct demo *demo)
{
	struct runner_setup setup = {
		.config = demo->config,
		.workers = (unsigned)demo->workers,
		.inspect_ms = 1000,
		.inspect = inspect,
		.ctx = demo,
	};
	int code = runner_start(&demo->runner, &setup);
	if (code)
		return code;
	code = emit_all(demo);
	if (!code)
		wait_for_all(demo);
	progress_end();
	runner_stop(demo->runner);
	evpipe_err err = runner_join(demo->runner);
	runner_stats(demo->runner, &demo->stats);
	if (err && err != EVPIPE_ETIMEOUT) {
		char trouble[EVPIPE_ERROR_TEXT_MAX];
		runner_trouble(demo->runner, trouble, sizeof trouble);
		code = fail(exit_code_of(err), "the worker ended: %s", *trouble ? trouble : evpipe_strerror(err));
	}
	runner_free(demo->runner);
	demo->runner = NULL;
	return code;
}

int demo_run(struct demo *demo)
{
	evpipe_config_on_rejected(demo->config, on_rejected, demo);
	int code = start_receiver(demo);
	return code ? code : run_workers(demo);
}
