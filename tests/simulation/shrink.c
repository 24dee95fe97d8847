/*
 * A smaller schedule that fails in the same way: faults are left out in halves, quarters and so on as long as the same
 * check fails (delta debugging, Zeller and Hildebrandt 2002), then events from the end.
 */
#include "simulate.h"

#include <inttypes.h>
#include <string.h>

static int still_fails(const struct run_options *options, char check)
{
	struct run_result result;
	run_seed(options, &result);
	return result.check == check;
}

static size_t count_kept(const struct run_options *options, size_t planned)
{
	size_t kept = 0;
	for (size_t i = 0; i < planned; i++)
		kept += !options->leaves_out[i];
	return kept;
}

/* Leave out the faults of that are kept from the n-th on, `count` of them. */
static void leave_out(struct run_options *options, size_t planned, size_t from, size_t count)
{
	size_t at = 0;
	for (size_t i = 0; i < planned; i++) {
		if (options->leaves_out[i])
			continue;
		options->leaves_out[i] = at >= from && at < from + count;
		at++;
	}
}

static void shrink_faults(struct run_options *options, size_t planned, char check)
{
	size_t size = count_kept(options, planned);
	while (size) {
		int any = 0;
		for (size_t from = 0; from < count_kept(options, planned);) {
			struct run_options fewer = *options;
			leave_out(&fewer, planned, from, size);
			if (still_fails(&fewer, check)) {
				*options = fewer;
				any = 1;
			} else {
				from += size;
			}
		}
		size = any && size == 1 ? 1 : size / 2;
	}
}

static void shrink_events(struct run_options *options, size_t events, char check)
{
	size_t least = 0, most = events < options->events_max ? events : options->events_max;
	/* Not every prefix fails that is longer than one that does: what is found is small, not smallest. */
	while (most - least > 1) {
		struct run_options fewer = *options;
		fewer.events_max = least + (most - least) / 2;
		if (still_fails(&fewer, check))
			most = options->events_max = fewer.events_max;
		else
			least = fewer.events_max;
	}
}

void shrink(struct run_options *options, const struct run_result *failed)
{
	FILE *trace = options->trace;
	options->trace = NULL;
	shrink_faults(options, failed->faults_planned, failed->check);
	shrink_events(options, 100000, failed->check);
	shrink_faults(options, failed->faults_planned, failed->check);
	printf("shrunk to %zu faults of %zu; it fails in the same way:\n", count_kept(options, failed->faults_planned),
	       failed->faults_planned);
	print_command(stdout, options, failed->faults_planned);
	options->trace = trace;
}

void print_command(FILE *to, const struct run_options *options, size_t planned)
{
	fprintf(to, "    tests/simulation/simulate --seed %" PRIu64, options->seed);
	if (options->events_max != SIZE_MAX)
		fprintf(to, " --events %zu", options->events_max);
	if (count_kept(options, planned) < planned) {
		const char *before = " --keep ";
		for (size_t i = 0; i < planned; i++)
			if (!options->leaves_out[i]) {
				fprintf(to, "%s%zu", before, i);
				before = ",";
			}
		if (*before == ' ')
			fputs(" --keep none", to);
	}
	fputs(" --trace\n", to);
}
