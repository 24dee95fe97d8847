#include "evpipe-build.h"

#include "test.h"

#include "http-server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define REQUESTS_MAX    2048
#define REQUEST_MAX     (4 * 1024 * 1024)

struct reply {
	char          *bytes;
	enum http_then then;
};

struct request {
	char  *head, *body; /* each with a NUL behind it */
	size_t body_len;
};

struct connection {
	int    fd; /* 0: unused, the test has standard input */
	char  *bytes;
	size_t len;
	char   endless; /* not 0: the byte it says */
};

struct http_server {
	int             listener, port, wake[2];
	pthread_t       thread;
	pthread_mutex_t mutex;
	/* guarded by the mutex */
	struct reply   replies[REQUESTS_MAX];
	size_t         replies_count;
	struct request requests[REQUESTS_MAX];
	size_t         requests_count, connections_count;
	/* the thread's own */
	struct connection connections[CONNECTIONS_MAX];
};

static void close_connection(struct connection *connection)
{
	close(connection->fd);
	free(connection->bytes);
	*connection = (struct connection){0};
}

static void send_all(struct connection *connection, const char *bytes, size_t len)
{
	while (len) {
		ssize_t sent = send(connection->fd, bytes, len, MSG_NOSIGNAL);
		if (sent <= 0)
			return;
		bytes += sent;
		len -= (size_t)sent;
	}
}

static void reply(struct http_server *server, struct connection *connection, const struct reply *reply)
{
	(void)server;
	size_t len = strlen(reply->bytes);
	send_all(connection, reply->bytes, len);
	if (reply->then == HTTP_CLOSE)
		close_connection(connection);
	else if (reply->then == HTTP_ENDLESS)
		connection->endless = reply->bytes[len - 1];
}

/* The length of the request at the beginning of what came, 0 if it is not complete; *head_len without the empty line. */
static size_t request_length(const struct connection *connection, size_t *head_len)
{
	const char *end = connection->len ? strstr(connection->bytes, "\r\n\r\n") : NULL;
	if (!end)
		return 0;
	*head_len = (size_t)(end - connection->bytes);
	size_t      body_len = 0;
	const char *length = strcasestr(connection->bytes, "\r\nContent-Length:");
	if (length && length < end)
		body_len = strtoul(length + 17, NULL, 10);
	size_t whole = *head_len + 4 + body_len;
	return connection->len >= whole ? whole : 0;
}

static void serve(struct http_server *server, struct connection *connection)
{
	static const struct reply plain = {.bytes = (char *)(uintptr_t) "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"};
	size_t                    head_len, len;

	while (connection->fd && (len = request_length(connection, &head_len))) {
		pthread_mutex_lock(&server->mutex);
		size_t index = server->requests_count;
		if (index == REQUESTS_MAX)
			abort();
		struct request *request = &server->requests[index];
		request->head = strndup(connection->bytes, head_len);
		request->body_len = len - head_len - 4;
		request->body = malloc(request->body_len + 1);
		memcpy(request->body, connection->bytes + head_len + 4, request->body_len);
		request->body[request->body_len] = '\0';
		server->requests_count++;
		struct reply answer = index < server->replies_count ? server->replies[index] : plain;
		pthread_mutex_unlock(&server->mutex);

		memmove(connection->bytes, connection->bytes + len, connection->len - len + 1);
		connection->len -= len;
		reply(server, connection, &answer);
	}
}

static void take_in(struct http_server *server, struct connection *connection)
{
	char    bytes[65536];
	ssize_t got = recv(connection->fd, bytes, sizeof bytes, 0);
	if (got <= 0 || connection->len + (size_t)got > REQUEST_MAX) {
		close_connection(connection);
		return;
	}
	connection->bytes = realloc(connection->bytes, connection->len + (size_t)got + 1);
	memcpy(connection->bytes + connection->len, bytes, (size_t)got);
	connection->len += (size_t)got;
	connection->bytes[connection->len] = '\0';
	serve(server, connection);
}

static void say_more(struct connection *connection)
{
	char bytes[16384];
	memset(bytes, connection->endless, sizeof bytes);
	if (send(connection->fd, bytes, sizeof bytes, MSG_NOSIGNAL | MSG_DONTWAIT) <= 0)
		close_connection(connection);
}

