/*
 * http-destination.h: how one destination is posted to: what the configuration says, checked, and a cache of it.
 */
#ifndef EVPIPE_HTTP_DESTINATION_H
#define EVPIPE_HTTP_DESTINATION_H

#include <curl/curl.h>
#include <sys/queue.h>

#define uthash_malloc(size)       evpipe__malloc(size)
#define uthash_free(memory, size) evpipe__free(memory)
#define HASH_NONFATAL_OOM         1
#include <uthash.h>

#include "formats/formats.h"
#include "memory.h"

/* Destinations that are remembered; the one used longest ago is forgotten first. */
#define EVPIPE__HTTP_DESTINATIONS_MAX 10000

typedef struct evpipe__http_destination {
	char    *name;
	uint64_t id;         /* never the same again */
	unsigned references; /* the cache's, and one for each post */
	size_t   bytes;      /* that it takes, about */
	char    *refusal;    /* NULL: all is well; else why it cannot be posted to, and what follows is not set */

	char                  *url;
	char                  *host; /* with its port if it has one, for texts */
	const evpipe__format  *format;
	evpipe__format_options options;
	int                    gzip;
	int                    is_https;
	struct curl_slist     *headers; /* ours, made without libcurl */

	long        connect_timeout_ms, timeout_ms;
	int         insecure;
	const char *ca_file, *client_certificate, *client_key; /* NULL: none; borrowed from the configuration, as are the next */
	const char *proxy;                                     /* "": none */

	UT_hash_handle hh;
	TAILQ_ENTRY(evpipe__http_destination) link;
} evpipe__http_destination;

typedef struct evpipe__http_destinations {
	const evpipe_config      *config;
	size_t                    max;
	uint64_t                  last_id;
	size_t                    bytes;
	evpipe__http_destination *by_name;
	TAILQ_HEAD(, evpipe__http_destination) by_use; /* the last used one last */
} evpipe__http_destinations;

/* `config` is borrowed and does not change. */
void evpipe__http_destinations_init(evpipe__http_destinations *destinations, const evpipe_config *config, size_t max);
void evpipe__http_destinations_release(evpipe__http_destinations *destinations); /* nobody has a reference any more */

/*
 * Check what holds for all destinations that have nothing of their own. ECONFIG says which property and what about it.
 * *insecure (may be NULL): certificates are not checked.
 */
evpipe_err evpipe__http_destinations_check(const evpipe_config *config, int *insecure, evpipe_error *error);

/*
 * The settings of a destination, with a reference that is the caller's to give back. A mistake in them is not an error
 * but their `refusal`. ENOMEM.
 */
evpipe_err evpipe__http_destination_get(evpipe__http_destinations *destinations, const char *name, evpipe__http_destination **out);
void       evpipe__http_destination_put(evpipe__http_destination *destination); /* NULL is fine */

#endif
