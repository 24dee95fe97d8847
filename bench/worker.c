/*
 * worker.c: what a worker itself costs for each event: everything between a transport that has all records ready and a sink that takes
 * every batch and answers a little later. No broker, no HTTP, one thread.
 *
 *   worker [--events 200000] [--rounds 10] [--destinations 1] [--in-flight 16] [--set name=value]...
 *
 * Prints one JSON object: nanoseconds of CPU time for an event, of the quickest round and at the median.
 */
#include <evpipe-sink.h>
#include <evpipe-transport.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common.h"

#define PARTITIONS 8
#define KEYS 50
#define PAYLOAD 350
#define PAYLOADS 1024
#define ROUNDS_MAX 1000
#define ANSWERS_MAX 1024

static long events = 200000, rounds = 10, destinations = 1, in_flight = 16;

/* ---- the transport: records from memory, round and round the partitions ---- */

static char *payloads;
static struct {
	long     handed_out, settled;
	int      told, closed;
	int64_t  offsets[PARTITIONS];
	/* Of the record that is borrowed. */
	char          header[80];
	char          key[24];
	evpipe_header headers[1];
} source;

static evpipe_err source_open(void **self, const evpipe_transport_setup *setup, evpipe_error *error)
{
	(void)setup;
	(void)error;
	*self = &source;
	return EVPIPE_OK;
}

static void source_close(void *self, uint32_t timeout_ms)
{
	(void)self;
	(void)timeout_ms;
	source.closed = 1;
}

static void source_free(void *self)
{
	(void)self;
}

static evpipe_err source_send(void *self, const evpipe_record *record, uint64_t token)
{
	(void)self;
	(void)record;
	(void)token;
	return EVPIPE_EAGAIN;
}

static void source_flush(void *self)
{
	(void)self;
}

static size_t source_record_max(void *self)
{
	(void)self;
	return SIZE_MAX;
}

static evpipe_err source_subscribe(void *self, const evpipe_subscription *subscription)
{
	(void)self;
	(void)subscription;
	return EVPIPE_OK;
}

static evpipe_err source_settle(void *self, evpipe_assignment assignment, int64_t offset)
{
	(void)self;
	(void)assignment;
	(void)offset;
	source.settled++;
	return EVPIPE_OK;
}

static void source_partition(void *self, evpipe_assignment assignment)
{
	(void)self;
	(void)assignment;
}

static void make_record(evpipe_transport_event *event)
{
	long     number = source.handed_out++;
	unsigned partition = (unsigned)number % PARTITIONS;
	long     destination = number * 2654435761L / 64 % destinations;
	int      header_len = snprintf(source.header, sizeof source.header, "1 destination=org-%04ld id=%012ld", destination, number);
	int      key_len = snprintf(source.key, sizeof source.key, "s-%04ld-%05ld", destination, number * 40503 % KEYS);

	source.headers[0] = (evpipe_header){"evpipe", source.header, (size_t)header_len};
	*event = (evpipe_transport_event){.type = EVPIPE_TRANSPORT_RECORD,
	                                  .assignment = {.slot = partition, .epoch = 1},
	                                  .record = {.topic = "evpipe.events",
	                                             .partition = (int32_t)partition,
	                                             .key = source.key,
	                                             .key_len = (size_t)key_len,
	                                             .value = payloads + (size_t)(number % PAYLOADS) * PAYLOAD,
	                                             .value_len = PAYLOAD,
	                                             .headers = source.headers,
	                                             .headers_count = 1,
	                                             .timestamp_ms = 1767225600000,
	                                             .offset = source.offsets[partition]++}};
}

static evpipe_err source_poll(void *self, unsigned flags, evpipe_transport_event *event)
{
	(void)self;
	if (source.closed)
		return EVPIPE_ECLOSED;
	if (source.told < PARTITIONS) {
		*event = (evpipe_transport_event){.type = EVPIPE_TRANSPORT_ASSIGNED,
		                                  .assignment = {.slot = (uint32_t)source.told, .epoch = 1},
		                                  .topic = "evpipe.events",
		                                  .partition = source.told};
		source.told++;
		return EVPIPE_OK;
	}
	if ((flags & EVPIPE_POLL_NO_RECORDS) || source.handed_out == events)
		return EVPIPE_EAGAIN;
	make_record(event);
	return EVPIPE_OK;
}

static int64_t source_next_due(void *self)
{
	(void)self;
	return INT64_MAX;
}

static size_t source_memory(void *self)
{
	(void)self;
	return 0;
}

static evpipe_err source_ensure_topic(void *self, const evpipe_topic_spec *spec)
{
	(void)self;
	(void)spec;
	return EVPIPE_ENOTSUP;
}

static const evpipe_transport_ops source_ops = {.size = sizeof source_ops,
                                                .name = "source",
                                                .features = EVPIPE_FEATURE_OFFSETS | EVPIPE_FEATURE_ORDERED | EVPIPE_FEATURE_HEADERS,
                                                .open = source_open,
                                                .close = source_close,
                                                .free = source_free,
                                                .send = source_send,
                                                .flush = source_flush,
                                                .record_max = source_record_max,
                                                .subscribe = source_subscribe,
                                                .settle = source_settle,
                                                .hold = source_partition,
                                                .release = source_partition,
                                                .relinquish = source_partition,
                                                .poll = source_poll,
                                                .next_due = source_next_due,
                                                .memory = source_memory,
                                                .ensure_topic = source_ensure_topic};

