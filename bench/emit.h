/*
 * emit.h: what emit.c measures: ways to hand an event to somebody else and go on.
 */
#ifndef BENCH_EMIT_H
#define BENCH_EMIT_H

#include <stddef.h>

struct emit_options {
	const char *broker;       /* NULL: librdkafka's mock cluster; of evpipe: one that acknowledges at once */
	const char *topic;
	size_t      journal_size; /* bytes of the ring, and of evpipe's journal */
	char      **settings;     /* of evpipe: "name=value" */
	size_t      settings_count;
	int         paused; /* evpipe's transport takes nothing until it is drained */
};

/* An event to be emitted. */
struct sample {
	char   destination[16];
	char   key[16];
	size_t key_len;
	char  *data;
	size_t data_len;
};

struct target {
	const char *name;
	void (*open)(const struct emit_options *options);
	/* The call that is measured; any thread. 0: accepted, else refused for lack of room. */
	int (*emit)(const struct sample *sample);
	/* Wait until all that was accepted has gone. */
	void (*drain)(void);
	void (*close)(void);
};

extern const struct target target_copy;    /* memcpy to one place: what a copy costs when nobody else is involved */
extern const struct target target_ring;    /* a bare ring: reserve by compare-and-swap, copy, publish */
extern const struct target target_rdkafka; /* rd_kafka_produce, copying */
extern const struct target target_evpipe;  /* evpipe_emit */

#endif
