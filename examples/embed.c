/*
 * Emit three events and close with a deadline: embed kafka://127.0.0.1:9092
 *
 *     cc embed.c $(pkg-config --cflags --libs evpipe) -o embed
 */
#include <evpipe.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	evpipe_config   *config;
	evpipe_producer *producer = NULL;
	evpipe_error     error = {.text = "usage: embed URL"};
	uint64_t         left = 0;

	if (argc != 2 || evpipe_config_new(&config) || evpipe_config_set(config, "transport.url", argv[1], &error) ||
	    evpipe_producer_new(&producer, config, &error)) {
		fprintf(stderr, "embed: %s\n", error.text);
		return 1;
	}
	for (int step = 1; step <= 3; step++) {
		char         json[64];
		evpipe_event event = EVPIPE_EVENT_INIT;
		event.destination = "ACME"; /* whose data store the event belongs in */
		event.key = "session-1";    /* its events arrive in order */
		event.key_len = 9;
		event.data = json;
		event.data_len = (size_t)snprintf(json, sizeof json, "{\"session\":\"session-1\",\"step\":%d}", step);
		evpipe_emit(producer, &event); /* never waits */
	}
	evpipe_producer_close(producer, 5000, &left); /* until the broker has them, at most 5 s */
	printf("%llu events left\n", (unsigned long long)left);
	evpipe_producer_free(producer);
	evpipe_config_free(config);
	return left > 0;
}
