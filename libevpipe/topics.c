/*
 * How a worker starts: it sees to the topics that it needs, and subscribes when all are there.
 */
#include <stdio.h>
#include <string.h>

#include "pipeline.h"
#include "settings.h"

/* The tiers', then the main one, then the dead letters'. */
static size_t count_of(const evpipe__pipeline *pipeline)
{
	return pipeline->tiers.count + 2;
}

static const char *name_of(const evpipe__pipeline *pipeline, size_t which)
{
	size_t tiers = pipeline->tiers.count;
	return which < tiers ? pipeline->tiers.topics[which] : which == tiers ? pipeline->topic : pipeline->tiers.dead_topic;
}

static evpipe_err ensure(evpipe__pipeline *pipeline, size_t which)
{
	int               is_dead = which == pipeline->tiers.count + 1;
	evpipe_topic_spec spec = evpipe__settings_topic(pipeline->setup.config, name_of(pipeline, which),
	                                                is_dead ? "dead_letter.retention" : "topic.retention");
	return pipeline->setup.transport_ops->ensure_topic(pipeline->setup.transport, &spec);
}

/* True if it asked for any. */
static int ask(evpipe__pipeline *pipeline)
{
	int any = 0;

	for (size_t i = 0; i < count_of(pipeline) && pipeline->state == EVPIPE__STARTING; i++) {
		if (pipeline->topics[i].state != TOPIC_TO_ASK)
			continue;
		evpipe_err err = ensure(pipeline, i);
		if (err && err != EVPIPE_ENOTSUP && err != EVPIPE_EAGAIN)
			evpipe__pipeline_fail(pipeline, err, "%s: %s", name_of(pipeline, i), evpipe_strerror(err));
		if (err != EVPIPE_EAGAIN)
			pipeline->topics[i].state = err ? TOPIC_THERE : TOPIC_ASKED;
		any = 1;
	}
	return any;
}

static int are_there(const evpipe__pipeline *pipeline)
{
	for (size_t i = 0; i < count_of(pipeline); i++)
		if (pipeline->topics[i].state != TOPIC_THERE)
			return 0;
	return 1;
}

static evpipe_err subscribe(evpipe__pipeline *pipeline)
{
	const char *group = evpipe_config_text(pipeline->setup.config, NULL, "group.name");
	char        retry_group[300];
	evpipe_subscription main_topic = {
		.size = sizeof main_topic, .group = group, .topics = (const char *const *)&pipeline->topic, .topics_count = 1};
	evpipe_subscription tiers = {.size = sizeof tiers,
	                             .group = retry_group,
	                             .topics = (const char *const *)pipeline->tiers.topics,
	                             .topics_count = pipeline->tiers.count,
	                             .delayed = 1};

	snprintf(retry_group, sizeof retry_group, "%s-retry", group);
	evpipe_err err = pipeline->setup.transport_ops->subscribe(pipeline->setup.transport, &main_topic);
	if (!err)
		err = pipeline->setup.transport_ops->subscribe(pipeline->setup.transport, &tiers);
	return err;
}

int evpipe__topics_step(evpipe__pipeline *pipeline)
{
	if (!are_there(pipeline))
		return ask(pipeline);
	evpipe_err err = subscribe(pipeline);
	if (err) {
		evpipe__pipeline_fail(pipeline, err, "subscribing: %s", evpipe_strerror(err));
		return 1;
	}
	pipeline->state = EVPIPE__RUNNING;
	pipeline->error.code = EVPIPE_OK;
	evpipe__log_line(&pipeline->setup.log, EVPIPE_LOG_INFO, "event=subscribed topic=%s tiers=%zu", pipeline->topic,
	                 pipeline->tiers.count);
	return 1;
}

void evpipe__topics_told(evpipe__pipeline *pipeline, const evpipe_transport_event *event)
{
	char   quoted[256];
	size_t which = 0, count = count_of(pipeline);

	while (which < count && strcmp(event->topic, name_of(pipeline, which)) != 0)
		which++;
	if (which == count)
		return;
	if (event->err) {
		evpipe__pipeline_fail(pipeline, event->err, "topic %s: %s", event->topic,
		                      event->text ? event->text : evpipe_strerror(event->err));
		return;
	}
	if (event->text)
		evpipe__log_line(&pipeline->setup.log, EVPIPE_LOG_WARN, "event=topic_differs topic=%s text=%s", event->topic,
		                 evpipe__log_quote(quoted, sizeof quoted, event->text));
	pipeline->topics[which].state = TOPIC_THERE;
}
