#include "journal.h"

#include <assert.h>
#include <string.h>

#include "errors.h"
#include "memory.h"
#include "record.h"

/* Set in the head, it makes every reservation fail: positions stay below it for 2^63 bytes. */
#define SEALED (UINT64_C(1) << 63)

struct evpipe__journal {
	evpipe__area     ring; /* first, as is all that an append reads; without a header there is none any more */
	uint64_t         nonce;
	evpipe__spool    spool;
	int              has_spool;
	_Atomic uint64_t settled; /* everything before is done */
};

size_t evpipe__journal_region_size(size_t capacity)
{
	return evpipe__area_size(evpipe__area_capacity(capacity));
}

evpipe_err evpipe__journal_new(evpipe__journal **out, void *region, size_t capacity, const evpipe__identity *identity, uint64_t start)
{
	evpipe__journal *journal = evpipe__calloc(1, sizeof *journal);
	if (!journal)
		return EVPIPE_ENOMEM;
	evpipe__area_init(&journal->ring, region, EVPIPE__AREA_RING, evpipe__area_capacity(capacity), identity, start);
	journal->nonce = identity->nonce;
	atomic_store_explicit(&journal->settled, start, memory_order_relaxed);
	*out = journal;
	return EVPIPE_OK;
}

/* What the header says of head and tail, if it may be so: no record reaches beyond the head. */
static int has_bounds(const evpipe__area *ring, uint64_t *tail, uint64_t *head)
{
	*tail = atomic_load_explicit(&ring->header->tail, memory_order_relaxed);
	*head = atomic_load_explicit(&ring->header->head, memory_order_relaxed) & ~SEALED;
	if (*head - *tail > ring->mask + 1 || *head % EVPIPE__GRANULE != 0 || *tail % EVPIPE__GRANULE != 0)
		return 0;
	uint64_t size, left = *head - *tail;
	for (; left; left -= size) {
		size = evpipe__area_published(ring, *head - left);
		size = size ? size : EVPIPE__GRANULE;
		if (size > left)
			return 0;
	}
	return !evpipe__area_published(ring, *head);
}

/* Whether each copy is of a record that has left the ring, or of one that may be in it. */
static int has_place_for_copies(const evpipe__area *ring, evpipe__spool *spool, uint64_t tail, uint64_t head)
{
	const struct evpipe__record *copy;
	uint64_t                     position = 0, size;

	for (; (copy = evpipe__spool_next(spool, &position, spool->copied, &size)); position += size) {
		uint64_t end = position < tail ? tail : head;
		if (!evpipe__record_is_done(copy) &&
		    (position > end || size > end - position || size > ring->mask + 1 - (position & ring->mask)))
			return 0;
	}
	return 1;
}

/*
 * A record may lie in both. What became of it the ring knows; what it says is in the copy for certain, which has a
 * checksum. It is counted once.
 */
static void join(evpipe__area *ring, evpipe__spool *spool, uint64_t tail, evpipe__scanned *scanned)
{
	struct evpipe__record *copy;
	uint64_t               position = tail, size;

	for (; (copy = evpipe__spool_next(spool, &position, spool->copied, &size)); position += size) {
		struct evpipe__record *record = evpipe__area_at(ring, position);
		if (evpipe__record_is_done(copy))
			continue;
		scanned->records--;
		if (evpipe__area_published(ring, position) == size && evpipe__record_is_done(record)) {
			evpipe__spool_mark(spool, position, record->mark);
			continue;
		}
		memcpy((char *)record + sizeof record->commit, (const char *)copy + sizeof copy->commit, size - sizeof copy->commit);
		evpipe__area_publish(ring, record, position, size);
	}
}

