#include "fault-script.h"

#include <stdio.h>
#include <string.h>

#include "errors.h"
#include "memory.h"

#define TEXT_MAX (64 * 1024)

/* What a seed alone does; docs/faults.md lists it, too. */
static const char default_mix[] = "queue-full           rate=1%\n"
				  "fail                 rate=0.5%\n"
				  "lose-send            rate=0.5%\n"
				  "double               rate=0.5%\n"
				  "lose-ack             rate=1%\n"
				  "delay-ack 200ms      rate=1%\n"
				  "refuse-commit        rate=5%\n"
				  "double-record        rate=0.5%\n"
				  "stall 500ms          rate=0.05%\n"
				  "lose-partition 1s    rate=0.01%\n"
				  "revoke-partition 1s  rate=0.01%\n";

enum { OPTION_TOPIC = 1, OPTION_PARTITION = 2, OPTION_COUNTS = 4, OPTION_TIMES = 8 };

#define OPTIONS_OF_SENDS   (OPTION_TOPIC | OPTION_COUNTS | OPTION_TIMES)
#define OPTIONS_OF_RECORDS (OPTION_TOPIC | OPTION_PARTITION | OPTION_COUNTS | OPTION_TIMES)

enum argument { ARGUMENT_NONE, ARGUMENT_DURATION, ARGUMENT_ERROR };

/* Durations: 0 has to be given. */
static const struct action {
	const char            *name;
	evpipe__fault_occasion occasion;
	enum argument          argument;
	int64_t                default_ms;
	evpipe_err             default_err;
	unsigned               options;
} actions[EVPIPE__FAULT_ACTIONS] = {
	[EVPIPE__FAULT_QUEUE_FULL] = {"queue-full", EVPIPE__FAULT_AT_CALL, ARGUMENT_NONE, 0, 0, OPTIONS_OF_SENDS},
	[EVPIPE__FAULT_FAIL] = {"fail", EVPIPE__FAULT_AT_SEND, ARGUMENT_ERROR, 0, EVPIPE_EUNAVAILABLE, OPTIONS_OF_SENDS},
	[EVPIPE__FAULT_LOSE_SEND] = {"lose-send", EVPIPE__FAULT_AT_SEND, ARGUMENT_NONE, 0, 0, OPTIONS_OF_SENDS},
	[EVPIPE__FAULT_DOUBLE] = {"double", EVPIPE__FAULT_AT_SEND, ARGUMENT_NONE, 0, 0, OPTIONS_OF_SENDS},
	[EVPIPE__FAULT_LOSE_ACK] = {"lose-ack", EVPIPE__FAULT_AT_SEND, ARGUMENT_NONE, 0, 0, OPTIONS_OF_SENDS},
	[EVPIPE__FAULT_DELAY_ACK] = {"delay-ack", EVPIPE__FAULT_AT_SEND, ARGUMENT_DURATION, 0, 0, OPTIONS_OF_SENDS},
	[EVPIPE__FAULT_REFUSE_COMMIT] = {"refuse-commit", EVPIPE__FAULT_AT_COMMIT, ARGUMENT_ERROR, 0, EVPIPE_EUNAVAILABLE,
					 OPTION_COUNTS | OPTION_TIMES},
	[EVPIPE__FAULT_DOUBLE_RECORD] = {"double-record", EVPIPE__FAULT_AT_RECORD, ARGUMENT_NONE, 0, 0, OPTIONS_OF_RECORDS},
	[EVPIPE__FAULT_STALL] = {"stall", EVPIPE__FAULT_AT_RECORD, ARGUMENT_DURATION, 0, 0, OPTIONS_OF_RECORDS},
	[EVPIPE__FAULT_LOSE_PARTITION] = {"lose-partition", EVPIPE__FAULT_AT_RECORD, ARGUMENT_DURATION, 1000, 0,
					  OPTIONS_OF_RECORDS},
	[EVPIPE__FAULT_REVOKE_PARTITION] = {"revoke-partition", EVPIPE__FAULT_AT_RECORD, ARGUMENT_DURATION, 1000, 0,
					    OPTIONS_OF_RECORDS},
	[EVPIPE__FAULT_AWAY] = {"away", EVPIPE__FAULT_AT_POLL, ARGUMENT_DURATION, 0, 0, OPTION_TIMES},
};

