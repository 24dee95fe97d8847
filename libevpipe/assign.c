/*
 * Setting one property: what its name means, where its value is, whether it will do.
 */
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "buffer.h"
#include "errors.h"
#include "suggest.h"

#define VALUE_MAX       65536 /* bytes of a value, in the file or behind an @ */
#define DESTINATION_MAX 255
#define DESTINATION     "destination."

const char *evpipe__settings_shown(char *out, size_t size, const char *text)
{
	size_t len = strlen(text), at;
	for (at = 0; at < len && at < size - 1; at++)
		out[at] = (unsigned char)text[at] < ' ' || text[at] == 0x7f ? '?' : text[at];
	out[at] = '\0';
	if (at < len && size > 4) {
		for (at = size - 4; at && ((unsigned char)out[at] & 0xc0) == 0x80; at--)
			; /* not in the middle of a character */
		memcpy(out + at, "...", 4);
	}
	return out;
}

/* ---- names ---- */

struct target {
	char                       destination[DESTINATION_MAX + 1]; /* "": all of them */
	const evpipe__property    *property;                         /* one of the two */
	const evpipe__passthrough *passthrough;
	const char                *name; /* without destination.NAME. */
};

static int known(const evpipe_config *config, const char *name, struct target *target)
{
	target->name = name;
	target->property = evpipe__property_find(&config->index, name);
	target->passthrough = target->property ? NULL : evpipe__passthrough_of(name);
	return target->property || target->passthrough;
}

static int may_differ(const struct target *target)
{
	unsigned flags = target->property ? target->property->flags : target->passthrough->flags;
	return (flags & EVPIPE__PER_DESTINATION) != 0;
}

static evpipe_err unknown(const char *name, evpipe_error *error)
{
	char shown[160], meant[200], suggestion[320];
	evpipe__settings_shown(shown, sizeof shown, name);
	if (evpipe__suggest(name, suggestion, sizeof suggestion))
		return evpipe__fail(error, EVPIPE_ECONFIG, "%s: there is no such property; did you mean %s?", shown,
				    evpipe__settings_shown(meant, sizeof meant, suggestion));
	return evpipe__fail(error, EVPIPE_ECONFIG, "%s: there is no such property", shown);
}

/*
 * destination.NAME.property. NAME may hold dots, so the longest property that may differ decides: the first split that
 * gives one.
 */
static evpipe_err resolve_destination(const evpipe_config *config, const char *name, struct target *out,
				      evpipe_error *error)
{
	const char   *rest = name + sizeof DESTINATION - 1;
	char          shown[160], shown_common[120];
	struct target target, common = {.name = NULL};

	evpipe__settings_shown(shown, sizeof shown, name);
	for (const char *dot = strchr(rest, '.'); dot; dot = strchr(dot + 1, '.')) {
		if (!known(config, dot + 1, &target))
			continue;
		if (!may_differ(&target)) {
			if (!common.name)
				common = target;
			continue;
		}
		size_t len = (size_t)(dot - rest);
		if (!len)
			break;
		if (len > DESTINATION_MAX)
			return evpipe__fail(error, EVPIPE_ECONFIG, "%s: the destination's name is longer than %d bytes",
					    shown, DESTINATION_MAX);
		memcpy(target.destination, rest, len);
		target.destination[len] = '\0';
		*out = target;
		return EVPIPE_OK;
	}
	if (*rest == '.' || !strchr(rest, '.') || known(config, rest, &target))
		return evpipe__fail(error, EVPIPE_ECONFIG,
				    "%s: expected %sNAME.PROPERTY, with the name of a destination", shown, DESTINATION);
	if (common.name)
		return evpipe__fail(error, EVPIPE_ECONFIG, "%s: this is the same for all destinations: set %s", shown,
				    evpipe__settings_shown(shown_common, sizeof shown_common, common.name));
	return unknown(name, error);
}

static evpipe_err resolve(const evpipe_config *config, const char *name, struct target *target, evpipe_error *error)
{
	target->destination[0] = '\0';
	if (known(config, name, target))
		return EVPIPE_OK;
	if (strncmp(name, DESTINATION, sizeof DESTINATION - 1) == 0)
		return resolve_destination(config, name, target, error);
	return unknown(name, error);
}

/* ---- values ---- */

