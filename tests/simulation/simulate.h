/*
 * simulate.h: one seed, run and judged; and what is done with many.
 */
#ifndef SIMULATION_SIMULATE_H
#define SIMULATION_SIMULATE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define FAULTS_LIMIT 512

struct run_options {
	uint64_t      seed;
	size_t        events_max;          /* of the plan's emissions; SIZE_MAX: all */
	unsigned char leaves_out[FAULTS_LIMIT]; /* by number: these faults don't happen */
	FILE         *trace;               /* NULL: none */
	uint64_t      variant;             /* the same seed with other turns and other delays of answers; 0: as it is */
};

struct run_result {
	char     check;  /* which one failed; 0: none */
	char     text[400];
	uint64_t hash;   /* of the trace */
	uint64_t events, faults, delivered, dead, died, recovered, doubled, posts, steps;
	uint64_t times_checked, lateness_checked, excused, orders_checked;
	int64_t  virtual_ms;
	int64_t  others_p99_ms; /* delay of events to all destinations but the first */
	int64_t  others_slack_ms; /* one linger and one post */
	size_t   faults_planned;
};

/* Run a seed and check everything that one run shows. */
void run_once(const struct run_options *options, struct run_result *result);

/* Also what only two runs show: the others' delay without the failing destination. */
void run_seed(const struct run_options *options, struct run_result *result);

/* campaign.c: seeds from first to last, in several processes. Returns how many failed. */
struct campaign {
	uint64_t first, last;
	unsigned jobs;
	int      shows_hashes;
	unsigned failures_max;
};
uint64_t campaign_run(const struct campaign *campaign);

/* shrink.c: leave out faults and events as long as the same check fails. */
void shrink(struct run_options *options, const struct run_result *failed);

/* bugs.c: with a deliberate bug in the core from now on; false if there is no such. */
int  bug_choose(const char *name);
void bugs_list(FILE *to);
/* Each is noticed by its check. */
int bugs_are_noticed(void);

/* The command that runs it again, with a trace. */
void print_command(FILE *to, const struct run_options *options, size_t faults_planned);

#endif
