/*
 * baseline.c: Kafka to HTTP as one writes it in a day: librdkafka's consumer, libcurl's multi interface, posts of
 * NDJSON, offsets stored at the lowest that no post was acknowledged for. What evpipe run is compared with. It has no
 * retry topics, no dead letters, no limit on memory, no order and no fairness; a post that fails is repeated until it
 * succeeds.
 *
 *   baseline --broker HOST:PORT --topic NAME --group NAME --url URL [--by FIELD] [--batch 500] [--in-flight 16] [--linger-ms 1000]
 *            [-X name=value]...
 *
 * --by: a post has events of one value of this field, which stands for {} in the URL; else events are mixed as they come. Ends at SIGTERM.
 */
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

#include "client.h"
#include "common.h"

#define PARTITIONS_MAX 64
#define NAMES_MAX 16384 /* a power of two; at most half of them are used */
#define TAKE_MAX 1000
#define STORE_EVERY_NS UINT64_C(1000000000)
#define RETRY_AFTER_NS UINT64_C(100000000)
#define FIELD_WITHIN 128 /* the field that --by names is looked for in so many first bytes */

/* A name of --by, and the body that is being filled for it. */
struct name {
	char        *text;
	size_t       len;
	struct body *filling;
};

struct body {
	struct name *name;
	char        *data;
	size_t       len, size;
	long         count;
	uint64_t     opened_ns;
	int64_t      lowest[PARTITIONS_MAX]; /* INT64_MAX: has nothing of this partition */
	TAILQ_ENTRY(body) link;              /* filling, ready or free */
	LIST_ENTRY(body) live_link;
};

struct post {
	CURL        *easy;
	struct body *body;
	SLIST_ENTRY(post) link;
};

TAILQ_HEAD(bodies, body);

static struct bodies            filling = TAILQ_HEAD_INITIALIZER(filling); /* by age */
static struct bodies            ready = TAILQ_HEAD_INITIALIZER(ready);
static struct bodies            unused = TAILQ_HEAD_INITIALIZER(unused);
static LIST_HEAD(, body)        live; /* all whose events are not acknowledged */
static SLIST_HEAD(, post)       idle;
static struct name              names[NAMES_MAX], everybody;
static int64_t                  next_offset[PARTITIONS_MAX]; /* -1: nothing was taken */
static CURLM                   *multi;
static rd_kafka_t              *client;
static rd_kafka_queue_t        *queue;
static const char              *topic, *group, *url, *field;
static long                     batch_max = 500, in_flight_max = 16;
static uint64_t                 linger_ns = UINT64_C(1000000000), paused_until_ns;
static unsigned long            delivered, posts, failures;

/* ---- bodies ---- */

static struct body *open_body(struct name *name, uint64_t now)
{
	struct body *body = TAILQ_FIRST(&unused);
	if (body) {
		TAILQ_REMOVE(&unused, body, link);
	} else {
		body = calloc(1, sizeof *body);
		if (!body)
			die("out of memory");
	}
	body->name = name;
	body->len = 0;
	body->count = 0;
	body->opened_ns = now;
	for (int i = 0; i < PARTITIONS_MAX; i++)
		body->lowest[i] = INT64_MAX;
	TAILQ_INSERT_TAIL(&filling, body, link);
	LIST_INSERT_HEAD(&live, body, live_link);
	name->filling = body;
	return body;
}

static void close_body(struct body *body)
{
	TAILQ_REMOVE(&filling, body, link);
	TAILQ_INSERT_TAIL(&ready, body, link);
	body->name->filling = NULL;
}

static void append(struct body *body, const char *data, size_t len)
{
	if (body->len + len + 1 > body->size) {
		body->size = 2 * (body->len + len + 1);
		body->data = realloc(body->data, body->size);
		if (!body->data)
			die("out of memory");
	}
	memcpy(body->data + body->len, data, len);
	body->len += len;
	body->data[body->len++] = '\n';
	body->count++;
}

/* ---- whose events they are ---- */

static char   field_pattern[64];
static size_t field_pattern_len;

static struct name *intern(const char *text, size_t len)
{
	uint32_t        hash = 2166136261;
	static unsigned used;
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)text[i]) * 16777619;
	for (uint32_t at = hash;; at++) {
		struct name *name = &names[at % NAMES_MAX];
		if (name->text && name->len == len && memcmp(name->text, text, len) == 0)
			return name;
		if (name->text)
			continue;
		if (++used > NAMES_MAX / 2)
			die("more than %d values of %s", NAMES_MAX / 2, field);
		name->text = strndup(text, len);
		name->len = len;
		return name;
	}
}

static struct name *name_of(const char *data, size_t len)
{
	if (!field)
		return &everybody;
	const char *at = memmem(data, len < FIELD_WITHIN ? len : FIELD_WITHIN, field_pattern, field_pattern_len);
	if (!at)
		return &everybody;
	at += field_pattern_len;
	const char *end = memchr(at, '"', len - (size_t)(at - data));
	return end ? intern(at, (size_t)(end - at)) : &everybody;
}

/* ---- taking ---- */

