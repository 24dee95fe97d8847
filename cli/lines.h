/*
 * lines.h: lines of a file or of standard input, in a buffer that grows up to a limit. A longer line is passed over,
 * and said so.
 */
#ifndef EVPIPE_CLI_LINES_H
#define EVPIPE_CLI_LINES_H

#include <stddef.h>
#include <stdint.h>

struct lines {
	const char *name; /* for messages */
	int         fd;
	int         stop_fd; /* readable: the input ends here */
	size_t      line_max;
	char       *buffer;
	size_t      room, begin, end; /* what is unread is from begin to end */
	int         at_end;
	int         stopped;
	uint64_t    number; /* of the last line, from 1 */
};

enum lines_result {
	LINES_LINE,
	LINES_TOO_LONG, /* lines->number says which */
	LINES_END,
	LINES_FAILED /* errno */
};

/* path NULL: standard input. 0, or -1 and errno. */
int  lines_open(struct lines *lines, const char *path, size_t line_max, int stop_fd);
void lines_close(struct lines *lines);

/* The next line that is not blank, without its end (LF or CR LF), borrowed until the next call. Waits for more. */
enum lines_result lines_next(struct lines *lines, const char **line, size_t *len);

#endif
