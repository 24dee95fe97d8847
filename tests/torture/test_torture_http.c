/*
 * A worker that posts over HTTP to a server of the test's, with each allocation failing in turn: the server has each
 * event in the end, and none is among the dead letters.
 */
#include "torture.h"

#include <evpipe-testbroker.h>

#include "tests/unit/http-server.h"

#define EVENTS      6
#define DEADLINE_MS 30000
#define ROUND_MS    2

struct scene {
	evpipe_testbroker  *broker;
	evpipe_config      *config;
	evpipe_producer    *producer;
	evpipe_worker      *worker;
	struct http_server *server;
};

static void set(struct scene *scene, const char *name, const char *value)
{
	TRY_TOLD(evpipe_config_set(scene->config, name, value, &torture_error));
}

static void open_scene(struct scene *scene)
{
	static const char *const settings[] = {
		"topic.partitions",   "1",     "batch.linger",    "1ms",  "batch.events_max", "2",         "retry.delays",          "10ms, 1m",
		"retry.quick_max",    "1",     "breaker.open",    "20ms", "event.max",        "64KiB",     "retry.quick_delay_min", "1ms",
		"sink.bearer_token",  "t0ken", "sink.compression", "none", "sink.id_member",   "id",        "retry.quick_delay_max", "2ms",
		"sink.header.X-Team", "a",     "journal.size",    "1MiB", "pump.thread",      "no",        "destination.zipped.sink.compression", "gzip",
		"destination.zipped.sink.format", "cloudevents", "commit.interval", "10ms", NULL};
	char url[64];

	*scene = (struct scene){.server = http_server_new()};
	http_server_reply(scene->server, "HTTP/1.1 503 Wait\r\nRetry-After: 0\r\nContent-Length: 4\r\n\r\nwait", HTTP_KEEP);
	http_server_reply(scene->server, "HTTP/1.1 500 Broken\r\nContent-Length: 6\r\n\r\nbroken", HTTP_CLOSE);
	snprintf(url, sizeof url, "http://127.0.0.1:%d/{destination}", http_server_port(scene->server));
	TRY(evpipe_testbroker_new_realtime(&scene->broker));
	TRY(evpipe_config_new(&scene->config));
	TRY(evpipe_testbroker_attach(scene->broker, scene->config));
	set(scene, "sink.url", url);
	for (size_t i = 0; settings[i]; i += 2)
		set(scene, settings[i], settings[i + 1]);
	TRY_TOLD(evpipe_producer_new(&scene->producer, scene->config, &torture_error));
	TRY_TOLD(evpipe_worker_new(&scene->worker, scene->config, NULL, &torture_error));
}

static void close_scene(struct scene *scene)
{
	evpipe_worker_free(scene->worker);
	evpipe_producer_free(scene->producer);
	evpipe_config_free(scene->config);
	evpipe_testbroker_free(scene->broker);
	http_server_free(scene->server);
}

static void emit(struct scene *scene, const char *destination, int number)
{
	char         id[32];
	evpipe_event event = EVPIPE_EVENT_INIT;
	snprintf(id, sizeof id, "%s-%d", destination, number);
	event.destination = destination;
	event.id = event.key = id;
	event.key_len = strlen(id);
	event.data = "{\"a\":1}";
	event.data_len = 7;
	assert_int_equal(evpipe_emit(scene->producer, &event), EVPIPE_OK);
}

/* One round of both; a worker that ends for want of memory is replaced. */
static void step(struct scene *scene)
{
	evpipe_err err = evpipe_producer_step(scene->producer);
	assert_true(err == EVPIPE_OK || err == EVPIPE_EAGAIN);
	err = evpipe_worker_step(scene->worker, ROUND_MS);
	if (err == EVPIPE_OK || err == EVPIPE_EAGAIN)
		return;
	assert_int_equal(err, EVPIPE_ENOMEM);
	assert_non_null(strstr(evpipe_worker_error(scene->worker), "memory"));
	evpipe_worker_free(scene->worker);
	scene->worker = NULL;
	TRY_TOLD(evpipe_worker_new(&scene->worker, scene->config, NULL, &torture_error));
}

static int has(struct scene *scene, int number)
{
	char id[48];
	snprintf(id, sizeof id, "\"id\":\"plain-%d\"", number);
	/* The first two were not taken. */
	for (size_t i = 2; i < http_server_requests(scene->server); i++)
		if (strstr(http_server_body(scene->server, i, NULL), id))
			return 1;
	return 0;
}

static int is_done(struct scene *scene)
{
	for (int i = 0; i < EVENTS; i++)
		if (!has(scene, i))
			return 0;
	return evpipe_testbroker_lag(scene->broker, "evpipe", "evpipe.events") == 0 &&
	       evpipe_testbroker_lag(scene->broker, "evpipe-retry", "evpipe.events.retry.5ms") == 0;
}

static void post_all(void)
{
	struct scene scene;
	evpipe_stats stats = EVPIPE_STATS_INIT;

	open_scene(&scene);
	for (int i = 0; i < EVENTS; i++) {
		emit(&scene, "plain", i);
		emit(&scene, "zipped", i);
	}
	for (int waited_ms = 0; !is_done(&scene); waited_ms += ROUND_MS) {
		assert_true(waited_ms < DEADLINE_MS);
		step(&scene);
	}
	evpipe_producer_stats(scene.producer, &stats);
	assert_int_equal(stats.accepted, stats.sent);
	assert_int_equal(evpipe_testbroker_count(scene.broker, "evpipe.events.dead"), 0);
	close_scene(&scene);
}

static void test_torture_http__every_event_is_posted(void **state)
{
	(void)state;
	torture(post_all, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {TORTURE(test_torture_http__every_event_is_posted)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
