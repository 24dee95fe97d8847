/*
 * spool.h: copies of a journal's records in segments on a disk, with checksums. They survive the machine; and what they
 * hold may leave the ring before it is acknowledged, while the broker is away or one partition is stuck.
 *
 * A segment is an area of one stretch of positions. A record has the same position in its segment as in the ring, so what
 * is known of the one says where the other is. One thread at a time: the pump's.
 */
#ifndef EVPIPE_SPOOL_H
#define EVPIPE_SPOOL_H

#include <sys/queue.h>

#include "area.h"
#include "storage.h"

/* The least room of a segment; another one where tests are to see many. */
#ifndef EVPIPE__SEGMENT_MIN
#define EVPIPE__SEGMENT_MIN (UINT64_C(16) << 20)
#endif

typedef struct evpipe__segment {
	TAILQ_ENTRY(evpipe__segment) link;
	evpipe__file file;
	evpipe__area area;
	uint64_t     start, end; /* its records lie between */
	uint64_t     room;       /* for so many bytes of them */
	uint64_t     settled;    /* everything before is done */
	uint64_t     undone;     /* records */
	int          is_dirty;   /* something was, or may have been, written since it was last synced */
	int          is_adopted; /* behind its records may be what is not zero */
	int          is_damaged; /* keep it for people */
} evpipe__segment;

typedef struct evpipe__spool {
	evpipe__storage  storage;
	evpipe__identity identity;
	uint64_t         capacity;  /* of a segment */
	uint64_t         bytes_max; /* of all segments, for what has left the ring; 0: nothing may leave it */
	uint64_t         bytes;     /* of all there are */
	uint64_t         bytes_elsewhere; /* in other journals' spools, which count, too */
	uint64_t         copied;    /* everything before was copied, or was done by then */
	int              is_scratch; /* nothing is removed: somebody only looks */
	TAILQ_HEAD(evpipe__segment_list, evpipe__segment) segments; /* ascending */
	evpipe__segment *last_found;
} evpipe__spool;

/* `event_max`: the largest record. Nothing is opened yet. */
void evpipe__spool_init(evpipe__spool *spool, const evpipe__storage *storage, const evpipe__identity *identity,
                        uint64_t bytes_max, uint64_t event_max, uint64_t start);

/* Close all segments; with `remove`, they go, but for damaged ones, which are put aside. */
void evpipe__spool_release(evpipe__spool *spool, int remove);

/*
 * Add a segment that somebody left, after mending it; more may be copied behind it. EFORMAT: it is none, or not of this
 * journal (nonce, and key, unless that is 0: then it is the first segment's); it is left alone. EIO, ENOMEM.
 */
evpipe_err evpipe__spool_adopt(evpipe__spool *spool, const char *name, unsigned flags, evpipe__scanned *scanned, evpipe_error *error);

/* Copy the record at this position, which lies behind all copied ones. EFULL, EIO, ENOMEM: it was not. */
evpipe_err evpipe__spool_copy(evpipe__spool *spool, const struct evpipe__record *record, uint64_t position, uint64_t size,
                              evpipe_error *error);

/* Whether a sync would write anything. */
int evpipe__spool_is_dirty(const evpipe__spool *spool);

/* What was copied, and what was marked, survives the machine. EIO. */
evpipe_err evpipe__spool_sync(evpipe__spool *spool, evpipe_error *error);

/* The record at this position; NULL: it was not copied. */
struct evpipe__record *evpipe__spool_find(evpipe__spool *spool, uint64_t position, uint64_t *size);
/* The first one at or after *position and before `end`, which moves to it; NULL: there is none. */
struct evpipe__record *evpipe__spool_next(evpipe__spool *spool, uint64_t *position, uint64_t end, uint64_t *size);
/* Mark it, if it was copied. */
void evpipe__spool_mark(evpipe__spool *spool, uint64_t position, uint32_t mark);

/* Drop segments all of whose records are done. Returns the first position before `end` that is not done; `end` if there is none. */
uint64_t evpipe__spool_reclaim(evpipe__spool *spool, uint64_t end);

/* Whether one more segment's worth may leave the ring. */
int evpipe__spool_has_room(const evpipe__spool *spool);

/* "NONCE-POSITION.segment" and the like. False: it is not such a name. */
void evpipe__spool_name(char name[EVPIPE__FILE_NAME_MAX], uint64_t nonce, uint64_t position, const char *suffix);
int  evpipe__spool_is_name(const char *name, uint64_t *nonce, uint64_t *position, const char *suffix);

#endif
