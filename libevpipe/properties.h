/*
 * properties.h: the one table of properties. The setter, the configuration file, `--set`, `evpipe check` and
 * docs/configuration.md have names, types, ranges, defaults and texts from here and from nowhere else.
 */
#ifndef EVPIPE_PROPERTIES_H
#define EVPIPE_PROPERTIES_H

#include <stddef.h>
#include <stdint.h>

typedef enum evpipe__type {
	EVPIPE__TEXT,
	EVPIPE__SECRET, /* a text that no error and no log line ever shows */
	EVPIPE__BOOL,
	EVPIPE__COUNT,
	EVPIPE__BYTES,
	EVPIPE__DURATION,
	EVPIPE__DURATIONS, /* ascending, separated by commas */
	EVPIPE__CHOICE
} evpipe__type;

enum {
	EVPIPE__PER_DESTINATION = 1 << 0, /* destination.NAME.property may be set, too */
	EVPIPE__FOREVER = 1 << 1          /* a duration that may be "forever", which is -1 */
};

#define EVPIPE__CHOICES_MAX 4

/* NULL, or what is wrong with the text; static. */
typedef const char *(*evpipe__form)(const char *text);

typedef struct evpipe__property {
	const char  *name;
	evpipe__type type;
	unsigned     flags;
	int64_t      min, max; /* of counts, bytes, durations (ms), and of each duration of a list */
	const char  *initial;  /* the default, as in a file; NULL: none, and then an empty text is none, too */
	const char  *choices[EVPIPE__CHOICES_MAX + 1];
	evpipe__form form;     /* of a text; NULL: any */
	const char  *example;  /* a value */
	const char  *text;     /* what it is, and when to change it */
} evpipe__property;

#define EVPIPE__PROPERTIES_MAX 128 /* there are fewer */
extern const evpipe__property evpipe__properties[];
extern const size_t           evpipe__properties_count;

/* The properties whose names begin alike, in the order in which people should read of them. */
typedef struct evpipe__section {
	const char *name;
	const char *text;
} evpipe__section;
extern const evpipe__section evpipe__sections[];
extern const size_t          evpipe__sections_count;

/* Prefixes of names that are not in the table but go on to somebody else as they are: kafka.NAME, sink.header.NAME. */
typedef struct evpipe__passthrough {
	const char  *prefix;
	unsigned     flags;
	const char  *example; /* a line of a file */
	const char  *text;
	/* NULL, or why `name` (without the prefix) may not be set to this value; static. */
	const char *(*refuse)(const char *name, const char *value);
} evpipe__passthrough;
extern const evpipe__passthrough evpipe__passthroughs[];
extern const size_t              evpipe__passthroughs_count;

/* The longest prefix that `name` begins with and says more than; NULL: none. */
const evpipe__passthrough *evpipe__passthrough_of(const char *name);

/* An index of the table by name, for who looks often. */
typedef struct evpipe__property_index {
	uint8_t slots[256]; /* open addressing; place in the table + 1, 0 is empty */
} evpipe__property_index;
void evpipe__property_index_init(evpipe__property_index *index);

/* NULL: there is none of that name. */
const evpipe__property *evpipe__property_find(const evpipe__property_index *index, const char *name);

/*
 * Read a value: *number is in the base unit (milliseconds, bytes, a count, 0 or 1, the place among the choices; of a
 * list how many there are; 0 for texts). NULL, or what is wrong; static.
 */
const char *evpipe__property_parse(const evpipe__property *property, const char *value, int64_t *number);

/*
 * What it takes: "a duration from 0 to 1h"; and, for errors, with examples: "a duration from 0 to 1h, such as 200ms,
 * 5s". Both return `out`, and cut to fit.
 */
const char *evpipe__property_takes(const evpipe__property *property, char *out, size_t size);
const char *evpipe__property_expects(const evpipe__property *property, char *out, size_t size);

#endif
