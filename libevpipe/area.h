/*
 * area.h: records in a piece of memory, which may be a file's: the format that a ring, the segments of its spool and the
 * file of what was rejected have in common (docs/journal.md).
 *
 * A header of a page, then records. A position counts bytes since ever; where it lies follows from it: in a ring it comes
 * round, a segment holds one stretch. A record begins at a multiple of 64 bytes with its commit word: its position and
 * its length, both in granules of 64 bytes, under a key that only the area's header knows. What was there before, what
 * was never finished and what somebody made up are never taken for a record.
 */
#ifndef EVPIPE_AREA_H
#define EVPIPE_AREA_H

#include <evpipe.h>
#include <stdatomic.h>

#define EVPIPE__GRANULE 64
#define EVPIPE__AREA_HEADER_SIZE 4096
#define EVPIPE__HEADERS_MAX 32  /* of an event; an entry has room for one of ours besides */
#define EVPIPE__NO_TEXT SIZE_MAX /* the length of a text that is NULL; in a record, of a key, too: */
#define EVPIPE__NO_LENGTH UINT16_MAX

enum { EVPIPE__AREA_RING = 1, EVPIPE__AREA_SEGMENT, EVPIPE__AREA_REJECTED };

/* Whose records they are. */
typedef struct evpipe__identity {
	uint64_t nonce;   /* in the events' ids and the files' names */
	uint64_t key;     /* never shown to anybody: who knows it could write records into a payload */
	uint64_t boot[2]; /* since which start of the machine; 0: it does not say */
	int64_t  created_ms;
	uint64_t is_spooled; /* its ring is needed only as long as the machine runs: segments have the rest */
} evpipe__identity;

/* Head and tail have cache lines of their own, since different threads write them; a segment has no use for them. */
struct evpipe__area_header {
	char             magic[8];
	uint32_t         version;
	uint32_t         byte_order;
	uint32_t         kind;
	uint32_t         records_at;
	uint64_t         capacity; /* a power of two */
	uint64_t         start;    /* the first position */
	evpipe__identity identity;
	uint64_t         checksum; /* of what stands before it, the magic aside */
	_Alignas(64) _Atomic uint64_t head;
	_Atomic uint64_t accepted; /* beside the head: who reserves has the line anyway */
	_Alignas(64) _Atomic uint64_t tail;
	_Atomic int64_t  now_ms; /* beside the tail: who appends has just read that */
};

/* Then the texts, each with its NUL, the headers, the key and the data. */
struct evpipe__record {
	_Atomic uint64_t commit;
	uint64_t         checksum; /* in segments: of the record, `mark` and this aside */
	int64_t          time_ms;
	uint32_t         data_len;
	uint32_t         headers_len;
	uint16_t         text_len[4];   /* destination, type, content type, id; UINT16_MAX: not given */
	uint16_t         key_len;       /* UINT16_MAX: no key */
	uint8_t          headers_count;
	uint8_t          is_padding;
	uint32_t         mark;          /* the consumer's; see evpipe__record_is_done */
};

typedef struct evpipe__area {
	char    *records; /* NULL: there is no area */
	uint64_t mask;
	uint64_t base; /* the position that lies at `records`; 0 in a ring */
	uint64_t key;
	struct evpipe__area_header *header;
} evpipe__area;

/* A record as its consumer sees it: an event (its texts and headers lie in the area), and where it is. */
typedef struct evpipe__journal_entry {
	uint64_t      position;
	evpipe_event  event; /* id, type and content_type are NULL where the application gave none */
	evpipe_header headers[EVPIPE__HEADERS_MAX + 1];
} evpipe__journal_entry;

/* ---- areas ---- */

/* `bytes` of records, rounded up to a power of two; and how large the memory for so many must be. */
uint64_t evpipe__area_capacity(uint64_t bytes);
size_t   evpipe__area_size(uint64_t capacity);

/* Make an empty area in memory that is aligned to 64 bytes. What is there besides may be anything but records of this key. */
void evpipe__area_init(evpipe__area *area, void *memory, uint32_t kind, uint64_t capacity, const evpipe__identity *identity,
                       uint64_t start);

