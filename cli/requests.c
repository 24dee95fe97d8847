/*
 * What a request is answered.
 */
#include "requests.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* A larger one is read to its end, so that the client sees the answer, but not kept. */
#define WIRE_MAX FAULTS_BODY_MAX

/* ---- answers ---- */

static struct MHD_Response *make_response(const char *type, char *text)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(text);
		return NULL;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	return response;
}

__attribute__((format(printf, 1, 2))) static struct MHD_Response *make_text(const char *format, ...)
{
	char    text[512];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	char *copy = strdup(text);
	return copy ? make_response("application/json", copy) : NULL;
}

static enum MHD_Result queue_response(struct MHD_Connection *connection, int status, struct MHD_Response *response)
{
	if (!response)
		return MHD_NO;
	enum MHD_Result result = MHD_queue_response(connection, (unsigned)status, response);
	MHD_destroy_response(response);
	return result;
}

static void hold_back(struct request *request, struct MHD_Response *response, int status)
{
	struct receiver *receiver = request->receiver;
	struct request  *before;

	request->response = response;
	request->status = status;
	request->due_ms = now_ms() + receiver->setup.faults.latency_ms;
	request->is_late = 1;
	TAILQ_FOREACH_REVERSE(before, &receiver->late, request_list, link) {
		if (before->due_ms <= request->due_ms)
			break;
	}
	if (before)
		TAILQ_INSERT_AFTER(&receiver->late, before, request, link);
	else
		TAILQ_INSERT_HEAD(&receiver->late, request, link);
	MHD_suspend_connection(request->connection);
}

/* ---- what a post is answered ---- */

static void store(struct receiver *receiver, const char *destination, size_t count)
{
	for (size_t i = 0; receiver->setup.on_event && i < count; i++)
		receiver->setup.on_event(receiver->setup.ctx, destination, &receiver->body.events[i]);
}

static int judge(struct request *request, const char **problem)
{
	struct receiver    *receiver = request->receiver;
	struct faults      *faults = &receiver->setup.faults;
	size_t              stored;
	struct body_request given = {
		.data = request->data,
		.len = request->len,
		.content_type = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
	                                                    MHD_HTTP_HEADER_CONTENT_TYPE),
		.content_encoding = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND,
	                                                        MHD_HTTP_HEADER_CONTENT_ENCODING),
		.id_path = receiver->setup.id_path,
		.size_max = (size_t)faults->body_max,
	};
	receiver->body.events_count = 0;
	*problem = "the body is too large";
	int status = request->too_large ? 413 : body_read(&receiver->body, &given, problem);
	if (status)
		return status;
	status = faults_decide(faults, request->destination, now_ms() - receiver->started_ms, &receiver->body, &stored);
	store(receiver, request->destination, stored);
	*problem = status == 400 ? "an event is refused" : "on purpose";
	return status;
}

static void tell_post(const struct request *request, int status, size_t count)
{
	const struct receiver_setup *setup = &request->receiver->setup;
	if (setup->on_post)
		setup->on_post(setup->ctx, request->destination, status, count);
}

static enum MHD_Result answer_post(struct request *request)
{
	struct receiver     *receiver = request->receiver;
	struct faults       *faults = &receiver->setup.faults;
	const char          *problem;
	int                  status = judge(request, &problem);
	size_t               count = receiver->body.events_count;
	struct MHD_Response *response;

	if (!status && faults_hang_up(faults)) {
		tell_post(request, 0, count);
		return MHD_NO; /* closes the connection */
	}
	if (status)
		response = make_text("{\"error\":\"%s\"}\n", problem);
	else
		response = make_text("{\"accepted\":%zu}\n", count);
	status = status ? status : 200;
	if (response && status >= 300 && faults->retry_after_ms) {
		char seconds[24];
		snprintf(seconds, sizeof seconds, "%lld", (long long)(faults->retry_after_ms + 999) / 1000);
		MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
	}
	tell_post(request, status, count);
	if (!faults->latency_ms || !response)
		return queue_response(request->connection, status, response);
	hold_back(request, response, status);
	return MHD_YES;
}

