#include "area.h"

#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "bug.h"
#include "record.h"

#define VERSION 1
#define BYTE_ORDER_MARK 0x01020304
#define OTHER_BYTE_ORDER 0x04030201
#define CAPACITY_MIN 4096
#define CAPACITY_MAX (UINT64_C(1) << 40)
#define GROWTH 512 /* a file that is being made grows by multiples of this */
#define PADDING_MAX (UINT64_C(0xffffff) * EVPIPE__GRANULE)

/* Set in every key: taken for a length it is more than a record has, so no record's commit word is 0, which fresh memory is. */
#define KEY_BIT (UINT64_C(1) << 23)

static const char magic[8] = {'e', 'v', 'p', 'i', 'p', 'e', 'j', 'l'};

uint64_t evpipe__area_capacity(uint64_t bytes)
{
	uint64_t power = CAPACITY_MIN;
	while (power < bytes)
		power *= 2;
	return power;
}

size_t evpipe__area_size(uint64_t capacity)
{
	return EVPIPE__AREA_HEADER_SIZE + capacity;
}

static void set_area(evpipe__area *area, struct evpipe__area_header *header)
{
	*area = (evpipe__area){.header = header,
	                       .records = (char *)header + header->records_at,
	                       .mask = header->capacity - 1,
	                       .base = header->kind == EVPIPE__AREA_RING ? 0 : header->start,
	                       .key = header->identity.key};
}

static uint64_t header_checksum(const struct evpipe__area_header *header)
{
	return XXH3_64bits((const char *)header + sizeof magic, offsetof(struct evpipe__area_header, checksum) - sizeof magic);
}

void evpipe__area_init(evpipe__area *area, void *memory, uint32_t kind, uint64_t capacity, const evpipe__identity *identity,
                       uint64_t start)
{
	struct evpipe__area_header *header = memory;

	/* The magic first and last: who is killed in between leaves a blank area. */
	memset(header->magic, 0, sizeof header->magic);
	atomic_thread_fence(memory_order_release);
	memset((char *)header + sizeof magic, 0, sizeof *header - sizeof magic);
	header->version = VERSION;
	header->byte_order = BYTE_ORDER_MARK;
	header->kind = kind;
	header->records_at = EVPIPE__AREA_HEADER_SIZE;
	header->capacity = capacity;
	header->start = start;
	header->identity = *identity;
	header->identity.key |= KEY_BIT;
	header->checksum = header_checksum(header);
	atomic_store_explicit(&header->tail, start, memory_order_relaxed);
	atomic_store_explicit(&header->head, start, memory_order_release);
	atomic_thread_fence(memory_order_release);
	memcpy(header->magic, magic, sizeof magic);
	set_area(area, header);
}

static int is_zero(const char *from, const char *end)
{
	static const char zeros[4096];
	while (from < end) {
		size_t len = (size_t)(end - from) < sizeof zeros ? (size_t)(end - from) : sizeof zeros;
		if (memcmp(from, zeros, len) != 0)
			return 0;
		from += len;
	}
	return 1;
}

static int is_zero_or(uint32_t number, uint32_t other)
{
	return !number || number == other;
}

int evpipe__area_is_blank(const void *memory, size_t size)
{
	const struct evpipe__area_header *header = memory;

	if (!size)
		return 1; /* of no memory */
	const char *from = memory, *end = from + size;
	if (size < EVPIPE__AREA_HEADER_SIZE)
		return size % GROWTH == 0 && is_zero(from, end);
	return evpipe__area_is_headless(memory, size) && is_zero(from + sizeof *header, end) &&
	       is_zero_or(header->version, VERSION) && is_zero_or(header->byte_order, BYTE_ORDER_MARK) &&
	       is_zero_or(header->records_at, EVPIPE__AREA_HEADER_SIZE) && header->kind <= EVPIPE__AREA_REJECTED;
}

int evpipe__area_is_headless(const void *memory, size_t size)
{
	return size >= EVPIPE__AREA_HEADER_SIZE && is_zero(memory, (const char *)memory + sizeof magic);
}

