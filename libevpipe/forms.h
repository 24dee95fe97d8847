/*
 * forms.h: what texts of certain properties must look like. Each returns NULL, or what is wrong; static.
 */
#ifndef EVPIPE_FORMS_H
#define EVPIPE_FORMS_H

/* 1 to 249 of the letters, digits, `.`, `_`, `-`: what Kafka takes as a topic's name. */
#define EVPIPE__TOPIC_NAME_MAX 249
const char *evpipe__form_topic(const char *text);

/* Of 1 to 255 bytes, as everything that travels in an envelope. */
const char *evpipe__form_short(const char *text);

/* A path that leaves room for a name behind it. */
const char *evpipe__form_path(const char *text);

/* SCHEME://REST; of a transport without a user and password, which would be logged, and of kafka:// HOST[:PORT],HOST[:PORT]. */
const char *evpipe__form_url(const char *text);
const char *evpipe__form_transport_url(const char *text);

/*
 * http(s)://HOST[:PORT][/PATH][?QUERY], where `{destination}` may stand in path and query alone, so that no event
 * chooses a host. No user and password (they would be logged), no fragment.
 */
const char *evpipe__form_sink_url(const char *text);

/* True: an http:// URL of the form above that leaves the machine. */
int evpipe__form_is_remote_http(const char *sink_url);

/* header, key or field:NAME; header or field:NAME. */
const char *evpipe__form_destination_from(const char *text);
const char *evpipe__form_id_from(const char *text);

/* The pass-through prefixes' refusals: see evpipe__passthrough. */
const char *evpipe__refuse_kafka(const char *name, const char *value);
const char *evpipe__refuse_header(const char *name, const char *value);

#endif
