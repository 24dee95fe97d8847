/*
 * suggest.h: "did you mean".
 */
#ifndef EVPIPE_SUGGEST_H
#define EVPIPE_SUGGEST_H

#include <stddef.h>

/*
 * What somebody may have meant by a name that there is not: "batch.linger" for "batch.lingr" or "linger",
 * "destination.ACME.batch.linger" for "ACME.batch.linger". Returns `out`, or NULL if nothing is near.
 */
const char *evpipe__suggest(const char *name, char *out, size_t size);

#endif
