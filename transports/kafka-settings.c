/*
 * From configuration and budget to the properties of a librdkafka client. Later ones win: what fits us, what fits the
 * budget, what is configured, what our promises need.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "kafka.h"
#include "memory.h"

#define MASK(role) (1u << (role))
#define PRODUCER MASK(EVPIPE__KAFKA_PRODUCER)
#define CONSUMER MASK(EVPIPE__KAFKA_CONSUMER)
#define CLIENTS (PRODUCER | CONSUMER | MASK(EVPIPE__KAFKA_ADMIN))

/*
 * A broker's one fetch waits for all of its partitions, and a partition that is woken waits for it: so long does one that
 * is behind get nothing more while all others are read to their end. Costs a request each time where nothing happens.
 */
#define FETCH_WAIT_MS         "25"
#define FETCH_WAIT_DELAYED_MS "100"

struct setting {
	unsigned    roles;
	const char *name;
	const char *value;
};

static const struct setting defaults[] = {
	{CLIENTS, "client.id", "evpipe"},
	{CLIENTS, "log_level", "4"},
	{CLIENTS, "log.connection.close", "false"},
	{CLIENTS, "socket.keepalive.enable", "true"},
	{CLIENTS, "socket.nagle.disable", "true"},
	/* A broker that is back is to be noticed within seconds; the default is ten. */
	{CLIENTS, "reconnect.backoff.max.ms", "2000"},
	/*
	 * The producer's budget is kept by ourselves (kafka-producer.c), which counts what a record costs beside its
	 * bytes, too.
	 */
	{PRODUCER, "queue.buffering.max.messages", "10000000"},
	{PRODUCER, "queue.buffering.max.kbytes", "2097151"},
	{PRODUCER, "compression.type", "lz4"},
	{PRODUCER, "linger.ms", "5"},
	/* As Kafka's Java clients choose, so that whoever else writes to a topic shares our order. */
	{PRODUCER, "partitioner", "murmur2_random"},
	{CONSUMER, "partition.assignment.strategy", "cooperative-sticky"},
	{CONSUMER, "auto.offset.reset", "earliest"},
	{CONSUMER, "fetch.wait.max.ms", FETCH_WAIT_MS},
	{CONSUMER, "fetch.error.backoff.ms", "100"},
};

/*
 * What our promises need. The configuration refuses to have it otherwise (libevpipe/forms.c says why); this is for what
 * it does not know of.
 */
static const struct setting promised[] = {
	{PRODUCER, "enable.idempotence", "true"},
	{PRODUCER, "acks", "all"},
	{PRODUCER, "message.timeout.ms", "0"},
	{PRODUCER, "delivery.report.only.error", "false"},
	{CONSUMER, "enable.auto.commit", "false"},
	{CONSUMER, "enable.auto.offset.store", "false"},
	{CONSUMER, "enable.partition.eof", "false"},
	{CLIENTS, "log.queue", "true"},
};

/* ---- the budget ---- */

#define PARTITION_MIN (256 * 1024)

/* Of records whose number is what limits them, not their bytes. */
#define RECORD_SIZE 400

/*
 * A worker's producer sends what goes wrong, its tiers' heads wait: an eighth for each. The rest is for the main topic.
 * A subscription beside these two shares with the one of its kind.
 */
size_t evpipe__kafka_share_of(const evpipe__kafka *kafka, int role, int delayed)
{
	size_t eighth = kafka->memory_max / 8;
	if (role == EVPIPE__KAFKA_PRODUCER)
		return kafka->roles & EVPIPE_ROLE_RECEIVE ? eighth : kafka->memory_max;
	if (delayed)
		return eighth;
	return kafka->roles & EVPIPE_ROLE_SEND ? 6 * eighth : 7 * eighth;
}

static size_t within(size_t value, size_t min, size_t max)
{
	return value < min ? min : value > max ? max : value;
}

static evpipe_err set(rd_kafka_conf_t *conf, const char *name, const char *value, evpipe_error *error)
{
	char text[256];
	if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
		return EVPIPE_OK;
	return evpipe__fail(error, EVPIPE_ECONFIG, "kafka.%s = %s: %s", name, value, text);
}

