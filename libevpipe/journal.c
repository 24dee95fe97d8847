#include "journal.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "memory.h"

/* Set in the head, it makes every reservation fail: positions stay below it for 2^63 bytes. */
#define SEALED (UINT64_C(1) << 63)

/* Stored for a text or a key that was not given; what is given is shorter. */
#define NO_LENGTH UINT16_MAX

/* Set in every nonce: taken for a length it is more than a record has, so no record's commit word is 0, which free space is. */
#define NONCE_BIT (UINT64_C(1) << 23)

enum { STATE_NEW = 0, STATE_TAKEN, STATE_DONE, STATE_PADDING };

/* At the start of the region; head and tail have cache lines of their own, since different threads write them. */
struct ring_header {
	char     magic[8];
	uint32_t version;
	uint32_t byte_order;
	uint64_t capacity;
	uint64_t nonce;
	char     space[32];
	_Alignas(64) _Atomic uint64_t head;
	_Atomic uint64_t accepted; /* beside the head: who reserves has the line anyway */
	_Alignas(64) _Atomic uint64_t tail;
};

/* Then the texts, each with its NUL, the headers, the key and the data. */
struct record {
	_Atomic uint64_t commit;
	uint32_t         checksum; /* reserved for journals that outlive their process */
	uint8_t          state;    /* the consumer's */
	uint8_t          headers_count;
	uint16_t         key_len;       /* NO_LENGTH: no key */
	uint16_t         text_len[4];   /* destination, type, content type, id; NO_LENGTH: not given */
	uint32_t         data_len;
	uint32_t         headers_len;
	int64_t          time_ms;
};

struct evpipe__journal {
	struct ring_header *ring;
	char               *records;
	uint64_t            mask;
	uint64_t            nonce;
};

static const size_t header_size = 4096;

static uint64_t align(uint64_t size)
{
	return (size + EVPIPE__JOURNAL_ALIGN - 1) & ~(uint64_t)(EVPIPE__JOURNAL_ALIGN - 1);
}

static uint64_t power_of_two(uint64_t size)
{
	uint64_t power = 4096;
	while (power < size)
		power *= 2;
	return power;
}

/* 40 bits of position and 24 of length, in granules of 64 bytes: a position comes again after 64 TiB. */
static uint64_t commit_word(const evpipe__journal *journal, uint64_t position, uint64_t size)
{
	return ((position / EVPIPE__JOURNAL_ALIGN) << 24 | size / EVPIPE__JOURNAL_ALIGN) ^ journal->nonce;
}

/* The length of the record published at this position; 0: none is. */
static uint64_t published_size(const evpipe__journal *journal, struct record *record, uint64_t position)
{
	uint64_t word = atomic_load_explicit(&record->commit, memory_order_acquire);
	uint64_t size = ((word ^ journal->nonce) & 0xffffff) * EVPIPE__JOURNAL_ALIGN;
	return word && commit_word(journal, position, size) == word ? size : 0;
}

static struct record *record_at(const evpipe__journal *journal, uint64_t position)
{
	return (struct record *)(void *)(journal->records + (position & journal->mask));
}

size_t evpipe__journal_region_size(size_t capacity)
{
	return header_size + power_of_two(capacity);
}

evpipe_err evpipe__journal_new(evpipe__journal **out, void *region, size_t capacity, uint64_t nonce, uint64_t start)
{
	evpipe__journal *journal = evpipe__malloc(sizeof *journal);
	if (!journal)
		return EVPIPE_ENOMEM;
	*journal = (evpipe__journal){.ring = region,
	                             .records = (char *)region + header_size,
	                             .mask = power_of_two(capacity) - 1,
	                             .nonce = nonce | NONCE_BIT};
	memcpy(journal->ring->magic, "evpipejl", 8);
	journal->ring->version = 1;
	journal->ring->byte_order = 0x01020304;
	journal->ring->capacity = journal->mask + 1;
	journal->ring->nonce = journal->nonce;
	atomic_store_explicit(&journal->ring->tail, start, memory_order_relaxed);
	atomic_store_explicit(&journal->ring->head, start, memory_order_release);
	*out = journal;
	return EVPIPE_OK;
}

void evpipe__journal_free(evpipe__journal *journal)
{
	evpipe__free(journal);
}

/* ---- appending ---- */

/*
 * The texts are taken one by one: the caller has just stored their pointers, and a loop over them becomes wide loads of
 * two pointers at once, which wait until all stores before are in the cache, those of the record before included.
 */
