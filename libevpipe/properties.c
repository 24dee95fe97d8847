#include "properties.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <evpipe.h>

#include "forms.h"
#include "values.h"

#define MS      INT64_C(1)
#define SECOND  (1000 * MS)
#define MINUTE  (60 * SECOND)
#define HOUR    (60 * MINUTE)
#define DAY     (24 * HOUR)
#define KIB     (INT64_C(1) << 10)
#define MIB     (INT64_C(1) << 20)
#define GIB     (INT64_C(1) << 30)

const evpipe__section evpipe__sections[] = {
	{"transport", "The broker that carries events from producers to workers."},
	{"topic", "The topic events travel through, and how records on it are read that libevpipe did not write."},
	{"group", "The consumer group the workers share."},
	{"envelope", "What goes with a payload."},
	{"event", "What holds for each event."},
	{"journal", "Where events wait in the application until the broker has them."},
	{"pump", "What carries events from the journal to the broker."},
	{"order", "Whether events of one key stay in order."},
	{"batch", "When a batch is full, or old enough, to be posted."},
	{"worker", "What one worker may hold, and how it ends."},
	{"commit", "How workers say what is done."},
	{"sink", "Where events are posted to, and how."},
	{"retry", "What happens to an event that could not be delivered."},
	{"breaker", "When a destination that fails is left alone for a while."},
	{"dead_letter", "Where events end that cannot be delivered."},
};
const size_t evpipe__sections_count = sizeof evpipe__sections / sizeof *evpipe__sections;

