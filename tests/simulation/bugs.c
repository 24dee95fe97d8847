/*
 * Are the checks worth anything? Each has a deliberate bug, which it is to notice before so many seeds are through.
 */
#include "simulate.h"

#include <inttypes.h>
#include <string.h>

#include "bug.h"

#define SEEDS_MAX 1000

evpipe__bug_kind evpipe__bug_chosen;

static const struct {
	const char      *name;
	evpipe__bug_kind kind;
	char             check;
} bugs[] = {
	{"lose", EVPIPE__BUG_LOSE, 'a'},
	{"forget", EVPIPE__BUG_FORGET, 'a'},
	{"miscount", EVPIPE__BUG_MISCOUNT, 'b'},
	{"settle-early", EVPIPE__BUG_SETTLE_EARLY, 'c'},
	{"repeat", EVPIPE__BUG_REPEAT, 'd'},
	{"haste", EVPIPE__BUG_HASTE, 'e'},
	{"tardy", EVPIPE__BUG_TARDY, 'e'},
	{"impatience", EVPIPE__BUG_IMPATIENCE, 'f'},
	{"queue", EVPIPE__BUG_QUEUE, 'g'},
	{"greed", EVPIPE__BUG_GREED, 'h'},
	{"despair", EVPIPE__BUG_DESPAIR, 'i'},
	{"disorder", EVPIPE__BUG_DISORDER, 'j'},
	{"same-key", EVPIPE__BUG_SAME_KEY, 'k'},
};
#define BUGS_COUNT (sizeof bugs / sizeof *bugs)

int bug_choose(const char *name)
{
	for (size_t i = 0; i < BUGS_COUNT; i++)
		if (strcmp(bugs[i].name, name) == 0) {
			evpipe__bug_chosen = bugs[i].kind;
			return 1;
		}
	return 0;
}

void bugs_list(FILE *to)
{
	for (size_t i = 0; i < BUGS_COUNT; i++)
		fprintf(to, "%-14s is for check (%c) to notice\n", bugs[i].name, bugs[i].check);
}

/* What another check notices first ends its run, so a bug's own check has to look at more seeds. */
static int is_noticed(size_t which)
{
	static struct run_options options;
	struct run_result         result;

	options.events_max = SIZE_MAX;
	evpipe__bug_chosen = bugs[which].kind;
	for (options.seed = 1; options.seed <= SEEDS_MAX; options.seed++) {
		run_seed(&options, &result);
		if (result.check != bugs[which].check)
			continue;
		printf("%-14s seed %" PRIu64 ": (%c) %s\n", bugs[which].name, options.seed, result.check, result.text);
		return 1;
	}
	printf("%-14s NOT NOTICED by check (%c) in %d seeds\n", bugs[which].name, bugs[which].check, SEEDS_MAX);
	return 0;
}

int bugs_are_noticed(void)
{
	int all = 1;
	for (size_t i = 0; i < BUGS_COUNT; i++) {
		all &= is_noticed(i);
		fflush(stdout);
	}
	evpipe__bug_chosen = EVPIPE__BUG_NONE;
	return all;
}
