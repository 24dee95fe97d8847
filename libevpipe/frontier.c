/*
 * Which offsets of a partition are settled: a ring of bits from the frontier on, one for each offset up to the highest
 * taken. A gap counts as settled from the start.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <evpipe-transport.h>

#include "memory.h"

#define WORD_BITS 64
#define BITS_MIN 1024

struct evpipe_frontier {
	int64_t   base; /* the lowest offset that is not settled */
	int64_t   next; /* behind the highest one taken; not below base */
	int64_t   end;  /* behind the highest bit that is set, taken over from another owner or our own; not below next */
	uint64_t *bits; /* of the offsets from base to end; all others are 0 */
	size_t    capacity; /* in bits, a power of two */
	size_t    span_max;
	uint64_t  unsettled;
};

evpipe_err evpipe_frontier_new(evpipe_frontier **out, int64_t start, size_t span_max)
{
	if (!out || start < 0 || !span_max || span_max > SIZE_MAX / 2)
		return EVPIPE_EINVAL;
	evpipe_frontier *frontier = evpipe__calloc(1, sizeof *frontier);
	if (!frontier)
		return EVPIPE_ENOMEM;
	frontier->capacity = BITS_MIN;
	frontier->bits = evpipe__calloc(BITS_MIN / WORD_BITS, sizeof *frontier->bits);
	if (!frontier->bits) {
		evpipe__free(frontier);
		return EVPIPE_ENOMEM;
	}
	frontier->base = frontier->next = frontier->end = start;
	frontier->span_max = span_max;
	*out = frontier;
	return EVPIPE_OK;
}

void evpipe_frontier_free(evpipe_frontier *frontier)
{
	if (!frontier)
		return;
	evpipe__free(frontier->bits);
	evpipe__free(frontier);
}

/* ---- bits ---- */

static uint64_t *word_of(const evpipe_frontier *frontier, int64_t offset)
{
	return &frontier->bits[((uint64_t)offset & (frontier->capacity - 1)) / WORD_BITS];
}

static uint64_t mask_of(int64_t offset)
{
	return UINT64_C(1) << ((uint64_t)offset % WORD_BITS);
}

static int is_set(const evpipe_frontier *frontier, int64_t offset)
{
	return offset < frontier->end && (*word_of(frontier, offset) & mask_of(offset)) != 0;
}

static void set(evpipe_frontier *frontier, int64_t offset)
{
	*word_of(frontier, offset) |= mask_of(offset);
	if (offset >= frontier->end)
		frontier->end = offset + 1;
}

/* Room for the bits of all offsets from base to before `end`. */
static evpipe_err reach(evpipe_frontier *frontier, int64_t end)
{
	size_t need = (size_t)(end - frontier->base), capacity = frontier->capacity;
	if (need <= capacity)
		return EVPIPE_OK;
	while (capacity < need)
		capacity *= 2;
	uint64_t *bits = evpipe__calloc(capacity / WORD_BITS, sizeof *bits);
	if (!bits)
		return EVPIPE_ENOMEM;
	evpipe_frontier old = *frontier;
	frontier->bits = bits;
	frontier->capacity = capacity;
	for (int64_t offset = old.base; offset < old.end; offset++)
		if (is_set(&old, offset))
			set(frontier, offset);
	evpipe__free(old.bits);
	return EVPIPE_OK;
}

/* Past everything that is settled, a word at a time where one is. */
static void advance(evpipe_frontier *frontier)
{
	while (frontier->base < frontier->end) {
		uint64_t *word = word_of(frontier, frontier->base);
		if (*word == UINT64_MAX && frontier->base % WORD_BITS == 0) {
			*word = 0;
			frontier->base += WORD_BITS;
		} else if (*word & mask_of(frontier->base)) {
			*word &= ~mask_of(frontier->base);
			frontier->base++;
		} else {
			break;
		}
	}
	if (frontier->next < frontier->base)
		frontier->next = frontier->base;
}

/* ---- taking and settling ---- */

