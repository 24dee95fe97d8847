/*
 * An array of the payloads. One that is not valid would make the whole of it invalid, so each is read.
 */
#include "formats.h"
#include "json.h"

static evpipe_err put_item(evpipe__body *body, size_t index)
{
	const evpipe_delivery *event = body->batch->events[index];
	evpipe__json           json;

	evpipe_err err = evpipe__buffer_append(body->out, index ? "," : "[", 1);
	if (err)
		return err;
	if (!event->data)
		return evpipe__buffer_append(body->out, "null", 4); /* a tombstone that is to be delivered */
	if (evpipe__json_scan(&json, event->data, event->data_len, body->options->id_member))
		return evpipe__body_put_json(body, event, &json);
	evpipe__body_misfit(body, index, json.problem, json.at);
	return EVPIPE_OK;
}

static evpipe_err build(evpipe__body *body)
{
	evpipe_err err = evpipe__buffer_reserve(body->out, body->batch->bytes + body->batch->count + 1);
	for (size_t i = 0; i < body->batch->count && !err; i++)
		err = put_item(body, i);
	return err ? err : evpipe__buffer_append(body->out, "]", 1);
}

const evpipe__format evpipe__format_json = {.name = "json", .content_type = "application/json", .build = build};
