#include "home.h"

#include <inttypes.h>
#include <string.h>

#include "errors.h"
#include "platform.h"

enum { DURABILITY_MEMORY, DURABILITY_PROCESS, DURABILITY_DISK }; /* as the choices of journal.durability */

static uint64_t number_of(const evpipe_config *config, const char *name)
{
	return (uint64_t)evpipe_config_number(config, NULL, name);
}

/* ---- what was left ---- */

static void tell_met(void *ctx, evpipe__fate fate, uint64_t nonce, const evpipe__adopted *adopted, const char *why)
{
	evpipe__home *home = ctx;
	char          quoted[256];

	if (fate == EVPIPE__FATE_REFUSED) {
		evpipe__log_line(&home->log, EVPIPE_LOG_ERROR, "event=journal_refused journal=%016" PRIx64 " kept=yes text=%s", nonce,
		                 evpipe__log_quote(quoted, sizeof quoted, why));
	} else if (fate == EVPIPE__FATE_ADOPTED) {
		const evpipe__scanned *found = &adopted->found;
		evpipe__log_line(&home->log, found->damaged ? EVPIPE_LOG_ERROR : EVPIPE_LOG_INFO,
		                 "event=journal_adopted journal=%016" PRIx64 " events=%" PRIu64 " torn_bytes=%" PRIu64 " damaged=%" PRIu64,
		                 nonce, found->records, found->torn, found->damaged);
		home->recovered += found->records;
	}
}

static uint64_t bytes_adopted(const evpipe__home *home)
{
	const evpipe__adopted *adopted;
	uint64_t               bytes = 0;
	STAILQ_FOREACH(adopted, &home->adopted, link)
		bytes += adopted->bytes;
	return bytes;
}

/* ---- our own ---- */

static evpipe_err make_region(evpipe__home *home, int durability, size_t capacity, void **region, evpipe_error *error)
{
	char   name[EVPIPE__FILE_NAME_MAX];
	size_t size = evpipe__journal_region_size(capacity);

	if (durability == DURABILITY_MEMORY) {
		evpipe_err err = evpipe__region_new(&home->region, size);
		*region = home->region;
		home->region_size = size;
		return err ? evpipe__fail(error, err, "journal.size = %zu bytes: %s", capacity, evpipe_strerror(err)) : EVPIPE_OK;
	}
	evpipe__recovery_name(name, home->identity.nonce, "ring");
	evpipe_err err = home->storage.ops->create(home->storage.self, name, size, EVPIPE__FILE_RESIDENT, &home->ring, error);
	*region = home->ring.memory;
	return err;
}

/* Those it adopted come first, also with whoever adopts all of them: whatever the clock was set to since. */
static int64_t created_ms(const evpipe__home *home, const evpipe_runtime *runtime)
{
	int64_t                now_ms = runtime->wall_ms(runtime->ctx);
	const evpipe__adopted *adopted;

	STAILQ_FOREACH(adopted, &home->adopted, link)
		if (adopted->created_ms >= now_ms)
			now_ms = adopted->created_ms + 1;
	return now_ms;
}

#define DRAWS_MAX 100

/* A nonce that nobody has, and the lock of that name. */
static evpipe_err draw_nonce(evpipe__home *home, const evpipe_runtime *runtime, evpipe_error *error)
{
	char       name[EVPIPE__FILE_NAME_MAX];
	evpipe_err err = EVPIPE_EAGAIN;

	for (int draws = 0; err == EVPIPE_EAGAIN && draws < DRAWS_MAX; draws++) {
		home->identity.nonce = runtime->random(runtime->ctx);
		evpipe__recovery_name(name, home->identity.nonce, "lock");
		err = home->storage.ops ? home->storage.ops->lock(home->storage.self, name, 0, &home->lock, error) : EVPIPE_OK;
	}
	return err == EVPIPE_EAGAIN ? evpipe__fail(error, EVPIPE_EIO, "all of %d random names were taken: the last was %s", DRAWS_MAX, name)
	                            : err;
}

static evpipe_err make_journal(evpipe__home *home, const evpipe_config *config, evpipe_error *error)
{
	int           durability = (int)number_of(config, "journal.durability");
	size_t        capacity = number_of(config, "journal.size");
	uint64_t      event_max = number_of(config, "event.max");
	void         *region;
	evpipe__spool spool;

	evpipe_err err = make_region(home, durability, capacity, &region, error);
	if (err)
		return err;
	err = evpipe__journal_new(&home->journal, region, capacity, &home->identity, 0);
	if (err)
		return evpipe__fail_plain(error, err);
	if (durability == DURABILITY_DISK) {
		evpipe__spool_init(&spool, &home->storage, &home->identity, number_of(config, "journal.spool_size"), event_max, 0);
		spool.bytes_elsewhere = bytes_adopted(home);
		evpipe__journal_use_spool(home->journal, &spool);
	}
	evpipe__rejects_init(&home->rejects, &home->storage, &home->identity, event_max);
	return EVPIPE_OK;
}

