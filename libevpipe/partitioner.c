/*
 * The partition for a key, as Kafka's Java clients choose it, so that whoever writes to a topic with them shares our
 * order. MurmurHash2 (Austin Appleby, public domain algorithm), 32 bits, with their seed.
 */
#include <string.h>

#include <evpipe-transport.h>

#define SEED UINT32_C(0x9747b28c)
#define MULTIPLIER UINT32_C(0x5bd1e995)

static uint32_t mix(uint32_t k)
{
	k *= MULTIPLIER;
	k ^= k >> 24;
	return k * MULTIPLIER;
}

/* Little-endian on every machine. */
static uint32_t load(const unsigned char *bytes, size_t count)
{
	uint32_t word = 0;
	for (size_t i = 0; i < count; i++)
		word |= (uint32_t)bytes[i] << (8 * i);
	return word;
}

/* Written out, compilers make one load of it. */
static uint32_t load_word(const unsigned char *bytes)
{
	return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

uint32_t evpipe_murmur2(const void *data, size_t len)
{
	const unsigned char *at = data;
	size_t               left = len;
	uint32_t             h = SEED ^ (uint32_t)len;

	for (; left >= 4; at += 4, left -= 4)
		h = h * MULTIPLIER ^ mix(load_word(at));
	if (left)
		h = (h ^ load(at, left)) * MULTIPLIER;
	h = (h ^ h >> 13) * MULTIPLIER;
	return h ^ h >> 15;
}

int32_t evpipe_partition_of(const void *key, size_t key_len, int32_t partitions)
{
	return partitions > 0 ? (int32_t)((evpipe_murmur2(key, key_len) & UINT32_C(0x7fffffff)) % (uint32_t)partitions) : 0;
}
