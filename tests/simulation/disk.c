/*
 * Between an application and the files of its journal: every operation passes through, may be the one at which it is
 * killed, and is none of a dead one's. And what is left in the files when somebody dies.
 */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#include "area.h"

static const evpipe__storage *files_of(const struct machine *machine)
{
	return &machine->host->storage;
}

static evpipe_err dead(evpipe_error *error)
{
	if (error)
		*error = (evpipe_error){EVPIPE_EIO, "the process is dead"};
	return EVPIPE_EIO;
}

/* ---- what it has ---- */

static void remember(struct machine *machine, void *memory)
{
	grow(&machine->opened, machine->opened_count, &machine->opened_capacity, sizeof *machine->opened);
	machine->opened[machine->opened_count++] = memory;
}

static void forget(struct machine *machine, const void *memory)
{
	for (size_t i = 0; i < machine->opened_count; i++)
		if (machine->opened[i] == memory) {
			machine->opened[i] = machine->opened[--machine->opened_count];
			return;
		}
}

static evpipe_err do_list(void *self, int (*visit)(void *ctx, const char *name), void *ctx, evpipe_error *error)
{
	struct machine *machine = self;
	return machine_operates(machine) ? files_of(machine)->ops->list(files_of(machine)->self, visit, ctx, error) : dead(error);
}

static evpipe_err do_lock(void *self, const char *name, unsigned flags, void **lock, evpipe_error *error)
{
	struct machine *machine = self;
	if (!machine_operates(machine))
		return dead(error);
	evpipe_err err = files_of(machine)->ops->lock(files_of(machine)->self, name, flags, lock, error);
	if (err)
		return err;
	grow(&machine->locks, machine->locks_count, &machine->locks_capacity, sizeof *machine->locks);
	machine->locks[machine->locks_count++] = *lock;
	return EVPIPE_OK;
}

static void do_unlock(void *self, void *lock)
{
	struct machine *machine = self;
	if (!lock || !machine_operates(machine))
		return;
	files_of(machine)->ops->unlock(files_of(machine)->self, lock);
	for (size_t i = 0; i < machine->locks_count; i++)
		if (machine->locks[i] == lock) {
			machine->locks[i] = machine->locks[--machine->locks_count];
			return;
		}
}

/* ---- files ---- */

static evpipe_err do_create(void *self, const char *name, size_t size, unsigned flags, evpipe__file *file, evpipe_error *error)
{
	struct machine *machine = self;
	if (!machine_operates(machine))
		return dead(error);
	evpipe_err err = files_of(machine)->ops->create(files_of(machine)->self, name, size, flags, file, error);
	if (err)
		return err;
	remember(machine, file->memory);
	if (flags & EVPIPE__FILE_RESIDENT) {
		machine->ring = file->memory;
		machine->ring_size = size;
	}
	return EVPIPE_OK;
}

static evpipe_err do_open(void *self, const char *name, unsigned flags, evpipe__file *file, evpipe_error *error)
{
	struct machine *machine = self;
	if (!machine_operates(machine))
		return dead(error);
	evpipe_err err = files_of(machine)->ops->open(files_of(machine)->self, name, flags, file, error);
	if (!err && file->memory)
		remember(machine, file->memory);
	return err;
}

static evpipe_err do_sync(void *self, evpipe__file *file, evpipe_error *error)
{
	struct machine *machine = self;
	return machine_operates(machine) ? files_of(machine)->ops->sync(files_of(machine)->self, file, error) : dead(error);
}

/* Its memory is given back in any case. */
static void do_close(void *self, evpipe__file *file)
{
	struct machine *machine = self;
	forget(machine, file->memory);
	files_of(machine)->ops->close(files_of(machine)->self, file);
}

static void do_remove(void *self, const char *name)
{
	struct machine *machine = self;
	if (machine_operates(machine))
		files_of(machine)->ops->remove(files_of(machine)->self, name);
}

static void do_rename(void *self, const char *from, const char *to)
{
	struct machine *machine = self;
	if (machine_operates(machine))
		files_of(machine)->ops->rename(files_of(machine)->self, from, to);
}

