/*
 * fault-script.h: the rules by which the fault transport breaks things. docs/faults.md describes the format.
 */
#ifndef EVPIPE_FAULT_SCRIPT_H
#define EVPIPE_FAULT_SCRIPT_H

#include <evpipe.h>

typedef enum evpipe__fault_action {
	EVPIPE__FAULT_QUEUE_FULL,
	EVPIPE__FAULT_FAIL,
	EVPIPE__FAULT_LOSE_SEND,
	EVPIPE__FAULT_DOUBLE,
	EVPIPE__FAULT_LOSE_ACK,
	EVPIPE__FAULT_DELAY_ACK,
	EVPIPE__FAULT_REFUSE_COMMIT,
	EVPIPE__FAULT_DOUBLE_RECORD,
	EVPIPE__FAULT_STALL,
	EVPIPE__FAULT_LOSE_PARTITION,
	EVPIPE__FAULT_REVOKE_PARTITION,
	EVPIPE__FAULT_AWAY,
	EVPIPE__FAULT_ACTIONS
} evpipe__fault_action;

/* What is going on when a rule may strike. */
typedef enum evpipe__fault_occasion {
	EVPIPE__FAULT_AT_CALL,   /* each call of send */
	EVPIPE__FAULT_AT_SEND,   /* each record that is sent, however often it was refused for want of room */
	EVPIPE__FAULT_AT_COMMIT, /* what was settled is about to reach the transport inside */
	EVPIPE__FAULT_AT_RECORD, /* a record is about to be handed out */
	EVPIPE__FAULT_AT_POLL
} evpipe__fault_occasion;

/* The actions of the rules that `occasion` is for, and how they may be limited, are in one table in fault-script.c. */
typedef struct evpipe__fault_rule {
	evpipe__fault_action action;
	int64_t              duration_ms; /* of those that take one */
	evpipe_err           err;         /* of those that take one */
	const char          *topic;       /* NULL: any; in the script's text */
	int32_t              partition;   /* -1: any */
	uint64_t             after;       /* so many fitting occasions pass unharmed first */
	uint64_t             times;       /* strikes at most so often; UINT64_MAX: always */
	uint32_t             rate;        /* in so many of FAULT_RATE_ALWAYS fitting occasions */
	int64_t              from_ms, until_ms; /* since the transport was opened */

	uint64_t seen, struck;
	uint64_t random; /* its own stream: a rule more or less changes nothing for the others */
} evpipe__fault_rule;

#define EVPIPE__FAULT_RATE_ALWAYS 1000000u
#define EVPIPE__FAULT_RULES_MAX   256

typedef struct evpipe__fault_script {
	char               *text;
	evpipe__fault_rule *rules;
	size_t              count;
} evpipe__fault_script;

/*
 * Read a script; NULL is the default mix. Rates are drawn from the seed. ECONFIG names the line and what is wrong with it;
 * ENOMEM. To be released whatever comes back.
 */
evpipe_err evpipe__fault_script_init(evpipe__fault_script *script, const char *text, uint64_t seed, evpipe_error *error);
void       evpipe__fault_script_release(evpipe__fault_script *script);

/* The rule that strikes now, the first of those that would; NULL: none. Each rule that fits counts the occasion. */
const evpipe__fault_rule *evpipe__fault_script_strike(evpipe__fault_script *script, evpipe__fault_occasion occasion,
                                                      const char *topic, int32_t partition, int64_t since_open_ms);

/* Is there a rule with this action? */
int evpipe__fault_script_has(const evpipe__fault_script *script, evpipe__fault_action action);

#endif
