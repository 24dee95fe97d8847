/*
 * The files of a journal, as a crash, a failing disk or somebody leaves them: a ring, a segment and a file of rejected events
 * with some events in each, then damaged as the input says. What is recovered from files that have checksums is what was
 * written; what is not is refused with a reason, or kept for people; and who only looks changes nothing.
 *
 * The first byte: which files there are, and whether checksums are made to fit again, so that what is behind them meets
 * nonsense, too. Then damages of four bytes: what, where (two bytes), and a value. Or, with RAW, all the rest is one file.
 */
#include "evpipe-build.h"

#include "fuzz.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "../unit/memory-storage.h"
#include "journal.h"
#include "record.h"
#include "recovery.h"
#include "rejects.h"

enum { RING = 1, SEGMENT = 2, REJECTED = 4, SEAL_HEADERS = 8, SEAL_RECORDS = 16, RAW = 32 };

#define FILES 3
#define CAPACITY 4096
#define SIZE (EVPIPE__AREA_HEADER_SIZE + CAPACITY)
#define EVENTS 8
#define RAW_MAX (1 << 16)
/* Damage to the header's page meets what is in it, not the rest of the page. */
#define HEADER_USED 256

static const char *const names[FILES] = {"00000000000000aa.ring", "00000000000000aa-0000000000000000.segment",
                                         "00000000000000aa-0000000000000000.rejected"};

static const evpipe__identity identity = {.nonce = 0xaa, .key = UINT64_C(0x123456789abcdef0), .boot = {1, 2}, .created_ms = 1000};

/* ---- what was written ---- */

static evpipe_header headers[] = {{"traceparent", "00-1-2", 6}, {"empty", "", 0}, {"null", NULL, 0}};

/* Of all shapes. */
static void make_event(int number, evpipe_event *event)
{
	static char data[300];
	memset(data, 'x', sizeof data);
	*event = (evpipe_event){.size = sizeof *event, .destination = number % 2 ? "ACME" : "Globex", .time_ms = 1 + number};
	event->data = data;
	event->data_len = (size_t)number * 37;
	if (number % 2)
		event->key = "key", event->key_len = 3;
	if (number % 3)
		event->id = "an-id";
	if (number % 4 == 1)
		event->type = "bot.step", event->content_type = "text/plain";
	if (number % 4 == 2)
		event->headers = headers, event->headers_count = sizeof headers / sizeof *headers;
}

/* Records of all events, one behind the other, with their checksums; returns how many bytes they take. */
static uint64_t write_area(evpipe__area *area, char *memory, uint32_t kind, uint64_t *positions)
{
	evpipe_event event;
	size_t       lengths[4];
	uint64_t     position = 0;

	evpipe__area_init(area, memory, kind, CAPACITY, &identity, 0);
	for (int i = 0; i < EVENTS; i++) {
		make_event(i, &event);
		size_t                 size = evpipe__record_size_of(&event, lengths);
		struct evpipe__record *record = evpipe__area_at(area, position);
		evpipe__record_write(record, &event, lengths, 0);
		evpipe__area_publish_checked(area, record, position, size);
		positions[i] = position;
		position += size;
	}
	MUST(position <= CAPACITY);
	return position;
}

/* ---- what becomes of it ---- */

struct files {
	struct memory_storage storage;
	uint64_t              positions[EVENTS];
};

/* NULL: there is none. */
static struct memory_file *file_of(struct files *files, int number)
{
	return memory_storage_find(&files->storage, names[number]);
}

static void put_file(struct files *files, int number, const void *bytes, size_t size)
{
	evpipe__storage storage = memory_storage(&files->storage);
	evpipe__file    file;

	MUST(storage.ops->create(storage.self, names[number], size, 0, &file, NULL) == EVPIPE_OK);
	if (size)
		memcpy(file.memory, bytes, size);
	storage.ops->close(storage.self, &file);
}

static void write_files(struct files *files, unsigned flags)
{
	static _Alignas(64) char memory[SIZE];
	evpipe__area             area;

	for (int number = 0; number < FILES; number++) {
		if (!(flags & 1u << number))
			continue;
		memset(memory, 0, sizeof memory);
		uint64_t end = write_area(&area, memory, EVPIPE__AREA_RING + (uint32_t)number, files->positions);
		if (number == 0) {
			atomic_store(&area.header->head, end);
			atomic_store(&area.header->accepted, EVENTS);
		}
		put_file(files, number, memory, sizeof memory);
	}
}

