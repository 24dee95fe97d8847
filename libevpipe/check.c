/*
 * What holds between properties. What holds for one alone was looked at when it was set.
 */
#include "settings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "errors.h"
#include "forms.h"
#include "values.h"

/* Events a worker must have room for: three eighths of its memory are the transport's and the bodies'. */
#define EVENTS_IN_MEMORY  8
#define EVENTS_IN_JOURNAL 4

struct checking {
	const evpipe_config *config;
	evpipe_problem_fn    on_problem;
	void                *ctx;
	size_t               problems;
	int                  stopped;
};

/* The property as it is set for the destination, and where that stands in a file, so that people find it. */
static void whose(const struct checking *checking, const char *destination, const char *name, char *out, size_t size)
{
	const evpipe__setting *setting = evpipe__settings_get(checking->config, destination, name);
	const char            *origin = setting && setting->origin ? setting->origin : "";
	char                   shown[160];

	size_t used = (size_t)snprintf(out, size, "%s%s", origin, *origin ? ": " : "");
	if (destination && used < size)
		used += (size_t)snprintf(out + used, size - used, "destination.%s.",
		                         evpipe__settings_shown(shown, sizeof shown, destination));
	if (used < size)
		snprintf(out + used, size - used, "%s", name);
}

__attribute__((format(printf, 5, 6))) static void report(struct checking *checking, evpipe_err err,
                                                         const char *destination, const char *name,
                                                         const char *format, ...)
{
	char         where[480], what[EVPIPE_ERROR_TEXT_MAX];
	evpipe_error problem;
	va_list      args;

	checking->problems++;
	if (checking->stopped || !checking->on_problem)
		return;
	va_start(args, format);
	vsnprintf(what, sizeof what, format, args);
	va_end(args);
	whose(checking, destination, name, where, sizeof where);
	evpipe__fail(&problem, err, "%s%s", where, what);
	checking->stopped = checking->on_problem(checking->ctx, &problem) != 0;
}

static const char *text_of(const struct checking *checking, const char *destination, const char *name)
{
	return evpipe_config_text(checking->config, destination, name);
}

static int64_t number_of(const struct checking *checking, const char *destination, const char *name)
{
	return evpipe_config_number(checking->config, destination, name);
}

/* ---- for all destinations ---- */

/* NULL: there is none, which is reported. */
static const evpipe_transport_ops *transport_of(struct checking *checking)
{
	const evpipe_transport_ops *ops = checking->config->transport_ops;
	const char                 *url = text_of(checking, NULL, "transport.url");
	evpipe_error                error;

	if (ops)
		return ops;
	if (!url)
		report(checking, EVPIPE_ECONFIG, NULL, "transport.url",
		       " is not set: say where the broker is, such as transport.url = kafka://127.0.0.1:9092");
	else if (evpipe_transport_find(&ops, url, &error) != EVPIPE_OK)
		report(checking, error.code, NULL, "transport.url", " = %s", error.text);
	return ops;
}

static void on_own_problem(void *ctx, const char *name, const char *problem)
{
	report(ctx, EVPIPE_ECONFIG, NULL, name, ": %s", problem);
}

static void check_transport(struct checking *checking)
{
	const evpipe_transport_ops *ops = transport_of(checking);
	if (ops && ops->check)
		ops->check(checking->config, on_own_problem, checking);
}

/* name must be at least so many times event.max. */
static void check_room(struct checking *checking, const char *name, int events)
{
	int64_t event_max = number_of(checking, NULL, "event.max");
	char    least[EVPIPE__VALUE_TEXT_MAX], max[EVPIPE__VALUE_TEXT_MAX];

	if (number_of(checking, NULL, name) < events * event_max)
		report(checking, EVPIPE_ECONFIG, NULL, name,
		       " = %s: it must have room for %d events of event.max = %s: make it at least %s, or event.max "
		       "smaller",
		       text_of(checking, NULL, name), events, evpipe__bytes_text(event_max, max, sizeof max),
		       evpipe__bytes_text(events * event_max, least, sizeof least));
}

