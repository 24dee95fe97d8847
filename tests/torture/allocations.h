/*
 * allocations.h: let allocations of the library fail.
 *
 * The library has no hook for this: a test's linker puts the functions below in the place of those of memory.h
 * (--wrap, see ALLOCATIONS_LDFLAGS), so what is shipped costs nothing and has no state for it.
 */
#ifndef EVPIPE_TEST_ALLOCATIONS_H
#define EVPIPE_TEST_ALLOCATIONS_H

#include <stddef.h>
#include <stdint.h>

/* Called before each allocation, by the thread that makes it; false makes it fail. NULL: all succeed. Not to be changed while others allocate. */
void allocations_ask(int (*allow)(void *ctx), void *ctx);

/* Pieces of memory that the library holds now. */
int64_t allocations_held(void);

#endif
