/*
 * chance.h: random numbers of our own, so that a seed means the same on any machine. Each purpose draws from a stream
 * of its own: what one leaves out or draws more of changes nothing for the others. Whole numbers only, since
 * floating-point functions differ between C libraries.
 */
#ifndef SIMULATION_CHANCE_H
#define SIMULATION_CHANCE_H

#include <stdint.h>

struct chance {
	uint64_t state;
};

/* A well-mixed function of one number. */
uint64_t chance_mix(uint64_t number);

/* `purpose` is a text of our own, `which` tells the streams of one purpose apart. */
void chance_init(struct chance *chance, uint64_t seed, const char *purpose, uint64_t which);

uint64_t chance_next(struct chance *chance);
/* A number from least to most, both included. */
int64_t chance_between(struct chance *chance, int64_t least, int64_t most);
/* The same, each order of magnitude as likely as another; least at least 1. */
int64_t chance_scaled(struct chance *chance, int64_t least, int64_t most);
/* True in so many of 1,000 cases. */
int chance_of(struct chance *chance, unsigned permille);

#define CHANCE_PICK(chance, array) ((array)[chance_next(chance) % (sizeof(array) / sizeof *(array))])

#endif
