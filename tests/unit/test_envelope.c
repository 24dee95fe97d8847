#include "test.h"

#include "envelope.h"

static char scratch[EVPIPE__ENVELOPE_MAX + 1];

static evpipe_err read_text(evpipe__envelope *envelope, const char *text)
{
	return evpipe__envelope_read(envelope, text, strlen(text), scratch);
}

static void test_envelope__what_is_written_is_read_back(void **state)
{
	evpipe__envelope in, out;
	evpipe__buffer   buffer;

	(void)state;
	evpipe__envelope_init(&in);
	in.destination = "Bäckerei Süß & 100 %\n";
	in.id = "a=b c";
	in.type = "step";
	in.content_type = "text/plain; charset=utf-8";
	in.time_ms = 1546300800000;
	in.attempt = 3;
	in.parks = UINT32_MAX;
	in.queued_ms = 1767225600000;
	in.delay_ms = 21600000;
	in.first_ms = 1;
	in.status = -1;
	in.error = "503 Service Unavailable";
	in.origin_topic = "chat.events";
	in.origin_partition = 0;
	in.origin_offset = INT64_MAX;
	in.reason = "exhausted";
	evpipe__buffer_init(&buffer, EVPIPE__ENVELOPE_MAX);
	assert_int_equal(evpipe__envelope_write(&in, &buffer), EVPIPE_OK);
	assert_null(strchr(buffer.data, '\n'));

	assert_int_equal(read_text(&out, buffer.data), EVPIPE_OK);
	assert_string_equal(out.destination, in.destination);
	assert_string_equal(out.id, in.id);
	assert_string_equal(out.type, in.type);
	assert_string_equal(out.content_type, in.content_type);
	assert_int_equal(out.time_ms, in.time_ms);
	assert_int_equal(out.attempt, 3);
	assert_int_equal(out.parks, UINT32_MAX);
	assert_int_equal(out.queued_ms, in.queued_ms);
	assert_int_equal(out.delay_ms, in.delay_ms);
	assert_int_equal(out.first_ms, 1);
	assert_int_equal(out.status, -1);
	assert_string_equal(out.error, in.error);
	assert_string_equal(out.origin_topic, in.origin_topic);
	assert_int_equal(out.origin_partition, 0);
	assert_int_equal(out.origin_offset, INT64_MAX);
	assert_string_equal(out.reason, "exhausted");
	evpipe__buffer_release(&buffer);
}

static void test_envelope__is_short_and_readable(void **state)
{
	evpipe__envelope in;
	evpipe__buffer   buffer;

	(void)state;
	evpipe__envelope_init(&in);
	in.destination = "ACME";
	in.id = "7";
	evpipe__buffer_init(&buffer, EVPIPE__ENVELOPE_MAX);
	assert_int_equal(evpipe__envelope_write(&in, &buffer), EVPIPE_OK);
	assert_string_equal(buffer.data, "1 destination=ACME id=7");
	evpipe__buffer_release(&buffer);
}

static void test_envelope__passes_over_what_a_later_version_adds(void **state)
{
	evpipe__envelope out;
	(void)state;
	assert_int_equal(read_text(&out, "1 colour=blue destination=A flag id=7"), EVPIPE_OK);
	assert_string_equal(out.destination, "A");
	assert_string_equal(out.id, "7");
	assert_int_equal(out.origin_partition, -1);
}

static void test_envelope__refuses_what_is_not_its_own(void **state)
{
	static const char *const foreign[] = {
		"",  "1", "1 ", "2 destination=A", "1 id=7", "1 destination=", "1 destination=%", "1 destination=%4", "1 destination=%zz",
		"1 destination=%00", "1 destination=A attempt=-1", "1 destination=A attempt=4294967296", "1 destination=A offset=",
		"1 destination=A offset=7x", "1 destination=A offset=99999999999999999999", "destination=A",
	};
	evpipe__envelope out;
	char             large[EVPIPE__ENVELOPE_MAX + 2];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(foreign); i++)
		assert_int_equal(read_text(&out, foreign[i]), EVPIPE_EFORMAT);
	assert_int_equal(evpipe__envelope_read(&out, "1 destination=A\0b", 17, scratch), EVPIPE_EFORMAT);
	memset(large, 'x', sizeof large);
	assert_int_equal(evpipe__envelope_read(&out, large, sizeof large, scratch), EVPIPE_EFORMAT);
}

static void test_envelope__error_texts_are_cut(void **state)
{
	evpipe__envelope in, out;
	evpipe__buffer   buffer;
	char             error[4000];

	(void)state;
	memset(error, 'e', sizeof error - 1);
	error[sizeof error - 1] = '\0';
	evpipe__envelope_init(&in);
	in.destination = "A";
	in.error = error;
	evpipe__buffer_init(&buffer, EVPIPE__ENVELOPE_MAX);
	assert_int_equal(evpipe__envelope_write(&in, &buffer), EVPIPE_OK);
	assert_int_equal(read_text(&out, buffer.data), EVPIPE_OK);
	assert_int_equal(strlen(out.error), EVPIPE__ENVELOPE_ERROR_MAX);
	evpipe__buffer_release(&buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_envelope__what_is_written_is_read_back),
		cmocka_unit_test(test_envelope__is_short_and_readable),
		cmocka_unit_test(test_envelope__passes_over_what_a_later_version_adds),
		cmocka_unit_test(test_envelope__refuses_what_is_not_its_own),
		cmocka_unit_test(test_envelope__error_texts_are_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
