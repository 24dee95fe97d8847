#include "platform.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "memory.h"

/* ---- clocks and randomness ---- */

static int64_t clock_ms(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t mono_ms(void *ctx)
{
	(void)ctx;
	return clock_ms(CLOCK_MONOTONIC);
}

/* The coarse clock ticks each 1 to 4 ms and is read without a system call on every machine. */
static int64_t wall_ms(void *ctx)
{
	(void)ctx;
	return clock_ms(CLOCK_REALTIME_COARSE);
}

static uint64_t random_bits(void *ctx)
{
	(void)ctx;
	uint64_t bits = 0;
	while (getrandom(&bits, sizeof bits, 0) != (ssize_t)sizeof bits)
		;
	return bits;
}

const evpipe_runtime *evpipe__platform_runtime(void)
{
	static const evpipe_runtime runtime = {
		.size = sizeof runtime, .mono_ms = mono_ms, .wall_ms = wall_ms, .random = random_bits};
	return &runtime;
}

/* ---- memory ---- */

/* As x86-64 and most of arm64 have them; elsewhere the advice has no effect. */
#define HUGE_PAGE ((size_t)2 * 1024 * 1024)

void evpipe__region_populate(void *memory, size_t size)
{
	char *region = memory;
	/* A ring is gone through from end to end: with usual pages, each tenth record or so would meet one the processor has forgotten. */
	if (size >= HUGE_PAGE)
		madvise(region, size, MADV_HUGEPAGE);
#ifdef MADV_POPULATE_WRITE
	if (madvise(region, size, MADV_POPULATE_WRITE) == 0)
		return;
#endif
	/* Linux before 5.14 */
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	for (size_t i = 0; i < size; i += page)
		*(volatile char *)(region + i) = *(volatile char *)(region + i);
}

void *evpipe__address_reserve(size_t size, size_t aligned_at)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t mapped_size = size < HUGE_PAGE ? size : size + HUGE_PAGE + page;
	char  *mapped = mmap(NULL, mapped_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mapped == MAP_FAILED || mapped_size == size)
		return mapped == MAP_FAILED ? NULL : mapped;
	char *region = mapped + (-((uintptr_t)mapped + aligned_at) & (HUGE_PAGE - 1));
	char *end = region + ((size + page - 1) & ~(page - 1));
	if (region > mapped)
		munmap(mapped, (size_t)(region - mapped));
	if (end < mapped + mapped_size)
		munmap(end, (size_t)(mapped + mapped_size - end));
	return region;
}

evpipe_err evpipe__region_new(void **out, size_t size)
{
	if (!size || size > SIZE_MAX / 2)
		return EVPIPE_EINVAL;
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char  *region = evpipe__address_reserve(size, page);
	if (!region)
		return EVPIPE_ENOMEM;
	if (mprotect(region, size, PROT_READ | PROT_WRITE) != 0) {
		munmap(region, size);
		return EVPIPE_ENOMEM;
	}
	/* Else a fork makes each page of it be copied when it is next written to, and who emits would wait for that. */
	if (size > page)
		madvise(region + page, size - page, MADV_DONTFORK);
	evpipe__region_populate(region, size);
	*out = region;
	return EVPIPE_OK;
}

void evpipe__region_free(void *region, size_t size)
{
	if (region)
		munmap(region, size);
}

evpipe_err evpipe__fork_guard_new(const volatile char **out)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	char  *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return EVPIPE_ENOMEM;
	if (madvise(page, size, MADV_WIPEONFORK) != 0) {
		munmap(page, size);
		return EVPIPE_ENOTSUP;
	}
	*page = 1;
	*out = page;
	return EVPIPE_OK;
}

void evpipe__fork_guard_free(const volatile char *guard)
{
	if (guard)
		munmap((void *)(uintptr_t)guard, (size_t)sysconf(_SC_PAGESIZE));
}

/* ---- threads ---- */

struct evpipe__monitor {
	pthread_mutex_t mutex;
	pthread_cond_t  cond;
};

evpipe_err evpipe__monitor_new(evpipe__monitor **out)
{
	evpipe__monitor *monitor = evpipe__malloc(sizeof *monitor);
	if (!monitor)
		return EVPIPE_ENOMEM;
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&monitor->cond, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&monitor->mutex, NULL);
	*out = monitor;
	return EVPIPE_OK;
}

