/*
 * What came back from a post:
 *
 *     STATUS RESULT CUT ARRIVED      numbers; the result is libcurl's
 *     Location
 *     Retry-After
 *     libcurl's text
 *     the body, up to the end
 */
#include "fuzz.h"

#include "sinks/http-answer.h"
#include "text.h"

/* One that reads items, as those will whose answers speak of each. */
static evpipe_err read_answer(const evpipe_batch *batch, const void *answer, size_t len, evpipe_verdict *each)
{
	const char *text = answer;
	if (len != batch->count)
		return EVPIPE_EFORMAT;
	for (size_t i = 0; i < len; i++)
		each[i] = text[i] == '1' ? EVPIPE_VERDICT_DELIVERED : EVPIPE_VERDICT_RETRY;
	return EVPIPE_OK;
}

static const evpipe__format items = {.name = "items", .read_answer = read_answer};

static void check_text(const char *text)
{
	fuzz_must_be_a_line(text, EVPIPE__ANSWER_TEXT_MAX);
	for (size_t at = 0, len = strlen(text); at < len;) {
		size_t length = evpipe__utf8_length(text + at, len - at);
		MUST(length);
		at += length;
	}
}

static void judge(evpipe__http_outcome *outcome)
{
	evpipe_verdict each[3];
	evpipe_batch   batch = {.destination = "ACME", .count = 3};
	evpipe_answer  answer = {.batch = &batch};
	char           text[EVPIPE__ANSWER_TEXT_MAX];

	outcome->each = each;
	evpipe__http_judge(outcome, &answer, text);
	MUST(answer.batch == &batch && answer.text == text && answer.status == outcome->status);
	check_text(text);
	MUST(answer.leave_alone_ms >= 0 && answer.leave_alone_ms <= EVPIPE__RETRY_AFTER_MAX_MS);
	switch (answer.verdict) {
	case EVPIPE_VERDICT_DELIVERED:
		MUST(outcome->status / 100 == 2 && !outcome->format->read_answer && !*text);
		break;
	case EVPIPE_VERDICT_EACH:
		MUST(outcome->status / 100 == 2 && answer.each == each && outcome->result == CURLE_OK && !outcome->was_cut);
		break;
	case EVPIPE_VERDICT_TOO_LARGE:
		MUST(outcome->status == 413);
		break;
	case EVPIPE_VERDICT_PERMANENT:
		MUST(outcome->status / 100 == 4);
		break;
	default:
		MUST(answer.verdict == EVPIPE_VERDICT_RETRY || answer.verdict == EVPIPE_VERDICT_REFUSED);
	}
	if (answer.verdict != EVPIPE_VERDICT_DELIVERED)
		MUST(*text);
	/* What may be stored is not buried, nor said not to be. */
	if (answer.unknown)
		MUST(answer.verdict == EVPIPE_VERDICT_RETRY || answer.verdict == EVPIPE_VERDICT_REFUSED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input    input = fuzz_input_of(data, size);
	evpipe__http_outcome outcome = {.host = "ingest.example.com:8443", .wall_ms = INT64_C(1767225600000)};
	size_t               len;
	char                *numbers = fuzz_line(&input, &len), *location = fuzz_line(&input, &len);
	char                *retry_after = fuzz_line(&input, &len), *detail = fuzz_line(&input, &len);
	char                *body = fuzz_rest(&input, &outcome.body_len), *at = numbers;

	if (numbers) {
		outcome.status = (int)strtol(at, &at, 10);
		outcome.result = (CURLcode)(strtoul(at, &at, 10) % CURL_LAST);
		outcome.was_cut = strtol(at, &at, 10) == 1;
		outcome.may_have_arrived = strtol(at, &at, 10) == 1;
	}
	outcome.location = location && *location ? location : NULL;
	outcome.retry_after = retry_after && *retry_after ? retry_after : NULL;
	outcome.detail = detail ? detail : "";
	outcome.body = body;
	outcome.format = &evpipe__format_ndjson;
	judge(&outcome);
	outcome.format = &items;
	judge(&outcome);
	free(numbers);
	free(location);
	free(retry_after);
	free(detail);
	free(body);
	return 0;
}
