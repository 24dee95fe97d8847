/*
 * journal.h: a ring of records in a region of memory that is handed in, which may be a file's. Many threads append, without
 * a lock, one consumer takes. What the ring has no room for may lie in a spool (spool.h): the consumer sees one row of
 * records.
 *
 * A position counts the bytes ever reserved; the place in the ring is the position modulo the capacity. An append reserves
 * by one compare-and-swap on the head, copies, and publishes by storing the record's commit word (area.h): stale or torn
 * contents are never taken for a record.
 */
#ifndef EVPIPE_JOURNAL_H
#define EVPIPE_JOURNAL_H

#include <evpipe.h>

#include "area.h"
#include "spool.h"

typedef struct evpipe__journal evpipe__journal;

/* How large a region must be for `capacity` bytes of records, which are rounded up to a power of two. */
size_t evpipe__journal_region_size(size_t capacity);

/*
 * Make an empty journal in a region of that size, which must be aligned to 64 bytes and outlive it. `start` is the first
 * position, a multiple of 64 (0, or near its maximum in tests). ENOMEM.
 */
evpipe_err evpipe__journal_new(evpipe__journal **out, void *region, size_t capacity, const evpipe__identity *identity, uint64_t start);

/*
 * A journal that nobody appends to any more, out of what its producer has left: a ring (`region` NULL: it is lost), and
 * segments, which were adopted by `spool`. The ring is mended, from its segments, too. EFORMAT: it is none that may be read;
 * nothing was changed. ENOMEM. On success the spool is the journal's.
 */
evpipe_err evpipe__journal_adopt(evpipe__journal **out, void *region, size_t size, evpipe__spool *spool,
                                 evpipe__scanned *scanned, evpipe_error *error);
void       evpipe__journal_free(evpipe__journal *journal);

/* From now on it has a spool, which it takes over and frees. */
void           evpipe__journal_use_spool(evpipe__journal *journal, evpipe__spool *spool);
evpipe__spool *evpipe__journal_spool(evpipe__journal *journal); /* NULL: it has none */

/* ---- any thread ---- */

/*
 * Append a copy. The event was checked (lengths, counts), `lengths` and `size` are of evpipe__record_size_of. EFULL,
 * ECLOSED after seal. `time_ms` stands for an event's 0; if it is 0, too, the time that the journal was told last does.
 */
evpipe_err evpipe__journal_append(evpipe__journal *journal, const evpipe_event *event, const size_t lengths[4], size_t size,
                                  int64_t time_ms);

/* What time it is, since 1970. The consumer, again and again: to ask a clock takes as long as half of an append. */
void evpipe__journal_tell_time(evpipe__journal *journal, int64_t now_ms);

/* From now on appends are refused; those that have reserved still publish. */
void evpipe__journal_seal(evpipe__journal *journal);

/* Behind the last reservation; everything before it is published or about to be. */
uint64_t evpipe__journal_head(const evpipe__journal *journal);
/* Everything before it is done with, in the ring and in the spool, as of the last reclaim. */
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
 * yet. The entry is valid until its record is done, or leaves the ring.
 */
int evpipe__journal_next(evpipe__journal *journal, uint64_t *position, evpipe__journal_entry *entry);

/* What became of a record: taken (next passes over it), untaken again, or done (to be reclaimed). Each returns the position behind it. */
uint64_t evpipe__journal_take(evpipe__journal *journal, uint64_t position);
uint64_t evpipe__journal_untake(evpipe__journal *journal, uint64_t position);
uint64_t evpipe__journal_done(evpipe__journal *journal, uint64_t position);

/* The position behind a record that is only looked at; also where another process has adopted the journal since, and it may be done. */
uint64_t evpipe__journal_pass(evpipe__journal *journal, uint64_t position);

/* Read a taken record once more. */
void evpipe__journal_read(evpipe__journal *journal, uint64_t position, evpipe__journal_entry *entry);

/*
 * Copy what is published and not done to the spool, if it has one; of a journal that was adopted, too, whose ring the next
 * start of the machine would find no more. What the spool returns; what was not copied is at the next call.
 */
evpipe_err evpipe__journal_copy(evpipe__journal *journal, evpipe_error *error);

/* True if there is something that copy and a sync would write. */
int evpipe__journal_is_uncopied(const evpipe__journal *journal);

/* Free the contiguous prefix of records that are done, or may leave for the spool since the ring gets full. True if it freed any. */
int evpipe__journal_reclaim(evpipe__journal *journal);

/* True if the ring is so full that what is in it should go to the spool. */
int evpipe__journal_is_pressed(const evpipe__journal *journal);

#endif