/* ---- values -------------------------------------------------------------------------------------------------------- */

/* A number in decimal that `text` begins with; false if there is none or it is too large. */
static int read_digits(const char **text, uint64_t max, uint64_t *out)
{
	const char *at = *text;
	uint64_t    number = 0;
	if (*at < '0' || *at > '9')
		return 0;
	for (; *at >= '0' && *at <= '9'; at++) {
		unsigned digit = (unsigned)(*at - '0');
		if (number > (max - digit) / 10)
			return 0;
		number = 10 * number + digit;
	}
	*text = at;
	*out = number;
	return 1;
}

static int read_number(const char *text, uint64_t max, uint64_t *out)
{
	return read_digits(&text, max, out) && !*text;
}

static int read_duration(const char *text, int64_t *out_ms)
{
	static const struct {
		const char *unit;
		int64_t     ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
	uint64_t number;

	if (!read_digits(&text, 1000000000, &number))
		return 0;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (strcmp(text, units[i].unit) == 0) {
			*out_ms = (int64_t)number * units[i].ms;
			return 1;
		}
	}
	return 0;
}

/* "12.5%"; at most four digits behind the point. */
static int read_rate(const char *text, uint32_t *out)
{
	uint64_t whole, fraction = 0;
	if (!read_digits(&text, 100, &whole))
		return 0;
	if (*text == '.') {
		const char *first = ++text;
		if (!read_digits(&text, 9999, &fraction) || text - first > 4)
			return 0;
		for (ptrdiff_t digits = text - first; digits < 4; digits++)
			fraction *= 10;
	}
	uint64_t rate = whole * 10000 + fraction;
	if (strcmp(text, "%") != 0 || rate == 0 || rate > EVPIPE__FAULT_RATE_ALWAYS)
		return 0;
	*out = (uint32_t)rate;
	return 1;
}

static int read_err(const char *text, evpipe_err *out)
{
	for (int err = EVPIPE_OK + 1; err < EVPIPE_ERR_COUNT; err++) {
		if (strcmp(text, evpipe_err_name((evpipe_err)err)) == 0) {
			*out = (evpipe_err)err;
			return 1;
		}
	}
	return 0;
}

/* ---- lines --------------------------------------------------------------------------------------------------------- */

struct reader {
	evpipe__fault_rule  *rule;
	const struct action *action;
	unsigned             line;
	int                  limited; /* times= was given */
	evpipe_error        *error;
};

/* What is wrong with a word of this line. */
static evpipe_err complain(const struct reader *reader, const char *word, const char *what)
{
	return evpipe__fail(reader->error, EVPIPE_ECONFIG, "fault script, line %u: '%.100s': %s", reader->line, word, what);
}

static evpipe_err read_action(struct reader *reader, const char *word)
{
	char   known[256] = "no such fault; there are";
	size_t used = strlen(known);

	for (int i = 0; i < EVPIPE__FAULT_ACTIONS; i++) {
		if (strcmp(word, actions[i].name) == 0) {
			reader->action = &actions[i];
			*reader->rule = (evpipe__fault_rule){
				.action = (evpipe__fault_action)i,
				.duration_ms = actions[i].default_ms,
				.err = actions[i].default_err,
				.partition = -1,
				.times = 1,
				.rate = EVPIPE__FAULT_RATE_ALWAYS,
				.until_ms = INT64_MAX,
			};
			return EVPIPE_OK;
		}
		used += (size_t)snprintf(known + used, sizeof known - used, "%s %s", i ? "," : "", actions[i].name);
	}
	return complain(reader, word, known);
}

