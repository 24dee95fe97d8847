#include "steplog.h"

#include <stdio.h>
#include <string.h>

static evpipe_err emit(const struct chatbot_setup *setup, const evpipe_event *event)
{
	return setup->emit ? setup->emit(setup->ctx, event) : evpipe_emit(setup->producer, event);
}

void steplog_write(struct steplog *log, const char *organisation, const char *session, unsigned seq, const char *step,
                   const char *detail)
{
	char id[64], json[1024];
	int  len;

	snprintf(id, sizeof id, "%s-%03u", session, seq);
	len = snprintf(json, sizeof json,
	               "{\"id\":\"%s\",\"org\":\"%s\",\"session\":\"%s\",\"seq\":%u,\"step\":\"%s\",%s}", id,
	               organisation, session, seq, step, detail);

	/* The session is the key: an organisation gets the steps of each session in order. */
	evpipe_event event = EVPIPE_EVENT_INIT;
	event.destination = organisation;
	event.key = session;
	event.key_len = strlen(session);
	event.id = id;
	event.type = "chatbot.step";
	event.data = json;
	event.data_len = (size_t)len < sizeof json ? (size_t)len : sizeof json - 1;

	/*
	 * It never waits. A conversation is worth more than its log: what the journal has no room for is counted and
	 * dropped.
	 */
	if (emit(log->setup, &event) == EVPIPE_OK)
		log->logged++;
	else
		log->dropped++;
}
