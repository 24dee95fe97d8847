#include "test.h"

#include "sinks/http-answer.h"

#define NOW_MS INT64_C(1767225600000) /* Thu, 01 Jan 2026 00:00:00 GMT */

static char text[EVPIPE__ANSWER_TEXT_MAX];

static evpipe_answer judge(const evpipe__http_outcome *given)
{
	evpipe__http_outcome outcome = *given;
	evpipe_answer        answer = {0};

	if (!outcome.format)
		outcome.format = &evpipe__format_ndjson;
	outcome.host = "acme.example";
	outcome.wall_ms = NOW_MS;
	evpipe__http_judge(&outcome, &answer, text);
	return answer;
}

static evpipe_answer judge_status(int status)
{
	return judge(&(evpipe__http_outcome){.status = status, .may_have_arrived = 1});
}

/* Every status there can be, and some there cannot. */
static void test_answer__each_status_has_its_verdict(void **state)
{
	static const struct {
		evpipe_verdict verdict;
		int            statuses[4];
	} told[] = {
		{EVPIPE_VERDICT_PERMANENT, {400, 409, 422}},
		{EVPIPE_VERDICT_TOO_LARGE, {413}},
		{EVPIPE_VERDICT_RETRY, {408, 425, 429}},
	};
	(void)state;
	for (int status = 0; status < 1000; status++) {
		evpipe_verdict verdict = status / 100 == 2                         ? EVPIPE_VERDICT_DELIVERED
		                         : status / 100 == 3 || status / 100 == 4 ? EVPIPE_VERDICT_REFUSED
		                                                                   : EVPIPE_VERDICT_RETRY;
		for (size_t i = 0; i < COUNT_OF(told); i++)
			for (const int *one = told[i].statuses; *one; one++)
				if (*one == status)
					verdict = told[i].verdict;
		evpipe_answer answer = judge_status(status);
		assert_int_equal(answer.verdict, verdict);
		assert_int_equal(answer.status, status);
		assert_int_equal(answer.overloaded, status == 408 || status == 429 || status == 503 || status == 504);
		assert_int_equal(answer.unknown, status < 200 || status > 599 || status == 502 || status == 504);
		assert_int_equal(answer.leave_alone_ms, 0);
		if (verdict == EVPIPE_VERDICT_DELIVERED)
			assert_string_equal(answer.text, "");
		else
			assert_non_null(strstr(answer.text, "acme.example"));
	}
}

static void test_answer__shows_the_first_line_of_the_body(void **state)
{
	char body[1000];
	(void)state;
	memset(body, 'x', sizeof body);
	memcpy(body, "\r\n no\x1b such \xff thing\nsecond", 27);
	evpipe_answer answer = judge(&(evpipe__http_outcome){.status = 400, .body = body, .body_len = 27});
	assert_string_equal(answer.text, "HTTP 400 from acme.example: no  such ? thing");
	memset(body, 'x', sizeof body);
	answer = judge(&(evpipe__http_outcome){.status = 500, .body = body, .body_len = sizeof body});
	assert_int_equal(strlen(answer.text), strlen("HTTP 500 from acme.example: ") + EVPIPE__ANSWER_LINE_MAX);
	answer = judge(&(evpipe__http_outcome){.status = 500, .body = " \n", .body_len = 2});
	assert_string_equal(answer.text, "HTTP 500 from acme.example");
}

static void test_answer__a_redirect_is_refused_and_shown(void **state)
{
	(void)state;
	evpipe_answer answer = judge(&(evpipe__http_outcome){.status = 302, .location = "https://else.example/\x1b[2Jlogin"});
	assert_int_equal(answer.verdict, EVPIPE_VERDICT_REFUSED);
	assert_string_equal(answer.text,
	                    "HTTP 302 from acme.example: it redirects to https://else.example/ [2Jlogin, which is not followed");
}

