#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "http.h"

/* Bodies that idle posts keep for the next ones, in all. */
#define IDLE_BYTES_MAX (16u * 1024 * 1024)

/* libcurl sends a body up to this with the headers; a larger one it copies through a buffer, in pieces. */
#define SMALL_BODY    (64u * 1024)
#define UPLOAD_BUFFER (256u * 1024)

/* What libcurl takes for a handle, and besides for a transfer (its receive buffer is 16 KiB). */
#define HANDLE_MEMORY   (8u * 1024)
#define TRANSFER_MEMORY (24u * 1024)

/* An answer this many times longer than what is kept of it is not waited for. */
#define ANSWER_EXCESS 16

/* A kept connection's age and life, and when a silent one is given up, in seconds. */
#define IDLE_MAX_S       30L
#define LIFE_MAX_S       300L
#define KEEPALIVE_S      20L
#define KEEPALIVE_EACH_S 5L
#define USER_TIMEOUT_MS  20000u

/* ---- memory ---- */

/* Bring http->memory up to date with what this post takes. */
static void count_memory(evpipe__http_post *post, int is_out)
{
	size_t bytes = sizeof *post + post->body.capacity + post->received.capacity + post->each_count * sizeof *post->each +
	               (post->easy ? HANDLE_MEMORY : 0);
	if (is_out)
		bytes += TRANSFER_MEMORY + (post->body.len > SMALL_BODY ? UPLOAD_BUFFER : 0);
	post->http->memory += bytes - post->counted;
	post->counted = bytes;
}

evpipe__http_post *evpipe__http_post_take(evpipe__http *http)
{
	evpipe__http_post *post = TAILQ_FIRST(&http->idle);
	if (post) {
		TAILQ_REMOVE(&http->idle, post, link);
		http->idle_bytes -= post->body.capacity;
		return post;
	}
	post = evpipe__calloc(1, sizeof *post);
	if (!post)
		return NULL;
	post->http = http;
	post->key_header.data = post->key_line;
	evpipe__buffer_init(&post->body, EVPIPE__HTTP_BODY_MAX);
	evpipe__buffer_init(&post->received, http->answer_max);
	count_memory(post, 0);
	return post;
}

void evpipe__http_post_give_back(evpipe__http_post *post)
{
	evpipe__http *http = post->http;

	evpipe__http_destination_put(post->destination);
	post->destination = NULL;
	post->batch = NULL;
	post->key_header.next = NULL;
	if (http->idle_bytes + post->body.capacity > IDLE_BYTES_MAX)
		evpipe__buffer_release(&post->body);
	evpipe__buffer_clear(&post->body);
	http->idle_bytes += post->body.capacity;
	count_memory(post, 0);
	/* The last used first: its memory is warm, and its handle likely set up for the same destination. */
	TAILQ_INSERT_HEAD(&http->idle, post, link);
}

void evpipe__http_post_free(evpipe__http_post *post)
{
	if (!post)
		return;
	post->http->memory -= post->counted;
	curl_easy_cleanup(post->easy);
	evpipe__http_destination_put(post->destination);
	evpipe__buffer_release(&post->body);
	evpipe__buffer_release(&post->received);
	evpipe__free(post->each);
	evpipe__free(post);
}

/* ---- the handle ---- */

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
	evpipe__http_post *post = ctx;
	size_t             len = size * count, room = post->received.max - post->received.len;

	post->received_bytes += len;
	if (post->received_bytes / ANSWER_EXCESS > post->received.max)
		return CURL_WRITEFUNC_ERROR;
	/* Without memory for it, it counts as cut. */
	evpipe__buffer_append(&post->received, bytes, len < room ? len : room);
	return len;
}

/* A peer that vanished while data is out is given up after this, not after the kernel's quarter of an hour. */
static int on_socket_made(void *ctx, curl_socket_t socket, curlsocktype purpose)
{
	unsigned timeout_ms = USER_TIMEOUT_MS;
	(void)ctx;
	if (purpose == CURLSOCKTYPE_IPCXN)
		setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
	return CURL_SOCKOPT_OK;
}

/* Set an option and, in `code`, remember the first failure. */
#define SET(option, value) (code = code ? code : curl_easy_setopt(easy, option, value))