const evpipe__property evpipe__properties[] = {
	{.name = "transport.url", .type = EVPIPE__TEXT, .form = evpipe__form_transport_url,
	 .example = "kafka://broker-1:9092,broker-2:9092",
	 .text = "The broker. `kafka://HOST:PORT,HOST:PORT` is a Kafka cluster, of which any few brokers will do. "
	         "Needed, unless the program hands in a transport of its own, as the test broker is."},

	{.name = "topic.name", .type = EVPIPE__TEXT, .initial = "evpipe.events", .form = evpipe__form_topic,
	 .example = "chatbot.events",
	 .text = "The topic for events. The topics beside it are named after it: `NAME.retry.5s` and so on for each "
	         "of `retry.delays`, and `NAME.dead`. Producers and workers must agree on it."},
	{.name = "topic.partitions", .type = EVPIPE__COUNT, .min = 1, .max = 10000, .initial = "8", .example = "32",
	 .text = "How many partitions a topic gets that libevpipe creates. At most so many workers have something to "
	         "do at a time; more of them cost the broker memory and files. An existing topic is never altered; a "
	         "difference is logged."},
	{.name = "topic.replication", .type = EVPIPE__COUNT, .min = 0, .max = 100, .initial = "0", .example = "3",
	 .text = "On how many brokers each partition of a created topic is kept. 0 is what the broker does by "
	         "default, which is 1 unless its administrators have said otherwise: ask for 3 where events must "
	         "survive the loss of a machine."},
	{.name = "topic.retention", .type = EVPIPE__DURATION, .flags = EVPIPE__FOREVER, .min = 0, .max = 3650 * DAY,
	 .initial = "7d", .example = "3d",
	 .text = "How long the broker keeps records of a created topic, and so how long an outage of all workers may "
	         "last before events are lost. Holds for the retry topics, too, and must be at least twice the last "
	         "of `retry.delays`. `forever` never deletes; 0 is what the broker does by default."},
	{.name = "topic.create", .type = EVPIPE__CHOICE, .choices = {"auto", "never"}, .initial = "auto",
	 .example = "never",
	 .text = "`auto` creates topics that are not there. `never` is for clusters where somebody else does that: a "
	         "missing topic is then an error which names it."},
	{.name = "topic.destination_from", .type = EVPIPE__TEXT, .initial = "header",
	 .form = evpipe__form_destination_from, .example = "field:org",
	 .text = "Whose event a record is that another program wrote. libevpipe's own header, or those of "
	         "CloudEvents, always come first. `header` takes nothing else: a record without is dead-lettered with "
	         "the reason `foreign`. `key` takes the record's key, `field:NAME` a member of its JSON payload, "
	         "which must be a string."},
	{.name = "topic.id_from", .type = EVPIPE__TEXT, .initial = "header", .form = evpipe__form_id_from,
	 .example = "field:id",
	 .text = "The id of an event in a record that another program wrote. `header` takes one from a header, else "
	         "topic, partition and offset stand for it, which are as stable. `field:NAME` takes a member of the "
	         "JSON payload."},
	{.name = "topic.tombstones", .type = EVPIPE__CHOICE, .choices = {"dead_letter", "skip", "deliver"},
	 .initial = "dead_letter", .example = "skip",
	 .text = "What becomes of a record without a payload. `dead_letter` keeps it with the reason `tombstone`, "
	         "`skip` counts and forgets it, `deliver` hands it to a sink that knows what a deletion is."},

	{.name = "group.name", .type = EVPIPE__TEXT, .initial = "evpipe", .form = evpipe__form_short,
	 .example = "chatbot-delivery",
	 .text = "Workers of one group share the events, so that each is delivered once by one of them; another group "
	         "gets all of them again. The retry topics are read by a second group, NAME-retry."},

	{.name = "envelope", .type = EVPIPE__CHOICE, .choices = {"compact", "cloudevents", "payload"},
	 .initial = "compact", .example = "cloudevents",
	 .text = "What goes with a payload. `compact` is one header, `evpipe`, in readable text, and costs the least. "
	         "`cloudevents` writes the headers of the CloudEvents binding for Kafka, for topics that others read, "
	         "at about half the rate. `payload` writes none; workers then need `topic.destination_from` and "
	         "`topic.id_from`."},

	{.name = "event.max", .type = EVPIPE__BYTES, .min = KIB, .max = 64 * MIB, .initial = "900KiB",
	 .example = "64KiB",
	 .text = "The largest event `evpipe_emit` takes, key, headers and all. The default stays below the 1 MB that "
	         "a broker takes by default (`message.max.bytes`); raise both together. `journal.size` must have room "
	         "for four, `worker.memory_max` for eight."},
	{.name = "event.type", .type = EVPIPE__TEXT, .initial = "evpipe.event", .form = evpipe__form_short,
	 .example = "com.example.chat.step",
	 .text = "The CloudEvents `type` of events that have none of their own."},
	{.name = "event.source", .type = EVPIPE__TEXT, .initial = "evpipe", .form = evpipe__form_short,
	 .example = "/chatbot/eu-1",
	 .text = "The CloudEvents `source` of events, with `envelope = cloudevents` and in bodies of `sink.format = "
	         "cloudevents`."},

	{.name = "journal.durability", .type = EVPIPE__CHOICE, .choices = {"memory", "process", "disk"}, .initial = "memory",
	 .example = "process",
	 .text = "What of an accepted event survives before the broker has it. `memory`: nothing, it dies with the "
	         "process. `process`: it survives the death of the process, kill -9 among others, in a file of "
	         "`journal.dir`, and the next producer that uses this directory sends it. `disk`: it survives the "
	         "machine's, too, but for the last `journal.sync_interval`. The table is in docs/journal.md."},
	{.name = "journal.dir", .type = EVPIPE__TEXT, .form = evpipe__form_path, .example = "/dev/shm/chatbot",
	 .text = "The directory for journals that outlive their process and for what the broker rejected; made if it is "
	         "not there, in one that is. For `process`, one on tmpfs. Needed by `process` and `disk`; many producers may share one. "
	         "A producer adopts what dead ones have left there, whatever its own durability."},
	{.name = "journal.size", .type = EVPIPE__BYTES, .min = 4 * KIB, .max = 64 * GIB, .initial = "64MiB",
	 .example = "512MiB",
	 .text = "Memory for accepted events that the broker does not have yet; rounded up to a power of two and "
	         "taken at the start. When it is full, `evpipe_emit` refuses. It is how long an absence of the broker "
	         "may last: bytes a second times seconds."},
	{.name = "journal.sync_interval", .type = EVPIPE__DURATION, .min = 1 * MS, .max = MINUTE, .initial = "100ms",
	 .example = "1s",
	 .text = "With `disk`, how long an accepted event may be in memory alone. What the broker has acknowledged by "
	         "then is never written."},
	{.name = "journal.spool_size", .type = EVPIPE__BYTES, .min = 0, .max = 16384 * GIB, .initial = "0",
	 .example = "20GiB",
	 .text = "With `disk`, how much of the disk may hold events that the ring has no more room for while the broker "
	         "is away; over all restarts. 0: none, and `evpipe_emit` refuses when the ring is full."},

	{.name = "pump.thread", .type = EVPIPE__BOOL, .initial = "yes", .example = "no",
	 .text = "Whether a producer has a thread of its own that sends. `no` is for programs that call "
	         "`evpipe_producer_step` from their loop."},

	{.name = "order", .type = EVPIPE__CHOICE, .choices = {"key", "none"}, .initial = "key", .example = "none",
	 .text = "`key`: events of one key reach their destination in the order they were emitted, as long as none of "
	         "them has to be retried. `none`: as they come, for destinations that do not care; it needs fewer "
	         "posts."},

	{.name = "batch.events_max", .type = EVPIPE__COUNT, .flags = EVPIPE__PER_DESTINATION, .min = 1, .max = 100000,
	 .initial = "500", .example = "200",
	 .text = "The most events in one post. 500 is what others settled on; some APIs have a limit of their own "
	         "(Salesforce collections: 200)."},
	{.name = "batch.bytes_max", .type = EVPIPE__BYTES, .flags = EVPIPE__PER_DESTINATION, .min = 1, .max = 256 * MIB,
	 .initial = "5MiB", .example = "1MiB",
	 .text = "The most bytes of payload in one post, before compression. An event that is larger alone is posted "
	         "alone. Where a destination answers 413, its limit is found and remembered; setting it here saves "
	         "those posts."},
	{.name = "batch.linger", .type = EVPIPE__DURATION, .flags = EVPIPE__PER_DESTINATION, .min = 0, .max = HOUR,
	 .initial = "200ms", .example = "1s",
	 .text = "How long an event waits at most for others to share its post. More makes fewer, larger posts; less "
	         "delivers sooner; 0 posts at once."},

	{.name = "worker.memory_max", .type = EVPIPE__BYTES, .min = MIB, .max = 1024 * GIB, .initial = "256MiB",
	 .example = "1GiB",
	 .text = "The most a worker holds of events, with the transport's queues and the sink's bodies. When it is "
	         "reached, the worker stops fetching until some are delivered or handed to a retry topic. A quarter "
	         "of it is for records fetched ahead. At least eight times `event.max`."},
	{.name = "worker.drain_timeout", .type = EVPIPE__DURATION, .min = 0, .max = HOUR, .initial = "20s",
	 .example = "10s",
	 .text = "How long a worker that is to stop goes on to deliver what it took. What is left then is delivered "
	         "by others, or by the next start. Keep it some seconds below what a supervisor grants (Kubernetes: 30 s, "
	         "systemd: 90 s): the last commit comes after it."},
	{.name = "worker.handover_timeout", .type = EVPIPE__DURATION, .min = 0, .max = 4 * MINUTE, .initial = "5s",
	 .example = "1m",
	 .text = "How long a worker goes on to deliver what it took of a partition that another worker is to have. Until "
	         "then nobody takes more of it; what is under way after that may be delivered twice. It must be less than "
	         "`kafka.max.poll.interval.ms` (5 min), at which a rebalance goes on without the worker."},

	{.name = "commit.interval", .type = EVPIPE__DURATION, .min = 10 * MS, .max = MINUTE, .initial = "1s",
	 .example = "5s",
	 .text = "How often offsets are committed, and at most the first of `retry.delays`. A worker that is killed delivers "
	         "again what it settled since the last time. Others commit every 5 s; a commit is one small request a partition."},

	{.name = "sink.url", .type = EVPIPE__TEXT, .flags = EVPIPE__PER_DESTINATION, .form = evpipe__form_sink_url,
	 .example = "https://ingest.example.com/orgs/{destination}/events",
	 .text = "Where batches are posted to. `{destination}` in path or query stands for the destination's name, "
	         "percent-encoded. Needed by `evpipe run`, and by every worker that is not given a sink."},
	{.name = "sink.format", .type = EVPIPE__CHOICE, .flags = EVPIPE__PER_DESTINATION,
	 .choices = {"ndjson", "json", "cloudevents"}, .initial = "ndjson", .example = "json",
	 .text = "What a body looks like. `ndjson`: one payload a line. `json`: an array of payloads. `cloudevents`: "
	         "a CloudEvents batch (`application/cloudevents-batch+json`). A payload that does not fit is "
	         "dead-lettered with the reason `format`."},
	{.name = "sink.compression", .type = EVPIPE__CHOICE, .flags = EVPIPE__PER_DESTINATION,
	 .choices = {"gzip", "none"}, .initial = "gzip", .example = "none",
	 .text = "How bodies are compressed. `none` for endpoints that do not take `Content-Encoding: gzip` (they "
	         "answer 415 or 400)."},
	{.name = "sink.in_flight_max", .type = EVPIPE__COUNT, .min = 1, .max = 10000, .initial = "256", .example = "64",
	 .text = "How many posts of a worker may wait for their answer at a time, over all destinations."},
	{.name = "sink.in_flight_per_destination_max", .type = EVPIPE__COUNT, .flags = EVPIPE__PER_DESTINATION,
	 .min = 1, .max = 1000, .initial = "16", .example = "4",
	 .text = "How many of them may be one destination's. It starts there, falls where a destination is overloaded "
	         "and rises again. With `order = key` it is also how many keys of a destination can be on their way "
	         "at a time."},
	{.name = "sink.id_member", .type = EVPIPE__TEXT, .flags = EVPIPE__PER_DESTINATION, .form = evpipe__form_short,
	 .example = "event_id",
	 .text = "The name of a JSON member that carries the event's id in each payload, put in where the payload "
	         "lacks it, so that the receiver can upsert by it. None: payloads are posted as they are."},
	{.name = "sink.bearer_token", .type = EVPIPE__SECRET, .flags = EVPIPE__PER_DESTINATION,
	 .example = "@/run/secrets/ingest-token",
	 .text = "Sent as `Authorization: Bearer ...`. Let it be read from a file by `@`: then it is neither in the "
	         "configuration nor on a command line. It is never logged."},
	{.name = "sink.connect_timeout", .type = EVPIPE__DURATION, .flags = EVPIPE__PER_DESTINATION, .min = 10 * MS,
	 .max = 10 * MINUTE, .initial = "5s", .example = "2s",
	 .text = "How long a connection may take to be made, TLS included. Then the post has failed and is retried."},
	{.name = "sink.timeout", .type = EVPIPE__DURATION, .flags = EVPIPE__PER_DESTINATION, .min = 10 * MS,
	 .max = HOUR, .initial = "30s", .example = "2m",
	 .text = "How long a post may take in all. After that it may or may not have been stored; it is retried with "
	         "the same `Idempotency-Key`."},
	{.name = "sink.answer_max", .type = EVPIPE__BYTES, .min = KIB, .max = 64 * MIB, .initial = "64KiB",
	 .example = "1MiB",
	 .text = "How much of an answer's body is read, after decompression. The rest is not, and the connection is "
	         "closed."},
	{.name = "sink.allow_http", .type = EVPIPE__BOOL, .flags = EVPIPE__PER_DESTINATION, .initial = "no",
	 .example = "yes",
	 .text = "Whether `sink.url` may be http:// to another machine. Events and tokens then cross the network in "
	         "the clear. http:// to the machine itself is always allowed."},
	{.name = "sink.insecure_skip_verify", .type = EVPIPE__BOOL, .flags = EVPIPE__PER_DESTINATION, .initial = "no",
	 .example = "yes",
	 .text = "Take any certificate, an attacker's included; each start logs a warning. For tests; give a private "
	         "authority by `sink.ca_file` instead."},
	{.name = "sink.ca_file", .type = EVPIPE__TEXT, .flags = EVPIPE__PER_DESTINATION,
	 .example = "/etc/ssl/private-ca.pem",
	 .text = "Certificates of the authorities to trust, in PEM. None: those of the system."},
	{.name = "sink.client_certificate", .type = EVPIPE__TEXT, .flags = EVPIPE__PER_DESTINATION,
	 .example = "/etc/evpipe/client.pem",
	 .text = "The certificate to show to endpoints that ask for one, in PEM. Goes with `sink.client_key`."},
	{.name = "sink.client_key", .type = EVPIPE__TEXT, .flags = EVPIPE__PER_DESTINATION,
	 .example = "/etc/evpipe/client.key",
	 .text = "The file with the certificate's private key, in PEM, not encrypted."},
	{.name = "sink.proxy", .type = EVPIPE__TEXT, .flags = EVPIPE__PER_DESTINATION, .form = evpipe__form_url,
	 .example = "http://proxy.example.com:3128",
	 .text = "A proxy for posts. None: connections are direct; `http_proxy` and its like in the environment are "
	         "not looked at."},

	{.name = "retry.delays", .type = EVPIPE__DURATIONS, .min = 10 * MS, .max = 30 * DAY,
	 .initial = "5s, 1m, 10m, 1h, 6h", .example = "30s, 5m, 1h",
	 .text = "How long an event waits after each failed attempt, in a topic for each, before it is posted again; "
	         "after the last it is dead-lettered with the reason `exhausted`. 1 to 16, ascending. Before you take "
	         "one away, let its topic run empty: nobody reads it afterwards."},
	{.name = "retry.quick_max", .type = EVPIPE__COUNT, .min = 0, .max = 100, .initial = "2", .example = "0",
	 .text = "How often a failed post is repeated at once, before its events go to the first retry topic. It is "
	         "for lost connections and restarts; a destination that is down is left alone by the breaker."},
	{.name = "retry.quick_delay_min", .type = EVPIPE__DURATION, .min = 0, .max = HOUR, .initial = "200ms",
	 .example = "50ms",
	 .text = "The shortest wait before such a repetition. Each wait is drawn anew between this and "
	         "`retry.quick_delay_max`, so that not all come at once."},
	{.name = "retry.quick_delay_max", .type = EVPIPE__DURATION, .min = 0, .max = HOUR, .initial = "2s",
	 .example = "1s",
	 .text = "The longest wait before such a repetition. Keep it well below the first of `retry.delays`."},
	{.name = "retry.age_max", .type = EVPIPE__DURATION, .min = SECOND, .max = 3650 * DAY, .initial = "3d",
	 .example = "1d",
	 .text = "How long after its first failure an event is given up, dead-lettered with the reason `expired`. It "
	         "ends the waiting for a destination that is left alone, since that uses up no attempt. Less than "
	         "`topic.retention`."},

	{.name = "breaker.failures", .type = EVPIPE__COUNT, .flags = EVPIPE__PER_DESTINATION, .min = 1, .max = 1000000,
	 .initial = "10", .example = "5",
	 .text = "So many failed posts of a destination in a row open its breaker: it gets no posts for "
	         "`breaker.open`, its events wait in the retry topics, the others go on."},
	{.name = "breaker.failure_percent", .type = EVPIPE__COUNT, .flags = EVPIPE__PER_DESTINATION, .min = 1,
	 .max = 100, .initial = "70", .example = "50",
	 .text = "So does this share of the posts within `breaker.window`, if there were at least `breaker.failures`."},
	{.name = "breaker.window", .type = EVPIPE__DURATION, .flags = EVPIPE__PER_DESTINATION, .min = 10 * MS,
	 .max = DAY, .initial = "1m", .example = "5m",
	 .text = "The time over which that share is counted."},
	{.name = "breaker.open", .type = EVPIPE__DURATION, .flags = EVPIPE__PER_DESTINATION, .min = 10 * MS, .max = DAY,
	 .initial = "30s", .example = "10s",
	 .text = "How long a breaker stays open before one post is tried. If it fails, it stays open twice as long, "
	         "up to `breaker.open_max`."},
	{.name = "breaker.open_max", .type = EVPIPE__DURATION, .flags = EVPIPE__PER_DESTINATION, .min = 10 * MS,
	 .max = 7 * DAY, .initial = "10m", .example = "1h",
	 .text = "The longest time between such tries; so long may a destination be back before it is noticed."},

	{.name = "dead_letter.topic", .type = EVPIPE__TEXT, .form = evpipe__form_topic, .example = "chatbot.dead",
	 .text = "The topic of events that cannot be delivered. None: `topic.name` with `.dead` behind it."},
	{.name = "dead_letter.retention", .type = EVPIPE__DURATION, .flags = EVPIPE__FOREVER, .min = 0,
	 .max = 3650 * DAY, .initial = "14d", .example = "forever",
	 .text = "How long the broker keeps them, and so how long there is for somebody to mend what was wrong and "
	         "post them again. `forever` never deletes; 0 is what the broker does by default."},
};
const size_t evpipe__properties_count = sizeof evpipe__properties / sizeof *evpipe__properties;
static_assert(sizeof evpipe__properties / sizeof *evpipe__properties < EVPIPE__PROPERTIES_MAX, "the index has room");

