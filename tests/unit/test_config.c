#include "test.h"

#include <unistd.h>

#include <evpipe-transport.h>

#include "properties.h"
#include "settings.h"

static evpipe_config *config;
static evpipe_error   error;

static int setup(void **state)
{
	(void)state;
	return evpipe_config_new(&config) != EVPIPE_OK;
}

static int teardown(void **state)
{
	(void)state;
	evpipe_config_free(config);
	config = NULL;
	return 0;
}

static void set(const char *name, const char *value)
{
	evpipe_err err = evpipe_config_set(config, name, value, &error);
	if (err)
		print_message("%s\n", error.text);
	assert_int_equal(err, EVPIPE_OK);
}

static void assert_refused(const char *name, const char *value, const char *text)
{
	assert_int_equal(evpipe_config_set(config, name, value, &error), EVPIPE_ECONFIG);
	assert_int_equal(error.code, EVPIPE_ECONFIG);
	assert_string_equal(error.text, text);
}

/* ---- reading and setting ---- */

static void test_config__has_the_defaults(void **state)
{
	(void)state;
	int64_t ms[EVPIPE_TIERS_MAX];

	assert_null(evpipe_config_text(config, NULL, "transport.url"));
	assert_string_equal(evpipe_config_text(config, NULL, "topic.name"), "evpipe.events");
	assert_int_equal(evpipe_config_number(config, "ACME", "batch.linger"), 200);
	assert_int_equal(evpipe_config_number(config, NULL, "event.max"), 900 * 1024);
	assert_int_equal(evpipe_config_number(config, NULL, "pump.thread"), 1);
	assert_int_equal(evpipe_config_number(config, NULL, "topic.retention"), 7 * 86400000);
	assert_int_equal(evpipe_config_durations(config, "retry.delays", ms, EVPIPE_TIERS_MAX), 5);
	assert_int_equal(ms[0], 5000);
	assert_int_equal(ms[4], 6 * 3600000);
	assert_int_equal(evpipe_config_durations(config, "retry.delays", ms, 1), 5);
	assert_int_equal(evpipe_config_durations(config, "retry.delays", NULL, 0), 5);
	assert_int_equal(evpipe_config_durations(config, "batch.linger", ms, 1), 0);
	assert_null(evpipe_config_text(config, NULL, "nonsense"));
	assert_int_equal(evpipe_config_number(config, NULL, "nonsense"), 0);
}

/* The table is well-formed, and each default and each example is a value of its property. */
static void test_config__each_property_takes_its_default_and_its_example(void **state)
{
	(void)state;
	for (size_t i = 0; i < evpipe__properties_count; i++) {
		const evpipe__property *property = &evpipe__properties[i];
		assert_ptr_equal(evpipe__property_find(&config->index, property->name), property);
		assert_true(strlen(property->text) > 20);
		assert_true(strlen(property->name) < 64);
		if (property->initial)
			set(property->name, property->initial);
		if (property->type != EVPIPE__SECRET)
			set(property->name, property->example);
		if (property->type == EVPIPE__COUNT || property->type == EVPIPE__BYTES || property->type == EVPIPE__DURATION)
			assert_true(property->min < property->max);
		size_t section = 0;
		while (section < evpipe__sections_count &&
		       strncmp(property->name, evpipe__sections[section].name, strlen(evpipe__sections[section].name)) != 0)
			section++;
		assert_true(section < evpipe__sections_count);
	}
}

static void test_config__a_destination_has_its_own_else_the_common(void **state)
{
	(void)state;
	set("batch.linger", "1s");
	set("destination.ACME.batch.linger", "2s");
	set("destination.a.b c.batch.linger", "0");
	assert_int_equal(evpipe_config_number(config, NULL, "batch.linger"), 1000);
	assert_int_equal(evpipe_config_number(config, "ACME", "batch.linger"), 2000);
	assert_int_equal(evpipe_config_number(config, "a.b c", "batch.linger"), 0);
	assert_int_equal(evpipe_config_number(config, "other", "batch.linger"), 1000);
	set("batch.linger", "3s");
	assert_int_equal(evpipe_config_number(config, "other", "batch.linger"), 3000);
	assert_int_equal(evpipe_config_number(config, "ACME", "batch.linger"), 2000);
	/* What may not differ is the same whoever is asked about. */
	set("topic.partitions", "3");
	assert_int_equal(evpipe_config_number(config, "ACME", "topic.partitions"), 3);
	/* Names of destinations that look like properties. */
	set("destination.kafka.batch.linger", "4s");
	set("destination.sink.header.batch.events_max", "5");
	assert_int_equal(evpipe_config_number(config, "kafka", "batch.linger"), 4000);
}

