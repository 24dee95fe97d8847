#include "http-destination.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "errors.h"
#include "sinks/http-url.h"
#include "json.h"
#include "sinks/template.h"

#define URL_MAX         8192
#define HEADERS_MAX     64
#define HEADER_SIZE_MAX 8192

/* What the sink itself says, or what says how the body is framed. */
static const char *const own_headers[] = {"Host",   "Content-Length",    "Content-Type", "Content-Encoding", "Idempotency-Key",
                                          "Expect", "Transfer-Encoding", "Connection"};

/* ---- headers ---- */

static void free_headers(struct curl_slist *headers)
{
	while (headers) {
		struct curl_slist *next = headers->next;
		evpipe__free(headers->data);
		evpipe__free(headers);
		headers = next;
	}
}

static size_t name_length(const char *line)
{
	return strcspn(line, ":;");
}

static int same_name(const char *line, const char *other)
{
	size_t len = name_length(line);
	return name_length(other) == len && strncasecmp(line, other, len) == 0;
}

/* Add a line, which becomes the list's, or replace the one of that name. */
static evpipe_err add_line(evpipe__http_destination *destination, char *line)
{
	struct curl_slist **at = &destination->headers;
	if (!line)
		return EVPIPE_ENOMEM;
	destination->bytes += strlen(line) + sizeof **at;
	for (; *at; at = &(*at)->next) {
		if (!same_name((*at)->data, line))
			continue;
		evpipe__free((*at)->data);
		(*at)->data = line;
		return EVPIPE_OK;
	}
	*at = evpipe__calloc(1, sizeof **at);
	if (*at)
		(*at)->data = line;
	else
		evpipe__free(line);
	return *at ? EVPIPE_OK : EVPIPE_ENOMEM;
}

static evpipe_err add_header(evpipe__http_destination *destination, const char *name, const char *value)
{
	size_t size = strlen(name) + strlen(value) + 3;
	char  *line = evpipe__malloc(size);
	/* To libcurl a name and a colon mean: leave it out; a name and a semicolon: send it empty. */
	if (line)
		snprintf(line, size, *value ? "%s: %s" : "%s;%s", name, value);
	return add_line(destination, line);
}

struct header_visit {
	evpipe__http_destination *destination;
	evpipe_error             *error;
	evpipe_err                err;
	size_t                    count;
	int                       has_authorization;
};

static int is_token(const char *name)
{
	static const char legal[] = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	return *name && name[strspn(name, legal)] == '\0';
}

/* A value may hold anything but control characters, the tab aside. */
static int is_field_value(const char *value)
{
	for (const unsigned char *at = (const unsigned char *)value; *at; at++)
		if ((*at < ' ' && *at != '\t') || *at == 0x7f)
			return 0;
	return 1;
}

static const char *find_header_problem(const char *name, const char *value)
{
	if (!is_token(name))
		return "this is not the name of a header";
	for (size_t i = 0; i < sizeof own_headers / sizeof *own_headers; i++)
		if (strcasecmp(name, own_headers[i]) == 0)
			return "this header is set by the sink itself";
	if (!is_field_value(value))
		return "the value holds an end of line or another control character";
	if (strlen(name) + strlen(value) > HEADER_SIZE_MAX)
		return "longer than 8 KiB";
	return NULL;
}

static int visit_header(void *ctx, const char *name, const char *value)
{
	struct header_visit *visit = ctx;
	const char          *problem = find_header_problem(name, value);

	if (!problem && ++visit->count > HEADERS_MAX)
		problem = "there are more than 64 headers";
	if (problem) {
		visit->err = evpipe__fail(visit->error, EVPIPE_ECONFIG, "sink.header.%s: %s", name, problem);
		return 1;
	}
	if (strcasecmp(name, "Authorization") == 0)
		visit->has_authorization = 1;
	visit->err = add_header(visit->destination, name, value);
	return visit->err != EVPIPE_OK;
}

/* Read once. Where tokens are renewed, this is the header to be replaced. */
static evpipe_err add_bearer_token(evpipe__http_destination *destination, const char *token, evpipe_error *error)
{
	char   line[HEADER_SIZE_MAX];
	size_t len = strlen(token);

	while (len && strchr(" \t\r\n", token[len - 1]))
		len--;
	int size = snprintf(line, sizeof line, "Bearer %.*s", (int)(len < sizeof line ? len : sizeof line), token);
	if (!len || !is_field_value(line) || (size_t)size >= sizeof line)
		return evpipe__fail(error, EVPIPE_ECONFIG, "sink.bearer_token: it is empty, longer than 8 KiB, or holds a control character");
	return add_header(destination, "Authorization", line);
}

