#include "recent.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 1024

/* Open addressing with linear probing, at most three quarters full. Hash 0 marks an empty slot. */
struct slot {
	uint64_t hash, number;
};

struct generation {
	struct slot *slots;
	size_t       mask, count;
};

struct recent {
	size_t            entries_max; /* of a generation */
	struct generation young, old;
};

static struct slot *find(const struct generation *generation, uint64_t hash)
{
	size_t at = (size_t)hash & generation->mask;
	while (generation->slots[at].hash && generation->slots[at].hash != hash)
		at = (at + 1) & generation->mask;
	return &generation->slots[at];
}

static int grow(struct generation *generation)
{
	size_t            slots = generation->slots ? 2 * (generation->mask + 1) : SLOTS_MIN;
	struct generation bigger = {
		.slots = calloc(slots, sizeof *bigger.slots), .mask = slots - 1, .count = generation->count};
	if (!bigger.slots)
		return -1;
	for (size_t i = 0; generation->slots && i <= generation->mask; i++)
		if (generation->slots[i].hash)
			*find(&bigger, generation->slots[i].hash) = generation->slots[i];
	free(generation->slots);
	*generation = bigger;
	return 0;
}

struct recent *recent_new(size_t entries_max)
{
	struct recent *recent = calloc(1, sizeof *recent);
	if (!recent)
		return NULL;
	recent->entries_max = entries_max;
	if (grow(&recent->young) != 0) {
		free(recent);
		return NULL;
	}
	return recent;
}

void recent_free(struct recent *recent)
{
	if (!recent)
		return;
	free(recent->young.slots);
	free(recent->old.slots);
	free(recent);
}

uint64_t *recent_get(struct recent *recent, uint64_t hash, int *is_new)
{
	struct generation *young = &recent->young;

	hash += !hash;
	*is_new = 0;
	struct slot *slot = find(young, hash);
	if (slot->hash)
		return &slot->number;

	uint64_t number = 0;
	*is_new = 1;
	if (recent->old.slots) {
		const struct slot *before = find(&recent->old, hash);
		if (before->hash) {
			number = before->number;
			*is_new = 0;
		}
	}
	if (young->count >= recent->entries_max) {
		free(recent->old.slots);
		recent->old = *young;
		*young = (struct generation){0};
		if (grow(young) != 0) {
			*young = recent->old;
			recent->old = (struct generation){0};
			return NULL;
		}
	} else if (4 * young->count >= 3 * (young->mask + 1) && grow(young) != 0) {
		return NULL;
	}
	slot = find(young, hash);
	*slot = (struct slot){hash, number};
	young->count++;
	return &slot->number;
}
