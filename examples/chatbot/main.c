/*
 * The chatbot as a program of its own: chatbot CONFIG [SESSIONS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "chatbot.h"

static int run(evpipe_config *config, unsigned sessions)
{
	struct chatbot_setup setup = {.seed = (uint64_t)time(NULL), .sessions = sessions};
	evpipe_error         error;
	uint64_t             left = 0;

	if (evpipe_producer_new(&setup.producer, config, &error) != EVPIPE_OK) {
		fprintf(stderr, "chatbot: %s\n", error.text);
		return 1;
	}
	struct chatbot *bot = chatbot_new(&setup);
	if (bot) {
		while (chatbot_turn(bot))
			;
		fprintf(stderr, "chatbot: %lu steps logged, %lu dropped\n", chatbot_logged(bot), chatbot_dropped(bot));
	}
	/* What the broker has not taken within ten seconds is left. */
	evpipe_producer_close(setup.producer, 10000, &left);
	if (left)
		fprintf(stderr, "chatbot: %llu steps are left undelivered\n", (unsigned long long)left);
	chatbot_free(bot);
	evpipe_producer_free(setup.producer);
	return !bot || left;
}

int main(int argc, char **argv)
{
	evpipe_config *config = NULL;
	evpipe_error   error;
	int            status = 1;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: chatbot CONFIG [SESSIONS]\n");
		return 2;
	}
	unsigned sessions = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 10;
	if (evpipe_config_new(&config) != EVPIPE_OK || evpipe_config_load(config, argv[1], &error) != EVPIPE_OK)
		fprintf(stderr, "chatbot: %s\n", config ? error.text : "out of memory");
	else
		status = run(config, sessions);
	evpipe_config_free(config);
	return status;
}