evpipe_err evpipe__journal_adopt(evpipe__journal **out, void *region, size_t size, evpipe__spool *spool,
                                 evpipe__scanned *scanned, evpipe_error *error)
{
	evpipe__area     ring = {0};
	uint64_t         tail = spool->copied, head = tail;
	evpipe__journal *journal;

	if (region) {
		const char *why = evpipe__area_open(&ring, region, size, EVPIPE__AREA_RING);
		if (!why && !has_bounds(&ring, &tail, &head))
			why = "its header makes no sense";
		if (!why && !has_place_for_copies(&ring, spool, tail, head))
			why = "its segments hold what was never in it";
		if (why)
			return evpipe__fail(error, EVPIPE_EFORMAT, "%s", why);
	}
	journal = evpipe__calloc(1, sizeof *journal);
	if (!journal)
		return evpipe__fail_plain(error, EVPIPE_ENOMEM);
	journal->ring = ring;
	journal->nonce = spool->identity.nonce;
	evpipe__journal_use_spool(journal, spool);
	if (region) {
		join(&ring, &journal->spool, tail, scanned);
		evpipe__area_mend(&ring, tail, head, 0, scanned);
	}
	/* There is room for what is not copied yet, however large its records are. */
	if (TAILQ_EMPTY(&journal->spool.segments) && journal->spool.capacity < head - tail)
		journal->spool.capacity = evpipe__area_capacity(head - tail);
	atomic_store_explicit(&journal->settled, evpipe__spool_reclaim(&journal->spool, tail), memory_order_relaxed);
	*out = journal;
	return EVPIPE_OK;
}

void evpipe__journal_use_spool(evpipe__journal *journal, evpipe__spool *spool)
{
	journal->spool = *spool;
	/* A list knows where its head is. */
	TAILQ_INIT(&journal->spool.segments);
	TAILQ_CONCAT(&journal->spool.segments, &spool->segments, link);
	journal->has_spool = 1;
}

evpipe__spool *evpipe__journal_spool(evpipe__journal *journal)
{
	return journal->has_spool ? &journal->spool : NULL;
}

void evpipe__journal_free(evpipe__journal *journal)
{
	if (!journal)
		return;
	if (journal->has_spool)
		evpipe__spool_release(&journal->spool, 0);
	evpipe__free(journal);
}

/* ---- appending ---- */

__attribute__((hot)) evpipe_err evpipe__journal_append(evpipe__journal *journal, const evpipe_event *event, const size_t lengths[4],
                                                       size_t size, int64_t time_ms)
{
	struct evpipe__area_header *header = journal->ring.header;
	uint64_t                    capacity = journal->ring.mask + 1;
	uint64_t                    head = atomic_load_explicit(&header->head, memory_order_relaxed);
	uint64_t                    padding;

	do {
		if (head & SEALED)
			return EVPIPE_ECLOSED;
		/* A record lies in one piece: what does not fit before the end begins at the start. */
		uint64_t to_end = capacity - (head & journal->ring.mask);
		padding = size > to_end ? to_end : 0;
		/* Acquire: what is there was read before we write over it. */
		uint64_t tail = atomic_load_explicit(&header->tail, memory_order_acquire);
		/* Signed: who was interrupted since reading the head may find the tail beyond it; the exchange then reads it again. */
		if ((int64_t)(head + padding + size - tail) > (int64_t)capacity)
			return EVPIPE_EFULL;
	} while (!atomic_compare_exchange_weak_explicit(&header->head, &head, head + padding + size, memory_order_relaxed,
	                                                memory_order_relaxed));
	atomic_fetch_add_explicit(&header->accepted, 1, memory_order_relaxed);

	if (padding) {
		evpipe__area_pad(&journal->ring, head, padding);
		head += padding;
	}
	struct evpipe__record *record = evpipe__area_at(&journal->ring, head);
	if (!time_ms)
		time_ms = atomic_load_explicit(&header->now_ms, memory_order_relaxed);
	evpipe__record_write(record, event, lengths, time_ms);
	evpipe__area_publish(&journal->ring, record, head, size);
	return EVPIPE_OK;
}

void evpipe__journal_tell_time(evpipe__journal *journal, int64_t now_ms)
{
	atomic_store_explicit(&journal->ring.header->now_ms, now_ms, memory_order_relaxed);
}

