/*
 * recovery.h: journals that dead processes have left in a directory. One is the files of a nonce: a ring, segments, or
 * both, and a lock that its process holds as long as it lives.
 */
#ifndef EVPIPE_RECOVERY_H
#define EVPIPE_RECOVERY_H

#include "journal.h"
#include "log.h"

/* A journal in our hands. */
typedef struct evpipe__adopted {
	STAILQ_ENTRY(evpipe__adopted) link;
	evpipe__storage  storage;
	uint64_t         nonce;
	int64_t          created_ms;
	void            *lock;
	evpipe__file     ring; /* memory NULL: there is none, or it is not to be believed */
	evpipe__journal *journal;
	evpipe__scanned  found;
	uint64_t         bytes; /* of its segments */
} evpipe__adopted;

STAILQ_HEAD(evpipe__adopted_list, evpipe__adopted);

/* What became of a journal that was met. */
typedef enum evpipe__fate { EVPIPE__FATE_ALIVE, EVPIPE__FATE_ADOPTED, EVPIPE__FATE_REFUSED } evpipe__fate;
typedef void (*evpipe__met_fn)(void *ctx, evpipe__fate fate, uint64_t nonce, const evpipe__adopted *adopted, const char *why);

/*
 * Adopt all there are whose process is dead, the oldest first; `met` is told of each, and of parts that are refused and
 * stay where they are. With EVPIPE__FILE_SCRATCH nothing is changed, and nothing removed later; it is locked only while it is
 * read, and somebody may adopt it after that: then its records are to be read, and not taken. EIO, ENOMEM: the list has what
 * was adopted until then.
 */
evpipe_err evpipe__recovery_adopt(struct evpipe__adopted_list *list, const evpipe__storage *storage, unsigned flags, evpipe__met_fn met,
                                  void *ctx, evpipe_error *error);

/* Give it back: with `remove`, all of it was sent, and it goes; else the next one finds it as we left it. */
void evpipe__adopted_free(evpipe__adopted *adopted, int remove);

/* The names of a journal's files. */
void evpipe__recovery_name(char name[EVPIPE__FILE_NAME_MAX], uint64_t nonce, const char *suffix);

#endif