const evpipe__passthrough evpipe__passthroughs[] = {
	{.prefix = "kafka.", .example = "kafka.compression.type = zstd", .refuse = evpipe__refuse_kafka,
	 .text = "Goes to librdkafka, for producers and consumers alike, as it is: security, compression, buffers. "
	         "Its CONFIGURATION.md has the names. What would break a promise, such as `acks` or "
	         "`enable.auto.commit`, is refused."},
	{.prefix = "kafka.producer.", .example = "kafka.producer.linger.ms = 20", .refuse = evpipe__refuse_kafka,
	 .text = "The same for what sends alone."},
	{.prefix = "kafka.consumer.", .example = "kafka.consumer.session.timeout.ms = 10000",
	 .refuse = evpipe__refuse_kafka,
	 .text = "The same for what receives alone."},
	{.prefix = "sink.header.", .flags = EVPIPE__PER_DESTINATION, .example = "sink.header.X-Source = chatbot",
	 .refuse = evpipe__refuse_header,
	 .text = "A header of each post. Small and capital letters make no difference in its name."},
};
const size_t evpipe__passthroughs_count = sizeof evpipe__passthroughs / sizeof *evpipe__passthroughs;

const evpipe__passthrough *evpipe__passthrough_of(const char *name)
{
	const evpipe__passthrough *longest = NULL;
	size_t                     longest_len = 0;

	for (size_t i = 0; i < evpipe__passthroughs_count; i++) {
		size_t len = strlen(evpipe__passthroughs[i].prefix);
		if (len > longest_len && strncmp(name, evpipe__passthroughs[i].prefix, len) == 0 && name[len]) {
			longest = &evpipe__passthroughs[i];
			longest_len = len;
		}
	}
	return longest;
}

