#include "rejects.h"

#include <inttypes.h>
#include <string.h>

#include "errors.h"
#include "record.h"
#include "spool.h"

#define CAPACITY_MIN (UINT64_C(1) << 20)
#define FILES_MAX 64 /* of one journal: something is wrong that more of them would not tell better */
#define SUFFIX "rejected"

void evpipe__rejects_init(evpipe__rejects *rejects, const evpipe__storage *storage, const evpipe__identity *identity, uint64_t event_max)
{
	*rejects = (evpipe__rejects){.storage = *storage, .identity = *identity};
	rejects->capacity = evpipe__area_capacity(2 * event_max > CAPACITY_MIN ? 2 * event_max : CAPACITY_MIN);
}

void evpipe__rejects_release(evpipe__rejects *rejects)
{
	if (rejects->storage.ops)
		rejects->storage.ops->close(rejects->storage.self, &rejects->file);
}

static evpipe_err next_file(evpipe__rejects *rejects, evpipe_error *error)
{
	char         name[EVPIPE__FILE_NAME_MAX];
	evpipe__file file;

	if (rejects->files == FILES_MAX)
		return evpipe__fail(error, EVPIPE_EFULL, "%d files of rejected events are kept, and no more", FILES_MAX);
	evpipe__spool_name(name, rejects->identity.nonce, rejects->files, SUFFIX);
	evpipe_err err =
		rejects->storage.ops->create(rejects->storage.self, name, evpipe__area_size(rejects->capacity), 0, &file, error);
	if (err)
		return err;
	evpipe__rejects_release(rejects);
	rejects->file = file;
	rejects->files++;
	rejects->end = 0;
	evpipe__area_init(&rejects->area, file.memory, EVPIPE__AREA_REJECTED, rejects->capacity, &rejects->identity, 0);
	return EVPIPE_OK;
}

evpipe_err evpipe__rejects_add(evpipe__rejects *rejects, const evpipe_event *event, const char *reason, evpipe_error *error)
{
	evpipe_header headers[EVPIPE__HEADERS_MAX + 1];
	evpipe_event  with_reason = *event;
	size_t        lengths[4];

	if (event->headers_count)
		memcpy(headers, event->headers, event->headers_count * sizeof *headers);
	headers[event->headers_count] = (evpipe_header){EVPIPE__REJECTS_HEADER, reason, strlen(reason) + 1};
	with_reason.headers = headers;
	with_reason.headers_count++;
	size_t     size = evpipe__record_size_of(&with_reason, lengths);
	evpipe_err err = EVPIPE_OK;
	if (!rejects->file.memory || rejects->end + size > rejects->capacity)
		err = size > rejects->capacity ? evpipe__fail_plain(error, EVPIPE_ETOOLARGE) : next_file(rejects, error);
	if (err)
		return err;
	struct evpipe__record *record = evpipe__area_at(&rejects->area, rejects->end);
	evpipe__record_write(record, &with_reason, lengths, 0);
	evpipe__area_publish_checked(&rejects->area, record, rejects->end, size);
	rejects->end += size;
	return rejects->storage.ops->sync(rejects->storage.self, &rejects->file, error);
}

/* A text, whoever wrote it. */
static int is_reason(const evpipe_header *header)
{
	const char *text = header->value;
	return strcmp(header->name, EVPIPE__REJECTS_HEADER) == 0 && header->value_len && text[header->value_len - 1] == '\0';
}

static int visit_all(const evpipe__area *area, uint64_t end, evpipe__rejected_visit visit, void *ctx)
{
	evpipe__journal_entry entry;
	int                   stopped = 0;

	for (uint64_t position = 0; position < end && !stopped; position += evpipe__area_published(area, position)) {
		const struct evpipe__record *record = evpipe__area_at(area, position);
		if (record->is_padding)
			continue;
		evpipe__record_read(record, position, &entry);
		size_t last = entry.event.headers_count ? entry.event.headers_count - 1 : 0;
		int    has_reason = entry.event.headers_count && is_reason(&entry.headers[last]);
		entry.event.headers_count = last;
		stopped = visit(ctx, &entry.event, has_reason ? entry.headers[last].value : "");
	}
	return stopped;
}

evpipe_err evpipe__rejects_each(const evpipe__storage *storage, const char *name, evpipe__rejected_visit visit, void *ctx, int *stopped,
                                evpipe_error *error)
{
	evpipe__scanned scanned = {0};
	evpipe__file    file;
	evpipe__area    area;
	evpipe_err      err = storage->ops->open(storage->self, name, EVPIPE__FILE_SCRATCH, &file, error);

	if (err)
		return err;
	const char *why = evpipe__area_open(&area, file.memory, file.size, EVPIPE__AREA_REJECTED);
	if (evpipe__area_is_blank(file.memory, file.size)) {
		/* Whoever made it died. */
		*stopped = 0;
	} else if (why) {
		err = evpipe__fail(error, EVPIPE_EFORMAT, "%s: %s", name, why);
	} else {
		uint64_t end = (file.size - EVPIPE__AREA_HEADER_SIZE) / EVPIPE__GRANULE * EVPIPE__GRANULE;
		end = end < area.mask + 1 ? end : area.mask + 1;
		evpipe__area_mend(&area, 0, end, 1, &scanned);
		*stopped = visit_all(&area, end, visit, ctx);
		if (scanned.damaged)
			err = evpipe__fail(error, EVPIPE_EFORMAT, "%s: damaged events: %" PRIu64 ", which were passed over", name, scanned.damaged);
	}
	storage->ops->close(storage->self, &file);
	return err;
}

int evpipe__rejects_is_name(const char *name, uint64_t *nonce)
{
	uint64_t number;
	return evpipe__spool_is_name(name, nonce, &number, SUFFIX);
}
