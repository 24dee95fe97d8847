#include "gzip.h"

#include <limits.h>
#include <zlib.h>

#include "memory.h"

/* zlib's own numbers: the largest window, with 16 for gzip's header; the default use of memory. */
#define WINDOW_BITS  (15 + 16)
#define MEMORY_LEVEL 8

/* Events compress to less than a quarter, mostly; more is made room for where it is needed. */
#define ROOM_MIN 4096

struct evpipe__gzip {
	z_stream stream;
};

static void *allocate(void *opaque, unsigned count, unsigned size)
{
	(void)opaque;
	return evpipe__calloc(count, size);
}

static void release(void *opaque, void *memory)
{
	(void)opaque;
	evpipe__free(memory);
}

evpipe_err evpipe__gzip_new(evpipe__gzip **out)
{
	evpipe__gzip *gzip = evpipe__calloc(1, sizeof *gzip);
	if (!gzip)
		return EVPIPE_ENOMEM;
	gzip->stream.zalloc = allocate;
	gzip->stream.zfree = release;
	if (deflateInit2(&gzip->stream, 1, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
		evpipe__free(gzip);
		return EVPIPE_ENOMEM;
	}
	*out = gzip;
	return EVPIPE_OK;
}

void evpipe__gzip_free(evpipe__gzip *gzip)
{
	if (!gzip)
		return;
	deflateEnd(&gzip->stream);
	evpipe__free(gzip);
}

/* Compress into the room there is. */
static int fill(z_stream *stream, evpipe__buffer *out, size_t room)
{
	stream->next_out = (Bytef *)out->data + out->len;
	stream->avail_out = room > UINT_MAX ? UINT_MAX : (uInt)room;
	uInt before = stream->avail_out;
	int  result = deflate(stream, Z_FINISH);
	out->len += before - stream->avail_out;
	out->data[out->len] = '\0';
	return result;
}

evpipe_err evpipe__gzip_put(evpipe__gzip *gzip, evpipe__buffer *out, const void *bytes, size_t len)
{
	z_stream *stream = &gzip->stream;
	size_t    before = out->len, room = len / 4 + ROOM_MIN;

	if (len > UINT_MAX)
		return EVPIPE_ETOOLARGE;
	deflateReset(stream);
	stream->next_in = (Bytef *)(uintptr_t)bytes;
	stream->avail_in = (uInt)len;
	for (;;) {
		evpipe_err err = evpipe__buffer_reserve(out, room);
		int        result = err ? Z_MEM_ERROR : fill(stream, out, room);
		if (result == Z_STREAM_END)
			return EVPIPE_OK;
		if (result != Z_OK && result != Z_BUF_ERROR) {
			out->len = before;
			return err ? err : EVPIPE_EINTERNAL;
		}
	}
}
