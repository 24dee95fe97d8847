/*
 * json.h: looking at JSON without taking it apart: is it valid, has it a member, without its blanks; and writing a string.
 */
#ifndef EVPIPE_JSON_H
#define EVPIPE_JSON_H

#include "buffer.h"

/* The deepest nesting that counts as valid, so that a receiver's own parser isn't led into the deep. */
#define EVPIPE__JSON_DEPTH_MAX 256

/* The longest name of a member that can be looked for. */
#define EVPIPE__JSON_MEMBER_MAX 128

typedef struct evpipe__json {
	const char *problem;    /* NULL: valid. Static text */
	size_t      at;         /* where the problem is */
	int         is_object;
	size_t      inside;     /* of an object: where what follows the first brace begins */
	int         is_empty;   /* of an object: it has no members */
	unsigned    members;    /* of an object: how many at the top have the name asked for */
	size_t      member;     /* if any: where the value of the last one begins */
} evpipe__json;

/*
 * Is this one JSON text (RFC 8259, in UTF-8, strictly; an escaped half of a surrogate pair passes, as it does with most
 * parsers)? `member` may be NULL, and is at most EVPIPE__JSON_MEMBER_MAX bytes long. Allocates nothing and does not
 * recurse. True: valid.
 */
int evpipe__json_scan(evpipe__json *json, const void *bytes, size_t len, const char *member);

/*
 * Decode the string that begins at `value`, within what was found valid, into `out` with a NUL behind it. Its length; 0
 * if it is no string, or an empty one, one longer than `max` bytes, or one that is no text in UTF-8 without NULs.
 */
size_t evpipe__json_text(char *out, size_t max, const void *value);

/* Take the blanks between the tokens, and so all line breaks, out of valid JSON, in place. Returns the new length. */
size_t evpipe__json_compact(char *json, size_t len);

/* Append a string with its quotes; what is no UTF-8 becomes U+FFFD. ETOOLARGE, ENOMEM. */
evpipe_err evpipe__json_put_string(evpipe__buffer *out, const void *bytes, size_t len);

/* Append base64 (RFC 4648, with padding), without quotes. ETOOLARGE, ENOMEM. */
evpipe_err evpipe__base64_put(evpipe__buffer *out, const void *bytes, size_t len);

#endif