static evpipe_err open_directory(evpipe__home *home, const evpipe_config *config, evpipe_error *error)
{
	const char  *dir = evpipe_config_text(config, NULL, "journal.dir");
	char         quoted[256];
	evpipe_error why;

	if (config->storage) {
		home->storage = *config->storage;
	} else if (dir) {
		evpipe_err err = evpipe__directory_new(&home->storage, dir, 1, &why);
		if (err)
			return evpipe__fail(error, err, "journal.dir: %s", why.text);
		if (number_of(config, "journal.durability") == DURABILITY_PROCESS && !evpipe__directory_is_memory(&home->storage))
			evpipe__log_line(&home->log, EVPIPE_LOG_WARN, "event=journal_not_in_memory dir=%s text=%s",
			                 evpipe__log_quote(quoted, sizeof quoted, dir),
			                 "\"the kernel writes this journal to a disk and now and then makes emit wait for it: "
			                 "use a directory on tmpfs\"");
	} else {
		return EVPIPE_OK;
	}
	return evpipe__recovery_adopt(&home->adopted, &home->storage, 0, tell_met, home, error);
}

evpipe_err evpipe__home_open(evpipe__home *home, const evpipe_config *config, const evpipe_runtime *runtime, evpipe_error *error)
{
	*home = (evpipe__home){.log = config->log};
	STAILQ_INIT(&home->adopted);
	evpipe_err err = open_directory(home, config, error);
	home->identity = (evpipe__identity){
		.key = runtime->random(runtime->ctx),
		.boot = {home->storage.boot[0], home->storage.boot[1]},
		.created_ms = created_ms(home, runtime),
		.is_spooled = number_of(config, "journal.durability") == DURABILITY_DISK,
	};
	if (!err)
		err = draw_nonce(home, runtime, error);
	if (!err)
		err = make_journal(home, config, error);
	if (err)
		evpipe__home_close(home, 1);
	return err;
}

/* ---- the disk ---- */

/* What cannot be copied leaves what was to be written. */
static evpipe_err sync_journal(evpipe__journal *journal, evpipe_error *error)
{
	evpipe__spool *spool = evpipe__journal_spool(journal);

	if (!spool || !spool->identity.is_spooled)
		return EVPIPE_OK;
	evpipe_err err = evpipe__journal_copy(journal, error);
	evpipe_err failed = evpipe__spool_sync(spool, err ? NULL : error);
	return err ? err : failed;
}

static evpipe_err sync_adopted(evpipe__home *home, evpipe_error *error)
{
	evpipe__adopted *adopted;
	evpipe_err       err = EVPIPE_OK;

	STAILQ_FOREACH(adopted, &home->adopted, link) {
		evpipe_err failed = sync_journal(adopted->journal, err ? NULL : error);
		err = err ? err : failed;
	}
	return err;
}

evpipe_err evpipe__home_sync(evpipe__home *home, evpipe_error *error)
{
	evpipe_err err = sync_journal(home->journal, error);
	evpipe_err failed = sync_adopted(home, err ? NULL : error);
	return err ? err : failed;
}

int evpipe__home_is_unsynced(const evpipe__home *home)
{
	const evpipe__adopted *adopted;

	STAILQ_FOREACH(adopted, &home->adopted, link)
		if (evpipe__journal_is_uncopied(adopted->journal))
			return 1;
	return evpipe__journal_is_uncopied(home->journal);
}

/* ---- the end ---- */

/* True if nothing in our own has to be kept. What has to be, and is on a disk, is written there. */
static int is_done_with(evpipe__home *home)
{
	evpipe_error error;
	char         quoted[256];

	evpipe__journal_reclaim(home->journal);
	int        is_empty = evpipe__journal_tail(home->journal) == evpipe__journal_head(home->journal);
	evpipe_err err = is_empty ? sync_adopted(home, &error) : evpipe__home_sync(home, &error);
	if (err)
		evpipe__log_line(&home->log, EVPIPE_LOG_ERROR, "event=journal_not_synced text=%s",
		                 evpipe__log_quote(quoted, sizeof quoted, error.text));
	return is_empty || (!evpipe__journal_spool(home->journal) && !home->ring.memory);
}

void evpipe__home_close(evpipe__home *home, int touch)
{
	const evpipe__storage *storage = &home->storage;
	evpipe__adopted       *adopted;
	char                   name[EVPIPE__FILE_NAME_MAX];
	int                    done = touch && home->journal && is_done_with(home);

	while ((adopted = STAILQ_FIRST(&home->adopted))) {
		STAILQ_REMOVE_HEAD(&home->adopted, link);
		evpipe__adopted_free(adopted, 0);
	}
	evpipe__rejects_release(&home->rejects);
	if (done && evpipe__journal_spool(home->journal))
		evpipe__spool_release(evpipe__journal_spool(home->journal), 1);
	evpipe__journal_free(home->journal);
	if (storage->ops) {
		evpipe__recovery_name(name, home->identity.nonce, "ring");
		if (done && home->ring.memory)
			storage->ops->remove(storage->self, name);
		storage->ops->close(storage->self, &home->ring);
		storage->ops->unlock(storage->self, home->lock);
		if (storage->ops->free)
			storage->ops->free(storage->self);
	}
	evpipe__region_free(home->region, home->region_size);
	*home = (evpipe__home){0};
}
