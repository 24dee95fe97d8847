#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "errors.h"
#include "http.h"

/* Sockets looked at in one round; epoll reports the others in the next. */
#define EVENTS_MAX 128

static int on_socket(CURL *easy, curl_socket_t socket, int what, void *ctx, void *known)
{
	evpipe__http      *http = ctx;
	struct epoll_event event = {.data.fd = socket};

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(http->epoll, EPOLL_CTL_DEL, socket, &event);
		return 0;
	}
	event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
	if (known)
		return epoll_ctl(http->epoll, EPOLL_CTL_MOD, socket, &event);
	/* What comes back as `known` with a socket that is in epoll already. */
	curl_multi_assign(http->multi, socket, http);
	return epoll_ctl(http->epoll, EPOLL_CTL_ADD, socket, &event);
}

static int on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
	evpipe__http *http = ctx;
	(void)multi;
	if (timeout_ms < 0)
		http->due_ms = INT64_MAX;
	else if (timeout_ms == 0)
		http->due_ms = INT64_MIN;
	else
		http->due_ms = http->runtime->mono_ms(http->runtime->ctx) + timeout_ms;
	return 0;
}

evpipe_err evpipe__http_loop_open(evpipe__http *http, evpipe_error *error)
{
	http->due_ms = INT64_MAX;
	http->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (http->epoll < 0)
		return evpipe__fail(error, EVPIPE_EIO, "the HTTP sink got no epoll descriptor: %s", strerror(errno));
	http->multi = curl_multi_init();
	if (!http->multi)
		return evpipe__fail_plain(error, EVPIPE_ENOMEM);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
	/* Kept connections: as many as posts at a time. */
	int64_t posts = evpipe_config_number(http->config, NULL, "sink.in_flight_max");
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)(posts > 0 && posts < 65536 ? posts : 256));
	return EVPIPE_OK;
}

void evpipe__http_loop_close(evpipe__http *http)
{
	curl_multi_cleanup(http->multi);
	if (http->epoll >= 0)
		close(http->epoll);
	http->multi = NULL;
	http->epoll = -1;
}

static void fire_timer(evpipe__http *http)
{
	int running;
	if (http->due_ms == INT64_MAX ||
	    (http->due_ms != INT64_MIN && http->due_ms > http->runtime->mono_ms(http->runtime->ctx)))
		return;
	/* It is set again from within, even to the same time. */
	http->due_ms = INT64_MAX;
	curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

static void serve_sockets(evpipe__http *http)
{
	struct epoll_event events[EVENTS_MAX];
	int                running;

	int count = epoll_wait(http->epoll, events, EVENTS_MAX, 0);
	for (int i = 0; i < count; i++) {
		uint32_t seen = events[i].events;
		int      mask = (seen & EPOLLIN ? CURL_CSELECT_IN : 0) | (seen & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		           (seen & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
		/* One that was closed meanwhile is unknown to libcurl, and so harmless. */
		curl_multi_socket_action(http->multi, events[i].data.fd, mask, &running);
	}
}

static void collect(evpipe__http *http)
{
	CURLMsg *message;
	int      left;
	while ((message = curl_multi_info_read(http->multi, &left))) {
		evpipe__http_post *post;
		CURLcode           result = message->data.result;
		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &post);
		evpipe__http_post_end(post, result);
	}
}

void evpipe__http_loop_run(evpipe__http *http)
{
	if (TAILQ_EMPTY(&http->out))
		return;
	fire_timer(http);
	serve_sockets(http);
	collect(http);
}