static void damage(struct files *files, const uint8_t bytes[4])
{
	struct memory_file *file = file_of(files, (bytes[0] & 3) % FILES);
	size_t              place = ((size_t)bytes[1] << 8 | bytes[2]) % (HEADER_USED + CAPACITY);

	place += place < HEADER_USED ? 0 : EVPIPE__AREA_HEADER_SIZE - HEADER_USED;
	if (!file || place >= file->size)
		return;
	switch (bytes[0] >> 2 & 3) {
	case 0:
		file->memory[place] = (char)(file->memory[place] ^ bytes[3]);
		break;
	case 1:
		file->memory[place] = (char)bytes[3];
		break;
	case 2:
		memset(file->memory + place, 0, file->size - place < bytes[3] ? file->size - place : bytes[3]);
		break;
	default:
		file->size = place;
	}
}

/* As if it had been written so. */
static void seal(struct files *files, int number, unsigned flags)
{
	struct memory_file         *file = file_of(files, number);
	struct evpipe__area_header *header;
	evpipe__area                area;
	const uint64_t             *positions = files->positions;
	uint64_t                    size;

	if (!file || file->size < sizeof *header)
		return;
	header = (struct evpipe__area_header *)(void *)file->memory;
	if (flags & SEAL_HEADERS)
		header->checksum = XXH3_64bits(file->memory + sizeof header->magic,
		                               offsetof(struct evpipe__area_header, checksum) - sizeof header->magic);
	if (!(flags & SEAL_RECORDS) || file->size != SIZE || evpipe__area_open(&area, file->memory, file->size, header->kind) ||
	    header->capacity != CAPACITY)
		return;
	for (int i = 0; i < EVENTS; i++)
		if (positions[i] >= area.base && (size = evpipe__area_published(&area, positions[i])) >= sizeof(struct evpipe__record) &&
		    ((positions[i] - area.base) & area.mask) + size <= CAPACITY)
			evpipe__area_publish_checked(&area, evpipe__area_at(&area, positions[i]), positions[i], size);
}

static void prepare(struct files *files, unsigned flags, const uint8_t *data, size_t size)
{
	if (flags & RAW) {
		int number = flags & RING ? 0 : flags & SEGMENT ? 1 : 2;
		put_file(files, number, data, size < RAW_MAX ? size : RAW_MAX);
		seal(files, number, flags & SEAL_HEADERS);
		return;
	}
	write_files(files, flags);
	for (; size >= 4; data += 4, size -= 4)
		damage(files, data);
	for (int number = 0; number < FILES; number++)
		seal(files, number, flags);
}

/* ---- what must hold ---- */

static int same_bytes(const void *one, size_t one_len, const void *other, size_t other_len)
{
	return one_len == other_len && (!one_len || memcmp(one, other, one_len) == 0);
}

static int same_text(const char *one, const char *other)
{
	return one && other ? strcmp(one, other) == 0 : one == other;
}

static int same_event(const evpipe_event *one, const evpipe_event *other)
{
	if (!same_text(one->destination, other->destination) || !same_text(one->type, other->type) || !same_text(one->id, other->id) ||
	    !same_text(one->content_type, other->content_type) || one->time_ms != other->time_ms ||
	    one->headers_count != other->headers_count || !same_bytes(one->key, one->key_len, other->key, other->key_len))
		return 0;
	for (size_t i = 0; i < one->headers_count; i++)
		if (!same_text(one->headers[i].name, other->headers[i].name) ||
		    !same_bytes(one->headers[i].value, one->headers[i].value_len, other->headers[i].value, other->headers[i].value_len))
			return 0;
	return same_bytes(one->data, one->data_len, other->data, other->data_len);
}

/* All of it may be read, whatever it says. */
static void touch(const evpipe_event *event)
{
	uint64_t sum = XXH3_64bits(event->data, event->data_len) + XXH3_64bits(event->key, event->key_len);
	for (size_t i = 0; i < event->headers_count; i++)
		sum += strlen(event->headers[i].name) + XXH3_64bits(event->headers[i].value, event->headers[i].value_len);
	MUST(event->destination && *event->destination);
	__asm__ volatile("" : : "r"(sum));
}

