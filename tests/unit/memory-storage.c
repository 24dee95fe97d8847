#include "memory-storage.h"

static void *new_memory(size_t size)
{
	void *memory = NULL;
	assert_int_equal(posix_memalign(&memory, 64, size), 0);
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

static evpipe_err lock_it(void *self, const char *name, void **lock, evpipe_error *error)
{
	(void)self, (void)name, (void)error;
	*lock = self;
	return EVPIPE_OK;
}

static void unlock_it(void *self, void *lock)
{
	(void)self, (void)lock;
}

static evpipe_err create(void *self, const char *name, size_t size, unsigned flags, evpipe__file *out, evpipe_error *error)
{
	struct memory_storage *storage = self;
	(void)flags;
	if (storage->create_fails) {
		if (error)
			*error = (evpipe_error){storage->create_fails, "no space"};
		return storage->create_fails;
	}
	assert_null(memory_storage_find(storage, name));
	struct memory_file *file = memory_storage_find(storage, "");
	assert_non_null(file);
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
	assert_non_null(file);
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
	assert_non_null(file);
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

/* As a file does, it lives on for who has it open. */
static void close_it(void *self, evpipe__file *opened)
{
	struct memory_storage *storage = self;
	if (!opened->memory)
		return;
	if (opened->fd) {
		free(opened->memory);
	} else {
		for (int i = 0; i < FILES_MAX; i++) {
			struct memory_file *file = &storage->files[i];
			if (file->memory == opened->memory && --file->opened == 0 && *file->name == '-')
				free_file(file);
		}
	}
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
	assert_non_null(file);
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
	for (int i = 0; i < FILES_MAX; i++) {
		struct memory_file *file = &self->files[i];
		file->opened = 0;
		if (*file->name == '-')
			free_file(file);
	}
}

void memory_storage_crash(struct memory_storage *self, uint64_t (*random)(void *ctx), void *ctx)
{
	memory_storage_kill(self);
	for (int i = 0; i < FILES_MAX; i++) {
		struct memory_file *file = &self->files[i];
		if (strstr(file->name, ".ring")) {
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