size_t evpipe__kafka_number(const rd_kafka_conf_t *conf, const char *name)
{
	char   text[32];
	size_t size = sizeof text;
	return rd_kafka_conf_get(conf, name, text, &size) == RD_KAFKA_CONF_OK ? strtoul(text, NULL, 10) : 0;
}

static evpipe_err set_number(rd_kafka_conf_t *conf, const char *name, size_t value, evpipe_error *error)
{
	char text[32];
	snprintf(text, sizeof text, "%zu", value);
	return set(conf, name, text, error);
}

/*
 * Limits hold for each partition, and are looked at before a fetch, not after. So five eighths of a partition's share
 * are what may be there before, and the rest is for what one fetch adds, whose bytes travel compressed (JSON by lz4:
 * 1:2 to 1:5), but at least one batch, a megabyte with default settings: less than some two megabytes a partition
 * cannot be kept to.
 */
static evpipe_err fit_consumer(rd_kafka_conf_t *conf, const evpipe__kafka_share *share, evpipe_error *error)
{
	size_t each = share->bytes / (share->partitions ? share->partitions : 1);
	each = each < PARTITION_MIN ? PARTITION_MIN : each;
	size_t     before = each / 8 * 5, fetch = within(each / 12, 64 * 1024, 1024 * 1024);
	evpipe_err err = set_number(conf, "queued.max.messages.kbytes", within(before / 4 * 3 / 1024, 64, 2097151), error);
	if (!err)
		err = set_number(conf, "queued.min.messages", within(before / (EVPIPE__KAFKA_RECORD_OVERHEAD + RECORD_SIZE), 100, 1000000), error);
	if (!err)
		err = set_number(conf, "max.partition.fetch.bytes", fetch, error);
	if (!err)
		err = set_number(conf, "fetch.max.bytes", within(fetch * share->partitions, 1024 * 1024, 50 * 1024 * 1024), error);
	if (!err && share->is_delayed)
		err = set(conf, "fetch.wait.max.ms", FETCH_WAIT_DELAYED_MS, error);
	return err;
}

/* ---- what is configured ---- */

/* Why librdkafka does not take it; NULL: it does. */
static const char *problem_of(rd_kafka_conf_t *conf, const char *name, const char *value, char *text, size_t size)
{
	switch (rd_kafka_conf_set(conf, name, value, text, size)) {
	case RD_KAFKA_CONF_OK:
		return NULL;
	case RD_KAFKA_CONF_UNKNOWN:
		return "librdkafka has no such property; its CONFIGURATION.md has the names";
	default:
		return text;
	}
}

/* What stands behind "producer." or "consumer."; NULL: it is for both. */
static const char *of_one_client(const char *name)
{
	static const char *const clients[] = {"producer.", "consumer."};
	for (size_t i = 0; i < sizeof clients / sizeof *clients; i++)
		if (strncmp(name, clients[i], strlen(clients[i])) == 0)
			return name + strlen(clients[i]);
	return NULL;
}

struct passing {
	rd_kafka_conf_t *conf;
	const char      *prefix;
	evpipe_error    *error;
};

static int pass(void *ctx, const char *name, const char *value)
{
	struct passing *passing = ctx;
	char            text[256];

	if (of_one_client(name))
		return EVPIPE_OK;
	const char *problem = problem_of(passing->conf, name, value, text, sizeof text);
	if (!problem)
		return EVPIPE_OK;
	return (int)evpipe__fail(passing->error, EVPIPE_ECONFIG, "%s%s: %s", passing->prefix, name, problem);
}

