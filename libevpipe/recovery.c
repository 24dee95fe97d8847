#include "recovery.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "memory.h"

/* Journals of one directory that are looked at; those beyond wait for the next who looks. */
#define JOURNALS_MAX 4096
/* Of one journal: a spool has some 256, however large it is. */
#define SEGMENTS_MAX 65536

void evpipe__recovery_name(char name[EVPIPE__FILE_NAME_MAX], uint64_t nonce, const char *suffix)
{
	snprintf(name, EVPIPE__FILE_NAME_MAX, "%016" PRIx64 ".%s", nonce, suffix);
}

/* ---- who there is ---- */

struct numbers {
	uint64_t *all;
	size_t    count;
	int       failed; /* memory was short */
	int       is_full;
};

static int has(const struct numbers *numbers, uint64_t number)
{
	for (size_t i = 0; i < numbers->count; i++)
		if (numbers->all[i] == number)
			return 1;
	return 0;
}

/* True if no more of them are wanted: there are more than `max`, or there is no memory. */
static int add(struct numbers *numbers, uint64_t number, size_t max)
{
	numbers->is_full = numbers->count == max;
	if (numbers->is_full)
		return 1;
	if (numbers->count % 64 == 0) {
		uint64_t *more = evpipe__realloc(numbers->all, (numbers->count + 64) * sizeof *more);
		numbers->failed = !more;
		if (!more)
			return 1;
		numbers->all = more;
	}
	numbers->all[numbers->count++] = number;
	return 0;
}

/* NONCE.ring, NONCE.lock and NONCE-POSITION.segment. */
static int nonce_of(const char *name, uint64_t *nonce)
{
	char     expected[EVPIPE__FILE_NAME_MAX], *end;
	uint64_t position;

	if (evpipe__spool_is_name(name, nonce, &position, "segment"))
		return 1;
	if (strlen(name) < 16)
		return 0;
	*nonce = strtoull(name, &end, 16);
	for (int i = 0; i < 2; i++) {
		evpipe__recovery_name(expected, *nonce, i ? "lock" : "ring");
		if (strcmp(name, expected) == 0)
			return 1;
	}
	return 0;
}

static int collect_nonce(void *ctx, const char *name)
{
	struct numbers *nonces = ctx;
	uint64_t        nonce;

	return nonce_of(name, &nonce) && !has(nonces, nonce) && add(nonces, nonce, JOURNALS_MAX);
}

/* ---- the files of one ---- */

struct names {
	uint64_t       nonce;
	int            has_ring;
	struct numbers segments; /* their positions */
};

static int collect_file(void *ctx, const char *name)
{
	struct names *names = ctx;
	char          ring[EVPIPE__FILE_NAME_MAX];
	uint64_t      nonce, position;

	evpipe__recovery_name(ring, names->nonce, "ring");
	names->has_ring |= strcmp(name, ring) == 0;
	return evpipe__spool_is_name(name, &nonce, &position, "segment") && nonce == names->nonce &&
	       add(&names->segments, position, SEGMENTS_MAX);
}

struct adopting {
	const evpipe__storage *storage;
	unsigned               flags;
	evpipe__met_fn         met;
	void                  *ctx;
};

/* One segment that cannot be read leaves the others as good as they are. */
static evpipe_err adopt_segments(const struct adopting *adopting, evpipe__adopted *adopted, evpipe__spool *spool, const struct names *names,
                                 evpipe_error *error)
{
	char name[EVPIPE__FILE_NAME_MAX];

	for (size_t i = 0; i < names->segments.count; i++) {
		evpipe__spool_name(name, adopted->nonce, names->segments.all[i], "segment");
		evpipe_err err = evpipe__spool_adopt(spool, name, adopting->flags, &adopted->found, error);
		if (err == EVPIPE_ENOMEM)
			return err;
		if (err)
			adopting->met(adopting->ctx, EVPIPE__FATE_REFUSED, adopted->nonce, NULL, error->text);
	}
	adopted->bytes = spool->bytes;
	return EVPIPE_OK;
}

