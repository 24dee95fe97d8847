/*
 * http.h: the HTTP sink, as its files share it. One thread, that of the worker's loop.
 *
 *   http.c              life, submit, poll
 *   http-loop.c         libcurl's sockets and timer, in an epoll descriptor of the sink's own
 *   http-post.c         a post: its body, its handle, its end
 *   http-destination.c  how a destination is posted to, by the configuration
 *   http-answer.c       what an answer means
 *
 * libcurl sends a POST again by itself when a connection it had kept turns out to be closed: the server may see a batch
 * twice while one answer comes back. That is what the idempotency key is for.
 */
#ifndef EVPIPE_HTTP_H
#define EVPIPE_HTTP_H

#include "http-answer.h"
#include "http-destination.h"
#include "log.h"
#include "sinks/gzip.h"

/* The largest body. Batches are a few MiB; this keeps a mistake in batch.bytes_max from taking everything. */
#define EVPIPE__HTTP_BODY_MAX (256u * 1024 * 1024)

struct evpipe__http;

/* A post and all it needs; kept and used again. */
typedef struct evpipe__http_post {
	TAILQ_ENTRY(evpipe__http_post) link;
	struct evpipe__http      *http;
	evpipe_batch             *batch;
	evpipe__http_destination *destination; /* with a reference, while it is not idle */
	evpipe_answer             answer;      /* once it is answered */

	CURL    *easy;       /* NULL: none was needed yet */
	uint64_t set_up_for; /* the id of the destination the handle is set up for; 0: none */
	/* Heads the list of headers; the destination's follow. */
	struct curl_slist key_header;
	char              key_line[sizeof "Idempotency-Key: " + 32];

	evpipe__buffer  body;
	evpipe__buffer  received;       /* of the answer's body, as much as is kept */
	size_t          received_bytes; /* of it in all */
	evpipe_verdict *each;
	size_t          each_count;
	size_t          counted; /* bytes of it in http->memory */
	char            curl_text[CURL_ERROR_SIZE];
	char            text[EVPIPE__ANSWER_TEXT_MAX];
} evpipe__http_post;

TAILQ_HEAD(evpipe__http_posts, evpipe__http_post);

typedef struct evpipe__http {
	const evpipe_config      *config;
	const evpipe_runtime     *runtime;
	evpipe__log               log;
	evpipe__http_destinations destinations;
	size_t                    answer_max;
	int                       told_insecure;
	char                      user_agent[64];

	CURLM  *multi;
	int     epoll;  /* -1: none */
	int64_t due_ms; /* when libcurl wants to be called, on the runtime's monotonic clock; INT64_MIN: at once, INT64_MAX: never */

	struct evpipe__http_posts out, answered, idle;
	size_t                    out_count;
	size_t                    idle_bytes; /* bodies that idle posts keep */
	evpipe__http_post        *polled;     /* its text and verdicts are borrowed until the next call */
	/*
	 * Batches for which there was no memory, chained by sink_data; they are answered without any. The tail is where
	 * the next is hung.
	 */
	evpipe_batch *unlucky, **unlucky_tail;

	evpipe__gzip  *gzip;  /* NULL: none was needed yet */
	evpipe__buffer plain; /* the body before it is compressed */
	size_t         memory;
} evpipe__http;

/* ---- http-loop.c ---- */

/* ENOMEM, EIO. */
evpipe_err evpipe__http_loop_open(evpipe__http *http, evpipe_error *error);
void       evpipe__http_loop_close(evpipe__http *http);

/* One round of input and output. Never waits. Posts that have ended are in http->answered. */
void evpipe__http_loop_run(evpipe__http *http);

/* ---- http-post.c ---- */

/* An idle one, or a new one; in no list. NULL: no memory. */
evpipe__http_post *evpipe__http_post_take(evpipe__http *http);
/* Back to the idle ones, without its destination. */
void evpipe__http_post_give_back(evpipe__http_post *post);
void evpipe__http_post_free(evpipe__http_post *post);

/*
 * Make the body and start. Either it is among http->out then, or it could not be and is among http->answered. The batch
 * and the destination are set.
 */
void evpipe__http_post_start(evpipe__http_post *post);

/* The transfer is over; from http->out to http->answered. */
void evpipe__http_post_end(evpipe__http_post *post, CURLcode result);

/* Give it up; from http->out to http->answered. */
void evpipe__http_post_cancel(evpipe__http_post *post);

#endif