static void test_answer__failures_of_the_connection(void **state)
{
	static const struct {
		CURLcode       result;
		int            status, may_have_arrived;
		evpipe_verdict verdict;
		int            unknown, overloaded;
	} cases[] = {
		{CURLE_COULDNT_CONNECT, 0, 0, EVPIPE_VERDICT_RETRY, 0, 0},
		{CURLE_COULDNT_RESOLVE_HOST, 0, 0, EVPIPE_VERDICT_RETRY, 0, 0},
		{CURLE_SSL_CONNECT_ERROR, 0, 0, EVPIPE_VERDICT_RETRY, 0, 0},
		{CURLE_PEER_FAILED_VERIFICATION, 0, 0, EVPIPE_VERDICT_REFUSED, 0, 0},
		{CURLE_UNSUPPORTED_PROTOCOL, 0, 0, EVPIPE_VERDICT_REFUSED, 0, 0},
		{CURLE_OPERATION_TIMEDOUT, 0, 0, EVPIPE_VERDICT_RETRY, 0, 1},
		{CURLE_OPERATION_TIMEDOUT, 0, 1, EVPIPE_VERDICT_RETRY, 1, 1},
		{CURLE_OPERATION_TIMEDOUT, 100, 1, EVPIPE_VERDICT_RETRY, 1, 1},
		{CURLE_GOT_NOTHING, 0, 1, EVPIPE_VERDICT_RETRY, 1, 0},
		{CURLE_RECV_ERROR, 0, 1, EVPIPE_VERDICT_RETRY, 1, 0},
		{CURLE_SEND_ERROR, 0, 1, EVPIPE_VERDICT_RETRY, 1, 0},
		{CURLE_OUT_OF_MEMORY, 0, 0, EVPIPE_VERDICT_RETRY, 0, 0},
		/* The status is known, and then the answer breaks off, or has no end. */
		{CURLE_PARTIAL_FILE, 200, 1, EVPIPE_VERDICT_RETRY, 1, 0},
		{CURLE_RECV_ERROR, 204, 1, EVPIPE_VERDICT_RETRY, 1, 0},
		{CURLE_WRITE_ERROR, 200, 1, EVPIPE_VERDICT_DELIVERED, 0, 0},
		{CURLE_OPERATION_TIMEDOUT, 200, 1, EVPIPE_VERDICT_DELIVERED, 0, 0},
		{CURLE_PARTIAL_FILE, 400, 1, EVPIPE_VERDICT_PERMANENT, 0, 0},
		{CURLE_PARTIAL_FILE, 503, 1, EVPIPE_VERDICT_RETRY, 0, 1},
		{CURLE_WRITE_ERROR, 413, 1, EVPIPE_VERDICT_TOO_LARGE, 0, 0},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		evpipe_answer answer = judge(&(evpipe__http_outcome){.result = cases[i].result,
		                                                    .status = cases[i].status,
		                                                    .may_have_arrived = cases[i].may_have_arrived});
		assert_int_equal(answer.verdict, cases[i].verdict);
		assert_int_equal(answer.unknown, cases[i].unknown);
		assert_int_equal(answer.overloaded, cases[i].overloaded);
	}
	evpipe_answer answer = judge(&(evpipe__http_outcome){.result = CURLE_COULDNT_CONNECT, .detail = "Connection\nrefused"});
	assert_string_equal(answer.text, "no answer from acme.example: Connection");
	answer = judge(&(evpipe__http_outcome){.result = CURLE_COULDNT_CONNECT, .detail = ""});
	assert_string_equal(answer.text, "no answer from acme.example: Couldn't connect to server");
}

