/*
 * The one table that names transports and sinks; the only file of the library that sees them all.
 */
#include "builtin.h"

#include <string.h>

#include "errors.h"
#include "evpipe-build.h"

#ifdef HAVE_KAFKA
extern const evpipe_transport_ops evpipe__kafka_transport;
#endif
#ifdef HAVE_HTTP
extern const evpipe_sink_ops evpipe__http_sink;
#endif

static const struct {
	const char *scheme;
	const evpipe_transport_ops *ops; /* NULL: known, but not in this build */
	const char *how;
} transports[] = {
#ifdef HAVE_KAFKA
	{"kafka", &evpipe__kafka_transport, NULL},
#else
	{"kafka", NULL, "configured with --without-kafka"},
#endif
};

static const struct {
	const char *scheme;
	const evpipe_sink_ops *ops;
	const char *how;
} sinks[] = {
#ifdef HAVE_HTTP
	{"https", &evpipe__http_sink, NULL},
	{"http", &evpipe__http_sink, NULL},
#else
	{"https", NULL, "configured with --without-http"},
	{"http", NULL, "configured with --without-http"},
#endif
};

static int has_scheme(const char *url, const char *scheme)
{
	size_t len = strlen(scheme);
	return strncmp(url, scheme, len) == 0 && strncmp(url + len, "://", 3) == 0;
}

evpipe_err evpipe_transport_find(const evpipe_transport_ops **out, const char *url, evpipe_error *error)
{
	for (size_t i = 0; i < sizeof transports / sizeof *transports; i++) {
		if (!has_scheme(url, transports[i].scheme))
			continue;
		if (!transports[i].ops)
			return evpipe__fail(error, EVPIPE_ENOTSUP, "transport.url = %s: this build lacks %s:// (%s)",
					    url, transports[i].scheme, transports[i].how);
		*out = transports[i].ops;
		return EVPIPE_OK;
	}
	return evpipe__fail(error, EVPIPE_ENOTSUP, "transport.url = %s: no such transport; there is kafka://host:port",
			    url);
}

evpipe_err evpipe__sink_find(const evpipe_sink_ops **out, const char *url, evpipe_error *error)
{
	for (size_t i = 0; i < sizeof sinks / sizeof *sinks; i++) {
		if (!has_scheme(url, sinks[i].scheme))
			continue;
		if (!sinks[i].ops)
			return evpipe__fail(error, EVPIPE_ENOTSUP, "sink.url = %s: this build lacks %s:// (%s)", url,
					    sinks[i].scheme, sinks[i].how);
		*out = sinks[i].ops;
		return EVPIPE_OK;
	}
	return evpipe__fail(error, EVPIPE_ENOTSUP, "sink.url = %s: no such sink; there are https:// and http://", url);
}
