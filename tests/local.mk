# Tests: one executable a file, each linked with everything, private names included.
if WITH_TESTS
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
endif

UNIT_TESTS = \
	tests/unit/test_errors

TEST_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
TEST_LDADD = libevpipe-testbroker-all.la libevpipe-all.la $(CMOCKA_LIBS)

tests_unit_test_errors_CFLAGS = $(TEST_CFLAGS)
tests_unit_test_errors_LDADD = $(TEST_LDADD)