static void test_config__values_have_their_types(void **state)
{
	(void)state;
	set("topic.retention", "forever");
	assert_int_equal(evpipe_config_number(config, NULL, "topic.retention"), -1);
	set("topic.retention", "-1");
	assert_int_equal(evpipe_config_number(config, NULL, "topic.retention"), -1);
	set("envelope", "cloudevents");
	assert_int_equal(evpipe_config_number(config, NULL, "envelope"), 1);
	assert_string_equal(evpipe_config_text(config, NULL, "envelope"), "cloudevents");
	set("sink.proxy", "http://proxy:3128");
	set("destination.ACME.sink.proxy", ""); /* none */
	assert_string_equal(evpipe_config_text(config, "other", "sink.proxy"), "http://proxy:3128");
	assert_null(evpipe_config_text(config, "ACME", "sink.proxy"));
	set("event.source", "@@home");
	assert_string_equal(evpipe_config_text(config, NULL, "event.source"), "@home");
}

static void test_config__refused_values_leave_the_old_one(void **state)
{
	(void)state;
	set("batch.linger", "1s");
	assert_refused("batch.linger", "200",
	               "batch.linger = 200: the unit is missing; expected a duration from 0 to 1h, such as 200ms, 5s, 1m, 6h, 7d");
	assert_refused("batch.linger", "2h",
	               "batch.linger = 2h: it is out of range; expected a duration from 0 to 1h, such as 200ms, 5s, 1m, 6h, 7d");
	assert_int_equal(evpipe_config_number(config, NULL, "batch.linger"), 1000);
	assert_string_equal(evpipe_config_text(config, NULL, "batch.linger"), "1s");
	assert_refused("destination.ACME.batch.linger", "forever",
	               "destination.ACME.batch.linger = forever: it does not begin with a number; expected a duration from 0 to 1h, such as "
	               "200ms, 5s, 1m, 6h, 7d");
	assert_refused("topic.retention", "for ever",
	               "topic.retention = for ever: it does not begin with a number; expected a duration from 0 to 3650d, or forever, such "
	               "as 200ms, 5s, 1m, 6h, 7d");
	assert_refused("event.max", "1GiB",
	               "event.max = 1GiB: it is out of range; expected a size from 1KiB to 64MiB, such as 64KiB, 5MiB, 1MB");
	assert_refused("batch.events_max", "0",
	               "batch.events_max = 0: it is out of range; expected a whole number from 1 to 100000");
	assert_refused("pump.thread", "maybe", "pump.thread = maybe: it is neither; expected yes or no");
	assert_refused("sink.format", "xml", "sink.format = xml: there is no such choice; expected ndjson, json or cloudevents");
	assert_refused("sink.compression", "GZIP", "sink.compression = GZIP: there is no such choice; expected gzip or none");
	assert_refused("journal.durability", "tape", "journal.durability = tape: there is no such choice; expected memory, process or disk");
	assert_refused("retry.delays", "1m, 5s",
	               "retry.delays = 1m, 5s: they do not ascend; expected 1 to 16 ascending durations from 10ms to 30d, such as 5s, 1m, 10m");
	assert_refused("retry.delays", "5s, 60d",
	               "retry.delays = 5s, 60d: one is out of range; expected 1 to 16 ascending durations from 10ms to 30d, such as 5s, 1m, "
	               "10m");
	assert_refused("topic.name", "", "topic.name = : nothing stands there; expected a text, such as chatbot.events");
	assert_refused("event.source", "a\nb",
	               "event.source = a?b: it has a line break or another control character; expected a text, such as /chatbot/eu-1");
	assert_int_equal(evpipe_config_set(config, NULL, "1s", &error), EVPIPE_EINVAL);
	assert_int_equal(evpipe_config_set(config, "batch.linger", NULL, NULL), EVPIPE_EINVAL);
}

#define TEN "0123456789"