/* With nothing kept apart a gap of any size is passed at once. */
static void skip_to(evpipe_frontier *frontier, int64_t offset)
{
	if (frontier->base == frontier->end && offset > frontier->base)
		frontier->base = frontier->next = frontier->end = offset;
}

evpipe_err evpipe_frontier_take(evpipe_frontier *frontier, int64_t offset)
{
	if (offset < frontier->next)
		return EVPIPE_ESTALE;
	skip_to(frontier, offset);
	if ((uint64_t)(offset - frontier->base) >= frontier->span_max) {
		if (frontier->unsettled)
			return EVPIPE_EAGAIN;
		/* Nothing of ours is out: what another owner had settled before this offset has served. */
		memset(frontier->bits, 0, frontier->capacity / 8);
		frontier->base = frontier->next = frontier->end = offset;
	}
	evpipe_err err = reach(frontier, offset + 1);
	if (err)
		return err;
	int settled = is_set(frontier, offset), gap = frontier->next < offset;
	for (; frontier->next < offset; frontier->next++)
		set(frontier, frontier->next);
	frontier->next = offset + 1;
	if (frontier->end < frontier->next)
		frontier->end = frontier->next;
	if (gap || settled)
		advance(frontier);
	if (settled)
		return EVPIPE_ESTALE;
	frontier->unsettled++;
	return EVPIPE_OK;
}

evpipe_err evpipe_frontier_settle(evpipe_frontier *frontier, int64_t offset)
{
	if (offset >= frontier->next)
		return EVPIPE_EINVAL;
	if (offset < frontier->base || is_set(frontier, offset))
		return EVPIPE_OK;
	set(frontier, offset);
	frontier->unsettled--;
	if (offset == frontier->base)
		advance(frontier);
	return EVPIPE_OK;
}

int64_t evpipe_frontier_offset(const evpipe_frontier *frontier)
{
	return frontier->base;
}

uint64_t evpipe_frontier_unsettled(const evpipe_frontier *frontier)
{
	return frontier->unsettled;
}

uint64_t evpipe_frontier_span(const evpipe_frontier *frontier)
{
	return (uint64_t)(frontier->next - frontier->base);
}

/*
 * ---- the ranges beyond, as text ----
 *
 * "1 1200 3 5 1 7": the frontier, then lengths of what is not settled and what is, in turn; short where few ranges are
 * long. "2 1200 uDw_": the frontier, then six offsets a character, the lowest bit first; short where many ranges are
 * small.
 */

#define RUNS "1"
#define BITS "2"
#define BITS_A_CHARACTER 6

static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";

static int64_t run_end(const evpipe_frontier *frontier, int64_t offset, int settled)
{
	const uint64_t same = settled ? UINT64_MAX : 0;
	while (offset < frontier->end) {
		if (offset % WORD_BITS == 0 && offset + WORD_BITS <= frontier->end && *word_of(frontier, offset) == same)
			offset += WORD_BITS;
		else if (is_set(frontier, offset) == settled)
			offset++;
		else
			break;
	}
	return offset;
}

/* The length of the text; *end is behind the last offset it tells of. */
static size_t write_runs(const evpipe_frontier *frontier, char *text, size_t max, int64_t *end)
{
	char   piece[64];
	size_t used = 0;

	for (*end = frontier->base; *end < frontier->end;) {
		int64_t start = run_end(frontier, *end, 0), after = run_end(frontier, start, 1);
		if (after == start)
			break;
		int len = used ? 0 : snprintf(piece, sizeof piece, RUNS " %lld", (long long)frontier->base);
		len += snprintf(piece + len, sizeof piece - (size_t)len, " %lld %lld", (long long)(start - *end), (long long)(after - start));
		if (used + (size_t)len + 1 > max)
			break;
		memcpy(text + used, piece, (size_t)len + 1);
		used += (size_t)len;
		*end = after;
	}
	return used;
}