void evpipe__monitor_free(evpipe__monitor *monitor)
{
	if (!monitor)
		return;
	pthread_cond_destroy(&monitor->cond);
	pthread_mutex_destroy(&monitor->mutex);
	evpipe__free(monitor);
}

void evpipe__monitor_lock(evpipe__monitor *monitor)
{
	pthread_mutex_lock(&monitor->mutex);
}

void evpipe__monitor_unlock(evpipe__monitor *monitor)
{
	pthread_mutex_unlock(&monitor->mutex);
}

void evpipe__monitor_wait_locked(evpipe__monitor *monitor, int64_t ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&monitor->cond, &monitor->mutex, &until);
}

void evpipe__monitor_notify_locked(evpipe__monitor *monitor)
{
	pthread_cond_broadcast(&monitor->cond);
}

struct evpipe__thread {
	pthread_t id;
	void (*run)(void *arg);
	void *arg;
};

static void *run_thread(void *arg)
{
	evpipe__thread *thread = arg;
	thread->run(thread->arg);
	return NULL;
}

evpipe_err evpipe__thread_new(evpipe__thread **out, void (*run)(void *arg), void *arg)
{
	evpipe__thread *thread = evpipe__malloc(sizeof *thread);
	if (!thread)
		return EVPIPE_ENOMEM;
	*thread = (evpipe__thread){.run = run, .arg = arg};
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = pthread_create(&thread->id, NULL, run_thread, thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed) {
		evpipe__free(thread);
		return EVPIPE_EIO;
	}
	*out = thread;
	return EVPIPE_OK;
}

void evpipe__thread_join(evpipe__thread *thread)
{
	if (!thread)
		return;
	pthread_join(thread->id, NULL);
	evpipe__free(thread);
}

/* ---- waiting ---- */

struct evpipe__waiter {
	int epoll_fd;
	int wake_fd;
};

evpipe_err evpipe__waiter_new(evpipe__waiter **out)
{
	evpipe__waiter *waiter = evpipe__malloc(sizeof *waiter);
	if (!waiter)
		return EVPIPE_ENOMEM;
	waiter->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	waiter->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (waiter->epoll_fd < 0 || waiter->wake_fd < 0 || evpipe__waiter_add(waiter, waiter->wake_fd) != EVPIPE_OK) {
		evpipe__waiter_free(waiter);
		return EVPIPE_EIO;
	}
	*out = waiter;
	return EVPIPE_OK;
}

void evpipe__waiter_free(evpipe__waiter *waiter)
{
	if (!waiter)
		return;
	if (waiter->epoll_fd >= 0)
		close(waiter->epoll_fd);
	if (waiter->wake_fd >= 0)
		close(waiter->wake_fd);
	evpipe__free(waiter);
}

evpipe_err evpipe__waiter_add(evpipe__waiter *waiter, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	return epoll_ctl(waiter->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? EVPIPE_OK : EVPIPE_EIO;
}

void evpipe__waiter_wait(evpipe__waiter *waiter, int64_t ms)
{
	struct epoll_event events[8];
	int                timeout = ms < 0 ? 0 : ms > INT_MAX ? INT_MAX : (int)ms;
	int                count = epoll_wait(waiter->epoll_fd, events, 8, timeout);
	for (int i = 0; i < count; i++)
		if (events[i].data.fd == waiter->wake_fd)
			evpipe__waiter_drain(waiter);
}

void evpipe__waiter_drain(evpipe__waiter *waiter)
{
	uint64_t drained;
	if (read(waiter->wake_fd, &drained, sizeof drained) < 0)
		return; /* there was no wake */
}

void evpipe__waiter_wake(evpipe__waiter *waiter)
{
	int      saved = errno; /* we may be in a signal handler */
	uint64_t one = 1;
	if (write(waiter->wake_fd, &one, sizeof one) < 0)
		errno = saved; /* only when it is signalled already */
	errno = saved;
}

int evpipe__waiter_fd(const evpipe__waiter *waiter)
{
	return waiter->epoll_fd;
}