/* 0 and "forever" are no limit that we know. */
static void check_retention(struct checking *checking)
{
	int64_t retention_ms = number_of(checking, NULL, "topic.retention"), delays_ms[EVPIPE_TIERS_MAX];
	size_t  count = evpipe_config_durations(checking->config, "retry.delays", delays_ms, EVPIPE_TIERS_MAX);
	int64_t last_ms = delays_ms[count - 1];
	char    last[EVPIPE__VALUE_TEXT_MAX], least[EVPIPE__VALUE_TEXT_MAX];

	if (retention_ms <= 0)
		return;
	if (retention_ms < 2 * last_ms)
		report(checking, EVPIPE_ECONFIG, NULL, "topic.retention",
		       " = %s: the broker would delete events that wait for the last of retry.delays (%s): make it at "
		       "least %s",
		       text_of(checking, NULL, "topic.retention"), evpipe__duration_text(last_ms, last, sizeof last),
		       evpipe__duration_text(2 * last_ms, least, sizeof least));
	if (number_of(checking, NULL, "retry.age_max") >= retention_ms)
		report(checking, EVPIPE_ECONFIG, NULL, "retry.age_max",
		       " = %s: it must be less than topic.retention = %s, or the broker deletes events before they are "
		       "given up",
		       text_of(checking, NULL, "retry.age_max"), text_of(checking, NULL, "topic.retention"));
}

/*
 * An event that goes from the first tier to the first tier again would have several hand-overs that are not committed;
 * each rebalance or crash would repeat them all, and each copy would go its own way: they would multiply.
 */
static void check_commit(struct checking *checking)
{
	int64_t first_ms;
	char    first[EVPIPE__VALUE_TEXT_MAX];

	evpipe_config_durations(checking->config, "retry.delays", &first_ms, 1);
	if (number_of(checking, NULL, "commit.interval") > first_ms)
		report(checking, EVPIPE_ECONFIG, NULL, "commit.interval",
		       " = %s: a worker's death would multiply events that come from the first of retry.delays (%s) before "
		       "the commit: make it at most %s, or that delay longer",
		       text_of(checking, NULL, "commit.interval"), evpipe__duration_text(first_ms, first, sizeof first), first);
}

static void check_quick(struct checking *checking)
{
	if (number_of(checking, NULL, "retry.quick_delay_min") > number_of(checking, NULL, "retry.quick_delay_max"))
		report(checking, EVPIPE_ECONFIG, NULL, "retry.quick_delay_min",
		       " = %s: it must not be more than retry.quick_delay_max = %s",
		       text_of(checking, NULL, "retry.quick_delay_min"),
		       text_of(checking, NULL, "retry.quick_delay_max"));
}

/*
 * The topics beside topic.name are named after it: the longest name must be one still, and the dead letters' must be of
 * its own.
 */
static void check_topics(struct checking *checking)
{
	const char *topic = text_of(checking, NULL, "topic.name"), *dead = text_of(checking, NULL, "dead_letter.topic");
	int64_t     delays_ms[EVPIPE_TIERS_MAX];
	size_t      count = evpipe_config_durations(checking->config, "retry.delays", delays_ms, EVPIPE_TIERS_MAX);
	size_t      longest = strlen(topic) + strlen(".dead");
	char        retry[EVPIPE__TOPIC_NAME_MAX + sizeof ".retry." + EVPIPE__VALUE_TEXT_MAX];
	char        delay[EVPIPE__VALUE_TEXT_MAX];

	if (dead && strcmp(dead, topic) == 0)
		report(checking, EVPIPE_ECONFIG, NULL, "dead_letter.topic",
		       " = %s: this is topic.name, so that dead letters would be delivered for ever: give them a topic "
		       "of their own",
		       dead);
	for (size_t i = 0; i < count; i++) {
		snprintf(retry, sizeof retry, "%s.retry.%s", topic,
			 evpipe__duration_text(delays_ms[i], delay, sizeof delay));
		longest = strlen(retry) > longest ? strlen(retry) : longest;
		if (dead && strcmp(dead, retry) == 0)
			report(checking, EVPIPE_ECONFIG, NULL, "dead_letter.topic",
			       " = %s: this is a retry topic: give dead letters a topic of their own", dead);
	}
	if (longest > EVPIPE__TOPIC_NAME_MAX)
		report(checking, EVPIPE_ECONFIG, NULL, "topic.name",
		       " has %zu characters: with .retry.5s or the like behind it, a topic's name may have %d: make it "
		       "shorter by %zu",
		       strlen(topic), EVPIPE__TOPIC_NAME_MAX, longest - EVPIPE__TOPIC_NAME_MAX);
}

