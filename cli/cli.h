/*
 * cli.h: what the subcommands share. The command uses the library's public interface and nothing else of it.
 */
#ifndef EVPIPE_CLI_H
#define EVPIPE_CLI_H

#include <evpipe.h>
#include <stdio.h>
#include <sysexits.h>

/* ---- subcommands ------------------------------------------------------------------------------------------------- */

struct command {
	const char *name;
	const char *summary; /* a line of `evpipe help` */
	const char *help;    /* what `evpipe help NAME` says; examples first. Options that all have are added. */
	const char *operand; /* what it takes beside options, such as "one DIR"; NULL: nothing */
	int         is_unconfigured; /* it reads no configuration, and so has neither -c nor --set */
	int (*run)(const struct command *self, int argc, char **argv); /* returns the exit code */
};

extern const struct command command_emit, command_run, command_receive, command_demo, command_check,
                            command_recover;

/* ---- telling people (terminal.c) ---- */

/* A line on stderr, `evpipe: ...`: what, where, what to do. Any thread. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Complain and return `code`. */
int fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A line on stderr without the name before it. Any thread. */
void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* True if progress is to be shown: stderr is a terminal. */
int progress_wanted(void);

/* Replace the line of progress by another, if it is wanted and not too often. progress_end removes it. Any thread. */
void progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void progress_end(void);

/* "1,234,567" */
#define GROUPED_MAX 28
const char *grouped(char out[GROUPED_MAX], uint64_t number);

/* Rows of a name and numbers, in columns as wide as they have to be. */
#define TABLE_COLUMNS_MAX 16
struct table_row {
	const char     *name;
	const uint64_t *numbers;
};
void table_print(FILE *to, const char *const *heads, size_t heads_count, const struct table_row *rows,
                 size_t rows_count);

/* The exit code that fits an error of the library's. */
int exit_code_of(evpipe_err err);

/* ---- logs (logging.c) ---- */

/* Sets what is logged: LEVEL or more important. 0, or -1 if there is no such level. */
int log_set_level(const char *level);

/* An evpipe_log_fn: a line of logfmt with time and level on stderr. Any thread. */
void log_write(void *ctx, evpipe_log_level level, const char *line);
void log_format(evpipe_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A value for such a line, in quotes if it needs them; at least 4 bytes of room. Returns `out`; cut to fit. */
const char *log_quote(char *out, size_t size, const char *text);

/* ---- stopping (stopping.c) ---- */

/*
 * From now on SIGINT and SIGTERM make the descriptor readable instead of killing; call it before any thread is started.
 * -1: it failed, and was complained of.
 */
int stop_open(void);

/* Wait at most timeout_ms (-1: for ever) for a signal; true if one came. Each counts once. */
int stop_wait(int fd, int timeout_ms);

/* From now on they kill again. */
void stop_restore(void);

/* ---- clock ---- */

int64_t now_ms(void); /* monotonic */
void    sleep_ms(int64_t ms);

#endif
