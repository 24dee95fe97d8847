/*
 * The one table that names transports and sinks; the only file of the library that sees them all.
 */
#include "builtin.h"

#include <string.h>

#include "errors.h"
#include "evpipe-build.h"

/* NULL: known, but not in this build. */
#ifdef HAVE_KAFKA
extern const evpipe_transport_ops evpipe__kafka_transport;
#define KAFKA (&evpipe__kafka_transport)
#else
#define KAFKA NULL
#endif
#ifdef HAVE_HTTP
extern const evpipe_sink_ops evpipe__http_sink;
#define HTTP (&evpipe__http_sink)
#else
#define HTTP NULL
#endif

static const struct {
	const char                 *scheme;
	const evpipe_transport_ops *ops;
	const char                 *without; /* the option that leaves it out */
} transports[] = {
	{"kafka", KAFKA, "--without-kafka"},
};

static const struct {
	const char            *scheme;
	const evpipe_sink_ops *ops;
	const char            *without;
} sinks[] = {
	{"https", HTTP, "--without-http"},
	{"http", HTTP, "--without-http"},
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
			return evpipe__fail(error, EVPIPE_ENOTSUP, "%s: this build lacks %s:// (configured with %s)", url,
			                    transports[i].scheme, transports[i].without);
		*out = transports[i].ops;
		return EVPIPE_OK;
	}
	return evpipe__fail(error, EVPIPE_ENOTSUP, "%s: no such transport; there is kafka://host:port", url);
}

evpipe_err evpipe__sink_find(const evpipe_sink_ops **out, const char *url, evpipe_error *error)
{
	for (size_t i = 0; i < sizeof sinks / sizeof *sinks; i++) {
		if (!has_scheme(url, sinks[i].scheme))
			continue;
		if (!sinks[i].ops)
			return evpipe__fail(error, EVPIPE_ENOTSUP, "sink.url = %s: this build lacks %s:// (configured with %s)", url,
			                    sinks[i].scheme, sinks[i].without);
		*out = sinks[i].ops;
		return EVPIPE_OK;
	}
	return evpipe__fail(error, EVPIPE_ENOTSUP, "sink.url = %s: no such sink; there are https:// and http://", url);
}
