/*
 * scan.h: find a member of a JSON object without parsing the rest. Looks at each byte at most once and builds nothing.
 * What it walks over is not validated beyond its brackets and strings.
 */
#ifndef EVPIPE_CLI_SCAN_H
#define EVPIPE_CLI_SCAN_H

#include <stddef.h>

struct slice {
	const char *data; /* NULL: there is none */
	size_t      len;
};

/* Past the white space. */
const char *scan_space(const char *at, const char *end);

/* Past the value that begins here; NULL: it is malformed or does not end. */
const char *scan_value(const char *at, const char *end);

/*
 * The raw value of the member at a path ("id", "user.session"), quotes included. .data is NULL if it is not there. A
 * member whose name is written with escapes is not found.
 */
struct slice scan_member(struct slice object, const char *path);

/*
 * What a raw string or number says. Without escapes it points into `raw`; with escapes it is decoded into `scratch`,
 * which has room for raw.len bytes. .data is NULL if it is neither, or empty.
 */
struct slice scan_text(struct slice raw, char *scratch);

#endif
