/*
 * emit_evpipe.c: evpipe_emit on a transport that acknowledges each record at once and drops it, so that emit and the
 * pump are all there is; or on a broker.
 */
#include <evpipe-transport.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "emit.h"

#define OUTSTANDING_MAX 4096 /* a power of two */
#define DRAIN_TIMEOUT_MS 120000

/* ---- the transport ---- */

struct null_transport {
	uint64_t tokens[OUTSTANDING_MAX];
	uint64_t sent, reported;
	int      closed;
};

static atomic_int paused;

static evpipe_err null_open(void **self, const evpipe_transport_setup *setup, evpipe_error *error)
{
	(void)setup;
	(void)error;
	*self = calloc(1, sizeof(struct null_transport));
	return *self ? EVPIPE_OK : EVPIPE_ENOMEM;
}

static void null_close(void *self, uint32_t timeout_ms)
{
	struct null_transport *transport = self;
	(void)timeout_ms;
	transport->closed = 1;
}

static evpipe_err null_send(void *self, const evpipe_record *record, uint64_t token)
{
	struct null_transport *transport = self;
	(void)record;
	if (paused || transport->sent - transport->reported == OUTSTANDING_MAX)
		return EVPIPE_EAGAIN;
	transport->tokens[transport->sent++ % OUTSTANDING_MAX] = token;
	return EVPIPE_OK;
}

static evpipe_err null_poll(void *self, unsigned flags, evpipe_transport_event *event)
{
	struct null_transport *transport = self;
	(void)flags;
	if (transport->reported == transport->sent)
		return transport->closed ? EVPIPE_ECLOSED : EVPIPE_EAGAIN;
	*event = (evpipe_transport_event){.type = EVPIPE_TRANSPORT_SENT,
	                                  .token = transport->tokens[transport->reported++ % OUTSTANDING_MAX],
	                                  .outcome = EVPIPE_PERSISTED};
	return EVPIPE_OK;
}

/* Its reports are due as long as there are any. */
static int64_t null_next_due(void *self)
{
	struct null_transport *transport = self;
	return transport->reported == transport->sent ? INT64_MAX : 0;
}

static void null_flush(void *self)
{
	(void)self;
}

static size_t null_record_max(void *self)
{
	(void)self;
	return SIZE_MAX;
}

static evpipe_err null_subscribe(void *self, const evpipe_subscription *subscription)
{
	(void)self;
	(void)subscription;
	return EVPIPE_EINVAL;
}

static evpipe_err null_settle(void *self, evpipe_assignment assignment, int64_t offset)
{
	(void)self;
	(void)assignment;
	(void)offset;
	return EVPIPE_ESTALE;
}

static void null_partition(void *self, evpipe_assignment assignment)
{
	(void)self;
	(void)assignment;
}

static size_t null_memory(void *self)
{
	(void)self;
	return 0;
}

static evpipe_err null_ensure_topic(void *self, const evpipe_topic_spec *spec)
{
	(void)self;
	(void)spec;
	return EVPIPE_ENOTSUP;
}

static const evpipe_transport_ops null_transport = {.size = sizeof null_transport,
                                                    .name = "null",
                                                    .features = EVPIPE_FEATURE_HEADERS,
                                                    .open = null_open,
                                                    .close = null_close,
                                                    .free = free,
                                                    .send = null_send,
                                                    .flush = null_flush,
                                                    .record_max = null_record_max,
                                                    .subscribe = null_subscribe,
                                                    .settle = null_settle,
                                                    .hold = null_partition,
                                                    .release = null_partition,
                                                    .relinquish = null_partition,
                                                    .poll = null_poll,
                                                    .next_due = null_next_due,
                                                    .memory = null_memory,
                                                    .ensure_topic = null_ensure_topic};

/* ---- the producer on it ---- */

static evpipe_producer *producer;

static int emit_evpipe(const struct sample *sample)
{
	evpipe_event event = EVPIPE_EVENT_INIT;
	event.destination = sample->destination;
	event.key = sample->key;
	event.key_len = sample->key_len;
	event.data = sample->data;
	event.data_len = sample->data_len;
	return evpipe_emit(producer, &event);
}

static evpipe_err set_broker(evpipe_config *config, const struct emit_options *options, evpipe_error *error)
{
	char url[256];
	if (!options->broker)
		return evpipe_config_use_transport(config, &null_transport, NULL, error);
	snprintf(url, sizeof url, "kafka://%s", options->broker);
	evpipe_err err = evpipe_config_set(config, "transport.url", url, error);
	return err ? err : evpipe_config_set(config, "topic.name", options->topic, error);
}

static void open_evpipe(const struct emit_options *options)
{
	char           size[32];
	evpipe_config *config;
	evpipe_error   error;

	snprintf(size, sizeof size, "%zu", options->journal_size);
	if (evpipe_config_new(&config))
		die("out of memory");
	for (size_t i = 0; i < options->settings_count; i++) {
		char *value = strchr(options->settings[i], '=');
		if (!value)
			die("--set %s: write NAME=VALUE", options->settings[i]);
		*value++ = '\0';
		if (evpipe_config_set(config, options->settings[i], value, &error))
			die("%s", error.text);
	}
	paused = options->paused;
	if (evpipe_config_set(config, "journal.size", size, &error) ||
	    set_broker(config, options, &error) || evpipe_producer_new(&producer, config, &error))
		die("%s", error.text);
	evpipe_config_free(config);
}

static void drain_evpipe(void)
{
	paused = 0;
	evpipe_err err = evpipe_producer_flush(producer, DRAIN_TIMEOUT_MS);
	if (err)
		die("evpipe_producer_flush: %s", evpipe_strerror(err));
}

static void close_evpipe(void)
{
	uint64_t left = 0;
	paused = 0;
	evpipe_producer_close(producer, DRAIN_TIMEOUT_MS, &left);
	if (left)
		die("evpipe_producer_close: %llu events were left", (unsigned long long)left);
	evpipe_producer_free(producer);
}

const struct target target_evpipe = {"evpipe", open_evpipe, emit_evpipe, drain_evpipe, close_evpipe};