static void test_config__texts_have_forms(void **state)
{
	(void)state;
	const struct {
		const char *name, *value, *problem;
	} wrong[] = {
		{"topic.name", "a b", "a topic's name has letters, digits, '.', '_' and '-' alone"},
		{"topic.name", "..", "a topic's name has more than dots"},
		{"dead_letter.topic", "täglich", "a topic's name has letters, digits, '.', '_' and '-' alone"},
		{"topic.destination_from", "field:", "it is none of header, key and field:NAME"},
		{"topic.destination_from", "value", "it is none of header, key and field:NAME"},
		{"topic.id_from", "key", "it is neither header nor field:NAME"},
		{"topic.id_from", "field:" TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN, "a field's name has at most 128 bytes"},
		{"transport.url", "localhost:9092", "it is not a URL"},
		{"transport.url", "kafka://", "it is not a URL"},
		{"transport.url", "kafka://a:1,,b:2", "the host is missing"},
		{"transport.url", "kafka://a:1,", "the host is missing"},
		{"transport.url", "kafka://a b:1", "the host has a character that hosts do not have"},
		{"transport.url", "kafka://a/topic", "the host has a character that hosts do not have"},
		{"transport.url", "kafka://a:1,b:65536", "the port is not a number from 1 to 65535"},
		{"sink.url", "ftp://x/", "it begins with neither https:// nor http://"},
		{"sink.url", "{destination}://x/", "{destination} may stand in path and query alone"},
		{"sink.url", "https://{destination}.example.com/", "{destination} may stand in path and query alone"},
		{"sink.url", "https://example.com:{destination}/", "{destination} may stand in path and query alone"},
		{"sink.url", "https://{destination}@example.com/", "it holds a user's name or password"},
		{"sink.url", "https://u:p@example.com/", "it holds a user's name or password"},
		{"sink.url", "https:///path", "the host is missing"},
		{"sink.url", "https://:80/path", "the host is missing"},
		{"sink.url", "https://exam ple.com/", "it has a character that URLs do not have"},
		{"sink.url", "https://example.com/a b", "it has a character that URLs do not have"},
		{"sink.url", "https://exa$mple.com/", "the host has a character that hosts do not have"},
		{"sink.url", "https://example.com:0/", "the port is not a number from 1 to 65535"},
		{"sink.url", "https://example.com:65536/", "the port is not a number from 1 to 65535"},
		{"sink.url", "https://example.com:80x/", "the port is not a number from 1 to 65535"},
		{"sink.url", "https://example.com:/", "the port is not a number from 1 to 65535"},
		{"sink.url", "https://[::1/", "between [ and ] no IPv6 address stands"},
		{"sink.url", "https://[]/", "between [ and ] no IPv6 address stands"},
		{"sink.url", "https://[::1]x/", "the host has a character that hosts do not have"},
		{"sink.url", "https://example.com/#x", "it has a fragment"},
		{"sink.url", "https://example.com/{org}", "the only placeholder is {destination}"},
		{"sink.url", "https://example.com/{destination", "the only placeholder is {destination}"},
		{"sink.url", "https://example.com/destination}", "the only placeholder is {destination}"},
	};
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		assert_int_equal(evpipe_config_set(config, wrong[i].name, wrong[i].value, &error), EVPIPE_ECONFIG);
		if (!strstr(error.text, wrong[i].problem))
			print_message("%s = %s: %s\n", wrong[i].name, wrong[i].value, error.text);
		assert_non_null(strstr(error.text, wrong[i].problem));
	}
	set("transport.url", "kafka://broker-1:9092,[::1]:9092,broker_3");
	set("sink.url", "https://ingest.example.com:8443/orgs/{destination}/events?org={destination}&x=1");
	set("sink.url", "HTTPS://[2001:db8::1]:443");
	set("sink.url", "http://127.0.0.1:8080?org={destination}");
	set("topic.destination_from", "field:org");
	set("topic.id_from", "field:event.id");

	char long_name[260];
	memset(long_name, 't', sizeof long_name - 1);
	long_name[250] = '\0';
	assert_int_equal(evpipe_config_set(config, "topic.name", long_name, &error), EVPIPE_ECONFIG);
	assert_non_null(strstr(error.text, "a topic's name has at most 249 characters"));
	long_name[249] = '\0';
	set("dead_letter.topic", long_name);
}

/* ---- names ---- */

static void test_config__unknown_names_get_a_did_you_mean(void **state)
{
	(void)state;
	const struct {
		const char *name, *meant;
	} examples[] = {
		{"batch.lingr", "batch.linger"},
		{"batch.lingre", "batch.linger"},
		{"BATCH.LINGER", "batch.linger"},
		{"batch_linger", "batch.linger"},
		{"batch.max_bytes", NULL},
		{"linger", "batch.linger"},
		{"oder", "order"},
		{"sink.in_flight_per_destination", "sink.in_flight_per_destination_max"},
		{"ACME.batch.linger", "destination.ACME.batch.linger"},
		{"destination.ACME.batch.lingr", "destination.ACME.batch.linger"},
		{"destination.a.b.sink.ulr", "destination.a.b.sink.url"},
		{"destinatoin.ACME.sink.url", "destination.destinatoin.ACME.sink.url"},
		{"compression.type", NULL},
		{"", NULL},
		{"destination.ACME.nonsense", NULL},
		{"kafka.", NULL},
		{"sink.header.", NULL},
	};
	for (size_t i = 0; i < COUNT_OF(examples); i++) {
		char expected[200];
		const char *meant = examples[i].meant ? examples[i].meant : "";
		snprintf(expected, sizeof expected, "%s: there is no such property%s%s%s", examples[i].name,
		         *meant ? "; did you mean " : "", meant, *meant ? "?" : "");
		assert_refused(examples[i].name, "1", expected);
	}
	/* What a terminal would obey is not said back to it. */
	assert_refused("A\x1b[2J.batch.linger", "1",
	               "A?[2J.batch.linger: there is no such property; did you mean destination.A?[2J.batch.linger?");
}

static void test_config__destinations_need_a_name_and_a_property_that_may_differ(void **state)
{
	(void)state;
	assert_refused("destination.ACME.topic.name", "x",
	               "destination.ACME.topic.name: this is the same for all destinations: set topic.name");
	assert_refused("destination.ACME.kafka.linger.ms", "1",
	               "destination.ACME.kafka.linger.ms: this is the same for all destinations: set kafka.linger.ms");
	assert_refused("destination.ACME.kafka.\x1b[2J", "1",
	               "destination.ACME.kafka.?[2J: this is the same for all destinations: set kafka.?[2J");
	assert_refused("destination.batch.linger", "1s",
	               "destination.batch.linger: expected destination.NAME.PROPERTY, with the name of a destination");
	assert_refused("destination..batch.linger", "1s",
	               "destination..batch.linger: expected destination.NAME.PROPERTY, with the name of a destination");
	assert_refused("destination.", "1s", "destination.: expected destination.NAME.PROPERTY, with the name of a destination");
	assert_refused("destination.ACME", "1s", "destination.ACME: expected destination.NAME.PROPERTY, with the name of a destination");
}

