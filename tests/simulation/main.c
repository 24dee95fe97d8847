/*
 * simulate: run whole pipelines from seeds, and check what was promised.
 */
#include "simulate.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"simulate: run whole pipelines from seeds in virtual time, and check every promise\n"
	"\n"
	"  simulate --seeds 1-1000            each of them; exit code 1 if a check fails\n"
	"  simulate --seed 17 --trace         one of them, and who did what when\n"
	"  simulate --seed 17 --shrink        look for a smaller schedule that fails in the same way\n"
	"\n"
	"  --jobs N        so many processes (1)\n"
	"  --hashes        print the hash of each trace\n"
	"  --failures N    stop after so many failures (10)\n"
	"  --keep LIST     of the faults only these, such as 3,7-9; `none`: none\n"
	"  --events N      only the first so many events\n"
	"  --bug NAME      with a deliberate bug in the core; `list` lists them, `each` sees that each is noticed\n"
	"\n"
	"docs/simulation.md says more.\n";

static void fail_usage(const char *what)
{
	fprintf(stderr, "simulate: %s; see --help\n", what);
	exit(64);
}

static uint64_t number_of(const char *text, char end)
{
	char    *after;
	uint64_t number = strtoull(text, &after, 10);
	if (*text < '0' || *text > '9' || (*after && *after != end))
		fail_usage("that is not a number");
	return number;
}

static void read_keep(struct run_options *options, const char *list)
{
	memset(options->leaves_out, 1, sizeof options->leaves_out);
	if (strcmp(list, "none") == 0)
		return;
	for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
		char          *after;
		unsigned long  first = strtoul(at, &after, 10), last = *after == '-' ? strtoul(after + 1, &after, 10) : first;
		if (after == at || (*after && *after != ',') || last >= FAULTS_LIMIT)
			fail_usage("--keep takes a list such as 3,7-9");
		for (; first <= last; first++)
			options->leaves_out[first] = 0;
	}
}

static void print_result(const struct run_options *options, const struct run_result *result)
{
	printf("seed %" PRIu64 ": %" PRIu64 " events, %" PRIu64 " faults, %" PRIu64 " posts, %" PRId64 " s: %" PRIu64 " delivered, %" PRIu64
	       " of them again, %" PRIu64 " dead-lettered, %" PRIu64 " died; trace %016" PRIx64 "\n",
	       options->seed, result->events, result->faults, result->posts, result->virtual_ms / 1000, result->delivered,
	       result->doubled, result->dead, result->died, result->hash);
	printf("checked: %" PRIu64 " retries, %" PRIu64 " of them for lateness, %" PRIu64 " events for order\n", result->times_checked,
	       result->lateness_checked, result->orders_checked);
	if (!result->check)
		return;
	printf("FAILED (%c) %s\n", result->check, result->text);
	print_command(stdout, options, result->faults_planned);
}

static void choose_bug(const char *name)
{
	if (strcmp(name, "list") == 0) {
		bugs_list(stdout);
		exit(0);
	}
	if (strcmp(name, "each") == 0)
		exit(bugs_are_noticed() ? 0 : 1);
	if (!bug_choose(name))
		fail_usage("there is no such bug");
}

static int run_one(struct run_options *options, int shrinks)
{
	struct run_result result;
	run_seed(options, &result);
	print_result(options, &result);
	if (result.check && shrinks)
		shrink(options, &result);
	return result.check ? 1 : 0;
}

int main(int argc, char **argv)
{
	enum { SEED = 1, SEEDS, JOBS, TRACE, SHRINK, HASHES, FAILURES, KEEP, EVENTS, BUG, HELP };
	static const struct option known[] = {
		{"seed", required_argument, NULL, SEED},   {"seeds", required_argument, NULL, SEEDS},
		{"jobs", required_argument, NULL, JOBS},   {"trace", no_argument, NULL, TRACE},
		{"shrink", no_argument, NULL, SHRINK},     {"hashes", no_argument, NULL, HASHES},
		{"failures", required_argument, NULL, FAILURES}, {"keep", required_argument, NULL, KEEP},
		{"events", required_argument, NULL, EVENTS}, {"bug", required_argument, NULL, BUG},
		{"help", no_argument, NULL, HELP},         {0},
	};
	static struct run_options options = {.events_max = SIZE_MAX};
	struct campaign           campaign = {.first = 1, .last = 0, .jobs = 1, .failures_max = 10};
	int                       option, shrinks = 0, has_seed = 0;

	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (option) {
		case SEED:
			options.seed = number_of(optarg, '\0');
			has_seed = 1;
			break;
		case SEEDS:
			campaign.first = campaign.last = number_of(optarg, '-');
			if (strchr(optarg, '-'))
				campaign.last = number_of(strchr(optarg, '-') + 1, '\0');
			break;
		case JOBS:
			campaign.jobs = (unsigned)number_of(optarg, '\0');
			break;
		case TRACE:
			options.trace = stdout;
			break;
		case SHRINK:
			shrinks = 1;
			break;
		case HASHES:
			campaign.shows_hashes = 1;
			break;
		case FAILURES:
			campaign.failures_max = (unsigned)number_of(optarg, '\0');
			break;
		case KEEP:
			read_keep(&options, optarg);
			break;
		case EVENTS:
			options.events_max = number_of(optarg, '\0');
			break;
		case BUG:
			choose_bug(optarg);
			break;
		case HELP:
			fputs(usage, stdout);
			return 0;
		default:
			fail_usage("no such option");
		}
	}
	if (optind < argc)
		fail_usage("it takes options only");
	if (has_seed)
		return run_one(&options, shrinks);
	if (campaign.last < campaign.first)
		fail_usage("which seeds?");
	return campaign_run(&campaign) ? 1 : 0;
}
