/*
 * Looking at the journals of a directory.
 */
#include <inttypes.h>
#include <stdio.h>

#include "errors.h"
#include "memory.h"
#include "platform.h"
#include "recovery.h"
#include "rejects.h"

#define NAME_SIZE 24

struct inspection {
	evpipe_journal_fn       on_journal;
	evpipe_journal_event_fn on_event;
	void                   *ctx;
	int                     stopped;
};

static void write_name(char name[NAME_SIZE], uint64_t nonce)
{
	snprintf(name, NAME_SIZE, "%016" PRIx64, nonce);
}

static void fill_info(evpipe_journal_info *info, const char *name, const evpipe__adopted *adopted)
{
	*info = (evpipe_journal_info){.size = sizeof *info, .name = name};
	if (!adopted)
		return;
	info->state = EVPIPE_JOURNAL_DEAD;
	info->created_ms = adopted->created_ms;
	info->events = adopted->found.records;
	info->done = adopted->found.done;
	info->torn_bytes = adopted->found.torn;
	info->damaged = adopted->found.damaged;
}

/* Those that were adopted are told of in order, later. */
static void tell_met(void *ctx, evpipe__fate fate, uint64_t nonce, const evpipe__adopted *adopted, const char *why)
{
	struct inspection  *inspection = ctx;
	evpipe_journal_info info;
	char                name[NAME_SIZE];

	(void)adopted;
	if (fate == EVPIPE__FATE_ADOPTED || !inspection->on_journal || inspection->stopped)
		return;
	write_name(name, nonce);
	fill_info(&info, name, NULL);
	info.state = fate == EVPIPE__FATE_REFUSED ? EVPIPE_JOURNAL_REFUSED : EVPIPE_JOURNAL_ALIVE;
	info.problem = why;
	inspection->stopped = inspection->on_journal(inspection->ctx, &info) != 0;
}

static void tell_events(struct inspection *inspection, evpipe__adopted *adopted, const evpipe_journal_info *info)
{
	uint64_t              cursor = evpipe__journal_tail(adopted->journal);
	evpipe__journal_entry entry;
	char                  id[EVPIPE__ID_MAX];

	while (!inspection->stopped && cursor != evpipe__journal_head(adopted->journal) &&
	       evpipe__journal_next(adopted->journal, &cursor, &entry)) {
		cursor = evpipe__journal_pass(adopted->journal, entry.position);
		entry.event.id = evpipe__journal_entry_id(&entry, adopted->nonce, id);
		inspection->stopped = inspection->on_event(inspection->ctx, info, &entry.event) != 0;
	}
}

static void tell_adopted(struct inspection *inspection, evpipe__adopted *adopted)
{
	evpipe_journal_info info;
	char                name[NAME_SIZE];

	write_name(name, adopted->nonce);
	fill_info(&info, name, adopted);
	if (inspection->on_journal && !inspection->stopped)
		inspection->stopped = inspection->on_journal(inspection->ctx, &info) != 0;
	if (inspection->on_event)
		tell_events(inspection, adopted, &info);
}

evpipe_err evpipe_journal_inspect(const char *dir, evpipe_journal_fn on_journal, evpipe_journal_event_fn on_event, void *ctx,
                                  evpipe_error *error)
{
	struct inspection           inspection = {.on_journal = on_journal, .on_event = on_event, .ctx = ctx};
	struct evpipe__adopted_list list = STAILQ_HEAD_INITIALIZER(list);
	evpipe__storage             storage;
	evpipe__adopted            *adopted;

	if (!dir)
		return evpipe__fail_plain(error, EVPIPE_EINVAL);
	evpipe_err err = evpipe__directory_new(&storage, dir, 0, error);
	if (err)
		return err;
	err = evpipe__recovery_adopt(&list, &storage, EVPIPE__FILE_SCRATCH, tell_met, &inspection, error);
	while ((adopted = STAILQ_FIRST(&list))) {
		if (!err)
			tell_adopted(&inspection, adopted);
		STAILQ_REMOVE_HEAD(&list, link);
		evpipe__adopted_free(adopted, 0);
	}
	storage.ops->free(storage.self);
	return err;
}

/* ---- rejected events ---- */

struct rejected {
	const evpipe__storage     *storage;
	evpipe_journal_rejected_fn on_event;
	void                      *ctx;
	evpipe_journal_info        info;
	int                        stopped;
	evpipe_error               error; /* the first */
};

static int tell_rejected(void *ctx, const evpipe_event *event, const char *reason)
{
	struct rejected *rejected = ctx;
	return rejected->on_event(rejected->ctx, &rejected->info, event, reason);
}

static int visit_file(void *ctx, const char *file)
{
	struct rejected       *rejected = ctx;
	const evpipe__storage *storage = rejected->storage;
	char                   name[NAME_SIZE], lock_name[EVPIPE__FILE_NAME_MAX];
	uint64_t               nonce;
	void                  *lock = NULL;
	evpipe_error           error;

	if (!evpipe__rejects_is_name(file, &nonce))
		return 0;
	write_name(name, nonce);
	evpipe__recovery_name(lock_name, nonce, "lock");
	fill_info(&rejected->info, name, NULL);
	/* Once dead it stays so: to hold the lock would only keep others from adopting what is left of it beside this file. */
	int is_dead = storage->ops->lock(storage->self, lock_name, EVPIPE__FILE_SCRATCH, &lock, &error) == EVPIPE_OK;
	storage->ops->unlock(storage->self, lock);
	rejected->info.state = is_dead ? EVPIPE_JOURNAL_DEAD : EVPIPE_JOURNAL_ALIVE;
	evpipe_err err = evpipe__rejects_each(storage, file, tell_rejected, rejected, &rejected->stopped, &error);
	if (err && !rejected->error.code)
		rejected->error = error;
	if (!err && !rejected->stopped && rejected->on_event(rejected->ctx, &rejected->info, NULL, NULL) != 0 && is_dead)
		storage->ops->remove(storage->self, file);
	return rejected->stopped;
}

evpipe_err evpipe_journal_rejected(const char *dir, evpipe_journal_rejected_fn on_event, void *ctx, evpipe_error *error)
{
	evpipe__storage storage;
	struct rejected rejected = {.storage = &storage, .on_event = on_event, .ctx = ctx};

	if (!dir || !on_event)
		return evpipe__fail_plain(error, EVPIPE_EINVAL);
	evpipe_err err = evpipe__directory_new(&storage, dir, 0, error);
	if (err)
		return err;
	err = storage.ops->list(storage.self, visit_file, &rejected, error);
	if (!err && rejected.error.code)
		err = evpipe__fail(error, rejected.error.code, "%s", rejected.error.text);
	storage.ops->free(storage.self);
	return err;
}
