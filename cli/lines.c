#include "lines.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

#define ROOM_MIN (256 * 1024)

int lines_open(struct lines *lines, const char *path, size_t line_max, int stop_fd)
{
	*lines = (struct lines){.name = path ? path : "standard input", .line_max = line_max, .stop_fd = stop_fd};
	lines->fd = path ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	if (lines->fd < 0)
		return -1;
	lines->room = ROOM_MIN;
	lines->buffer = malloc(lines->room);
	if (!lines->buffer) {
		lines_close(lines);
		errno = ENOMEM;
		return -1;
	}
	return 0;
}

void lines_close(struct lines *lines)
{
	if (lines->fd > STDIN_FILENO)
		close(lines->fd);
	free(lines->buffer);
	lines->buffer = NULL;
}

/* Room for more, up to the limit of a line and its end. False if there is none. */
static int make_room(struct lines *lines)
{
	if (lines->begin) {
		memmove(lines->buffer, lines->buffer + lines->begin, lines->end - lines->begin);
		lines->end -= lines->begin;
		lines->begin = 0;
	}
	if (lines->end < lines->room)
		return 1;
	size_t most = lines->line_max + 2 > ROOM_MIN ? lines->line_max + 2 : ROOM_MIN;
	size_t room = 2 * lines->room < most ? 2 * lines->room : most;
	if (room <= lines->room)
		return 0;
	char *more = realloc(lines->buffer, room);
	if (!more)
		return 0;
	lines->buffer = more;
	lines->room = room;
	return 1;
}

/* 1: there is more; 0: the input has ended; -1: errno. */
static int read_more(struct lines *lines)
{
	struct pollfd look[2] = {{.fd = lines->fd, .events = POLLIN}, {.fd = lines->stop_fd, .events = POLLIN}};
	ssize_t       got;

	if (lines->at_end)
		return 0;
	do {
		if (poll(look, 2, -1) < 0 && errno != EINTR)
			return -1;
		if (look[1].revents && stop_wait(lines->stop_fd, 0)) {
			lines->stopped = lines->at_end = 1;
			stop_restore(); /* a second one ends at once */
			return 0;
		}
		got = read(lines->fd, lines->buffer + lines->end, lines->room - lines->end);
	} while (got < 0 && (errno == EINTR || errno == EAGAIN));
	if (got < 0)
		return -1;
	if (got == 0)
		lines->at_end = 1;
	lines->end += (size_t)got;
	return got > 0;
}

/* Drop what there is of a line that is too long, up to its end. */
static enum lines_result pass_over(struct lines *lines)
{
	char *newline;
	while (!(newline = memchr(lines->buffer + lines->begin, '\n', lines->end - lines->begin))) {
		lines->begin = lines->end = 0;
		int more = read_more(lines);
		if (more < 0)
			return LINES_FAILED;
		if (!more)
			return LINES_TOO_LONG;
	}
	lines->begin = (size_t)(newline + 1 - lines->buffer);
	return LINES_TOO_LONG;
}

static int is_blank(const char *line, size_t len)
{
	while (len && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	return !len;
}

static enum lines_result next_line(struct lines *lines, const char **line, size_t *len)
{
	size_t looked_at = 0;
	char  *newline;

	while (!(newline = memchr(lines->buffer + lines->begin + looked_at, '\n',
	                          lines->end - lines->begin - looked_at))) {
		looked_at = lines->end - lines->begin;
		if (looked_at > lines->line_max + 1 || !make_room(lines)) {
			lines->number++;
			return pass_over(lines);
		}
		int more = read_more(lines);
		if (more < 0)
			return LINES_FAILED;
		if (!more)
			break;
	}
	/* What a signal cut off is no line. */
	if (!newline && (lines->begin == lines->end || lines->stopped))
		return LINES_END;
	size_t end = newline ? (size_t)(newline - lines->buffer) : lines->end;
	*line = lines->buffer + lines->begin;
	*len = end - lines->begin;
	lines->begin = newline ? end + 1 : end;
	if (*len && (*line)[*len - 1] == '\r')
		--*len;
	lines->number++;
	return *len > lines->line_max ? LINES_TOO_LONG : LINES_LINE;
}

enum lines_result lines_next(struct lines *lines, const char **line, size_t *len)
{
	enum lines_result result;
	do
		result = next_line(lines, line, len);
	while (result == LINES_LINE && is_blank(*line, *len));
	return result;
}
