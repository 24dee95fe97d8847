/*
 * producer.h: a producer as its two files share it: emit.c, for any thread of the application, and producer.c, the rest.
 */
#ifndef EVPIPE_PRODUCER_H
#define EVPIPE_PRODUCER_H

#include <evpipe.h>
#include <stdatomic.h>

#include "home.h"
#include "platform.h"
#include "pump.h"

enum evpipe__producer_state { EVPIPE__OPEN, EVPIPE__CLOSING, EVPIPE__CLOSED };

struct evpipe_producer {
	/* What emit reads, together, and far from what others write. */
	const volatile char *in_parent;
	evpipe__journal     *journal; /* home's */
	size_t               event_max;
	int                  asks_clock; /* nobody tells the journal what time it is */

	const evpipe_config        *config; /* ours */
	const evpipe_runtime       *runtime;
	const evpipe_transport_ops *ops;
	void                       *transport;
	evpipe__home                home;
	evpipe__pump               *pump;
	_Atomic uint64_t            refused;

	int             stepped;
	evpipe_stepper  stepper;
	evpipe__thread *thread;
	evpipe__waiter *waiter;

	/*
	 * Guarded by the monitor, which is never held while the transport or the application is called. Pump and
	 * transport are used by whoever has the turn, and once it is closed by the one who closes.
	 */
	evpipe__monitor *monitor;
	enum evpipe__producer_state state;
	int          turn_taken;
	unsigned     flushes; /* that wait */
	evpipe_error error;   /* the pump's, after its last round */
};

#endif
