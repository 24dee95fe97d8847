# The contract of evpipe-transport.h: one suite, and a file for each transport that names its world.
check_LTLIBRARIES += libconformance.la
libconformance_la_SOURCES = \
	tests/conformance/closing.c \
	tests/conformance/conformance.h \
	tests/conformance/features.c \
	tests/conformance/groups.c \
	tests/conformance/harness.c tests/conformance/harness.h \
	tests/conformance/receiving.c \
	tests/conformance/records.c \
	tests/conformance/sending.c \
	tests/conformance/settling.c \
	tests/conformance/testbroker.h \
	tests/conformance/topics.c
libconformance_la_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)

WAITING_TESTS += tests/conformance/test_testbroker_realtime
CONFORMANCE_LDADD = libconformance.la $(LDADD)
CONFORMANCE_TESTS = \
	tests/conformance/test_fault \
	tests/conformance/test_fault_rules \
	tests/conformance/test_testbroker
tests_conformance_test_fault_LDADD = $(CONFORMANCE_LDADD)
tests_conformance_test_fault_rules_LDADD = $(CONFORMANCE_LDADD)
tests_conformance_test_testbroker_LDADD = $(CONFORMANCE_LDADD)
tests_conformance_test_testbroker_realtime_LDADD = $(CONFORMANCE_LDADD)
if WITH_KAFKA
CONFORMANCE_TESTS += tests/conformance/test_kafka_real
WAITING_TESTS += tests/conformance/test_kafka_mock
tests_conformance_test_kafka_mock_SOURCES = tests/conformance/test_kafka_mock.c tests/conformance/kafka.h
tests_conformance_test_kafka_mock_CFLAGS = $(AM_CFLAGS) $(RDKAFKA_CFLAGS)
tests_conformance_test_kafka_mock_LDADD = $(CONFORMANCE_LDADD) $(RDKAFKA_LIBS)
tests_conformance_test_kafka_real_SOURCES = tests/conformance/test_kafka_real.c tests/conformance/kafka.h
tests_conformance_test_kafka_real_LDADD = $(CONFORMANCE_LDADD)
endif
if WITH_TESTS
check_PROGRAMS += $(CONFORMANCE_TESTS)
TESTS += $(CONFORMANCE_TESTS)
endif