static evpipe_err read_headers(evpipe__http_destination *destination, const evpipe_config *config, const char *name,
                               evpipe_error *error)
{
	struct header_visit visit = {.destination = destination, .error = error};
	const char         *token = evpipe_config_text(config, name, "sink.bearer_token");

	evpipe_err err = add_header(destination, "Content-Type", destination->format->content_type);
	if (!err && destination->gzip)
		err = add_header(destination, "Content-Encoding", "gzip");
	if (!err)
		err = add_line(destination, evpipe__strdup("Expect:"));
	if (err)
		return err;
	evpipe_config_each(config, name, "sink.header.", visit_header, &visit);
	if (visit.err || !token)
		return visit.err;
	if (visit.has_authorization)
		return evpipe__fail(error, EVPIPE_ECONFIG, "sink.bearer_token and sink.header.Authorization are both set: keep one");
	return add_bearer_token(destination, token, error);
}

/* ---- URL ---- */

static int is_set(const char *text)
{
	return text && *text;
}

/* What is wrong with a URL is told without the URL, which may hold a secret. */
static evpipe_err read_url(evpipe__http_destination *destination, const evpipe_config *config, const char *name, evpipe_error *error)
{
	const char      *template = evpipe_config_text(config, name, "sink.url");
	evpipe__buffer   url;
	evpipe__http_url parts;
	evpipe_error     why = {0};

	evpipe__buffer_init(&url, URL_MAX);
	if (!is_set(template))
		return evpipe__fail(error, EVPIPE_ECONFIG, "sink.url is not set");
	evpipe_err err = evpipe__template_check(template, &why);
	if (!err)
		err = evpipe__template_expand(&url, template, name ? name : "x", &why);
	if (!err)
		err = evpipe__http_url_parse(&parts, url.data, &why);
	if (!err && !parts.is_https && !parts.is_loopback && !evpipe_config_number(config, name, "sink.allow_http"))
		err = evpipe__fail(&why, EVPIPE_ECONFIG, "it is http://, not https://, and no loopback address; use https://, or set "
		                                         "sink.allow_http = yes");
	if (err && err != EVPIPE_ENOMEM)
		err = evpipe__fail(error, EVPIPE_ECONFIG, "sink.url: %s", why.text);
	if (!err) {
		destination->is_https = parts.is_https;
		destination->url = evpipe__strdup(url.data);
		destination->host = evpipe__strdup(parts.host);
		destination->bytes += url.len + strlen(parts.host);
		err = destination->url && destination->host ? EVPIPE_OK : EVPIPE_ENOMEM;
	}
	evpipe__buffer_release(&url);
	return err;
}

/* ---- the rest ---- */

static const char *text_or_null(const evpipe_config *config, const char *name, const char *property)
{
	const char *text = evpipe_config_text(config, name, property);
	return is_set(text) ? text : NULL;
}

static long timeout_of(const evpipe_config *config, const char *name, const char *property)
{
	int64_t ms = evpipe_config_number(config, name, property);
	return (long)(ms > INT32_MAX ? INT32_MAX : ms);
}

static evpipe_err read_body(evpipe__http_destination *destination, const evpipe_config *config, const char *name, evpipe_error *error)
{
	const char *format = evpipe_config_text(config, name, "sink.format");
	const char *compression = evpipe_config_text(config, name, "sink.compression");
	const char *id_member = text_or_null(config, name, "sink.id_member");

	destination->format = evpipe__format_find(format);
	if (!destination->format)
		return evpipe__fail(error, EVPIPE_ECONFIG, "sink.format = %s: there are ndjson, json and cloudevents", format ? format : "");
	destination->gzip = compression && strcmp(compression, "gzip") == 0;
	if (id_member && strlen(id_member) > EVPIPE__JSON_MEMBER_MAX)
		return evpipe__fail(error, EVPIPE_ECONFIG, "sink.id_member: longer than %d bytes", EVPIPE__JSON_MEMBER_MAX);
	destination->options.id_member = id_member;
	destination->options.source = evpipe_config_text(config, NULL, "event.source");
	return EVPIPE_OK;
}

static evpipe_err read_connection(evpipe__http_destination *destination, const evpipe_config *config, const char *name,
                                  evpipe_error *error)
{
	destination->connect_timeout_ms = timeout_of(config, name, "sink.connect_timeout");
	destination->timeout_ms = timeout_of(config, name, "sink.timeout");
	destination->insecure = evpipe_config_number(config, name, "sink.insecure_skip_verify") != 0;
	destination->ca_file = text_or_null(config, name, "sink.ca_file");
	destination->client_certificate = text_or_null(config, name, "sink.client_certificate");
	destination->client_key = text_or_null(config, name, "sink.client_key");
	const char *proxy = text_or_null(config, name, "sink.proxy");
	destination->proxy = proxy ? proxy : "";
	if (destination->client_key && !destination->client_certificate)
		return evpipe__fail(error, EVPIPE_ECONFIG, "sink.client_key is set, but sink.client_certificate is not");
	return EVPIPE_OK;
}

/* ECONFIG, ENOMEM. */
static evpipe_err read_all(evpipe__http_destination *destination, const evpipe_config *config, const char *name, evpipe_error *error)
{
	evpipe_err err = read_url(destination, config, name, error);
	if (!err)
		err = read_body(destination, config, name, error);
	if (!err)
		err = read_headers(destination, config, name, error);
	if (!err)
		err = read_connection(destination, config, name, error);
	return err;
}

