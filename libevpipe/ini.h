/*
 * ini.h: reading INI files line by line.
 *
 * A reader of our own, and not Debian's inih: that one cuts what stands behind `;` in a value, takes a line that begins
 * with spaces for one more value of the name before, and is told otherwise, as of its limits of 200 bytes a line, by
 * variables that are the whole process's.
 *
 *     # a comment, as is a line that begins with ;
 *     [batch]
 *     linger = 1s            batch.linger, up to the end of the line: # and ; are part of a value
 *     [destination.ACME]
 *     sink.url = https://…   destination.ACME.sink.url
 *
 * Spaces and tabs around names, values and section names do not count. Lines end with LF or CRLF; a UTF-8 byte order
 * mark at the start is passed over.
 */
#ifndef EVPIPE_INI_H
#define EVPIPE_INI_H

#include <stdio.h>

#include <evpipe.h>

#define EVPIPE__INI_LINE_MAX 8192 /* bytes of a line, its end not counted */

/* For each property. `name` has the section in front. 0 to go on; anything else ends the reading and is returned. */
typedef int (*evpipe__ini_property_fn)(void *ctx, size_t line, const char *name, const char *value);

/* For each line that cannot be read. `problem` is static. As above. */
typedef int (*evpipe__ini_problem_fn)(void *ctx, size_t line, const char *problem);

/* 0, or what a visitor returned. What the file itself has to say is in ferror(file). */
int evpipe__ini_read(FILE *file, evpipe__ini_property_fn on_property, evpipe__ini_problem_fn on_problem, void *ctx);

#endif
