/*
 * What the scripted sinks recorded: every post, and every event as its destination stored it.
 */
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "copying.h"

struct recorded_post {
	evpipe_testbroker_post public;
	char idempotency_key[33];
	char destination[];
};

evpipe_testbroker_post *evpipe__tb_record_post(evpipe_testbroker *broker, const evpipe_batch *batch)
{
	size_t                size = strlen(batch->destination) + 1;
	struct recorded_post *post = malloc(sizeof *post + size);

	if (!post || evpipe__tb_grow(&broker->posts, broker->posts_count, &broker->posts_capacity,
	                             sizeof *broker->posts) != EVPIPE_OK) {
		free(post);
		return NULL;
	}
	memcpy(post->destination, batch->destination, size);
	memcpy(post->idempotency_key, batch->idempotency_key, sizeof post->idempotency_key);
	post->public = (evpipe_testbroker_post){.at_ms = evpipe__tb_wall(broker),
	                                        .destination = post->destination,
	                                        .idempotency_key = post->idempotency_key,
	                                        .count = batch->count,
	                                        .bytes = batch->bytes,
	                                        .verdict = EVPIPE_VERDICT_RETRY};
	broker->posts[broker->posts_count++] = &post->public;
	return &post->public;
}

/* ---- deliveries ---- */

/* Destination and id behind each other, as the hash wants them. */
static size_t write_name(char *to, const char *destination, const char *id)
{
	size_t destination_size = strlen(destination) + 1, id_size = strlen(id) + 1;
	memcpy(to, destination, destination_size);
	memcpy(to + destination_size, id, id_size);
	return destination_size + id_size;
}

static size_t size_or_0(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static size_t headers_size(const evpipe_delivery *event)
{
	size_t size = event->headers_count * sizeof(evpipe_header);
	for (size_t i = 0; i < event->headers_count; i++)
		size += strlen(event->headers[i].name) + 1 + (event->headers[i].value ? event->headers[i].value_len : 0);
	return size;
}

/* Null is not empty; the length of what is null is 0. */
static struct delivery *copy_delivery(const evpipe_batch *batch, const evpipe_delivery *event, size_t *name_len)
{
	size_t size = sizeof(struct delivery) + strlen(batch->destination) + strlen(event->id) + 2 + size_or_0(event->type) +
	              (event->key ? event->key_len : 0) + (event->data ? event->data_len : 0) + sizeof batch->idempotency_key + 1 +
	              headers_size(event);
	struct delivery *delivery = malloc(size);
	if (!delivery)
		return NULL;
	evpipe_header *headers = (evpipe_header *)(delivery + 1);
	char          *to = (char *)(headers + event->headers_count);
	*delivery = (struct delivery){.public = {.time_ms = event->time_ms, .attempt = event->attempt}};
	*name_len = write_name(to, batch->destination, event->id);
	delivery->public.destination = to;
	delivery->public.id = to + strlen(to) + 1;
	to += *name_len;
	delivery->public.idempotency_key = evpipe__tb_put(&to, batch->idempotency_key, sizeof batch->idempotency_key);
	delivery->public.type = evpipe__tb_put(&to, event->type, size_or_0(event->type));
	evpipe__tb_put_headers(headers, &to, event->headers, event->headers_count);
	delivery->public.headers = headers;
	delivery->public.headers_count = event->headers_count;
	delivery->public.key = evpipe__tb_put(&to, event->key, event->key_len);
	delivery->public.key_len = event->key ? event->key_len : 0;
	delivery->public.data = evpipe__tb_put(&to, event->data, event->data_len);
	delivery->public.data_len = event->data ? event->data_len : 0;
	return delivery;
}

void evpipe__tb_record_delivery(evpipe_testbroker *broker, int64_t at_ms, uint64_t post, const evpipe_batch *batch,
                                const evpipe_delivery *event)
{
	size_t           name_len;
	unsigned         hash;
	struct delivery *first, *delivery;

	if (evpipe__tb_grow(&broker->deliveries, broker->deliveries_count, &broker->deliveries_capacity,
	                    sizeof *broker->deliveries) != EVPIPE_OK)
		return;
	delivery = copy_delivery(batch, event, &name_len);
	if (!delivery)
		return;
	delivery->public.at_ms = at_ms;
	delivery->public.post = post;
	broker->deliveries[broker->deliveries_count++] = delivery;
	HASH_VALUE(delivery->public.destination, name_len, hash);
	HASH_FIND_BYHASHVALUE(hh, broker->by_id, delivery->public.destination, name_len, hash, first);
	if (first) {
		first->count++;
		return;
	}
	delivery->count = 1;
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, broker->by_id, delivery->public.destination, name_len, hash, delivery);
}

static void clear_deliveries(evpipe_testbroker *broker)
{
	HASH_CLEAR(hh, broker->by_id);
	for (size_t i = 0; i < broker->deliveries_count; i++)
		free(broker->deliveries[i]);
	broker->deliveries_count = 0;
}

void evpipe__tb_deliveries_free(evpipe_testbroker *broker)
{
	clear_deliveries(broker);
	free(broker->deliveries);
	for (size_t i = 0; i < broker->posts_count; i++)
		free(broker->posts[i]); /* the first thing in what it was recorded as */
	free(broker->posts);
}

/* ---- from outside ---- */

size_t evpipe_testbroker_delivery_count(const evpipe_testbroker *broker)
{
	evpipe__tb_lock(broker);
	size_t count = broker->deliveries_count;
	evpipe__tb_unlock(broker);
	return count;
}

const evpipe_testbroker_delivery *evpipe_testbroker_delivery_at(const evpipe_testbroker *broker, size_t index)
{
	evpipe__tb_lock(broker);
	const struct delivery *delivery = index < broker->deliveries_count ? broker->deliveries[index] : NULL;
	evpipe__tb_unlock(broker);
	return delivery ? &delivery->public : NULL;
}

size_t evpipe_testbroker_delivered(const evpipe_testbroker *broker, const char *destination, const char *id)
{
	size_t           count = 0;
	struct delivery *delivery = NULL;
	char            *name = malloc(strlen(destination) + strlen(id) + 2);
	if (!name)
		return 0;
	size_t name_len = write_name(name, destination, id);
	evpipe__tb_lock(broker);
	HASH_FIND(hh, broker->by_id, name, name_len, delivery);
	if (delivery)
		count = delivery->count;
	evpipe__tb_unlock(broker);
	free(name);
	return count;
}

void evpipe_testbroker_clear_deliveries(evpipe_testbroker *broker)
{
	evpipe__tb_lock(broker);
	clear_deliveries(broker);
	evpipe__tb_unlock(broker);
}

size_t evpipe_testbroker_post_count(const evpipe_testbroker *broker)
{
	evpipe__tb_lock(broker);
	size_t count = broker->posts_count;
	evpipe__tb_unlock(broker);
	return count;
}

const evpipe_testbroker_post *evpipe_testbroker_post_at(const evpipe_testbroker *broker, size_t index)
{
	evpipe__tb_lock(broker);
	const evpipe_testbroker_post *post = index < broker->posts_count ? broker->posts[index] : NULL;
	evpipe__tb_unlock(broker);
	return post;
}