static void take_connection(struct http_server *server)
{
	int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	pthread_mutex_lock(&server->mutex);
	server->connections_count++;
	pthread_mutex_unlock(&server->mutex);
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (!server->connections[i].fd) {
			server->connections[i].fd = fd;
			return;
		}
	close(fd);
}

static void *run(void *arg)
{
	struct http_server *server = arg;
	struct pollfd       fds[CONNECTIONS_MAX + 2];

	for (;;) {
		fds[0] = (struct pollfd){.fd = server->wake[0], .events = POLLIN};
		fds[1] = (struct pollfd){.fd = server->listener, .events = POLLIN};
		for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
			const struct connection *connection = &server->connections[i];
			fds[i + 2] = (struct pollfd){.fd = connection->fd ? connection->fd : -1,
			                             .events = (short)(POLLIN | (connection->endless ? POLLOUT : 0))};
		}
		if (poll(fds, CONNECTIONS_MAX + 2, -1) < 0)
			continue;
		if (fds[0].revents)
			return NULL;
		for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
			if (fds[i + 2].revents & (POLLIN | POLLHUP | POLLERR))
				take_in(server, &server->connections[i]);
			else if (fds[i + 2].revents & POLLOUT)
				say_more(&server->connections[i]);
		}
		if (fds[1].revents)
			take_connection(server);
	}
}

struct http_server *http_server_new(void)
{
	struct http_server *server = calloc(1, sizeof *server);
	struct sockaddr_in  address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t           size = sizeof address;

	assert_non_null(server);
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(server->listener, CONNECTIONS_MAX), 0);
	assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &size), 0);
	server->port = ntohs(address.sin_port);
	assert_int_equal(pipe2(server->wake, O_CLOEXEC), 0);
	pthread_mutex_init(&server->mutex, NULL);
	assert_int_equal(pthread_create(&server->thread, NULL, run, server), 0);
	return server;
}

void http_server_free(struct http_server *server)
{
	assert_int_equal(write(server->wake[1], "", 1), 1);
	pthread_join(server->thread, NULL);
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		if (server->connections[i].fd)
			close_connection(&server->connections[i]);
	for (size_t i = 0; i < server->replies_count; i++)
		free(server->replies[i].bytes);
	for (size_t i = 0; i < server->requests_count; i++) {
		free(server->requests[i].head);
		free(server->requests[i].body);
	}
	close(server->listener);
	close(server->wake[0]);
	close(server->wake[1]);
	pthread_mutex_destroy(&server->mutex);
	free(server);
}

int http_server_port(const struct http_server *server)
{
	return server->port;
}

void http_server_reply(struct http_server *server, const char *bytes, enum http_then then)
{
	pthread_mutex_lock(&server->mutex);
	if (server->replies_count == REQUESTS_MAX)
		abort();
	server->replies[server->replies_count++] = (struct reply){.bytes = strdup(bytes), .then = then};
	pthread_mutex_unlock(&server->mutex);
}

static size_t read_count(struct http_server *server, const size_t *count)
{
	pthread_mutex_lock(&server->mutex);
	size_t value = *count;
	pthread_mutex_unlock(&server->mutex);
	return value;
}

size_t http_server_requests(struct http_server *server)
{
	return read_count(server, &server->requests_count);
}

size_t http_server_connections(struct http_server *server)
{
	return read_count(server, &server->connections_count);
}

/* A request does not change once it is counted. */
const char *http_server_head(struct http_server *server, size_t request)
{
	return request < http_server_requests(server) ? server->requests[request].head : NULL;
}

const char *http_server_body(struct http_server *server, size_t request, size_t *len)
{
	if (request >= http_server_requests(server))
		return NULL;
	if (len)
		*len = server->requests[request].body_len;
	return server->requests[request].body;
}

const char *http_server_header(struct http_server *server, size_t request, const char *name, char out[512])
{
	const char *head = http_server_head(server, request);
	size_t      name_len = strlen(name);
	for (const char *line = head ? strstr(head, "\r\n") : NULL; line; line = strstr(line, "\r\n")) {
		line += 2;
		if (strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
			continue;
		line += name_len + 1;
		line += strspn(line, " ");
		snprintf(out, 512, "%.*s", (int)strcspn(line, "\r"), line);
		return out;
	}
	return NULL;
}
