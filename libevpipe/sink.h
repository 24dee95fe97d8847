/*
 * sink.h: what an evpipe_sink is.
 */
#ifndef EVPIPE_SINK_PRIVATE_H
#define EVPIPE_SINK_PRIVATE_H

#include <evpipe-sink.h>

struct evpipe_sink {
	const evpipe_sink_ops *ops;
	void                  *self;
};

#endif
