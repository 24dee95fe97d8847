/*
 * http-answer.h: what came back from a post, and what it means. Functions on values, which know no handle and no socket.
 */
#ifndef EVPIPE_HTTP_ANSWER_H
#define EVPIPE_HTTP_ANSWER_H

#include <curl/curl.h>

#include "formats/formats.h"

/* The longest Retry-After that is believed. */
#define EVPIPE__RETRY_AFTER_MAX_MS 3600000

/* What is shown of an answer's body, or of where it points; and room for the whole text. */
#define EVPIPE__ANSWER_LINE_MAX 200
#define EVPIPE__ANSWER_TEXT_MAX 640

typedef struct evpipe__http_outcome {
	CURLcode    result;
	const char *detail;      /* libcurl's text for it, may be "" */
	int         status;      /* the final one, 0: none came */
	int         may_have_arrived; /* it had begun to send the request */
	int         was_cut;     /* the answer's body is longer than was kept */
	const char *host;        /* for people */
	const char *location;    /* where it points; NULL: nowhere */
	const char *retry_after; /* the header's value; NULL: none */
	int64_t     wall_ms;
	const void *body;        /* as much as was kept */
	size_t      body_len;
	const evpipe__format *format;
	evpipe_verdict       *each; /* room for one an event */
} evpipe__http_outcome;

/*
 * Fill verdict, each, status, text (in `text`, EVPIPE__ANSWER_TEXT_MAX bytes), unknown, leave_alone_ms and overloaded;
 * answer->batch is there already. A whole answer counts by its status. Of a broken one, a status of failure counts, but
 * a 2xx followed by a lost connection leaves the outcome unknown; a 2xx whose body is without end, by bytes or by time,
 * is a 2xx.
 */
void evpipe__http_judge(const evpipe__http_outcome *outcome, evpipe_answer *answer, char *text);

/* Retry-After: seconds, or an HTTP date. In [0, EVPIPE__RETRY_AFTER_MAX_MS]; what is neither is 0. */
int64_t evpipe__http_retry_after_ms(const char *value, int64_t wall_ms);

#endif
