#include "allocations.h"

#include <stdatomic.h>

/* What the linker makes of evpipe__malloc in the library, and of the library's own evpipe__malloc. */
void *__wrap_evpipe__malloc(size_t size);
void *__wrap_evpipe__calloc(size_t count, size_t size);
void *__wrap_evpipe__realloc(void *memory, size_t size);
void  __wrap_evpipe__free(void *memory);
char *__wrap_evpipe__strdup(const char *text);
void *__wrap_evpipe__memdup(const void *bytes, size_t len);
void *__real_evpipe__malloc(size_t size);
void *__real_evpipe__calloc(size_t count, size_t size);
void *__real_evpipe__realloc(void *memory, size_t size);
void  __real_evpipe__free(void *memory);
char *__real_evpipe__strdup(const char *text);
void *__real_evpipe__memdup(const void *bytes, size_t len);

static int (*ask)(void *);
static void          *ask_ctx;
static _Atomic int64_t held;

void allocations_ask(int (*allow)(void *ctx), void *ctx)
{
	ask = allow;
	ask_ctx = ctx;
}

int64_t allocations_held(void)
{
	return held;
}

static int allowed(void)
{
	return !ask || ask(ask_ctx);
}

static void *count(void *memory)
{
	held += memory != NULL;
	return memory;
}

void *__wrap_evpipe__malloc(size_t size)
{
	return allowed() ? count(__real_evpipe__malloc(size)) : NULL;
}

void *__wrap_evpipe__calloc(size_t number, size_t size)
{
	return allowed() ? count(__real_evpipe__calloc(number, size)) : NULL;
}

void *__wrap_evpipe__realloc(void *memory, size_t size)
{
	if (!allowed())
		return NULL;
	void *moved = __real_evpipe__realloc(memory, size);
	return memory ? moved : count(moved);
}

void __wrap_evpipe__free(void *memory)
{
	held -= memory != NULL;
	__real_evpipe__free(memory);
}

/* The library's own go to its malloc without passing by here. */
char *__wrap_evpipe__strdup(const char *text)
{
	return !text || !allowed() ? NULL : count(__real_evpipe__strdup(text));
}

void *__wrap_evpipe__memdup(const void *bytes, size_t len)
{
	return !bytes || !allowed() ? NULL : count(__real_evpipe__memdup(bytes, len));
}
