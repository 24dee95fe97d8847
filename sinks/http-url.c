#include "http-url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "errors.h"

/* As libcurl writes it: numeric IPv4 in four parts, IPv6 in brackets. */
static int is_loopback(const char *host)
{
	struct in_addr  v4;
	struct in6_addr v6;
	char            inside[INET6_ADDRSTRLEN + 1];
	size_t          len = strlen(host);

	if (strcasecmp(host, "localhost") == 0)
		return 1;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	if (host[0] != '[' || len < 3 || len - 2 >= sizeof inside)
		return 0;
	memcpy(inside, host + 1, len - 2);
	inside[len - 2] = '\0';
	return inet_pton(AF_INET6, inside, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

evpipe_err evpipe__http_url_parse(evpipe__http_url *url, const char *text, evpipe_error *error)
{
	char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL;
	CURLU *handle = curl_url();
	if (!handle)
		return EVPIPE_ENOMEM;

	evpipe_err err = EVPIPE_OK;
	CURLUcode  code = curl_url_set(handle, CURLUPART_URL, text, 0);
	if (!code)
		code = curl_url_get(handle, CURLUPART_SCHEME, &scheme, 0);
	if (!code)
		code = curl_url_get(handle, CURLUPART_HOST, &host, 0);
	if (!code && curl_url_get(handle, CURLUPART_PORT, &port, 0) == CURLUE_OUT_OF_MEMORY)
		code = CURLUE_OUT_OF_MEMORY;
	if (code == CURLUE_OUT_OF_MEMORY)
		err = EVPIPE_ENOMEM;
	else if (code)
		err = evpipe__fail(error, EVPIPE_ECONFIG, "%s", curl_url_strerror(code));
	else if (curl_url_get(handle, CURLUPART_USER, &user, 0) == CURLUE_OK)
		err = evpipe__fail(error, EVPIPE_ECONFIG, "it holds credentials");
	else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
		err = evpipe__fail(error, EVPIPE_ECONFIG, "%s:// is neither https:// nor http://", scheme);
	else if (strlen(host) + (port ? strlen(port) + 1 : 0) >= sizeof url->host)
		err = evpipe__fail(error, EVPIPE_ECONFIG, "the host's name is too long");
	if (!err) {
		url->is_https = strcmp(scheme, "https") == 0;
		url->is_loopback = is_loopback(host);
		snprintf(url->host, sizeof url->host, "%s%s%s", host, port ? ":" : "", port ? port : "");
	}
	curl_free(scheme);
	curl_free(host);
	curl_free(port);
	curl_free(user);
	curl_url_cleanup(handle);
	return err;
}