static size_t size_of_text(const char *text, size_t *length)
{
	if (!text) {
		*length = EVPIPE__JOURNAL_NO_TEXT;
		return 0;
	}
	*length = strlen(text);
	return *length + 1;
}

size_t evpipe__journal_size_of(const evpipe_event *event, size_t lengths[4])
{
	size_t size = sizeof(struct record) + (event->key ? event->key_len : 0) + event->data_len;
	size += size_of_text(event->destination, &lengths[0]);
	size += size_of_text(event->type, &lengths[1]);
	size += size_of_text(event->content_type, &lengths[2]);
	size += size_of_text(event->id, &lengths[3]);
	for (size_t i = 0; i < event->headers_count; i++) {
		const evpipe_header *header = &event->headers[i];
		size += strlen(header->name) + 1 + sizeof(uint32_t) + (header->value ? header->value_len : 0);
	}
	return align(size);
}

static char *put(char *to, const void *bytes, size_t len)
{
	if (len)
		memcpy(to, bytes, len);
	return to + len;
}

static char *put_text(char *to, const char *text, size_t length)
{
	return text ? put(to, text, length + 1) : to;
}

static void copy_event(struct record *record, const evpipe_event *event, const size_t lengths[4], int64_t time_ms)
{
	char *to = (char *)(record + 1);
	to = put_text(to, event->destination, lengths[0]);
	to = put_text(to, event->type, lengths[1]);
	to = put_text(to, event->content_type, lengths[2]);
	to = put_text(to, event->id, lengths[3]);
	for (int i = 0; i < 4; i++)
		record->text_len[i] = lengths[i] == EVPIPE__JOURNAL_NO_TEXT ? NO_LENGTH : (uint16_t)lengths[i];
	char *headers = to;
	for (size_t i = 0; i < event->headers_count; i++) {
		const evpipe_header *header = &event->headers[i];
		uint32_t             len = header->value ? (uint32_t)header->value_len : UINT32_MAX;
		to = put(to, header->name, strlen(header->name) + 1);
		to = put(to, &len, sizeof len);
		to = put(to, header->value, header->value ? header->value_len : 0);
	}
	record->headers_len = (uint32_t)(to - headers);
	record->headers_count = (uint8_t)event->headers_count;
	record->key_len = event->key ? (uint16_t)event->key_len : NO_LENGTH;
	to = put(to, event->key, event->key ? event->key_len : 0);
	record->data_len = (uint32_t)event->data_len;
	put(to, event->data, event->data_len);
	record->time_ms = event->time_ms ? event->time_ms : time_ms;
	record->state = STATE_NEW;
}

static void publish(evpipe__journal *journal, struct record *record, uint64_t position, uint64_t size)
{
	atomic_store_explicit(&record->commit, commit_word(journal, position, size), memory_order_release);
}

evpipe_err evpipe__journal_append(evpipe__journal *journal, const evpipe_event *event, const size_t lengths[4], size_t size,
                                  int64_t time_ms)
{
	struct ring_header *ring = journal->ring;
	uint64_t            capacity = journal->mask + 1;
	uint64_t            head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint64_t            padding;

	do {
		if (head & SEALED)
			return EVPIPE_ECLOSED;
		/* A record lies in one piece: what does not fit before the end begins at the start. */
		uint64_t to_end = capacity - (head & journal->mask);
		padding = size > to_end ? to_end : 0;
		/* Acquire: the consumer's zeroes are there before we write over them. */
		uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
		/* Signed: who was interrupted since reading the head may find the tail beyond it; the exchange then reads it again. */
		if ((int64_t)(head + padding + size - tail) > (int64_t)capacity)
			return EVPIPE_EFULL;
	} while (!atomic_compare_exchange_weak_explicit(&ring->head, &head, head + padding + size, memory_order_relaxed,
	                                                memory_order_relaxed));
	atomic_fetch_add_explicit(&ring->accepted, 1, memory_order_relaxed);

	if (padding) {
		struct record *record = record_at(journal, head);
		record->state = STATE_PADDING;
		publish(journal, record, head, padding);
		head += padding;
	}
	struct record *record = record_at(journal, head);
	copy_event(record, event, lengths, time_ms);
	publish(journal, record, head, size);
	return EVPIPE_OK;
}

void evpipe__journal_seal(evpipe__journal *journal)
{
	atomic_fetch_or_explicit(&journal->ring->head, SEALED, memory_order_acq_rel);
}

