/*
 * chatbot.h: a small chatbot runtime, as an application that embeds libevpipe. Several organisations have a bot each;
 * their sessions run interleaved, and each step of a session is logged as an event for its organisation.
 */
#ifndef CHATBOT_H
#define CHATBOT_H

#include <evpipe.h>

struct chatbot;

struct chatbot_setup {
	evpipe_producer *producer;
	uint64_t         seed;     /* the same seed has the same conversations */
	unsigned         sessions; /* of each organisation */
	/* Instead of evpipe_emit, for a test that wants to see each event. NULL: none. */
	evpipe_err (*emit)(void *ctx, const evpipe_event *event);
	void *ctx;
};

/* The organisations there are; NULL ends them. */
extern const char *const chatbot_organisations[];

/* NULL when memory is short. */
struct chatbot *chatbot_new(const struct chatbot_setup *setup);
void            chatbot_free(struct chatbot *bot); /* takes NULL */

/* One turn of one session: what the user says and all the bot does about it. False when all sessions have ended. */
int chatbot_turn(struct chatbot *bot);

/* Turns that all sessions together will have had at the end. */
unsigned chatbot_turns(const struct chatbot *bot);

/* Steps that were logged, and steps that could not be, since the journal was full: the bot goes on all the same. */
unsigned long chatbot_logged(const struct chatbot *bot);
unsigned long chatbot_dropped(const struct chatbot *bot);

#endif
