#include "fields.h"

#include <string.h>

#include "units.h"

int fields_check(const struct fields *fields)
{
	if (!fields->destination && !fields->destination_name)
		return fail(EX_USAGE,
		            "say whose events these are: --destination-field FIELD, or --destination NAME for all");
	if (fields->destination && fields->destination_name)
		return fail(EX_USAGE, "--destination-field and --destination exclude each other");
	if (fields->destination_name && (!*fields->destination_name || strlen(fields->destination_name) > 255))
		return fail(EX_USAGE, "--destination: a name has 1 to 255 bytes");
	return 0;
}

static const json_t *find(const json_t *value, const char *path)
{
	while (json_is_object(value)) {
		const char *dot = strchr(path, '.');
		char        name[256];
		if (!dot)
			return json_object_get(value, path);
		if ((size_t)(dot - path) >= sizeof name)
			return NULL;
		memcpy(name, path, (size_t)(dot - path));
		name[dot - path] = '\0';
		value = json_object_get(value, name);
		path = dot + 1;
	}
	return NULL;
}

/* A string as it is, a whole number as text; NULL: neither. */
static const char *text_of(const json_t *value, char number[24])
{
	if (json_is_string(value))
		return json_string_value(value);
	if (!json_is_integer(value))
		return NULL;
	snprintf(number, 24, "%lld", (long long)json_integer_value(value));
	return number;
}

static int read_text(const json_t *root, const char *path, const char *what, char number[24], const char **out,
                     char *problem)
{
	if (!path)
		return 0;
	const json_t *value = find(root, path);
	const char   *text = value ? text_of(value, number) : NULL;
	if (text && *text) {
		*out = text;
		return 0;
	}
	snprintf(problem, FIELDS_PROBLEM_MAX, "no %s: field '%s' %s", what, path,
	         !value || json_is_null(value) ? "is not there"
	         : text                        ? "is empty"
	                                       : "is neither a text nor a whole number");
	return -1;
}

static int read_time(const json_t *root, const char *path, int64_t *out, char *problem)
{
	if (!path)
		return 0;
	const json_t *value = find(root, path);
	int64_t       time_ms = json_is_integer(value)  ? json_integer_value(value)
	                        : json_is_string(value) ? units_time(json_string_value(value))
	                                                : -1;
	if (time_ms < 0) {
		snprintf(problem, FIELDS_PROBLEM_MAX, "no time: field '%s' %s", path,
		         value ? "is neither RFC 3339 nor ms since 1970" : "is not there");
		return -1;
	}
	*out = time_ms;
	return 0;
}

static int parse(const char *line, size_t len, json_t **root, char *problem)
{
	json_error_t error;
	/* jansson takes it for the end, and what stands behind would go along unread. */
	const char *nul = memchr(line, '\0', len);
	if (nul) {
		snprintf(problem, FIELDS_PROBLEM_MAX, "not valid JSON: a NUL byte (column %zu)", (size_t)(nul - line) + 1);
		return -1;
	}
	*root = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	if (!*root) {
		snprintf(problem, FIELDS_PROBLEM_MAX, "not valid JSON: %.160s (column %d)", error.text, error.column);
		return -1;
	}
	if (!json_is_object(*root)) {
		snprintf(problem, FIELDS_PROBLEM_MAX, "not a JSON object");
		return -1;
	}
	return 0;
}

int fields_read(const struct fields *fields, const char *line, size_t len, struct parsed_line *parsed,
                char problem[FIELDS_PROBLEM_MAX])
{
	evpipe_event *event = &parsed->event;
	const char   *key = NULL;

	*event = (evpipe_event)EVPIPE_EVENT_INIT;
	event->destination = fields->destination_name;
	event->data = line;
	event->data_len = len;
	if (parse(line, len, &parsed->root, problem) != 0 ||
	    read_text(parsed->root, fields->destination, "destination", parsed->numbers[0], &event->destination,
	              problem) != 0 ||
	    read_text(parsed->root, fields->key, "key", parsed->numbers[1], &key, problem) != 0 ||
	    read_text(parsed->root, fields->id, "id", parsed->numbers[2], &event->id, problem) != 0 ||
	    read_text(parsed->root, fields->type, "type", parsed->numbers[3], &event->type, problem) != 0 ||
	    read_time(parsed->root, fields->time, &event->time_ms, problem) != 0) {
		parsed_line_release(parsed);
		return -1;
	}
	event->key = key;
	event->key_len = key ? strlen(key) : 0;
	return 0;
}

void parsed_line_release(struct parsed_line *parsed)
{
	json_decref(parsed->root);
	parsed->root = NULL;
}
