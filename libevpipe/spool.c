#include "spool.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "errors.h"
#include "memory.h"

#define SEGMENTS_MAX 256 /* about so many hold all that may be spooled */

/* ---- names ---- */

void evpipe__spool_name(char name[EVPIPE__FILE_NAME_MAX], uint64_t nonce, uint64_t position, const char *suffix)
{
	snprintf(name, EVPIPE__FILE_NAME_MAX, "%016" PRIx64 "-%016" PRIx64 ".%s", nonce, position, suffix);
}

static int read_hex(const char *text, uint64_t *number)
{
	*number = 0;
	for (int i = 0; i < 16; i++) {
		const char *digit = text[i] ? strchr("0123456789abcdef", text[i]) : NULL;
		if (!digit)
			return 0;
		*number = *number << 4 | (uint64_t)(digit - "0123456789abcdef");
	}
	return 1;
}

int evpipe__spool_is_name(const char *name, uint64_t *nonce, uint64_t *position, const char *suffix)
{
	return read_hex(name, nonce) && name[16] == '-' && read_hex(name + 17, position) && name[33] == '.' &&
	       strcmp(name + 34, suffix) == 0;
}

/* ---- life ---- */

void evpipe__spool_init(evpipe__spool *spool, const evpipe__storage *storage, const evpipe__identity *identity,
                        uint64_t bytes_max, uint64_t event_max, uint64_t start)
{
	uint64_t wanted = bytes_max / SEGMENTS_MAX > EVPIPE__SEGMENT_MIN ? bytes_max / SEGMENTS_MAX : EVPIPE__SEGMENT_MIN;

	*spool = (evpipe__spool){.storage = *storage, .identity = *identity, .bytes_max = bytes_max, .copied = start};
	spool->capacity = evpipe__area_capacity(wanted > 4 * event_max ? wanted : 4 * event_max);
	TAILQ_INIT(&spool->segments);
}

static void put_aside(evpipe__spool *spool, const evpipe__segment *segment)
{
	char name[EVPIPE__FILE_NAME_MAX];
	evpipe__spool_name(name, spool->identity.nonce, segment->start, "damaged");
	spool->storage.ops->rename(spool->storage.self, segment->file.name, name);
}

static void drop_segment(evpipe__spool *spool, evpipe__segment *segment, int remove)
{
	remove = remove && !spool->is_scratch;
	if (remove && segment->is_damaged)
		put_aside(spool, segment);
	else if (remove)
		spool->storage.ops->remove(spool->storage.self, segment->file.name);
	spool->storage.ops->close(spool->storage.self, &segment->file);
	TAILQ_REMOVE(&spool->segments, segment, link);
	spool->bytes -= segment->room;
	spool->last_found = NULL;
	evpipe__free(segment);
}

void evpipe__spool_release(evpipe__spool *spool, int remove)
{
	while (!TAILQ_EMPTY(&spool->segments))
		drop_segment(spool, TAILQ_FIRST(&spool->segments), remove);
}

/* In the order of positions, whatever the order of a directory. */
static void insert(evpipe__spool *spool, evpipe__segment *segment)
{
	evpipe__segment *after = TAILQ_LAST(&spool->segments, evpipe__segment_list);
	while (after && after->start > segment->start)
		after = TAILQ_PREV(after, evpipe__segment_list, link);
	if (after)
		TAILQ_INSERT_AFTER(&spool->segments, after, segment, link);
	else
		TAILQ_INSERT_HEAD(&spool->segments, segment, link);
	spool->bytes += segment->room;
	/* One was left when the next record did not fit: the room behind its last one is the next segment's. */
	const evpipe__segment *next = TAILQ_NEXT(segment, link);
	if (after && after->end > segment->start)
		after->end = segment->start;
	if (next && segment->end > next->start)
		segment->end = next->start;
}

/* Marks are made with the key, and are the same in ring and segments. */
static int is_of_journal(const evpipe__spool *spool, const evpipe__identity *identity)
{
	return identity->nonce == spool->identity.nonce && (!spool->identity.key || identity->key == spool->identity.key);
}

