/*
 * foreign.h: whose event a record is: by our header, by CloudEvents headers, or, for records that others wrote, as
 * topic.destination_from says.
 */
#ifndef EVPIPE_FOREIGN_H
#define EVPIPE_FOREIGN_H

#include "envelope.h"

/*
 * Fill the envelope of a record. `scratch` has room for EVPIPE__ENVELOPE_MAX + 1 bytes; the envelope's texts point into
 * it. False: it is not ours and names no destination; the envelope is then empty.
 */
int evpipe__foreign_identify(const evpipe_config *config, const evpipe_record *record, evpipe__envelope *envelope, char *scratch);

/* topic.tombstones */
typedef enum evpipe__tombstone {
	EVPIPE__TOMBSTONE_DEAD_LETTER,
	EVPIPE__TOMBSTONE_SKIP,
	EVPIPE__TOMBSTONE_DELIVER
} evpipe__tombstone;
evpipe__tombstone evpipe__foreign_tombstone(const evpipe_config *config);

#endif
