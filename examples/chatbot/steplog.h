/*
 * steplog.h: what the runtime knows of libevpipe: a step of a session becomes an event.
 */
#ifndef CHATBOT_STEPLOG_H
#define CHATBOT_STEPLOG_H

#include "chatbot.h"

struct steplog {
	const struct chatbot_setup *setup;
	unsigned long               logged, dropped;
};

/* `detail` is JSON members that go into the event's object: "\"text\":\"hello\"". */
void steplog_write(struct steplog *log, const char *organisation, const char *session, unsigned seq, const char *step,
                   const char *detail);

#endif