/* ---- values from files ---- */

static void test_config__values_may_stand_in_files(void **state)
{
	(void)state;
	char  directory[] = "/tmp/evpipe-test-config-XXXXXX", path[64], value[80], expected[300];
	FILE *file;

	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof path, "%s/value", directory);
	snprintf(value, sizeof value, "@%s", path);

	snprintf(expected, sizeof expected, "sink.bearer_token: its value cannot be had from the file %s: No such file or directory", path);
	assert_refused("sink.bearer_token", value, expected);
	snprintf(expected, sizeof expected, "sink.bearer_token: its value cannot be had from the file %s: Is a directory", directory);
	snprintf(value, sizeof value, "@%s", directory);
	assert_refused("sink.bearer_token", value, expected);
	snprintf(value, sizeof value, "@%s", path);

	file = fopen(path, "w");
	fputs("s3cret\r\n", file);
	fclose(file);
	set("destination.ACME.sink.bearer_token", value);
	assert_string_equal(evpipe_config_text(config, "ACME", "sink.bearer_token"), "s3cret");
	set("kafka.sasl.password", value);
	/* What stands in a file that was named by mistake is not told. */
	snprintf(expected, sizeof expected,
	         "batch.linger = @%s: it does not begin with a number; expected a duration from 0 to 1h, such as 200ms, 5s, 1m, 6h, 7d", path);
	assert_refused("batch.linger", value, expected);

	file = fopen(path, "w");
	fputs("two\nlines\n", file);
	fclose(file);
	snprintf(expected, sizeof expected,
	         "sink.bearer_token = @%s: it has a line break or another control character; expected a secret, such as "
	         "@/run/secrets/ingest-token",
	         path);
	assert_refused("sink.bearer_token", value, expected);
	set("kafka.ssl.ca.pem", value);

	file = fopen(path, "w");
	fwrite("a\0b", 1, 3, file);
	fclose(file);
	snprintf(expected, sizeof expected, "sink.bearer_token: its value cannot be had from the file %s: it holds a NUL byte", path);
	assert_refused("sink.bearer_token", value, expected);

	assert_int_equal(truncate(path, 0), 0);
	set("sink.bearer_token", value);
	assert_null(evpipe_config_text(config, NULL, "sink.bearer_token"));
	assert_int_equal(truncate(path, 65537), 0);
	snprintf(expected, sizeof expected, "sink.bearer_token: its value cannot be had from the file %s: it is larger than 64KiB", path);
	assert_refused("sink.bearer_token", value, expected);
	unlink(path);
	rmdir(directory);
}

static void test_config__secrets_are_never_shown(void **state)
{
	(void)state;
	assert_refused("sink.bearer_token", "hush\nhush",
	               "sink.bearer_token = ...: it has a line break or another control character; expected a secret, such as "
	               "@/run/secrets/ingest-token");
	assert_int_equal(evpipe_config_set(config, "sink.bearer_token", "@@hush\n", &error), EVPIPE_ECONFIG);
	assert_null(strstr(error.text, "hush"));
	assert_int_equal(evpipe_config_set(config, "sink.bearer_tokn", "hush", &error), EVPIPE_ECONFIG);
	assert_null(strstr(error.text, "hush"));
	assert_int_equal(evpipe_config_set(config, "sink.header.Authorization", "hush\r\nX: y", &error), EVPIPE_ECONFIG);
	assert_null(strstr(error.text, "hush"));
	assert_int_equal(evpipe_config_set(config, "sink.url", "https://hush:hush@example.com/", &error), EVPIPE_ECONFIG);
	assert_null(strstr(error.text, "hush"));
	assert_int_equal(evpipe_config_set(config, "transport.url", "kafka://hush:hush@example.com/", &error), EVPIPE_ECONFIG);
	assert_null(strstr(error.text, "hush"));
}

/* ---- what is passed through ---- */

static void test_config__what_would_break_a_promise_is_refused(void **state)
{
	(void)state;
	const char *const prefixes[] = {"kafka.", "kafka.producer.", "kafka.consumer."};
	const char *const names[] = {"acks", "request.required.acks", "enable.idempotence", "enable.auto.commit",
				     "enable.auto.offset.store", "auto.offset.reset", "message.timeout.ms", "delivery.timeout.ms",
				     "group.id", "bootstrap.servers", "metadata.broker.list", "queuing.strategy"};

	for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
		for (size_t j = 0; j < COUNT_OF(names); j++) {
			char name[80];
			snprintf(name, sizeof name, "%s%s", prefixes[i], names[j]);
			assert_int_equal(evpipe_config_set(config, name, "latest", &error), EVPIPE_ECONFIG);
			assert_non_null(strstr(error.text, "may not be set so: "));
		}
	}
	assert_refused("kafka.acks", "1", "kafka.acks may not be set so: an event counts as sent when all replicas have it");
	set("kafka.consumer.auto.offset.reset", "earliest");
	set("kafka.compression.type", "zstd");
}

