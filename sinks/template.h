/*
 * template.h: a URL with {destination} in its path or query.
 *
 * What stands for {destination} never changes scheme, host, port or the structure of the path: everything but the
 * unreserved characters of RFC 3986 is percent-encoded, and a name that would make a segment of the path "." or ".." is
 * refused, encoded or not: servers that decode before they normalise would climb.
 */
#ifndef EVPIPE_TEMPLATE_H
#define EVPIPE_TEMPLATE_H

#include "buffer.h"

/* ECONFIG says what is wrong with it, without saying the URL, which may hold a secret. */
evpipe_err evpipe__template_check(const char *template, evpipe_error *error);

/* Append the URL of a destination to `out`; the template was checked. EINVAL: the name would change the path. ETOOLARGE, ENOMEM. */
evpipe_err evpipe__template_expand(evpipe__buffer *out, const char *template, const char *destination, evpipe_error *error);

#endif
