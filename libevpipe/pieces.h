/*
 * pieces.h: memory for events, in pieces that several are carved from, one behind the other. What comes for a lane is
 * posted together and ends together, so it lies together: who goes through it then waits for memory once a piece, not
 * several times an event. A piece is free again when all its events have ended.
 */
#ifndef EVPIPE_PIECES_H
#define EVPIPE_PIECES_H

#include <stddef.h>
#include <stdint.h>

typedef struct evpipe__piece evpipe__piece;

/* From 1 KiB to 8 KiB, by powers of two; two pages are enough for the processor to see a stream. */
#define EVPIPE__PIECE_CLASSES 4

typedef struct evpipe__pieces {
	evpipe__piece *spare[EVPIPE__PIECE_CLASSES]; /* the last one first: it is still in the cache */
	size_t         spare_bytes, spare_max;
	size_t         used; /* bytes of all others, with what is not carved from them yet */
} evpipe__pieces;

/* Give back the spare ones. All others were let go. */
void evpipe__pieces_release(evpipe__pieces *pieces);

/*
 * `size` bytes, aligned as malloc's, from *open if they have room there, else from a new piece, larger than that was,
 * which takes its place. NULL without memory. *piece is to be let go when they are not used any more.
 */
void *evpipe__pieces_carve(evpipe__pieces *pieces, evpipe__piece **open, size_t size, evpipe__piece **piece);
void  evpipe__pieces_let_go(evpipe__pieces *pieces, evpipe__piece *piece);
/* Nothing more is carved from it. *open is NULL then, and may be before. */
void evpipe__pieces_close(evpipe__pieces *pieces, evpipe__piece **open);

#endif
