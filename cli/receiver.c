/*
 * The HTTP side: libmicrohttpd in a loop of our own, so that answers can be held back without threads.
 */
#include "requests.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define TICK_MS           200
#define CONNECTIONS_MAX   4096
#define CONNECTION_MEMORY (128 * 1024)
#define IDLE_SECONDS      300

/* ---- life ---- */

static int divide_path(struct receiver *receiver)
{
	static const char place[] = "{destination}";
	const char       *path = receiver->setup.path, *found = strstr(path, place);
	if (*path != '/' || !found || strstr(found + 1, place))
		return fail(EX_USAGE,
		            "--path %s: it should begin with / and have {destination} once, such as "
		            "/orgs/{destination}/events",
		            path);
	receiver->prefix_len = (size_t)(found - path);
	receiver->suffix = found + sizeof place - 1;
	return 0;
}

static int listen_at(struct receiver *receiver)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(receiver->setup.port)};

	if (inet_pton(AF_INET, receiver->setup.address, &address.sin_addr) != 1)
		return fail(EX_USAGE, "--address %s: it should be an IPv4 address, such as 127.0.0.1",
		            receiver->setup.address);
	errno = 0;
	receiver->daemon = MHD_start_daemon(
		MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, receiver->setup.port, NULL, NULL, request_handle, receiver,
		MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_NOTIFY_COMPLETED, request_completed, receiver,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_END);
	if (!receiver->daemon)
		return fail(EX_UNAVAILABLE, "%s:%u cannot be listened at: %s", receiver->setup.address,
		            receiver->setup.port, errno ? strerror(errno) : "is it in use?");
	receiver->epoll_fd = MHD_get_daemon_info(receiver->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	receiver->port = MHD_get_daemon_info(receiver->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
	return 0;
}

int receiver_new(struct receiver **out, const struct receiver_setup *setup)
{
	struct receiver *receiver = calloc(1, sizeof *receiver);
	if (!receiver)
		return fail(EX_SOFTWARE, "out of memory");
	receiver->setup = *setup;
	TAILQ_INIT(&receiver->late);
	receiver->started_ms = now_ms();
	receiver->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int code = receiver->wake_fd < 0 ? fail(EX_SOFTWARE, "no descriptor is free: %s", strerror(errno))
	                                 : divide_path(receiver);
	if (!code)
		code = listen_at(receiver);
	if (code)
		receiver_free(receiver);
	else
		*out = receiver;
	return code;
}

uint16_t receiver_port(const struct receiver *receiver)
{
	return receiver->port;
}

/* ---- the loop ---- */

static void let_go(struct receiver *receiver, int64_t until_ms)
{
	struct request *request;
	while ((request = TAILQ_FIRST(&receiver->late)) && request->due_ms <= until_ms) {
		TAILQ_REMOVE(&receiver->late, request, link);
		request->is_late = 0;
		MHD_resume_connection(request->connection); /* handle is called again, and answers */
	}
}

static int timeout_of(const struct receiver *receiver)
{
	const struct request  *first = TAILQ_FIRST(&receiver->late);
	int64_t                now = now_ms(), wait_ms = receiver->next_tick_ms - now;
	MHD_UNSIGNED_LONG_LONG daemon_ms;

	if (MHD_get_timeout(receiver->daemon, &daemon_ms) == MHD_YES && (int64_t)daemon_ms < wait_ms)
		wait_ms = (int64_t)daemon_ms;
	if (first && first->due_ms - now < wait_ms)
		wait_ms = first->due_ms - now;
	return wait_ms < 0 ? 0 : (int)wait_ms;
}

void receiver_run(struct receiver *receiver)
{
	struct pollfd look[3] = {{.fd = receiver->epoll_fd, .events = POLLIN},
	                         {.fd = receiver->wake_fd, .events = POLLIN},
	                         {.fd = receiver->setup.stop_fd, .events = POLLIN}};

	receiver->next_tick_ms = now_ms() + TICK_MS;
	for (;;) {
		if (poll(look, 3, timeout_of(receiver)) < 0 && errno != EINTR)
			return;
		if (look[1].revents || look[2].revents)
			return;
		let_go(receiver, now_ms());
		MHD_run(receiver->daemon);
		if (now_ms() >= receiver->next_tick_ms) {
			if (receiver->setup.on_tick)
				receiver->setup.on_tick(receiver->setup.ctx);
			receiver->next_tick_ms = now_ms() + TICK_MS;
		}
	}
}

void receiver_stop(struct receiver *receiver)
{
	uint64_t one = 1;
	if (write(receiver->wake_fd, &one, sizeof one) < 0)
		return; /* it is signalled already */
}

void receiver_free(struct receiver *receiver)
{
	if (!receiver)
		return;
	if (receiver->daemon) {
		/* Suspended connections may not be there when it is stopped. */
		receiver->setup.faults.latency_ms = 0;
		while (!TAILQ_EMPTY(&receiver->late)) {
			let_go(receiver, INT64_MAX);
			MHD_run(receiver->daemon);
		}
		MHD_stop_daemon(receiver->daemon);
	}
	if (receiver->wake_fd >= 0)
		close(receiver->wake_fd);
	body_release(&receiver->body);
	free(receiver);
}
