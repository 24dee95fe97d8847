#include "values.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *name;
	int64_t     factor;
};

/* The largest first, for writing. */
static const struct unit duration_units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000},
					     {"s", 1000},     {"ms", 1},      {NULL, 0}};
static const struct unit byte_units[] = {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1000000000},
				  {"MB", 1000000},  {"kB", 1000},     {"B", 1},         {NULL, 0}};

/* Digits, and what stands behind them, spaces between the two left out. */
static const char *parse_number(const char *text, int64_t *out, const char **rest)
{
	int64_t number = 0;

	if (!*text)
		return "nothing stands there";
	if (*text == '-')
		return "it is less than 0";
	if (!isdigit((unsigned char)*text))
		return "it does not begin with a number";
	for (; isdigit((unsigned char)*text); text++)
		if (__builtin_mul_overflow(number, 10, &number) || __builtin_add_overflow(number, *text - '0', &number))
			return "the number is too large";
	if (*text == '.' || *text == ',')
		return "only whole numbers will do";
	while (*text == ' ' || *text == '\t')
		text++;
	*out = number;
	*rest = text;
	return NULL;
}

static const char *scale(int64_t number, int64_t factor, int64_t *out)
{
	int64_t product;
	if (__builtin_mul_overflow(number, factor, &product))
		return "the number is too large";
	*out = product;
	return NULL;
}

const char *evpipe__parse_count(const char *text, int64_t *out)
{
	int64_t     number;
	const char *rest, *problem = parse_number(text, &number, &rest);
	if (problem)
		return problem;
	if (*rest)
		return "something stands behind the number";
	*out = number;
	return NULL;
}

const char *evpipe__parse_duration(const char *text, int64_t *out_ms)
{
	int64_t     number;
	const char *rest, *problem = parse_number(text, &number, &rest);
	if (problem)
		return problem;
	if (!*rest && number == 0) {
		*out_ms = 0;
		return NULL;
	}
	if (!*rest)
		return "the unit is missing";
	for (const struct unit *unit = duration_units; unit->name; unit++)
		if (strcmp(rest, unit->name) == 0)
			return scale(number, unit->factor, out_ms);
	return "there is no such unit";
}

const char *evpipe__parse_bytes(const char *text, int64_t *out)
{
	int64_t     number;
	const char *rest, *problem = parse_number(text, &number, &rest);
	if (problem)
		return problem;
	if (!*rest)
		return scale(number, 1, out);
	for (const struct unit *unit = byte_units; unit->name; unit++)
		if (strcasecmp(rest, unit->name) == 0)
			return scale(number, unit->factor, out);
	return "there is no such unit";
}

const char *evpipe__parse_bool(const char *text, int64_t *out)
{
	static const struct {
		const char *word;
		int         value;
	} words[] = {{"yes", 1}, {"no", 0}, {"true", 1}, {"false", 0}, {"on", 1}, {"off", 0}};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		if (strcasecmp(text, words[i].word) == 0) {
			*out = words[i].value;
			return NULL;
		}
	}
	return "it is neither";
}

const char *evpipe__parse_durations(const char *text, int64_t *out_ms, size_t max, size_t *count)
{
	int64_t last_ms = 0;
	size_t  found = 0;

	for (;; text++) {
		char   item[EVPIPE__VALUE_TEXT_MAX];
		size_t len = strcspn(text, ","), from = strspn(text, " \t"), to = len;
		while (to > from && (text[to - 1] == ' ' || text[to - 1] == '\t'))
			to--;
		if (from >= to)
			return "a duration is missing";
		if (to - from >= sizeof item)
			return "one of them is no duration";
		memcpy(item, text + from, to - from);
		item[to - from] = '\0';

		int64_t     ms;
		const char *problem = evpipe__parse_duration(item, &ms);
		if (problem)
			return problem;
		if (ms <= last_ms)
			return found ? "they do not ascend" : "the first is 0";
		if (found == max)
			return "there are too many";
		if (out_ms)
			out_ms[found] = ms;
		found++;
		last_ms = ms;
		text += len;
		if (!*text)
			break;
	}
	*count = found;
	return NULL;
}

static const char *number_text(int64_t number, const struct unit *units, char *out, size_t size)
{
	while (number % units->factor != 0)
		units++;
	snprintf(out, size, "%" PRId64 "%s", number / units->factor, units->name);
	return out;
}

const char *evpipe__duration_text(int64_t ms, char *out, size_t size)
{
	if (ms == 0) {
		snprintf(out, size, "0");
		return out;
	}
	return number_text(ms, duration_units, out, size);
}

const char *evpipe__bytes_text(int64_t bytes, char *out, size_t size)
{
	if (bytes == 0) {
		snprintf(out, size, "0");
		return out;
	}
	/* Powers of 1,024 or plain bytes: 5000KiB, not 5.12MB. */
	for (const struct unit *unit = byte_units; unit->factor >= 1024 && strstr(unit->name, "iB"); unit++)
		if (bytes % unit->factor == 0)
			return number_text(bytes, unit, out, size);
	snprintf(out, size, "%" PRId64, bytes);
	return out;
}
