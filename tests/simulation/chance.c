#include "chance.h"

/* SplitMix64 (Steele, Lea, Flood 2014). */
#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

uint64_t chance_mix(uint64_t z)
{
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

void chance_init(struct chance *chance, uint64_t seed, const char *purpose, uint64_t which)
{
	uint64_t state = chance_mix(seed + GOLDEN);
	for (; *purpose; purpose++)
		state = chance_mix(state ^ (unsigned char)*purpose) + GOLDEN;
	chance->state = chance_mix(state ^ which);
}

uint64_t chance_next(struct chance *chance)
{
	return chance_mix(chance->state += GOLDEN);
}

int64_t chance_between(struct chance *chance, int64_t least, int64_t most)
{
	return least + (int64_t)(chance_next(chance) % ((uint64_t)(most - least) + 1));
}

int64_t chance_scaled(struct chance *chance, int64_t least, int64_t most)
{
	int octaves = 0;
	while (least << (octaves + 1) <= most)
		octaves++;
	int64_t from = least << chance_between(chance, 0, octaves);
	int64_t to = 2 * from - 1 < most ? 2 * from - 1 : most;
	return chance_between(chance, from, to);
}

int chance_of(struct chance *chance, unsigned permille)
{
	return chance_next(chance) % 1000 < permille;
}
