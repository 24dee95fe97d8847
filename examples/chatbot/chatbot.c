#include "chatbot.h"

#include <stdio.h>
#include <stdlib.h>

#include "steplog.h"

/* ---- what the bots can do ---- */

struct skill {
	const char *intent;
	const char *says; /* the user, first */
	const char *asks; /* the bot, for each slot */
	const char *slots[4];
	const char *call; /* the organisation's API */
	const char *done; /* the bot, at the end */
};

static const struct skill flights[] = {
	{"find_flight",
	 "I need to get to the coast this week",
	 "Where do you leave from, and when?",
	 {"from", "to", "date", NULL},
	 "GET /flights",
	 "There are three flights; the earliest leaves at 7:40."},
	{"change_seat",
	 "Can I have another seat?",
	 "Which booking is it?",
	 {"booking", "seat", NULL},
	 "PUT /bookings/seat",
	 "You are in 14A now, by the window."},
};
static const struct skill banking[] = {
	{"balance",
	 "How much is on my account?",
	 "Which account?",
	 {"account", NULL},
	 "GET /accounts",
	 "It is 1,204.50."},
	{"transfer",
	 "I want to send some money",
	 "To whom, and how much?",
	 {"account", "recipient", "amount", NULL},
	 "POST /transfers",
	 "It is on its way."},
};
static const struct skill clinic[] = {
	{"appointment",
	 "My knee hurts, I'd like to see someone",
	 "Which day suits you?",
	 {"doctor", "day", "time", NULL},
	 "POST /appointments",
	 "We see you on Thursday at 9."},
	{"results",
	 "Are my results there?",
	 "What is your number?",
	 {"patient", NULL},
	 "GET /results",
	 "Yes; the doctor will call you."},
};
static const struct skill hotels[] = {
	{"book_room",
	 "A room for two, please",
	 "For which nights?",
	 {"city", "arrival", "nights", NULL},
	 "POST /rooms",
	 "It is booked; breakfast is included."},
	{"late_checkout",
	 "May I stay until the afternoon?",
	 "Which room is it?",
	 {"room", "until", NULL},
	 "PUT /rooms/checkout",
	 "Until 2 pm, with pleasure."},
};
static const struct skill meals[] = {
	{"order",
	 "I'm hungry, what is there?",
	 "What would you like, and where?",
	 {"dish", "address", NULL},
	 "POST /orders",
	 "It will be with you in half an hour."},
	{"where_is_it",
	 "Where is my order?",
	 "What is its number?",
	 {"order", NULL},
	 "GET /orders",
	 "Around the corner."},
};

const char *const chatbot_organisations[] = {"aurora-air",  "borealis-bank", "cedar-clinic",
                                             "dune-hotels", "ember-eats",    NULL};

#define ORGANISATIONS 5
#define SKILLS        2
static const struct skill *const skills_of[ORGANISATIONS] = {flights, banking, clinic, hotels, meals};

/* ---- sessions ---- */

#define TURNS_MAX 4

struct session {
	char     id[32];
	unsigned organisation;
	unsigned turns; /* still to come */
	unsigned seq;
};

struct chatbot {
	struct chatbot_setup setup;
	struct steplog       log;
	uint64_t             random;
	unsigned             turns;
	size_t               live; /* sessions that have not ended are the first ones */
	struct session       sessions[];
};

/* splitmix64 */
static uint64_t draw(struct chatbot *bot, uint64_t below)
{
	uint64_t z = bot->random += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % below;
}

struct chatbot *chatbot_new(const struct chatbot_setup *setup)
{
	size_t          count = (size_t)setup->sessions * ORGANISATIONS;
	struct chatbot *bot = calloc(1, sizeof *bot + count * sizeof bot->sessions[0]);
	if (!bot)
		return NULL;
	bot->setup = *setup;
	bot->log.setup = &bot->setup;
	bot->random = setup->seed;
	bot->live = count;
	for (size_t i = 0; i < count; i++) {
		struct session *session = &bot->sessions[i];
		session->organisation = (unsigned)(i % ORGANISATIONS);
		session->turns = 1 + (unsigned)draw(bot, TURNS_MAX);
		bot->turns += session->turns;
		snprintf(session->id, sizeof session->id, "%.2s-%04zu", chatbot_organisations[session->organisation],
		         i / ORGANISATIONS);
	}
	return bot;
}

void chatbot_free(struct chatbot *bot)
{
	free(bot);
}

unsigned chatbot_turns(const struct chatbot *bot)
{
	return bot->turns;
}

unsigned long chatbot_logged(const struct chatbot *bot)
{
	return bot->log.logged;
}

unsigned long chatbot_dropped(const struct chatbot *bot)
{
	return bot->log.dropped;
}

/* ---- a turn ---- */

static void step(struct chatbot *bot, struct session *session, const char *name, const char *detail)
{
	steplog_write(&bot->log, chatbot_organisations[session->organisation], session->id, session->seq++, name,
	              detail);
}

static void text_step(struct chatbot *bot, struct session *session, const char *name, const char *field,
                      const char *text)
{
	char detail[256];
	snprintf(detail, sizeof detail, "\"%s\":\"%s\"", field, text);
	step(bot, session, name, detail);
}

static void call_api(struct chatbot *bot, struct session *session, const char *call)
{
	char detail[256];
	text_step(bot, session, "api_call", "call", call);
	snprintf(detail, sizeof detail, "\"call\":\"%s\",\"status\":200,\"ms\":%llu", call,
	         (unsigned long long)(20 + draw(bot, 180)));
	step(bot, session, "api_result", detail);
}

static void talk(struct chatbot *bot, struct session *session)
{
	const struct skill *skill = &skills_of[session->organisation][draw(bot, SKILLS)];
	char                detail[256];

	text_step(bot, session, "user_message", "text", skill->says);
	snprintf(detail, sizeof detail, "\"intent\":\"%s\",\"confidence\":0.%llu", skill->intent,
	         (unsigned long long)(70 + draw(bot, 30)));
	step(bot, session, "intent", detail);
	text_step(bot, session, "bot_message", "text", skill->asks);
	for (const char *const *slot = skill->slots; *slot; slot++) {
		snprintf(detail, sizeof detail, "\"slot\":\"%s\",\"value\":%llu", *slot,
		         (unsigned long long)draw(bot, 1000));
		step(bot, session, "slot", detail);
	}
	call_api(bot, session, skill->call);
	text_step(bot, session, "bot_message", "text", skill->done);
}

int chatbot_turn(struct chatbot *bot)
{
	if (!bot->live)
		return 0;
	size_t          which = (size_t)draw(bot, bot->live);
	struct session *session = &bot->sessions[which];
	talk(bot, session);
	if (--session->turns == 0) {
		struct session ended = *session;
		*session = bot->sessions[--bot->live];
		bot->sessions[bot->live] = ended;
	}
	return bot->live > 0;
}
