/*
 * From send to its report. The token that the transport inside gets is the address of what is remembered of the send.
 */
#include "fault.h"
#include "memory.h"

struct evpipe__fault_sending {
	TAILQ_ENTRY(evpipe__fault_sending) link;
	evpipe__fault                     *fault;
	evpipe__timer                      timer; /* of a delayed report */
	int64_t                            delay_ms;
	uint64_t                           token;
	unsigned                           owed; /* reports that still come from inside: two of a doubled record */
	int                                lose_ack;
	evpipe_outcome                     outcome;
	evpipe_err                         err;
	const char                        *text; /* static, or NULL */
};

/* ---- sending ---- */

static void on_due(void *owner)
{
	evpipe__fault_sending *sending = owner;
	TAILQ_REMOVE(&sending->fault->delayed, sending, link);
	TAILQ_INSERT_TAIL(&sending->fault->ready, sending, link);
}

static void forget(evpipe__fault_sending *sending, struct evpipe__fault_sendings *list)
{
	evpipe__fault *fault = sending->fault;
	if (list)
		TAILQ_REMOVE(list, sending, link);
	if (sending->delay_ms)
		evpipe__timer_release(&fault->timers, &sending->timer);
	fault->memory -= sizeof *sending;
	fault->sends -= sizeof *sending;
	evpipe__free(sending);
}

static evpipe__fault_sending *remember(evpipe__fault *fault, uint64_t token, const evpipe__fault_rule *rule)
{
	evpipe__fault_sending *sending = evpipe__calloc(1, sizeof *sending);
	if (!sending)
		return NULL;
	sending->fault = fault;
	sending->token = token;
	sending->outcome = EVPIPE_NOT;
	if (rule && rule->action == EVPIPE__FAULT_DELAY_ACK) {
		if (evpipe__timer_init(&fault->timers, &sending->timer, on_due, sending) != EVPIPE_OK) {
			evpipe__free(sending);
			return NULL;
		}
		sending->delay_ms = rule->duration_ms;
	}
	sending->lose_ack = rule && rule->action == EVPIPE__FAULT_LOSE_ACK;
	fault->memory += sizeof *sending;
	fault->sends += sizeof *sending;
	return sending;
}

/* Nothing is sent, and a report is made up. */
static void make_up(evpipe__fault_sending *sending, evpipe_outcome outcome, evpipe_err err, const char *text)
{
	sending->outcome = outcome;
	sending->err = err;
	sending->text = text;
	TAILQ_INSERT_TAIL(&sending->fault->ready, sending, link);
}

static evpipe_err pass_on(evpipe__fault_sending *sending, const evpipe_record *record, int twice)
{
	evpipe__fault *fault = sending->fault;
	uint64_t       token = (uint64_t)(uintptr_t)sending;
	evpipe_err     err = fault->ops->send(fault->inside, record, token);

	if (err) {
		forget(sending, NULL);
		return err;
	}
	sending->owed = 1;
	/* Where there is no room for two, one it is. */
	if (twice && fault->ops->send(fault->inside, record, token) == EVPIPE_OK)
		sending->owed = 2;
	TAILQ_INSERT_TAIL(&fault->sent, sending, link);
	return EVPIPE_OK;
}

/*
 * A record that was refused for want of room comes again, as the contract says: what strikes it was decided when it
 * came first, so that a full queue uses up no rule and moves no stream of random numbers.
 */
static const evpipe__fault_rule *decide(evpipe__fault *fault, const evpipe_record *record)
{
	if (!fault->is_decided)
		fault->decided =
			evpipe__fault_strike(fault, EVPIPE__FAULT_AT_SEND, record->topic, record->partition);
	fault->is_decided = 1;
	return fault->decided;
}