static void test_config__headers_are_single_lines(void **state)
{
	(void)state;
	const char *const line_break = "a header's value has no line breaks or other control characters";
	const struct {
		const char *name, *value, *problem;
	} wrong[] = {
		{"sink.header.X", "a\rb", line_break},
		{"sink.header.X", "a\nb", line_break},
		{"destination.ACME.sink.header.X", "a\n", line_break},
		{"sink.header.X Y", "a", "a header's name has letters, digits and '-' alone"},
		{"sink.header.X:", "a", "a header's name has letters, digits and '-' alone"},
		{"sink.header.content-length", "5", "it follows from the body"},
		{"sink.header.Idempotency-Key", "5", "each batch has its own"},
	};
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		char expected[200];
		snprintf(expected, sizeof expected, "%s may not be set so: %s", wrong[i].name, wrong[i].problem);
		assert_refused(wrong[i].name, wrong[i].value, expected);
	}
	set("sink.header.X", "a\tb");
}

static int join(void *ctx, const char *name, const char *value)
{
	char *joined = ctx;
	strcat(strcat(strcat(strcat(joined, name), "="), value), " ");
	return strcmp(name, "stop") == 0 ? 17 : 0;
}

static void test_config__visits_what_is_passed_through(void **state)
{
	(void)state;
	char joined[200] = "";

	set("kafka.b", "1");
	set("kafka.a", "2");
	set("kafka.producer.c", "3");
	set("kafka.b", "4");
	set("sink.header.X-One", "1");
	set("sink.header.X-Two", "2");
	set("destination.ACME.sink.header.x-one", "own");
	set("destination.ACME.sink.header.X-Three", "3");
	set("destination.ACME.sink.url", "https://x/");

	assert_int_equal(evpipe_config_each(config, NULL, "kafka.", join, joined), 0);
	assert_string_equal(joined, "b=4 a=2 producer.c=3 ");
	*joined = '\0';
	evpipe_config_each(config, NULL, "sink.header.", join, joined);
	assert_string_equal(joined, "X-One=1 X-Two=2 ");
	*joined = '\0';
	evpipe_config_each(config, "ACME", "sink.header.", join, joined);
	assert_string_equal(joined, "X-Two=2 x-one=own X-Three=3 ");
	*joined = '\0';
	evpipe_config_each(config, "other", "sink.header.", join, joined);
	assert_string_equal(joined, "X-One=1 X-Two=2 ");
	*joined = '\0';
	set("kafka.stop", "now");
	set("kafka.z", "1");
	assert_int_equal(evpipe_config_each(config, NULL, "kafka.", join, joined), 17);
	assert_null(strstr(joined, "z="));
}

static void test_config__a_copy_is_its_own(void **state)
{
	(void)state;
	evpipe_config *copy;
	char           joined[100] = "";

	set("batch.linger", "1s");
	set("destination.ACME.batch.linger", "2s");
	set("kafka.a", "1");
	assert_int_equal(evpipe_config_copy(&copy, config), EVPIPE_OK);
	set("batch.linger", "3s");
	set("destination.ACME.batch.linger", "4s");
	set("destination.B.batch.linger", "5s");
	assert_int_equal(evpipe_config_number(copy, NULL, "batch.linger"), 1000);
	assert_int_equal(evpipe_config_number(copy, "ACME", "batch.linger"), 2000);
	assert_int_equal(evpipe_config_number(copy, "B", "batch.linger"), 1000);
	evpipe_config_each(copy, NULL, "kafka.", join, joined);
	assert_string_equal(joined, "a=1 ");
	evpipe_config_free(copy);
	evpipe_config_free(NULL);
}

/* ---- what holds between properties ---- */

struct report {
	size_t count;
	size_t stop_after;
	char   texts[16][EVPIPE_ERROR_TEXT_MAX];
};

static int on_problem(void *ctx, const evpipe_error *problem)
{
	struct report *report = ctx;
	assert_in_range(report->count, 0, COUNT_OF(report->texts) - 1);
	memcpy(report->texts[report->count++], problem->text, sizeof problem->text);
	return report->count == report->stop_after;
}


/* The problems a check of the configuration reports are these and no others. */
static void assert_problems(const char *const *problems, size_t count)
{
	struct report report = {.count = 0};
	assert_int_equal(evpipe_config_check(config, on_problem, &report), count ? EVPIPE_ECONFIG : EVPIPE_OK);
	for (size_t i = 0; i < count && i < report.count; i++)
		assert_string_equal(report.texts[i], problems[i]);
	assert_int_equal(report.count, count);
}

#define ASSERT_PROBLEMS(...) assert_problems((const char *const[]){__VA_ARGS__}, COUNT_OF(((const char *const[]){__VA_ARGS__})))

/* A transport, so that none is missed; none of it is ever called. */
static evpipe_err do_open(void **self, const evpipe_transport_setup *transport_setup, evpipe_error *open_error)
{
	(void)open_error;
	*self = (void *)(uintptr_t)transport_setup;
	return EVPIPE_OK;
}