/* ---- the index ---- */

/* FNV-1a; names are short and our own. */
static size_t first_slot(const char *name)
{
	uint32_t hash = 2166136261u;
	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return (hash ^ hash >> 16) & 0xff;
}

void evpipe__property_index_init(evpipe__property_index *index)
{
	*index = (evpipe__property_index){{0}};
	for (size_t i = 0; i < evpipe__properties_count; i++) {
		size_t slot = first_slot(evpipe__properties[i].name);
		while (index->slots[slot])
			slot = (slot + 1) & 0xff;
		index->slots[slot] = (uint8_t)(i + 1);
	}
}

const evpipe__property *evpipe__property_find(const evpipe__property_index *index, const char *name)
{
	for (size_t slot = first_slot(name); index->slots[slot]; slot = (slot + 1) & 0xff) {
		const evpipe__property *property = &evpipe__properties[index->slots[slot] - 1];
		if (strcmp(property->name, name) == 0)
			return property;
	}
	return NULL;
}

/* ---- values ---- */

static const char *parse_choice(const evpipe__property *property, const char *value, int64_t *number)
{
	for (int i = 0; property->choices[i]; i++) {
		if (strcmp(value, property->choices[i]) == 0) {
			*number = i;
			return NULL;
		}
	}
	return "there is no such choice";
}