static evpipe_err read_value(const char *name, const char *path, evpipe__buffer *out, evpipe_error *error)
{
	char       shown_name[160], shown_path[160], reason[128] = "";
	FILE      *file = fopen(path, "re");
	evpipe_err err = file ? EVPIPE_OK : EVPIPE_EIO;
	int        failed = errno;

	for (size_t got = 1; !err && got;) {
		err = evpipe__buffer_reserve(out, 1024);
		if (err)
			break;
		got = fread(out->data + out->len, 1, 1024, file);
		out->len += got;
		out->data[out->len] = '\0';
		if (out->len > VALUE_MAX)
			err = EVPIPE_ETOOLARGE;
		else if (ferror(file)) {
			err = EVPIPE_EIO;
			failed = errno;
		}
	}
	if (file)
		fclose(file);
	if (!err && out->len && out->data[out->len - 1] == '\n')
		out->data[--out->len] = '\0';
	if (!err && out->len && out->data[out->len - 1] == '\r')
		out->data[--out->len] = '\0';
	if (err == EVPIPE_ENOMEM)
		return evpipe__fail_plain(error, err);
	if (err == EVPIPE_EIO)
		snprintf(reason, sizeof reason, "%s", evpipe__errno_text(failed));
	else if (err)
		snprintf(reason, sizeof reason, "it is larger than 64KiB");
	else if (strlen(out->data) != out->len)
		snprintf(reason, sizeof reason, "it holds a NUL byte");
	if (!*reason)
		return EVPIPE_OK;
	evpipe__settings_shown(shown_name, sizeof shown_name, name);
	return evpipe__fail(error, EVPIPE_ECONFIG, "%s: its value cannot be had from the file %s: %s", shown_name,
	                    evpipe__settings_shown(shown_path, sizeof shown_path, path), reason);
}

/*
 * `given` is the value as it was written, which for a file is its name: its contents are nobody's business. Nor is what
 * may hold a password: what is passed through, and a URL with something before an @.
 */
static int may_show(const struct target *target, const char *given)
{
	const char *authority = strstr(given, "://");
	if (given[0] == '@' && given[1] != '@')
		return 1;
	return target->property && target->property->type != EVPIPE__SECRET && !(authority && strchr(authority, '@'));
}

static evpipe_err refuse(const struct target *target, const char *name, const char *given, const char *problem,
			 evpipe_error *error)
{
	char shown_name[160], shown[120], expects[160];

	evpipe__settings_shown(shown_name, sizeof shown_name, name);
	if (!target->property)
		return evpipe__fail(error, EVPIPE_ECONFIG, "%s may not be set so: %s", shown_name, problem);
	if (!may_show(target, given))
		given = "...";
	return evpipe__fail(error, EVPIPE_ECONFIG, "%s = %s: %s; expected %s", shown_name,
	                    evpipe__settings_shown(shown, sizeof shown, given), problem,
	                    evpipe__property_expects(target->property, expects, sizeof expects));
}

static evpipe_err assign_to(evpipe_config *config, const struct target *target, const char *name, const char *value,
			    const char *given, const char *origin, unsigned file, evpipe_error *error)
{
	const evpipe__passthrough *passthrough = target->passthrough;
	int64_t                    number = 0;
	const char *problem = passthrough ? passthrough->refuse(target->name + strlen(passthrough->prefix), value)
	                                  : evpipe__property_parse(target->property, value, &number);
	if (problem)
		return refuse(target, name, given, problem, error);
	evpipe__setting setting = {
		.property = target->property,
		.name = target->name,
		.text = value,
		.origin = origin,
		.file = file,
		.number = number,
	};
	evpipe_err err = evpipe__settings_put(config, *target->destination ? target->destination : NULL, &setting);
	return err ? evpipe__fail_plain(error, err) : EVPIPE_OK;
}

evpipe_err evpipe__settings_assign(evpipe_config *config, const char *name, const char *value, const char *origin,
				   unsigned file, evpipe_error *error)
{
	struct target  target;
	evpipe__buffer contents;
	char           shown[160];
	evpipe_err     err = resolve(config, name, &target, error);
	if (err)
		return err;

	const evpipe__setting *set =
		evpipe__settings_get(config, *target.destination ? target.destination : NULL, target.name);
	if (set && file && set->file == file)
		return evpipe__fail(error, EVPIPE_ECONFIG, "%s is set already at %.200s",
		                    evpipe__settings_shown(shown, sizeof shown, name), set->origin);
	if (strlen(value) > VALUE_MAX)
		return evpipe__fail(error, EVPIPE_ECONFIG, "%s: its value is larger than 64KiB",
		                    evpipe__settings_shown(shown, sizeof shown, name));
	if (value[0] != '@' || value[1] == '@')
		return assign_to(config, &target, name, value + (value[0] == '@'), value, origin, file, error);
	evpipe__buffer_init(&contents, VALUE_MAX + 2048);
	err = read_value(name, value + 1, &contents, error);
	if (!err)
		err = assign_to(config, &target, name, contents.data, value, origin, file, error);
	evpipe__buffer_release(&contents);
	return err;
}

evpipe_err evpipe_config_set(evpipe_config *config, const char *name, const char *value, evpipe_error *error)
{
	if (!config || !name || !value)
		return evpipe__fail_plain(error, EVPIPE_EINVAL);
	return evpipe__settings_assign(config, name, value, NULL, 0, error);
}
