/*
 * What an instance is told beside records and sends: topics, notices, and that there is something to poll.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker.h"

void evpipe__tb_notify(struct instance *instance)
{
	uint64_t one = 1;
	if (instance->fd < 0 || instance->is_signalled)
		return;
	instance->is_signalled = write(instance->fd, &one, sizeof one) == (ssize_t)sizeof one;
}

void evpipe__tb_unsignal(struct instance *instance)
{
	uint64_t count;
	if (instance->is_signalled && read(instance->fd, &count, sizeof count) == (ssize_t)sizeof count)
		instance->is_signalled = 0;
}

struct news *evpipe__tb_news(evpipe_transport_event_type type, const char *topic, const char *text)
{
	size_t       topic_size = topic ? strlen(topic) + 1 : 0, text_size = text ? strlen(text) + 1 : 0;
	struct news *news = calloc(1, sizeof *news + topic_size + text_size);
	if (!news)
		return NULL;
	char *texts = (char *)(news + 1);
	news->event.type = type;
	if (topic)
		news->event.topic = memcpy(texts, topic, topic_size);
	if (text)
		news->event.text = memcpy(texts + topic_size, text, text_size);
	return news;
}

void evpipe__tb_tell(struct instance *instance, struct news *news)
{
	TAILQ_INSERT_TAIL(&instance->news, news, link);
	evpipe__tb_notify(instance);
}

static void tell_notice(struct instance *instance, evpipe_log_level level, evpipe_err err, const char *text)
{
	struct news *news = evpipe__tb_news(EVPIPE_TRANSPORT_NOTICE, NULL, text);
	if (!news)
		return;
	news->event.level = level;
	news->event.err = err;
	evpipe__tb_tell(instance, news);
}

/* ---- topics ---- */

static evpipe_err tell_topic(struct instance *instance, const evpipe_topic_spec *spec, evpipe_err err, const char *text)
{
	struct news *news = evpipe__tb_news(EVPIPE_TRANSPORT_TOPIC, spec->name, text);
	if (!news)
		return EVPIPE_ENOMEM;
	news->event.err = err;
	evpipe__tb_tell(instance, news);
	return EVPIPE_OK;
}

static int64_t wanted_retention(const evpipe_topic_spec *spec)
{
	return spec->retention_ms ? spec->retention_ms : -1;
}

static evpipe_err answer_topic(struct instance *instance, const evpipe_topic_spec *spec)
{
	const struct topic     *topic = evpipe__tb_topic(instance->broker, spec->name);
	evpipe_testbroker_topic settings = EVPIPE_TESTBROKER_TOPIC_INIT;
	char                    text[160];

	if (!topic && !spec->create)
		return tell_topic(instance, spec, EVPIPE_ETOPIC, "it does not exist and may not be created");
	if (!topic) {
		settings.partitions = spec->partitions;
		settings.retention_ms = wanted_retention(spec);
		evpipe_err err = evpipe__tb_topic_new(instance->broker, spec->name, &settings);
		if (err == EVPIPE_ENOMEM)
			return err;
		return tell_topic(instance, spec, err, err ? "the number of partitions or the retention is out of range" : NULL);
	}
	if (spec->partitions > 0 && topic->settings.partitions != spec->partitions)
		snprintf(text, sizeof text, "it has %d partitions, not %d", (int)topic->settings.partitions, (int)spec->partitions);
	else if (spec->retention_ms && topic->settings.retention_ms != spec->retention_ms)
		snprintf(text, sizeof text, "it keeps records for %lld ms, not %lld", (long long)topic->settings.retention_ms,
		         (long long)spec->retention_ms);
	else
		text[0] = '\0';
	return tell_topic(instance, spec, EVPIPE_OK, *text ? text : NULL);
}

/* Asked while the broker is away: answered when it is back. */
static evpipe_err ask_later(struct instance *instance, const evpipe_topic_spec *spec)
{
	struct asked_topic *asked = malloc(sizeof *asked + strlen(spec->name) + 1);
	if (!asked)
		return EVPIPE_ENOMEM;
	asked->spec = *spec;
	asked->spec.name = memcpy(asked->name, spec->name, strlen(spec->name) + 1);
	TAILQ_INSERT_TAIL(&instance->asked, asked, link);
	return EVPIPE_OK;
}

static void answer_asked(struct instance *instance)
{
	struct asked_topic *asked;
	while ((asked = TAILQ_FIRST(&instance->asked)) && answer_topic(instance, &asked->spec) == EVPIPE_OK) {
		TAILQ_REMOVE(&instance->asked, asked, link);
		free(asked);
	}
}

evpipe_err evpipe__tb_ensure_topic(struct instance *instance, const evpipe_topic_spec *spec)
{
	if (!spec->name || !*spec->name)
		return EVPIPE_EINVAL;
	return instance->broker->is_down ? ask_later(instance, spec) : answer_topic(instance, spec);
}

/* ---- the broker goes and comes ---- */

void evpipe__tb_broker_went(struct instance *instance)
{
	tell_notice(instance, EVPIPE_LOG_WARN, EVPIPE_EUNAVAILABLE, "the broker cannot be reached");
}

void evpipe__tb_broker_came(struct instance *instance)
{
	tell_notice(instance, EVPIPE_LOG_INFO, EVPIPE_OK, "the broker is back");
	answer_asked(instance);
	for (size_t i = 0; i < instance->slots_count; i++) {
		struct assignment *assignment = instance->slots[i];
		if (!assignment || !assignment->is_relinquished)
			continue;
		assignment->is_relinquished = 0;
		evpipe__tb_relinquish(assignment);
	}
}
