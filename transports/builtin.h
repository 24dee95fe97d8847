/*
 * builtin.h: the transports and sinks this library was built with, by the scheme of their URL.
 */
#ifndef EVPIPE_BUILTIN_H
#define EVPIPE_BUILTIN_H

#include <evpipe-sink.h>
#include <evpipe-transport.h>

/* The sink that serves a URL. ENOTSUP names the schemes there are. */
evpipe_err evpipe__sink_find(const evpipe_sink_ops **out, const char *url, evpipe_error *error);

#endif