static void nothing(void *self)
{
	(void)self;
}

static void do_close(void *self, uint32_t timeout_ms)
{
	(void)self;
	(void)timeout_ms;
}

static evpipe_err do_send(void *self, const evpipe_record *record, uint64_t token)
{
	(void)self;
	(void)record;
	(void)token;
	return EVPIPE_EAGAIN;
}

static size_t no_size(void *self)
{
	(void)self;
	return 0;
}

static evpipe_err do_subscribe(void *self, const evpipe_subscription *subscription)
{
	(void)self;
	(void)subscription;
	return EVPIPE_OK;
}

static evpipe_err do_settle(void *self, evpipe_assignment assignment, int64_t offset)
{
	(void)self;
	(void)assignment;
	(void)offset;
	return EVPIPE_OK;
}

static void with_assignment(void *self, evpipe_assignment assignment)
{
	(void)self;
	(void)assignment;
}

static evpipe_err do_poll(void *self, unsigned flags, evpipe_transport_event *event)
{
	(void)self;
	(void)flags;
	(void)event;
	return EVPIPE_EAGAIN;
}

static int64_t never(void *self)
{
	(void)self;
	return INT64_MAX;
}

static evpipe_err do_ensure_topic(void *self, const evpipe_topic_spec *spec)
{
	(void)self;
	(void)spec;
	return EVPIPE_OK;
}

static const evpipe_transport_ops whole = {
	.size = sizeof whole,
	.name = "nowhere",
	.open = do_open,
	.close = do_close,
	.free = nothing,
	.send = do_send,
	.flush = nothing,
	.record_max = no_size,
	.subscribe = do_subscribe,
	.settle = do_settle,
	.hold = with_assignment,
	.release = with_assignment,
	.relinquish = with_assignment,
	.poll = do_poll,
	.next_due = never,
	.memory = no_size,
	.ensure_topic = do_ensure_topic,
};

static int setup_with_transport(void **state)
{
	return setup(state) || evpipe_config_use_transport(config, &whole, NULL, NULL) != EVPIPE_OK;
}

static void test_config__a_transport_is_needed(void **state)
{
	(void)state;
	ASSERT_PROBLEMS("transport.url is not set: say where the broker is, such as transport.url = kafka://127.0.0.1:9092");
	set("transport.url", "carrier-pigeon://loft");
	ASSERT_PROBLEMS("transport.url = carrier-pigeon://loft: no such transport; there is kafka://host:port");
	assert_int_equal(evpipe_config_use_transport(config, &whole, NULL, NULL), EVPIPE_OK);
	assert_problems(NULL, 0);
	assert_int_equal(evpipe_config_check(NULL, NULL, NULL), EVPIPE_EINVAL);
}

static void test_config__room_is_looked_at(void **state)
{
	(void)state;
	set("event.max", "32MiB");
	ASSERT_PROBLEMS("journal.size = 64MiB: it must have room for 4 events of event.max = 32MiB: make it at least 128MiB, or event.max "
	                "smaller");
	set("journal.size", "128MiB");
	assert_problems(NULL, 0);
	set("worker.memory_max", "255MiB");
	ASSERT_PROBLEMS("worker.memory_max = 255MiB: it must have room for 8 events of event.max = 32MiB: make it at least 256MiB, or "
	                "event.max smaller");
}

static void test_config__retention_outlasts_the_ladder(void **state)
{
	(void)state;
	set("topic.retention", "11h");
	set("retry.age_max", "10h");
	ASSERT_PROBLEMS("topic.retention = 11h: the broker would delete events that wait for the last of retry.delays (6h): make it at least "
	                "12h");
	set("topic.retention", "12h");
	assert_problems(NULL, 0);
	set("retry.age_max", "12h");
	ASSERT_PROBLEMS("retry.age_max = 12h: it must be less than topic.retention = 12h, or the broker deletes events before they are given "
	                "up");
	set("topic.retention", "forever");
	assert_problems(NULL, 0);
	set("topic.retention", "0");
	assert_problems(NULL, 0);
}

static void test_config__topics_are_distinct_and_short(void **state)
{
	(void)state;
	char name[260];

	set("dead_letter.topic", "evpipe.events");
	ASSERT_PROBLEMS("dead_letter.topic = evpipe.events: this is topic.name, so that dead letters would be delivered for ever: give them "
	                "a topic of their own");
	set("dead_letter.topic", "evpipe.events.retry.1h");
	ASSERT_PROBLEMS("dead_letter.topic = evpipe.events.retry.1h: this is a retry topic: give dead letters a topic of their own");
	set("dead_letter.topic", "evpipe.events.dead");
	assert_problems(NULL, 0);

	memset(name, 't', sizeof name);
	name[239] = '\0';
	set("topic.name", name);
	assert_problems(NULL, 0); /* .retry.10m */
	set("retry.delays", "1s, 100m");
	ASSERT_PROBLEMS("topic.name has 239 characters: with .retry.5s or the like behind it, a topic's name may have 249: make it shorter by "
	                "1");
}

