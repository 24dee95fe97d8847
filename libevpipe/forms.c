#include "forms.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "json.h"

#define LETTERS_AND_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define PLACEHOLDER "{destination}"

const char *evpipe__form_topic(const char *text)
{
	size_t len = strlen(text);
	if (len > EVPIPE__TOPIC_NAME_MAX)
		return "a topic's name has at most 249 characters";
	if (text[strspn(text, LETTERS_AND_DIGITS "._-")])
		return "a topic's name has letters, digits, '.', '_' and '-' alone";
	if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return "a topic's name has more than dots";
	return NULL;
}

const char *evpipe__form_short(const char *text)
{
	return strlen(text) > 255 ? "it is longer than 255 bytes" : NULL;
}

const char *evpipe__form_path(const char *text)
{
	return strlen(text) > 3500 ? "it is longer than 3,500 bytes" : NULL;
}

const char *evpipe__form_url(const char *text)
{
	size_t scheme = strspn(text, LETTERS_AND_DIGITS "+.-");
	if (!scheme || strncmp(text + scheme, "://", 3) != 0 || !text[scheme + 3])
		return "it is not a URL";
	return NULL;
}

/* ---- hosts ---- */

static const char *check_port(const char *colon, const char *end)
{
	char *behind;
	if (end - colon < 2 || end - colon > 6 || colon[1] < '0' || colon[1] > '9')
		return "the port is not a number from 1 to 65535";
	unsigned long port = strtoul(colon + 1, &behind, 10);
	return behind != end || !port || port > 65535 ? "the port is not a number from 1 to 65535" : NULL;
}

static const char *check_authority(const char *host, size_t len)
{
	const char *end = host + len, *host_end;

	if (memchr(host, '@', len))
		return "it holds a user's name or password, which would be logged: use sink.bearer_token or "
		       "sink.header.Authorization";
	if (memchr(host, '{', len))
		return "{destination} may stand in path and query alone, so that no event chooses a host";
	if (*host == '[') {
		host_end = memchr(host, ']', len);
		if (!host_end || host_end == host + 1 ||
		    strspn(host + 1, "0123456789abcdefABCDEF:.") != (size_t)(host_end - host - 1))
			return "between [ and ] no IPv6 address stands";
		host_end++;
	} else {
		host_end = host + strspn(host, LETTERS_AND_DIGITS "._-");
	}
	if (host_end == host)
		return "the host is missing";
	if (host_end > end || (host_end < end && *host_end != ':'))
		return "the host has a character that hosts do not have";
	return host_end < end ? check_port(host_end, end) : NULL;
}

/* ---- the broker ---- */

/* HOST[:PORT],HOST[:PORT] */
static const char *check_hosts(const char *list)
{
	for (;;) {
		size_t      len = strcspn(list, ",");
		const char *problem = check_authority(list, len);
		if (problem || !list[len])
			return problem;
		list += len + 1;
	}
}

const char *evpipe__form_transport_url(const char *text)
{
	static const char kafka[] = "kafka://";
	const char       *problem = evpipe__form_url(text);
	if (!problem && strchr(text, '@'))
		problem = "it holds a user's name or password, which would be logged: use kafka.sasl.username and "
			  "kafka.sasl.password";
	if (!problem && strncmp(text, kafka, sizeof kafka - 1) == 0)
		problem = check_hosts(text + sizeof kafka - 1);
	return problem;
}

/* ---- where events are posted to ---- */

static const char *after_scheme(const char *url)
{
	if (strncasecmp(url, "https://", 8) == 0)
		return url + 8;
	return strncasecmp(url, "http://", 7) == 0 ? url + 7 : NULL;
}

const char *evpipe__form_sink_url(const char *text)
{
	const char *host = after_scheme(text);
	if (!host)
		return strchr(text, '{') && strstr(text, "://") && strchr(text, '{') < strstr(text, "://")
		               ? "{destination} may stand in path and query alone, so that no event chooses a host"
		               : "it begins with neither https:// nor http://";
	for (const char *at = text; *at; at++)
		if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 0x7f || strchr("\"<>\\^`|", *at))
			return "it has a character that URLs do not have: write it as %XX";
	if (strchr(text, '#'))
		return "it has a fragment (#...), which no server ever sees";

	size_t      len = strcspn(host, "/?");
	const char *problem = check_authority(host, len);
	for (const char *at = host + len; !problem && (at = strpbrk(at, "{}")); at += sizeof PLACEHOLDER - 1)
		if (strncmp(at, PLACEHOLDER, sizeof PLACEHOLDER - 1) != 0)
			problem = "the only placeholder is {destination}";
	return problem;
}

