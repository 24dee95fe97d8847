#include "http-answer.h"

#include <stdio.h>
#include <string.h>

#include "text.h"

struct meaning {
	int            status;
	evpipe_verdict verdict;
	int            unknown;
	int            overloaded;
};

/* The statuses that mean something else than their class does. */
static const struct meaning statuses[] = {
	{400, EVPIPE_VERDICT_PERMANENT, 0, 0},
	{408, EVPIPE_VERDICT_RETRY, 0, 1},
	{409, EVPIPE_VERDICT_PERMANENT, 0, 0},
	{413, EVPIPE_VERDICT_TOO_LARGE, 0, 0},
	{422, EVPIPE_VERDICT_PERMANENT, 0, 0},
	{425, EVPIPE_VERDICT_RETRY, 0, 0},
	{429, EVPIPE_VERDICT_RETRY, 0, 1},
	/* A gateway that speaks for a server whose answer it does not have. */
	{502, EVPIPE_VERDICT_RETRY, 1, 0},
	{503, EVPIPE_VERDICT_RETRY, 0, 1},
	{504, EVPIPE_VERDICT_RETRY, 1, 1},
};

/* By the first digit. What is no status at all, nobody can say what it did. */
static const struct meaning classes[] = {
	[0] = {0, EVPIPE_VERDICT_RETRY, 1, 0},     [1] = {0, EVPIPE_VERDICT_RETRY, 1, 0},
	[2] = {0, EVPIPE_VERDICT_DELIVERED, 0, 0}, [3] = {0, EVPIPE_VERDICT_REFUSED, 0, 0},
	[4] = {0, EVPIPE_VERDICT_REFUSED, 0, 0},   [5] = {0, EVPIPE_VERDICT_RETRY, 0, 0},
};

/*
 * Failures of the connection. Unknown holds only if the request had begun to go out. What is not here is one that
 * nobody has thought of: retry.
 */
static const struct {
	CURLcode       result;
	evpipe_verdict verdict;
	int            overloaded;
} results[] = {
	{CURLE_OPERATION_TIMEDOUT, EVPIPE_VERDICT_RETRY, 1},
	/* These go on until somebody mends a URL, a certificate or a file. */
	{CURLE_URL_MALFORMAT, EVPIPE_VERDICT_REFUSED, 0},
	{CURLE_UNSUPPORTED_PROTOCOL, EVPIPE_VERDICT_REFUSED, 0},
	{CURLE_WEIRD_SERVER_REPLY, EVPIPE_VERDICT_REFUSED, 0},
	{CURLE_PEER_FAILED_VERIFICATION, EVPIPE_VERDICT_REFUSED, 0},
	{CURLE_SSL_CERTPROBLEM, EVPIPE_VERDICT_REFUSED, 0},
	{CURLE_SSL_CACERT_BADFILE, EVPIPE_VERDICT_REFUSED, 0},
	{CURLE_SSL_ISSUER_ERROR, EVPIPE_VERDICT_REFUSED, 0},
	{CURLE_SSL_ENGINE_NOTFOUND, EVPIPE_VERDICT_REFUSED, 0},
	{CURLE_SSL_CIPHER, EVPIPE_VERDICT_REFUSED, 0},
};

/* Compared in seconds, since a year that does not exist would be beyond what milliseconds can count. */
static int64_t until_ms(time_t date, int64_t wall_ms)
{
	if (date == -1 || date < wall_ms / 1000)
		return 0;
	if (date - wall_ms / 1000 > EVPIPE__RETRY_AFTER_MAX_MS / 1000 + 1)
		return EVPIPE__RETRY_AFTER_MAX_MS;
	return (int64_t)date * 1000 - wall_ms;
}

int64_t evpipe__http_retry_after_ms(const char *value, int64_t wall_ms)
{
	int64_t ms = 0;
	size_t  digits;

	value += strspn(value, " \t");
	digits = strspn(value, "0123456789");
	if (digits && value[digits + strspn(value + digits, " \t")] == '\0') {
		for (size_t i = 0; i < digits && ms < EVPIPE__RETRY_AFTER_MAX_MS; i++)
			ms = ms * 10 + (value[i] - '0') * 1000;
	} else if (!digits) {
		ms = until_ms(curl_getdate(value, NULL), wall_ms);
	}
	return ms < 0 ? 0 : ms > EVPIPE__RETRY_AFTER_MAX_MS ? EVPIPE__RETRY_AFTER_MAX_MS : ms;
}

