/*
 * Storage in a directory of the machine.
 */
#include "platform.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include "errors.h"
#include "memory.h"

/* Linux 6.1; glibc 2.36 does not name it. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

struct directory {
	char path[PATH_MAX];
	int  fd;
};

static evpipe_err fail_with(evpipe_error *error, const struct directory *directory, const char *name, const char *what, int number)
{
	evpipe_err err = number == ENOSPC || number == EDQUOT ? EVPIPE_EFULL : number == ENOMEM ? EVPIPE_ENOMEM : EVPIPE_EIO;
	return evpipe__fail(error, err, "%.300s%s%s %s: %s", directory->path, name ? "/" : "", name ? name : "", what,
	                    evpipe__errno_text(number));
}

static evpipe_err list(void *self, int (*visit)(void *ctx, const char *name), void *ctx, evpipe_error *error)
{
	struct directory *directory = self;
	DIR              *dir = opendir(directory->path);
	struct dirent    *entry;

	if (!dir)
		return fail_with(error, directory, NULL, "cannot be read", errno);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && visit(ctx, entry->d_name) != 0)
			break;
	closedir(dir);
	return EVPIPE_OK;
}

/* ---- locks ---- */

/*
 * fcntl's locks belong to the process: it is never refused its own, and loses one when it closes any descriptor of that
 * file. So who has which is kept here, for the whole process, and a file that is in the list is not opened.
 *
 * Who only looks locks all but the first byte. That keeps others out as well, but tells them to wait: it is for as long as
 * it takes to read a journal. Somebody who was stopped meanwhile is not waited for.
 */
#define LOOK_START 1
#define LOOK_WAIT_MS 10000
#define LOOK_STEP_MS 5

struct lock {
	LIST_ENTRY(lock) link;
	dev_t device;
	ino_t inode;
	pid_t pid; /* a child of fork has the list, and not the locks */
	int   fd;
	int   looks;
	char  name[EVPIPE__FILE_NAME_MAX];
};

static LIST_HEAD(, lock) locks = LIST_HEAD_INITIALIZER(locks);
static pthread_mutex_t locks_mutex = PTHREAD_MUTEX_INITIALIZER;

static const struct lock *ours_locked(const struct stat *status)
{
	const struct lock *lock;
	LIST_FOREACH(lock, &locks, link)
		if (lock->device == status->st_dev && lock->inode == status->st_ino && lock->pid == getpid())
			return lock;
	return NULL;
}

/* Or it was given back meanwhile. */
static int is_looked_at(int fd)
{
	struct flock held = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	return fcntl(fd, F_GETLK, &held) == 0 && (held.l_type == F_UNLCK || held.l_start == LOOK_START);
}

/* Whoever had it may have removed the file since it was opened: then the lock is on nothing that anybody finds. */
static int is_still_there(const struct directory *directory, const struct lock *lock)
{
	struct stat status;
	return fstatat(directory->fd, lock->name, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_dev == lock->device &&
	       status.st_ino == lock->inode;
}

/* EAGAIN: it is taken; *passes: for a moment only. */
static evpipe_err take_locked(struct directory *directory, struct lock *lock, int *passes, evpipe_error *error)
{
	struct flock       range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = lock->looks ? LOOK_START : 0};
	const struct lock *ours;
	struct stat        status;

	if (fstatat(directory->fd, lock->name, &status, AT_SYMLINK_NOFOLLOW) == 0 && (ours = ours_locked(&status))) {
		*passes = ours->looks;
		return EVPIPE_EAGAIN;
	}
	lock->fd = openat(directory->fd, lock->name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock->fd < 0)
		return fail_with(error, directory, lock->name, "cannot be opened", errno);
	if (fcntl(lock->fd, F_SETLK, &range) != 0) {
		if (errno != EACCES && errno != EAGAIN)
			return fail_with(error, directory, lock->name, "cannot be locked", errno);
		*passes = is_looked_at(lock->fd);
		return EVPIPE_EAGAIN;
	}
	if (fstat(lock->fd, &status) != 0)
		return fail_with(error, directory, lock->name, "cannot be looked at", errno);
	/* It goes when it is unlocked. */
	if (!S_ISREG(status.st_mode) || status.st_size)
		return evpipe__fail(error, EVPIPE_EFORMAT, "%.300s/%s: it is not empty: not a lock of libevpipe's", directory->path, lock->name);
	lock->device = status.st_dev;
	lock->inode = status.st_ino;
	lock->pid = getpid();
	*passes = !is_still_there(directory, lock);
	return *passes ? EVPIPE_EAGAIN : EVPIPE_OK;
}