static void take_message(const rd_kafka_message_t *message, uint64_t now)
{
	if (message->err) {
		fprintf(stderr, "baseline: %s\n", rd_kafka_message_errstr(message));
		return;
	}
	if (message->partition >= PARTITIONS_MAX)
		die("more than %d partitions", PARTITIONS_MAX);
	struct name *name = name_of(message->payload, message->len);
	struct body *body = name->filling ? name->filling : open_body(name, now);
	if (body->lowest[message->partition] == INT64_MAX)
		body->lowest[message->partition] = message->offset;
	next_offset[message->partition] = message->offset + 1;
	append(body, message->payload, message->len);
	if (body->count >= batch_max)
		close_body(body);
}

static ssize_t take(uint64_t now)
{
	rd_kafka_message_t *messages[TAKE_MAX];
	ssize_t             count = rd_kafka_consume_batch_queue(queue, 0, messages, TAKE_MAX);
	for (ssize_t i = 0; i < count; i++) {
		take_message(messages[i], now);
		rd_kafka_message_destroy(messages[i]);
	}
	return count;
}

static void store_offsets(void)
{
	rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(PARTITIONS_MAX);
	for (int i = 0; i < PARTITIONS_MAX; i++) {
		const struct body *body;
		int64_t            lowest = next_offset[i];
		if (lowest < 0)
			continue;
		LIST_FOREACH(body, &live, live_link)
			if (body->lowest[i] < lowest)
				lowest = body->lowest[i];
		rd_kafka_topic_partition_list_add(offsets, topic, i)->offset = lowest;
	}
	rd_kafka_offsets_store(client, offsets);
	rd_kafka_topic_partition_list_destroy(offsets);
}

/* ---- posting ---- */

static void set_url(CURL *easy, const char *name)
{
	char        text[1024];
	const char *hole = strstr(url, "{}");
	snprintf(text, sizeof text, "%.*s%s%s", (int)(hole - url), url, name, hole + 2);
	curl_easy_setopt(easy, CURLOPT_URL, text);
}