void evpipe__journal_seal(evpipe__journal *journal)
{
	atomic_fetch_or_explicit(&journal->ring.header->head, SEALED, memory_order_acq_rel);
}

static uint64_t tail_of_ring(const evpipe__journal *journal)
{
	return journal->ring.header ? atomic_load_explicit(&journal->ring.header->tail, memory_order_acquire) : journal->spool.copied;
}

uint64_t evpipe__journal_head(const evpipe__journal *journal)
{
	return journal->ring.header ? atomic_load_explicit(&journal->ring.header->head, memory_order_acquire) & ~SEALED
	                            : journal->spool.copied;
}

uint64_t evpipe__journal_tail(const evpipe__journal *journal)
{
	return atomic_load_explicit(&journal->settled, memory_order_acquire);
}

uint64_t evpipe__journal_accepted(const evpipe__journal *journal)
{
	return atomic_load_explicit(&journal->ring.header->accepted, memory_order_relaxed);
}

uint64_t evpipe__journal_nonce(const evpipe__journal *journal)
{
	return journal->nonce;
}

/* ---- the consumer ---- */

int evpipe__journal_is_published(evpipe__journal *journal, uint64_t *position)
{
	uint64_t head = evpipe__journal_head(journal), tail = tail_of_ring(journal), size;

	if ((int64_t)(tail - *position) > 0)
		*position = tail;
	while (*position != head && (size = evpipe__area_published(&journal->ring, *position)))
		*position += size;
	return *position == head;
}

/* The record at this position, wherever it lies. */
static struct evpipe__record *find(evpipe__journal *journal, uint64_t position, uint64_t *size)
{
	if (position < tail_of_ring(journal))
		return evpipe__spool_find(&journal->spool, position, size);
	*size = evpipe__area_published(&journal->ring, position);
	return evpipe__area_at(&journal->ring, position);
}

static int is_new(const struct evpipe__record *record)
{
	return !record->is_padding && record->mark == EVPIPE__MARK_NEW;
}

static struct evpipe__record *next_in_spool(evpipe__journal *journal, uint64_t *position, uint64_t end)
{
	struct evpipe__record *record = NULL;
	uint64_t               size;

	if (!journal->has_spool)
		return NULL;
	while ((record = evpipe__spool_next(&journal->spool, position, end, &size)) && !is_new(record))
		*position += size;
	return record;
}

static struct evpipe__record *next_in_ring(evpipe__journal *journal, uint64_t *position)
{
	/* The head is left alone: looking at it would take its cache line from those who append. */
	for (;;) {
		struct evpipe__record *record = evpipe__area_at(&journal->ring, *position);
		uint64_t               size = evpipe__area_published(&journal->ring, *position);
		if (!size)
			return NULL;
		if (is_new(record))
			return record;
		*position += size;
	}
}

int evpipe__journal_next(evpipe__journal *journal, uint64_t *position, evpipe__journal_entry *entry)
{
	uint64_t               tail = tail_of_ring(journal);
	struct evpipe__record *record = *position < tail ? next_in_spool(journal, position, tail) : NULL;

	if (!record && journal->ring.header) {
		/* Padding is reclaimed with what stands before it, also when the cursor rests there. */
		if (*position < tail)
			*position = tail;
		record = next_in_ring(journal, position);
	}
	if (record)
		evpipe__record_read(record, *position, entry);
	return record != NULL;
}

void evpipe__journal_read(evpipe__journal *journal, uint64_t position, evpipe__journal_entry *entry)
{
	uint64_t size;
	evpipe__record_read(find(journal, position, &size), position, entry);
}

static uint64_t set_mark(evpipe__journal *journal, uint64_t position, uint32_t mark, int done)
{
	uint64_t               size = 0;
	struct evpipe__record *record = find(journal, position, &size);
	int                    in_ring = position >= tail_of_ring(journal);

	assert(record && size && !record->is_padding && !evpipe__record_is_done(record));
	mark = done ? evpipe__record_done_mark(record) : mark;
	if (in_ring)
		record->mark = mark;
	/* Who takes records is of no use to anybody else. */
	if (journal->has_spool && (done || !in_ring))
		evpipe__spool_mark(&journal->spool, position, mark);
	return position + size;
}

