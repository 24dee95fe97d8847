#include "scan.h"

#include <jansson.h>
#include <string.h>

const char *scan_space(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r'))
		at++;
	return at;
}

/* From behind the opening quote to behind the closing one. */
static const char *scan_string(const char *at, const char *end)
{
	for (;;) {
		const char *quote = memchr(at, '"', (size_t)(end - at));
		if (!quote)
			return NULL;
		const char *before = quote;
		while (before > at && before[-1] == '\\')
			before--;
		if ((quote - before) % 2 == 0)
			return quote + 1;
		at = quote + 1;
	}
}

static const char *scan_nested(const char *at, const char *end)
{
	unsigned depth = 0;
	while (at && at < end) {
		switch (*at++) {
		case '"':
			at = scan_string(at, end);
			break;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (--depth == 0)
				return at;
			break;
		default:
			break;
		}
	}
	return NULL;
}

static int ends_scalar(char c)
{
	return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

const char *scan_value(const char *at, const char *end)
{
	if (at == end)
		return NULL;
	if (*at == '"')
		return scan_string(at + 1, end);
	if (*at == '{' || *at == '[')
		return scan_nested(at, end);
	const char *begin = at;
	while (at < end && !ends_scalar(*at))
		at++;
	return at > begin ? at : NULL;
}

/* The value of the member whose name is the first name_len bytes of `name`. */
static struct slice find_member(struct slice object, const char *name, size_t name_len)
{
	const struct slice nothing = {NULL, 0};
	const char        *end = object.data + object.len, *at = scan_space(object.data, end);

	if (at == end || *at++ != '{')
		return nothing;
	for (;;) {
		at = scan_space(at, end);
		if (at == end || *at++ != '"')
			return nothing;
		const char *key = at;
		at = scan_string(at, end);
		if (!at)
			return nothing;
		size_t key_len = (size_t)(at - 1 - key);
		at = scan_space(at, end);
		if (at == end || *at++ != ':')
			return nothing;
		const char *value = at = scan_space(at, end);
		at = scan_value(at, end);
		if (!at)
			return nothing;
		if (key_len == name_len && memcmp(key, name, name_len) == 0)
			return (struct slice){value, (size_t)(at - value)};
		at = scan_space(at, end);
		if (at == end || *at++ != ',')
			return nothing;
	}
}

struct slice scan_member(struct slice object, const char *path)
{
	const char *dot;
	while ((dot = strchr(path, '.')) && object.data) {
		object = find_member(object, path, (size_t)(dot - path));
		path = dot + 1;
	}
	return object.data ? find_member(object, path, strlen(path)) : object;
}

static struct slice decode(struct slice raw, char *scratch)
{
	json_t      *value = json_loadb(raw.data, raw.len, JSON_DECODE_ANY, NULL);
	struct slice text = {NULL, 0};
	if (json_is_string(value) && json_string_length(value)) {
		text = (struct slice){scratch, json_string_length(value)};
		memcpy(scratch, json_string_value(value), text.len);
	}
	json_decref(value);
	return text;
}

struct slice scan_text(struct slice raw, char *scratch)
{
	const struct slice nothing = {NULL, 0};
	if (!raw.len)
		return nothing;
	if (*raw.data != '"')
		return *raw.data == '-' || (*raw.data >= '0' && *raw.data <= '9') ? raw : nothing;
	if (memchr(raw.data, '\\', raw.len))
		return decode(raw, scratch);
	return raw.len > 2 ? (struct slice){raw.data + 1, raw.len - 2} : nothing;
}
