/*
 * The HTTP sink: posts batches over libcurl, many at a time, and answers each once.
 */
#include "http.h"

#include <pthread.h>
#include <stdio.h>

#include "errors.h"

/* The most posts at a time, whatever the core allows itself: each takes a descriptor. */
#define OUT_MAX 8192

/* ---- life ---- */

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode       curl_state;

static void init_curl(void)
{
	curl_state = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void http_free(void *self)
{
	evpipe__http       *http = self;
	evpipe__http_post  *post;
	struct evpipe__http_posts *const lists[] = {&http->out, &http->answered, &http->idle};

	TAILQ_FOREACH(post, &http->out, link)
		curl_multi_remove_handle(http->multi, post->easy);
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		while ((post = TAILQ_FIRST(lists[i]))) {
			TAILQ_REMOVE(lists[i], post, link);
			evpipe__http_post_free(post);
		}
	evpipe__http_post_free(http->polled);
	evpipe__http_loop_close(http);
	evpipe__http_destinations_release(&http->destinations);
	evpipe__gzip_free(http->gzip);
	evpipe__buffer_release(&http->plain);
	evpipe__free(http);
}

static void warn_insecure(evpipe__http *http, const char *destination)
{
	char name[300];
	if (http->told_insecure)
		return;
	http->told_insecure = 1;
	evpipe__log_line(&http->log, EVPIPE_LOG_WARN,
	                 "event=insecure_skip_verify destination=%s text=\"certificates are not checked: anybody on the way can read and "
	                 "answer\"",
	                 destination ? evpipe__log_quote(name, sizeof name, destination) : "*");
}

static evpipe_err http_open(void **self, const evpipe_sink_setup *setup, evpipe_error *error)
{
	int insecure = 0;

	pthread_once(&curl_once, init_curl);
	if (curl_state)
		return evpipe__fail(error, EVPIPE_EIO, "libcurl could not be set up: %s", curl_easy_strerror(curl_state));
	evpipe_err err = evpipe__http_destinations_check(setup->config, &insecure, error);
	if (err)
		return err;
	evpipe__http *http = evpipe__calloc(1, sizeof *http);
	if (!http)
		return evpipe__fail_plain(error, EVPIPE_ENOMEM);
	http->config = setup->config;
	http->runtime = setup->runtime;
	http->log = (evpipe__log){.fn = setup->log, .ctx = setup->log_ctx};
	http->answer_max = (size_t)evpipe_config_number(setup->config, NULL, "sink.answer_max");
	http->unlucky_tail = &http->unlucky;
	snprintf(http->user_agent, sizeof http->user_agent, "libevpipe/%s", evpipe_version());
	TAILQ_INIT(&http->out);
	TAILQ_INIT(&http->answered);
	TAILQ_INIT(&http->idle);
	evpipe__buffer_init(&http->plain, EVPIPE__HTTP_BODY_MAX);
	evpipe__http_destinations_init(&http->destinations, setup->config, EVPIPE__HTTP_DESTINATIONS_MAX);
	err = evpipe__http_loop_open(http, error);
	if (err) {
		http_free(http);
		return err;
	}
	if (insecure)
		warn_insecure(http, NULL);
	*self = http;
	return EVPIPE_OK;
}

/* ---- batches in, answers out ---- */

/* What the last answer was made of is not borrowed any more. */
static void take_back_polled(evpipe__http *http)
{
	if (http->polled)
		evpipe__http_post_give_back(http->polled);
	http->polled = NULL;
}

/* There is no memory even for a post: the batch waits for its answer by itself. */
static void answer_without_memory(evpipe__http *http, evpipe_batch *batch)
{
	batch->sink_data = NULL;
	*http->unlucky_tail = batch;
	http->unlucky_tail = (evpipe_batch **)&batch->sink_data;
}

static evpipe_batch *pop_unlucky(evpipe__http *http)
{
	evpipe_batch *batch = http->unlucky;
	if (!batch)
		return NULL;
	http->unlucky = batch->sink_data;
	if (!http->unlucky)
		http->unlucky_tail = &http->unlucky;
	batch->sink_data = NULL;
	return batch;
}

static evpipe_err http_submit(void *self, evpipe_batch *batch)
{
	evpipe__http             *http = self;
	evpipe__http_destination *destination = NULL;

	take_back_polled(http);
	if (http->out_count >= OUT_MAX)
		return EVPIPE_EAGAIN;
	evpipe_err         err = evpipe__http_destination_get(&http->destinations, batch->destination, &destination);
	evpipe__http_post *post = err ? NULL : evpipe__http_post_take(http);
	if (!post) {
		evpipe__http_destination_put(destination);
		answer_without_memory(http, batch);
		return EVPIPE_OK;
	}
	if (destination->insecure)
		warn_insecure(http, destination->name);
	post->batch = batch;
	post->destination = destination;
	evpipe__http_post_start(post);
	return EVPIPE_OK;
}

static evpipe_err http_poll(void *self, evpipe_answer *answer)
{
	evpipe__http *http = self;

	take_back_polled(http);
	evpipe_batch *unlucky = pop_unlucky(http);
	if (unlucky) {
		*answer = (evpipe_answer){.batch = unlucky, .verdict = EVPIPE_VERDICT_RETRY, .text = evpipe_strerror(EVPIPE_ENOMEM)};
		return EVPIPE_OK;
	}
	if (TAILQ_EMPTY(&http->answered))
		evpipe__http_loop_run(http);
	evpipe__http_post *post = TAILQ_FIRST(&http->answered);
	if (!post)
		return EVPIPE_EAGAIN;
	TAILQ_REMOVE(&http->answered, post, link);
	http->polled = post;
	*answer = post->answer;
	return EVPIPE_OK;
}

static int http_fd(void *self)
{
	const evpipe__http *http = self;
	return http->epoll;
}

static int64_t http_next_due(void *self)
{
	const evpipe__http *http = self;
	if (http->unlucky || !TAILQ_EMPTY(&http->answered))
		return INT64_MIN;
	return TAILQ_EMPTY(&http->out) ? INT64_MAX : http->due_ms;
}

static size_t http_memory(void *self)
{
	const evpipe__http *http = self;
	return sizeof *http + http->memory + http->destinations.bytes;
}

static void http_cancel(void *self)
{
	evpipe__http      *http = self;
	evpipe__http_post *post;

	take_back_polled(http);
	while ((post = TAILQ_FIRST(&http->out)))
		evpipe__http_post_cancel(post);
}

extern const evpipe_sink_ops evpipe__http_sink;
const evpipe_sink_ops        evpipe__http_sink = {
	.size = sizeof evpipe__http_sink,
	.name = "http",
	.open = http_open,
	.submit = http_submit,
	.poll = http_poll,
	.fd = http_fd,
	.next_due = http_next_due,
	.memory = http_memory,
	.cancel = http_cancel,
	.free = http_free,
};