static const char *parse_text(const evpipe__property *property, const char *value, int64_t *number)
{
	if (!*value && property->initial)
		return "nothing stands there";
	for (const char *at = value; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return "it has a line break or another control character";
	const char *problem = *value && property->form ? property->form(value) : NULL;
	if (!problem)
		*number = 0;
	return problem;
}

static const char *parse_list(const evpipe__property *property, const char *value, int64_t *number)
{
	int64_t     delays_ms[EVPIPE_TIERS_MAX];
	size_t      count;
	const char *problem = evpipe__parse_durations(value, delays_ms, EVPIPE_TIERS_MAX, &count);
	if (problem)
		return problem;
	if (delays_ms[0] < property->min || delays_ms[count - 1] > property->max)
		return "one is out of range";
	*number = (int64_t)count;
	return NULL;
}

static const char *parse_ranged(const evpipe__property *property, const char *value, int64_t *number)
{
	static const char *(*const parsers[])(const char *, int64_t *) = {
		[EVPIPE__COUNT] = evpipe__parse_count,
		[EVPIPE__BYTES] = evpipe__parse_bytes,
		[EVPIPE__DURATION] = evpipe__parse_duration,
	};
	int64_t     parsed;
	const char *problem = parsers[property->type](value, &parsed);
	if (problem)
		return problem;
	if (parsed < property->min || parsed > property->max)
		return "it is out of range";
	*number = parsed;
	return NULL;
}

const char *evpipe__property_parse(const evpipe__property *property, const char *value, int64_t *number)
{
	switch (property->type) {
	case EVPIPE__TEXT:
	case EVPIPE__SECRET:
		return parse_text(property, value, number);
	case EVPIPE__BOOL:
		return evpipe__parse_bool(value, number);
	case EVPIPE__CHOICE:
		return parse_choice(property, value, number);
	case EVPIPE__DURATIONS:
		return parse_list(property, value, number);
	case EVPIPE__DURATION:
		if (property->flags & EVPIPE__FOREVER &&
		    (strcasecmp(value, "forever") == 0 || strcmp(value, "-1") == 0)) {
			*number = -1;
			return NULL;
		}
		break;
	case EVPIPE__COUNT:
	case EVPIPE__BYTES:
		break;
	}
	return parse_ranged(property, value, number);
}

static void list_choices(const evpipe__property *property, char *out, size_t size)
{
	size_t used = 0;
	*out = '\0';
	for (int i = 0; property->choices[i] && used < size; i++) {
		const char *before = i == 0 ? "" : property->choices[i + 1] ? ", " : " or ";
		used += (size_t)snprintf(out + used, size - used, "%s%s", before, property->choices[i]);
	}
}

const char *evpipe__property_takes(const evpipe__property *property, char *out, size_t size)
{
	char        min[EVPIPE__VALUE_TEXT_MAX], max[EVPIPE__VALUE_TEXT_MAX];
	const char *forever = property->flags & EVPIPE__FOREVER ? ", or forever" : "";

	switch (property->type) {
	case EVPIPE__TEXT:
		snprintf(out, size, "a text");
		break;
	case EVPIPE__SECRET:
		snprintf(out, size, "a secret");
		break;
	case EVPIPE__BOOL:
		snprintf(out, size, "yes or no");
		break;
	case EVPIPE__CHOICE:
		list_choices(property, out, size);
		break;
	case EVPIPE__COUNT:
		snprintf(out, size, "a whole number from %" PRId64 " to %" PRId64, property->min, property->max);
		break;
	case EVPIPE__BYTES:
		evpipe__bytes_text(property->min, min, sizeof min);
		evpipe__bytes_text(property->max, max, sizeof max);
		snprintf(out, size, "a size from %s to %s", min, max);
		break;
	case EVPIPE__DURATION:
		evpipe__duration_text(property->min, min, sizeof min);
		evpipe__duration_text(property->max, max, sizeof max);
		snprintf(out, size, "a duration from %s to %s%s", min, max, forever);
		break;
	case EVPIPE__DURATIONS:
		evpipe__duration_text(property->min, min, sizeof min);
		evpipe__duration_text(property->max, max, sizeof max);
		snprintf(out, size, "1 to %d ascending durations from %s to %s", EVPIPE_TIERS_MAX, min, max);
		break;
	}
	return out;
}

static const char *examples_of(const evpipe__property *property)
{
	switch (property->type) {
	case EVPIPE__TEXT:
	case EVPIPE__SECRET:
		return property->example;
	case EVPIPE__BYTES:
		return "64KiB, 5MiB, 1MB";
	case EVPIPE__DURATION:
		return "200ms, 5s, 1m, 6h, 7d";
	case EVPIPE__DURATIONS:
		return "5s, 1m, 10m";
	default:
		return NULL;
	}
}

const char *evpipe__property_expects(const evpipe__property *property, char *out, size_t size)
{
	const char *examples = examples_of(property);
	size_t      used = strlen(evpipe__property_takes(property, out, size));
	if (examples)
		snprintf(out + used, size - used, ", such as %s", examples);
	return out;
}