static evpipe_err try_lock(struct directory *directory, struct lock *lock, int *passes, evpipe_error *error)
{
	*passes = 0;
	lock->fd = -1;
	pthread_mutex_lock(&locks_mutex);
	evpipe_err err = take_locked(directory, lock, passes, error);
	if (!err)
		LIST_INSERT_HEAD(&locks, lock, link);
	else if (lock->fd >= 0)
		close(lock->fd);
	pthread_mutex_unlock(&locks_mutex);
	return err;
}

static evpipe_err lock_file(void *self, const char *name, unsigned flags, void **out, evpipe_error *error)
{
	const struct timespec step = {.tv_nsec = LOOK_STEP_MS * 1000000L};
	int                   passes, waited_ms = 0;
	struct lock          *lock = evpipe__calloc(1, sizeof *lock);
	if (!lock)
		return evpipe__fail_plain(error, EVPIPE_ENOMEM);
	snprintf(lock->name, sizeof lock->name, "%s", name);
	lock->looks = (flags & EVPIPE__FILE_SCRATCH) != 0;
	evpipe_err err = try_lock(self, lock, &passes, error);
	for (; err == EVPIPE_EAGAIN && passes && waited_ms < LOOK_WAIT_MS; waited_ms += LOOK_STEP_MS) {
		nanosleep(&step, NULL);
		err = try_lock(self, lock, &passes, error);
	}
	if (err)
		evpipe__free(lock);
	else
		*out = lock;
	return err;
}

static void unlock_file(void *self, void *locked)
{
	struct directory *directory = self;
	struct lock      *lock = locked;
	if (!lock)
		return;
	if (lock->pid != getpid()) {
		/* In a child of fork: it has no lock, and the mutex may be somebody's who is not there. */
		close(lock->fd);
		return;
	}
	pthread_mutex_lock(&locks_mutex);
	unlinkat(directory->fd, lock->name, 0);
	LIST_REMOVE(lock, link);
	close(lock->fd);
	pthread_mutex_unlock(&locks_mutex);
	evpipe__free(lock);
}

/* ---- files ---- */

static void close_file(void *self, evpipe__file *file)
{
	(void)self;
	if (file->memory)
		munmap(file->memory, file->size);
	if (file->fd > 0)
		close(file->fd);
	file->memory = NULL;
	file->fd = 0;
}

/* Join a file's pages to large ones, as tmpfs has them on request (Linux 6.1): else each tenth record or so meets a page that the processor forgot. */
static void join_pages(void *memory, size_t size)
{
	madvise(memory, size, MADV_COLLAPSE);
}

static evpipe_err map(struct directory *directory, unsigned flags, evpipe__file *file, evpipe_error *error)
{
	int   is_resident = (flags & EVPIPE__FILE_RESIDENT) != 0;
	int   sharing = flags & EVPIPE__FILE_SCRATCH ? MAP_PRIVATE : MAP_SHARED;
	void *place = is_resident ? evpipe__address_reserve(file->size, 0) : NULL;

	if (!file->size)
		return EVPIPE_OK;
	void *memory = mmap(place, file->size, PROT_READ | PROT_WRITE, sharing | (place ? MAP_FIXED : 0), file->fd, 0);
	if (memory == MAP_FAILED) {
		int number = errno;
		if (place)
			munmap(place, file->size);
		return fail_with(error, directory, file->name, "cannot be mapped", number);
	}
	file->memory = memory;
	if (is_resident) {
		evpipe__region_populate(memory, file->size);
		join_pages(memory, file->size);
	}
	return EVPIPE_OK;
}

