#include "suggest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "properties.h"

#define LENGTH_MAX 64 /* longer than any name of ours */

/*
 * Letters to change, add, leave out or swap with their neighbour (optimal string alignment), small and capital ones
 * alike.
 */
static size_t distance(const char *a, const char *b)
{
	size_t rows[3][LENGTH_MAX + 1], *before = rows[0], *last = rows[1], *now = rows[2];
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > LENGTH_MAX || b_len > LENGTH_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_len; j++)
		last[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		int a_now = tolower((unsigned char)a[i - 1]);
		now[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			int    b_now = tolower((unsigned char)b[j - 1]);
			size_t least = last[j - 1] + (a_now != b_now);
			if (last[j] + 1 < least)
				least = last[j] + 1;
			if (now[j - 1] + 1 < least)
				least = now[j - 1] + 1;
			if (i > 1 && j > 1 && a_now == tolower((unsigned char)b[j - 2]) &&
			    tolower((unsigned char)a[i - 2]) == b_now && before[j - 2] + 1 < least)
				least = before[j - 2] + 1;
			now[j] = least;
		}
		size_t *spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[b_len];
}

/* The nearest property with these flags, if it is near enough to be meant. */
static const evpipe__property *nearest(const char *name, unsigned flags, size_t *nearest_distance)
{
	const evpipe__property *found = NULL;
	size_t                  limit = strlen(name) < 9 ? 2 : strlen(name) / 4;

	*nearest_distance = limit + 1;
	for (size_t i = 0; i < evpipe__properties_count; i++) {
		const evpipe__property *property = &evpipe__properties[i];
		if ((property->flags & flags) != flags)
			continue;
		size_t away = distance(name, property->name);
		if (away < *nearest_distance) {
			*nearest_distance = away;
			found = property;
		}
	}
	return found;
}

/* The one property whose name ends in .name; NULL if there is none, or several. */
static const evpipe__property *by_last_part(const char *name)
{
	const evpipe__property *found = NULL;
	for (size_t i = 0; i < evpipe__properties_count; i++) {
		const char *dot = strrchr(evpipe__properties[i].name, '.');
		if (!dot || strcmp(dot + 1, name) != 0)
			continue;
		if (found)
			return NULL;
		found = &evpipe__properties[i];
	}
	return found;
}

/* NAME.property, with or without destination. before it: the split that fits best. */
static const char *in_destination(const char *name, size_t limit, char *out, size_t size)
{
	const evpipe__property *found = NULL;
	size_t                  found_distance = limit, destination_len = 0;
	const char             *rest = strncmp(name, "destination.", 12) == 0 ? name + 12 : name;

	for (const char *dot = strchr(rest, '.'); dot; dot = strchr(dot + 1, '.')) {
		size_t                  away;
		const evpipe__property *property = nearest(dot + 1, EVPIPE__PER_DESTINATION, &away);
		if (dot == rest || !property || away >= found_distance)
			continue;
		found = property;
		found_distance = away;
		destination_len = (size_t)(dot - rest);
	}
	if (!found)
		return NULL;
	snprintf(out, size, "destination.%.*s.%s", (int)destination_len, rest, found->name);
	return out;
}

const char *evpipe__suggest(const char *name, char *out, size_t size)
{
	size_t                  away;
	const evpipe__property *property = by_last_part(name);

	if (property)
		away = 0;
	else
		property = nearest(name, 0, &away);
	const char *other = in_destination(name, property ? away : SIZE_MAX, out, size);
	if (other || !property)
		return other;
	snprintf(out, size, "%s", property->name);
	return out;
}
