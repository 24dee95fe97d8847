#include "test.h"

#include "json.h"
#include "text.h"

static int scan(evpipe__json *json, const char *text)
{
	return evpipe__json_scan(json, text, strlen(text), "id");
}

static void test_json__takes_what_is_valid(void **state)
{
	static const char *const valid[] = {
		"{}", "[]", "0", "-0", "-1.5e+10", "1E3", "0.0", "\"\"", "true", "false", "null", " \t\r\n[ ] \n", "[[],{},[{}]]",
		"{\"a\":1,\"b\":[1,2,{\"c\":null}]}", "[1,\"two\",true]", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"", "\"\\ud83d\\ude00\"",
		"\"\\ud83d\"", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"", "\"\x7f\"", "{\"\":{\"\":\"\"}}",
		"\"a string that is longer than eight bytes\"", "{\"a\":1,\"a\":2}",
	};
	evpipe__json json;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(valid); i++) {
		if (!scan(&json, valid[i]))
			fail_msg("%s: %s at %zu", valid[i], json.problem, json.at);
	}
}

static void test_json__refuses_what_is_not(void **state)
{
	static const char *const invalid[] = {
		"", " ", "{", "}", "[", "]", "{]", "[}", "[1,]", "[,1]", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:1}", "[1 2]",
		"{\"a\":1 \"b\":2}", "01", "-", "+1", ".5", "1.", "1e", "1e+", "0x1", "NaN", "Infinity", "tru", "truex", "nul", "nulll", "True",
		"\"", "\"a", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"a\nb\"", "\"\t\"", "\"\x1f\"", "'a'", "1 2", "{}{}", "[]x", "//", "1\v",
		/* not UTF-8: alone, cut, overlong, a surrogate, beyond the last character */
		"\"\x80\"", "\"\xff\"", "\"\xc3\"", "\"\xe2\x82\"", "\"\xf0\x9f\x98\"", "\"\xc0\xaf\"", "\"\xe0\x80\xaf\"", "\"\xed\xa0\x80\"",
		"\"\xf4\x90\x80\x80\"", "\xef\xbb\xbf{}",
	};
	evpipe__json json;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(invalid); i++) {
		if (scan(&json, invalid[i]))
			fail_msg("%s passed", invalid[i]);
		assert_non_null(json.problem);
		assert_true(json.at <= strlen(invalid[i]));
	}
	assert_false(evpipe__json_scan(&json, "\"a\0b\"", 5, NULL));
	assert_false(evpipe__json_scan(&json, "1\0", 2, NULL));
	assert_false(evpipe__json_scan(&json, NULL, 0, NULL));
}

/* Every beginning of a valid text is either invalid or, for numbers, valid; none is read beyond its end (under a sanitizer). */
static void test_json__reads_no_further_than_its_end(void **state)
{
	static const char text[] = "{\"abcdefgh\\n\\u00e9\":[true,false,null,-1.5e+7,\"\xf0\x9f\x98\x80 and more\"],\"b\":{\"id\":{}}}";
	evpipe__json      json;
	(void)state;
	for (size_t len = 0; len < sizeof text - 1; len++) {
		char *copy = malloc(len ? len : 1);
		memcpy(copy, text, len);
		assert_false(evpipe__json_scan(&json, copy, len, "id"));
		free(copy);
	}
	assert_true(scan(&json, text));
	assert_false(json.members);
}

static void test_json__special_bytes_are_seen_at_every_offset(void **state)
{
	static const char special[] = {'\n', '\0', 0x1f, '\x80', '\xff'};
	evpipe__json      json;
	char              text[40];
	(void)state;
	for (size_t i = 0; i < COUNT_OF(special); i++)
		for (size_t at = 1; at < sizeof text - 1; at++) {
			memset(text, 'x', sizeof text);
			text[0] = text[sizeof text - 1] = '"';
			text[at] = special[i];
			assert_false(evpipe__json_scan(&json, text, sizeof text, NULL));
			assert_int_equal(json.at, at);
		}
}

