/*
 * A configuration's life, and how it is read. How it is written is in assign.c and ini.c.
 */
#include "settings.h"

#include <string.h>
#include <strings.h>

#define uthash_malloc(size)       evpipe__malloc(size)
#define uthash_free(memory, size) evpipe__free(memory)
#define HASH_NONFATAL_OOM         1
#include <uthash.h>
#include <utlist.h>

#include "memory.h"
#include "values.h"

struct evpipe__scope {
	char            *destination;
	evpipe__setting *settings;
	UT_hash_handle   hh;
};

/* ---- settings ---- */

static void setting_free(evpipe__setting *setting)
{
	if (!setting)
		return;
	evpipe__free((char *)(uintptr_t)setting->name);
	evpipe__free((char *)(uintptr_t)setting->text);
	evpipe__free((char *)(uintptr_t)setting->origin);
	evpipe__free(setting);
}

static evpipe__setting *setting_copy(const evpipe__setting *from)
{
	evpipe__setting *setting = evpipe__malloc(sizeof *setting);
	if (!setting)
		return NULL;
	*setting = *from;
	setting->name = evpipe__strdup(from->name);
	setting->text = evpipe__strdup(from->text);
	setting->origin = evpipe__strdup(from->origin);
	if (setting->name && setting->text && (setting->origin || !from->origin))
		return setting;
	setting_free(setting);
	return NULL;
}

/* Names that are passed through may differ in small and capital letters and mean the same. */
static evpipe__setting *find_in(evpipe__setting *settings, const evpipe__property *property, const char *name)
{
	evpipe__setting *setting;
	DL_FOREACH(settings, setting)
		if (setting->property == property && (property || strcasecmp(setting->name, name) == 0))
			return setting;
	return NULL;
}

static void settings_free(evpipe__setting **settings)
{
	evpipe__setting *setting, *next;
	DL_FOREACH_SAFE(*settings, setting, next)
		setting_free(setting);
	*settings = NULL;
}

/* ---- destinations ---- */

static struct evpipe__scope *scope_find(const evpipe_config *config, const char *destination)
{
	struct evpipe__scope *scope = NULL;
	if (config->destinations)
		HASH_FIND_STR(config->destinations, destination, scope);
	return scope;
}

static void scope_free(struct evpipe__scope *scope)
{
	settings_free(&scope->settings);
	evpipe__free(scope->destination);
	evpipe__free(scope);
}

static struct evpipe__scope *scope_get(evpipe_config *config, const char *destination)
{
	struct evpipe__scope *scope = scope_find(config, destination);
	if (scope)
		return scope;
	scope = evpipe__calloc(1, sizeof *scope);
	if (!scope)
		return NULL;
	scope->destination = evpipe__strdup(destination);
	if (scope->destination) {
		HASH_ADD_KEYPTR(hh, config->destinations, scope->destination, strlen(scope->destination), scope);
		if (scope->hh.tbl)
			return scope;
	}
	scope_free(scope);
	return NULL;
}

/* ---- putting and getting ---- */

evpipe_err evpipe__settings_put(evpipe_config *config, const char *destination, const evpipe__setting *setting)
{
	evpipe__setting **settings = &config->settings, *added = setting_copy(setting);
	if (!added)
		return EVPIPE_ENOMEM;
	if (destination) {
		struct evpipe__scope *scope = scope_get(config, destination);
		if (!scope) {
			setting_free(added);
			return EVPIPE_ENOMEM;
		}
		settings = &scope->settings;
	} else if (added->property) {
		config->common[added->property - evpipe__properties] = added;
	}
	evpipe__setting *old = find_in(*settings, added->property, added->name);
	if (old) {
		DL_REPLACE_ELEM(*settings, old, added);
		setting_free(old);
	} else {
		DL_APPEND(*settings, added);
	}
	return EVPIPE_OK;
}

static const evpipe__setting *own_setting(const evpipe_config *config, const char *destination,
					  const evpipe__property *property)
{
	struct evpipe__scope *scope =
		destination && property->flags & EVPIPE__PER_DESTINATION ? scope_find(config, destination) : NULL;
	return scope ? find_in(scope->settings, property, property->name) : NULL;
}

/* As it stands for a destination; NULL: the default does. */
static const evpipe__setting *effective(const evpipe_config *config, const char *destination,
					const evpipe__property *property)
{
	const evpipe__setting *own = own_setting(config, destination, property);
	return own ? own : config->common[property - evpipe__properties];
}

const evpipe__setting *evpipe__settings_get(const evpipe_config *config, const char *destination, const char *name)
{
	const evpipe__property *property = evpipe__property_find(&config->index, name);
	evpipe__setting        *settings = config->settings;
	if (destination) {
		struct evpipe__scope *scope = scope_find(config, destination);
		settings = scope ? scope->settings : NULL;
	}
	return find_in(settings, property, name);
}

