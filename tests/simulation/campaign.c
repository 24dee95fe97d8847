/*
 * Many seeds in several processes. One that crashes or hangs costs its seed alone, and is told of like a failed check.
 */
#include "simulate.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of the processor's time, for one seed: it has got stuck. Sanitizers are slow, and so is a machine that does other things. */
#define SEED_TIMEOUT_S 300

/* What the processes share. */
struct shared {
	_Atomic uint64_t next;     /* seed to be run */
	_Atomic uint64_t failures;
	_Atomic uint64_t seeds, events, faults, posts, delivered, doubled, dead, died, recovered, times, lateness, excused, orders, virtual_s;
	_Atomic uint64_t events_least, faults_least;
	uint64_t         running[64]; /* by process */
};

static void add(struct shared *shared, const struct run_result *result)
{
	shared->seeds++;
	shared->events += result->events;
	shared->faults += result->faults;
	shared->posts += result->posts;
	shared->delivered += result->delivered;
	shared->doubled += result->doubled;
	shared->dead += result->dead;
	shared->died += result->died;
	shared->recovered += result->recovered;
	shared->times += result->times_checked;
	shared->lateness += result->lateness_checked;
	shared->excused += result->excused;
	shared->orders += result->orders_checked;
	shared->virtual_s += (uint64_t)result->virtual_ms / 1000;
	if (result->events < shared->events_least)
		shared->events_least = result->events;
	if (result->faults < shared->faults_least)
		shared->faults_least = result->faults;
}

static void run_range(const struct campaign *campaign, struct shared *shared, unsigned which)
{
	static struct run_options options;
	const struct itimerval    limit = {.it_value.tv_sec = SEED_TIMEOUT_S};
	struct run_result         result;

	options.events_max = SIZE_MAX;
	while (shared->failures < campaign->failures_max && (options.seed = shared->next++) <= campaign->last) {
		shared->running[which] = options.seed;
		setitimer(ITIMER_PROF, &limit, NULL);
		run_seed(&options, &result);
		add(shared, &result);
		/* One write each: several processes print. */
		if (campaign->shows_hashes)
			printf("%" PRIu64 " %016" PRIx64 "\n", options.seed, result.hash);
		if (result.check) {
			shared->failures++;
			printf("seed %" PRIu64 " FAILED (%c) %s\n", options.seed, result.check, result.text);
			print_command(stdout, &options, result.faults_planned);
		}
		fflush(stdout);
	}
	shared->running[which] = 0;
}

static pid_t start(const struct campaign *campaign, struct shared *shared, unsigned which)
{
	fflush(stdout);
	pid_t pid = fork();
	if (pid < 0) {
		perror("simulate: fork");
		exit(71);
	}
	if (pid == 0) {
		run_range(campaign, shared, which);
		exit(0);
	}
	return pid;
}

/* It has ended: as it should, or in the middle of a seed, and then another one goes on behind that. */
static int ended(const struct campaign *campaign, struct shared *shared, unsigned which, int status, pid_t *pid)
{
	struct run_options options = {.seed = shared->running[which], .events_max = SIZE_MAX};
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 1;
	shared->failures++;
	if (WIFSIGNALED(status))
		printf("seed %" PRIu64 " FAILED: %s\n", options.seed, WTERMSIG(status) == SIGPROF ? "it hangs" : strsignal(WTERMSIG(status)));
	else
		printf("seed %" PRIu64 " FAILED: exit code %d\n", options.seed, WEXITSTATUS(status));
	print_command(stdout, &options, 0);
	*pid = start(campaign, shared, which);
	return 0;
}

static void report(const struct shared *shared)
{
	printf("%" PRIu64 " seeds, %" PRIu64 " failed. %" PRIu64 " events (at least %" PRIu64 "), %" PRIu64 " faults (at least %" PRIu64
	       "), %" PRIu64 " h of virtual time\n",
	       shared->seeds, shared->failures, shared->events, shared->events_least, shared->faults, shared->faults_least,
	       shared->virtual_s / 3600);
	printf("%" PRIu64 " posts, %" PRIu64 " delivered, %" PRIu64 " of them again, %" PRIu64 " dead-lettered, %" PRIu64
	       " died with their application, %" PRIu64 " found in journals of dead ones\n",
	       shared->posts, shared->delivered, shared->doubled, shared->dead, shared->died, shared->recovered);
	printf("checked: %" PRIu64 " retries, %" PRIu64 " of them for lateness (%" PRIu64 " were late, and excused), %" PRIu64
	       " events for order\n",
	       shared->times, shared->lateness, shared->excused, shared->orders);
}

uint64_t campaign_run(const struct campaign *campaign)
{
	unsigned       jobs = campaign->jobs < 1 ? 1 : campaign->jobs > 64 ? 64 : campaign->jobs;
	pid_t          pids[64];
	struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (shared == MAP_FAILED) {
		perror("simulate: mmap");
		exit(71);
	}
	shared->next = campaign->first;
	shared->events_least = shared->faults_least = UINT64_MAX;
	for (unsigned i = 0; i < jobs; i++)
		pids[i] = start(campaign, shared, i);
	for (unsigned i = 0; i < jobs; i++) {
		int status;
		do {
			if (waitpid(pids[i], &status, 0) != pids[i]) {
				perror("simulate: waitpid");
				exit(71);
			}
		} while (!ended(campaign, shared, i, status, &pids[i]));
	}
	report(shared);
	uint64_t failures = shared->failures;
	munmap(shared, sizeof *shared);
	return failures;
}