static void test_json__nesting_has_a_limit(void **state)
{
	char         text[2 * EVPIPE__JSON_DEPTH_MAX + 2];
	evpipe__json json;
	(void)state;
	memset(text, '[', EVPIPE__JSON_DEPTH_MAX + 1);
	memset(text + EVPIPE__JSON_DEPTH_MAX + 1, ']', EVPIPE__JSON_DEPTH_MAX + 1);
	assert_false(evpipe__json_scan(&json, text, sizeof text, NULL));
	assert_true(evpipe__json_scan(&json, text + 1, sizeof text - 2, NULL));
}

static void test_json__finds_a_member_at_the_top_only(void **state)
{
	static const struct {
		const char *text;
		int         is_object, is_empty, members;
	} cases[] = {
		{"{\"id\":1}", 1, 0, 1},
		{"{\"a\":1, \"id\" : null}", 1, 0, 1},
		{" { } ", 1, 1, 0},
		{"{\"a\":{\"id\":1}}", 1, 0, 0},
		{"{\"a\":[{\"id\":1}]}", 1, 0, 0},
		{"{\"a\":\"id\"}", 1, 0, 0},
		{"{\"ID\":1,\"idx\":2,\"i\":3}", 1, 0, 0},
		{"{\"\\u0069\\u0064\":1}", 1, 0, 1},
		{"{\"i\\u0064\":1}", 1, 0, 1},
		{"{\"i\\n\":1,\"\\ud83d\\ude00\":2}", 1, 0, 0},
		{"[{\"id\":1}]", 0, 0, 0},
		{"\"id\"", 0, 0, 0},
	};
	evpipe__json json;
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_true(scan(&json, cases[i].text));
		assert_int_equal(json.is_object, cases[i].is_object);
		assert_int_equal(json.is_empty, cases[i].is_empty);
		assert_int_equal(json.members, cases[i].members);
	}
	/* As many escapes as a name can have that could still be the one. */
	static const char smile[] = "{\"\\ud83d\\ude00\":1}";
	assert_true(evpipe__json_scan(&json, smile, strlen(smile), "\xf0\x9f\x98\x80"));
	assert_true(json.members);
}

static void test_json__says_what_a_member_says(void **state)
{
	static const struct {
		const char *text, *value; /* NULL: it is no name */
		unsigned    members;
	} cases[] = {
		{"{\"id\":\"seven\"}", "seven", 1},
		{"{\"a\":{},\"id\" : \"7\" , \"b\":1}", "7", 1},
		{"{\"id\":1,\"id\":\"last\"}", "last", 2},
		{"{\"id\":\"\\\"\\\\\\/\\n\\u00e9\\ud83d\\ude00\xc3\xa9\"}", "\"\\/\n\xc3\xa9\xf0\x9f\x98\x80\xc3\xa9", 1},
		{"{\"id\":\"\"}", NULL, 1},
		{"{\"id\":7}", NULL, 1},
		{"{\"id\":null}", NULL, 1},
		{"{\"id\":\"a\\u0000b\"}", NULL, 1},
		{"{\"id\":\"half \\ud83d a pair\"}", NULL, 1},
		{"{\"id\":\"\\ude00\\ud83d\"}", NULL, 1},
		{"{\"id\":\"12345678901234567\"}", NULL, 1},
		{"{\"id\":\"1234567890123456\"}", "1234567890123456", 1},
		{"{\"id\":\"\\u0031\\u0032\\u0033\\u0034\\u0035\\u0036\\u0037\\u0038\\u0039\\u0030123456\"}", "1234567890123456", 1},
	};
	evpipe__json json;
	char         value[17];
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_true(scan(&json, cases[i].text));
		assert_int_equal(json.members, cases[i].members);
		size_t len = evpipe__json_text(value, sizeof value - 1, cases[i].text + json.member);
		assert_int_equal(len, cases[i].value ? strlen(cases[i].value) : 0);
		if (len)
			assert_string_equal(value, cases[i].value);
	}
}

