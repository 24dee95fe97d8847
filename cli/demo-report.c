/*
 * What became of each event.
 */
#include "deadletters.h"
#include "demo.h"

static int print_json(const struct demo *demo, int64_t ms)
{
	json_t *all = account_json(demo->account);
	json_object_set_new(all, "complete", json_boolean(!demo->incomplete));
	json_object_set_new(all, "invalid", json_integer((json_int_t)demo->feed.invalid));
	json_object_set_new(all, "rejected", json_integer((json_int_t)demo->rejected));
	json_object_set_new(all, "posts", json_integer((json_int_t)demo->stats.posts));
	json_object_set_new(all, "posts_failed", json_integer((json_int_t)demo->stats.posts_failed));
	json_object_set_new(all, "seconds", json_real((double)ms / 1000));
	int failed = json_dumpf(all, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6)) != 0;
	json_decref(all);
	putchar('\n');
	return failed ? fail(EX_IOERR, "standard output cannot be written to") : 0;
}

static void print_people(const struct demo *demo, const struct account_counts *totals, int64_t ms)
{
	char posts[GROUPED_MAX], failed[GROUPED_MAX], rate[GROUPED_MAX];
	account_print(demo->account, stdout);
	fflush(stdout);
	tell("\n%s %s, %s not accepted; %.1f s, %s events/s", grouped(posts, demo->stats.posts), demo->stats.posts == 1 ? "post" : "posts",
	     grouped(failed, demo->stats.posts_failed), (double)ms / 1000,
	     grouped(rate, totals->emitted * 1000 / (uint64_t)(ms + !ms)));
}

int demo_report(struct demo *demo)
{
	struct account_counts totals;
	char                  number[GROUPED_MAX], topic[300];
	int64_t               ms = now_ms() - demo->started_ms;
	const char           *dead = evpipe_config_text(demo->config, NULL, "dead_letter.topic");

	snprintf(topic, sizeof topic, "%s.dead", evpipe_config_text(demo->config, NULL, "topic.name"));
	deadletters_count(demo->broker, dead && *dead ? dead : topic, demo->account);
	account_close(demo->account, !demo->incomplete);
	account_totals(demo->account, &totals);
	if (!totals.emitted && demo->input_code)
		return demo->input_code;
	int code = 0;
	if (demo->json)
		code = print_json(demo, ms);
	else
		print_people(demo, &totals, ms);
	if (account_strangers(demo->account))
		complain("%s events arrived that are not known by their ids: see --id-field",
		         grouped(number, account_strangers(demo->account)));
	if (totals.left)
		return fail(EX_TEMPFAIL, "stopped with %s events on their way", grouped(number, totals.left));
	if (totals.lost)
		return fail(EX_SOFTWARE, "%s events are lost", grouped(number, totals.lost));
	if (!code && demo->rejected)
		code = EX_DATAERR;
	return code ? code : demo->input_code;
}
