/*
 * recent.h: a bounded memory of 64-bit hashes, each with a number. When it is full, the older half is forgotten.
 */
#ifndef EVPIPE_CLI_RECENT_H
#define EVPIPE_CLI_RECENT_H

#include <stddef.h>
#include <stdint.h>

struct recent;

/* At least the last `entries_max` are known. NULL when memory is short. */
struct recent *recent_new(size_t entries_max);
void           recent_free(struct recent *recent);

/*
 * The number kept for a hash; if it is new, 0, and *is_new is set. Valid until the next call. NULL when memory is
 * short.
 */
uint64_t *recent_get(struct recent *recent, uint64_t hash, int *is_new);

#endif
