#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

/*
 * One line of progress may be on the screen; whoever writes something else takes it away first. Both guarded by
 * the lock, which ThreadSanitizer sees, as it does not stderr's own.
 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int     progress_shown;
static int64_t progress_ms; /* when it was last written */

#define PROGRESS_MS 100

static void clear_progress(void)
{
	if (progress_shown)
		fputs("\r\033[K", stderr);
	progress_shown = 0;
}

__attribute__((format(printf, 2, 0))) static void write_line(const char *prefix, const char *format, va_list args)
{
	pthread_mutex_lock(&lock);
	clear_progress();
	fputs(prefix, stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	fflush(stderr);
	pthread_mutex_unlock(&lock);
}

void complain(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	write_line("evpipe: ", format, args);
	va_end(args);
}

int fail(int code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	write_line("evpipe: ", format, args);
	va_end(args);
	return code;
}

void tell(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	write_line("", format, args);
	va_end(args);
}

/* ---- progress ---- */

int progress_wanted(void)
{
	return isatty(STDERR_FILENO);
}

/* A line that is as wide as the terminal, or wider, could not be taken away again. */
static int line_width_max(void)
{
	struct winsize size;
	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col - 1 : 79;
}

void progress(const char *format, ...)
{
	char    line[256];
	va_list args;
	if (!progress_wanted())
		return;
	va_start(args, format);
	pthread_mutex_lock(&lock);
	if (now_ms() - progress_ms >= PROGRESS_MS) {
		vsnprintf(line, sizeof line, format, args);
		fprintf(stderr, "\r\033[K%.*s", line_width_max(), line);
		fflush(stderr);
		progress_shown = 1;
		progress_ms = now_ms();
	}
	pthread_mutex_unlock(&lock);
	va_end(args);
}

void progress_end(void)
{
	pthread_mutex_lock(&lock);
	clear_progress();
	fflush(stderr);
	pthread_mutex_unlock(&lock);
}

/* ---- tables ---- */

const char *grouped(char out[GROUPED_MAX], uint64_t number)
{
	char   digits[24], *to = out;
	size_t len = (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
	for (size_t i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return out;
}

#define NAME_WIDTH_MAX 40

/* Of column 0, the names, or another one: that of the widest in it. */
static int width_of(size_t column, const char *head, const struct table_row *rows, size_t rows_count)
{
	char number[GROUPED_MAX];
	int  width = (int)strlen(head);
	for (size_t i = 0; i < rows_count; i++) {
		int len = (int)strlen(column ? grouped(number, rows[i].numbers[column - 1]) : rows[i].name);
		width = len > width ? len : width;
	}
	return width;
}

void table_print(FILE *to, const char *const *heads, size_t heads_count, const struct table_row *rows,
                 size_t rows_count)
{
	char        number[GROUPED_MAX];
	int         widths[TABLE_COLUMNS_MAX] = {0};
	const char *no_color = getenv("NO_COLOR");
	int         bold = isatty(fileno(to)) && !(no_color && *no_color);

	for (size_t column = 0; column < heads_count; column++)
		widths[column] = width_of(column, heads[column], rows, rows_count);
	widths[0] = widths[0] > NAME_WIDTH_MAX ? NAME_WIDTH_MAX : widths[0];
	fprintf(to, "%s%-*s", bold ? "\033[1m" : "", widths[0], heads[0]);
	for (size_t column = 1; column < heads_count; column++)
		fprintf(to, "  %*s", widths[column], heads[column]);
	fprintf(to, "%s\n", bold ? "\033[0m" : "");
	for (size_t i = 0; i < rows_count; i++) {
		fprintf(to, "%-*.*s", widths[0], widths[0], rows[i].name);
		for (size_t column = 1; column < heads_count; column++)
			fprintf(to, "  %*s", widths[column], grouped(number, rows[i].numbers[column - 1]));
		fputc('\n', to);
	}
}

/* ---- the rest ---- */

int exit_code_of(evpipe_err err)
{
	static const struct {
		evpipe_err err;
		int        code;
	} table[] = {
		{EVPIPE_OK, EX_OK},
		{EVPIPE_EINVAL, EX_USAGE},
		{EVPIPE_ECONFIG, EX_CONFIG},
		{EVPIPE_ENOTSUP, EX_CONFIG},
		{EVPIPE_ETOPIC, EX_CONFIG},
		{EVPIPE_EDENIED, EX_CONFIG},
		{EVPIPE_ETOOLARGE, EX_DATAERR},
		{EVPIPE_EFORMAT, EX_DATAERR},
		{EVPIPE_EUNAVAILABLE, EX_UNAVAILABLE},
		{EVPIPE_ETIMEOUT, EX_TEMPFAIL},
		{EVPIPE_EIO, EX_IOERR},
		{EVPIPE_EFULL, EX_IOERR},
	};
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (table[i].err == err)
			return table[i].code;
	return EX_SOFTWARE;
}

int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void sleep_ms(int64_t ms)
{
	struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
	nanosleep(&t, NULL);
}
