#include "test.h"


#include <evpipe.h>

#include "errors.h"

static void test_errors__each_code_has_a_name_a_text_and_a_class(void **state)
{
	(void)state;
	for (int code = 1; code < EVPIPE_ERR_COUNT; code++) {
		assert_int_equal(strncmp(evpipe_err_name((evpipe_err)code), "EVPIPE_E", 8), 0);
		assert_true(strlen(evpipe_strerror((evpipe_err)code)) > 0);
		assert_int_not_equal(evpipe_err_class_of((evpipe_err)code), EVPIPE_CLASS_NONE);
	}
	assert_int_equal(evpipe_err_class_of((evpipe_err)9999), EVPIPE_CLASS_FATAL);
	assert_string_equal(evpipe_strerror((evpipe_err)9999), "unknown error");
}

static void test_errors__details_are_cut_and_not_needed(void **state)
{
	(void)state;
	char text[2 * EVPIPE_ERROR_TEXT_MAX];
	evpipe_error error;

	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	assert_int_equal(evpipe__fail(&error, EVPIPE_EIO, "%s", text), EVPIPE_EIO);
	assert_int_equal(error.code, EVPIPE_EIO);
	assert_int_equal(strlen(error.text), EVPIPE_ERROR_TEXT_MAX - 1);
	assert_int_equal(evpipe__fail(NULL, EVPIPE_EIO, "%s", text), EVPIPE_EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors__each_code_has_a_name_a_text_and_a_class),
		cmocka_unit_test(test_errors__details_are_cut_and_not_needed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