static evpipe_err read_argument(struct reader *reader, const char *word)
{
	switch (reader->action->argument) {
	case ARGUMENT_DURATION:
		if (!read_duration(word, &reader->rule->duration_ms) || !reader->rule->duration_ms)
			return complain(reader, word, "a duration is needed here, such as 200ms, 5s or 1m");
		return EVPIPE_OK;
	case ARGUMENT_ERROR:
		if (!read_err(word, &reader->rule->err))
			return complain(reader, word, "an error code is needed here, such as EVPIPE_EUNAVAILABLE");
		return EVPIPE_OK;
	case ARGUMENT_NONE:
		break;
	}
	return complain(reader, word, "this fault takes no argument; options are written name=value");
}

static int set_topic(struct reader *reader, const char *value)
{
	reader->rule->topic = value;
	return *value != '\0';
}

static int set_partition(struct reader *reader, const char *value)
{
	uint64_t number;
	if (!read_number(value, INT32_MAX, &number))
		return 0;
	reader->rule->partition = (int32_t)number;
	return 1;
}

static int set_after(struct reader *reader, const char *value)
{
	return read_number(value, UINT64_MAX - 1, &reader->rule->after);
}

static int set_times(struct reader *reader, const char *value)
{
	reader->limited = 1;
	if (strcmp(value, "always") == 0) {
		reader->rule->times = UINT64_MAX;
		return 1;
	}
	return read_number(value, UINT64_MAX - 1, &reader->rule->times) && reader->rule->times > 0;
}

static int set_rate(struct reader *reader, const char *value)
{
	if (!reader->limited)
		reader->rule->times = UINT64_MAX;
	return read_rate(value, &reader->rule->rate);
}

static int set_from(struct reader *reader, const char *value)
{
	return read_duration(value, &reader->rule->from_ms);
}

static int set_until(struct reader *reader, const char *value)
{
	return read_duration(value, &reader->rule->until_ms);
}

static const struct option {
	const char *name;
	unsigned    kind;
	int (*set)(struct reader *reader, const char *value);
	const char *needs;
} options[] = {
	{"topic=", OPTION_TOPIC, set_topic, "the name of a topic is missing"},
	{"partition=", OPTION_PARTITION, set_partition, "a number from 0 is needed here"},
	{"after=", OPTION_COUNTS, set_after, "a number from 0 is needed here"},
	{"times=", OPTION_COUNTS, set_times, "a number from 1, or 'always', is needed here"},
	{"rate=", OPTION_COUNTS, set_rate, "a percentage above 0 and up to 100 is needed here, such as 5% or 0.1%"},
	{"from=", OPTION_TIMES, set_from, "a duration since the start is needed here, such as 0s or 30s"},
	{"until=", OPTION_TIMES, set_until, "a duration since the start is needed here, such as 30s or 5m"},
};

static evpipe_err read_option(struct reader *reader, const char *word)
{
	for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
		const struct option *option = &options[i];
		size_t               len = strlen(option->name);
		if (strncmp(word, option->name, len) != 0)
			continue;
		if (!(reader->action->options & option->kind))
			return complain(reader, word, "this fault cannot be limited by that");
		return option->set(reader, word + len) ? EVPIPE_OK : complain(reader, word, option->needs);
	}
	return complain(reader, word, "no such option; there are topic=, partition=, after=, times=, rate=, from=, until=");
}

static evpipe_err check_rule(const struct reader *reader)
{
	const evpipe__fault_rule *rule = reader->rule;
	if (reader->action->argument == ARGUMENT_DURATION && !rule->duration_ms)
		return complain(reader, reader->action->name, "for how long? Such as 200ms, 5s or 1m");
	if (rule->until_ms <= rule->from_ms)
		return complain(reader, reader->action->name, "until= has to be after from=");
	return EVPIPE_OK;
}

