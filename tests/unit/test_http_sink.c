/*
 * The HTTP sink as the core sees it, against a server that answers byte for byte what a test says.
 */
#include "test.h"

#include <evpipe-sink.h>
#include <poll.h>
#include <zlib.h>

#include "http-server.h"
#include "tests/torture/allocations.h"
#include "platform.h"
#include "sinks/http-destination.h"

extern const evpipe_sink_ops evpipe__http_sink;
static const evpipe_sink_ops *const ops = &evpipe__http_sink;

#define OK_EMPTY    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define DEADLINE_MS 60000

/* ---- a sink with its server, and batches for it ---- */

struct world {
	struct http_server *server;
	evpipe_config      *config;
	void               *sink;
	int                 warnings;
};

static void count_warning(void *ctx, evpipe_log_level level, const char *line)
{
	struct world *world = ctx;
	assert_int_equal(level, EVPIPE_LOG_WARN);
	assert_non_null(strstr(line, "event=insecure_skip_verify"));
	world->warnings++;
}

static void set(struct world *world, const char *name, const char *value)
{
	evpipe_error error;
	if (evpipe_config_set(world->config, name, value, &error) != EVPIPE_OK)
		fail_msg("%s = %s: %s", name, value, error.text);
}

/* The server's URL: what stands before its port, and what behind. */
static void set_url(struct world *world, const char *name, const char *before, const char *behind)
{
	char url[128];
	snprintf(url, sizeof url, "%s:%d%s", before, http_server_port(world->server), behind);
	set(world, name, url);
}

/* name, value, ..., NULL on top of a URL and of what makes bodies readable. */
static void prepare(struct world *world, const char *const settings[])
{
	*world = (struct world){.server = http_server_new()};
	assert_int_equal(evpipe_config_new(&world->config), EVPIPE_OK);
	set_url(world, "sink.url", "http://127.0.0.1", "/orgs/{destination}/events");
	set(world, "sink.compression", "none");
	for (size_t i = 0; settings && settings[i]; i += 2)
		set(world, settings[i], settings[i + 1]);
}

static evpipe_err try_open(struct world *world, evpipe_error *error)
{
	evpipe_sink_setup setup = {.size = sizeof setup,
	                           .url = evpipe_config_text(world->config, NULL, "sink.url"),
	                           .config = world->config,
	                           .runtime = evpipe__platform_runtime(),
	                           .log = count_warning,
	                           .log_ctx = world};
	return ops->open(&world->sink, &setup, error);
}

static void open_world(struct world *world, const char *const settings[])
{
	evpipe_error error = {0};
	prepare(world, settings);
	if (try_open(world, &error) != EVPIPE_OK)
		fail_msg("%s", error.text);
}

static void close_world(struct world *world)
{
	if (world->sink)
		ops->free(world->sink);
	evpipe_config_free(world->config);
	http_server_free(world->server);
}

#define EVENTS_MAX 4

struct batch {
	evpipe_batch           batch;
	evpipe_delivery        events[EVENTS_MAX];
	const evpipe_delivery *list[EVENTS_MAX];
	int                    answers;
	evpipe_answer          answer;
	char                   text[1024];
};

static struct batch *batch_of(const char *destination, const char *const payloads[])
{
	struct batch *batch = calloc(1, sizeof *batch);
	batch->batch.destination = destination;
	batch->batch.events = batch->list;
	for (size_t i = 0; payloads[i]; i++) {
		assert_true(i < EVENTS_MAX);
		batch->events[i] = (evpipe_delivery){.id = "an-id",
		                                     .type = "step",
		                                     .content_type = "application/json",
		                                     .data = payloads[i],
		                                     .data_len = strlen(payloads[i])};
		batch->list[i] = &batch->events[i];
		batch->batch.count++;
		batch->batch.bytes += batch->events[i].data_len;
	}
	snprintf(batch->batch.idempotency_key, sizeof batch->batch.idempotency_key, "0123456789abcdef0123456789abcdef");
	return batch;
}

static struct batch *small_batch(const char *destination)
{
	return batch_of(destination, (const char *const[]){"{\"a\":1}", NULL});
}

static int64_t now_ms(void)
{
	const evpipe_runtime *runtime = evpipe__platform_runtime();
	return runtime->mono_ms(runtime->ctx);
}