static size_t write_bits(const evpipe_frontier *frontier, char *text, size_t max)
{
	int    head = snprintf(text, max, BITS " %lld ", (long long)frontier->base);
	size_t used = (size_t)head, last = 0;

	for (int64_t offset = frontier->base; offset < frontier->end && used + 1 < max; offset += BITS_A_CHARACTER) {
		unsigned bits = 0;
		for (int i = 0; i < BITS_A_CHARACTER; i++)
			bits |= (unsigned)is_set(frontier, offset + i) << i;
		text[used++] = alphabet[bits];
		last = bits ? used : last;
	}
	text[last] = '\0';
	return last;
}

size_t evpipe_frontier_ranges(const evpipe_frontier *frontier, char *text, size_t max)
{
	int64_t end;
	if (!max)
		return 0;
	text[0] = '\0';
	size_t used = write_runs(frontier, text, max, &end);
	/* Not all of it, and less than bits would have room for. */
	int64_t room = ((int64_t)max - 32) * BITS_A_CHARACTER;
	if (used && run_end(frontier, end, 0) < frontier->end && end - frontier->base < room)
		used = write_bits(frontier, text, max);
	return used;
}

/* The next number after a space; -1 at the end, -2 if it is none. */
static int64_t next_number(const char **at)
{
	char *end;
	if (!**at)
		return -1;
	if (**at != ' ' || (*at)[1] < '0' || (*at)[1] > '9')
		return -2;
	errno = 0;
	long long number = strtoll(*at + 1, &end, 10);
	*at = end;
	return errno ? -2 : number;
}

/* What lies further ahead than we keep apart is delivered once more. */
static int is_within(const evpipe_frontier *frontier, int64_t offset)
{
	return offset >= frontier->base && (uint64_t)(offset - frontier->base) < frontier->span_max;
}

/* Both readers only check without a frontier; with one, they take the ranges over. */
static evpipe_err read_runs(evpipe_frontier *frontier, int64_t offset, const char *at)
{
	for (;;) {
		int64_t open = next_number(&at);
		if (open == -1)
			return EVPIPE_OK;
		int64_t settled = next_number(&at);
		if (open < 0 || settled <= 0 || open > INT64_MAX / 4 - offset || settled > INT64_MAX / 4 - offset - open)
			return EVPIPE_EFORMAT;
		offset += open;
		for (int64_t i = 0; frontier && i < settled && is_within(frontier, offset + i); i++) {
			evpipe_err err = reach(frontier, offset + i + 1);
			if (err)
				return err;
			set(frontier, offset + i);
		}
		offset += settled;
	}
}

static evpipe_err read_bits(evpipe_frontier *frontier, int64_t offset, const char *at)
{
	if (*at++ != ' ')
		return EVPIPE_EFORMAT;
	for (; *at; at++) {
		const char *digit = strchr(alphabet, *at);
		if (!digit)
			return EVPIPE_EFORMAT;
		for (int i = 0; i < BITS_A_CHARACTER; i++, offset++) {
			if (!frontier || !((unsigned)(digit - alphabet) >> i & 1) || !is_within(frontier, offset))
				continue;
			evpipe_err err = reach(frontier, offset + 1);
			if (err)
				return err;
			set(frontier, offset);
		}
	}
	return EVPIPE_OK;
}

evpipe_err evpipe_frontier_restore(evpipe_frontier *frontier, const char *text)
{
	evpipe_err (*reads)(evpipe_frontier *, int64_t, const char *) = NULL;
	if (!text || !*text)
		return EVPIPE_OK;
	if (strncmp(text, RUNS " ", sizeof RUNS) == 0)
		reads = read_runs;
	else if (strncmp(text, BITS " ", sizeof BITS) == 0)
		reads = read_bits;
	const char *at = text + 1;
	int64_t     offset = reads ? next_number(&at) : -1;
	if (offset < 0 || offset > INT64_MAX / 4)
		return EVPIPE_EFORMAT;
	evpipe_err err = reads(NULL, offset, at);
	if (!err)
		err = reads(frontier, offset, at);
	if (!err)
		advance(frontier);
	return err;
}
