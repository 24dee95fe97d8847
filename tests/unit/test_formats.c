#include "test.h"

#include <zlib.h>

#include "memory.h"
#include "sinks/formats/formats.h"
#include "sinks/gzip.h"
#include "json.h"

#define EVENTS_MAX 8

/* A batch of payloads, and the body made of it. */
struct made {
	evpipe_delivery        events[EVENTS_MAX];
	const evpipe_delivery *list[EVENTS_MAX];
	evpipe_batch           batch;
	evpipe__buffer         out;
	evpipe_verdict         each[EVENTS_MAX];
	evpipe__format_options options;
	evpipe__body           body;
};

static void add(struct made *made, const void *data, size_t len)
{
	static const char *const ids[EVENTS_MAX] = {"e0", "e1", "e2", "e3", "e4", "e5", "e6", "e7"};
	size_t                   i = made->batch.count++;
	made->events[i] = (evpipe_delivery){
		.id = ids[i], .type = "step", .content_type = "application/json", .data = data, .data_len = len, .time_ms = 1767225600000};
	made->list[i] = &made->events[i];
	made->batch.events = made->list;
	made->batch.bytes += len;
}

static void add_text(struct made *made, const char *data)
{
	add(made, data, data ? strlen(data) : 0);
}

static const char *build(struct made *made, const evpipe__format *format)
{
	evpipe__buffer_release(&made->out);
	evpipe__buffer_init(&made->out, 1 << 20);
	if (!made->options.source)
		made->options.source = "evpipe";
	made->body = (evpipe__body){.format = format->name,
	                            .out = &made->out,
	                            .batch = &made->batch,
	                            .options = &made->options,
	                            .each = made->each};
	assert_int_equal(format->build(&made->body), EVPIPE_OK);
	return made->out.data;
}

static void test_formats__are_found_by_name(void **state)
{
	(void)state;
	assert_ptr_equal(evpipe__format_find("ndjson"), &evpipe__format_ndjson);
	assert_ptr_equal(evpipe__format_find("json"), &evpipe__format_json);
	assert_ptr_equal(evpipe__format_find("cloudevents"), &evpipe__format_cloudevents);
	assert_null(evpipe__format_find("xml"));
	assert_null(evpipe__format_find(NULL));
}

static void test_ndjson__is_a_line_an_event(void **state)
{
	struct made made = {0};
	(void)state;
	add_text(&made, "{\"a\":1}");
	add_text(&made, " [1, 2]\r\n\n");
	add_text(&made, "\"text\"");
	add_text(&made, "-1.5");
	add_text(&made, "true");
	add_text(&made, "{\n  \"a\": \"b c\",\n  \"d\": []\n}\n");
	add(&made, NULL, 0);
	assert_string_equal(build(&made, &evpipe__format_ndjson),
	                    "{\"a\":1}\n [1, 2]\n\"text\"\n-1.5\ntrue\n{\"a\":\"b c\",\"d\":[]}\nnull\n");
	assert_int_equal(made.body.misfits, 0);
	evpipe__buffer_release(&made.out);
}

static void test_ndjson__what_is_no_json_does_not_fit(void **state)
{
	static const char *const misfits[] = {"", " \n", "hello", "{\"a\":1", "{\n\"a\":\n", "x\ny", "\"", "{\"a\":\"b\nc\"}"};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(misfits); i++) {
		struct made made = {0};
		add_text(&made, "{\"a\":1}");
		add_text(&made, misfits[i]);
		add_text(&made, "{\"a\":2}");
		build(&made, &evpipe__format_ndjson);
		assert_int_equal(made.body.misfits, 1);
		assert_int_equal(made.each[0], EVPIPE_VERDICT_RETRY);
		assert_int_equal(made.each[1], EVPIPE_VERDICT_FORMAT);
		assert_int_equal(made.each[2], EVPIPE_VERDICT_RETRY);
		assert_non_null(strstr(made.body.why, "event e1"));
		evpipe__buffer_release(&made.out);
	}
}