uint64_t evpipe__journal_head(const evpipe__journal *journal)
{
	return atomic_load_explicit(&journal->ring->head, memory_order_acquire) & ~SEALED;
}

uint64_t evpipe__journal_tail(const evpipe__journal *journal)
{
	return atomic_load_explicit(&journal->ring->tail, memory_order_acquire);
}

uint64_t evpipe__journal_accepted(const evpipe__journal *journal)
{
	return atomic_load_explicit(&journal->ring->accepted, memory_order_relaxed);
}

uint64_t evpipe__journal_nonce(const evpipe__journal *journal)
{
	return journal->nonce;
}

/* ---- the consumer ---- */

void evpipe__journal_read(evpipe__journal *journal, uint64_t position, evpipe__journal_entry *entry)
{
	const struct record *record = record_at(journal, position);
	const char          *from = (const char *)(record + 1);
	const char          *texts[4];

	for (int i = 0; i < 4; i++) {
		texts[i] = record->text_len[i] == NO_LENGTH ? NULL : from;
		from += texts[i] ? record->text_len[i] + 1 : 0;
	}
	for (size_t i = 0; i < record->headers_count; i++) {
		uint32_t len;
		entry->headers[i].name = from;
		from += strlen(from) + 1;
		memcpy(&len, from, sizeof len);
		from += sizeof len;
		entry->headers[i].value = len == UINT32_MAX ? NULL : from;
		entry->headers[i].value_len = len == UINT32_MAX ? 0 : len;
		from += entry->headers[i].value_len;
	}
	entry->position = position;
	entry->event = (evpipe_event){
		.size = sizeof entry->event,
		.destination = texts[0],
		.type = texts[1],
		.content_type = texts[2],
		.id = texts[3],
		.key = record->key_len == NO_LENGTH ? NULL : from,
		.key_len = record->key_len == NO_LENGTH ? 0 : record->key_len,
		.data_len = record->data_len,
		.time_ms = record->time_ms,
		.headers = entry->headers,
		.headers_count = record->headers_count,
	};
	entry->event.data = from + entry->event.key_len;
}

int evpipe__journal_is_published(evpipe__journal *journal, uint64_t *position)
{
	uint64_t head = evpipe__journal_head(journal), tail = evpipe__journal_tail(journal), size;

	if ((int64_t)(tail - *position) > 0)
		*position = tail;
	while (*position != head && (size = published_size(journal, record_at(journal, *position), *position)))
		*position += size;
	return *position == head;
}

int evpipe__journal_next(evpipe__journal *journal, uint64_t *position, evpipe__journal_entry *entry)
{
	uint64_t tail = evpipe__journal_tail(journal);

	/* Padding is reclaimed with what stands before it, also when the cursor rests there. */
	if (*position < tail)
		*position = tail;
	/* The head is left alone: looking at it would take its cache line from those who append. */
	for (;;) {
		struct record *record = record_at(journal, *position);
		uint64_t       size = published_size(journal, record, *position);
		if (!size)
			return 0;
		if (record->state == STATE_NEW) {
			evpipe__journal_read(journal, *position, entry);
			return 1;
		}
		*position += size;
	}
}

static uint64_t set_state(evpipe__journal *journal, uint64_t position, uint8_t state)
{
	struct record *record = record_at(journal, position);
	uint64_t       size = published_size(journal, record, position);
	assert(size && record->state != STATE_PADDING && record->state != STATE_DONE);
	record->state = state;
	return position + size;
}

uint64_t evpipe__journal_take(evpipe__journal *journal, uint64_t position)
{
	return set_state(journal, position, STATE_TAKEN);
}

uint64_t evpipe__journal_untake(evpipe__journal *journal, uint64_t position)
{
	return set_state(journal, position, STATE_NEW);
}

uint64_t evpipe__journal_done(evpipe__journal *journal, uint64_t position)
{
	return set_state(journal, position, STATE_DONE);
}

int evpipe__journal_reclaim(evpipe__journal *journal)
{
	uint64_t tail = atomic_load_explicit(&journal->ring->tail, memory_order_relaxed);
	uint64_t start = tail;

	for (;;) {
		struct record *record = record_at(journal, tail);
		uint64_t       size = published_size(journal, record, tail);
		if (!size || record->state < STATE_DONE)
			break;
		/* Plain stores are enough: the release of the tail orders them. */
		memset((void *)record, 0, size);
		tail += size;
	}
	if (tail == start)
		return 0;
	atomic_store_explicit(&journal->ring->tail, tail, memory_order_release);
	return 1;
}
