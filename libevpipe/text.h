/*
 * text.h: bytes from outside as text that may be shown, and as UTF-8.
 */
#ifndef EVPIPE_TEXT_H
#define EVPIPE_TEXT_H

#include <stddef.h>

/* The length of the UTF-8 sequence that begins at `bytes`, 1 to 4; 0: there is none (overlong, a surrogate, cut off). `len` > 0. */
size_t evpipe__utf8_length(const void *bytes, size_t len);

/*
 * The first line that is not blank, as it may go to a terminal and into a log: control characters are blanks, what is
 * no UTF-8 is a question mark. Cut to fit `size` (> 0), never within a character. Returns `out`.
 */
char *evpipe__text_line(char *out, size_t size, const void *bytes, size_t len);

#endif
