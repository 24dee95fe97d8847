/*
 * outgoing.h: an event as a record for the transport: its headers, as the property `envelope` says, and its timestamp.
 */
#ifndef EVPIPE_OUTGOING_H
#define EVPIPE_OUTGOING_H

#include <evpipe-runtime.h>
#include <evpipe-transport.h>

#include "area.h"
#include "buffer.h"

/* The headers of a record: the application's, and at most this many of ours. */
#define EVPIPE__OWN_HEADERS_MAX 7

typedef struct evpipe__outgoing {
	const evpipe_runtime *runtime; /* its wall clock */
	int                   envelope; /* index of the choice */
	char                 *topic;
	char                 *source; /* event.source */
	char                 *type;   /* event.type */

	/* What the last record points to. */
	evpipe__buffer header;
	evpipe_header  headers[EVPIPE__HEADERS_MAX + EVPIPE__OWN_HEADERS_MAX];
	char           id[EVPIPE__ID_MAX];
	char           time[32];
} evpipe__outgoing;

/* The configuration is read once. ENOMEM: there is still something to release. */
evpipe_err evpipe__outgoing_init(evpipe__outgoing *outgoing, const evpipe_config *config, const evpipe_runtime *runtime);
void       evpipe__outgoing_release(evpipe__outgoing *outgoing);

/*
 * The record of an entry of the journal with that nonce, which points into the entry, and into *outgoing: it is valid until
 * the next one is built. ETOOLARGE, ENOMEM.
 */
evpipe_err evpipe__outgoing_build(evpipe__outgoing *outgoing, const evpipe__journal_entry *entry, uint64_t nonce,
                                  evpipe_record *record);

#endif
