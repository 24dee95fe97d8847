/*
 * storage.h: where journals outlive their process: named files that are memory, and locks that tell who lives. Handed in,
 * so that the logic on top runs in a test, or in a simulator, on memory alone; evpipe__directory_new (platform.h) is the
 * one on the machine's files.
 */
#ifndef EVPIPE_STORAGE_H
#define EVPIPE_STORAGE_H

#include <evpipe.h>

#define EVPIPE__FILE_NAME_MAX 64

/* A file as memory. */
typedef struct evpipe__file {
	void  *memory; /* NULL: it is not open */
	size_t size;
	char   name[EVPIPE__FILE_NAME_MAX];
	int    fd;       /* the storage's own from here on */
	int    is_named; /* its name is on the disk for certain */
} evpipe__file;

enum {
	EVPIPE__FILE_RESIDENT = 1, /* all pages present: whoever writes is not to wait for one */
	EVPIPE__FILE_SCRATCH = 2   /* what is written stays in this process */
};

typedef struct evpipe__storage_ops {
	/* The names of all files, in any order; anything but 0 from visit ends it. EIO. */
	evpipe_err (*list)(void *self, int (*visit)(void *ctx, const char *name), void *ctx, evpipe_error *error);

	/*
	 * Take a lock of that name, which a process holds until it unlocks it or dies. With EVPIPE__FILE_SCRATCH to look for a
	 * moment: who finds it taken for that waits. EAGAIN: somebody has it, this process included. EFORMAT: the file is
	 * not a lock. EIO, ENOMEM.
	 */
	evpipe_err (*lock)(void *self, const char *name, unsigned flags, void **lock, evpipe_error *error);
	void (*unlock)(void *self, void *lock); /* takes NULL */

	/* Make a file of zeros that there was not, with all of its space. EFULL: there is too little. EIO, ENOMEM. */
	evpipe_err (*create)(void *self, const char *name, size_t size, unsigned flags, evpipe__file *file, evpipe_error *error);
	/* All of a file there is, an empty one as NULL of size 0. EIO, ENOMEM. */
	evpipe_err (*open)(void *self, const char *name, unsigned flags, evpipe__file *file, evpipe_error *error);
	evpipe_err (*sync)(void *self, evpipe__file *file, evpipe_error *error); /* what was written survives the machine; EIO */
	void (*close)(void *self, evpipe__file *file); /* takes one that is not open */
	void (*remove)(void *self, const char *name);
	void (*rename)(void *self, const char *from, const char *to);
	void (*free)(void *self);
} evpipe__storage_ops;

typedef struct evpipe__storage {
	const evpipe__storage_ops *ops; /* NULL: there is none */
	void                      *self;
	uint64_t                   boot[2]; /* tells this start of the machine from others */
} evpipe__storage;

#endif
