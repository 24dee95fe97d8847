#include "tally.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "recent.h"

#define DESTINATIONS_MAX 10000
#define RECENT_MAX       (4 * 1024 * 1024)
#define OTHERS           "(others)"

int tally_init(struct tally *tally, const char *key_path, const char *seq_path)
{
	*tally = (struct tally){.key_path = key_path, .seq_path = seq_path};
	tally->ids = recent_new(RECENT_MAX);
	tally->keys = recent_new(RECENT_MAX);
	if (tally->ids && tally->keys)
		return 0;
	tally_release(tally);
	return -1;
}

void tally_release(struct tally *tally)
{
	struct tally_destination *destination, *next;
	HASH_ITER(hh, tally->destinations, destination, next) {
		HASH_DEL(tally->destinations, destination);
		free(destination->name);
		free(destination);
	}
	recent_free(tally->ids);
	recent_free(tally->keys);
	free(tally->scratch);
	*tally = (struct tally){0};
}

/* Memory that is not there is no reason not to go on: the totals stay right. */
static struct tally_destination *destination_of(struct tally *tally, const char *name)
{
	struct tally_destination *destination = tally->last;
	if (destination && strcmp(destination->name, name) == 0)
		return destination;
	HASH_FIND_STR(tally->destinations, name, destination);
	if (!destination && HASH_COUNT(tally->destinations) >= DESTINATIONS_MAX) {
		name = OTHERS;
		HASH_FIND_STR(tally->destinations, name, destination);
	}
	if (!destination && (destination = calloc(1, sizeof *destination))) {
		destination->name = strdup(name);
		if (!destination->name) {
			free(destination);
			return NULL;
		}
		HASH_ADD_KEYPTR(hh, tally->destinations, destination->name, strlen(destination->name), destination);
	}
	tally->last = destination;
	return destination;
}

static void add(struct tally *tally, struct tally_destination *destination, const struct tally_counts *more)
{
	struct tally_counts *const sums[] = {&tally->total, destination ? &destination->counts : NULL};
	for (size_t i = 0; i < 2 && sums[i]; i++) {
		sums[i]->events += more->events;
		sums[i]->unique += more->unique;
		sums[i]->duplicates += more->duplicates;
		sums[i]->without_id += more->without_id;
		sums[i]->out_of_order += more->out_of_order;
		sums[i]->posts += more->posts;
		sums[i]->posts_failed += more->posts_failed;
	}
}

void tally_post(void *ctx, const char *name, int status, size_t count)
{
	struct tally *tally = ctx;
	(void)count;
	add(tally, destination_of(tally, name), &(struct tally_counts){.posts = 1, .posts_failed = status / 100 != 2});
}

/* A destination and a text of its own. */
static uint64_t hash_of(const char *destination, struct slice text)
{
	return XXH3_64bits_withSeed(text.data, text.len, XXH3_64bits(destination, strlen(destination)));
}

/* Room to decode a text of the payload into. */
static char *scratch_for(struct tally *tally, size_t len)
{
	if (len <= tally->scratch_room)
		return tally->scratch;
	char *more = realloc(tally->scratch, len);
	if (more) {
		tally->scratch = more;
		tally->scratch_room = len;
	}
	return more;
}

/* True if a later one of its key was there before. What is no whole number, or has no key, has no order. */
static int is_out_of_order(struct tally *tally, const char *destination, struct slice payload)
{
	char digits[24], *rest, *scratch = scratch_for(tally, payload.len);
	int  is_new;
	if (!tally->key_path || !tally->seq_path || !scratch)
		return 0;
	struct slice key = scan_text(scan_member(payload, tally->key_path), scratch);
	struct slice seq = scan_member(payload, tally->seq_path);
	if (!key.data || !seq.data || seq.len >= sizeof digits)
		return 0;
	uint64_t hash = hash_of(destination, key);
	memcpy(digits, seq.data, seq.len);
	digits[seq.len] = '\0';
	long long number = strtoll(digits, &rest, 10);
	uint64_t *last = *rest ? NULL : recent_get(tally->keys, hash, &is_new);
	if (!last)
		return 0;
	if (!is_new && number < (int64_t)*last)
		return 1;
	*last = (uint64_t)number;
	return 0;
}

void tally_event(void *ctx, const char *name, const struct received_event *event)
{
	struct tally       *tally = ctx;
	struct tally_counts more = {.events = 1};
	int                 is_new = 1;

	if (!event->id.data)
		more.without_id = 1;
	else
		recent_get(tally->ids, hash_of(name, event->id), &is_new);
	more.unique = (uint64_t)is_new;
	more.duplicates = !is_new;
	/* A duplicate comes late by its nature. */
	if (is_new && event->payload.data)
		more.out_of_order = (uint64_t)is_out_of_order(tally, name, event->payload);
	add(tally, destination_of(tally, name), &more);
}

static json_t *counts_json(const struct tally_counts *counts)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "events", (json_int_t)counts->events, "unique",
	                 (json_int_t)counts->unique, "duplicates", (json_int_t)counts->duplicates, "without_id",
	                 (json_int_t)counts->without_id, "out_of_order", (json_int_t)counts->out_of_order, "posts",
	                 (json_int_t)counts->posts, "posts_failed", (json_int_t)counts->posts_failed);
}

json_t *tally_json(void *ctx)
{
	const struct tally       *tally = ctx;
	struct tally_destination *destination, *next;
	json_t                   *all = counts_json(&tally->total), *each = json_object();

	HASH_ITER(hh, tally->destinations, destination, next)
		json_object_set_new_nocheck(each, destination->name, counts_json(&destination->counts));
	json_object_set_new(all, "destinations", each);
	return all;
}
