#include "memory-storage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A test has gone wrong, not what it tests. */
static void must(int holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "memory-storage: %s\n", what);
	abort();
}

static void *new_memory(size_t size)
{
	void *memory = NULL;
	must(posix_memalign(&memory, 64, size) == 0, "out of memory");
	memset(memory, 0, size);
	return memory;
}

struct memory_file *memory_storage_find(struct memory_storage *self, const char *name)
{
	for (int i = 0; i < FILES_MAX; i++)
		if (strcmp(self->files[i].name, name) == 0)
			return &self->files[i];
	return NULL;
}

static evpipe_err list(void *self, int (*visit)(void *ctx, const char *name), void *ctx, evpipe_error *error)
{
	struct memory_storage *storage = self;
	(void)error;
	/* Backwards: the order is nobody's business. */
	for (int i = FILES_MAX; i-- > 0;)
		if (*storage->files[i].name && visit(ctx, storage->files[i].name) != 0)
			break;
	return EVPIPE_OK;
}

static evpipe_err lock_it(void *self, const char *name, unsigned flags, void **lock, evpipe_error *error)
{
	struct memory_storage *storage = self;
	char                  *place = NULL;
	(void)flags, (void)error;
	for (int i = 0; i < LOCKS_MAX; i++) {
		if (strcmp(storage->locks[i], name) == 0)
			return EVPIPE_EAGAIN;
		if (!*storage->locks[i])
			place = storage->locks[i];
	}
	must(place != NULL, "too many locks");
	snprintf(place, sizeof storage->locks[0], "%s", name);
	*lock = place;
	return EVPIPE_OK;
}

static void unlock_it(void *self, void *lock)
{
	(void)self;
	if (lock)
		*(char *)lock = '\0';
}

static evpipe_err create(void *self, const char *name, size_t size, unsigned flags, evpipe__file *out, evpipe_error *error)
{
	struct memory_storage *storage = self;
	(void)flags;
	storage->creates++;
	if (storage->create_fails) {
		if (error)
			*error = (evpipe_error){storage->create_fails, "no space"};
		return storage->create_fails;
	}
	must(memory_storage_find(storage, name) == NULL, "a file is made twice");
	struct memory_file *file = memory_storage_find(storage, "");
	must(file != NULL, "too many files");
	*file = (struct memory_file){.size = size, .room = size, .memory = new_memory(size), .synced = new_memory(size), .opened = 1};
	snprintf(file->name, sizeof file->name, "%s", name);
	*out = (evpipe__file){.memory = file->memory, .size = size};
	snprintf(out->name, sizeof out->name, "%s", name);
	return EVPIPE_OK;
}

static evpipe_err open_it(void *self, const char *name, unsigned flags, evpipe__file *out, evpipe_error *error)
{
	struct memory_file *file = memory_storage_find(self, name);
	(void)error;
	must(file != NULL, "what is opened is not there");
	*out = (evpipe__file){.memory = file->size ? file->memory : NULL, .size = file->size, .fd = (flags & EVPIPE__FILE_SCRATCH) != 0};
	if (out->fd) {
		out->memory = new_memory(file->room);
		memcpy(out->memory, file->memory, file->size);
	} else {
		file->opened++;
	}
	snprintf(out->name, sizeof out->name, "%s", name);
	return EVPIPE_OK;
}

static evpipe_err sync_it(void *self, evpipe__file *opened, evpipe_error *error)
{
	struct memory_storage *storage = self;
	struct memory_file    *file = memory_storage_find(self, opened->name);
	must(file != NULL, "what is synced is not there");
	if (storage->sync_fails) {
		if (error)
			*error = (evpipe_error){storage->sync_fails, "broken"};
		return storage->sync_fails;
	}
	memcpy(file->synced, file->memory, file->size);
	return EVPIPE_OK;
}

static void free_file(struct memory_file *file)
{
	free(file->memory);
	free(file->synced);
	*file = (struct memory_file){0};
}

static struct memory_file *opened_as(struct memory_storage *self, const void *memory)
{
	for (int i = 0; i < FILES_MAX; i++)
		if (self->files[i].memory == memory)
			return &self->files[i];
	return NULL;
}

/* As a file does, it lives on for who has it open. */
static void close_it(void *self, evpipe__file *opened)
{
	struct memory_file *file;
	if (!opened->memory)
		return;
	file = opened->fd ? NULL : opened_as(self, opened->memory);
	if (!file)
		free(opened->memory);
	else if (--file->opened == 0 && *file->name == '-')
		free_file(file);
	opened->memory = NULL;
}

static void remove_it(void *self, const char *name)
{
	struct memory_storage *storage = self;
	struct memory_file    *file = memory_storage_find(self, name);
	if (!file)
		return;
	storage->removed++;
	snprintf(file->name, sizeof file->name, "-");
	if (!file->opened)
		free_file(file);
}

static void rename_it(void *self, const char *from, const char *to)
{
	struct memory_storage *storage = self;
	struct memory_file    *file = memory_storage_find(self, from);
	must(file != NULL, "what is renamed is not there");
	storage->renamed++;
	snprintf(file->name, sizeof file->name, "%s", to);
}

evpipe__storage memory_storage(struct memory_storage *self)
{
	static const evpipe__storage_ops ops = {.list = list,
	                                        .lock = lock_it,
	                                        .unlock = unlock_it,
	                                        .create = create,
	                                        .open = open_it,
	                                        .sync = sync_it,
	                                        .close = close_it,
	                                        .remove = remove_it,
	                                        .rename = rename_it};
	return (evpipe__storage){.ops = &ops, .self = self, .boot = {1, 2}};
}

void memory_storage_kill(struct memory_storage *self)
{
	memset(self->locks, 0, sizeof self->locks);
	for (int i = 0; i < FILES_MAX; i++) {
		struct memory_file *file = &self->files[i];
		file->opened = 0;
		if (*file->name == '-')
			free_file(file);
	}
}

void *memory_storage_part(struct memory_storage *self, void *memory)
{
	struct memory_file *file = opened_as(self, memory);
	if (!file)
		return NULL;
	if (--file->opened == 0 && *file->name == '-') {
		file->memory = NULL;
		free_file(file);
		return NULL;
	}
	file->memory = new_memory(file->room);
	memcpy(file->memory, memory, file->room);
	return file->memory;
}

void memory_storage_crash(struct memory_storage *self, int keeps_rings, uint64_t (*random)(void *ctx), void *ctx)
{
	memory_storage_kill(self);
	for (int i = 0; i < FILES_MAX; i++) {
		struct memory_file *file = &self->files[i];
		if (!keeps_rings && strstr(file->name, ".ring")) {
			free_file(file);
			continue;
		}
		for (size_t at = 0; at < file->size; at += PAGE)
			if (random(ctx) % 2)
				memcpy(file->memory + at, file->synced + at, file->size - at < PAGE ? file->size - at : PAGE);
		if (file->size)
			memcpy(file->synced, file->memory, file->size);
	}
}

void memory_storage_release(struct memory_storage *self)
{
	for (int i = 0; i < FILES_MAX; i++)
		free_file(&self->files[i]);
}