/*
 * Find an area in `size` bytes, which may be fewer than it had: what is beyond is not there. NULL, or why it is none
 * that may be read: static, one line.
 */
const char *evpipe__area_open(evpipe__area *area, void *memory, size_t size, uint32_t kind);

/*
 * Whether the memory was never made an area, or was being made one, anew, too: whoever did died. There are zeros in it, and
 * perhaps some of a header of ours; nobody needs it. What is anything else may be anybody's.
 */
int evpipe__area_is_blank(const void *memory, size_t size);

/* Whether it begins with zeros where an area has its magic. */
int evpipe__area_is_headless(const void *memory, size_t size);

/* What a scan met. */
typedef struct evpipe__scanned {
	uint64_t records; /* not done */
	uint64_t done;
	uint64_t torn;    /* bytes of what is no record, where there should be some, or something is */
	uint64_t damaged; /* records that are there, but not as they were written */
} evpipe__scanned;

/*
 * Look at each granule from `from` to `to`, and put padding in place of what is no record, so that one can go from one
 * record to the next. Records that were taken count as new again. With `checked`, a record is what its checksum fits, and
 * what was never written is zero. Returns where the last record ends; `from` if there is none.
 */
uint64_t evpipe__area_mend(evpipe__area *area, uint64_t from, uint64_t to, int checked, evpipe__scanned *scanned);

static inline struct evpipe__record *evpipe__area_at(const evpipe__area *area, uint64_t position)
{
	return (struct evpipe__record *)(void *)(area->records + ((position - area->base) & area->mask));
}

/* 40 bits of position and 24 of length: a position comes again after 64 TiB. */
static inline uint64_t evpipe__commit_word(const evpipe__area *area, uint64_t position, uint64_t size)
{
	return ((position / EVPIPE__GRANULE) << 24 | size / EVPIPE__GRANULE) ^ area->key;
}

/* The length of the record published at this position; 0: none is. */
static inline uint64_t evpipe__area_published(const evpipe__area *area, uint64_t position)
{
	uint64_t word = atomic_load_explicit(&evpipe__area_at(area, position)->commit, memory_order_acquire);
	uint64_t size = ((word ^ area->key) & 0xffffff) * EVPIPE__GRANULE;
	return word && evpipe__commit_word(area, position, size) == word ? size : 0;
}

static inline void evpipe__area_publish(evpipe__area *area, struct evpipe__record *record, uint64_t position, uint64_t size)
{
	atomic_store_explicit(&record->commit, evpipe__commit_word(area, position, size), memory_order_release);
}

/* With its checksum. */
void evpipe__area_publish_checked(evpipe__area *area, struct evpipe__record *record, uint64_t position, uint64_t size);

/* Publish padding over `size` bytes. */
void evpipe__area_pad(evpipe__area *area, uint64_t position, uint64_t size);

/* ---- records ---- */

#define EVPIPE__MARK_NEW 0
#define EVPIPE__MARK_TAKEN 1

/* Not a number that a flipped bit could turn another mark into: an event would be lost. */
static inline uint32_t evpipe__record_done_mark(const struct evpipe__record *record)
{
	uint64_t word = atomic_load_explicit(&record->commit, memory_order_relaxed);
	return (uint32_t)(word ^ word >> 32) | 0x80000000;
}

static inline int evpipe__record_is_done(const struct evpipe__record *record)
{
	return record->mark == evpipe__record_done_mark(record);
}

/*
 * The id that an event of the journal with that nonce is sent under: its own, or one that is written to `made`, unique without
 * asking anybody.
 */
#define EVPIPE__ID_MAX 40
const char *evpipe__journal_entry_id(const evpipe__journal_entry *entry, uint64_t nonce, char made[EVPIPE__ID_MAX]);

/* Points into the record. */
void evpipe__record_read(const struct evpipe__record *record, uint64_t position, evpipe__journal_entry *entry);

#endif