/* ---- texts ---- */

static void tell_status(const evpipe__http_outcome *outcome, char *text)
{
	char line[EVPIPE__ANSWER_LINE_MAX + 1];

	if (outcome->location && outcome->status / 100 == 3)
		snprintf(text, EVPIPE__ANSWER_TEXT_MAX, "HTTP %d from %s: it redirects to %s, which is not followed", outcome->status,
		         outcome->host, evpipe__text_line(line, sizeof line, outcome->location, strlen(outcome->location)));
	else if (outcome->body_len && *evpipe__text_line(line, sizeof line, outcome->body, outcome->body_len))
		snprintf(text, EVPIPE__ANSWER_TEXT_MAX, "HTTP %d from %s: %s", outcome->status, outcome->host, line);
	else
		snprintf(text, EVPIPE__ANSWER_TEXT_MAX, "HTTP %d from %s", outcome->status, outcome->host);
}

static void tell_failure(const evpipe__http_outcome *outcome, char *text)
{
	char        line[EVPIPE__ANSWER_LINE_MAX + 1];
	const char *detail = outcome->detail && *outcome->detail ? outcome->detail : curl_easy_strerror(outcome->result);

	evpipe__text_line(line, sizeof line, detail, strlen(detail));
	if (outcome->status)
		snprintf(text, EVPIPE__ANSWER_TEXT_MAX, "HTTP %d from %s, then the answer broke off: %s", outcome->status, outcome->host,
		         line);
	else
		snprintf(text, EVPIPE__ANSWER_TEXT_MAX, "no answer from %s: %s", outcome->host, line);
}

/* ---- verdicts ---- */

static const struct meaning *meaning_of(int status)
{
	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
		if (statuses[i].status == status)
			return &statuses[i];
	int class = status / 100;
	return &classes[class >= 0 && class <= 5 ? class : 0];
}

/* The connection broke, or there was none. */
static void judge_failure(const evpipe__http_outcome *outcome, evpipe_answer *answer, char *text)
{
	answer->verdict = EVPIPE_VERDICT_RETRY;
	for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
		if (results[i].result != outcome->result)
			continue;
		answer->verdict = results[i].verdict;
		answer->overloaded = results[i].overloaded;
	}
	answer->unknown = outcome->may_have_arrived;
	tell_failure(outcome, text);
}

/* A 2xx of an API that speaks of each item: without all of what it says nobody knows. */
static void judge_items(const evpipe__http_outcome *outcome, evpipe_answer *answer, char *text)
{
	int is_whole = outcome->result == CURLE_OK && !outcome->was_cut;
	if (is_whole &&
	    outcome->format->read_answer(answer->batch, outcome->body, outcome->body_len, outcome->each) == EVPIPE_OK) {
		answer->verdict = EVPIPE_VERDICT_EACH;
		answer->each = outcome->each;
	} else {
		answer->verdict = EVPIPE_VERDICT_RETRY;
		answer->unknown = 1;
	}
	tell_status(outcome, text);
}

static void judge_status(const evpipe__http_outcome *outcome, evpipe_answer *answer, char *text)
{
	const struct meaning *meaning = meaning_of(outcome->status);

	answer->verdict = meaning->verdict;
	answer->unknown = meaning->unknown;
	answer->overloaded = meaning->overloaded;
	if (meaning->verdict != EVPIPE_VERDICT_DELIVERED) {
		tell_status(outcome, text);
		if (outcome->retry_after)
			answer->leave_alone_ms = evpipe__http_retry_after_ms(outcome->retry_after, outcome->wall_ms);
	} else if (outcome->format->read_answer) {
		judge_items(outcome, answer, text);
	}
}

/* Is what the status says the whole truth? */
static int status_counts(const evpipe__http_outcome *outcome)
{
	if (outcome->status < 200)
		return 0;
	return outcome->result == CURLE_OK || outcome->result == CURLE_WRITE_ERROR ||
	       outcome->result == CURLE_OPERATION_TIMEDOUT || outcome->status >= 300;
}

void evpipe__http_judge(const evpipe__http_outcome *outcome, evpipe_answer *answer, char *text)
{
	*answer = (evpipe_answer){.batch = answer->batch, .status = outcome->status, .text = text};
	text[0] = '\0';
	if (status_counts(outcome))
		judge_status(outcome, answer, text);
	else
		judge_failure(outcome, answer, text);
}
