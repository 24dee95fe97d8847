/*
 * latency.c: emits events at a fixed rate into a Kafka topic; each carries the time of its emission, by which the
 * receiver tells how long it took until its post had arrived.
 *
 *   latency evpipe|rdkafka --broker HOST:PORT --topic NAME [--rate 10000] [--seconds 10] [--warm-up 3] [--linger-ms 5]
 *           [--worker URL] [--set name=value]...
 *
 * The producer is libevpipe's, or librdkafka's as it is. --worker (with evpipe): the worker that posts to URL runs in a thread of
 * this process. --set: properties of libevpipe. Prints one JSON object when all is acknowledged.
 */
#include <evpipe.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "common.h"

#define SESSIONS 1000
#define TICK_NS UINT64_C(1000000)
#define EVENT_SIZE 350
#define CLOSE_TIMEOUT_MS 30000

static const char *broker, *topic, *worker_url;
static long        rate = 10000, seconds = 10, warm_up = 3, linger_ms = 5;
static unsigned long refused;

/* ---- the two producers ---- */

static evpipe_config   *config;
static evpipe_producer *producer;
static evpipe_worker   *worker;
static pthread_t        worker_thread;
static rd_kafka_t      *client;

static void set(const char *name, const char *value)
{
	evpipe_error error;
	if (evpipe_config_set(config, name, value, &error))
		die("%s", error.text);
}

static void set_pair(const char *pair)
{
	char        name[128];
	const char *equals = strchr(pair, '=');
	if (!equals || (size_t)(equals - pair) >= sizeof name)
		die("--set %s: give name=value", pair);
	memcpy(name, pair, (size_t)(equals - pair));
	name[equals - pair] = '\0';
	set(name, equals + 1);
}

static void *run_worker(void *arg)
{
	(void)arg;
	evpipe_worker_run(worker);
	return NULL;
}

static void open_evpipe(void)
{
	char         url[256], linger[32];
	evpipe_error error;

	snprintf(url, sizeof url, "kafka://%s", broker);
	snprintf(linger, sizeof linger, "%ld", linger_ms);
	set("transport.url", url);
	set("topic.name", topic);
	set("kafka.producer.linger.ms", linger);
	if (worker_url)
		set("sink.url", worker_url);
	if (evpipe_producer_new(&producer, config, &error))
		die("%s", error.text);
	if (!worker_url)
		return;
	if (evpipe_worker_new(&worker, config, NULL, &error))
		die("%s", error.text);
	if (pthread_create(&worker_thread, NULL, run_worker, NULL) != 0)
		die("no thread could be started");
}

static int emit_evpipe(const char *key, const char *data)
{
	evpipe_event event = EVPIPE_EVENT_INIT;
	event.destination = "all";
	event.key = key;
	event.key_len = strlen(key);
	event.data = data;
	event.data_len = EVENT_SIZE;
	return evpipe_emit(producer, &event) != EVPIPE_OK;
}

static uint64_t close_evpipe(void)
{
	uint64_t left = 0;
	evpipe_producer_close(producer, CLOSE_TIMEOUT_MS, &left);
	evpipe_producer_free(producer);
	return left;
}

static void open_rdkafka(void)
{
	char             linger[32];
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	snprintf(linger, sizeof linger, "%ld", linger_ms);
	conf_set(conf, "bootstrap.servers", broker);
	conf_set(conf, "linger.ms", linger);
	conf_set(conf, "enable.idempotence", "true");
	conf_set(conf, "compression.codec", "lz4");
	conf_set(conf, "partitioner", "murmur2_random");
	client = client_new(RD_KAFKA_PRODUCER, conf);
}

