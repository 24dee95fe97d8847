/*
 * What a configuration comes to, for people.
 */
#include <evpipe.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "settings.h"

#define NAME_MAX_BYTES 600
#define HIDDEN         "(hidden)"

struct showing {
	const evpipe_config       *config;
	const char                *destination; /* NULL: for all */
	const evpipe__passthrough *passthrough; /* the one looked at */
	evpipe_effective_fn        visit;
	void                      *ctx;
};

static int tell(const struct showing *showing, const char *name, const char *value, const evpipe__setting *setting)
{
	char full[NAME_MAX_BYTES];
	if (!showing->destination)
		return showing->visit(showing->ctx, name, value,
		                      setting ? setting->origin ? setting->origin : "" : NULL);
	snprintf(full, sizeof full, "destination.%s.%s", showing->destination, name);
	return showing->visit(showing->ctx, full, value, setting->origin ? setting->origin : "");
}

static int show_properties(const struct showing *showing)
{
	int stop = 0;
	for (size_t i = 0; i < evpipe__properties_count && !stop; i++) {
		const evpipe__property *property = &evpipe__properties[i];
		const evpipe__setting  *setting = evpipe__settings_get(showing->config, showing->destination,
		                                                       property->name);
		if (!setting && showing->destination)
			continue;
		const char *value = setting ? setting->text : property->initial;
		if (value && !*value && !property->initial)
			value = NULL;
		if (value && property->type == EVPIPE__SECRET)
			value = HIDDEN;
		stop = tell(showing, property->name, value, setting);
	}
	return stop;
}

/* We know nothing of what is passed through but its name: rather one too many is hidden. */
static int looks_secret(const char *name)
{
	static const char *const words[] = {"password", "secret", "token",      "key", "pem",
	                                    "auth",     "cookie", "credential", "jaas"};
	for (; *name; name++)
		for (size_t i = 0; i < sizeof words / sizeof *words; i++)
			if (strncasecmp(name, words[i], strlen(words[i])) == 0)
				return 1;
	return 0;
}

static int show_passed(void *ctx, const char *name, const char *value)
{
	const struct showing *showing = ctx;
	char                  full[NAME_MAX_BYTES];

	snprintf(full, sizeof full, "%s%s", showing->passthrough->prefix, name);
	/* One prefix may begin with another, and a destination is told of the common ones, too. */
	const evpipe__setting *setting = evpipe__settings_get(showing->config, showing->destination, full);
	if (evpipe__passthrough_of(full) != showing->passthrough || !setting)
		return 0;
	return tell(showing, full, looks_secret(name) ? HIDDEN : value, setting);
}

static int show_scope(struct showing *showing)
{
	int stop = show_properties(showing);
	for (size_t i = 0; i < evpipe__passthroughs_count && !stop; i++) {
		showing->passthrough = &evpipe__passthroughs[i];
		stop = evpipe_config_each(showing->config, showing->destination, showing->passthrough->prefix,
		                          show_passed, showing);
	}
	return stop;
}

static int show_destination(void *ctx, const char *destination)
{
	struct showing *showing = ctx;
	showing->destination = destination;
	return show_scope(showing);
}

int evpipe_config_show(const evpipe_config *config, evpipe_effective_fn visit, void *ctx)
{
	struct showing showing = {.config = config, .visit = visit, .ctx = ctx};
	int            stop = show_scope(&showing);
	return stop ? stop : evpipe__settings_each_destination(config, show_destination, &showing);
}
