/*
 * An instance of the transport: life, and what poll gives.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "broker.h"

#define COMMIT_INTERVAL_MS 1000

/* ---- life ---- */

static evpipe_err instance_new(struct instance **out, evpipe_testbroker *broker)
{
	struct instance *instance = calloc(1, sizeof *instance);
	if (!instance || evpipe__tb_reserve_stepping(broker) != EVPIPE_OK) {
		free(instance);
		return EVPIPE_ENOMEM;
	}
	instance->fd = -1;
	if (broker->is_realtime && (instance->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
		free(instance);
		return EVPIPE_EIO;
	}
	instance->broker = broker;
	instance->full_until_ms = INT64_MAX;
	TAILQ_INIT(&instance->news);
	TAILQ_INIT(&instance->asked);
	TAILQ_INIT(&instance->sending);
	TAILQ_INIT(&instance->persisted);
	TAILQ_INIT(&instance->members);
	TAILQ_INIT(&instance->ready);
	TAILQ_INIT(&instance->dirty);
	*out = instance;
	return EVPIPE_OK;
}

evpipe_err evpipe__tb_open(struct instance **out, evpipe_testbroker *broker, const evpipe_transport_setup *setup)
{
	struct instance *instance;
	evpipe_err       err = instance_new(&instance, broker);
	if (err)
		return err;
	instance->roles = setup->roles;
	instance->memory_max = setup->memory_max;
	instance->commit_interval_ms =
		setup->config ? evpipe_config_number(setup->config, NULL, "commit.interval") : COMMIT_INTERVAL_MS;
	TAILQ_INSERT_TAIL(&broker->instances, instance, link);
	broker->latest = instance;
	if (broker->is_down)
		evpipe__tb_broker_went(instance);
	*out = instance;
	return EVPIPE_OK;
}

static void drop_borrowed(struct instance *instance)
{
	free(instance->last_news);
	instance->last_news = NULL;
	evpipe__tb_entry_unref(instance->last_entry);
	instance->last_entry = NULL;
}

static void drop_all(struct instance *instance)
{
	struct asked_topic *asked;
	struct news        *news;

	evpipe__tb_outbox_free(instance);
	evpipe__tb_leave_all(instance);
	while ((news = TAILQ_FIRST(&instance->news))) {
		TAILQ_REMOVE(&instance->news, news, link);
		if (news->assignment)
			evpipe__tb_assignment_told(news->assignment); /* of a lost one: it goes */
		else
			free(news);
	}
	while ((asked = TAILQ_FIRST(&instance->asked))) {
		TAILQ_REMOVE(&instance->asked, asked, link);
		free(asked);
	}
}

void evpipe__tb_kill(struct instance *instance)
{
	instance->state = INSTANCE_KILLED;
	drop_all(instance);
	evpipe__tb_notify(instance);
}

void evpipe__tb_close(struct instance *instance, uint32_t timeout_ms)
{
	if (instance->state != INSTANCE_OPEN)
		return;
	evpipe__tb_outbox_close(instance, timeout_ms);
	evpipe__tb_commit(instance);
	evpipe__tb_leave_all(instance);
	instance->state = INSTANCE_CLOSED;
}

void evpipe__tb_free(struct instance *instance)
{
	evpipe_testbroker *broker = instance->broker;
	drop_all(instance);
	drop_borrowed(instance);
	TAILQ_REMOVE(&broker->instances, instance, link);
	if (broker->latest == instance)
		broker->latest = NULL;
	for (size_t i = 0; i < broker->steppings_count; i++)
		if (broker->steppings[i].instance == instance)
			broker->steppings[i].instance = NULL;
	if (instance->fd >= 0)
		close(instance->fd);
	free(instance->slots);
	free(instance);
}

evpipe_err evpipe_testbroker_kill_producer(evpipe_testbroker *broker, size_t index)
{
	struct instance *instance;
	if (!broker)
		return EVPIPE_EINVAL;
	evpipe__tb_lock(broker);
	TAILQ_FOREACH(instance, &broker->instances, link)
		if (instance->state == INSTANCE_OPEN && instance->roles == EVPIPE_ROLE_SEND && index-- == 0)
			break;
	if (instance)
		evpipe__tb_kill(instance);
	evpipe__tb_unlock(broker);
	return instance ? EVPIPE_OK : EVPIPE_EINVAL;
}

/* ---- poll ---- */

static void take_news(struct instance *instance, evpipe_transport_event *event)
{
	struct news *news = TAILQ_FIRST(&instance->news);
	TAILQ_REMOVE(&instance->news, news, link);
	*event = news->event;
	if (news->assignment)
		evpipe__tb_assignment_told(news->assignment);
	else
		instance->last_news = news;
}

static void balance_again(struct instance *instance)
{
	struct member *member;
	instance->lacks_some = 0;
	TAILQ_FOREACH(member, &instance->members, of_instance)
		evpipe__tb_balance(member->group);
}

static void do_due_work(struct instance *instance, int64_t now_ms)
{
	if (instance->expelled)
		evpipe__tb_rejoin(instance);
	if (instance->lacks_some)
		balance_again(instance);
	if (!TAILQ_EMPTY(&instance->sending) || instance->full_until_ms <= now_ms)
		evpipe__tb_outbox_run(instance, now_ms);
	if (!TAILQ_EMPTY(&instance->dirty) && instance->commit_due_ms <= now_ms)
		evpipe__tb_commit(instance);
	if (!TAILQ_EMPTY(&instance->broker->revoked))
		evpipe__tb_check_revoked(instance->broker, now_ms);
}

evpipe_err evpipe__tb_poll(struct instance *instance, unsigned flags, evpipe_transport_event *event)
{
	int64_t now_ms = evpipe__tb_mono(instance->broker);

	drop_borrowed(instance);
	if (instance->state == INSTANCE_OPEN)
		do_due_work(instance, now_ms);
	if (!TAILQ_EMPTY(&instance->news)) {
		take_news(instance, event);
		return EVPIPE_OK;
	}
	if (evpipe__tb_outbox_report(instance, now_ms, event))
		return EVPIPE_OK;
	if (instance->state != INSTANCE_OPEN)
		return EVPIPE_ECLOSED;
	if (!(flags & EVPIPE_POLL_NO_RECORDS) && evpipe__tb_consumer_next(instance, event))
		return EVPIPE_OK;
	evpipe__tb_unsignal(instance);
	return EVPIPE_EAGAIN;
}

int64_t evpipe__tb_due(const struct instance *instance)
{
	const evpipe_testbroker *broker = instance->broker;
	int64_t                  due_ms;

	if (instance->state != INSTANCE_OPEN)
		return INT64_MAX;
	if (!TAILQ_EMPTY(&instance->news) || ((instance->expelled || instance->lacks_some) && !broker->is_down))
		return INT64_MIN;
	due_ms = evpipe__tb_outbox_due(instance);
	if (!TAILQ_EMPTY(&instance->dirty) && !broker->is_down && instance->commit_due_ms < due_ms)
		due_ms = instance->commit_due_ms;
	/* In virtual time, whoever lets it pass looks after these. */
	int64_t revoked_ms = broker->is_realtime ? evpipe__tb_revoked_due(broker) : INT64_MAX;
	return revoked_ms < due_ms ? revoked_ms : due_ms;
}