int evpipe__settings_each_destination(const evpipe_config *config, int (*visit)(void *ctx, const char *destination),
				      void *ctx)
{
	int stop = 0;
	for (const struct evpipe__scope *scope = config->destinations; scope && !stop; scope = scope->hh.next)
		stop = visit(ctx, scope->destination);
	return stop;
}

/* ---- life ---- */

evpipe_err evpipe_config_new(evpipe_config **out)
{
	evpipe_config *config = evpipe__calloc(1, sizeof *config);
	if (!config)
		return EVPIPE_ENOMEM;
	evpipe__property_index_init(&config->index);
	for (size_t i = 0; i < evpipe__properties_count; i++)
		if (evpipe__properties[i].initial)
			evpipe__property_parse(&evpipe__properties[i], evpipe__properties[i].initial,
					       &config->defaults[i]);
	*out = config;
	return EVPIPE_OK;
}

void evpipe_config_free(evpipe_config *config)
{
	if (!config)
		return;
	struct evpipe__scope *scope, *next;
	HASH_ITER(hh, config->destinations, scope, next) {
		HASH_DEL(config->destinations, scope);
		scope_free(scope);
	}
	settings_free(&config->settings);
	evpipe__free(config);
}

static evpipe_err copy_settings(evpipe_config *to, const char *destination, const evpipe__setting *settings)
{
	evpipe_err err = EVPIPE_OK;
	for (const evpipe__setting *setting = settings; setting && !err; setting = setting->next)
		err = evpipe__settings_put(to, destination, setting);
	return err;
}

evpipe_err evpipe_config_copy(evpipe_config **out, const evpipe_config *config)
{
	evpipe_config *copy;
	evpipe_err     err = evpipe_config_new(&copy);
	if (err)
		return err;
	err = copy_settings(copy, NULL, config->settings);
	for (const struct evpipe__scope *scope = config->destinations; scope && !err; scope = scope->hh.next)
		err = copy_settings(copy, scope->destination, scope->settings);
	if (err) {
		evpipe_config_free(copy);
		return err;
	}
	copy->files = config->files;
	copy->log = config->log;
	copy->rejected = config->rejected;
	copy->rejected_ctx = config->rejected_ctx;
	copy->transport_ops = config->transport_ops;
	copy->transport_arg = config->transport_arg;
	copy->runtime = config->runtime;
	copy->storage = config->storage;
	*out = copy;
	return EVPIPE_OK;
}

/* ---- reading ---- */

const char *evpipe_config_text(const evpipe_config *config, const char *destination, const char *name)
{
	const evpipe__property *property = evpipe__property_find(&config->index, name);
	if (!property)
		return NULL;
	const evpipe__setting *setting = effective(config, destination, property);
	if (!setting)
		return property->initial;
	return *setting->text ? setting->text : NULL;
}

int64_t evpipe_config_number(const evpipe_config *config, const char *destination, const char *name)
{
	const evpipe__property *property = evpipe__property_find(&config->index, name);
	if (!property)
		return 0;
	const evpipe__setting *setting = effective(config, destination, property);
	return setting ? setting->number : config->defaults[property - evpipe__properties];
}

size_t evpipe_config_durations(const evpipe_config *config, const char *name, int64_t *out_ms, size_t max)
{
	const evpipe__property *property = evpipe__property_find(&config->index, name);
	const char             *text = evpipe_config_text(config, NULL, name);
	int64_t                 all_ms[EVPIPE_TIERS_MAX];
	size_t                  count;

	if (!property || property->type != EVPIPE__DURATIONS || !text ||
	    evpipe__parse_durations(text, all_ms, EVPIPE_TIERS_MAX, &count) != NULL)
		return 0;
	if (max)
		memcpy(out_ms, all_ms, (count < max ? count : max) * sizeof *all_ms);
	return count;
}

static int visit_list(evpipe__setting *settings, evpipe__setting *instead, const char *prefix, evpipe_setting_fn visit,
		      void *ctx)
{
	size_t           len = strlen(prefix);
	evpipe__setting *setting;
	DL_FOREACH(settings, setting) {
		if (setting->property || strncmp(setting->name, prefix, len) != 0 ||
		    find_in(instead, NULL, setting->name))
			continue;
		int stop = visit(ctx, setting->name + len, setting->text);
		if (stop)
			return stop;
	}
	return 0;
}

int evpipe_config_each(const evpipe_config *config, const char *destination, const char *prefix,
		       evpipe_setting_fn visit, void *ctx)
{
	struct evpipe__scope *scope = destination ? scope_find(config, destination) : NULL;
	evpipe__setting *own = scope ? scope->settings : NULL;
	int              stop = visit_list(config->settings, own, prefix, visit, ctx);
	return stop ? stop : visit_list(own, NULL, prefix, visit, ctx);
}
