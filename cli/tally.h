/*
 * tally.h: counts of what a receiver got, by destination. Its memory is bounded: ids and keys are known by 64-bit
 * hashes, the last four million of each at least, and beyond 10,000 destinations the others are counted as one.
 */
#ifndef EVPIPE_CLI_TALLY_H
#define EVPIPE_CLI_TALLY_H

#include <jansson.h>
#include <uthash.h>

#include <stdint.h>

#include "body.h"

struct tally_counts {
	uint64_t events; /* stored, duplicates included */
	uint64_t unique;
	uint64_t duplicates;   /* of an id that this destination had */
	uint64_t without_id;   /* they count as unique */
	uint64_t out_of_order; /* of a key that this destination had a later one of */
	uint64_t posts, posts_failed;
};

struct tally_destination {
	char               *name;
	struct tally_counts counts;
	UT_hash_handle      hh;
};

struct tally {
	const char               *key_path, *seq_path; /* in payloads; NULL: order is not looked at */
	struct recent            *ids, *keys;
	struct tally_destination *destinations; /* a hash, by name */
	struct tally_destination *last;
	struct tally_counts       total;
	char                     *scratch;
	size_t                    scratch_room;
};

/* 0, or -1: no memory. */
int  tally_init(struct tally *tally, const char *key_path, const char *seq_path);
void tally_release(struct tally *tally);

/* For a receiver. */
void    tally_post(void *tally, const char *destination, int status, size_t count);
void    tally_event(void *tally, const char *destination, const struct received_event *event);
json_t *tally_json(void *tally);

#endif
