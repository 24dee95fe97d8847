/*
 * emit.c: what handing over an event costs the thread that does it, call by call.
 *
 *   emit TARGET [--threads 1] [--rate 0] [--seconds 5] [--size 350] [--burst 100000] [--broker HOST:PORT] [--topic NAME]
 *               [--journal-size BITS] [--set NAME=VALUE]... [--paused] [--stop PID]
 *
 * TARGET is copy, ring, rdkafka or evpipe. With --rate, all threads together emit that many events a second, each thread its share every
 * millisecond. Without, they emit at full speed, in bursts that fit into the buffer between them and whoever carries
 * the events on, which is emptied after each burst: so it is the call that is measured and not the carrier. --burst 0
 * leaves out the emptying: what doesn't fit is refused and counted. --set is for evpipe; with --paused its broker takes nothing
 * meanwhile, and the journal has to be large enough. With --stop, which needs --rate, that process, the broker, is stopped after a
 * third of the time and goes on after two; the calls of each third are told apart. Prints one JSON object; the timer's own cost is
 * taken off.
 */
#include "emit.h"

#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common.h"
#include "histogram.h"
#include "timer.h"

#define SAMPLES 256 /* a power of two; few enough to stay in the second-level cache, as what was just made would be */
#define THREADS_MAX 64
#define TICK_NS UINT64_C(1000000)
#define UNPACED_BURST 10000
#define THIRDS 3

struct worker {
	pthread_t        id;
	unsigned         number;
	unsigned         third; /* with --stop; else 0 */
	struct histogram accepted[THIRDS], refused[THIRDS];
	uint64_t         busy_ns; /* inside bursts */
};

static const struct target *target;
static struct sample        samples[SAMPLES];
static unsigned             threads = 1;
static uint64_t             rate, seconds = 5, burst = 100000, end_ns;
static pid_t                stop_pid; /* 0: nobody is stopped */
static pthread_barrier_t    barrier;
static int                  finished; /* written between two barriers */

static void make_samples(size_t size)
{
	static const char text[] = "the tool returned three matches with a confidence below the limit ";
	for (unsigned i = 0; i < SAMPLES; i++) {
		struct sample *sample = &samples[i];
		snprintf(sample->destination, sizeof sample->destination, "org-%04u", i % 100);
		sample->key_len = (size_t)snprintf(sample->key, sizeof sample->key, "s-%010x", i * 2654435761u);
		sample->data_len = size;
		sample->data = malloc(size + 64);
		if (!sample->data)
			die("out of memory");
		size_t len = (size_t)snprintf(sample->data, size, "{\"session_id\":\"%s\",\"seq\":%u,\"text\":\"", sample->key, i);
		while (len < size)
			sample->data[len] = text[(len + i) % (sizeof text - 1)], len++;
		memcpy(sample->data + size - 2, "\"}", 2);
	}
}

static void emit_many(struct worker *worker, uint64_t *next, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		const struct sample *sample = &samples[(*next)++ % SAMPLES];
		uint64_t             start = timer_start();
		int                  refused = target->emit(sample);
		uint64_t             ticks = timer_stop() - start;
		histogram_add(refused ? &worker->refused[worker->third] : &worker->accepted[worker->third], ticks);
	}
}

static void sleep_until(uint64_t ns)
{
	struct timespec until = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
		;
}

/* The first thread does what is due when the next third begins. */
static void enter_third(struct worker *worker, uint64_t since_start_ns)
{
	unsigned third = (unsigned)(since_start_ns * THIRDS / (seconds * UINT64_C(1000000000)));
	if (!stop_pid || third == worker->third || third >= THIRDS)
		return;
	worker->third = third;
	if (worker->number == 0 && kill(stop_pid, third == 1 ? SIGSTOP : SIGCONT) != 0)
		die("--stop %d: there is no such process", (int)stop_pid);
}

/* Its share each millisecond; the rest of a division goes along to the next one. */
static void run_paced(struct worker *worker)
{
	uint64_t start_ns = now_ns(), next = worker->number * 31, emitted = 0;
	for (uint64_t tick_ns = start_ns; tick_ns < end_ns; tick_ns += TICK_NS) {
		uint64_t due = (tick_ns - start_ns + TICK_NS) / 1000 * rate / threads / 1000000;
		sleep_until(tick_ns);
		enter_third(worker, tick_ns - start_ns);
		emit_many(worker, &next, due - emitted);
		emitted = due;
	}
	worker->busy_ns = now_ns() - start_ns;
}

static void run_bursts(struct worker *worker)
{
	uint64_t next = worker->number * 31;
	for (;;) {
		pthread_barrier_wait(&barrier);
		if (finished)
			return;
		uint64_t start_ns = now_ns();
		emit_many(worker, &next, burst / threads);
		worker->busy_ns += now_ns() - start_ns;
		pthread_barrier_wait(&barrier);
		if (worker->number == 0) {
			target->drain();
			finished = now_ns() >= end_ns;
		}
	}
}

static void run_sustained(struct worker *worker)
{
	uint64_t start_ns = now_ns(), next = worker->number * 31;
	while (now_ns() < end_ns)
		emit_many(worker, &next, UNPACED_BURST);
	worker->busy_ns = now_ns() - start_ns;
}

static void *run_worker(void *arg)
{
	struct worker *worker = arg;
	if (rate)
		run_paced(worker);
	else if (burst)
		run_bursts(worker);
	else
		run_sustained(worker);
	return NULL;
}