/* ---- life ---- */

static void free_destination(evpipe__http_destination *destination)
{
	if (!destination)
		return;
	free_headers(destination->headers);
	evpipe__free(destination->url);
	evpipe__free(destination->host);
	evpipe__free(destination->refusal);
	evpipe__free(destination->name);
	evpipe__free(destination);
}

static evpipe_err new_destination(evpipe__http_destination **out, const evpipe_config *config, const char *name)
{
	evpipe_error              why = {0};
	evpipe__http_destination *destination = evpipe__calloc(1, sizeof *destination);
	if (!destination)
		return EVPIPE_ENOMEM;
	destination->references = 1;
	destination->bytes = sizeof *destination + strlen(name);
	destination->name = evpipe__strdup(name);
	evpipe_err err = destination->name ? read_all(destination, config, name, &why) : EVPIPE_ENOMEM;
	if (err == EVPIPE_ECONFIG) {
		destination->refusal = evpipe__strdup(why.text);
		err = destination->refusal ? EVPIPE_OK : EVPIPE_ENOMEM;
	}
	if (err)
		free_destination(destination);
	else
		*out = destination;
	return err;
}

/* For all destinations, so nothing could be posted. Curl reads it for each connection: what is wrong with it may be mended later. */
static evpipe_err check_file(const char *name, const char *path, evpipe_error *error)
{
	if (!path || access(path, R_OK) == 0)
		return EVPIPE_OK;
	return evpipe__fail(error, EVPIPE_ECONFIG, "%s = %s: %s", name, path, strerror(errno));
}

static evpipe_err check_files(const evpipe__http_destination *destination, evpipe_error *error)
{
	evpipe_err err = check_file("sink.ca_file", destination->ca_file, error);
	if (!err)
		err = check_file("sink.client_certificate", destination->client_certificate, error);
	if (!err)
		err = check_file("sink.client_key", destination->client_key, error);
	return err;
}

evpipe_err evpipe__http_destinations_check(const evpipe_config *config, int *insecure, evpipe_error *error)
{
	evpipe__http_destination *destination = evpipe__calloc(1, sizeof *destination);
	if (!destination)
		return evpipe__fail_plain(error, EVPIPE_ENOMEM);
	evpipe_err err = read_all(destination, config, NULL, error);
	if (!err)
		err = check_files(destination, error);
	if (err == EVPIPE_ENOMEM)
		evpipe__fail_plain(error, err);
	else if (!err && insecure)
		*insecure = destination->insecure;
	free_destination(destination);
	return err;
}

/* ---- cache ---- */

void evpipe__http_destinations_init(evpipe__http_destinations *destinations, const evpipe_config *config, size_t max)
{
	*destinations = (evpipe__http_destinations){.config = config, .max = max};
	TAILQ_INIT(&destinations->by_use);
}

static void forget(evpipe__http_destinations *destinations, evpipe__http_destination *destination)
{
	HASH_DEL(destinations->by_name, destination);
	TAILQ_REMOVE(&destinations->by_use, destination, link);
	destinations->bytes -= destination->bytes;
	evpipe__http_destination_put(destination);
}

void evpipe__http_destinations_release(evpipe__http_destinations *destinations)
{
	while (destinations->by_name)
		forget(destinations, destinations->by_name);
}

static evpipe_err remember(evpipe__http_destinations *destinations, evpipe__http_destination *destination)
{
	int added = 1;
#undef uthash_nonfatal_oom
#define uthash_nonfatal_oom(element) (added = 0)
	HASH_ADD_KEYPTR(hh, destinations->by_name, destination->name, strlen(destination->name), destination);
	if (!added)
		return EVPIPE_ENOMEM;
	TAILQ_INSERT_TAIL(&destinations->by_use, destination, link);
	destinations->bytes += destination->bytes;
	if (HASH_COUNT(destinations->by_name) > destinations->max)
		forget(destinations, TAILQ_FIRST(&destinations->by_use));
	return EVPIPE_OK;
}

evpipe_err evpipe__http_destination_get(evpipe__http_destinations *destinations, const char *name, evpipe__http_destination **out)
{
	evpipe__http_destination *destination;

	HASH_FIND(hh, destinations->by_name, name, strlen(name), destination);
	if (destination) {
		TAILQ_REMOVE(&destinations->by_use, destination, link);
		TAILQ_INSERT_TAIL(&destinations->by_use, destination, link);
	} else {
		evpipe_err err = new_destination(&destination, destinations->config, name);
		if (err)
			return err;
		destination->id = ++destinations->last_id;
		err = remember(destinations, destination);
		if (err) {
			free_destination(destination);
			return err;
		}
	}
	destination->references++;
	*out = destination;
	return EVPIPE_OK;
}

void evpipe__http_destination_put(evpipe__http_destination *destination)
{
	if (destination && --destination->references == 0)
		free_destination(destination);
}