/* As the worker does: poll until there is nothing, wait for the descriptor or for what is due. */
static void poll_until_answered(struct world *world, struct batch *batch)
{
	int64_t deadline = now_ms() + DEADLINE_MS;
	while (!batch->answers) {
		evpipe_answer answer;
		while (ops->poll(world->sink, &answer) == EVPIPE_OK) {
			struct batch *of = (struct batch *)(uintptr_t)answer.batch;
			assert_int_equal(of->answers++, 0);
			assert_null(of->batch.sink_data);
			of->answer = answer;
			snprintf(of->text, sizeof of->text, "%s", answer.text ? answer.text : "");
			of->answer.text = of->text;
		}
		int64_t       due = ops->next_due(world->sink), left = due == INT64_MAX ? 10000 : due == INT64_MIN ? 0 : due - now_ms();
		struct pollfd fd = {.fd = ops->fd(world->sink), .events = POLLIN};
		assert_true(now_ms() < deadline);
		if (!batch->answers)
			poll(&fd, 1, (int)(left < 0 ? 0 : left > 10000 ? 10000 : left));
	}
}

static void post(struct world *world, struct batch *batch)
{
	assert_int_equal(ops->submit(world->sink, &batch->batch), EVPIPE_OK);
	poll_until_answered(world, batch);
}

/* Post a small batch to ACME and forget it; what was answered is returned. */
static evpipe_answer post_small(struct world *world, const char *destination)
{
	static char   text[1024];
	struct batch *batch = small_batch(destination);
	post(world, batch);
	evpipe_answer answer = batch->answer;
	snprintf(text, sizeof text, "%s", batch->text);
	answer.text = text;
	answer.batch = NULL;
	free(batch);
	return answer;
}

/* ---- what is sent ---- */

static void test_http__posts_a_batch(void **state)
{
	struct world world;
	char         value[512];
	(void)state;
	open_world(&world, NULL);
	struct batch *batch = batch_of("A/B", (const char *const[]){"{\"a\":1}", "{\n\"b\":2}", NULL});
	post(&world, batch);
	assert_int_equal(batch->answer.verdict, EVPIPE_VERDICT_DELIVERED);
	assert_int_equal(batch->answer.status, 200);
	assert_string_equal(batch->text, "");
	assert_int_equal(http_server_requests(world.server), 1);
	assert_ptr_equal(strstr(http_server_head(world.server, 0), "POST /orgs/A%2FB/events HTTP/1.1\r\n"), http_server_head(world.server, 0));
	assert_string_equal(http_server_body(world.server, 0, NULL), "{\"a\":1}\n{\"b\":2}\n");
	assert_string_equal(http_server_header(world.server, 0, "Content-Type", value), "application/x-ndjson");
	assert_string_equal(http_server_header(world.server, 0, "Idempotency-Key", value), "0123456789abcdef0123456789abcdef");
	http_server_header(world.server, 0, "User-Agent", value);
	assert_memory_equal(value, "libevpipe/", 10);
	assert_string_equal(value + 10, evpipe_version());
	assert_null(http_server_header(world.server, 0, "Expect", value));
	assert_null(http_server_header(world.server, 0, "Content-Encoding", value));
	assert_null(http_server_header(world.server, 0, "Authorization", value));
	free(batch);
	close_world(&world);
}

static void test_http__bodies_are_gzipped_unless_told_otherwise(void **state)
{
	struct world world;
	char         value[512], body[512];
	size_t       len;
	(void)state;
	open_world(&world, (const char *const[]){"sink.compression", "gzip", "sink.format", "json", NULL});
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(post_small(&world, "ACME").verdict, EVPIPE_VERDICT_DELIVERED);
		assert_string_equal(http_server_header(world.server, i, "Content-Encoding", value), "gzip");
		assert_string_equal(http_server_header(world.server, i, "Content-Type", value), "application/json");
		const char *gzipped = http_server_body(world.server, i, &len);
		z_stream    stream = {.next_in = (Bytef *)(uintptr_t)gzipped,
		                      .avail_in = (uInt)len,
		                      .next_out = (Bytef *)body,
		                      .avail_out = sizeof body - 1};
		assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
		assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
		body[stream.total_out] = '\0';
		inflateEnd(&stream);
		assert_string_equal(body, "[{\"a\":1}]");
	}
	close_world(&world);
}

static void test_http__a_large_body_arrives_whole(void **state)
{
	enum { SIZE = 3000000 };
	struct world world;
	size_t       len;
	char        *payload = malloc(SIZE + 1);
	(void)state;
	open_world(&world, NULL);
	memset(payload, 'x', SIZE);
	payload[0] = payload[SIZE - 1] = '"';
	payload[SIZE] = '\0';
	struct batch *batch = batch_of("ACME", (const char *const[]){payload, NULL});
	size_t        before = ops->memory(world.sink);
	assert_int_equal(ops->submit(world.sink, &batch->batch), EVPIPE_OK);
	assert_true(ops->memory(world.sink) >= before + SIZE);
	poll_until_answered(&world, batch);
	assert_int_equal(batch->answer.verdict, EVPIPE_VERDICT_DELIVERED);
	const char *body = http_server_body(world.server, 0, &len);
	assert_int_equal(len, SIZE + 1);
	assert_memory_equal(body, payload, SIZE);
	free(batch);
	free(payload);
	close_world(&world);
}

