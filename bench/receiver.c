/*
 * receiver.c: an HTTP receiver that is never the bottleneck. It answers each POST with 200 and counts the lines of its
 * body, which begin with {"id":"NUMBER", and whether it saw each number before. GET /stats answers with the counts as
 * JSON.
 *
 *   receiver [--port 0] [--delay-ms 0] [--ids-max 100000000]
 *
 * Prints the port it listens on (127.0.0.1), and ends at SIGTERM. --delay-ms: each answer to a POST comes that much later. Lines with
 * "sent_ns":NANOSECONDS behind the id (monotonic clock; 0: not measured) give the time from there to the whole post's
 * arrival.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"
#include "histogram.h"

#define REQUEST_MAX (64 * 1024 * 1024)
#define HEAD_MAX (16 * 1024)
#define ROOM_MIN (256 * 1024)

struct connection {
	int      fd;
	char    *data; /* what was received and not yet answered */
	size_t   len, size;
	size_t   head_len, body_len; /* of the request at the start; head_len 0: not known yet */
	uint64_t answer_ns;          /* 0: no answer is due */
	TAILQ_ENTRY(connection) link;
};

TAILQ_HEAD(connections, connection);

static struct {
	uint64_t         posts, events, unique, duplicates, strange, bytes, first_ns, last_ns;
	struct histogram latency_us;
} stats;

static struct connections delayed = TAILQ_HEAD_INITIALIZER(delayed); /* the delay is the same for all: first in, first due */
static uint64_t           delay_ns;
static unsigned char     *seen; /* a bit for each id */
static uint64_t           ids_max = 100000000;
static int                epoll_fd;

/* ---- counting ---- */

static uint64_t digits(const char *at, const char *end, const char **behind)
{
	uint64_t number = 0;
	for (; at < end && *at >= '0' && *at <= '9'; at++)
		number = 10 * number + (uint64_t)(*at - '0');
	*behind = at;
	return number;
}

static void count_event(const char *line, const char *end, uint64_t now)
{
	static const char id_name[] = "{\"id\":\"", sent_name[] = "\",\"sent_ns\":";
	const char       *at = line;

	stats.events++;
	if ((size_t)(end - line) < sizeof id_name || memcmp(line, id_name, sizeof id_name - 1) != 0) {
		stats.strange++;
		return;
	}
	uint64_t id = digits(line + sizeof id_name - 1, end, &at);
	if (id >= ids_max) {
		stats.strange++;
		return;
	}
	unsigned char bit = (unsigned char)(1 << (id & 7));
	if (seen[id >> 3] & bit) {
		stats.duplicates++;
		return;
	}
	seen[id >> 3] |= bit;
	stats.unique++;
	stats.last_ns = now;
	if ((size_t)(end - at) > sizeof sent_name && memcmp(at, sent_name, sizeof sent_name - 1) == 0) {
		uint64_t sent_ns = digits(at + sizeof sent_name - 1, end, &at);
		if (sent_ns)
			histogram_add(&stats.latency_us, (now - sent_ns) / 1000);
	}
}

static void count_body(const char *body, size_t len)
{
	const char *at = body, *end = body + len;
	uint64_t    now = now_ns();

	if (!stats.first_ns)
		stats.first_ns = now;
	stats.posts++;
	stats.bytes += len;
	while (at < end) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		if (!line_end)
			line_end = end;
		if (line_end > at)
			count_event(at, line_end, now);
		at = line_end + 1;
	}
}

/* ---- HTTP ---- */

static int send_text(struct connection *connection, const char *text)
{
	size_t len = strlen(text);
	return send(connection->fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static int send_stats(struct connection *connection)
{
	char                    body[1024], answer[1200];
	const struct histogram *latency = &stats.latency_us;

	snprintf(body, sizeof body,
	         "{\"posts\":%" PRIu64 ",\"events\":%" PRIu64 ",\"unique\":%" PRIu64 ",\"duplicates\":%" PRIu64
	         ",\"strange\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"first_ns\":%" PRIu64 ",\"last_ns\":%" PRIu64
	         ",\"cpu_s\":%.3f,\"latency\":{\"count\":%" PRIu64
	         ",\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"p999_ms\":%.3f,\"max_ms\":%.3f}}\n",
	         stats.posts, stats.events, stats.unique, stats.duplicates, stats.strange, stats.bytes, stats.first_ns, stats.last_ns,
	         cpu_seconds(), latency->count, histogram_quantile(latency, 0.5) / 1000, histogram_quantile(latency, 0.99) / 1000,
	         histogram_quantile(latency, 0.999) / 1000, (double)latency->max / 1000);
	snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	         strlen(body), body);
	return send_text(connection, answer);
}

/* The value of a field of the head, which ends with an empty line. */
static const char *head_field(const char *head, const char *name)
{
	size_t len = strlen(name);
	for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n"))
		if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':')
			return line + 3 + len + strspn(line + 3 + len, " \t");
	return NULL;
}