static int is_of_this_boot(const evpipe__storage *storage, const evpipe__identity *identity)
{
	static const uint64_t unknown[2] = {0, 0};
	return memcmp(identity->boot, storage->boot, sizeof unknown) == 0 || memcmp(storage->boot, unknown, sizeof unknown) == 0;
}

/*
 * What a ring on a disk is worth after the machine was restarted nobody knows: some of its pages were written, some were
 * not, and it has no checksums. Forget it where segments have the rest; else it is refused.
 */
static const char *check_ring(const evpipe__adopted *adopted, const evpipe__area *ring, int *is_lost)
{
	const evpipe__identity *identity = &ring->header->identity;

	*is_lost = 0;
	if (identity->nonce != adopted->nonce)
		return "not of the journal that it is named after";
	if (is_of_this_boot(&adopted->storage, identity))
		return NULL;
	*is_lost = identity->is_spooled != 0;
	return *is_lost ? NULL : "written before the machine was restarted: what it holds cannot be relied on";
}

static evpipe_err open_ring(const struct adopting *adopting, evpipe__adopted *adopted, evpipe__identity *identity, int *is_headless,
                            evpipe_error *error)
{
	char         name[EVPIPE__FILE_NAME_MAX];
	evpipe__area ring;
	int          is_lost;

	evpipe__recovery_name(name, adopted->nonce, "ring");
	evpipe_err err = adopted->storage.ops->open(adopted->storage.self, name, adopting->flags, &adopted->ring, error);
	if (err)
		return err;
	int is_blank = evpipe__area_is_blank(adopted->ring.memory, adopted->ring.size);
	*is_headless = !is_blank && evpipe__area_is_headless(adopted->ring.memory, adopted->ring.size);
	if (!is_blank && !*is_headless) {
		const char *why = evpipe__area_open(&ring, adopted->ring.memory, adopted->ring.size, EVPIPE__AREA_RING);
		if (!why)
			why = check_ring(adopted, &ring, &is_lost);
		if (why)
			return evpipe__fail(error, EVPIPE_EFORMAT, "%s: %s", name, why);
		adopted->created_ms = ring.header->identity.created_ms;
		if (!is_lost) {
			*identity = ring.header->identity;
			return EVPIPE_OK;
		}
	}
	/* Its maker died before it was ever used, or it is of no use any more. */
	adopted->storage.ops->close(adopted->storage.self, &adopted->ring);
	return EVPIPE_OK;
}

static evpipe_err assemble(const struct adopting *adopting, evpipe__adopted *adopted, const struct names *names, evpipe_error *error)
{
	evpipe__identity identity = {.nonce = adopted->nonce};
	evpipe__spool    spool;
	int              is_headless = 0;

	evpipe__spool_init(&spool, adopting->storage, &identity, 0, 0, 0);
	spool.is_scratch = (adopting->flags & EVPIPE__FILE_SCRATCH) != 0;
	evpipe_err err = names->has_ring ? open_ring(adopting, adopted, &spool.identity, &is_headless, error) : EVPIPE_OK;
	if (!err)
		err = adopt_segments(adopting, adopted, &spool, names, error);
	/* Did the machine die before the page was written? Segments know: they have the rest. */
	if (!err && is_headless && (!spool.identity.is_spooled || is_of_this_boot(adopting->storage, &spool.identity)))
		err = evpipe__fail(error, EVPIPE_EFORMAT, "%016" PRIx64 ".ring: it has no header, but is not blank: not a journal of libevpipe's",
		                   adopted->nonce);
	if (!err && !TAILQ_EMPTY(&spool.segments) && !adopted->created_ms)
		adopted->created_ms = TAILQ_FIRST(&spool.segments)->area.header->identity.created_ms;
	if (!err)
		err = evpipe__journal_adopt(&adopted->journal, adopted->ring.memory, adopted->ring.size, &spool, &adopted->found, error);
	if (err)
		evpipe__spool_release(&spool, 0);
	return err;
}

/* ---- adopting ---- */

