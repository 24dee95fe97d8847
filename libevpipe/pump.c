#include "pump.h"

#include <stdatomic.h>
#include <stdio.h>

#include "bug.h"
#include "errors.h"
#include "memory.h"
#include "outgoing.h"

/* A round ends after so many sends, so that reports are taken, too. */
#define SENDS_A_ROUND 1000

#define RESEND_DELAY_MIN_MS 50
#define RESEND_DELAY_MAX_MS 5000
#define TOPIC_RETRY_MS 5000
#define COPY_RETRY_MS 100

struct evpipe__pump {
	evpipe__pump_setup setup;
	evpipe__outgoing   outgoing;
	evpipe_topic_spec  spec;

	enum { TOPIC_UNKNOWN, TOPIC_ASKED, TOPIC_READY } topic_state;
	int64_t      topic_retry_ms;
	evpipe__journal *source; /* whose records are being sent: one that was adopted, or our own; tokens are positions in it */
	uint64_t     cursor;     /* the first record in it that may have to be sent */
	int64_t      looked_ms;  /* when all that was published had been sent; */
	int          has_more;   /* it had not */
	int64_t      sync_interval_ms;
	int64_t      sync_at_ms;
	int64_t      copy_at_ms; /* before, a ring that gets full is not copied: the disk had no room */
	int64_t      resend_at_ms;
	int64_t      resend_delay_ms;
	evpipe_error error;
	evpipe_err   disk_trouble; /* why what is to be on the disk is not; 0: it is */

	/* Written by who steps, read by any thread. */
	_Atomic uint64_t sent, rejected, unkept, resent;
	_Atomic int      recovering;
};

/* Journals that were adopted, then our own, for good. Each is at its end before the next begins. */
static void next_source(evpipe__pump *pump)
{
	const evpipe__adopted *adopted = STAILQ_FIRST(&pump->setup.home->adopted);
	pump->source = adopted ? adopted->journal : pump->setup.home->journal;
	pump->cursor = evpipe__journal_tail(pump->source);
	atomic_store_explicit(&pump->recovering, adopted != NULL, memory_order_release);
}

evpipe_err evpipe__pump_new(evpipe__pump **out, const evpipe__pump_setup *setup, evpipe_error *error)
{
	const evpipe_config *config = setup->config;
	evpipe__pump        *pump = evpipe__calloc(1, sizeof *pump);
	if (!pump)
		return evpipe__fail_plain(error, EVPIPE_ENOMEM);
	pump->setup = *setup;
	if (evpipe__outgoing_init(&pump->outgoing, config, setup->runtime) != EVPIPE_OK) {
		evpipe__pump_free(pump);
		return evpipe__fail_plain(error, EVPIPE_ENOMEM);
	}
	pump->spec = evpipe__settings_topic(config, pump->outgoing.topic, "topic.retention");
	pump->sync_interval_ms = evpipe_config_number(config, NULL, "journal.sync_interval");
	pump->sync_at_ms = setup->runtime->mono_ms(setup->runtime->ctx) + pump->sync_interval_ms;
	next_source(pump);
	*out = pump;
	return EVPIPE_OK;
}

void evpipe__pump_free(evpipe__pump *pump)
{
	if (!pump)
		return;
	evpipe__outgoing_release(&pump->outgoing);
	evpipe__free(pump);
}

/* There is one writer. Release: what was accepted before it was sent is seen to be. */
static void count(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_release);
}

static void note_error(evpipe__pump *pump, evpipe_err code, const char *what, const char *text)
{
	char quoted[256];
	evpipe__fail(&pump->error, code, "%s: %s", what, text ? text : evpipe_strerror(code));
	evpipe__log_line(&pump->setup.log, EVPIPE_LOG_WARN, "event=producer_trouble code=%s text=%s", evpipe_err_name(code),
	                 evpipe__log_quote(quoted, sizeof quoted, pump->error.text));
}

/* ---- what became of a record ---- */