static evpipe_err create_file(void *self, const char *name, size_t size, unsigned flags, evpipe__file *file, evpipe_error *error)
{
	struct directory *directory = self;
	evpipe__file      made = {.size = size};
	evpipe_err        err = EVPIPE_OK;
	int               number;

	snprintf(made.name, sizeof made.name, "%s", name);
	made.fd = openat(directory->fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (made.fd < 0)
		return fail_with(error, directory, name, "cannot be made", errno);
	/* Now, not by a signal at the first write to a page that there is no room for. */
	do
		number = posix_fallocate(made.fd, 0, (off_t)size);
	while (number == EINTR);
	if (number == ENOSPC || number == EDQUOT)
		err = evpipe__fail(error, EVPIPE_EFULL, "%.300s: too little space for %s, %zu bytes: make room or take less", directory->path,
		                   name, size);
	else if (number)
		err = fail_with(error, directory, name, "gets no space", number);
	if (!err)
		err = map(directory, flags, &made, error);
	if (err) {
		close_file(self, &made);
		unlinkat(directory->fd, name, 0);
		return err;
	}
	*file = made;
	return EVPIPE_OK;
}

static evpipe_err open_file(void *self, const char *name, unsigned flags, evpipe__file *file, evpipe_error *error)
{
	struct directory *directory = self;
	evpipe__file      opened = {.is_named = 1};
	struct stat       status;

	snprintf(opened.name, sizeof opened.name, "%s", name);
	opened.fd = openat(directory->fd, name, (flags & EVPIPE__FILE_SCRATCH ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOFOLLOW);
	if (opened.fd < 0)
		return fail_with(error, directory, name, "cannot be opened", errno);
	evpipe_err err = fstat(opened.fd, &status) == 0 ? EVPIPE_OK : fail_with(error, directory, name, "cannot be looked at", errno);
	if (!err && (!S_ISREG(status.st_mode) || status.st_uid != geteuid()))
		err = evpipe__fail(error, EVPIPE_EFORMAT, "%.300s/%s: not a file of this user's", directory->path, name);
	if (!err) {
		opened.size = (size_t)status.st_size;
		err = map(directory, flags, &opened, error);
	}
	if (err) {
		close_file(self, &opened);
		return err;
	}
	*file = opened;
	return EVPIPE_OK;
}

static evpipe_err sync_file(void *self, evpipe__file *file, evpipe_error *error)
{
	struct directory *directory = self;
	if (!file->is_named && fsync(directory->fd) != 0)
		return fail_with(error, directory, NULL, "cannot be synced", errno);
	file->is_named = 1;
	/* Pages that a shared mapping has made dirty go with it. */
	return fdatasync(file->fd) == 0 ? EVPIPE_OK : fail_with(error, directory, file->name, "cannot be synced", errno);
}

static void remove_file(void *self, const char *name)
{
	struct directory *directory = self;
	unlinkat(directory->fd, name, 0);
}

static void rename_file(void *self, const char *from, const char *to)
{
	struct directory *directory = self;
	if (renameat(directory->fd, from, directory->fd, to) != 0)
		return; /* then it stays where it is */
}

static void free_directory(void *self)
{
	struct directory *directory = self;
	if (!directory)
		return;
	if (directory->fd >= 0)
		close(directory->fd);
	evpipe__free(directory);
}

/* Its 128 bits in hexadecimal digits and dashes; 0 if the system does not say. */
static void read_boot_id(uint64_t boot[2])
{
	char text[64] = "";
	int  fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	ssize_t len = read(fd, text, sizeof text - 1);
	close(fd);
	for (ssize_t i = 0, digits = 0; i < len && digits < 32; i++) {
		const char *digit = strchr("0123456789abcdef", text[i]);
		if (!text[i] || !digit)
			continue;
		uint64_t *half = &boot[digits++ / 16];
		*half = *half << 4 | (uint64_t)(digit - "0123456789abcdef");
	}
}

evpipe_err evpipe__directory_new(evpipe__storage *out, const char *path, int make, evpipe_error *error)
{
	static const evpipe__storage_ops ops = {
		.list = list,
		.lock = lock_file,
		.unlock = unlock_file,
		.create = create_file,
		.open = open_file,
		.sync = sync_file,
		.close = close_file,
		.remove = remove_file,
		.rename = rename_file,
		.free = free_directory,
	};
	struct directory *directory = evpipe__calloc(1, sizeof *directory);
	if (!directory)
		return evpipe__fail_plain(error, EVPIPE_ENOMEM);
	snprintf(directory->path, sizeof directory->path, "%s", path);
	directory->fd = -1;
	evpipe_err err = EVPIPE_OK;
	if (make && mkdir(path, 0700) != 0 && errno != EEXIST)
		err = fail_with(error, directory, NULL, "cannot be made", errno);
	if (!err && (directory->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		err = fail_with(error, directory, NULL, "cannot be opened", errno);
	if (err) {
		free_directory(directory);
		return err;
	}
	*out = (evpipe__storage){.ops = &ops, .self = directory};
	read_boot_id(out->boot);
	return EVPIPE_OK;
}

int evpipe__directory_is_memory(const evpipe__storage *storage)
{
	const struct directory *directory = storage->self;
	struct statfs           status;
	return fstatfs(directory->fd, &status) == 0 && (status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC);
}
