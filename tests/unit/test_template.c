#include "test.h"

#include "sinks/http-url.h"
#include "sinks/template.h"

static evpipe_err expand(const char *template, const char *destination, char *out, size_t size)
{
	evpipe__buffer url;
	evpipe_error   error = {0};

	evpipe__buffer_init(&url, size - 1);
	assert_int_equal(evpipe__template_check(template, &error), EVPIPE_OK);
	evpipe_err err = evpipe__template_expand(&url, template, destination, &error);
	if (!err)
		memcpy(out, url.data, url.len + 1);
	else
		assert_string_not_equal(error.text, "");
	evpipe__buffer_release(&url);
	return err;
}

static void test_template__encodes_the_destination(void **state)
{
	static const struct {
		const char *template, *destination, *url;
	} cases[] = {
		{"https://h/orgs/{destination}/events", "ACME", "https://h/orgs/ACME/events"},
		{"https://h/{destination}", "a-b._~9", "https://h/a-b._~9"},
		{"https://h/{destination}", "a/b?c#d%e&f=g;h\\i@j:k", "https://h/a%2Fb%3Fc%23d%25e%26f%3Dg%3Bh%5Ci%40j%3Ak"},
		{"https://h/{destination}", "B\xc3\xa4" "ckerei \r\n\x01\x7f", "https://h/B%C3%A4ckerei%20%0D%0A%01%7F"},
		{"https://h/{destination}", "{destination}", "https://h/%7Bdestination%7D"},
		{"https://h/{destination}/{destination}?o={destination}", "x", "https://h/x/x?o=x"},
		{"https://h?o={destination}", "../x", "https://h?o=..%2Fx"},
		{"https://h/fixed", "x", "https://h/fixed"},
		{"HTTP://h", "x", "HTTP://h"},
		{"https://h/v..{destination}", "..", "https://h/v...."},
	};
	char url[256];
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(expand(cases[i].template, cases[i].destination, url, sizeof url), EVPIPE_OK);
		assert_string_equal(url, cases[i].url);
	}
}

static void test_template__a_destination_cannot_climb(void **state)
{
	static const char *const cases[][2] = {
		{"https://h/orgs/{destination}/events", "."},    {"https://h/orgs/{destination}/events", ".."},
		{"https://h/orgs/{destination}", ".."},          {"https://h/orgs/{destination}?a=/b", ".."},
		{"https://h/orgs/.{destination}/events", "."},   {"https://h/orgs/{destination}{destination}/e", "."},
		{"https://h/orgs/{destination}", "a/../../b"},   {"https://h/orgs/{destination}", "a?/../b"},
		{"https://h/orgs/{destination}", "..\\b"},       {"https://h/orgs/{destination}", "..;a"},
		{"https://h/orgs/../{destination}", "a"},
	};
	char url[256];
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(expand(cases[i][0], cases[i][1], url, sizeof url), EVPIPE_EINVAL);
}

static void test_template__too_long_a_url_is_refused(void **state)
{
	char url[24];
	(void)state;
	assert_int_equal(expand("https://h/{destination}", "abcdefghijklm", url, sizeof url), EVPIPE_OK);
	assert_int_equal(expand("https://h/{destination}", "abcdefghijklmn", url, sizeof url), EVPIPE_ETOOLARGE);
}

static void test_template__mistakes_are_told_without_the_url(void **state)
{
	static const char *const wrong[] = {
		"", "h/secret", "ftp://h/secret", "https:/h/secret", "https://", "https:///secret", "https://?secret", "https://{destination}/secret",
		"https://{destination}.example.com/secret", "https://h:{destination}/secret", "https://user:secret@h/", "https://h/{dest}secret",
		"https://h/{destinationsecret", "https://h/}secret", "https://h/#secret", "https://h/ secret", "https://h/secret\n",
		"https://h\\secret", "https://h/secr\xc3\xa9t",
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		evpipe_error error = {0};
		assert_int_equal(evpipe__template_check(wrong[i], &error), EVPIPE_ECONFIG);
		assert_null(strstr(error.text, "secr"));
		assert_string_not_equal(error.text, "");
	}
}

static void test_url__is_loopback_where_nobody_else_can_listen(void **state)
{
	static const struct {
		const char *url, *host;
		int         is_https, is_loopback;
	} cases[] = {
		{"http://127.0.0.1:8080/x", "127.0.0.1:8080", 0, 1},
		{"http://127.9.9.9/", "127.9.9.9", 0, 1},
		{"http://127.1/", "127.0.0.1", 0, 1},
		{"http://[::1]:1/", "[::1]:1", 0, 1},
		{"http://LOCALHOST/", NULL, 0, 1},
		{"https://example.com/", "example.com", 1, 0},
		{"http://127.0.0.1.example.com/", "127.0.0.1.example.com", 0, 0},
		{"http://localhost.example.com/", "localhost.example.com", 0, 0},
		{"http://128.0.0.1/", "128.0.0.1", 0, 0},
		{"http://[::2]/", "[::2]", 0, 0},
		{"http://0.0.0.0/", "0.0.0.0", 0, 0},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		evpipe__http_url url;
		assert_int_equal(evpipe__http_url_parse(&url, cases[i].url, NULL), EVPIPE_OK);
		assert_int_equal(url.is_https, cases[i].is_https);
		assert_int_equal(url.is_loopback, cases[i].is_loopback);
		if (cases[i].host)
			assert_string_equal(url.host, cases[i].host);
	}
}

static void test_url__mistakes_are_told_without_the_url(void **state)
{
	static const char *const wrong[] = {"http://h:99999/secret", "http://[secret/", "http://h:se/", "http://u:secret@h/", "ftp://secret/"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		evpipe__http_url url;
		evpipe_error     error = {0};
		assert_int_equal(evpipe__http_url_parse(&url, wrong[i], &error), EVPIPE_ECONFIG);
		assert_null(strstr(error.text, "secret"));
		assert_string_not_equal(error.text, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_template__encodes_the_destination),
		cmocka_unit_test(test_template__a_destination_cannot_climb),
		cmocka_unit_test(test_template__too_long_a_url_is_refused),
		cmocka_unit_test(test_template__mistakes_are_told_without_the_url),
		cmocka_unit_test(test_url__is_loopback_where_nobody_else_can_listen),
		cmocka_unit_test(test_url__mistakes_are_told_without_the_url),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