/* In a file beside the journal, with the id under which it was sent. False: it could not be. */
static int keep_rejected(evpipe__pump *pump, const evpipe__journal_entry *entry, evpipe_err why, const char *text)
{
	evpipe_event event = entry->event;
	evpipe_error error;
	char         id[EVPIPE__ID_MAX], reason[EVPIPE_ERROR_TEXT_MAX], quoted[2][256];

	if (!pump->setup.home->rejects.storage.ops)
		return 0;
	event.id = evpipe__journal_entry_id(entry, evpipe__journal_nonce(pump->source), id);
	snprintf(reason, sizeof reason, "%s: %s", evpipe_err_name(why), text);
	if (evpipe__rejects_add(&pump->setup.home->rejects, &event, reason, &error) == EVPIPE_OK)
		return 1;
	evpipe__log_line(&pump->setup.log, EVPIPE_LOG_ERROR, "event=rejected_not_kept id=%s text=%s",
	                 evpipe__log_quote(quoted[0], sizeof quoted[0], event.id),
	                 evpipe__log_quote(quoted[1], sizeof quoted[1], error.text));
	return 0;
}

static void reject(evpipe__pump *pump, uint64_t position, evpipe_err why, const char *text)
{
	evpipe__journal_entry entry;
	evpipe__journal_read(pump->source, position, &entry);
	text = text ? text : evpipe_strerror(why);
	if (!keep_rejected(pump, &entry, why, text))
		count(&pump->unkept);
	/* Who sees that it was rejected sees whether it is kept. */
	count(&pump->rejected);
	note_error(pump, why, "an event was rejected", text);
	if (pump->setup.rejected)
		pump->setup.rejected(pump->setup.rejected_ctx, &entry.event, why, text);
	evpipe__journal_done(pump->source, position);
}

/* Of the event. Everything else may be mended, a topic that is gone or not allowed among it. */
static int never(evpipe_err err)
{
	return err == EVPIPE_ETOOLARGE || err == EVPIPE_EINVAL || err == EVPIPE_EFORMAT;
}

/* Nothing is sent for a while, longer each time. Of many that failed together, one is told of. */
static void put_off(evpipe__pump *pump, int64_t now_ms, evpipe_err err, const char *text)
{
	if (pump->resend_at_ms > now_ms)
		return;
	note_error(pump, err, "sending again", text);
	pump->resend_delay_ms = pump->resend_delay_ms ? 2 * pump->resend_delay_ms : RESEND_DELAY_MIN_MS;
	if (pump->resend_delay_ms > RESEND_DELAY_MAX_MS)
		pump->resend_delay_ms = RESEND_DELAY_MAX_MS;
	pump->resend_at_ms = now_ms + pump->resend_delay_ms;
}

static void on_sent(evpipe__pump *pump, const evpipe_transport_event *event, int64_t now_ms)
{
	if (event->outcome == EVPIPE_PERSISTED) {
		evpipe__journal_done(pump->source, event->token);
		count(&pump->sent);
		pump->resend_delay_ms = 0;
		pump->error.code = EVPIPE_OK;
		return;
	}
	if (event->outcome == EVPIPE_NOT && (never(event->err) || evpipe__bug(LOSE))) {
		reject(pump, event->token, event->err, event->text);
		return;
	}
	/* Not there, or perhaps not: again, from the lowest such record on, in order. */
	evpipe__journal_untake(pump->source, event->token);
	if (event->token < pump->cursor)
		pump->cursor = event->token;
	count(&pump->resent);
	put_off(pump, now_ms, event->err, event->text);
}

static void on_topic(evpipe__pump *pump, const evpipe_transport_event *event, int64_t now_ms)
{
	char quoted[256];
	if (event->err) {
		note_error(pump, event->err, pump->spec.name, event->text);
		pump->topic_state = TOPIC_UNKNOWN;
		pump->topic_retry_ms = now_ms + TOPIC_RETRY_MS;
		return;
	}
	if (event->text)
		evpipe__log_line(&pump->setup.log, EVPIPE_LOG_WARN, "event=topic_differs topic=%s text=%s", pump->spec.name,
		                 evpipe__log_quote(quoted, sizeof quoted, event->text));
	pump->topic_state = TOPIC_READY;
	pump->error.code = EVPIPE_OK;
}