/* 1: the head is complete; 0: not yet; -1: not a request that we take. */
static int read_head(struct connection *connection)
{
	char *end = memmem(connection->data, connection->len, "\r\n\r\n", 4);
	if (!end)
		return connection->len > HEAD_MAX ? -1 : 0;
	end[2] = '\0';
	const char *length = head_field(connection->data, "Content-Length");
	const char *expect = head_field(connection->data, "Expect");
	connection->head_len = (size_t)(end + 4 - connection->data);
	connection->body_len = length ? strtoul(length, NULL, 10) : 0;
	if (connection->body_len > REQUEST_MAX || head_field(connection->data, "Transfer-Encoding") ||
	    head_field(connection->data, "Content-Encoding"))
		return -1;
	if (expect && !send_text(connection, "HTTP/1.1 100 Continue\r\n\r\n"))
		return -1;
	return 1;
}

static int answer_post(struct connection *connection)
{
	return send_text(connection, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

/* Take a complete request off the start. False: the connection is of no more use. */
static int take_request(struct connection *connection)
{
	size_t size = connection->head_len + connection->body_len;
	int    alive = 1;

	if (strncmp(connection->data, "POST ", 5) == 0) {
		count_body(connection->data + connection->head_len, connection->body_len);
		if (delay_ns) {
			connection->answer_ns = now_ns() + delay_ns;
			TAILQ_INSERT_TAIL(&delayed, connection, link);
		} else {
			alive = answer_post(connection);
		}
	} else {
		alive = send_stats(connection);
	}
	connection->len -= size;
	memmove(connection->data, connection->data + size, connection->len);
	connection->head_len = 0;
	return alive;
}

static int take_requests(struct connection *connection)
{
	while (!connection->answer_ns && connection->len) {
		if (!connection->head_len) {
			int complete = read_head(connection);
			if (complete <= 0)
				return complete == 0;
		}
		if (connection->len < connection->head_len + connection->body_len)
			return 1;
		if (!take_request(connection))
			return 0;
	}
	return 1;
}

/* ---- connections ---- */

static void drop(struct connection *connection)
{
	if (connection->answer_ns)
		TAILQ_REMOVE(&delayed, connection, link);
	close(connection->fd);
	free(connection->data);
	free(connection);
}

static void accept_one(int listener)
{
	struct connection *connection = calloc(1, sizeof *connection);
	int                one = 1;
	if (!connection)
		die("out of memory");
	connection->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (connection->fd < 0) {
		free(connection);
		return;
	}
	setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connection->fd, &event) != 0)
		die("epoll: %s", strerror(errno));
}

static void make_room(struct connection *connection)
{
	size_t wanted = connection->head_len + connection->body_len;
	if (wanted < connection->len + ROOM_MIN)
		wanted = connection->len + ROOM_MIN;
	if (connection->size >= wanted)
		return;
	connection->data = realloc(connection->data, wanted + 1);
	if (!connection->data)
		die("out of memory");
	connection->size = wanted;
}

static void on_readable(struct connection *connection)
{
	/* The first part of a request tells how long it is; the rest is then mostly one read. */
	make_room(connection);
	ssize_t got = recv(connection->fd, connection->data + connection->len, connection->size - connection->len, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		drop(connection);
		return;
	}
	connection->len += (size_t)got;
	if (!take_requests(connection))
		drop(connection);
}

static void answer_delayed(void)
{
	struct connection *connection;
	uint64_t           now = now_ns();
	while ((connection = TAILQ_FIRST(&delayed)) && connection->answer_ns <= now) {
		TAILQ_REMOVE(&delayed, connection, link);
		connection->answer_ns = 0;
		if (!answer_post(connection) || !take_requests(connection))
			drop(connection);
	}
}

static int wait_ms(void)
{
	const struct connection *connection = TAILQ_FIRST(&delayed);
	uint64_t                 now = now_ns();
	if (!connection)
		return 1000;
	return connection->answer_ns <= now ? 0 : (int)((connection->answer_ns - now + 999999) / 1000000);
}

static int listen_on(int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
	                              .sin_port = htons((uint16_t)port),
	                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t          len = sizeof address;
	int                listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(listener, (struct sockaddr *)&address, len) != 0 || listen(listener, SOMAXCONN) != 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &len) != 0)
		die("port %d: %s", port, strerror(errno));
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return listener;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"port", required_argument, NULL, 'p'},
	                                        {"delay-ms", required_argument, NULL, 'd'},
	                                        {"ids-max", required_argument, NULL, 'i'},
	                                        {NULL, 0, NULL, 0}};
	int option, port = 0;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'p':
			port = (int)number_of("port", optarg, 0, 65535);
			break;
		case 'd':
			delay_ns = (uint64_t)number_of("delay-ms", optarg, 0, 60000) * 1000000;
			break;
		case 'i':
			ids_max = (uint64_t)number_of("ids-max", optarg, 1, INT64_C(10000000000));
			break;
		default:
			return 64;
		}
	}
	catch_signals();
	seen = calloc(1, ids_max / 8 + 1);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (!seen || epoll_fd < 0)
		die("out of memory or descriptors");
	int                listener = listen_on(port);
	struct epoll_event event = {.events = EPOLLIN}, events[64];
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);

	while (!stopping) {
		int count = epoll_wait(epoll_fd, events, 64, wait_ms());
		for (int i = 0; i < count; i++)
			if (events[i].data.ptr)
				on_readable(events[i].data.ptr);
			else
				accept_one(listener);
		answer_delayed();
	}
	return 0;
}