static void test_http__a_connection_is_kept(void **state)
{
	struct world world;
	(void)state;
	open_world(&world, NULL);
	for (int i = 0; i < 20; i++)
		assert_int_equal(post_small(&world, i % 2 ? "ACME" : "INIT").verdict, EVPIPE_VERDICT_DELIVERED);
	assert_int_equal(http_server_requests(world.server), 20);
	assert_int_equal(http_server_connections(world.server), 1);
	close_world(&world);
}

static void test_http__many_batches_at_a_time_are_answered_once_each(void **state)
{
	struct world  world;
	struct batch *batches[40];
	(void)state;
	open_world(&world, NULL);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < COUNT_OF(batches); i++) {
			batches[i] = small_batch(i % 3 ? "ACME" : "INIT");
			assert_int_equal(ops->submit(world.sink, &batches[i]->batch), EVPIPE_OK);
		}
		for (size_t i = 0; i < COUNT_OF(batches); i++)
			poll_until_answered(&world, batches[i]);
		for (size_t i = 0; i < COUNT_OF(batches); i++) {
			assert_int_equal(batches[i]->answer.verdict, EVPIPE_VERDICT_DELIVERED);
			free(batches[i]);
		}
	}
	assert_int_equal(http_server_requests(world.server), 3 * COUNT_OF(batches));
	assert_true(ops->next_due(world.sink) == INT64_MAX);
	close_world(&world);
}

static void test_http__destinations_differ_as_configured(void **state)
{
	struct world world;
	char         value[512];
	(void)state;
	prepare(&world, (const char *const[]){"sink.bearer_token", "common-token", "sink.header.X-Common", "1", "sink.header.X-Empty", "",
	                                      "destination.ACME.sink.bearer_token", "acme-token", "destination.ACME.sink.format", "cloudevents",
	                                      "destination.ACME.sink.header.x-common", "2", "destination.ACME.sink.header.X-Own", "own", NULL});
	set_url(&world, "destination.ACME.sink.url", "http://localhost", "/bulk?o={destination}");
	assert_int_equal(try_open(&world, NULL), EVPIPE_OK);
	post_small(&world, "INIT");
	post_small(&world, "ACME");
	post_small(&world, "INIT");
	for (size_t i = 0; i < 3; i += 2) {
		assert_string_equal(http_server_header(world.server, i, "Authorization", value), "Bearer common-token");
		assert_string_equal(http_server_header(world.server, i, "X-Common", value), "1");
		assert_string_equal(http_server_header(world.server, i, "X-Empty", value), "");
		assert_null(http_server_header(world.server, i, "X-Own", value));
		assert_string_equal(http_server_header(world.server, i, "Content-Type", value), "application/x-ndjson");
		assert_memory_equal(http_server_head(world.server, i), "POST /orgs/INIT/events ", 23);
	}
	assert_string_equal(http_server_header(world.server, 1, "Authorization", value), "Bearer acme-token");
	assert_string_equal(http_server_header(world.server, 1, "X-Common", value), "2");
	assert_string_equal(http_server_header(world.server, 1, "X-Own", value), "own");
	assert_string_equal(http_server_header(world.server, 1, "Content-Type", value), "application/cloudevents-batch+json");
	assert_memory_equal(http_server_head(world.server, 1), "POST /bulk?o=ACME ", 18);
	close_world(&world);
}

static void test_http__the_environments_proxy_is_not_used(void **state)
{
	struct world world;
	(void)state;
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("all_proxy", "http://127.0.0.1:1", 1);
	open_world(&world, NULL);
	assert_int_equal(post_small(&world, "ACME").verdict, EVPIPE_VERDICT_DELIVERED);
	close_world(&world);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
}

static void test_http__a_configured_proxy_is(void **state)
{
	struct world world;
	(void)state;
	setenv("no_proxy", "*", 1);
	prepare(&world, (const char *const[]){"sink.url", "http://localhost:1/events", NULL});
	set_url(&world, "sink.proxy", "http://127.0.0.1", "");
	assert_int_equal(try_open(&world, NULL), EVPIPE_OK);
	assert_int_equal(post_small(&world, "ACME").verdict, EVPIPE_VERDICT_DELIVERED);
	assert_memory_equal(http_server_head(world.server, 0), "POST http://localhost:1/events ", 31);
	close_world(&world);
	unsetenv("no_proxy");
}