int evpipe__form_is_remote_http(const char *sink_url)
{
	const char *host = sink_url + 7;
	if (strncasecmp(sink_url, "http://", 7) != 0)
		return 0;
	size_t len = *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?");
	/* 127.0.0.1 and its like; a name that begins so ("127.0.0.1.example.com") has letters. */
	if (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == len)
		return 0;
	return !(len == 9 && strncasecmp(host, "localhost", 9) == 0) && !(len == 5 && strncmp(host, "[::1]", 5) == 0);
}

/* ---- whose a record is ---- */

/* NULL if it is field:NAME, or what is wrong; `otherwise` if it is something else. */
static const char *check_field(const char *text, const char *otherwise)
{
	if (strncmp(text, "field:", 6) != 0 || !text[6])
		return otherwise;
	return strlen(text + 6) > EVPIPE__JSON_MEMBER_MAX ? "a field's name has at most 128 bytes" : NULL;
}

const char *evpipe__form_destination_from(const char *text)
{
	return strcmp(text, "header") == 0 || strcmp(text, "key") == 0
	               ? NULL
	               : check_field(text, "it is none of header, key and field:NAME");
}

const char *evpipe__form_id_from(const char *text)
{
	return strcmp(text, "header") == 0 ? NULL : check_field(text, "it is neither header nor field:NAME");
}

/* ---- what may not be passed through ---- */

/* Properties of librdkafka by which a promise would be broken, or what another property says be said twice. */
static const struct {
	const char *name, *why;
} refused_kafka[] = {
	{"acks", "an event counts as sent when all replicas have it"},
	{"request.required.acks", "an event counts as sent when all replicas have it"},
	{"enable.idempotence", "without it, events are doubled and change places when a send is repeated"},
	{"enable.auto.commit",
	 "offsets are committed when their events are delivered or handed on, not when they were read"},
	{"auto.commit.enable",
	 "offsets are committed when their events are delivered or handed on, not when they were read"},
	{"enable.auto.offset.store",
	 "offsets are committed when their events are delivered or handed on, not when they were read"},
	{"message.timeout.ms",
	 "nothing that was accepted is given up; evpipe_producer_close has a deadline of its own"},
	{"delivery.timeout.ms",
	 "nothing that was accepted is given up; evpipe_producer_close has a deadline of its own"},
	{"delivery.report.only.error", "each event's acknowledgement is waited for"},
	{"queuing.strategy", "events of one partition are to stay in order"},
	{"transactional.id", "sends are not made in transactions"},
	{"group.id", "set group.name"},
	{"bootstrap.servers", "set transport.url = kafka://HOST:PORT,HOST:PORT"},
	{"metadata.broker.list", "set transport.url = kafka://HOST:PORT,HOST:PORT"},
};

const char *evpipe__refuse_kafka(const char *name, const char *value)
{
	for (size_t i = 0; i < sizeof refused_kafka / sizeof *refused_kafka; i++)
		if (strcasecmp(name, refused_kafka[i].name) == 0)
			return refused_kafka[i].why;
	if (strcasecmp(name, "auto.offset.reset") == 0 &&
	    (strcasecmp(value, "latest") == 0 || strcasecmp(value, "largest") == 0 || strcasecmp(value, "end") == 0))
		return "events that came before the first worker would be lost; earliest or error will do";
	return NULL;
}

/* Headers that follow from the body, from the connection, or from another property. */
static const struct {
	const char *name, *why;
} refused_headers[] = {
	{"Content-Length", "it follows from the body"},
	{"Transfer-Encoding", "it follows from the body"},
	{"Content-Encoding", "set sink.compression"},
	{"Connection", "connections are the sink's own"},
	{"Expect", "bodies are sent at once"},
	{"Idempotency-Key", "each batch has its own"},
};

const char *evpipe__refuse_header(const char *name, const char *value)
{
	if (name[strspn(name, LETTERS_AND_DIGITS "!#$%&'*+-.^_`|~")])
		return "a header's name has letters, digits and '-' alone";
	for (size_t i = 0; i < sizeof refused_headers / sizeof *refused_headers; i++)
		if (strcasecmp(name, refused_headers[i].name) == 0)
			return refused_headers[i].why;
	for (; *value; value++)
		if (((unsigned char)*value < ' ' && *value != '\t') || *value == 0x7f)
			return "a header's value has no line breaks or other control characters";
	return NULL;
}
