/*
 * kafka.h: what the two Kafka worlds share: how the transport is configured for tests.
 */
#ifndef CONFORMANCE_KAFKA_H
#define CONFORMANCE_KAFKA_H

#include <stdio.h>

#include "conformance.h"

/*
 * A member that dies without a word is noticed after session_ms; a real broker takes no less than 6000 unless it is
 * told to. False, and a line on standard error, if a setting is refused.
 */
static inline int use_kafka(evpipe_config *config, const char *bootstraps, const char *session_ms)
{
	const char *const settings[][2] = {
		{"kafka.consumer.session.timeout.ms", session_ms},
		{"kafka.consumer.heartbeat.interval.ms", "500"},
	};
	char         url[512];
	evpipe_error error;

	snprintf(url, sizeof url, "kafka://%s", bootstraps);
	evpipe_err err = evpipe_config_set(config, "transport.url", url, &error);
	for (size_t i = 0; !err && i < sizeof settings / sizeof *settings; i++)
		err = evpipe_config_set(config, settings[i][0], settings[i][1], &error);
	if (err)
		fprintf(stderr, "%s\n", error.text);
	return !err;
}

#endif