static int take_events(evpipe__pump *pump, int64_t now_ms)
{
	evpipe_transport_event event = {0}; /* so that a transport that knows fewer members leaves the others 0 */
	char                   quoted[256];
	int                    any = 0;

	while (pump->setup.ops->poll(pump->setup.transport, EVPIPE_POLL_NO_RECORDS, &event) == EVPIPE_OK) {
		any = 1;
		switch (event.type) {
		case EVPIPE_TRANSPORT_SENT:
			on_sent(pump, &event, now_ms);
			break;
		case EVPIPE_TRANSPORT_TOPIC:
			on_topic(pump, &event, now_ms);
			break;
		case EVPIPE_TRANSPORT_NOTICE:
			if (event.err && event.text)
				evpipe__fail(&pump->error, event.err, "%s", event.text);
			evpipe__log_line(&pump->setup.log, event.level, "event=transport text=%s",
			                 evpipe__log_quote(quoted, sizeof quoted, event.text ? event.text : ""));
			break;
		default:
			break;
		}
	}
	return any;
}

/* ---- sending ---- */

static int send_events(evpipe__pump *pump, int64_t now_ms)
{
	evpipe__journal_entry entry;
	evpipe_record         record;
	uint64_t              nonce = evpipe__journal_nonce(pump->source);
	int                   sends = 0;

	pump->looked_ms = now_ms;
	pump->has_more = 1;
	for (; sends < SENDS_A_ROUND; sends++) {
		if (!evpipe__journal_next(pump->source, &pump->cursor, &entry)) {
			pump->has_more = 0;
			break;
		}
		evpipe_err err = evpipe__outgoing_build(&pump->outgoing, &entry, nonce, &record);
		if (!err)
			err = pump->setup.ops->send(pump->setup.transport, &record, entry.position);
		if (err == EVPIPE_EAGAIN)
			break;
		if (err && !never(err)) {
			put_off(pump, now_ms, err, NULL);
			break;
		}
		if (err)
			reject(pump, entry.position, err, NULL);
		else
			pump->cursor = evpipe__journal_take(pump->source, entry.position);
	}
	return sends;
}

static int ask_for_topic(evpipe__pump *pump, int64_t now_ms)
{
	if (pump->topic_state != TOPIC_UNKNOWN || now_ms < pump->topic_retry_ms)
		return 0;
	evpipe_err err = pump->setup.ops->ensure_topic(pump->setup.transport, &pump->spec);
	if (err == EVPIPE_ENOTSUP) {
		pump->topic_state = TOPIC_READY; /* a broker without topics to look after */
	} else if (err) {
		note_error(pump, err, pump->spec.name, NULL);
		pump->topic_retry_ms = now_ms + TOPIC_RETRY_MS;
	} else {
		pump->topic_state = TOPIC_ASKED;
	}
	return 1;
}

/* ---- the journals ---- */

/*
 * A disk that is full stays so for a while: it is tried at each sync and now and then, and that it begins is told, and that it
 * is over. It keeps nothing from being sent, so what does is not hidden by it.
 */
static void on_disk_trouble(evpipe__pump *pump, int64_t now_ms, evpipe_err err, const char *text)
{
	char quoted[256];

	pump->copy_at_ms = now_ms + COPY_RETRY_MS;
	if (!pump->error.code)
		evpipe__fail(&pump->error, err, "the journal is in memory alone: %s", text);
	if (err == pump->disk_trouble)
		return;
	pump->disk_trouble = err;
	evpipe__log_line(&pump->setup.log, EVPIPE_LOG_WARN, "event=journal_not_synced text=%s", evpipe__log_quote(quoted, sizeof quoted, text));
}

static void on_disk_well(evpipe__pump *pump)
{
	if (!pump->disk_trouble)
		return;
	evpipe__log_line(&pump->setup.log, EVPIPE_LOG_INFO, "event=journal_synced");
	if (pump->error.code == pump->disk_trouble)
		pump->error.code = EVPIPE_OK;
	pump->disk_trouble = EVPIPE_OK;
}

