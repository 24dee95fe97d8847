#include "pieces.h"

#include <stdalign.h>

#include "memory.h"

#define SIZE_MIN 1024

#define PREFETCH_MAX 1024

/* An address sanitizer is to see each event freed, and its end. */
#ifdef __SANITIZE_ADDRESS__
enum { SHARES = 0 };
#else
enum { SHARES = 1 };
#endif

struct evpipe__piece {
	evpipe__piece *next; /* of the spare ones */
	size_t         size, used; /* this struct included */
	size_t         holders; /* who may not see it go: each event, and whoever has it open */
	alignas(max_align_t) char bytes[];
};

static size_t round_up(size_t size)
{
	return (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
}

/* EVPIPE__PIECE_CLASSES: larger than all. */
static size_t class_of(size_t size)
{
	size_t class = 0;
	while (class < EVPIPE__PIECE_CLASSES && size > (size_t)SIZE_MIN << class)
		class++;
	return class;
}

void evpipe__pieces_release(evpipe__pieces *pieces)
{
	for (size_t i = 0; i < EVPIPE__PIECE_CLASSES; i++) {
		evpipe__piece *piece;
		while ((piece = pieces->spare[i])) {
			pieces->spare[i] = piece->next;
			evpipe__free(piece);
		}
	}
	pieces->spare_bytes = 0;
}

/* Of `least` bytes or more, and more than the last one had: little for those with little. */
static evpipe__piece *new_piece(evpipe__pieces *pieces, const evpipe__piece *last, size_t least)
{
	const size_t   largest = (size_t)SIZE_MIN << (EVPIPE__PIECE_CLASSES - 1);
	size_t         size = last && last->size < largest ? 2 * last->size : last ? largest : 0;
	size_t         class = SHARES ? class_of(size > least ? size : least) : EVPIPE__PIECE_CLASSES;
	evpipe__piece *piece = class < EVPIPE__PIECE_CLASSES ? pieces->spare[class] : NULL;

	size = class < EVPIPE__PIECE_CLASSES ? (size_t)SIZE_MIN << class : least;
	if (piece) {
		pieces->spare[class] = piece->next;
		pieces->spare_bytes -= size;
	} else {
		piece = evpipe__malloc(size);
	}
	if (!piece)
		return NULL;
	piece->size = size;
	piece->used = sizeof *piece;
	piece->holders = 0;
	pieces->used += size;
	return piece;
}

void *evpipe__pieces_carve(evpipe__pieces *pieces, evpipe__piece **open, size_t size, evpipe__piece **out)
{
	evpipe__piece *piece = *open;

	size = round_up(size);
	if (!piece || !SHARES || piece->size - piece->used < size) {
		piece = new_piece(pieces, piece, sizeof *piece + size);
		if (!piece)
			return NULL;
		evpipe__pieces_close(pieces, open);
		piece->holders = 1;
		*open = piece;
	}
	void *memory = (char *)piece + piece->used;
	piece->used += size;
	piece->holders++;
	/* All of it is written at once; one line after the other would be waited for. */
	for (size_t at = 0; at < size && at < PREFETCH_MAX; at += 64)
		__builtin_prefetch((char *)memory + at, 1);
	*out = piece;
	return memory;
}

void evpipe__pieces_let_go(evpipe__pieces *pieces, evpipe__piece *piece)
{
	size_t size = piece->size, class = class_of(size);

	if (--piece->holders)
		return;
	pieces->used -= size;
	if (!SHARES || class == EVPIPE__PIECE_CLASSES || pieces->spare_bytes + size > pieces->spare_max) {
		evpipe__free(piece);
		return;
	}
	piece->next = pieces->spare[class];
	pieces->spare[class] = piece;
	pieces->spare_bytes += size;
}

void evpipe__pieces_close(evpipe__pieces *pieces, evpipe__piece **open)
{
	if (*open)
		evpipe__pieces_let_go(pieces, *open);
	*open = NULL;
}