static void test_retry_after__seconds_and_dates_within_an_hour(void **state)
{
	static const struct {
		const char *value;
		int64_t     ms;
	} cases[] = {
		{"0", 0}, {"1", 1000}, {" 120 ", 120000}, {"3600", 3600000}, {"3601", 3600000},
		{"99999999999999999999999999", 3600000}, {"00000000000000000000000001", 1000}, {"-1", 0}, {"+5", 0}, {"1.5", 0}, {"5s", 0},
		{"", 0}, {" ", 0}, {"soon", 0}, {"\xff\xfe", 0},
		{"Thu, 01 Jan 2026 00:02:00 GMT", 120000}, {"Thu, 01 Jan 2026 05:00:00 GMT", 3600000},
		{"Thu, 01 Jan 2026 00:00:00 GMT", 0}, {"Wed, 31 Dec 2025 23:59:00 GMT", 0}, {"Thu Jan  1 00:00:07 2026", 7000},
		{"Nov 6 700000000", 3600000}, {"Thu, 01 Jan 1970 00:00:00 GMT", 0},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(evpipe__http_retry_after_ms(cases[i].value, NOW_MS), cases[i].ms);
	assert_int_equal(judge(&(evpipe__http_outcome){.status = 429, .retry_after = "7"}).leave_alone_ms, 7000);
	assert_int_equal(judge(&(evpipe__http_outcome){.status = 503, .retry_after = "7"}).leave_alone_ms, 7000);
	assert_int_equal(judge(&(evpipe__http_outcome){.status = 200, .retry_after = "7"}).leave_alone_ms, 0);
}

/* A format whose answer speaks of each item: "d", "r", "p" for each, as an API would in more words. */
static evpipe_err read_letters(const evpipe_batch *batch, const void *answer, size_t len, evpipe_verdict *each)
{
	if (len != batch->count)
		return EVPIPE_EFORMAT;
	for (size_t i = 0; i < len; i++)
		each[i] = ((const char *)answer)[i] == 'd'   ? EVPIPE_VERDICT_DELIVERED
		          : ((const char *)answer)[i] == 'r' ? EVPIPE_VERDICT_RETRY
		                                             : EVPIPE_VERDICT_PERMANENT;
	return EVPIPE_OK;
}

static void test_answer__items_count_where_the_format_reads_them(void **state)
{
	static const evpipe__format letters = {.name = "letters", .read_answer = read_letters};
	static const evpipe_batch   batch = {.count = 3};
	evpipe_verdict              each[3];
	evpipe__http_outcome outcome = {
		.status = 200, .host = "h", .body = "drp", .body_len = 3, .format = &letters, .each = each, .may_have_arrived = 1};
	evpipe_answer answer = {.batch = &batch};

	(void)state;
	evpipe__http_judge(&outcome, &answer, text);
	assert_int_equal(answer.verdict, EVPIPE_VERDICT_EACH);
	assert_ptr_equal(answer.each, each);
	assert_int_equal(each[0], EVPIPE_VERDICT_DELIVERED);
	assert_int_equal(each[1], EVPIPE_VERDICT_RETRY);
	assert_int_equal(each[2], EVPIPE_VERDICT_PERMANENT);

	/* What is not all of it, or not what it should be, leaves the outcome open. */
	outcome.was_cut = 1;
	evpipe__http_judge(&outcome, &answer, text);
	assert_int_equal(answer.verdict, EVPIPE_VERDICT_RETRY);
	assert_true(answer.unknown);
	outcome.was_cut = 0;
	outcome.result = CURLE_OPERATION_TIMEDOUT;
	evpipe__http_judge(&outcome, &answer, text);
	assert_int_equal(answer.verdict, EVPIPE_VERDICT_RETRY);
	outcome.result = CURLE_OK;
	outcome.body_len = 2;
	evpipe__http_judge(&outcome, &answer, text);
	assert_int_equal(answer.verdict, EVPIPE_VERDICT_RETRY);
	assert_true(answer.unknown);
	/* A failure is one of the whole. */
	outcome.status = 503;
	evpipe__http_judge(&outcome, &answer, text);
	assert_int_equal(answer.verdict, EVPIPE_VERDICT_RETRY);
	assert_false(answer.unknown);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer__each_status_has_its_verdict),
		cmocka_unit_test(test_answer__shows_the_first_line_of_the_body),
		cmocka_unit_test(test_answer__a_redirect_is_refused_and_shown),
		cmocka_unit_test(test_answer__failures_of_the_connection),
		cmocka_unit_test(test_retry_after__seconds_and_dates_within_an_hour),
		cmocka_unit_test(test_answer__items_count_where_the_format_reads_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