void disk_attach(struct machine *machine, struct host *host)
{
	static const evpipe__storage_ops ops = {.list = do_list,
	                                        .lock = do_lock,
	                                        .unlock = do_unlock,
	                                        .create = do_create,
	                                        .open = do_open,
	                                        .sync = do_sync,
	                                        .close = do_close,
	                                        .remove = do_remove,
	                                        .rename = do_rename};
	machine->host = host;
	machine->storage = (evpipe__storage){.ops = &ops, .self = machine};
	memcpy(machine->storage.boot, host->storage.boot, sizeof machine->storage.boot);
}

/* ---- a death ---- */

/*
 * Another of its threads was in the middle of an emit: the room is taken, and what is in it is as far as it got. `before` is
 * the ring as it was, `file` as it would be.
 */
static void tear(struct machine *machine, char *before, char *file)
{
	evpipe__area area, old;
	uint64_t     at, end, size;

	if (evpipe__area_open(&old, before, machine->ring_size, EVPIPE__AREA_RING) ||
	    evpipe__area_open(&area, file, machine->ring_size, EVPIPE__AREA_RING))
		return;
	at = atomic_load(&old.header->head);
	end = atomic_load(&area.header->head);
	uint64_t cut = at + (uint64_t)chance_between(&machine->fate, 0, (int64_t)(end - at) - 1);
	/* There may be padding before the record. */
	for (; at != end && (size = evpipe__area_published(&area, at)); at += size) {
		char *to = (char *)evpipe__area_at(&area, at), *from = before + (to - file);
		if (at + size <= cut)
			continue;
		size_t kept = cut > at + sizeof(uint64_t) ? (size_t)(cut - at) : sizeof(uint64_t);
		memcpy(to, from, sizeof(uint64_t)); /* the commit word comes last */
		memcpy(to + kept, from + kept, size - kept);
	}
}

void disk_die(struct machine *machine)
{
	const struct host *host = machine->host;
	char              *before = NULL;
	uint32_t           number = NOBODY;

	if (machine->ring && machine->producer && chance_of(&machine->fate, 500)) {
		before = get_memory(1, machine->ring_size);
		memcpy(before, machine->ring, machine->ring_size);
		number = machine_try_emit(machine);
	}
	for (size_t i = 0; i < machine->opened_count; i++) {
		void *file = memory_storage_part(&machine->host->files, machine->opened[i]);
		if (file && number != NOBODY && machine->opened[i] == machine->ring)
			tear(machine, before, file);
	}
	if (number != NOBODY)
		trace_note(&machine->world->trace, TRACE_TORN, machine->name, number, 0, 0, 0);
	for (size_t i = 0; i < machine->locks_count; i++)
		host->storage.ops->unlock(host->storage.self, machine->locks[i]);
	machine->opened_count = machine->locks_count = 0;
	machine->ring = NULL;
	free(before);
}

static uint64_t draw(void *ctx)
{
	return chance_next(ctx);
}

void disk_crash(struct world *world, struct host *host)
{
	memory_storage_crash(&host->files, chance_of(&host->chance, 500), draw, &host->chance);
	host->storage.boot[0]++;
	for (size_t i = 0; i < world->machines_count; i++)
		if (world->machines[i].host == host)
			world->machines[i].storage.boot[0] = host->storage.boot[0];
}

static int has_owner(const struct host *host, const char *file)
{
	for (size_t i = 0; i < LOCKS_MAX; i++)
		if (*host->files.locks[i] && strncmp(host->files.locks[i], file, 16) == 0)
			return 1;
	return 0;
}

void disk_end(struct world *world)
{
	for (size_t h = 0; h < APPS_MAX; h++)
		for (size_t i = 0; i < FILES_MAX; i++) {
			const char *name = world->hosts[h].files.files[i].name;
			if (strstr(name, ".segment") && !has_owner(&world->hosts[h], name))
				world_fail(world, 'i', "%s is left on host %zu, and nobody has it", name, h);
		}
}