evpipe_err evpipe__spool_adopt(evpipe__spool *spool, const char *name, unsigned flags, evpipe__scanned *scanned, evpipe_error *error)
{
	evpipe__scanned  found = {0};
	evpipe__segment *segment = evpipe__calloc(1, sizeof *segment);
	if (!segment)
		return evpipe__fail_plain(error, EVPIPE_ENOMEM);
	evpipe_err err = spool->storage.ops->open(spool->storage.self, name, flags, &segment->file, error);
	if (err)
		goto out;
	if (evpipe__area_is_blank(segment->file.memory, segment->file.size)) {
		/* Whoever made it died before it was synced for the first time. */
		if (!spool->is_scratch)
			spool->storage.ops->remove(spool->storage.self, name);
		goto out;
	}
	const char *why = evpipe__area_open(&segment->area, segment->file.memory, segment->file.size, EVPIPE__AREA_SEGMENT);
	if (!why && !is_of_journal(spool, &segment->area.header->identity))
		why = "not of the journal that it is named after";
	if (why) {
		err = evpipe__fail(error, EVPIPE_EFORMAT, "%s: %s", name, why);
		goto out;
	}
	/* As long as it is, which may be less than it was. */
	segment->room = (segment->file.size - EVPIPE__AREA_HEADER_SIZE) / EVPIPE__GRANULE * EVPIPE__GRANULE;
	spool->capacity = segment->area.header->capacity;
	spool->identity = segment->area.header->identity;
	if (segment->room > spool->capacity)
		segment->room = spool->capacity;
	segment->start = segment->settled = segment->area.header->start;
	segment->end = evpipe__area_mend(&segment->area, segment->start, segment->start + segment->room, 1, &found);
	segment->is_dirty = segment->is_adopted = 1;
	segment->undone = found.records;
	segment->is_damaged = found.damaged > 0;
	scanned->records += found.records;
	scanned->done += found.done;
	scanned->torn += found.torn;
	scanned->damaged += found.damaged;
	insert(spool, segment);
	if (segment->end > spool->copied)
		spool->copied = segment->end;
	segment = NULL;
out:
	if (segment) {
		spool->storage.ops->close(spool->storage.self, &segment->file);
		evpipe__free(segment);
	}
	return err;
}

/* ---- writing ---- */

static void begin_segment(evpipe__spool *spool, evpipe__segment *segment, uint64_t start)
{
	evpipe__area_init(&segment->area, segment->file.memory, EVPIPE__AREA_SEGMENT, spool->capacity, &spool->identity, start);
	segment->start = segment->end = segment->settled = start;
	segment->room = spool->capacity;
	segment->is_dirty = 1;
}

static evpipe_err new_segment(evpipe__spool *spool, uint64_t start, evpipe_error *error)
{
	char             name[EVPIPE__FILE_NAME_MAX];
	evpipe__segment *segment = evpipe__calloc(1, sizeof *segment);
	if (!segment)
		return evpipe__fail_plain(error, EVPIPE_ENOMEM);
	evpipe__spool_name(name, spool->identity.nonce, start, "segment");
	evpipe_err err = spool->storage.ops->create(spool->storage.self, name, evpipe__area_size(spool->capacity), 0, &segment->file, error);
	if (!err) {
		begin_segment(spool, segment, start);
		/* The header before all else: what has none, when the machine is back, is blank, and can be told from what is not ours. */
		err = spool->storage.ops->sync(spool->storage.self, &segment->file, error);
		if (err) {
			spool->storage.ops->close(spool->storage.self, &segment->file);
			spool->storage.ops->remove(spool->storage.self, name);
		}
	}
	if (err) {
		evpipe__free(segment);
		return err;
	}
	insert(spool, segment);
	return EVPIPE_OK;
}

evpipe_err evpipe__spool_copy(evpipe__spool *spool, const struct evpipe__record *record, uint64_t position, uint64_t size,
                              evpipe_error *error)
{
	evpipe__segment *segment = TAILQ_LAST(&spool->segments, evpipe__segment_list);
	evpipe_err       err;

	if (segment && !segment->undone && !segment->is_adopted) {
		/* Nobody needs what it has: in its place. What is not written is zero, so that damage is told from it. */
		memset(segment->area.records, 0, segment->end - segment->start);
		begin_segment(spool, segment, position);
	}
	if (!segment || position + size > segment->start + segment->room) {
		err = new_segment(spool, position, error);
		if (err)
			return err;
		segment = TAILQ_LAST(&spool->segments, evpipe__segment_list);
	}
	if (segment->end != position)
		evpipe__area_pad(&segment->area, segment->end, position - segment->end);
	struct evpipe__record *copy = evpipe__area_at(&segment->area, position);
	memcpy((char *)copy + sizeof copy->commit, (const char *)record + sizeof copy->commit, size - sizeof copy->commit);
	copy->mark = EVPIPE__MARK_NEW;
	evpipe__area_publish_checked(&segment->area, copy, position, size);
	segment->end = position + size;
	segment->undone++;
	segment->is_dirty = 1;
	return EVPIPE_OK;
}

