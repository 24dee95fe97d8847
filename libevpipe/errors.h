/*
 * errors.h: filling an evpipe_error.
 */
#ifndef EVPIPE_ERRORS_H
#define EVPIPE_ERRORS_H

#include <evpipe.h>

/* Fill *error, if it is not NULL, and return the code: `return evpipe__fail(error, EVPIPE_EIO, "%s: ...", path);` */
evpipe_err evpipe__fail(evpipe_error *error, evpipe_err code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same with the code's own text. */
evpipe_err evpipe__fail_plain(evpipe_error *error, evpipe_err code);

/* What an errno means; static. Any thread. */
const char *evpipe__errno_text(int number);

#endif
