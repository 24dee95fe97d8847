/*
 * pump.h: carries events from the journal to the transport. Sans-I/O: whoever owns it calls step. One thread at a time,
 * which holds no lock: the transport and the application are called out to.
 *
 * It sends in the journal's order, stops where the transport has no room, and never skips. What is not acknowledged is
 * sent again, with the same event id. Journals that dead processes have left come first, one after the other; what is
 * emitted meanwhile keeps its order behind them. It also keeps the spool: copies, syncs, and frees the ring.
 */
#ifndef EVPIPE_PUMP_H
#define EVPIPE_PUMP_H

#include <evpipe-runtime.h>
#include <evpipe-transport.h>

#include "home.h"
#include "log.h"

typedef struct evpipe__pump evpipe__pump;

typedef struct evpipe__pump_setup {
	evpipe__home               *home; /* the journal; what it adopted is sent before */
	const evpipe_transport_ops *ops;
	void                       *transport;
	const evpipe_config        *config; /* read once */
	const evpipe_runtime       *runtime; /* its clocks */
	evpipe__log                 log;
	evpipe_rejected_fn          rejected;
	void                       *rejected_ctx;
} evpipe__pump_setup;

/* ENOMEM. */
evpipe_err evpipe__pump_new(evpipe__pump **out, const evpipe__pump_setup *setup, evpipe_error *error);
void       evpipe__pump_free(evpipe__pump *pump);

/*
 * One round. True if it did something. *next_due_ms is not later than now_ms if it left something undone. Unless it is
 * `eager`, it looks for what was emitted at most once a millisecond: who follows each event closely takes its memory from
 * those who write it.
 */
int evpipe__pump_step(evpipe__pump *pump, int64_t now_ms, int eager, int64_t *next_due_ms);

/* Whether journals that were adopted are not all sent yet. Any thread. */
int evpipe__pump_is_recovering(const evpipe__pump *pump);

/* The transport was closed: take its last reports. */
void evpipe__pump_finish(evpipe__pump *pump);

/* The part of the ledger that the pump knows: sent, rejected, unkept, resent, recovered. Any thread; what is accepted, asked for after it, is not less. */
void evpipe__pump_stats(const evpipe__pump *pump, evpipe_stats *stats);

/* The last thing that went wrong and was not mended since; code 0 if there is none. By the thread that steps, or while none does. */
const evpipe_error *evpipe__pump_error(const evpipe__pump *pump);

#endif
