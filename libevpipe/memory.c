#include "memory.h"

#include <stdlib.h>
#include <string.h>

static int (*allow_allocation)(void *);
static void *allow_ctx;

void evpipe__memory_on_allocation(int (*allow)(void *ctx), void *ctx)
{
	allow_allocation = allow;
	allow_ctx = ctx;
}

static int allowed(void)
{
	return !allow_allocation || allow_allocation(allow_ctx);
}

void *evpipe__malloc(size_t size)
{
	return allowed() ? malloc(size) : NULL;
}

void *evpipe__calloc(size_t count, size_t size)
{
	return allowed() ? calloc(count, size) : NULL;
}

void *evpipe__realloc(void *memory, size_t size)
{
	return allowed() ? realloc(memory, size) : NULL;
}

void evpipe__free(void *memory)
{
	free(memory);
}

char *evpipe__strdup(const char *text)
{
	return text ? evpipe__memdup(text, strlen(text)) : NULL;
}

void *evpipe__memdup(const void *bytes, size_t len)
{
	if (!bytes)
		return NULL;
	char *copy = evpipe__malloc(len + 1);
	if (!copy)
		return NULL;
	memcpy(copy, bytes, len);
	copy[len] = '\0';
	return copy;
}
