#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
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

void progress(const char *format, ...)
{
	va_list args;
	if (!progress_wanted())
		return;
	va_start(args, format);
	pthread_mutex_lock(&lock);
	if (now_ms() - progress_ms >= PROGRESS_MS) {
		fputs("\r\033[K", stderr);
		vfprintf(stderr, format, args);
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

void table_print(FILE *to, const char *const *heads, size_t heads_count, const struct table_row *rows,
                 size_t rows_count)
{
	char        number[GROUPED_MAX];
	int         name_width = (int)strlen(heads[0]);
	const char *no_color = getenv("NO_COLOR");
	int         bold = isatty(fileno(to)) && !(no_color && *no_color);

	for (size_t i = 0; i < rows_count; i++) {
		int width = (int)strlen(rows[i].name);
		name_width = width > name_width ? width : name_width;
	}
	name_width = name_width > NAME_WIDTH_MAX ? NAME_WIDTH_MAX : name_width;
	fprintf(to, "%s%-*s", bold ? "\033[1m" : "", name_width, heads[0]);
	for (size_t column = 1; column < heads_count; column++)
		fprintf(to, "  %12s", heads[column]);
	fprintf(to, "%s\n", bold ? "\033[0m" : "");
	for (size_t i = 0; i < rows_count; i++) {
		fprintf(to, "%-*.*s", name_width, name_width, rows[i].name);
		for (size_t column = 1; column < heads_count; column++)
			fprintf(to, "  %12s", grouped(number, rows[i].numbers[column - 1]));
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