const char *evpipe__area_open(evpipe__area *area, void *memory, size_t size, uint32_t kind)
{
	struct evpipe__area_header *header = memory;

	if (size < EVPIPE__AREA_HEADER_SIZE)
		return "shorter than a header: cut off, or not a journal of libevpipe's";
	if (memcmp(header->magic, magic, sizeof magic) != 0)
		return "not a journal of libevpipe's";
	if (header->byte_order == OTHER_BYTE_ORDER)
		return "written by a machine of the other byte order: recover it on one of that kind";
	if (header->byte_order != BYTE_ORDER_MARK)
		return "its header is damaged";
	if (header->version != VERSION)
		return "written by another version of libevpipe: recover it with that one";
	if (header->checksum != header_checksum(header))
		return "its header is damaged";
	if (header->kind != kind || header->records_at != EVPIPE__AREA_HEADER_SIZE || header->capacity < CAPACITY_MIN ||
	    header->capacity > CAPACITY_MAX || (header->capacity & (header->capacity - 1)) != 0 ||
	    header->start % EVPIPE__GRANULE != 0 || !(header->identity.key & KEY_BIT))
		return "its header makes no sense";
	if (kind == EVPIPE__AREA_RING && size != evpipe__area_size(header->capacity))
		return "not as large as its header says";
	set_area(area, header);
	return NULL;
}

/* It needs no other start for each area: the commit word in it is under the area's key. */
static uint64_t checksum_of(const struct evpipe__record *record, uint64_t word, uint64_t size)
{
	struct evpipe__record head;
	memcpy((void *)&head, (const void *)record, sizeof head);
	atomic_store_explicit(&head.commit, word, memory_order_relaxed);
	head.checksum = 0;
	head.mark = 0;
	uint64_t sum = XXH3_64bits(&head, sizeof head);
	return head.is_padding ? sum : XXH3_64bits_withSeed(record + 1, size - sizeof head, sum);
}

void evpipe__area_publish_checked(evpipe__area *area, struct evpipe__record *record, uint64_t position, uint64_t size)
{
	record->checksum = checksum_of(record, evpipe__commit_word(area, position, size), size);
	evpipe__area_publish(area, record, position, size);
}

void evpipe__area_pad(evpipe__area *area, uint64_t position, uint64_t size)
{
	while (size) {
		uint64_t               part = size < PADDING_MAX ? size : PADDING_MAX;
		struct evpipe__record *record = evpipe__area_at(area, position);
		record->is_padding = 1;
		record->mark = EVPIPE__MARK_NEW;
		/* A length that was flipped would hide the records behind it. */
		evpipe__area_publish_checked(area, record, position, part);
		position += part;
		size -= part;
	}
}

/* ---- reading one ---- */

void evpipe__record_read(const struct evpipe__record *record, uint64_t position, evpipe__journal_entry *entry)
{
	const char *from = (const char *)(record + 1);
	const char *texts[4];

	for (int i = 0; i < 4; i++) {
		texts[i] = record->text_len[i] == EVPIPE__NO_LENGTH ? NULL : from;
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
		.key = record->key_len == EVPIPE__NO_LENGTH ? NULL : from,
		.key_len = record->key_len == EVPIPE__NO_LENGTH ? 0 : record->key_len,
		.data_len = record->data_len,
		.time_ms = record->time_ms,
		.headers = entry->headers,
		.headers_count = record->headers_count,
	};
	entry->event.data = from + entry->event.key_len;
}

/* At least so many hex digits. printf takes as long for two numbers as all the rest that is done for an event. */
static char *put_hex(char *to, uint64_t number, unsigned digits)
{
	while (digits < 16 && number >> 4 * digits)
		digits++;
	for (unsigned i = digits; i-- > 0; number >>= 4)
		to[i] = "0123456789abcdef"[number & 15];
	return to + digits;
}

const char *evpipe__journal_entry_id(const evpipe__journal_entry *entry, uint64_t nonce, char made[EVPIPE__ID_MAX])
{
	if (entry->event.id)
		return entry->event.id;
	char *end = put_hex(made, nonce, 16);
	*end++ = '-';
	end = put_hex(end, entry->position, 1);
	*end = '\0';
	return made;
}

/* ---- records that nobody vouches for ---- */

static int has_headers(const struct evpipe__record *record, const char *from, const char *end)
{
	uint32_t len;
	for (size_t i = 0; i < record->headers_count; i++) {
		const char *nul = memchr(from, '\0', (size_t)(end - from));
		if (!nul || (size_t)(end - nul) < 1 + sizeof len)
			return 0;
		memcpy(&len, nul + 1, sizeof len);
		from = nul + 1 + sizeof len;
		if (len != UINT32_MAX && len > (size_t)(end - from))
			return 0;
		from += len == UINT32_MAX ? 0 : len;
	}
	return from == end;
}