/* ---- requests ---- */

/* The destination in a path, which libmicrohttpd has decoded. False if the path is another. */
static int match_path(const struct receiver *receiver, const char *path, char destination[DESTINATION_MAX + 1])
{
	size_t len = strlen(path), suffix_len = strlen(receiver->suffix);
	if (len <= receiver->prefix_len + suffix_len ||
	    strncmp(path, receiver->setup.path, receiver->prefix_len) != 0 ||
	    strcmp(path + len - suffix_len, receiver->suffix) != 0)
		return 0;
	len -= receiver->prefix_len + suffix_len;
	if (len > DESTINATION_MAX)
		return 0;
	memcpy(destination, path + receiver->prefix_len, len);
	destination[len] = '\0';
	return 1;
}

static enum MHD_Result answer_get(struct receiver *receiver, struct MHD_Connection *connection, const char *path)
{
	if (strcmp(path, "/stats") != 0 || !receiver->setup.stats)
		return queue_response(
			connection, 404,
			make_text("{\"error\":\"there is GET /stats, and POST %s\"}\n", receiver->setup.path));
	json_t *stats = receiver->setup.stats(receiver->setup.ctx);
	char   *text = stats ? json_dumps(stats, JSON_COMPACT) : NULL;
	json_decref(stats);
	return queue_response(connection, 200, text ? make_response("application/json", text) : NULL);
}

static struct request *request_new(struct receiver *receiver, struct MHD_Connection *connection)
{
	struct request *request = calloc(1, sizeof *request);
	if (request) {
		request->receiver = receiver;
		request->connection = connection;
	}
	return request;
}

static void take_data(struct request *request, const char *data, size_t len)
{
	if (request->too_large || request->len + len > WIRE_MAX) {
		request->too_large = 1;
		return;
	}
	if (request->len + len > request->room) {
		size_t room = 2 * request->room > request->len + len ? 2 * request->room : request->len + len;
		char  *more = realloc(request->data, room);
		if (!more) {
			request->too_large = 1;
			return;
		}
		request->data = more;
		request->room = room;
	}
	memcpy(request->data + request->len, data, len);
	request->len += len;
}

enum MHD_Result request_handle(void *cls, struct MHD_Connection *connection, const char *path, const char *method,
                               const char *version, const char *data, size_t *data_len, void **context)
{
	struct receiver *receiver = cls;
	struct request  *request = *context;

	(void)version;
	if (!request) {
		if (strcmp(method, "GET") == 0)
			return answer_get(receiver, connection, path);
		request = *context = request_new(receiver, connection);
		return request ? MHD_YES : MHD_NO;
	}
	if (*data_len) {
		take_data(request, data, *data_len);
		*data_len = 0;
		return MHD_YES;
	}
	if (request->response) {
		struct MHD_Response *response = request->response;
		request->response = NULL;
		return queue_response(connection, request->status, response);
	}
	if (strcmp(method, "POST") != 0 && strcmp(method, "PUT") != 0)
		return queue_response(connection, 405, make_text("{\"error\":\"POST events\"}\n"));
	if (!match_path(receiver, path, request->destination))
		return queue_response(connection, 404,
		                      make_text("{\"error\":\"events go to %s\"}\n", receiver->setup.path));
	return answer_post(request);
}

void request_completed(void *cls, struct MHD_Connection *connection, void **context,
                       enum MHD_RequestTerminationCode code)
{
	struct receiver *receiver = cls;
	struct request  *request = *context;

	(void)connection;
	(void)code;
	if (!request)
		return;
	if (request->is_late)
		TAILQ_REMOVE(&receiver->late, request, link);
	if (request->response)
		MHD_destroy_response(request->response);
	free(request->data);
	free(request);
	*context = NULL;
}
