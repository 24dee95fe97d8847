/*
 * options.h: the options of a subcommand, as a table, and those that all have.
 */
#ifndef EVPIPE_CLI_OPTIONS_H
#define EVPIPE_CLI_OPTIONS_H

#include "cli.h"

enum option_kind {
	OPTION_FLAG,     /* int: becomes 1 */
	OPTION_TEXT,     /* const char *: borrowed from argv */
	OPTION_NUMBER,   /* int64_t */
	OPTION_DURATION, /* int64_t, in ms */
	OPTION_BYTES,    /* int64_t */
	OPTION_RATE,     /* int64_t: parts of 1,000,000 */
	OPTION_CALL      /* `call` takes it */
};

struct option_spec {
	const char      *name;
	enum option_kind kind;
	void            *to;
	/* 0; else a text that says what it should be. */
	const char *(*call)(void *to, const char *value);
};

#define OPTIONS_MAX 48 /* of one subcommand */

/* What all subcommands have. */
struct common {
	struct common_setting {
		const char *file;         /* of -c; or NULL, and */
		const char *name, *value; /* of --set */
	} * settings;
	size_t settings_count;
};
void common_release(struct common *common);

/*
 * Read the options, and at most one operand, command->operand, if `file` is not NULL ("-" or none: *file is NULL then,
 * which is standard input). -1: go on; else the exit code (--help and --version give 0; a mistake was complained of), and nothing is to be
 * released.
 */
int options_parse(struct common *common, const struct command *command, const struct option_spec *specs,
                  size_t specs_count, int argc, char **argv, const char **file);

/*
 * Files and settings, in the order given, into a configuration that logs to stderr. 0, or the exit code: it was
 * complained of.
 */
int common_load(const struct common *common, evpipe_config *config);

/* Help of a subcommand, on stdout. */
void help_print(const struct command *command);
void version_print(void);

#endif
