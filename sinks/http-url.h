/*
 * http-url.h: what libcurl takes a URL for, so that nobody else's reading of it counts.
 */
#ifndef EVPIPE_HTTP_URL_H
#define EVPIPE_HTTP_URL_H

#include <evpipe.h>

typedef struct evpipe__http_url {
	int  is_https;
	int  is_loopback; /* 127.0.0.0/8, ::1, localhost */
	char host[280];   /* with its port, if the URL has one */
} evpipe__http_url;

/* ECONFIG says what is wrong with it, without saying the URL. ENOMEM. */
evpipe_err evpipe__http_url_parse(evpipe__http_url *url, const char *text, evpipe_error *error);

#endif