static void test_json__is_an_array_of_valid_items(void **state)
{
	struct made made = {0};
	(void)state;
	add_text(&made, "{\"a\":\n1}");
	add_text(&made, "2");
	add(&made, NULL, 0);
	assert_string_equal(build(&made, &evpipe__format_json), "[{\"a\":\n1},2,null]");
	add_text(&made, "{\"a\":1}}");
	add_text(&made, "3");
	add_text(&made, "1,2");
	build(&made, &evpipe__format_json);
	assert_int_equal(made.body.misfits, 2);
	assert_int_equal(made.each[3], EVPIPE_VERDICT_FORMAT);
	assert_int_equal(made.each[4], EVPIPE_VERDICT_RETRY);
	assert_int_equal(made.each[5], EVPIPE_VERDICT_FORMAT);
	assert_string_equal(made.body.why, "event e3 does not fit the format json: something behind the end at byte 7 of its payload");
	evpipe__buffer_release(&made.out);
}

static void test_formats__the_id_goes_into_objects_that_lack_it(void **state)
{
	struct made made = {.options.id_member = "i\"d"};
	(void)state;
	add_text(&made, "{\"a\":1}");
	add_text(&made, " { } ");
	add_text(&made, "{\"i\\\"d\":\"mine\"}");
	add_text(&made, "[1]");
	add_text(&made, "{\n\"a\": 1}");
	made.events[0].id = "x\"y";
	assert_string_equal(build(&made, &evpipe__format_ndjson),
	                    "{\"i\\\"d\":\"x\\\"y\",\"a\":1}\n {\"i\\\"d\":\"e1\" } \n{\"i\\\"d\":\"mine\"}\n[1]\n{\"i\\\"d\":\"e4\",\"a\":1}\n");
	assert_string_equal(build(&made, &evpipe__format_json),
	                    "[{\"i\\\"d\":\"x\\\"y\",\"a\":1}, {\"i\\\"d\":\"e1\" } ,{\"i\\\"d\":\"mine\"},[1],{\"i\\\"d\":\"e4\",\n\"a\": 1}]");
	evpipe__buffer_release(&made.out);
}

static void test_cloudevents__are_a_batch_of_the_json_format(void **state)
{
	static const evpipe_header headers[] = {
		{"traceparent", "00-ab-cd-01", 11}, {"Not-Legal", "x", 1},  {"id", "stolen", 6},        {"none", NULL, 0},
		{"bad", "\xff", 1},                 {"twice", "first", 5}, {"twice", "se\"cond", 7}, {"line", "a\nb", 3},
	};
	struct made made = {.options.source = "/chat"};
	(void)state;
	add_text(&made, "{\"a\":1}");
	add_text(&made, "not json");
	add_text(&made, "text");
	add(&made, NULL, 0);
	add_text(&made, "7");
	add_text(&made, "");
	made.events[0].headers = headers;
	made.events[0].headers_count = COUNT_OF(headers);
	made.events[2].content_type = "text/plain";
	made.events[4].content_type = "application/vnd.acme+JSON; charset=utf-8";
	assert_string_equal(
		build(&made, &evpipe__format_cloudevents),
		"[{\"specversion\":\"1.0\",\"id\":\"e0\",\"source\":\"/chat\",\"type\":\"step\",\"time\":\"2026-01-01T00:00:00.000Z\","
		"\"datacontenttype\":\"application/json\",\"traceparent\":\"00-ab-cd-01\",\"twice\":\"se\\\"cond\",\"data\":{\"a\":1}},"
		"{\"specversion\":\"1.0\",\"id\":\"e1\",\"source\":\"/chat\",\"type\":\"step\",\"time\":\"2026-01-01T00:00:00.000Z\","
		"\"datacontenttype\":\"application/json\",\"data_base64\":\"bm90IGpzb24=\"},"
		"{\"specversion\":\"1.0\",\"id\":\"e2\",\"source\":\"/chat\",\"type\":\"step\",\"time\":\"2026-01-01T00:00:00.000Z\","
		"\"datacontenttype\":\"text/plain\",\"data_base64\":\"dGV4dA==\"},"
		"{\"specversion\":\"1.0\",\"id\":\"e3\",\"source\":\"/chat\",\"type\":\"step\",\"time\":\"2026-01-01T00:00:00.000Z\","
		"\"datacontenttype\":\"application/json\"},"
		"{\"specversion\":\"1.0\",\"id\":\"e4\",\"source\":\"/chat\",\"type\":\"step\",\"time\":\"2026-01-01T00:00:00.000Z\","
		"\"datacontenttype\":\"application/vnd.acme+JSON; charset=utf-8\",\"data\":7},"
		"{\"specversion\":\"1.0\",\"id\":\"e5\",\"source\":\"/chat\",\"type\":\"step\",\"time\":\"2026-01-01T00:00:00.000Z\","
		"\"datacontenttype\":\"application/json\",\"data_base64\":\"\"}]");
	assert_int_equal(made.body.misfits, 0);
	evpipe__json json;
	assert_true(evpipe__json_scan(&json, made.out.data, made.out.len, NULL));
	evpipe__buffer_release(&made.out);
}