static void test_config__pairs_fit(void **state)
{
	(void)state;
	set("retry.delays", "500ms, 1m");
	set("retry.quick_delay_min", "3s");
	set("breaker.open", "20m");
	set("sink.client_key", "/key.pem");
	set("destination.ACME.batch.linger", "1s"); /* what is said of all is not said again of it */
	set("envelope", "payload");
	ASSERT_PROBLEMS("envelope = payload: records then have no header, so workers must find the destination elsewhere: set "
	                "topic.destination_from to key or field:NAME",
	                "commit.interval = 1s: a worker's death would multiply events that come from the first of retry.delays (500ms) "
	                "before the commit: make it at most 500ms, or that delay longer",
	                "retry.quick_delay_min = 3s: it must not be more than retry.quick_delay_max = 2s",
	                "breaker.open = 20m: it must not be more than breaker.open_max = 10m",
	                "sink.client_key needs sink.client_certificate beside it");
	struct report two = {.stop_after = 2};
	assert_int_equal(evpipe_config_check(config, on_problem, &two), EVPIPE_ECONFIG);
	assert_int_equal(two.count, 2);
	set("topic.destination_from", "key");
	set("commit.interval", "500ms");
	set("retry.quick_delay_max", "3s");
	set("breaker.open_max", "20m");
	set("sink.client_certificate", "/cert.pem");
	assert_problems(NULL, 0);
	set("destination.ACME.breaker.open", "30m");
	set("destination.B.sink.client_key", "");
	ASSERT_PROBLEMS("destination.ACME.breaker.open = 30m: it must not be more than breaker.open_max = 20m",
	                "destination.B.sink.client_certificate needs sink.client_key beside it");
}

static void test_config__http_leaves_the_machine_only_if_allowed(void **state)
{
	(void)state;
	const char *const local[] = {"http://127.0.0.1:80/", "http://127.9.9.9", "http://localhost/x", "http://[::1]:8080/",
				     "http://LOCALHOST:1", "https://example.com/"};
	const char *const remote[] = {"http://example.com/", "http://127.0.0.1.example.com/", "http://localhost.example.com/",
				      "http://[::2]/", "http://10.0.0.1/", "HTTP://example.com"};
	for (size_t i = 0; i < COUNT_OF(local); i++) {
		set("sink.url", local[i]);
		assert_problems(NULL, 0);
	}
	for (size_t i = 0; i < COUNT_OF(remote); i++) {
		char expected[200];
		snprintf(expected, sizeof expected,
		         "sink.url = %s: events would cross the network in the clear: use https://, or set sink.allow_http = yes", remote[i]);
		set("sink.url", remote[i]);
		ASSERT_PROBLEMS(expected);
	}
	set("destination.ACME.sink.url", "http://acme.example.net/");
	set("sink.allow_http", "yes");
	assert_problems(NULL, 0);
	set("destination.ACME.sink.allow_http", "no");
	ASSERT_PROBLEMS("destination.ACME.sink.url = http://acme.example.net/: events would cross the network in the clear: use https://, or "
	                "set sink.allow_http = yes");
}

static void test_config__problems_between_properties_have_a_place(void **state)
{
	(void)state;
	char  path[] = "/tmp/evpipe-test-config-XXXXXX", expected[200];
	int   fd = mkstemp(path);
	FILE *file = fdopen(fd, "w");

	fputs("[breaker]\nopen_max = 1m\n\n[destination.ACME]\nbreaker.open = 2m\n", file);
	fclose(file);
	assert_int_equal(evpipe_config_load(config, path, NULL), EVPIPE_OK);
	unlink(path);
	snprintf(expected, sizeof expected, "%s:5: destination.ACME.breaker.open = 2m: it must not be more than breaker.open_max = 1m", path);
	ASSERT_PROBLEMS(expected);
}

/* ---- what is handed in ---- */

static void test_config__an_incomplete_transport_is_refused(void **state)
{
	(void)state;
	evpipe_transport_ops ops = whole;

	assert_int_equal(evpipe_config_use_transport(config, NULL, NULL, &error), EVPIPE_EINVAL);
	ops.settle = NULL;
	assert_int_equal(evpipe_config_use_transport(config, &ops, NULL, &error), EVPIPE_EINVAL);
	assert_string_equal(error.text, "the transport 'nowhere' lacks 'settle'");
	ops = whole;
	ops.features = EVPIPE_FEATURE_LAG;
	assert_int_equal(evpipe_config_use_transport(config, &ops, NULL, &error), EVPIPE_EINVAL);
	assert_string_equal(error.text, "the transport 'nowhere' lacks 'lag'");
	ops = whole;
	ops.size -= sizeof(void *);
	assert_int_equal(evpipe_config_use_transport(config, &ops, NULL, &error), EVPIPE_EINVAL);
	assert_non_null(strstr(error.text, "the table of operations is of another version: its size is "));
	assert_null(config->transport_ops);
	assert_int_equal(evpipe_config_use_transport(config, &whole, NULL, &error), EVPIPE_OK);
}