static void test_json__compact_takes_out_blanks_but_not_in_strings(void **state)
{
	char text[] = "{ \"a b\" : \"c\\\" d\\\\\" ,\r\n\t\"e\" : [ 1 , 2 ] }\n";
	(void)state;
	size_t len = evpipe__json_compact(text, strlen(text));
	text[len] = '\0';
	assert_string_equal(text, "{\"a b\":\"c\\\" d\\\\\",\"e\":[1,2]}");
}

static void test_json__writes_strings_that_are_valid(void **state)
{
	static const char bytes[] = "a\"b\\c\n\r\t\b\f\x01\x1f\x7f\xc3\xa9\xff/\0z";
	evpipe__buffer    out;
	evpipe__json      json;
	(void)state;
	evpipe__buffer_init(&out, 1024);
	assert_int_equal(evpipe__json_put_string(&out, bytes, sizeof bytes - 1), EVPIPE_OK);
	assert_string_equal(out.data, "\"a\\\"b\\\\c\\n\\r\\t\\b\\f\\u0001\\u001f\x7f\xc3\xa9\xef\xbf\xbd/\\u0000z\"");
	assert_true(evpipe__json_scan(&json, out.data, out.len, NULL));
	evpipe__buffer_clear(&out);
	assert_int_equal(evpipe__json_put_string(&out, NULL, 0), EVPIPE_OK);
	assert_string_equal(out.data, "\"\"");
	evpipe__buffer_release(&out);
}

static void test_base64__knows_the_vectors_of_the_standard(void **state)
{
	static const char *const vectors[][2] = {{"", ""},         {"f", "Zg=="},         {"fo", "Zm8="},        {"foo", "Zm9v"},
	                                         {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}, {"\xff\xef", "/+8="}};
	evpipe__buffer out;
	(void)state;
	evpipe__buffer_init(&out, 64);
	for (size_t i = 0; i < COUNT_OF(vectors); i++) {
		evpipe__buffer_clear(&out);
		assert_int_equal(evpipe__base64_put(&out, vectors[i][0], strlen(vectors[i][0])), EVPIPE_OK);
		assert_string_equal(out.data ? out.data : "", vectors[i][1]);
	}
	evpipe__buffer_release(&out);
}

static void test_text__is_one_clean_line(void **state)
{
	static const struct {
		const char *bytes, *line;
	} cases[] = {
		{"", ""},
		{" \r\n\t ", ""},
		{"hello", "hello"},
		{"\r\n\n  first \nsecond", "first"},
		{"a\x1b[31mb\x07" "c", "a [31mb c"},
		{"a\tb", "a b"},
		{"caf\xc3\xa9 \xff\xc3", "caf\xc3\xa9 ??"},
		{"a\xc2\x9b" "31m", "a 31m"},
	};
	char line[64];
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_string_equal(evpipe__text_line(line, sizeof line, cases[i].bytes, strlen(cases[i].bytes)), cases[i].line);
	assert_string_equal(evpipe__text_line(line, 5, "abcdef", 6), "abcd");
	/* Not within a character. */
	assert_string_equal(evpipe__text_line(line, 5, "abc\xc3\xa9", 5), "abc");
	assert_string_equal(evpipe__text_line(line, 1, "abc", 3), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json__takes_what_is_valid),
		cmocka_unit_test(test_json__refuses_what_is_not),
		cmocka_unit_test(test_json__reads_no_further_than_its_end),
		cmocka_unit_test(test_json__special_bytes_are_seen_at_every_offset),
		cmocka_unit_test(test_json__nesting_has_a_limit),
		cmocka_unit_test(test_json__finds_a_member_at_the_top_only),
		cmocka_unit_test(test_json__says_what_a_member_says),
		cmocka_unit_test(test_json__compact_takes_out_blanks_but_not_in_strings),
		cmocka_unit_test(test_json__writes_strings_that_are_valid),
		cmocka_unit_test(test_base64__knows_the_vectors_of_the_standard),
		cmocka_unit_test(test_text__is_one_clean_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
