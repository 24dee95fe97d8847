/*
 * receiver.h: an HTTP server that takes events in bulk, tells somebody, and can fail on purpose. One thread runs it.
 */
#ifndef EVPIPE_CLI_RECEIVER_H
#define EVPIPE_CLI_RECEIVER_H

#include <jansson.h>

#include "faults.h"

struct receiver_setup {
	const char   *address; /* an IPv4 address to bind to */
	uint16_t      port;    /* 0: any that is free */
	const char   *path;    /* with {destination} in place of a segment */
	const char   *id_path; /* of the id in a payload */
	struct faults faults;
	int           stop_fd; /* -1, or a descriptor that ends it when it becomes readable; it is not read from */

	/* By the thread that runs it. All may be NULL, stats aside. */
	void (*on_post)(void *ctx, const char *destination, int status, size_t count); /* status 0: no answer */
	void (*on_event)(void *ctx, const char *destination, const struct received_event *event); /* it is stored */
	json_t *(*stats)(void *ctx); /* what GET /stats answers; new */
	void (*on_tick)(void *ctx);  /* each 200 ms or so */
	void *ctx;
};

struct receiver;

/* Listens. 0, or the exit code: it was complained of. */
int      receiver_new(struct receiver **out, const struct receiver_setup *setup);
uint16_t receiver_port(const struct receiver *receiver);

/* Serve until stopped. */
void receiver_run(struct receiver *receiver);

/* Any thread. */
void receiver_stop(struct receiver *receiver);
void receiver_free(struct receiver *receiver); /* takes NULL; while nobody runs it */

#endif
