#include "formats.h"

#include <stdio.h>
#include <string.h>

#include "json.h"
#include "text.h"

const evpipe__format *evpipe__format_find(const char *name)
{
	static const evpipe__format *const formats[] = {&evpipe__format_ndjson, &evpipe__format_json, &evpipe__format_cloudevents};
	for (size_t i = 0; name && i < sizeof formats / sizeof *formats; i++)
		if (strcmp(formats[i]->name, name) == 0)
			return formats[i];
	return NULL;
}

void evpipe__body_misfit(evpipe__body *body, size_t index, const char *why, size_t at)
{
	char id[64];

	if (!body->misfits)
		for (size_t i = 0; i < body->batch->count; i++)
			body->each[i] = EVPIPE_VERDICT_RETRY;
	body->each[index] = EVPIPE_VERDICT_FORMAT;
	if (body->misfits++)
		return;
	const char *text = body->batch->events[index]->id;
	snprintf(body->why, sizeof body->why, "event %s does not fit the format %s: %s at byte %zu of its payload",
	         evpipe__text_line(id, sizeof id, text, strlen(text)), body->format, why, at);
}

evpipe_err evpipe__body_put_json(evpipe__body *body, const evpipe_delivery *event, const struct evpipe__json *json)
{
	const char *data = event->data, *member = body->options->id_member;
	evpipe_err  err;

	if (!member || !json->is_object || json->members)
		return evpipe__buffer_append(body->out, data, event->data_len);
	err = evpipe__buffer_append(body->out, data, json->inside);
	if (!err)
		err = evpipe__json_put_string(body->out, member, strlen(member));
	if (!err)
		err = evpipe__buffer_append(body->out, ":", 1);
	if (!err)
		err = evpipe__json_put_string(body->out, event->id, strlen(event->id));
	if (!err && !json->is_empty)
		err = evpipe__buffer_append(body->out, ",", 1);
	return err ? err : evpipe__buffer_append(body->out, data + json->inside, event->data_len - json->inside);
}
