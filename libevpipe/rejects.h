/*
 * rejects.h: what the broker will never take, in files beside the journal, with the reason, for people to look at and to
 * emit again. One thread at a time: the pump's.
 */
#ifndef EVPIPE_REJECTS_H
#define EVPIPE_REJECTS_H

#include "area.h"
#include "storage.h"

/* The header in which a record says why; a name that no application may use. */
#define EVPIPE__REJECTS_HEADER "evpipe-rejected"

typedef struct evpipe__rejects {
	evpipe__storage  storage; /* ops NULL: they are not kept */
	evpipe__identity identity;
	uint64_t         capacity; /* of a file */
	evpipe__file     file;
	evpipe__area     area;
	uint64_t         end;
	unsigned         files;
} evpipe__rejects;

void evpipe__rejects_init(evpipe__rejects *rejects, const evpipe__storage *storage, const evpipe__identity *identity, uint64_t event_max);
void evpipe__rejects_release(evpipe__rejects *rejects);

/* The event has its id. EFULL: as many are kept as may be, or there is no space. EIO, ENOMEM. */
evpipe_err evpipe__rejects_add(evpipe__rejects *rejects, const evpipe_event *event, const char *reason, evpipe_error *error);

/* Visit those of one file; anything but 0 ends it and is returned in *stopped. EFORMAT: it is no such file, or some of it is damaged. EIO, ENOMEM. */
typedef int (*evpipe__rejected_visit)(void *ctx, const evpipe_event *event, const char *reason);
evpipe_err evpipe__rejects_each(const evpipe__storage *storage, const char *name, evpipe__rejected_visit visit, void *ctx, int *stopped,
                                evpipe_error *error);

/* Whether a file's name is that of such a file, and whose. */
int evpipe__rejects_is_name(const char *name, uint64_t *nonce);

#endif
