/*
 * What is handed in with a configuration, and what producers and workers make of it.
 */
#include "settings.h"

#include <stdio.h>
#include <string.h>

#include "errors.h"
#include "platform.h"

void evpipe_config_on_log(evpipe_config *config, evpipe_log_fn fn, void *ctx)
{
	config->log = (evpipe__log){.fn = fn, .ctx = ctx};
}

void evpipe_config_on_rejected(evpipe_config *config, evpipe_rejected_fn fn, void *ctx)
{
	config->rejected = fn;
	config->rejected_ctx = ctx;
}

evpipe_err evpipe_config_use_runtime(evpipe_config *config, const evpipe_runtime *runtime)
{
	if (!config || !runtime || runtime->size != sizeof *runtime || !runtime->mono_ms || !runtime->wall_ms ||
	    !runtime->random || !runtime->enrol != !runtime->leave)
		return EVPIPE_EINVAL;
	config->runtime = *runtime;
	return EVPIPE_OK;
}

const evpipe_runtime *evpipe__settings_runtime(const evpipe_config *config)
{
	return config->runtime.size ? &config->runtime : evpipe__platform_runtime();
}

/* ---- the transport ---- */

static evpipe_err check_ops(const evpipe_transport_ops *ops, evpipe_error *error)
{
	if (!ops)
		return evpipe__fail(error, EVPIPE_EINVAL, "there is no table of operations");
	if (ops->size != sizeof *ops)
		return evpipe__fail(error, EVPIPE_EINVAL,
				    "the table of operations is of another version: its size is %zu, not %zu; compile "
				    "it against the headers of this library",
				    ops->size, sizeof *ops);
	const struct {
		const char *slot;
		int         filled;
	} slots[] = {
		{"name", ops->name != NULL},
		{"open", ops->open != NULL},
		{"close", ops->close != NULL},
		{"free", ops->free != NULL},
		{"send", ops->send != NULL},
		{"flush", ops->flush != NULL},
		{"record_max", ops->record_max != NULL},
		{"subscribe", ops->subscribe != NULL},
		{"settle", ops->settle != NULL},
		{"hold", ops->hold != NULL},
		{"release", ops->release != NULL},
		{"relinquish", ops->relinquish != NULL},
		{"lag", ops->lag != NULL || !(ops->features & EVPIPE_FEATURE_LAG)},
		{"poll", ops->poll != NULL},
		{"next_due", ops->next_due != NULL},
		{"memory", ops->memory != NULL},
		{"ensure_topic", ops->ensure_topic != NULL},
	};
	for (size_t i = 0; i < sizeof slots / sizeof *slots; i++)
		if (!slots[i].filled)
			return evpipe__fail(error, EVPIPE_EINVAL, "the transport '%s' lacks '%s'",
					    ops->name ? ops->name : "?", slots[i].slot);
	return EVPIPE_OK;
}

evpipe_err evpipe_config_use_transport(evpipe_config *config, const evpipe_transport_ops *ops, void *arg,
				       evpipe_error *error)
{
	if (!config)
		return evpipe__fail_plain(error, EVPIPE_EINVAL);
	evpipe_err err = check_ops(ops, error);
	if (err)
		return err;
	config->transport_ops = ops;
	config->transport_arg = arg;
	return EVPIPE_OK;
}

evpipe_err evpipe__settings_open_transport(const evpipe_config *config, evpipe_transport_setup *setup,
                                           const evpipe_transport_ops **ops, void **self, evpipe_error *error)
{
	const evpipe_transport_ops *found = config->transport_ops;
	evpipe_err                  err = EVPIPE_OK;

	setup->config = config;
	setup->url = NULL;
	setup->arg = config->transport_arg;
	if (!found) {
		setup->url = evpipe_config_text(config, NULL, "transport.url");
		if (!setup->url)
			return evpipe__fail(error, EVPIPE_ECONFIG,
					    "transport.url is not set: say where the broker is, such as "
					    "transport.url = kafka://127.0.0.1:9092");
		err = evpipe_transport_find(&found, setup->url, error);
		if (!err)
			err = check_ops(found, error);
	}
	if (!err)
		err = found->open(self, setup, error);
	if (!err)
		*ops = found;
	return err;
}

evpipe_topic_spec evpipe__settings_topic(const evpipe_config *config, const char *name, const char *retention)
{
	return (evpipe_topic_spec){
		.size = sizeof(evpipe_topic_spec),
		.name = name,
		.partitions = (int32_t)evpipe_config_number(config, NULL, "topic.partitions"),
		.replication = (int16_t)evpipe_config_number(config, NULL, "topic.replication"),
		.retention_ms = evpipe_config_number(config, NULL, retention),
		.create = evpipe_config_number(config, NULL, "topic.create") == 0,
	};
}

/* ---- a checked copy ---- */

struct problems {
	evpipe_error first;
	size_t       count;
};

static int keep_first(void *ctx, const evpipe_error *problem)
{
	struct problems *problems = ctx;
	if (problems->count++ == 0)
		problems->first = *problem;
	return 0;
}

evpipe_err evpipe__settings_copy_checked(evpipe_config **out, const evpipe_config *config, evpipe_error *error)
{
	struct problems found = {.count = 0};
	evpipe_err      err = evpipe_config_check(config, keep_first, &found);

	if (err && found.count == 0)
		return evpipe__fail_plain(error, err);
	if (found.count == 1)
		return evpipe__fail(error, found.first.code, "%s", found.first.text);
	if (found.count > 1)
		return evpipe__fail(error, found.first.code, "%.400s (and %zu more: see evpipe check)",
				    found.first.text, found.count - 1);
	err = evpipe_config_copy(out, config);
	return err ? evpipe__fail_plain(error, err) : EVPIPE_OK;
}
