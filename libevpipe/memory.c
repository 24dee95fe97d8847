#include "memory.h"

#include <stdlib.h>
#include <string.h>

void *evpipe__malloc(size_t size)
{
	return malloc(size);
}

void *evpipe__calloc(size_t count, size_t size)
{
	return calloc(count, size);
}

void *evpipe__realloc(void *memory, size_t size)
{
	return realloc(memory, size);
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
