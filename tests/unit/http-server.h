/*
 * http-server.h: an HTTP server of a test's own, on a port of its own, that keeps what came and answers what it was
 * told to, byte for byte. One thread; requests are answered one after the other, in the order in which they were
 * complete.
 */
#ifndef EVPIPE_TEST_HTTP_SERVER_H
#define EVPIPE_TEST_HTTP_SERVER_H

#include <stddef.h>

struct http_server;

/* Then. */
enum http_then {
	HTTP_KEEP,    /* keep the connection */
	HTTP_CLOSE,   /* close it behind the answer */
	HTTP_ENDLESS, /* say the last byte of the answer again and again, as long as anybody reads */
	HTTP_SILENT   /* say no more, but keep the connection */
};

struct http_server *http_server_new(void);
void                http_server_free(struct http_server *server);
int                 http_server_port(const struct http_server *server);

/* The answer to the next request that has none yet; copied. Beyond those it is a plain 200. */
void http_server_reply(struct http_server *server, const char *bytes, enum http_then then);

/* How many requests have come in, and on how many connections. */
size_t http_server_requests(struct http_server *server);
size_t http_server_connections(struct http_server *server);

/* Head and body of a request; they live as long as the server. NULL: there is none. */
const char *http_server_head(struct http_server *server, size_t request);
const char *http_server_body(struct http_server *server, size_t request, size_t *len);

/* The value of a header of a request in the caller's `out`; NULL: it isn't there. */
const char *http_server_header(struct http_server *server, size_t request, const char *name, char out[512]);

#endif