/* One that was written, but for its last header if that says why it was rejected; `last`, which moves on to it, came before. */
static void must_be_written(const evpipe_event *event, int *last, int is_rejected)
{
	evpipe_event written;
	do {
		MUST(++*last < EVENTS);
		make_event(*last, &written);
		written.headers_count -= is_rejected && written.headers_count;
	} while (!same_event(event, &written));
}

struct account {
	unsigned adopted, refused;
	uint64_t records;
};

static void on_met(void *ctx, evpipe__fate fate, uint64_t nonce, const evpipe__adopted *adopted, const char *why)
{
	struct account *account = ctx;
	MUST(nonce == identity.nonce && fate != EVPIPE__FATE_ALIVE);
	account->adopted += fate == EVPIPE__FATE_ADOPTED;
	account->refused += fate == EVPIPE__FATE_REFUSED;
	if (adopted)
		account->records = adopted->found.records;
	if (fate == EVPIPE__FATE_REFUSED) {
		MUST(why && *why);
		fuzz_must_be_a_line(why, EVPIPE_ERROR_TEXT_MAX);
	}
}

/* In order, each once; with `checked`, as it was written. */
static void go_through(evpipe__journal *journal, uint64_t records, int checked)
{
	evpipe__journal_entry entry;
	uint64_t              cursor = evpipe__journal_tail(journal), told = 0;
	int                   last = -1;

	while (cursor != evpipe__journal_head(journal) && evpipe__journal_next(journal, &cursor, &entry)) {
		touch(&entry.event);
		if (checked)
			must_be_written(&entry.event, &last, 0);
		cursor = evpipe__journal_done(journal, entry.position);
		told++;
	}
	MUST(told == records);
	evpipe__journal_reclaim(journal);
	MUST(evpipe__journal_tail(journal) == evpipe__journal_head(journal));
}

static void recover(struct memory_storage *files, unsigned flags, int checked)
{
	struct evpipe__adopted_list list = STAILQ_HEAD_INITIALIZER(list);
	struct account              account = {0};
	evpipe__storage             storage = memory_storage(files);
	evpipe_error                error;

	MUST(evpipe__recovery_adopt(&list, &storage, flags, on_met, &account, &error) == EVPIPE_OK);
	evpipe__adopted *adopted = STAILQ_FIRST(&list);
	MUST(account.adopted == (adopted != NULL));
	if (!adopted)
		return;
	go_through(adopted->journal, account.records, checked);
	evpipe__adopted_free(adopted, !(flags & EVPIPE__FILE_SCRATCH));
}

static int on_rejected(void *ctx, const evpipe_event *event, const char *reason)
{
	int *last = ctx;
	MUST(reason);
	touch(event);
	if (last)
		must_be_written(event, last, 1);
	return 0;
}

static void read_rejected(struct memory_storage *files, int checked)
{
	evpipe__storage storage = memory_storage(files);
	evpipe_error    error;
	int             stopped = 0, last = -1;

	evpipe_err err = evpipe__rejects_each(&storage, names[2], on_rejected, checked ? &last : NULL, &stopped, &error);
	MUST(!err || err == EVPIPE_EFORMAT);
	if (err)
		fuzz_must_be_a_line(error.text, sizeof error.text);
}

static uint64_t bytes_of(struct files *files)
{
	const struct memory_file *file;
	uint64_t                  sum = 0;
	for (int number = 0; number < FILES; number++)
		if ((file = file_of(files, number)))
			sum = XXH3_64bits_withSeed(file->memory, file->size, sum + file->size);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct files files = {0};
	unsigned     flags = size ? data[0] : 0;

	prepare(&files, flags, data + (size > 0), size - (size > 0));
	/* A ring has no checksums: only its owner's death is survived, not damage. */
	int      checked = !(flags & (RING | SEAL_RECORDS | SEAL_HEADERS | RAW));
	uint64_t before = bytes_of(&files);
	recover(&files.storage, EVPIPE__FILE_SCRATCH, checked);
	if (file_of(&files, 2))
		read_rejected(&files.storage, checked);
	MUST(bytes_of(&files) == before && !files.storage.removed && !files.storage.renamed);
	recover(&files.storage, 0, checked);
	memory_storage_release(&files.storage);
	return 0;
}