/*
 * What is not acknowledged by the time of a sync is copied and written, and what goes into a ring that gets full is copied
 * at once. True if there was anything to be written.
 */
static int keep_on_disk(evpipe__pump *pump, int64_t now_ms)
{
	evpipe__home  *home = pump->setup.home;
	evpipe__spool *spool = evpipe__journal_spool(home->journal);
	evpipe_error   error;
	evpipe_err     err = EVPIPE_OK;
	int            any = 0;

	if (now_ms >= pump->sync_at_ms) {
		pump->sync_at_ms = now_ms + pump->sync_interval_ms;
		any = evpipe__home_is_unsynced(home);
		if (any)
			err = evpipe__home_sync(home, &error);
		if (any && !err)
			on_disk_well(pump);
	} else if (spool && now_ms >= pump->copy_at_ms && evpipe__journal_is_pressed(home->journal)) {
		uint64_t copied = spool->copied;
		err = evpipe__journal_copy(home->journal, &error);
		any = spool->copied != copied;
	}
	if (err)
		on_disk_trouble(pump, now_ms, err, error.text);
	return any;
}

/* True if anything was freed, or a journal is at its end. */
static int reclaim(evpipe__pump *pump)
{
	evpipe__home *home = pump->setup.home;
	int           any = evpipe__journal_reclaim(home->journal);

	if (pump->source == home->journal)
		return any;
	any |= evpipe__journal_reclaim(pump->source);
	if (evpipe__journal_tail(pump->source) != evpipe__journal_head(pump->source))
		return any;
	evpipe__adopted *adopted = STAILQ_FIRST(&home->adopted);
	STAILQ_REMOVE_HEAD(&home->adopted, link);
	if (evpipe__journal_spool(home->journal))
		evpipe__journal_spool(home->journal)->bytes_elsewhere -= adopted->bytes;
	evpipe__adopted_free(adopted, 1);
	next_source(pump);
	return 1;
}

int evpipe__pump_step(evpipe__pump *pump, int64_t now_ms, int eager, int64_t *next_due_ms)
{
	int any = ask_for_topic(pump, now_ms);
	any |= take_events(pump, now_ms);
	int may_send = pump->topic_state == TOPIC_READY && now_ms >= pump->resend_at_ms;
	may_send &= eager || pump->has_more || now_ms != pump->looked_ms;
	int sends = may_send ? send_events(pump, now_ms) : 0;
	any |= sends > 0;
	any |= keep_on_disk(pump, now_ms);
	any |= reclaim(pump);

	/* After a full round there may be more; otherwise what comes is looked for, not waited for. */
	int64_t due = sends == SENDS_A_ROUND ? now_ms : pump->setup.ops->next_due(pump->setup.transport);
	if (pump->topic_state == TOPIC_UNKNOWN && pump->topic_retry_ms < due)
		due = pump->topic_retry_ms;
	if (pump->topic_state == TOPIC_READY && pump->resend_at_ms > now_ms && pump->resend_at_ms < due)
		due = pump->resend_at_ms;
	if (evpipe__home_is_unsynced(pump->setup.home) && pump->sync_at_ms < due)
		due = pump->sync_at_ms;
	*next_due_ms = due;
	return any;
}

int evpipe__pump_is_recovering(const evpipe__pump *pump)
{
	return atomic_load_explicit(&pump->recovering, memory_order_acquire);
}

void evpipe__pump_finish(evpipe__pump *pump)
{
	take_events(pump, 0);
	reclaim(pump);
}

void evpipe__pump_stats(const evpipe__pump *pump, evpipe_stats *stats)
{
	stats->sent = atomic_load_explicit(&pump->sent, memory_order_acquire);
	stats->rejected = atomic_load_explicit(&pump->rejected, memory_order_acquire);
	stats->unkept = atomic_load_explicit(&pump->unkept, memory_order_acquire);
	stats->resent = atomic_load_explicit(&pump->resent, memory_order_acquire);
	stats->recovered = pump->setup.home->recovered;
}

const evpipe_error *evpipe__pump_error(const evpipe__pump *pump)
{
	return &pump->error;
}