/* Whether all that it says of itself lies within it. */
static int makes_sense(const struct evpipe__record *record, uint64_t size)
{
	const char *from = (const char *)(record + 1), *end = (const char *)record + size;
	uint64_t    key_len = record->key_len == EVPIPE__NO_LENGTH ? 0 : record->key_len;

	if (size < sizeof *record || record->is_padding > 1 || record->headers_count > EVPIPE__HEADERS_MAX + 1)
		return 0;
	for (int i = 0; i < 4; i++) {
		uint64_t len = record->text_len[i];
		if (len == EVPIPE__NO_LENGTH)
			continue;
		if (len >= (uint64_t)(end - from) || strnlen(from, len + 1) != len)
			return 0;
		from += len + 1;
	}
	if (record->text_len[0] == EVPIPE__NO_LENGTH || !record->text_len[0])
		return 0;
	if (record->headers_len > (uint64_t)(end - from) || !has_headers(record, from, from + record->headers_len))
		return 0;
	from += record->headers_len;
	return key_len + record->data_len <= (uint64_t)(end - from) &&
	       evpipe__granules((uint64_t)(from - (const char *)record) + key_len + record->data_len) == size;
}

/* The length of a record that may be believed; 0: there is none. */
static uint64_t sound_size(const evpipe__area *area, uint64_t position, uint64_t to, int checked)
{
	const struct evpipe__record *record = evpipe__area_at(area, position);
	uint64_t                     size = evpipe__area_published(area, position);
	uint64_t                     place = (position - area->base) & area->mask;

	if (!size || to - position < size || area->mask + 1 - place < size || record->is_padding > 1)
		return 0;
	if (checked && record->checksum != checksum_of(record, evpipe__commit_word(area, position, size), size))
		return 0;
	return record->is_padding || makes_sense(record, size) ? size : 0;
}

/* Whether there is, or was, a record. Where records lie one behind the other and the rest is zero, anything is a sign of one. */
static int was_record(const evpipe__area *area, uint64_t position, int checked)
{
	if (checked)
		return atomic_load_explicit(&evpipe__area_at(area, position)->commit, memory_order_relaxed) != 0;
	return evpipe__area_published(area, position) != 0;
}

/* Padding in place of what is no record. Returns how many bytes of it there are; of a checked area, what is zero was never written. */
static uint64_t pad_torn(evpipe__area *area, uint64_t from, uint64_t to, int checked)
{
	static const char zeros[EVPIPE__GRANULE];
	uint64_t          torn = 0, to_end = area->mask + 1 - ((from - area->base) & area->mask);

	for (uint64_t position = from; position != to; position += EVPIPE__GRANULE) {
		struct evpipe__record *record = evpipe__area_at(area, position);
		if (!checked || memcmp((const void *)record, zeros, sizeof zeros) != 0)
			torn += EVPIPE__GRANULE;
		/* Who begins in the middle of the padding is not to meet it. */
		if (evpipe__area_published(area, position))
			atomic_store_explicit(&record->commit, 0, memory_order_relaxed);
	}
	if (to - from > to_end) {
		/* It lies in one piece, as all records do. */
		evpipe__area_pad(area, from, to_end);
		from += to_end;
	}
	evpipe__area_pad(area, from, to - from);
	return torn;
}

uint64_t evpipe__area_mend(evpipe__area *area, uint64_t from, uint64_t to, int checked, evpipe__scanned *scanned)
{
	uint64_t torn = from, end = from, size;

	for (uint64_t position = from; position != to; position += size) {
		size = sound_size(area, position, to, checked);
		if (!size) {
			scanned->damaged += position == torn && was_record(area, position, checked);
			size = EVPIPE__GRANULE;
			continue;
		}
		scanned->torn += pad_torn(area, torn, position, checked);
		torn = position + size;
		struct evpipe__record *record = evpipe__area_at(area, position);
		if (record->is_padding)
			continue;
		end = torn;
		if (evpipe__bug(FORGET) && record->mark == EVPIPE__MARK_TAKEN)
			record->mark = evpipe__record_done_mark(record);
		int done = evpipe__record_is_done(record);
		scanned->done += (uint64_t)done;
		scanned->records += !done;
		/* Not written in vain: a page that nobody touches is neither copied nor written back. */
		if (!done && record->mark != EVPIPE__MARK_NEW)
			record->mark = EVPIPE__MARK_NEW;
	}
	scanned->torn += pad_torn(area, torn, to, checked);
	return end;
}