static void insert(struct evpipe__adopted_list *list, evpipe__adopted *adopted)
{
	evpipe__adopted *before = NULL, *at;
	STAILQ_FOREACH(at, list, link) {
		if (at->created_ms > adopted->created_ms)
			break;
		before = at;
	}
	if (before)
		STAILQ_INSERT_AFTER(list, before, adopted, link);
	else
		STAILQ_INSERT_HEAD(list, adopted, link);
}

static evpipe_err adopt(const struct adopting *adopting, struct evpipe__adopted_list *list, uint64_t nonce, evpipe_error *error)
{
	const evpipe__storage *storage = adopting->storage;
	struct names           names = {.nonce = nonce};
	char                   name[EVPIPE__FILE_NAME_MAX];
	evpipe__adopted       *adopted = evpipe__calloc(1, sizeof *adopted);
	if (!adopted)
		return evpipe__fail_plain(error, EVPIPE_ENOMEM);
	adopted->storage = *storage;
	adopted->nonce = nonce;
	evpipe__recovery_name(name, nonce, "lock");
	evpipe_err err = storage->ops->lock(storage->self, name, adopting->flags, &adopted->lock, error);
	if (err == EVPIPE_EAGAIN) {
		adopting->met(adopting->ctx, EVPIPE__FATE_ALIVE, nonce, NULL, NULL);
		evpipe__free(adopted);
		return EVPIPE_OK;
	}
	/* Under the lock: whoever had it may have removed some since. */
	if (!err)
		err = storage->ops->list(storage->self, collect_file, &names, error);
	if (!err && names.segments.failed)
		err = evpipe__fail_plain(error, EVPIPE_ENOMEM);
	if (!err && names.segments.is_full)
		err = evpipe__fail(error, EVPIPE_EFORMAT, "more than %d segments: it has been tampered with", SEGMENTS_MAX);
	if (!err)
		err = assemble(adopting, adopted, &names, error);
	if (adopting->flags & EVPIPE__FILE_SCRATCH) {
		/* Who only looks keeps nobody from adopting it: records that were found sound stay as they are, but for their marks. */
		storage->ops->unlock(storage->self, adopted->lock);
		adopted->lock = NULL;
	}
	if (err == EVPIPE_EFORMAT) {
		adopting->met(adopting->ctx, EVPIPE__FATE_REFUSED, nonce, NULL, error->text);
		err = EVPIPE_OK;
	} else if (!err) {
		adopting->met(adopting->ctx, EVPIPE__FATE_ADOPTED, nonce, adopted, NULL);
		insert(list, adopted);
		adopted = NULL;
	}
	evpipe__adopted_free(adopted, 0);
	evpipe__free(names.segments.all);
	return err;
}

evpipe_err evpipe__recovery_adopt(struct evpipe__adopted_list *list, const evpipe__storage *storage, unsigned flags, evpipe__met_fn met,
                                  void *ctx, evpipe_error *error)
{
	struct adopting adopting = {.storage = storage, .flags = flags, .met = met, .ctx = ctx};
	struct numbers  nonces = {0};
	evpipe_error    why = {0};
	evpipe_err      err = storage->ops->list(storage->self, collect_nonce, &nonces, error);

	if (!err && nonces.failed)
		err = evpipe__fail_plain(error, EVPIPE_ENOMEM);
	for (size_t i = 0; !err && i < nonces.count; i++) {
		err = adopt(&adopting, list, nonces.all[i], &why);
		if (err)
			evpipe__fail(error, err, "%s", why.text);
	}
	evpipe__free(nonces.all);
	return err;
}

void evpipe__adopted_free(evpipe__adopted *adopted, int remove)
{
	char name[EVPIPE__FILE_NAME_MAX];

	if (!adopted)
		return;
	const evpipe__storage *storage = &adopted->storage;
	if (remove && adopted->journal) {
		evpipe__spool_release(evpipe__journal_spool(adopted->journal), 1);
		evpipe__recovery_name(name, adopted->nonce, "ring");
		storage->ops->remove(storage->self, name);
	}
	evpipe__journal_free(adopted->journal);
	storage->ops->close(storage->self, &adopted->ring);
	storage->ops->unlock(storage->self, adopted->lock);
	evpipe__free(adopted);
}