/* ---- what is answered ---- */

static void test_http__each_status_has_its_verdict(void **state)
{
	struct world world;
	char         reply[128];
	(void)state;
	open_world(&world, NULL);
	for (int status = 200; status < 600; status += status < 500 ? 1 : 7) {
		evpipe_verdict verdict = status == 400 || status == 409 || status == 422 ? EVPIPE_VERDICT_PERMANENT
		                         : status == 413                                 ? EVPIPE_VERDICT_TOO_LARGE
		                         : status == 408 || status == 425 || status == 429 || status >= 500 ? EVPIPE_VERDICT_RETRY
		                         : status >= 300                                                    ? EVPIPE_VERDICT_REFUSED
		                                                                                            : EVPIPE_VERDICT_DELIVERED;
		snprintf(reply, sizeof reply, "HTTP/1.1 %d Whatever\r\nContent-Length: 0\r\n\r\n", status);
		http_server_reply(world.server, reply, HTTP_KEEP);
		evpipe_answer answer = post_small(&world, "ACME");
		assert_int_equal(answer.verdict, verdict);
		assert_int_equal(answer.status, status);
	}
	close_world(&world);
}

static void test_http__retry_after_and_the_servers_words_are_passed_on(void **state)
{
	struct world world;
	char         text[128];
	(void)state;
	open_world(&world, NULL);
	http_server_reply(world.server, "HTTP/1.1 429 Slow\r\nRetry-After: 17\r\nContent-Length: 13\r\n\r\n\n too\x1bmany\r\nx", HTTP_KEEP);
	evpipe_answer answer = post_small(&world, "ACME");
	assert_int_equal(answer.verdict, EVPIPE_VERDICT_RETRY);
	assert_int_equal(answer.leave_alone_ms, 17000);
	assert_true(answer.overloaded);
	assert_false(answer.unknown);
	snprintf(text, sizeof text, "HTTP 429 from 127.0.0.1:%d: too many", http_server_port(world.server));
	assert_string_equal(answer.text, text);
	/* Not what was said before. */
	http_server_reply(world.server, "HTTP/1.1 503 Down\r\nContent-Length: 0\r\n\r\n", HTTP_KEEP);
	answer = post_small(&world, "ACME");
	assert_int_equal(answer.leave_alone_ms, 0);
	assert_null(strstr(answer.text, "too many"));
	close_world(&world);
}

