/*
 * requests.h: inside of the receiver: what its two files share.
 *
 *   receiver.c  listening, the loop, answers that are held back
 *   requests.c  a request, from its head to its answer
 */
#ifndef EVPIPE_CLI_REQUESTS_H
#define EVPIPE_CLI_REQUESTS_H

#include <microhttpd.h>
#include <sys/queue.h>

#include "receiver.h"

#define DESTINATION_MAX 255

/* A request, from its head to its answer. */
struct request {
	struct receiver       *receiver;
	struct MHD_Connection *connection;
	struct MHD_Response   *response; /* held back until due_ms */
	int                    status;
	int64_t                due_ms;
	int                    is_late; /* in the list of those held back */
	TAILQ_ENTRY(request) link;
	char  *data;
	size_t len, room;
	int    too_large;
	char   destination[DESTINATION_MAX + 1];
};

TAILQ_HEAD(request_list, request);

struct receiver {
	struct receiver_setup setup;
	struct MHD_Daemon    *daemon;
	int                   epoll_fd, wake_fd;
	uint16_t              port;
	int64_t               started_ms, next_tick_ms;
	struct request_list   late; /* by due_ms */
	struct body           body;
	size_t                prefix_len; /* of the path, up to {destination} */
	const char           *suffix;     /* and after it */
};

/* As libmicrohttpd wants them; cls is the receiver. */
enum MHD_Result request_handle(void *cls, struct MHD_Connection *connection, const char *path, const char *method,
                               const char *version, const char *data, size_t *data_len, void **context);
void            request_completed(void *cls, struct MHD_Connection *connection, void **context,
                                  enum MHD_RequestTerminationCode code);

#endif