uint64_t evpipe__journal_take(evpipe__journal *journal, uint64_t position)
{
	return set_mark(journal, position, EVPIPE__MARK_TAKEN, 0);
}

uint64_t evpipe__journal_pass(evpipe__journal *journal, uint64_t position)
{
	uint64_t size = 0;
	find(journal, position, &size);
	return position + (size ? size : EVPIPE__GRANULE);
}

uint64_t evpipe__journal_untake(evpipe__journal *journal, uint64_t position)
{
	return set_mark(journal, position, EVPIPE__MARK_NEW, 0);
}

uint64_t evpipe__journal_done(evpipe__journal *journal, uint64_t position)
{
	return set_mark(journal, position, 0, 1);
}

/* ---- the spool ---- */

/* What is before it is in a segment, or needed no more. */
static uint64_t first_uncopied(const evpipe__journal *journal)
{
	uint64_t tail = tail_of_ring(journal);
	return journal->spool.copied > tail ? journal->spool.copied : tail;
}

evpipe_err evpipe__journal_copy(evpipe__journal *journal, evpipe_error *error)
{
	uint64_t   position = first_uncopied(journal), size;
	evpipe_err err = EVPIPE_OK;

	if (!journal->has_spool || !journal->ring.header)
		return EVPIPE_OK;
	for (; !err && (size = evpipe__area_published(&journal->ring, position)); position += err ? 0 : size) {
		const struct evpipe__record *record = evpipe__area_at(&journal->ring, position);
		if (!record->is_padding && !evpipe__record_is_done(record))
			err = evpipe__spool_copy(&journal->spool, record, position, size, error);
	}
	journal->spool.copied = position;
	return err;
}

int evpipe__journal_is_uncopied(const evpipe__journal *journal)
{
	if (!journal->has_spool || !journal->spool.identity.is_spooled)
		return 0;
	if (journal->ring.header && evpipe__area_published(&journal->ring, first_uncopied(journal)))
		return 1;
	return evpipe__spool_is_dirty(&journal->spool);
}

int evpipe__journal_is_pressed(const evpipe__journal *journal)
{
	return evpipe__journal_head(journal) - tail_of_ring(journal) > (journal->ring.mask + 1) / 2;
}

/* Where the ring may be freed up to although there is no acknowledgement: so that three quarters of it are free. */
static uint64_t spill_until(const evpipe__journal *journal)
{
	/* Without a spool the head is left alone, as above. */
	if (!journal->has_spool || !evpipe__spool_has_room(&journal->spool) || !evpipe__journal_is_pressed(journal))
		return 0;
	uint64_t until = evpipe__journal_head(journal) - (journal->ring.mask + 1) / 4;
	return until < journal->spool.copied ? until : journal->spool.copied;
}

static uint64_t free_ring(evpipe__journal *journal, uint64_t tail)
{
	uint64_t spill = spill_until(journal), size;

	for (; (size = evpipe__area_published(&journal->ring, tail)); tail += size) {
		const struct evpipe__record *record = evpipe__area_at(&journal->ring, tail);
		if (record->is_padding || evpipe__record_is_done(record))
			continue;
		if (tail >= spill)
			break;
		evpipe__spool_mark(&journal->spool, tail, record->mark);
	}
	return tail;
}

int evpipe__journal_reclaim(evpipe__journal *journal)
{
	uint64_t tail = tail_of_ring(journal), start = tail, before = evpipe__journal_tail(journal);

	if (journal->ring.header) {
		tail = free_ring(journal, tail);
		if (tail != start)
			atomic_store_explicit(&journal->ring.header->tail, tail, memory_order_release);
	}
	uint64_t settled = journal->has_spool ? evpipe__spool_reclaim(&journal->spool, tail) : tail;
	if (settled != before)
		atomic_store_explicit(&journal->settled, settled, memory_order_release);
	return tail != start || settled != before;
}