/* ---- the sink: a batch is answered in the round after the one it was submitted in ---- */

static evpipe_batch *out[ANSWERS_MAX];
static long          submitted, answered, to_answer, answered_events;

static evpipe_err drop_submit(void *self, evpipe_batch *batch)
{
	(void)self;
	out[submitted++ % ANSWERS_MAX] = batch;
	return EVPIPE_OK;
}

static evpipe_err drop_poll(void *self, evpipe_answer *answer)
{
	(void)self;
	if (answered == to_answer) {
		to_answer = submitted;
		return EVPIPE_EAGAIN;
	}
	evpipe_batch *batch = out[answered++ % ANSWERS_MAX];
	answered_events += (long)batch->count;
	*answer = (evpipe_answer){.batch = batch, .verdict = EVPIPE_VERDICT_DELIVERED, .status = 200};
	return EVPIPE_OK;
}

static int64_t drop_next_due(void *self)
{
	(void)self;
	return submitted == answered ? INT64_MAX : 0;
}

static void drop_free(void *self)
{
	(void)self;
}

static const evpipe_sink_ops drop_ops = {
	.size = sizeof drop_ops, .name = "drop", .submit = drop_submit, .poll = drop_poll, .next_due = drop_next_due, .free = drop_free};

/* ---- rounds ---- */

static double thread_cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double run_round(const evpipe_config *config)
{
	evpipe_error   error;
	evpipe_sink   *sink;
	evpipe_worker *worker;

	memset(&source, 0, sizeof source);
	submitted = answered = to_answer = answered_events = 0;
	if (evpipe_sink_new(&sink, &drop_ops, &source, &error) || evpipe_worker_new(&worker, config, sink, &error))
		die("%s", error.text);
	double start_ns = thread_cpu_ns();
	while (answered_events < events && !stopping) {
		evpipe_err err = evpipe_worker_step(worker, 10);
		if (err && err != EVPIPE_EAGAIN)
			die("evpipe_worker_step: %s", evpipe_worker_error(worker));
	}
	double ns = thread_cpu_ns() - start_ns;
	if (source.settled != events)
		die("%ld of %ld records were settled", source.settled, events);
	evpipe_worker_free(worker);
	evpipe_sink_free(sink);
	return ns / (double)events;
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;
	return (left > right) - (left < right);
}

static void set_pair(evpipe_config *config, const char *pair)
{
	char         name[128];
	evpipe_error error;
	const char  *equals = strchr(pair, '=');
	if (!equals || (size_t)(equals - pair) >= sizeof name)
		die("--set %s: give name=value", pair);
	memcpy(name, pair, (size_t)(equals - pair));
	name[equals - pair] = '\0';
	if (evpipe_config_set(config, name, equals + 1, &error))
		die("%s", error.text);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"events", required_argument, NULL, 'e'},
	                                        {"rounds", required_argument, NULL, 'r'},
	                                        {"destinations", required_argument, NULL, 'd'},
	                                        {"in-flight", required_argument, NULL, 'i'},
	                                        {"set", required_argument, NULL, 'x'},
	                                        {NULL, 0, NULL, 0}};
	static double  costs[ROUNDS_MAX];
	evpipe_config *config;
	evpipe_error   error;
	char           text[32];
	int            option;

	if (evpipe_config_new(&config))
		die("out of memory");
	if (evpipe_config_use_transport(config, &source_ops, NULL, &error))
		die("%s", error.text);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'e':
			events = number_of("events", optarg, 1, 100000000);
			break;
		case 'r':
			rounds = number_of("rounds", optarg, 1, ROUNDS_MAX);
			break;
		case 'd':
			destinations = number_of("destinations", optarg, 1, 10000);
			break;
		case 'i':
			in_flight = number_of("in-flight", optarg, 1, ANSWERS_MAX);
			break;
		case 'x':
			set_pair(config, optarg);
			break;
		default:
			return 64;
		}
	}
	snprintf(text, sizeof text, "%ld", in_flight);
	if (evpipe_config_set(config, "sink.in_flight_max", text, &error) ||
	    evpipe_config_set(config, "sink.in_flight_per_destination_max", text, &error))
		die("%s", error.text);
	payloads = malloc((size_t)PAYLOADS * PAYLOAD);
	if (!payloads)
		die("out of memory");
	memset(payloads, 'x', (size_t)PAYLOADS * PAYLOAD);
	catch_signals();
	for (long i = 0; i < rounds; i++)
		costs[i] = run_round(config);
	qsort(costs, (size_t)rounds, sizeof *costs, compare);
	printf("{\"events\":%ld,\"destinations\":%ld,\"min_ns\":%.0f,\"p50_ns\":%.0f}\n", events, destinations, costs[0],
	       costs[rounds / 2]);
	free(payloads);
	evpipe_config_free(config);
	return 0;
}
