/*
 * memory-storage.h: files in memory, for journals in tests and in the simulation. What was not synced may be lost at a
 * crash, page by page. It has no processes: who simulates several says which files and locks a dead one had.
 */
#ifndef EVPIPE_TEST_MEMORY_STORAGE_H
#define EVPIPE_TEST_MEMORY_STORAGE_H

#include "storage.h"

#define FILES_MAX 256
#define LOCKS_MAX 64
#define PAGE 4096

struct memory_file {
	char   name[EVPIPE__FILE_NAME_MAX]; /* "": there is none */
	size_t size, room;
	char  *memory, *synced; /* what the process sees, and what is on the disk for certain */
	int    opened;          /* how often */
};

struct memory_storage {
	struct memory_file files[FILES_MAX];
	char               locks[LOCKS_MAX][EVPIPE__FILE_NAME_MAX]; /* "": free */
	evpipe_err         create_fails, sync_fails; /* 0: they don't */
	int                creates, removed, renamed; /* the first also counts those that failed */
};

evpipe__storage memory_storage(struct memory_storage *self);

/* NULL: there is none. */
struct memory_file *memory_storage_find(struct memory_storage *self, const char *name);

/* The process has died: nothing is open any more. */
void memory_storage_kill(struct memory_storage *self);

/*
 * A process has died that had the file open as `memory`, and its code still runs: the file keeps what is in it now, and
 * what is written from now on nobody sees. Returns the file's; NULL: no file is open as that.
 */
void *memory_storage_part(struct memory_storage *self, void *memory);

/*
 * The machine has: of each page that was not synced `random` says whether it reached the disk. Rings are gone, as those in
 * memory are, or with `keeps_rings` they were files like others.
 */
void memory_storage_crash(struct memory_storage *self, int keeps_rings, uint64_t (*random)(void *ctx), void *ctx);

void memory_storage_release(struct memory_storage *self);

#endif