static void test_config__opens_the_transport_that_was_handed_in(void **state)
{
	(void)state;
	evpipe_transport_setup      transport = {.size = sizeof transport};
	const evpipe_transport_ops *ops;
	void                       *self;
	int                         arg;

	assert_int_equal(evpipe__settings_open_transport(config, &transport, &ops, &self, &error), EVPIPE_ECONFIG);
	assert_int_equal(evpipe_config_use_transport(config, &whole, &arg, NULL), EVPIPE_OK);
	set("transport.url", "kafka://ignored:1");
	assert_int_equal(evpipe__settings_open_transport(config, &transport, &ops, &self, &error), EVPIPE_OK);
	assert_ptr_equal(ops, &whole);
	assert_ptr_equal(self, &transport);
	assert_ptr_equal(transport.arg, &arg);
	assert_ptr_equal(transport.config, config);
	assert_null(transport.url);
}

static int64_t clock_at_7(void *ctx)
{
	(void)ctx;
	return 7;
}

static uint64_t always_4(void *ctx)
{
	(void)ctx;
	return 4;
}

static void enrol(void *ctx, evpipe_stepper *stepper)
{
	(void)ctx;
	(void)stepper;
}

static void test_config__a_runtime_is_whole_or_refused(void **state)
{
	(void)state;
	evpipe_runtime runtime = EVPIPE_RUNTIME_INIT;

	assert_int_equal(evpipe_config_use_runtime(config, &runtime), EVPIPE_EINVAL);
	runtime.mono_ms = clock_at_7;
	runtime.wall_ms = clock_at_7;
	runtime.random = always_4;
	runtime.enrol = enrol;
	assert_int_equal(evpipe_config_use_runtime(config, &runtime), EVPIPE_EINVAL); /* without leave */
	assert_true(evpipe__settings_runtime(config)->mono_ms(evpipe__settings_runtime(config)->ctx) != 7);
	runtime.leave = enrol;
	assert_int_equal(evpipe_config_use_runtime(config, &runtime), EVPIPE_OK);
	assert_int_equal(evpipe__settings_runtime(config)->mono_ms(NULL), 7);
}

static void on_log(void *ctx, evpipe_log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	(void)line;
}

static void test_config__a_checked_copy_has_it_all(void **state)
{
	(void)state;
	evpipe_config *copy = NULL;
	int            ctx;

	set("breaker.open", "20m");
	assert_int_equal(evpipe__settings_copy_checked(&copy, config, &error), EVPIPE_ECONFIG);
	assert_string_equal(error.text, "breaker.open = 20m: it must not be more than breaker.open_max = 10m");
	set("retry.quick_delay_min", "3s");
	set("dead_letter.topic", "evpipe.events");
	assert_int_equal(evpipe__settings_copy_checked(&copy, config, &error), EVPIPE_ECONFIG);
	assert_non_null(strstr(error.text, "give them a topic of their own (and 2 more: see evpipe check)"));
	assert_null(copy);

	evpipe_config_free(config);
	assert_int_equal(setup_with_transport(state), 0);
	evpipe_config_on_log(config, on_log, &ctx);
	assert_int_equal(evpipe__settings_copy_checked(&copy, config, &error), EVPIPE_OK);
	assert_ptr_equal(copy->log.fn, on_log);
	assert_ptr_equal(copy->log.ctx, &ctx);
	assert_ptr_equal(copy->transport_ops, &whole);
	evpipe_config_free(copy);
}

#define TEST(name)           cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_TRANSPORT(name) cmocka_unit_test_setup_teardown(name, setup_with_transport, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_config__has_the_defaults),
		TEST(test_config__each_property_takes_its_default_and_its_example),
		TEST(test_config__a_destination_has_its_own_else_the_common),
		TEST(test_config__values_have_their_types),
		TEST(test_config__refused_values_leave_the_old_one),
		TEST(test_config__texts_have_forms),
		TEST(test_config__unknown_names_get_a_did_you_mean),
		TEST(test_config__destinations_need_a_name_and_a_property_that_may_differ),
		TEST(test_config__values_may_stand_in_files),
		TEST(test_config__secrets_are_never_shown),
		TEST(test_config__what_would_break_a_promise_is_refused),
		TEST(test_config__headers_are_single_lines),
		TEST(test_config__visits_what_is_passed_through),
		TEST(test_config__a_copy_is_its_own),
		TEST(test_config__a_transport_is_needed),
		TEST_TRANSPORT(test_config__room_is_looked_at),
		TEST_TRANSPORT(test_config__retention_outlasts_the_ladder),
		TEST_TRANSPORT(test_config__topics_are_distinct_and_short),
		TEST_TRANSPORT(test_config__pairs_fit),
		TEST_TRANSPORT(test_config__http_leaves_the_machine_only_if_allowed),
		TEST_TRANSPORT(test_config__problems_between_properties_have_a_place),
		TEST(test_config__an_incomplete_transport_is_refused),
		TEST(test_config__opens_the_transport_that_was_handed_in),
		TEST(test_config__a_runtime_is_whole_or_refused),
		TEST_TRANSPORT(test_config__a_checked_copy_has_it_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