static CURLcode set_up_once(evpipe__http_post *post, CURL *easy)
{
	CURLcode code = CURLE_OK;
	SET(CURLOPT_PRIVATE, post);
	SET(CURLOPT_NOSIGNAL, 1L);
	/* Giving up a transfer must not wait for a name server: its thread ends by itself. */
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_USERAGENT, post->http->user_agent);
	SET(CURLOPT_HTTPHEADER, &post->key_header);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, post);
	SET(CURLOPT_ERRORBUFFER, post->curl_text);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_NOPROXY, "");
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_MAXAGE_CONN, IDLE_MAX_S);
	SET(CURLOPT_MAXLIFETIME_CONN, LIFE_MAX_S);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S);
	SET(CURLOPT_TCP_KEEPINTVL, KEEPALIVE_EACH_S);
	SET(CURLOPT_SOCKOPTFUNCTION, on_socket_made);
	return code;
}

static CURLcode set_up_for(CURL *easy, const evpipe__http_destination *destination)
{
	const char *ca_file = destination->ca_file, *ca_path = NULL;
	CURLcode    code = CURLE_OK;

	/* Libcurl's defaults, named since a handle is used for many. With both a file and a directory it would keep no store of certificates. */
	if (!ca_file)
		curl_easy_getinfo(easy, CURLINFO_CAINFO, &ca_file);
	if (!ca_file)
		curl_easy_getinfo(easy, CURLINFO_CAPATH, &ca_path);
	SET(CURLOPT_URL, destination->url);
	SET(CURLOPT_PROXY, destination->proxy);
	SET(CURLOPT_CONNECTTIMEOUT_MS, destination->connect_timeout_ms);
	SET(CURLOPT_TIMEOUT_MS, destination->timeout_ms);
	SET(CURLOPT_SSL_VERIFYPEER, destination->insecure ? 0L : 1L);
	SET(CURLOPT_SSL_VERIFYHOST, destination->insecure ? 0L : 2L);
	SET(CURLOPT_CAINFO, ca_file);
	SET(CURLOPT_CAPATH, ca_path);
	SET(CURLOPT_SSLCERT, destination->client_certificate);
	SET(CURLOPT_SSLKEY, destination->client_key);
	/* With HTTP/2, better wait for the first connection's streams than open one for each. */
	SET(CURLOPT_PIPEWAIT, destination->is_https ? 1L : 0L);
	return code;
}

/* ENOMEM. */
static evpipe_err set_up(evpipe__http_post *post)
{
	evpipe__http_destination *destination = post->destination;

	if (!post->easy) {
		CURL *easy = curl_easy_init();
		if (!easy || set_up_once(post, easy)) {
			curl_easy_cleanup(easy);
			return EVPIPE_ENOMEM;
		}
		post->easy = easy;
	}
	if (post->set_up_for != destination->id) {
		post->set_up_for = 0;
		if (set_up_for(post->easy, destination))
			return EVPIPE_ENOMEM;
		post->set_up_for = destination->id;
	}
	/* The list is libcurl's to read while the transfer lasts; it was told its head once. */
	post->key_header.next = destination->headers;
	snprintf(post->key_line, sizeof post->key_line, "Idempotency-Key: %.32s", post->batch->idempotency_key);
	return EVPIPE_OK;
}

/* ---- the body ---- */

static evpipe_err make_room_for_verdicts(evpipe__http_post *post)
{
	size_t count = post->batch->count;
	if (count <= post->each_count)
		return EVPIPE_OK;
	evpipe_verdict *each = evpipe__realloc(post->each, count * sizeof *each);
	if (!each)
		return EVPIPE_ENOMEM;
	post->each = each;
	post->each_count = count;
	return EVPIPE_OK;
}

static evpipe_err compress(evpipe__http_post *post)
{
	evpipe__http *http = post->http;
	if (!http->gzip) {
		evpipe_err err = evpipe__gzip_new(&http->gzip);
		if (err)
			return err;
		http->memory += EVPIPE__GZIP_MEMORY;
	}
	return evpipe__gzip_put(http->gzip, &post->body, http->plain.data, http->plain.len);
}

/* EFORMAT: some events don't fit; what and why is in `each` and `text`. ETOOLARGE, ENOMEM. */
static evpipe_err make_body(evpipe__http_post *post)
{
	const evpipe__http_destination *destination = post->destination;
	evpipe__http                   *http = post->http;
	evpipe__body                    body = {.format = destination->format->name,
	                                        .out = destination->gzip ? &http->plain : &post->body,
	                                        .batch = post->batch,
	                                        .options = &destination->options};

	evpipe_err err = make_room_for_verdicts(post);
	if (err)
		return err;
	body.each = post->each;
	size_t before = http->plain.capacity;
	evpipe__buffer_clear(body.out);
	err = destination->format->build(&body);
	if (!err && body.misfits) {
		snprintf(post->text, sizeof post->text, "%s", body.why);
		err = EVPIPE_EFORMAT;
	}
	if (!err && destination->gzip)
		err = compress(post);
	if (http->plain.capacity > IDLE_BYTES_MAX)
		evpipe__buffer_release(&http->plain);
	http->memory += http->plain.capacity - before;
	return err;
}