static void check_journal(struct checking *checking)
{
	const char *durability = text_of(checking, NULL, "journal.durability");

	if (checking->config->storage || text_of(checking, NULL, "journal.dir") || strcmp(durability, "memory") == 0)
		return;
	report(checking, EVPIPE_ECONFIG, NULL, "journal.durability",
	       " = %s: it needs a directory: set journal.dir, such as journal.dir = %s", durability,
	       strcmp(durability, "disk") == 0 ? "/var/lib/chatbot" : "/dev/shm/chatbot");
}

static void check_foreign(struct checking *checking)
{
	if (strcmp(text_of(checking, NULL, "envelope"), "payload") == 0 &&
	    strcmp(text_of(checking, NULL, "topic.destination_from"), "header") == 0)
		report(checking, EVPIPE_ECONFIG, NULL, "envelope",
		       " = payload: records then have no header, so workers must find the destination elsewhere: set "
		       "topic.destination_from to key or field:NAME");
}

/* ---- for each destination ---- */

/*
 * For a destination, only what it says itself is looked at: what is wrong with the common settings was reported once.
 */
static int says(const struct checking *checking, const char *destination, const char *name, const char *other)
{
	return !destination || evpipe__settings_get(checking->config, destination, name) ||
	       evpipe__settings_get(checking->config, destination, other);
}

static void check_breaker(struct checking *checking, const char *destination)
{
	if (says(checking, destination, "breaker.open", "breaker.open_max") &&
	    number_of(checking, destination, "breaker.open") > number_of(checking, destination, "breaker.open_max"))
		report(checking, EVPIPE_ECONFIG, destination, "breaker.open",
		       " = %s: it must not be more than breaker.open_max = %s",
		       text_of(checking, destination, "breaker.open"),
		       text_of(checking, destination, "breaker.open_max"));
}

static void check_sink(struct checking *checking, const char *destination)
{
	const char *url = text_of(checking, destination, "sink.url");
	const char *certificate = text_of(checking, destination, "sink.client_certificate");
	const char *key = text_of(checking, destination, "sink.client_key");

	if (says(checking, destination, "sink.url", "sink.allow_http") && url && evpipe__form_is_remote_http(url) &&
	    !number_of(checking, destination, "sink.allow_http"))
		report(checking, EVPIPE_ECONFIG, destination, "sink.url",
		       " = %s: events would cross the network in the clear: use https://, or set sink.allow_http = yes",
		       url);
	if (says(checking, destination, "sink.client_certificate", "sink.client_key") && !certificate != !key)
		report(checking, EVPIPE_ECONFIG, destination,
		       certificate ? "sink.client_certificate" : "sink.client_key", " needs %s beside it",
		       certificate ? "sink.client_key" : "sink.client_certificate");
}

static int check_destination(void *ctx, const char *destination)
{
	struct checking *checking = ctx;
	check_breaker(checking, destination);
	check_sink(checking, destination);
	return checking->stopped;
}

evpipe_err evpipe_config_check(const evpipe_config *config, evpipe_problem_fn on_problem, void *ctx)
{
	struct checking checking = {.config = config, .on_problem = on_problem, .ctx = ctx};

	if (!config)
		return EVPIPE_EINVAL;
	check_transport(&checking);
	check_topics(&checking);
	check_retention(&checking);
	check_foreign(&checking);
	check_journal(&checking);
	check_room(&checking, "journal.size", EVENTS_IN_JOURNAL);
	check_room(&checking, "worker.memory_max", EVENTS_IN_MEMORY);
	check_commit(&checking);
	check_quick(&checking);
	check_destination(&checking, NULL);
	if (!checking.stopped)
		evpipe__settings_each_destination(config, check_destination, &checking);
	return checking.problems ? EVPIPE_ECONFIG : EVPIPE_OK;
}
