/*
 * fields.h: which fields of a JSON line are an event's destination, key, id, time and type.
 */
#ifndef EVPIPE_CLI_FIELDS_H
#define EVPIPE_CLI_FIELDS_H

#include <evpipe.h>
#include <jansson.h>

#include "options.h"

/* Paths such as "org" or "user.session.id"; NULL: not given. */
struct fields {
	const char *destination;      /* a path, or */
	const char *destination_name; /* the same for all */
	const char *key;
	const char *id;
	const char *time;
	const char *type;
};

/* The options that say so, for the table of a subcommand. */
/* clang-format off */
#define FIELDS_OPTIONS(fields) \
	{"destination-field", OPTION_TEXT, &(fields).destination, NULL}, \
	{"destination", OPTION_TEXT, &(fields).destination_name, NULL}, \
	{"key-field", OPTION_TEXT, &(fields).key, NULL}, \
	{"id-field", OPTION_TEXT, &(fields).id, NULL}, \
	{"time-field", OPTION_TEXT, &(fields).time, NULL}, \
	{"type-field", OPTION_TEXT, &(fields).type, NULL}

#define FIELDS_HELP \
	"  --destination-field F  the field with the destination, or\n" \
	"  --destination NAME     the same destination for all\n" \
	"  --key-field F          events with the same value stay in order\n" \
	"  --id-field F           the event's stable, unique id; else one is made\n" \
	"  --time-field F         its time: RFC 3339, or ms since 1970; else now\n" \
	"  --type-field F         its CloudEvents type; else event.type\n" \
	"A field may be a path: user.session.id\n"
/* clang-format on */

/* 0, or the exit code. */
int fields_check(const struct fields *fields);

/* A line that was read; release it when its event is no longer needed. */
struct parsed_line {
	evpipe_event event; /* borrows from the line and from root */
	json_t      *root;
	char         numbers[4][24];
};

#define FIELDS_PROBLEM_MAX 256

/* 0, or -1 and one line that says why not. */
int  fields_read(const struct fields *fields, const char *line, size_t len, struct parsed_line *parsed,
                 char problem[FIELDS_PROBLEM_MAX]);
void parsed_line_release(struct parsed_line *parsed);

#endif