static int emit_rdkafka(const char *key, const char *data)
{
	return rd_kafka_producev(client, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_KEY((void *)(uintptr_t)key, strlen(key)),
	                         RD_KAFKA_V_VALUE((void *)(uintptr_t)data, EVENT_SIZE),
	                         RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

static uint64_t close_rdkafka(void)
{
	rd_kafka_flush(client, CLOSE_TIMEOUT_MS);
	uint64_t left = (uint64_t)rd_kafka_outq_len(client);
	rd_kafka_destroy(client);
	return left;
}

static const struct kind {
	const char *name;
	void (*open)(void);
	int (*emit)(const char *key, const char *data);
	uint64_t (*close)(void);
} kinds[] = {{"evpipe", open_evpipe, emit_evpipe, close_evpipe}, {"rdkafka", open_rdkafka, emit_rdkafka, close_rdkafka}};

/* ---- the events ---- */

static void emit_event(const struct kind *kind, uint64_t number, int measured)
{
	char key[32], data[EVENT_SIZE + 1];
	snprintf(key, sizeof key, "s-%010" PRIx64, number % SESSIONS * 1000003);
	int len = snprintf(data, sizeof data, "{\"id\":\"%012" PRIu64 "\",\"sent_ns\":%" PRIu64 ",\"session_id\":\"%s\",\"text\":\"", number,
	                   measured ? now_ns() : 0, key);
	memset(data + len, 'x', (size_t)(EVENT_SIZE - 2 - len));
	memcpy(data + EVENT_SIZE - 2, "\"}", 3);
	refused += (unsigned long)kind->emit(key, data);
}

static uint64_t emit_all(const struct kind *kind)
{
	uint64_t start_ns = now_ns(), number = 0, ticks = (uint64_t)(warm_up + seconds) * 1000;
	for (uint64_t tick = 1; tick <= ticks && !stopping; tick++) {
		uint64_t        tick_ns = start_ns + tick * TICK_NS;
		struct timespec until = {.tv_sec = (time_t)(tick_ns / 1000000000), .tv_nsec = (long)(tick_ns % 1000000000)};
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		while (number < tick * (uint64_t)rate / 1000)
			emit_event(kind, number++, tick > (uint64_t)warm_up * 1000);
		if (client)
			rd_kafka_poll(client, 0);
	}
	return number;
}

static const struct kind *find_kind(const char *name)
{
	for (size_t i = 0; name && i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	fprintf(stderr, "latency: which producer? evpipe or rdkafka\n");
	exit(64);
}

/* With a worker, whoever started us stops us when all has arrived. */
static void stop_worker(void)
{
	struct timespec nap = {.tv_nsec = 50000000};
	if (!worker)
		return;
	while (!stopping)
		nanosleep(&nap, NULL);
	evpipe_worker_stop(worker);
	pthread_join(worker_thread, NULL);
	evpipe_worker_free(worker);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"broker", required_argument, NULL, 'b'},
	                                        {"topic", required_argument, NULL, 't'},
	                                        {"rate", required_argument, NULL, 'r'},
	                                        {"seconds", required_argument, NULL, 's'},
	                                        {"warm-up", required_argument, NULL, 'w'},
	                                        {"linger-ms", required_argument, NULL, 'l'},
	                                        {"worker", required_argument, NULL, 'u'},
	                                        {"set", required_argument, NULL, 'x'},
	                                        {NULL, 0, NULL, 0}};
	int option;

	if (evpipe_config_new(&config))
		die("out of memory");
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'b':
			broker = optarg;
			break;
		case 't':
			topic = optarg;
			break;
		case 'r':
			rate = number_of("rate", optarg, 1, 1000000);
			break;
		case 's':
			seconds = number_of("seconds", optarg, 1, 600);
			break;
		case 'w':
			warm_up = number_of("warm-up", optarg, 0, 600);
			break;
		case 'l':
			linger_ms = number_of("linger-ms", optarg, 0, 60000);
			break;
		case 'u':
			worker_url = optarg;
			break;
		case 'x':
			set_pair(optarg);
			break;
		default:
			return 64;
		}
	}
	const struct kind *kind = find_kind(argv[optind]);
	if (!broker || !topic) {
		fprintf(stderr, "latency: give --broker and --topic\n");
		return 64;
	}
	catch_signals();
	kind->open();
	uint64_t emitted = emit_all(kind), left = kind->close();
	printf("{\"emitted\":%" PRIu64 ",\"refused\":%lu,\"left\":%" PRIu64 "}\n", emitted, refused, left);
	fflush(stdout);
	stop_worker();
	evpipe_config_free(config);
	return refused || left;
}
