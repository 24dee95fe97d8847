/*
 * memory-storage.h: files in memory, for journals in tests. What was not synced may be lost at a crash, page by page.
 */
#ifndef EVPIPE_TEST_MEMORY_STORAGE_H
#define EVPIPE_TEST_MEMORY_STORAGE_H

#include "test.h"

#include "storage.h"

#define FILES_MAX 64
#define PAGE 4096

struct memory_file {
	char   name[EVPIPE__FILE_NAME_MAX]; /* "": there is none */
	size_t size, room;
	char  *memory, *synced; /* what the process sees, and what is on the disk for certain */
	int    opened;          /* how often */
};

struct memory_storage {
	struct memory_file files[FILES_MAX];
	evpipe_err         create_fails, sync_fails; /* 0: they don't */
	int                removed, renamed;
};

evpipe__storage memory_storage(struct memory_storage *self);

/* NULL: there is none. */
struct memory_file *memory_storage_find(struct memory_storage *self, const char *name);

/* The process has died: nothing is open any more. */
void memory_storage_kill(struct memory_storage *self);

/* The machine has: rings are gone, and of each page that was not synced `random` says whether it reached the disk. */
void memory_storage_crash(struct memory_storage *self, uint64_t (*random)(void *ctx), void *ctx);

void memory_storage_release(struct memory_storage *self);

#endif
