/*
 * emit_ring.c: the least that can be done: a copy, and a ring of records without anything around it. The ring is of the
 * same kind as evpipe's journal: many producers reserve by compare-and-swap, copy, and publish by a release store; one
 * consumer reads a record, zeroes it and frees it.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "common.h"
#include "emit.h"

#define GRANULE 64
#define NAP_NS 1000000
#define HUGE_PAGE ((size_t)2 * 1024 * 1024)
#define FREE_AT_ONCE (64 * 1024)

struct record {
	_Atomic uint64_t published; /* its position + 1 */
	uint32_t         size;      /* with this head and the padding up to the next granule */
	uint16_t         destination_len;
	uint16_t         key_len;
	uint64_t         data_len; /* UINT64_MAX: padding up to the end of the ring */
};

static struct {
	char    *records;
	uint64_t capacity;
	_Alignas(64) _Atomic uint64_t head;
	_Alignas(64) _Atomic uint64_t tail;
	pthread_t   consumer;
	atomic_int  quit;
	uint64_t    checksum; /* so that reading cannot be left out */
} ring;

static struct record *record_at(uint64_t position)
{
	return (struct record *)(void *)(ring.records + (position & (ring.capacity - 1)));
}

static void publish(struct record *record, uint64_t position)
{
	atomic_store_explicit(&record->published, position + 1, memory_order_release);
}

static int emit_ring(const struct sample *sample)
{
	size_t   destination_len = strlen(sample->destination);
	uint64_t size = sizeof(struct record) + destination_len + sample->key_len + sample->data_len;
	uint64_t head = atomic_load_explicit(&ring.head, memory_order_relaxed), padding;

	size = (size + GRANULE - 1) & ~(uint64_t)(GRANULE - 1);
	do {
		uint64_t to_end = ring.capacity - (head & (ring.capacity - 1));
		padding = size > to_end ? to_end : 0;
		/* Signed: a head that was read long ago lies before the tail; the exchange will tell. */
		uint64_t tail = atomic_load_explicit(&ring.tail, memory_order_acquire);
		if ((int64_t)(head + padding + size - tail) > (int64_t)ring.capacity)
			return 1;
	} while (!atomic_compare_exchange_weak_explicit(&ring.head, &head, head + padding + size, memory_order_relaxed,
	                                                memory_order_relaxed));
	if (padding) {
		struct record *record = record_at(head);
		record->size = (uint32_t)padding;
		record->data_len = UINT64_MAX;
		publish(record, head);
		head += padding;
	}
	struct record *record = record_at(head);
	char          *to = (char *)(record + 1);
	record->size = (uint32_t)size;
	record->destination_len = (uint16_t)destination_len;
	record->key_len = (uint16_t)sample->key_len;
	record->data_len = sample->data_len;
	memcpy(to, sample->destination, destination_len);
	memcpy(to + destination_len, sample->key, sample->key_len);
	memcpy(to + destination_len + sample->key_len, sample->data, sample->data_len);
	publish(record, head);
	return 0;
}

/* Read as whoever carries the record on would, at least a word of each line. */
static uint64_t read_record(const struct record *record)
{
	uint64_t sum = 0, word;
	for (size_t i = 0; i < record->size; i += GRANULE) {
		memcpy(&word, (const char *)record + i, sizeof word);
		sum += word;
	}
	return sum;
}

static void *consume(void *arg)
{
	struct timespec nap = {.tv_nsec = NAP_NS};
	uint64_t        tail = 0, freed = 0;
	(void)arg;
	for (;;) {
		struct record *record = record_at(tail);
		int            any = atomic_load_explicit(&record->published, memory_order_acquire) == tail + 1;
		if (tail - freed >= (any ? FREE_AT_ONCE : 1)) {
			atomic_store_explicit(&ring.tail, tail, memory_order_release);
			freed = tail;
		}
		if (!any) {
			if (atomic_load(&ring.quit))
				return NULL;
			nanosleep(&nap, NULL);
			continue;
		}
		uint64_t size = record->size;
		ring.checksum += read_record(record);
		memset((void *)record, 0, size);
		tail += size;
	}
}

static void open_ring(const struct emit_options *options)
{
	ring.capacity = options->journal_size;
	ring.records = aligned_alloc(HUGE_PAGE, ring.capacity);
	if (!ring.records)
		die("no memory for a ring of %zu bytes", options->journal_size);
	madvise(ring.records, ring.capacity, MADV_HUGEPAGE);
	memset(ring.records, 0, ring.capacity);
	atomic_store(&ring.head, 0);
	atomic_store(&ring.tail, 0);
	atomic_store(&ring.quit, 0);
	if (pthread_create(&ring.consumer, NULL, consume, NULL) != 0)
		die("no thread could be started");
}

static void drain_ring(void)
{
	struct timespec nap = {.tv_nsec = NAP_NS};
	while (atomic_load(&ring.tail) != atomic_load(&ring.head))
		nanosleep(&nap, NULL);
}

static void close_ring(void)
{
	atomic_store(&ring.quit, 1);
	pthread_join(ring.consumer, NULL);
	free(ring.records);
}

const struct target target_ring = {"ring", open_ring, emit_ring, drain_ring, close_ring};

/* ---- a copy ---- */

static int emit_copy(const struct sample *sample)
{
	static _Thread_local char place[4096];
	memcpy(place, sample->data, sample->data_len < sizeof place ? sample->data_len : sizeof place);
	__asm__ volatile("" : : "r"(place) : "memory");
	return 0;
}

static void open_copy(const struct emit_options *options)
{
	(void)options;
}

static void nothing(void)
{
}

const struct target target_copy = {"copy", open_copy, emit_copy, nothing, nothing};