static void test_formats__a_body_that_is_too_large_is_told(void **state)
{
	static const evpipe__format *const formats[] = {&evpipe__format_ndjson, &evpipe__format_json, &evpipe__format_cloudevents};
	struct made                        made = {.options = {.source = "s", .id_member = "id"}};
	(void)state;
	add_text(&made, "{\"a\":1}");
	add_text(&made, "{\"a\":2}");
	for (size_t i = 0; i < COUNT_OF(formats); i++) {
		size_t full;
		build(&made, formats[i]);
		full = made.out.len;
		for (size_t max = 0; max < full; max++) {
			evpipe__buffer_release(&made.out);
			evpipe__buffer_init(&made.out, max);
			assert_int_equal(formats[i]->build(&made.body), EVPIPE_ETOOLARGE);
		}
	}
	evpipe__buffer_release(&made.out);
}

/* ---- gzip ---- */

static size_t gunzip(const evpipe__buffer *in, char *out, size_t size)
{
	z_stream stream = {.next_in = (Bytef *)in->data, .avail_in = (uInt)in->len, .next_out = (Bytef *)out, .avail_out = (uInt)size};
	assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	assert_int_equal(stream.avail_in, 0);
	inflateEnd(&stream);
	return stream.total_out;
}

static void test_gzip__one_state_compresses_many_bodies(void **state)
{
	enum { SIZE = 300000 };
	evpipe__gzip  *gzip;
	evpipe__buffer out;
	char          *in = malloc(SIZE), *back = malloc(SIZE);
	uint32_t       noise = 1;

	(void)state;
	/* Half of it does not compress. */
	for (size_t i = 0; i < SIZE; i++) {
		noise = noise * 1664525 + 1013904223;
		in[i] = i % 4096 < 2048 ? 'a' : (char)(noise >> 24);
	}
	evpipe__buffer_init(&out, 2 * SIZE);
	assert_int_equal(evpipe__gzip_new(&gzip), EVPIPE_OK);
	static const size_t sizes[] = {0, 1, 100, 5000, SIZE, 3};
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		evpipe__buffer_clear(&out);
		assert_int_equal(evpipe__gzip_put(gzip, &out, in, sizes[i]), EVPIPE_OK);
		assert_int_equal(gunzip(&out, back, SIZE), sizes[i]);
		assert_memory_equal(in, back, sizes[i]);
	}
	evpipe__buffer_release(&out);
	evpipe__buffer_init(&out, 5000);
	assert_int_equal(evpipe__gzip_put(gzip, &out, in, SIZE), EVPIPE_ETOOLARGE);
	assert_int_equal(out.len, 0);
	evpipe__buffer_release(&out);
	evpipe__gzip_free(gzip);
	free(in);
	free(back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats__are_found_by_name),
		cmocka_unit_test(test_ndjson__is_a_line_an_event),
		cmocka_unit_test(test_ndjson__what_is_no_json_does_not_fit),
		cmocka_unit_test(test_json__is_an_array_of_valid_items),
		cmocka_unit_test(test_formats__the_id_goes_into_objects_that_lack_it),
		cmocka_unit_test(test_cloudevents__are_a_batch_of_the_json_format),
		cmocka_unit_test(test_formats__a_body_that_is_too_large_is_told),
		cmocka_unit_test(test_gzip__one_state_compresses_many_bodies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