/* From the half of all calls to all but one in 100,000, in steps of a quarter of a decade. */
static void print_curve(const struct timer *timer, const struct histogram *calls)
{
	printf(",\"curve_ns\":[");
	for (int step = 1; step <= 20; step++) {
		double rest = step == 1 ? 0.5 : pow(10, -step / 4.0);
		printf("%s[%.6f,%.1f]", step == 1 ? "" : ",", 1 - rest, timer_ns(timer, histogram_quantile(calls, 1 - rest)));
	}
	printf("]");
}

static void print_calls(const char *name, const struct timer *timer, const struct histogram *calls)
{
	printf(",\"%s\":{\"count\":%" PRIu64 ",\"p50_ns\":%.1f,\"p99_ns\":%.1f,\"p999_ns\":%.1f,\"max_ns\":%.0f}", name, calls->count,
	       timer_ns(timer, histogram_quantile(calls, 0.5)), timer_ns(timer, histogram_quantile(calls, 0.99)),
	       timer_ns(timer, histogram_quantile(calls, 0.999)), timer_ns(timer, (double)calls->max));
}

static void run_all(const struct timer *timer)
{
	static struct worker    workers[THREADS_MAX];
	static struct histogram accepted, refused, thirds[THIRDS], thirds_refused[THIRDS];
	uint64_t                busy_ns = 0;

	pthread_barrier_init(&barrier, NULL, threads);
	end_ns = now_ns() + seconds * UINT64_C(1000000000);
	for (unsigned i = 0; i < threads; i++) {
		workers[i].number = i;
		if (pthread_create(&workers[i].id, NULL, run_worker, &workers[i]) != 0)
			die("no thread could be started");
	}
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(workers[i].id, NULL);
		for (int third = 0; third < THIRDS; third++) {
			histogram_merge(&thirds[third], &workers[i].accepted[third]);
			histogram_merge(&thirds_refused[third], &workers[i].refused[third]);
		}
		busy_ns += workers[i].busy_ns;
	}
	for (int third = 0; third < THIRDS; third++) {
		histogram_merge(&accepted, &thirds[third]);
		histogram_merge(&refused, &thirds_refused[third]);
	}
	printf("{\"target\":\"%s\",\"threads\":%u,\"rate\":%" PRIu64 ",\"accepted_per_s\":%.0f,\"timer_ns\":%.1f", target->name, threads,
	       rate, (double)accepted.count / ((double)busy_ns / threads / 1e9), (double)timer->cost_ticks * timer->ns_per_tick);
	print_calls("accepted", timer, &accepted);
	print_calls("refused", timer, &refused);
	for (int third = 0; stop_pid && third < THIRDS; third++) {
		static const char *const names[THIRDS][2] = {{"before", "before_refused"}, {"stopped", "stopped_refused"}, {"after", "after_refused"}};
		print_calls(names[third][0], timer, &thirds[third]);
		print_calls(names[third][1], timer, &thirds_refused[third]);
	}
	print_curve(timer, &accepted);
	printf("}\n");
}

static const struct target *find_target(const char *name)
{
	static const struct target *const targets[] = {&target_copy, &target_ring, &target_rdkafka, &target_evpipe};
	for (size_t i = 0; name && i < sizeof targets / sizeof *targets; i++)
		if (strcmp(targets[i]->name, name) == 0)
			return targets[i];
	fprintf(stderr, "emit: what is to be measured? copy, ring, rdkafka or evpipe\n");
	exit(64);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"threads", required_argument, NULL, 't'},
	                                        {"rate", required_argument, NULL, 'r'},
	                                        {"seconds", required_argument, NULL, 's'},
	                                        {"size", required_argument, NULL, 'z'},
	                                        {"burst", required_argument, NULL, 'u'},
	                                        {"journal-size", required_argument, NULL, 'j'},
	                                        {"broker", required_argument, NULL, 'b'},
	                                        {"topic", required_argument, NULL, 'n'},
	                                        {"set", required_argument, NULL, 'e'},
	                                        {"paused", no_argument, NULL, 'p'},
	                                        {"stop", required_argument, NULL, 'o'},
	                                        {NULL, 0, NULL, 0}};
	struct emit_options to = {.topic = "bench-emit", .journal_size = 64 * 1024 * 1024};
	size_t              size = 350;
	int                 option;

	to.settings = calloc((size_t)argc, sizeof *to.settings);
	if (!to.settings)
		die("out of memory");

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 't':
			threads = (unsigned)number_of("threads", optarg, 1, THREADS_MAX);
			break;
		case 'r':
			rate = (uint64_t)number_of("rate", optarg, 0, 100000000);
			break;
		case 's':
			seconds = (uint64_t)number_of("seconds", optarg, 1, 600);
			break;
		case 'z':
			size = (size_t)number_of("size", optarg, 100, 65536);
			break;
		case 'u':
			burst = (uint64_t)number_of("burst", optarg, 0, 10000000);
			break;
		case 'j':
			to.journal_size = (size_t)1 << number_of("journal-size", optarg, 22, 34);
			break;
		case 'b':
			to.broker = optarg;
			break;
		case 'n':
			to.topic = optarg;
			break;
		case 'e':
			to.settings[to.settings_count++] = optarg;
			break;
		case 'p':
			to.paused = 1;
			break;
		case 'o':
			stop_pid = (pid_t)number_of("stop", optarg, 2, INT32_MAX);
			break;
		default:
			return 64;
		}
	}
	target = find_target(argv[optind]);
	if (stop_pid && !rate)
		die("--stop needs --rate");
	make_samples(size);
	struct timer timer = timer_calibrate();
	target->open(&to);
	run_all(&timer);
	target->close();
	for (unsigned i = 0; i < SAMPLES; i++)
		free(samples[i].data);
	free(to.settings);
	return 0;
}