/* The text is cut up. The action is NULL if there is no rule in it. */
static evpipe_err read_rule(struct reader *reader, char *text)
{
	char *rest = NULL;
	int   words = 0;

	for (char *word = strtok_r(text, " \t\r", &rest); word; word = strtok_r(NULL, " \t\r", &rest), words++) {
		evpipe_err err = words == 0               ? read_action(reader, word)
				 : strchr(word, '=')      ? read_option(reader, word)
				 : words == 1             ? read_argument(reader, word)
							  : complain(reader, word, "options are written name=value");
		if (err)
			return err;
	}
	return words ? check_rule(reader) : EVPIPE_OK;
}

/* ---- the script ---------------------------------------------------------------------------------------------------- */

/* splitmix64 */
static uint64_t draw(uint64_t *random)
{
	uint64_t z = (*random += UINT64_C(0x9E3779B97F4A7C15));
	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

static evpipe_err add_rule(evpipe__fault_script *script, char *text, uint64_t seed, struct reader *reader)
{
	reader->rule = &script->rules[script->count];
	reader->action = NULL;
	reader->limited = 0;
	evpipe_err err = read_rule(reader, text);
	if (err || !reader->action)
		return err;
	if (script->count == EVPIPE__FAULT_RULES_MAX)
		return evpipe__fail(reader->error, EVPIPE_ECONFIG, "fault script, line %u: more than %d rules", reader->line,
				    EVPIPE__FAULT_RULES_MAX);
	uint64_t mixed = seed + script->count++;
	reader->rule->random = draw(&mixed);
	return EVPIPE_OK;
}

evpipe_err evpipe__fault_script_init(evpipe__fault_script *script, const char *text, uint64_t seed, evpipe_error *error)
{
	struct reader reader = {.error = error};

	*script = (evpipe__fault_script){0};
	if (!text)
		text = default_mix;
	if (strlen(text) > TEXT_MAX)
		return evpipe__fail(error, EVPIPE_ECONFIG, "fault script: longer than %d bytes", TEXT_MAX);
	script->text = evpipe__strdup(text);
	script->rules = evpipe__calloc(EVPIPE__FAULT_RULES_MAX + 1, sizeof *script->rules);
	if (!script->text || !script->rules)
		return evpipe__fail_plain(error, EVPIPE_ENOMEM);
	for (char *line, *rest = script->text; (line = strsep(&rest, "\n"));) {
		reader.line++;
		/* A semicolon ends a rule, too, so that a script fits on a command line. */
		line[strcspn(line, "#")] = '\0';
		for (char *rule; (rule = strsep(&line, ";"));) {
			evpipe_err err = add_rule(script, rule, seed, &reader);
			if (err)
				return err;
		}
	}
	return EVPIPE_OK;
}

void evpipe__fault_script_release(evpipe__fault_script *script)
{
	evpipe__free(script->rules);
	evpipe__free(script->text);
	*script = (evpipe__fault_script){0};
}

static int fits(const evpipe__fault_rule *rule, const char *topic, int32_t partition, int64_t since_open_ms)
{
	return (!rule->topic || (topic && strcmp(rule->topic, topic) == 0)) &&
	       (rule->partition < 0 || rule->partition == partition) && since_open_ms >= rule->from_ms &&
	       since_open_ms < rule->until_ms;
}

const evpipe__fault_rule *evpipe__fault_script_strike(evpipe__fault_script *script, evpipe__fault_occasion occasion,
						      const char *topic, int32_t partition, int64_t since_open_ms)
{
	evpipe__fault_rule *first = NULL;

	for (size_t i = 0; i < script->count; i++) {
		evpipe__fault_rule *rule = &script->rules[i];
		if (actions[rule->action].occasion != occasion || !fits(rule, topic, partition, since_open_ms))
			continue;
		int drawn = draw(&rule->random) % EVPIPE__FAULT_RATE_ALWAYS < rule->rate;
		if (rule->seen++ >= rule->after && rule->struck < rule->times && drawn && !first)
			first = rule;
	}
	if (first)
		first->struck++;
	return first;
}

int evpipe__fault_script_has(const evpipe__fault_script *script, evpipe__fault_action action)
{
	for (size_t i = 0; i < script->count; i++)
		if (script->rules[i].action == action)
			return 1;
	return 0;
}
