/*
 * settings.h: what an evpipe_config is: values of properties, and what was handed in beside them.
 */
#ifndef EVPIPE_SETTINGS_H
#define EVPIPE_SETTINGS_H

#include <evpipe-transport.h>

#include "log.h"
#include "properties.h"

/* One value that was set. Of a list, in the order in which they were first set. */
typedef struct evpipe__setting {
	struct evpipe__setting *prev, *next;
	const evpipe__property *property; /* NULL: it is passed through */
	const char             *name;     /* without destination.NAME. */
	const char             *text;     /* never NULL; "" of a property without a default means none */
	const char             *origin;   /* "path:line"; NULL: it was set by a call */
	unsigned                file;     /* which file set it, counted by the configuration; 0: none */
	int64_t                 number;
} evpipe__setting;

struct evpipe__scope; /* what is set for one destination: config.c */

struct evpipe_config {
	evpipe__property_index index;
	int64_t                defaults[EVPIPE__PROPERTIES_MAX]; /* numbers, by place in the table */
	evpipe__setting       *common[EVPIPE__PROPERTIES_MAX];   /* likewise; those of `settings`; NULL: not set */
	evpipe__setting       *settings;                         /* what is set for all destinations */
	struct evpipe__scope  *destinations;                     /* a hash */
	unsigned               files; /* how many were loaded */

	evpipe__log        log;
	evpipe_rejected_fn rejected;
	void              *rejected_ctx;

	const evpipe_transport_ops *transport_ops; /* NULL: transport.url says */
	void                       *transport_arg;
	evpipe_runtime              runtime; /* size 0: the machine's own */
	const struct evpipe__storage *storage; /* of journals, instead of journal.dir: tests; not owned. NULL: there is none */
};

/* A problem or a name as it may stand in an error: one line, control characters as `?`, cut to fit. Returns `out`. */
const char *evpipe__settings_shown(char *out, size_t size, const char *text);

/*
 * Keep a copy of a setting, for one destination or for all of them (NULL), in the place of what was set before. ENOMEM.
 */
evpipe_err evpipe__settings_put(evpipe_config *config, const char *destination, const evpipe__setting *setting);

/* What is set for exactly this destination (NULL: for all of them); NULL: nothing is. */
const evpipe__setting *evpipe__settings_get(const evpipe_config *config, const char *destination, const char *name);

/*
 * Visit the destinations that have settings of their own, in the order in which they came. The visitor's answer as for
 * evpipe_config_each.
 */
int evpipe__settings_each_destination(const evpipe_config *config, int (*visit)(void *ctx, const char *destination),
				      void *ctx);

/*
 * As evpipe_config_set, for a value that stands at `origin`, "path:line", in the file'th file; a second one in the same
 * file is refused.
 */
evpipe_err evpipe__settings_assign(evpipe_config *config, const char *name, const char *value, const char *origin,
				   unsigned file, evpipe_error *error);

/*
 * What producers and workers do first: a copy of their own, and a look at what holds between properties. The error has
 * the first problem and how many more there are. ECONFIG, ENOMEM, and ENOTSUP if this build lacks the transport.
 */
evpipe_err evpipe__settings_copy_checked(evpipe_config **out, const evpipe_config *config, evpipe_error *error);

/* The runtime that was handed in, else the machine's own. Borrowed from the configuration. */
const evpipe_runtime *evpipe__settings_runtime(const evpipe_config *config);

/*
 * Open the transport that was handed in, else the one transport.url names. Fills url, arg and config of the setup.
 * ECONFIG, ENOTSUP, and what open returns.
 */
evpipe_err evpipe__settings_open_transport(const evpipe_config *config, evpipe_transport_setup *setup,
                                           const evpipe_transport_ops **ops, void **self, evpipe_error *error);

/* What is asked of a topic of that name; `retention` names the property that says how long it keeps its records. */
evpipe_topic_spec evpipe__settings_topic(const evpipe_config *config, const char *name, const char *retention);

#endif