/* ---- start and end ---- */

static void answered(evpipe__http_post *post)
{
	post->answer.batch = post->batch;
	count_memory(post, 0);
	TAILQ_INSERT_TAIL(&post->http->answered, post, link);
}

static void answer_plainly(evpipe__http_post *post, evpipe_verdict verdict, int unknown, const char *text)
{
	snprintf(post->text, sizeof post->text, "%s", text);
	post->answer = (evpipe_answer){.verdict = verdict, .unknown = unknown, .text = post->text};
	answered(post);
}

/*
 * Nothing is posted if some events don't fit: the idempotency key is that of all ids, and the same body must not come
 * again with another. The core posts those that fit at once, as a batch of their own.
 */
static void answer_misfits(evpipe__http_post *post)
{
	post->answer = (evpipe_answer){.verdict = EVPIPE_VERDICT_EACH, .each = post->each, .text = post->text};
	answered(post);
}

static CURLcode hand_over_body(evpipe__http_post *post, CURL *easy)
{
	CURLcode code = CURLE_OK;
	SET(CURLOPT_POSTFIELDS, post->body.data);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)post->body.len);
	SET(CURLOPT_UPLOAD_BUFFERSIZE, (long)(post->body.len > SMALL_BODY ? UPLOAD_BUFFER : SMALL_BODY));
	return code;
}

static evpipe_err begin_transfer(evpipe__http_post *post)
{
	evpipe__http *http = post->http;

	evpipe__buffer_clear(&post->received);
	post->received_bytes = 0;
	post->curl_text[0] = '\0';
	if (hand_over_body(post, post->easy) || curl_multi_add_handle(http->multi, post->easy))
		return EVPIPE_ENOMEM;
	TAILQ_INSERT_TAIL(&http->out, post, link);
	http->out_count++;
	count_memory(post, 1);
	return EVPIPE_OK;
}

void evpipe__http_post_start(evpipe__http_post *post)
{
	if (post->destination->refusal) {
		answer_plainly(post, EVPIPE_VERDICT_REFUSED, 0, post->destination->refusal);
		return;
	}
	evpipe_err err = set_up(post);
	if (!err)
		err = make_body(post);
	if (!err)
		err = begin_transfer(post);
	if (err == EVPIPE_EFORMAT)
		answer_misfits(post);
	else if (err == EVPIPE_ETOOLARGE)
		answer_plainly(post, EVPIPE_VERDICT_TOO_LARGE, 0, "the body would be larger than 256 MiB");
	else if (err)
		answer_plainly(post, EVPIPE_VERDICT_RETRY, 0, evpipe_strerror(err));
}

static const char *header_of(CURL *easy, const char *name)
{
	struct curl_header *header;
	return curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK ? header->value : NULL;
}

static void judge(evpipe__http_post *post, CURLcode result)
{
	evpipe__http *http = post->http;
	long          status = 0;
	curl_off_t    began_us = 0;
	char         *location = NULL;

	curl_easy_getinfo(post->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(post->easy, CURLINFO_PRETRANSFER_TIME_T, &began_us);
	curl_easy_getinfo(post->easy, CURLINFO_REDIRECT_URL, &location);
	evpipe__http_outcome outcome = {
		.result = result,
		.detail = post->curl_text,
		.status = (int)status,
		.may_have_arrived = began_us > 0,
		.was_cut = post->received_bytes > post->received.len,
		.host = post->destination->host,
		.location = location,
		.retry_after = status >= 300 ? header_of(post->easy, "Retry-After") : NULL,
		.wall_ms = http->runtime->wall_ms(http->runtime->ctx),
		.body = post->received.data,
		.body_len = post->received.len,
		.format = post->destination->format,
		.each = post->each,
	};
	evpipe__http_judge(&outcome, &post->answer, post->text);
}

static void leave_out(evpipe__http_post *post)
{
	curl_multi_remove_handle(post->http->multi, post->easy);
	TAILQ_REMOVE(&post->http->out, post, link);
	post->http->out_count--;
}

void evpipe__http_post_end(evpipe__http_post *post, CURLcode result)
{
	post->answer.batch = post->batch;
	judge(post, result);
	leave_out(post);
	answered(post);
}

void evpipe__http_post_cancel(evpipe__http_post *post)
{
	leave_out(post);
	answer_plainly(post, EVPIPE_VERDICT_RETRY, 1, "given up before an answer came");
}