static void test_http__an_interim_answer_is_not_the_answer(void **state)
{
	struct world world;
	(void)state;
	open_world(&world, NULL);
	http_server_reply(world.server, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n", HTTP_KEEP);
	evpipe_answer answer = post_small(&world, "ACME");
	assert_int_equal(answer.status, 400);
	assert_int_equal(answer.verdict, EVPIPE_VERDICT_PERMANENT);
	close_world(&world);
}

static void test_http__a_redirect_is_refused_and_not_followed(void **state)
{
	struct world world;
	(void)state;
	open_world(&world, NULL);
	http_server_reply(world.server, "HTTP/1.1 307 Elsewhere\r\nLocation: /else\r\nContent-Length: 0\r\n\r\n", HTTP_KEEP);
	evpipe_answer answer = post_small(&world, "ACME");
	assert_int_equal(answer.verdict, EVPIPE_VERDICT_REFUSED);
	assert_int_equal(answer.status, 307);
	assert_non_null(strstr(answer.text, "/else"));
	assert_int_equal(http_server_requests(world.server), 1);
	close_world(&world);
}

static void test_http__a_connection_closed_instead_of_an_answer_leaves_it_open(void **state)
{
	struct world world;
	(void)state;
	open_world(&world, NULL);
	http_server_reply(world.server, "", HTTP_CLOSE);
	evpipe_answer answer = post_small(&world, "ACME");
	assert_int_equal(answer.verdict, EVPIPE_VERDICT_RETRY);
	assert_true(answer.unknown);
	assert_int_equal(answer.status, 0);
	close_world(&world);
}

/* libcurl sends it again by itself, since the server may have closed before it came. The key tells the server. */
static void test_http__what_libcurl_repeats_has_the_same_key(void **state)
{
	struct world world;
	char         first[512], second[512];
	(void)state;
	open_world(&world, NULL);
	http_server_reply(world.server, OK_EMPTY, HTTP_KEEP);
	http_server_reply(world.server, "", HTTP_CLOSE);
	post_small(&world, "ACME");
	assert_int_equal(post_small(&world, "ACME").verdict, EVPIPE_VERDICT_DELIVERED);
	assert_int_equal(http_server_requests(world.server), 3);
	assert_string_equal(http_server_header(world.server, 1, "Idempotency-Key", first),
	                    http_server_header(world.server, 2, "Idempotency-Key", second));
	assert_string_equal(http_server_body(world.server, 1, NULL), http_server_body(world.server, 2, NULL));
	close_world(&world);
}

static void test_http__a_lying_content_length_leaves_it_open(void **state)
{
	static const char *const lies[] = {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
	                                   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n"};
	struct world             world;
	(void)state;
	open_world(&world, NULL);
	for (size_t i = 0; i < COUNT_OF(lies); i++) {
		http_server_reply(world.server, lies[i], HTTP_CLOSE);
		evpipe_answer answer = post_small(&world, "ACME");
		assert_int_equal(answer.verdict, EVPIPE_VERDICT_RETRY);
		assert_true(answer.unknown);
		assert_non_null(strstr(answer.text, "HTTP 200"));
	}
	/* Of a failure, what came is enough. */
	http_server_reply(world.server, "HTTP/1.1 422 No\r\nContent-Length: 100\r\n\r\nshort", HTTP_CLOSE);
	evpipe_answer answer = post_small(&world, "ACME");
	assert_int_equal(answer.verdict, EVPIPE_VERDICT_PERMANENT);
	assert_non_null(strstr(answer.text, "short"));
	close_world(&world);
}

static void test_http__an_answer_without_end_is_cut_off(void **state)
{
	static const struct {
		const char    *reply;
		evpipe_verdict verdict;
	} cases[] = {
		{"HTTP/1.1 200 OK\r\n\r\nx", EVPIPE_VERDICT_DELIVERED},
		{"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\nx", EVPIPE_VERDICT_DELIVERED},
		{"HTTP/1.1 400 No\r\n\r\nx", EVPIPE_VERDICT_PERMANENT},
	};
	struct world world;
	(void)state;
	open_world(&world, NULL);
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		http_server_reply(world.server, cases[i].reply, HTTP_ENDLESS);
		evpipe_answer answer = post_small(&world, "ACME");
		assert_int_equal(answer.verdict, cases[i].verdict);
		assert_true(ops->memory(world.sink) < 1024 * 1024);
	}
	close_world(&world);
}

static void test_http__a_head_without_end_is_cut_off(void **state)
{
	struct world world;
	(void)state;
	open_world(&world, NULL);
	http_server_reply(world.server, "HTTP/1.1 200 OK\r\nX-Long: x", HTTP_ENDLESS);
	assert_int_equal(post_small(&world, "ACME").verdict, EVPIPE_VERDICT_RETRY);
	close_world(&world);
}

static void test_http__a_time_out_leaves_it_open(void **state)
{
	struct world world;
	(void)state;
	open_world(&world, (const char *const[]){"sink.timeout", "200ms", NULL});
	http_server_reply(world.server, "", HTTP_SILENT);
	evpipe_answer answer = post_small(&world, "ACME");
	assert_int_equal(answer.verdict, EVPIPE_VERDICT_RETRY);
	assert_true(answer.unknown);
	assert_true(answer.overloaded);
	/* But a status that came before it counts. */
	http_server_reply(world.server, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx", HTTP_SILENT);
	assert_int_equal(post_small(&world, "ACME").verdict, EVPIPE_VERDICT_DELIVERED);
	close_world(&world);
}

static void test_http__where_nobody_listens_nothing_was_stored(void **state)
{
	struct world world;
	(void)state;
	open_world(&world, (const char *const[]){"destination.ACME.sink.url", "http://127.0.0.1:1/", NULL});
	evpipe_answer answer = post_small(&world, "ACME");
	assert_int_equal(answer.verdict, EVPIPE_VERDICT_RETRY);
	assert_false(answer.unknown);
	assert_int_equal(answer.status, 0);
	assert_non_null(strstr(answer.text, "127.0.0.1:1"));
	close_world(&world);
}

static void test_http__what_does_not_speak_http_is_refused(void **state)
{
	struct world world;
	(void)state;
	open_world(&world, NULL);
	http_server_reply(world.server, "220 mail.example ESMTP\r\n", HTTP_CLOSE);
	assert_int_equal(post_small(&world, "ACME").verdict, EVPIPE_VERDICT_REFUSED);
	close_world(&world);
}

static void test_http__a_handshake_without_end_has_stored_nothing(void **state)
{
	struct world world;
	(void)state;
	prepare(&world, (const char *const[]){"sink.connect_timeout", "200ms", NULL});
	set_url(&world, "sink.url", "https://127.0.0.1", "/");
	assert_int_equal(try_open(&world, NULL), EVPIPE_OK);
	evpipe_answer answer = post_small(&world, "ACME");
	assert_int_equal(answer.verdict, EVPIPE_VERDICT_RETRY);
	assert_false(answer.unknown);
	assert_true(answer.overloaded);
	close_world(&world);
}

/* ---- what cannot be posted ---- */

static void test_http__what_does_not_fit_keeps_nothing_else_back(void **state)
{
	struct world  world;
	struct batch *batch = batch_of("ACME", (const char *const[]){"{\"a\":1}", "no JSON", "{\"a\":2}", "", NULL});
	static const evpipe_verdict each[] = {EVPIPE_VERDICT_RETRY, EVPIPE_VERDICT_FORMAT, EVPIPE_VERDICT_RETRY, EVPIPE_VERDICT_FORMAT};
	evpipe_answer answer;
	(void)state;
	open_world(&world, NULL);
	assert_int_equal(ops->submit(world.sink, &batch->batch), EVPIPE_OK);
	assert_true(ops->next_due(world.sink) == INT64_MIN);
	assert_int_equal(ops->poll(world.sink, &answer), EVPIPE_OK);
	assert_ptr_equal(answer.batch, &batch->batch);
	assert_int_equal(answer.verdict, EVPIPE_VERDICT_EACH);
	assert_memory_equal(answer.each, each, sizeof each);
	assert_int_equal(answer.status, 0);
	assert_false(answer.unknown);
	assert_non_null(strstr(answer.text, "event an-id does not fit the format ndjson"));
	assert_int_equal(ops->poll(world.sink, &answer), EVPIPE_EAGAIN);
	assert_int_equal(http_server_requests(world.server), 0);
	free(batch);
	close_world(&world);
}

static void test_http__a_mistake_in_one_destinations_settings_is_its_own(void **state)
{
	static const struct {
		const char *name, *value, *text;
	} mistakes[] = {
		{"destination.ACME.sink.url", "http://example.com/", "sink.allow_http"},
		{"destination.ACME.sink.header.Host", "x", "sink.header.Host"},
		{"destination.ACME.sink.client_key", "/nowhere", "sink.client_certificate"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(mistakes); i++) {
		struct world world;
		open_world(&world, (const char *const[]){mistakes[i].name, mistakes[i].value, NULL});
		evpipe_answer answer = post_small(&world, "ACME");
		assert_int_equal(answer.verdict, EVPIPE_VERDICT_REFUSED);
		assert_int_equal(answer.status, 0);
		assert_non_null(strstr(answer.text, mistakes[i].text));
		assert_int_equal(post_small(&world, "INIT").verdict, EVPIPE_VERDICT_DELIVERED);
		assert_int_equal(http_server_requests(world.server), 1);
		close_world(&world);
	}
}

static void test_http__a_destination_that_would_climb_is_refused(void **state)
{
	struct world world;
	(void)state;
	open_world(&world, NULL);
	assert_int_equal(post_small(&world, "..").verdict, EVPIPE_VERDICT_REFUSED);
	assert_int_equal(post_small(&world, "a/../../b").verdict, EVPIPE_VERDICT_REFUSED);
	assert_int_equal(http_server_requests(world.server), 0);
	close_world(&world);
}

static void test_http__mistakes_that_hold_for_all_are_told_at_open(void **state)
{
	static const struct {
		const char *name, *value, *text;
	} mistakes[] = {
		{"sink.url", "http://example.com/{destination}", "sink.allow_http"},
		{"sink.url", "https://{destination}.example.com/", "path or the query"},
		{"sink.url", "https://u:p@example.com/", "credentials"},
		{"sink.header.Content-Length", "5", "sink.header.Content-Length"},
		{"sink.header.content-type", "x", "sink.header.content-type"},
		{"sink.header.Idempotency-Key", "x", "sink.header.Idempotency-Key"},
		{"sink.header.X Y", "x", "not the name of a header"},
		{"sink.header.X", "a\r\nInjected: b", "end of line"},
		{"sink.bearer_token", "a\nb", "sink.bearer_token"},
		{"sink.ca_file", "/nowhere/ca.pem", "sink.ca_file = /nowhere/ca.pem: No such file"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(mistakes); i++) {
		struct world world;
		evpipe_error error = {0};
		prepare(&world, NULL);
		/* What the configuration itself refuses need not come here. */
		if (evpipe_config_set(world.config, mistakes[i].name, mistakes[i].value, &error) == EVPIPE_OK) {
			assert_int_equal(try_open(&world, &error), EVPIPE_ECONFIG);
			if (!strstr(error.text, mistakes[i].text))
				fail_msg("%s: %s", mistakes[i].value, error.text);
		}
		close_world(&world);
	}
}

static void test_http__plain_http_is_allowed_when_told(void **state)
{
	struct world world;
	(void)state;
	open_world(&world, (const char *const[]){"sink.url", "http://example.invalid/", "sink.allow_http", "yes", NULL});
	close_world(&world);
}

static void test_http__no_check_of_certificates_is_warned_of_once(void **state)
{
	struct world world;
	(void)state;
	open_world(&world, (const char *const[]){"destination.ACME.sink.insecure_skip_verify", "yes", NULL});
	assert_int_equal(world.warnings, 0);
	post_small(&world, "ACME");
	post_small(&world, "ACME");
	assert_int_equal(world.warnings, 1);
	close_world(&world);
}

/* ---- giving up ---- */

static void test_http__cancel_answers_all_that_are_out(void **state)
{
	struct world  world;
	struct batch *batches[5];
	evpipe_answer answer;
	(void)state;
	open_world(&world, NULL);
	for (size_t i = 0; i < COUNT_OF(batches); i++) {
		http_server_reply(world.server, "", HTTP_SILENT);
		batches[i] = small_batch("ACME");
		assert_int_equal(ops->submit(world.sink, &batches[i]->batch), EVPIPE_OK);
	}
	while (http_server_requests(world.server) < COUNT_OF(batches))
		assert_int_equal(ops->poll(world.sink, &answer), EVPIPE_EAGAIN);
	ops->cancel(world.sink);
	for (size_t i = 0; i < COUNT_OF(batches); i++) {
		poll_until_answered(&world, batches[i]);
		assert_int_equal(batches[i]->answer.verdict, EVPIPE_VERDICT_RETRY);
		assert_true(batches[i]->answer.unknown);
		free(batches[i]);
	}
	assert_int_equal(ops->poll(world.sink, &answer), EVPIPE_EAGAIN);
	/* And it goes on. */
	assert_int_equal(post_small(&world, "ACME").verdict, EVPIPE_VERDICT_DELIVERED);
	close_world(&world);
}

static void test_http__may_be_freed_with_posts_out(void **state)
{
	struct world  world;
	struct batch *batches[3];
	(void)state;
	open_world(&world, NULL);
	for (size_t i = 0; i < COUNT_OF(batches); i++) {
		http_server_reply(world.server, "", HTTP_SILENT);
		batches[i] = small_batch("ACME");
		assert_int_equal(ops->submit(world.sink, &batches[i]->batch), EVPIPE_OK);
	}
	evpipe_answer answer;
	while (http_server_requests(world.server) < 1)
		assert_int_equal(ops->poll(world.sink, &answer), EVPIPE_EAGAIN);
	close_world(&world);
	for (size_t i = 0; i < COUNT_OF(batches); i++)
		free(batches[i]);
}

/* ---- memory ---- */

static int allocations_left;

static int allow(void *ctx)
{
	(void)ctx;
	return allocations_left-- > 0;
}

static void test_http__without_memory_every_batch_has_its_answer_still(void **state)
{
	(void)state;
	for (int allowed = 0, done = 0; !done; allowed++) {
		struct world world;
		open_world(&world, (const char *const[]){"sink.compression", "gzip", "sink.bearer_token", "t", "sink.id_member", "id", NULL});
		struct batch *first = small_batch("ACME"), *second = small_batch("INIT");
		allocations_left = allowed;
		allocations_ask(allow, NULL);
		assert_int_equal(ops->submit(world.sink, &first->batch), EVPIPE_OK);
		assert_int_equal(ops->submit(world.sink, &second->batch), EVPIPE_OK);
		poll_until_answered(&world, first);
		poll_until_answered(&world, second);
		allocations_ask(NULL, NULL);
		done = allocations_left >= 0;
		assert_int_equal(second->answer.verdict, done ? EVPIPE_VERDICT_DELIVERED : EVPIPE_VERDICT_RETRY);
		if (!done)
			assert_string_equal(second->text, evpipe_strerror(EVPIPE_ENOMEM));
		free(first);
		free(second);
		close_world(&world);
		assert_true(allowed < 1000);
	}
}

static void test_http__open_without_memory_fails_cleanly(void **state)
{
	(void)state;
	for (int allowed = 0;; allowed++) {
		struct world world;
		evpipe_error error = {0};
		prepare(&world, (const char *const[]){"sink.bearer_token", "t", NULL});
		allocations_left = allowed;
		allocations_ask(allow, NULL);
		evpipe_err err = try_open(&world, &error);
		allocations_ask(NULL, NULL);
		close_world(&world);
		if (err == EVPIPE_OK)
			break;
		assert_int_equal(err, EVPIPE_ENOMEM);
		assert_int_equal(error.code, EVPIPE_ENOMEM);
	}
}

static void test_http__destinations_are_remembered_within_a_limit(void **state)
{
	struct world              world;
	evpipe__http_destinations destinations;
	evpipe__http_destination *a, *again, *other;
	(void)state;
	prepare(&world, NULL);
	evpipe__http_destinations_init(&destinations, world.config, 2);
	assert_int_equal(evpipe__http_destination_get(&destinations, "A", &a), EVPIPE_OK);
	assert_int_equal(evpipe__http_destination_get(&destinations, "B", &other), EVPIPE_OK);
	evpipe__http_destination_put(other);
	assert_int_equal(evpipe__http_destination_get(&destinations, "A", &again), EVPIPE_OK);
	assert_ptr_equal(a, again);
	evpipe__http_destination_put(again);
	/* B was used longest ago. */
	assert_int_equal(evpipe__http_destination_get(&destinations, "C", &other), EVPIPE_OK);
	evpipe__http_destination_put(other);
	assert_int_equal(HASH_COUNT(destinations.by_name), 2);
	assert_int_equal(evpipe__http_destination_get(&destinations, "A", &again), EVPIPE_OK);
	assert_ptr_equal(a, again);
	evpipe__http_destination_put(again);
	/* Forgotten while a post has it, it lives on until that is over. */
	assert_int_equal(evpipe__http_destination_get(&destinations, "D", &other), EVPIPE_OK);
	evpipe__http_destination_put(other);
	assert_int_equal(evpipe__http_destination_get(&destinations, "E", &other), EVPIPE_OK);
	evpipe__http_destination_put(other);
	assert_string_equal(a->name, "A");
	evpipe__http_destination_put(a);
	evpipe__http_destinations_release(&destinations);
	assert_int_equal(destinations.bytes, 0);
	close_world(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http__posts_a_batch),
		cmocka_unit_test(test_http__bodies_are_gzipped_unless_told_otherwise),
		cmocka_unit_test(test_http__a_large_body_arrives_whole),
		cmocka_unit_test(test_http__a_connection_is_kept),
		cmocka_unit_test(test_http__many_batches_at_a_time_are_answered_once_each),
		cmocka_unit_test(test_http__destinations_differ_as_configured),
		cmocka_unit_test(test_http__the_environments_proxy_is_not_used),
		cmocka_unit_test(test_http__a_configured_proxy_is),
		cmocka_unit_test(test_http__each_status_has_its_verdict),
		cmocka_unit_test(test_http__retry_after_and_the_servers_words_are_passed_on),
		cmocka_unit_test(test_http__an_interim_answer_is_not_the_answer),
		cmocka_unit_test(test_http__a_redirect_is_refused_and_not_followed),
		cmocka_unit_test(test_http__a_connection_closed_instead_of_an_answer_leaves_it_open),
		cmocka_unit_test(test_http__what_libcurl_repeats_has_the_same_key),
		cmocka_unit_test(test_http__a_lying_content_length_leaves_it_open),
		cmocka_unit_test(test_http__an_answer_without_end_is_cut_off),
		cmocka_unit_test(test_http__a_head_without_end_is_cut_off),
		cmocka_unit_test(test_http__a_time_out_leaves_it_open),
		cmocka_unit_test(test_http__where_nobody_listens_nothing_was_stored),
		cmocka_unit_test(test_http__what_does_not_speak_http_is_refused),
		cmocka_unit_test(test_http__a_handshake_without_end_has_stored_nothing),
		cmocka_unit_test(test_http__what_does_not_fit_keeps_nothing_else_back),
		cmocka_unit_test(test_http__a_mistake_in_one_destinations_settings_is_its_own),
		cmocka_unit_test(test_http__a_destination_that_would_climb_is_refused),
		cmocka_unit_test(test_http__mistakes_that_hold_for_all_are_told_at_open),
		cmocka_unit_test(test_http__plain_http_is_allowed_when_told),
		cmocka_unit_test(test_http__no_check_of_certificates_is_warned_of_once),
		cmocka_unit_test(test_http__cancel_answers_all_that_are_out),
		cmocka_unit_test(test_http__may_be_freed_with_posts_out),
		cmocka_unit_test(test_http__without_memory_every_batch_has_its_answer_still),
		cmocka_unit_test(test_http__open_without_memory_fails_cleanly),
		cmocka_unit_test(test_http__destinations_are_remembered_within_a_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
