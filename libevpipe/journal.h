/*
 * journal.h: a ring of records in a region of memory that is handed in. Many threads append, without a lock, one
 * consumer takes.
 *
 * A position counts the bytes ever reserved; the place in the ring is the position modulo the capacity. Records are
 * aligned to 64 bytes. An append reserves by one compare-and-swap on the head, copies, and publishes by storing the
 * record's commit word, which holds the record's position and length under the journal's nonce: stale or torn contents
 * are never taken for a record. The consumer zeroes space before it frees it.
 */
#ifndef EVPIPE_JOURNAL_H
#define EVPIPE_JOURNAL_H

#include <evpipe.h>

#define EVPIPE__JOURNAL_ALIGN 64

typedef struct evpipe__journal evpipe__journal;

/* A record as the consumer sees it: an event (its texts and headers lie in the ring), and where it is. */
typedef struct evpipe__journal_entry {
	uint64_t      position;
	evpipe_event  event; /* id, type and content_type are NULL where the application gave none */
	evpipe_header headers[32];
} evpipe__journal_entry;

/* How large a region must be for `capacity` bytes of records, which are rounded up to a power of two. */
size_t evpipe__journal_region_size(size_t capacity);

/*
 * Make an empty journal in a zeroed region of that size, which must be aligned to 64 bytes and outlive it. `start` is
 * the first position, a multiple of 64 (0, or near its maximum in tests). ENOMEM.
 */
evpipe_err evpipe__journal_new(evpipe__journal **out, void *region, size_t capacity, uint64_t nonce, uint64_t start);
void       evpipe__journal_free(evpipe__journal *journal);

/* ---- any thread ---- */

/*
 * Append a copy. The event was checked (lengths, counts). EFULL, ECLOSED after seal. `time_ms` stands for an event's 0.
 */
evpipe_err evpipe__journal_append(evpipe__journal *journal, const evpipe_event *event, const size_t lengths[4], size_t size,
                                  int64_t time_ms);

#define EVPIPE__JOURNAL_NO_TEXT SIZE_MAX /* the length of a text that is NULL */

/* Bytes that an event takes; fills lengths with those of destination, type, content_type and id. */
size_t evpipe__journal_size_of(const evpipe_event *event, size_t lengths[4]);

/* From now on appends are refused; those that have reserved still publish. */
void evpipe__journal_seal(evpipe__journal *journal);

/* Behind the last reservation; everything before it is published or about to be. */
uint64_t evpipe__journal_head(const evpipe__journal *journal);
/* Everything before it is done with. */
uint64_t evpipe__journal_tail(const evpipe__journal *journal);
uint64_t evpipe__journal_accepted(const evpipe__journal *journal); /* events ever appended */
uint64_t evpipe__journal_nonce(const evpipe__journal *journal);

/* ---- the consumer's thread ---- */

/*
 * After seal: whether all who had reserved have published, so that `accepted` is final. *position, 0 or the tail at
 * first, moves on to what is still missing.
 */
int evpipe__journal_is_published(evpipe__journal *journal, uint64_t *position);

/*
 * The next record at or after *position that nobody has taken, and moves *position to it. 0: none is published there
 * yet. The entry is valid until its record is done.
 */
int evpipe__journal_next(evpipe__journal *journal, uint64_t *position, evpipe__journal_entry *entry);

/* What became of a record: taken (next passes over it), untaken again, or done (to be reclaimed). Each returns the position behind it. */
uint64_t evpipe__journal_take(evpipe__journal *journal, uint64_t position);
uint64_t evpipe__journal_untake(evpipe__journal *journal, uint64_t position);
uint64_t evpipe__journal_done(evpipe__journal *journal, uint64_t position);

/* Read a taken record once more. */
void evpipe__journal_read(evpipe__journal *journal, uint64_t position, evpipe__journal_entry *entry);

/* Free the contiguous prefix of records that are done. True if it freed any. */
int evpipe__journal_reclaim(evpipe__journal *journal);

#endif
