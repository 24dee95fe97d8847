#include "template.h"

#include <string.h>
#include <strings.h>

#include "errors.h"

#define PLACEHOLDER     "{destination}"
#define PLACEHOLDER_LEN (sizeof PLACEHOLDER - 1)

/* The longest path whose segments are looked at; what the buffer of a URL takes is less. */
#define PATH_MAX_LEN (64 * 1024)

static size_t scheme_length(const char *url)
{
	return strncasecmp(url, "https://", 8) == 0 ? 8 : strncasecmp(url, "http://", 7) == 0 ? 7 : 0;
}

static int is_placeholder(const char *at)
{
	return strncmp(at, PLACEHOLDER, PLACEHOLDER_LEN) == 0;
}

static const char *find_problem(const char *template)
{
	const char *authority = template + scheme_length(template);
	if (authority == template)
		return "it begins neither with https:// nor with http://";
	const char *path = authority + strcspn(authority, "/?#");
	if (path == authority)
		return "it names no host";
	for (const char *at = authority; at < path; at++) {
		if (*at == '@')
			return "it holds credentials; use sink.bearer_token or sink.header.NAME";
		if (*at == '{' || *at == '}')
			return "{destination} may stand in the path or the query only";
	}
	for (const unsigned char *at = (const unsigned char *)template; *at; at++)
		if (*at <= ' ' || *at >= 0x7f || *at == '\\')
			return "it holds a blank, a control character, a backslash or a letter beyond ASCII; percent-encode it";
	if (strchr(path, '#'))
		return "it has a fragment (#...), which is never sent";
	for (const char *at = path; *at; at++) {
		if (is_placeholder(at))
			at += PLACEHOLDER_LEN - 1;
		else if (*at == '{' || *at == '}')
			return "of what may stand in braces there is {destination} only";
	}
	return NULL;
}

evpipe_err evpipe__template_check(const char *template, evpipe_error *error)
{
	const char *problem = find_problem(template);
	return problem ? evpipe__fail(error, EVPIPE_ECONFIG, "%s", problem) : EVPIPE_OK;
}

static int is_unreserved(unsigned char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c && strchr("-._~", c));
}

static evpipe_err put_encoded(evpipe__buffer *out, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";
	evpipe_err        err = EVPIPE_OK;
	for (const unsigned char *at = (const unsigned char *)text; *at && !err; at++)
		if (is_unreserved(*at))
			err = evpipe__buffer_append(out, at, 1);
		else
			err = evpipe__buffer_append(out, (char[]){'%', hex[*at >> 4], hex[*at & 15]}, 3);
	return err;
}

static evpipe_err put(evpipe__buffer *out, const char *template, size_t len, const char *destination,
                      evpipe_err (*put_name)(evpipe__buffer *, const char *))
{
	const char *end = template + len;
	evpipe_err  err = EVPIPE_OK;
	while (template < end && !err) {
		const char *next = strstr(template, PLACEHOLDER);
		if (next >= end)
			next = NULL;
		err = evpipe__buffer_append(out, template, (size_t)((next ? next : end) - template));
		if (!err && next)
			err = put_name(out, destination);
		template = next ? next + PLACEHOLDER_LEN : end;
	}
	return err;
}

/* In what a server sees that decodes first, and takes a backslash for a slash, and cuts parameters off. */
static int climbs(const char *path)
{
	for (;; path++) {
		size_t segment = strcspn(path, "/\\"), name = strcspn(path, "/\\;");
		if ((name == 1 || name == 2) && strspn(path, ".") >= name)
			return 1;
		path += segment;
		if (!*path)
			return 0;
	}
}

evpipe_err evpipe__template_expand(evpipe__buffer *out, const char *template, const char *destination, evpipe_error *error)
{
	const char    *authority = template + scheme_length(template);
	const char    *path = authority + strcspn(authority, "/?");
	evpipe__buffer decoded;

	evpipe__buffer_init(&decoded, PATH_MAX_LEN);
	evpipe_err err = put(&decoded, path, strcspn(path, "?"), destination, evpipe__buffer_append_text);
	if (!err && decoded.len && climbs(decoded.data))
		err = EVPIPE_EINVAL;
	if (!err)
		err = put(out, template, strlen(template), destination, put_encoded);
	if (err)
		evpipe__fail(error, err, "%s", err == EVPIPE_EINVAL ? "it would have . or .. as a segment of its path"
		                                                   : evpipe_strerror(err));
	evpipe__buffer_release(&decoded);
	return err;
}