/* Settings for both clients, then those for one of them; the one that looks after topics goes with whoever there is. */
static evpipe_err pass_all(rd_kafka_conf_t *conf, const evpipe__kafka *kafka, int role, evpipe_error *error)
{
	int            sends = role == EVPIPE__KAFKA_PRODUCER || (role == EVPIPE__KAFKA_ADMIN && !(kafka->roles & EVPIPE_ROLE_RECEIVE));
	struct passing both = {.conf = conf, .prefix = "kafka.", .error = error};
	struct passing own = {.conf = conf, .prefix = sends ? "kafka.producer." : "kafka.consumer.", .error = error};
	int            stopped = evpipe_config_each(kafka->config, NULL, both.prefix, pass, &both);

	if (!stopped)
		stopped = evpipe_config_each(kafka->config, NULL, own.prefix, pass, &own);
	return (evpipe_err)stopped;
}

static evpipe_err set_all(rd_kafka_conf_t *conf, int role, const struct setting *settings, size_t count, evpipe_error *error)
{
	evpipe_err err = EVPIPE_OK;
	for (size_t i = 0; i < count && !err; i++)
		if (settings[i].roles & MASK(role))
			err = set(conf, settings[i].name, settings[i].value, error);
	return err;
}

static const int events[] = {
	[EVPIPE__KAFKA_PRODUCER] = RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG,
	[EVPIPE__KAFKA_CONSUMER] = RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_OFFSET_COMMIT | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG,
	[EVPIPE__KAFKA_ADMIN] = RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG,
};

evpipe_err evpipe__kafka_settings(rd_kafka_conf_t **out, const evpipe__kafka *kafka, int role, const char *group,
                                  const evpipe__kafka_share *share, evpipe_error *error)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	evpipe_err       err = set_all(conf, role, defaults, sizeof defaults / sizeof *defaults, error);

	if (!err && role == EVPIPE__KAFKA_CONSUMER)
		err = fit_consumer(conf, share, error);
	if (!err)
		err = pass_all(conf, kafka, role, error);
	/* librdkafka wants it so, also of a client that sends nothing, and the setting may be there for the one that does. */
	size_t largest = evpipe__kafka_number(conf, "message.max.bytes");
	if (!err && role == EVPIPE__KAFKA_CONSUMER && evpipe__kafka_number(conf, "fetch.max.bytes") < largest)
		err = set_number(conf, "fetch.max.bytes", largest, error);
	if (!err)
		err = set_all(conf, role, promised, sizeof promised / sizeof *promised, error);
	if (!err)
		err = set(conf, "bootstrap.servers", kafka->brokers, error);
	if (!err && group)
		err = set(conf, "group.id", group, error);
	if (err) {
		rd_kafka_conf_destroy(conf);
		return err;
	}
	rd_kafka_conf_set_events(conf, events[role]);
	*out = conf;
	return EVPIPE_OK;
}

/* ---- what is wrong with them ---- */

struct looking {
	rd_kafka_conf_t            *conf; /* takes what belongs to either client */
	evpipe_transport_problem_fn on_problem;
	void                       *ctx;
};

static int look(void *ctx, const char *name, const char *value)
{
	const struct looking *looking = ctx;
	const char           *own = of_one_client(name);
	char                  full[256], text[256];
	const char           *problem = problem_of(looking->conf, own ? own : name, value, text, sizeof text);

	snprintf(full, sizeof full, "kafka.%s", name);
	if (problem)
		looking->on_problem(looking->ctx, full, problem);
	return 0;
}

void evpipe__kafka_check(const evpipe_config *config, evpipe_transport_problem_fn on_problem, void *ctx)
{
	struct looking looking = {.conf = rd_kafka_conf_new(), .on_problem = on_problem, .ctx = ctx};
	evpipe_config_each(config, NULL, "kafka.", look, &looking);
	rd_kafka_conf_destroy(looking.conf);
}

/* ---- the URL ---- */

evpipe_err evpipe__kafka_brokers(const char **out, const char *url, evpipe_error *error)
{
	static const char scheme[] = "kafka://";
	if (!url || strncmp(url, scheme, sizeof scheme - 1) != 0)
		return evpipe__fail(error, EVPIPE_ECONFIG, "transport.url = %s: not of the form kafka://host:port,host:port", url ? url : "");
	*out = url + sizeof scheme - 1;
	return EVPIPE_OK;
}
