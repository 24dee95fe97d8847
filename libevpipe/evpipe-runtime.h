/*
 * evpipe-runtime.h: what libevpipe otherwise takes from the machine. For those who run it in a world of their own:
 * a test broker with a virtual clock, a simulator, a loop that steps everything itself. The core reads no clock and
 * draws no randomness but through this.
 */
#ifndef EVPIPE_RUNTIME_H
#define EVPIPE_RUNTIME_H

#include <evpipe.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A producer's pump or a worker that wants to be stepped. Lives from enrol to leave. */
typedef struct evpipe_stepper {
	void *object;
	/*
	 * One round; never waits. True if it did something. *next_due_ms (on the runtime's monotonic clock, INT64_MAX:
	 * never) says when it wants the next round if nothing happens before.
	 */
	int (*step)(void *object, int64_t *next_due_ms);
} evpipe_stepper;

typedef struct evpipe_runtime {
	size_t size; /* EVPIPE_RUNTIME_INIT sets it */
	void  *ctx;
	int64_t (*mono_ms)(void *ctx);  /* never goes back; any thread */
	int64_t (*wall_ms)(void *ctx);  /* since 1970; may jump; any thread, no system call */
	uint64_t (*random)(void *ctx);  /* 64 random bits; by the owner's thread alone */
	/*
	 * Both or neither. With them, producers start no thread: producers and workers enrol when they are made, leave when
	 * they are freed, and whoever made the runtime steps them, all from one thread.
	 */
	void (*enrol)(void *ctx, evpipe_stepper *stepper);
	void (*leave)(void *ctx, evpipe_stepper *stepper);
} evpipe_runtime;

#ifdef __cplusplus
#define EVPIPE_RUNTIME_INIT evpipe_sized<evpipe_runtime>()
#else
#define EVPIPE_RUNTIME_INIT {.size = sizeof(evpipe_runtime)}
#endif

/* Producers and workers made of `config` live in this runtime. It is copied; its ctx must outlive them. EINVAL: incomplete. */
EVPIPE_EXPORT evpipe_err evpipe_config_use_runtime(evpipe_config *config, const evpipe_runtime *runtime);

#ifdef __cplusplus
}
#endif

#endif
