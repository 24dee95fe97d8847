/*
 * platform.h: the one place that knows the machine: clocks, randomness, mapped memory, threads, waiting. The core is given
 * all of it; only the facades (producer.c, recovery.c, worker.c) and the pump's thread call this.
 */
#ifndef EVPIPE_PLATFORM_H
#define EVPIPE_PLATFORM_H

#include <evpipe-runtime.h>

#include "storage.h"

/* The machine's own runtime: real clocks (the wall clock is the coarse one), the kernel's randomness, threads. Static. */
const evpipe_runtime *evpipe__platform_runtime(void);

/*
 * Zeroed memory of its own, every page present; what is behind its first page begins at a large page's boundary, and is not
 * there in a child of fork. EINVAL for 0, ENOMEM.
 */
evpipe_err evpipe__region_new(void **out, size_t size);
void       evpipe__region_free(void *region, size_t size);

/* Addresses for `size` bytes with nothing behind them; the one at `aligned_at` is a large page's boundary. NULL: there are none. */
void *evpipe__address_reserve(size_t size, size_t aligned_at);

/* See that all pages of a region are present, and large ones where that can be. */
void evpipe__region_populate(void *region, size_t size);

/*
 * Storage in a directory, which with `make` is made if only it is missing (platform-storage.c). Locks are fcntl's, which a
 * child of fork does not have, and a list in the process, since fcntl does not tell one part of a process from another.
 * EIO, ENOMEM.
 */
evpipe_err evpipe__directory_new(evpipe__storage *out, const char *path, int make, evpipe_error *error);
/* Whether it is in memory (tmpfs), so that the kernel never stops who writes to it. */
int        evpipe__directory_is_memory(const evpipe__storage *storage);

/* A byte that is 1 in this process and 0 in a child of fork. ENOMEM, ENOTSUP (a kernel older than 4.14). */
evpipe_err evpipe__fork_guard_new(const volatile char **out);
void       evpipe__fork_guard_free(const volatile char *guard);

/* A mutex and a condition in one. */
typedef struct evpipe__monitor evpipe__monitor;
evpipe_err evpipe__monitor_new(evpipe__monitor **out);
void       evpipe__monitor_free(evpipe__monitor *monitor);
void       evpipe__monitor_lock(evpipe__monitor *monitor);
void       evpipe__monitor_unlock(evpipe__monitor *monitor);
void       evpipe__monitor_wait_locked(evpipe__monitor *monitor, int64_t ms); /* may come back early */
void       evpipe__monitor_notify_locked(evpipe__monitor *monitor);

typedef struct evpipe__thread evpipe__thread;
/* A thread with all signals blocked. EIO. */
evpipe_err evpipe__thread_new(evpipe__thread **out, void (*run)(void *arg), void *arg);
void       evpipe__thread_join(evpipe__thread *thread); /* and free */

/* Something to wait at: some descriptors, and a wake from any thread or signal handler. */
typedef struct evpipe__waiter evpipe__waiter;
evpipe_err evpipe__waiter_new(evpipe__waiter **out);
void       evpipe__waiter_free(evpipe__waiter *waiter);
evpipe_err evpipe__waiter_add(evpipe__waiter *waiter, int fd); /* readable, level-triggered; EIO */
void       evpipe__waiter_wait(evpipe__waiter *waiter, int64_t ms); /* until one is readable, a wake, or the time is over */
void       evpipe__waiter_drain(evpipe__waiter *waiter); /* forget wakes, as a wait does that met them */
void       evpipe__waiter_wake(evpipe__waiter *waiter);
int        evpipe__waiter_fd(const evpipe__waiter *waiter); /* readable when a wait would return at once */

#endif