evpipe_err evpipe__fault_send(void *self, const evpipe_record *record, uint64_t token)
{
	evpipe__fault *fault = self;
	evpipe_err     err = EVPIPE_OK;

	if (fault->closed)
		return EVPIPE_ECLOSED;
	if (evpipe__fault_is_away(fault) || fault->sends + sizeof(evpipe__fault_sending) > fault->sends_max)
		return EVPIPE_EAGAIN;
	if (!fault->is_decided && evpipe__fault_strike(fault, EVPIPE__FAULT_AT_CALL, record->topic, record->partition))
		return EVPIPE_EAGAIN;

	const evpipe__fault_rule *rule = decide(fault, record);
	evpipe__fault_sending    *sending = remember(fault, token, rule);
	if (!sending)
		return EVPIPE_ENOMEM;
	if (rule && rule->action == EVPIPE__FAULT_FAIL)
		make_up(sending, EVPIPE_NOT, rule->err, "fault: fail");
	else if (rule && rule->action == EVPIPE__FAULT_LOSE_SEND)
		make_up(sending, EVPIPE_POSSIBLY, EVPIPE_EMAYBE, "fault: lose-send");
	else
		err = pass_on(sending, record, rule && rule->action == EVPIPE__FAULT_DOUBLE);
	if (err != EVPIPE_EAGAIN && err != EVPIPE_ENOMEM)
		fault->is_decided = 0;
	return err;
}

/* ---- reporting ---- */

int evpipe__fault_on_sent(evpipe__fault *fault, evpipe_transport_event *event)
{
	evpipe__fault_sending *sending = (evpipe__fault_sending *)(uintptr_t)event->token;

	/* Of two, the better one: the broker has the record if it has either. */
	if (event->outcome <= sending->outcome) {
		sending->outcome = event->outcome;
		sending->err = event->err;
	}
	if (--sending->owed)
		return 0;
	if (sending->lose_ack && sending->outcome == EVPIPE_PERSISTED) {
		sending->outcome = EVPIPE_POSSIBLY;
		sending->err = EVPIPE_EMAYBE;
		sending->text = "fault: lose-ack";
	}
	if (sending->delay_ms && !fault->closed) {
		TAILQ_REMOVE(&fault->sent, sending, link);
		TAILQ_INSERT_TAIL(&fault->delayed, sending, link);
		evpipe__timer_set(&fault->timers, &sending->timer, evpipe__fault_now(fault) + sending->delay_ms);
		return 0;
	}
	if (evpipe__fault_is_away(fault)) {
		TAILQ_REMOVE(&fault->sent, sending, link);
		TAILQ_INSERT_TAIL(&fault->ready, sending, link);
		return 0;
	}
	event->token = sending->token;
	event->outcome = sending->outcome;
	event->err = sending->err;
	if (sending->text)
		event->text = sending->text;
	forget(sending, &fault->sent);
	return 1;
}

int evpipe__fault_next_report(evpipe__fault *fault, evpipe_transport_event *event)
{
	evpipe__fault_sending *sending = TAILQ_FIRST(&fault->ready);
	if (!sending || evpipe__fault_is_away(fault))
		return 0;
	*event = (evpipe_transport_event){.type = EVPIPE_TRANSPORT_SENT,
					  .token = sending->token,
					  .outcome = sending->outcome,
					  .err = sending->err,
					  .text = sending->text};
	forget(sending, &fault->ready);
	return 1;
}

void evpipe__fault_sends_close(evpipe__fault *fault)
{
	evpipe__fault_sending *sending;
	while ((sending = TAILQ_FIRST(&fault->delayed))) {
		evpipe__timer_stop(&fault->timers, &sending->timer);
		on_due(sending);
	}
}

static void forget_all(struct evpipe__fault_sendings *list)
{
	evpipe__fault_sending *sending;
	while ((sending = TAILQ_FIRST(list)))
		forget(sending, list);
}

void evpipe__fault_sends_release(evpipe__fault *fault)
{
	forget_all(&fault->sent);
	forget_all(&fault->delayed);
	forget_all(&fault->ready);
}