int evpipe__spool_is_dirty(const evpipe__spool *spool)
{
	const evpipe__segment *segment;
	TAILQ_FOREACH(segment, &spool->segments, link)
		if (segment->is_dirty)
			return 1;
	return 0;
}

evpipe_err evpipe__spool_sync(evpipe__spool *spool, evpipe_error *error)
{
	evpipe_err       err = EVPIPE_OK;
	evpipe__segment *segment;

	TAILQ_FOREACH(segment, &spool->segments, link) {
		if (!segment->is_dirty)
			continue;
		evpipe_err failed = spool->storage.ops->sync(spool->storage.self, &segment->file, error);
		segment->is_dirty = failed != EVPIPE_OK;
		err = err ? err : failed;
	}
	return err;
}

/* ---- finding ---- */

static evpipe__segment *segment_of(evpipe__spool *spool, uint64_t position)
{
	evpipe__segment *segment = spool->last_found;
	if (segment && segment->start <= position && position < segment->end)
		return segment;
	TAILQ_FOREACH(segment, &spool->segments, link)
		if (position < segment->end)
			break;
	if (!segment || segment->start > position)
		return NULL;
	return spool->last_found = segment;
}

struct evpipe__record *evpipe__spool_find(evpipe__spool *spool, uint64_t position, uint64_t *size)
{
	evpipe__segment *segment = segment_of(spool, position);
	if (!segment || !(*size = evpipe__area_published(&segment->area, position)))
		return NULL;
	struct evpipe__record *record = evpipe__area_at(&segment->area, position);
	return record->is_padding ? NULL : record;
}

struct evpipe__record *evpipe__spool_next(evpipe__spool *spool, uint64_t *position, uint64_t end, uint64_t *size)
{
	while (*position < end) {
		evpipe__segment *segment = segment_of(spool, *position);
		if (!segment) {
			/* Between two, what was done when it was to be copied. */
			TAILQ_FOREACH(segment, &spool->segments, link)
				if (segment->start > *position)
					break;
			*position = segment && segment->start < end ? segment->start : end;
			continue;
		}
		*size = evpipe__area_published(&segment->area, *position);
		if (*size && !evpipe__area_at(&segment->area, *position)->is_padding)
			return evpipe__area_at(&segment->area, *position);
		/* Within padding nothing is published: then the next granule may be. */
		*position += *size ? *size : EVPIPE__GRANULE;
		uint64_t stop = segment->end < end ? segment->end : end;
		if (*position > stop)
			*position = stop;
	}
	return NULL;
}

void evpipe__spool_mark(evpipe__spool *spool, uint64_t position, uint32_t mark)
{
	uint64_t               size;
	struct evpipe__record *record = evpipe__spool_find(spool, position, &size);
	if (!record)
		return;
	evpipe__segment *segment = segment_of(spool, position);
	int              was_done = evpipe__record_is_done(record);
	record->mark = mark;
	segment->undone -= !was_done && evpipe__record_is_done(record);
	segment->is_dirty |= evpipe__record_is_done(record);
}

/* ---- reclaiming ---- */

static uint64_t settle(evpipe__segment *segment, uint64_t end)
{
	uint64_t stop = end < segment->end ? end : segment->end;
	while (segment->settled < stop) {
		const struct evpipe__record *record = evpipe__area_at(&segment->area, segment->settled);
		uint64_t                     size = evpipe__area_published(&segment->area, segment->settled);
		if (!size || (!record->is_padding && !evpipe__record_is_done(record)))
			break;
		segment->settled += size;
	}
	return segment->settled;
}

uint64_t evpipe__spool_reclaim(evpipe__spool *spool, uint64_t end)
{
	evpipe__segment *segment, *next;
	uint64_t         first = end;

	for (segment = TAILQ_FIRST(&spool->segments); segment; segment = next) {
		next = TAILQ_NEXT(segment, link);
		if (!segment->undone && next) {
			drop_segment(spool, segment, 1);
			continue;
		}
		if (first == end && segment->start < end && segment->undone) {
			uint64_t settled = settle(segment, end);
			if (settled < segment->end && settled < end)
				first = settled;
		}
	}
	return first;
}

int evpipe__spool_has_room(const evpipe__spool *spool)
{
	return spool->bytes + spool->bytes_elsewhere + spool->capacity <= spool->bytes_max;
}