static void start_posts(uint64_t now)
{
	struct post *post;
	struct body *body;
	if (now < paused_until_ns)
		return;
	while ((post = SLIST_FIRST(&idle)) && (body = TAILQ_FIRST(&ready))) {
		TAILQ_REMOVE(&ready, body, link);
		SLIST_REMOVE_HEAD(&idle, link);
		post->body = body;
		if (field)
			set_url(post->easy, body->name->text ? body->name->text : "none");
		curl_easy_setopt(post->easy, CURLOPT_POSTFIELDS, body->data);
		curl_easy_setopt(post->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
		curl_multi_add_handle(multi, post->easy);
		posts++;
	}
}

static void finish_post(struct post *post, CURLcode result, uint64_t now)
{
	struct body *body = post->body;
	long         status = 0;
	curl_easy_getinfo(post->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_multi_remove_handle(multi, post->easy);
	SLIST_INSERT_HEAD(&idle, post, link);
	if (result != CURLE_OK || status / 100 != 2) {
		failures++;
		paused_until_ns = now + RETRY_AFTER_NS;
		TAILQ_INSERT_HEAD(&ready, body, link);
		return;
	}
	delivered += (unsigned long)body->count;
	LIST_REMOVE(body, live_link);
	TAILQ_INSERT_HEAD(&unused, body, link);
}

static void work_posts(uint64_t now)
{
	int      running, left;
	CURLMsg *message;
	curl_multi_perform(multi, &running);
	while ((message = curl_multi_info_read(multi, &left))) {
		struct post *post;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &post);
		finish_post(post, message->data.result, now);
	}
}

/* ---- the loop ---- */

static void wait_for_work(int fd, int may_take, uint64_t now)
{
	struct curl_waitfd  extra = {.fd = fd, .events = CURL_WAIT_POLLIN};
	const struct body  *oldest = TAILQ_FIRST(&filling);
	uint64_t            until = now + STORE_EVERY_NS, signalled;
	if (oldest && oldest->opened_ns + linger_ns < until)
		until = oldest->opened_ns + linger_ns;
	if (paused_until_ns > now && paused_until_ns < until)
		until = paused_until_ns;
	curl_multi_poll(multi, &extra, may_take ? 1 : 0, until > now ? (int)((until - now + 999999) / 1000000) : 0, NULL);
	if (extra.revents && read(fd, &signalled, sizeof signalled) < 0 && errno != EAGAIN)
		die("eventfd: %s", strerror(errno));
}

static void run(int fd)
{
	uint64_t stored_ns = now_ns();
	while (!stopping) {
		uint64_t     now = now_ns();
		struct body *oldest;
		/* What waits for an idle post is the limit on how far ahead it reads. */
		int     may_take = TAILQ_EMPTY(&ready);
		ssize_t taken = may_take ? take(now) : 0;
		while ((oldest = TAILQ_FIRST(&filling)) && now - oldest->opened_ns >= linger_ns)
			close_body(oldest);
		start_posts(now);
		work_posts(now);
		start_posts(now);
		if (now - stored_ns >= STORE_EVERY_NS) {
			store_offsets();
			stored_ns = now;
		}
		if (taken <= 0)
			wait_for_work(fd, TAILQ_EMPTY(&ready), now);
	}
	store_offsets();
}

static size_t ignore_answer(char *data, size_t size, size_t count, void *ctx)
{
	(void)data;
	(void)ctx;
	return size * count;
}

static void open_posts(struct curl_slist *headers)
{
	curl_global_init(CURL_GLOBAL_ALL);
	multi = curl_multi_init();
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, in_flight_max);
	for (long i = 0; i < in_flight_max; i++) {
		struct post *post = calloc(1, sizeof *post);
		if (!post || !(post->easy = curl_easy_init()))
			die("out of memory");
		curl_easy_setopt(post->easy, CURLOPT_URL, url);
		curl_easy_setopt(post->easy, CURLOPT_POST, 1L);
		curl_easy_setopt(post->easy, CURLOPT_HTTPHEADER, headers);
		curl_easy_setopt(post->easy, CURLOPT_WRITEFUNCTION, ignore_answer);
		curl_easy_setopt(post->easy, CURLOPT_PRIVATE, post);
		curl_easy_setopt(post->easy, CURLOPT_NOSIGNAL, 1L);
		curl_easy_setopt(post->easy, CURLOPT_TIMEOUT, 30L);
		curl_easy_setopt(post->easy, CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
		SLIST_INSERT_HEAD(&idle, post, link);
	}
}

static void open_consumer(rd_kafka_conf_t *conf, int fd)
{
	client = client_new(RD_KAFKA_CONSUMER, conf);
	rd_kafka_poll_set_consumer(client);
	queue = rd_kafka_queue_get_consumer(client);
	rd_kafka_queue_io_event_enable(queue, fd, &(uint64_t){1}, sizeof(uint64_t));
	rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
	rd_kafka_topic_partition_list_add(topics, topic, RD_KAFKA_PARTITION_UA);
	rd_kafka_resp_err_t err = rd_kafka_subscribe(client, topics);
	if (err)
		die("%s: %s", topic, rd_kafka_err2str(err));
	rd_kafka_topic_partition_list_destroy(topics);
	for (int i = 0; i < PARTITIONS_MAX; i++)
		next_offset[i] = -1;
}

static void close_all(struct curl_slist *headers)
{
	struct post *post;
	rd_kafka_queue_destroy(queue);
	rd_kafka_consumer_close(client);
	rd_kafka_destroy(client);
	while ((post = SLIST_FIRST(&idle))) {
		SLIST_REMOVE_HEAD(&idle, link);
		curl_easy_cleanup(post->easy);
		free(post);
	}
	curl_multi_cleanup(multi);
	curl_slist_free_all(headers);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"broker", required_argument, NULL, 'b'},
	                                        {"topic", required_argument, NULL, 't'},
	                                        {"group", required_argument, NULL, 'g'},
	                                        {"url", required_argument, NULL, 'u'},
	                                        {"by", required_argument, NULL, 'y'},
	                                        {"batch", required_argument, NULL, 'n'},
	                                        {"in-flight", required_argument, NULL, 'i'},
	                                        {"linger-ms", required_argument, NULL, 'l'},
	                                        {NULL, 0, NULL, 0}};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	int              option;

	conf_set(conf, "auto.offset.reset", "earliest");
	conf_set(conf, "enable.auto.offset.store", "false");
	conf_set(conf, "auto.commit.interval.ms", "1000");
	conf_set(conf, "fetch.message.max.bytes", "4194304");
	while ((option = getopt_long(argc, argv, "X:", options, NULL)) != -1) {
		switch (option) {
		case 'b':
			conf_set(conf, "bootstrap.servers", optarg);
			break;
		case 't':
			topic = optarg;
			break;
		case 'g':
			group = optarg;
			conf_set(conf, "group.id", optarg);
			break;
		case 'u':
			url = optarg;
			break;
		case 'y':
			field = optarg;
			break;
		case 'n':
			batch_max = number_of("batch", optarg, 1, 100000);
			break;
		case 'i':
			in_flight_max = number_of("in-flight", optarg, 1, 1000);
			break;
		case 'l':
			linger_ns = (uint64_t)number_of("linger-ms", optarg, 0, 60000) * 1000000;
			break;
		case 'X':
			conf_set_pair(conf, optarg);
			break;
		default:
			return 64;
		}
	}
	if (!topic || !group || !url || (field && !strstr(url, "{}"))) {
		fprintf(stderr, "baseline: give --broker, --topic, --group and --url, which has {} if --by is given\n");
		return 64;
	}
	field_pattern_len = (size_t)snprintf(field_pattern, sizeof field_pattern, "\"%.40s\":\"", field ? field : "");
	catch_signals();
	int                fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/x-ndjson");
	headers = curl_slist_append(headers, "Expect:");
	open_posts(headers);
	open_consumer(conf, fd);
	run(fd);
	close_all(headers);
	printf("{\"delivered\":%lu,\"posts\":%lu,\"failures\":%lu,\"cpu_s\":%.3f}\n", delivered, posts, failures, cpu_seconds());
	return 0;
}
