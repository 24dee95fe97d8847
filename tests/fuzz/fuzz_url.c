/*
 * A destination's URL: a line with the template, then the destination's name, which must change neither where a post
 * goes nor the structure of the path.
 */
#include "fuzz.h"

#include <curl/curl.h>

#include "sinks/http-url.h"
#include "sinks/template.h"

#define URL_MAX 8192

static char *part_of(CURLU *url, CURLUPart part)
{
	char *text = NULL;
	curl_url_get(url, part, &text, 0);
	return text;
}

static int same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static size_t count(const char *text, const char *of)
{
	size_t found = 0;
	for (; text && *text; text++)
		found += strchr(of, *text) != NULL;
	return found;
}

static void compare(const char *url, const char *plain)
{
	static const CURLUPart fixed[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT, CURLUPART_USER, CURLUPART_FRAGMENT};
	CURLU                 *one = curl_url(), *two = curl_url();

	MUST(curl_url_set(one, CURLUPART_URL, url, CURLU_PATH_AS_IS) == CURLUE_OK);
	MUST(curl_url_set(two, CURLUPART_URL, plain, CURLU_PATH_AS_IS) == CURLUE_OK);
	for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
		char *a = part_of(one, fixed[i]), *b = part_of(two, fixed[i]);
		MUST(same(a, b));
		curl_free(a);
		curl_free(b);
	}
	char *path = part_of(one, CURLUPART_PATH), *plain_path = part_of(two, CURLUPART_PATH);
	char *query = part_of(one, CURLUPART_QUERY), *plain_query = part_of(two, CURLUPART_QUERY);
	MUST(count(path, "/;") == count(plain_path, "/;"));
	MUST(count(query, "&=") == count(plain_query, "&="));
	MUST(!strstr(path, "/../") && !strstr(path, "/./"));
	curl_free(path);
	curl_free(plain_path);
	curl_free(query);
	curl_free(plain_query);
	curl_url_cleanup(one);
	curl_url_cleanup(two);
}

static void expand(const char *template, const char *destination)
{
	evpipe__buffer   url, plain;
	evpipe__http_url parts, plain_parts;
	evpipe_error     error;

	evpipe__buffer_init(&url, URL_MAX);
	evpipe__buffer_init(&plain, URL_MAX);
	evpipe_err err = evpipe__template_expand(&url, template, destination, &error);
	MUST(err == EVPIPE_OK || err == EVPIPE_EINVAL || err == EVPIPE_ETOOLARGE);
	if (!err && evpipe__template_expand(&plain, template, "x", &error) == EVPIPE_OK &&
	    evpipe__http_url_parse(&plain_parts, plain.data, &error) == EVPIPE_OK) {
		MUST(evpipe__http_url_parse(&parts, url.data, &error) == EVPIPE_OK);
		MUST(parts.is_https == plain_parts.is_https && parts.is_loopback == plain_parts.is_loopback);
		MUST(strcmp(parts.host, plain_parts.host) == 0);
		compare(url.data, plain.data);
		for (const unsigned char *at = (const unsigned char *)url.data; *at; at++)
			MUST(*at > ' ' && *at < 0x7f);
	}
	evpipe__buffer_release(&url);
	evpipe__buffer_release(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = fuzz_input_of(data, size);
	evpipe_error      error = {0};
	size_t            len;
	char             *template = fuzz_line(&input, &len);
	char             *destination = fuzz_rest(&input, &len);

	if (template) {
		if (evpipe__template_check(template, &error) == EVPIPE_OK)
			expand(template, destination);
		else
			fuzz_must_be_a_line(error.text, sizeof error.text);
	}
	free(template);
	free(destination);
	return 0;
}
