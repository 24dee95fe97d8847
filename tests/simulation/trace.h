/*
 * trace.h: what happened, in order: a number that stands for all of it, and, if wanted, lines for people.
 */
#ifndef SIMULATION_TRACE_H
#define SIMULATION_TRACE_H

#include <stdint.h>
#include <stdio.h>

enum trace_kind {
	TRACE_EMITTED,     /* event, destination, size */
	TRACE_REFUSED,     /* event, destination, size: the journal is full */
	TRACE_TAKEN,       /* event, topic, partition, offset */
	TRACE_POSTED,      /* destination, events, bytes, verdict, answer in ms */
	TRACE_DELIVERED,   /* event, destination, times */
	TRACE_SENT,        /* event, topic */
	TRACE_REPORTED,    /* event, topic, outcome */
	TRACE_SETTLED,     /* event, topic, partition, offset */
	TRACE_ASSIGNED,    /* topic, partition */
	TRACE_REVOKED,
	TRACE_LOST,
	TRACE_RELINQUISHED,
	TRACE_COMMITTED,   /* err */
	TRACE_STARTED,
	TRACE_STOPPED,
	TRACE_KILLED,
	TRACE_FAULT,       /* which, kind, target, amount */
	TRACE_HEALED,
	TRACE_OVER,        /* delivered, dead, died */
	TRACE_TORN,        /* event */
	TRACE_ADOPTED      /* events */
};

struct trace {
	uint64_t hash, count;
	FILE    *to; /* NULL: nobody reads it */
	int64_t  now_ms;
};

/* `who` is a machine's name, or the world's. */
void trace_note(struct trace *trace, enum trace_kind kind, const char *who, int64_t a, int64_t b, int64_t c, int64_t d);

/* A topic by its number: 0 the main one, then the tiers; the last one is of dead letters. */
const char *trace_topic(int64_t topic);

#endif
