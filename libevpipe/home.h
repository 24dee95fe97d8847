/*
 * home.h: where a producer's journal lives, as the configuration says: its region and its files, journals that dead
 * processes have left beside it, and what was rejected.
 */
#ifndef EVPIPE_HOME_H
#define EVPIPE_HOME_H

#include <evpipe-runtime.h>

#include "recovery.h"
#include "rejects.h"
#include "settings.h"

typedef struct evpipe__home {
	evpipe__storage             storage; /* ops NULL: there is no directory */
	evpipe__identity            identity;
	void                       *lock;
	evpipe__file                ring;   /* the journal's region, if it is a file; */
	void                       *region; /* if it is memory */
	size_t                      region_size;
	evpipe__journal            *journal;
	struct evpipe__adopted_list adopted;
	uint64_t                    recovered; /* records in them when they were adopted */
	evpipe__rejects             rejects;
	evpipe__log                 log;
} evpipe__home;

/* ECONFIG, ENOMEM, EIO, EFULL (too little space). On failure, there is nothing to close. */
evpipe_err evpipe__home_open(evpipe__home *home, const evpipe_config *config, const evpipe_runtime *runtime, evpipe_error *error);

/*
 * Copy to segments what is not acknowledged, and write them: of our own journal and of those that were adopted, whatever
 * our own durability, where it is a disk's. By whoever steps the pump. EFULL, EIO, ENOMEM: all that could be was.
 */
evpipe_err evpipe__home_sync(evpipe__home *home, evpipe_error *error);
/* True if that would write anything. */
int evpipe__home_is_unsynced(const evpipe__home *home);

/*
 * The pump has ended. What is not done stays for the next one, where it is to be kept, and is synced; files with nothing
 * in them go. `touch` false: in a child of fork, they are the parent's, and only our memory is given back.
 */
void evpipe__home_close(evpipe__home *home, int touch);

#endif
