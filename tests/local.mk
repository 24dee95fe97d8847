# Tests: one executable a file, each linked with everything, private names included (LDADD and AM_CPPFLAGS of Makefile.am).
if WITH_TESTS
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
endif

EXTRA_DIST += tests/unit/test.h

include tests/conformance/local.mk
include tests/fuzz/local.mk

UNIT_TESTS = \
	tests/unit/test_breaker \
	tests/unit/test_config \
	tests/unit/test_destinations \
	tests/unit/test_emit_calls \
	tests/unit/test_envelope \
	tests/unit/test_errors \
	tests/unit/test_fault_script \
	tests/unit/test_frontier \
	tests/unit/test_handing_over \
	tests/unit/test_hoards \
	tests/unit/test_ini \
	tests/unit/test_intake \
	tests/unit/test_isolation \
	tests/unit/test_journal \
	tests/unit/test_json \
	tests/unit/test_journal_model \
	tests/unit/test_loop \
	tests/unit/test_misuse \
	tests/unit/test_order \
	tests/unit/test_partitioner \
	tests/unit/test_producer \
	tests/unit/test_producer_threads \
	tests/unit/test_recovery \
	tests/unit/test_retries \
	tests/unit/test_sinks \
	tests/unit/test_timers \
	tests/unit/test_timestamp \
	tests/unit/test_values \
	tests/unit/test_verdicts \
	tests/unit/test_workers

if WITH_HTTP
UNIT_TESTS += \
	tests/unit/test_formats \
	tests/unit/test_http_answer \
	tests/unit/test_http_sink \
	tests/unit/test_template
endif
if WITH_HTTPS_TESTS
UNIT_TESTS += tests/unit/test_https
endif
tests_unit_test_https_CFLAGS = $(AM_CFLAGS) $(MICROHTTPD_CFLAGS) $(GNUTLS_CFLAGS)
tests_unit_test_https_LDADD = $(LDADD) $(MICROHTTPD_LIBS) $(GNUTLS_LIBS)
if WITH_KAFKA
WAITING_TESTS += \
	tests/unit/test_kafka_mock \
	tests/unit/test_kafka_mock_members \
	tests/unit/test_kafka_mock_receiving
UNIT_TESTS += tests/unit/test_kafka_real_members
endif
KAFKA_MOCK = tests/unit/kafka-mock.c tests/unit/kafka-mock.h
tests_unit_test_kafka_mock_SOURCES = tests/unit/test_kafka_mock.c $(KAFKA_MOCK)
tests_unit_test_kafka_mock_CFLAGS = $(AM_CFLAGS) $(RDKAFKA_CFLAGS)
tests_unit_test_kafka_mock_LDADD = $(LDADD) $(RDKAFKA_LIBS)
tests_unit_test_kafka_mock_members_SOURCES = tests/unit/test_kafka_mock_members.c $(KAFKA_MOCK)
tests_unit_test_kafka_mock_members_CFLAGS = $(AM_CFLAGS) $(RDKAFKA_CFLAGS)
tests_unit_test_kafka_mock_members_LDADD = $(LDADD) $(RDKAFKA_LIBS)
tests_unit_test_kafka_mock_receiving_SOURCES = tests/unit/test_kafka_mock_receiving.c $(KAFKA_MOCK)
tests_unit_test_kafka_mock_receiving_CFLAGS = $(AM_CFLAGS) $(RDKAFKA_CFLAGS)
tests_unit_test_kafka_mock_receiving_LDADD = $(LDADD) $(RDKAFKA_LIBS)
tests_unit_test_kafka_real_members_SOURCES = tests/unit/test_kafka_real_members.c $(KAFKA_MOCK)
tests_unit_test_kafka_real_members_CFLAGS = $(AM_CFLAGS) $(RDKAFKA_CFLAGS)
tests_unit_test_kafka_real_members_LDADD = $(LDADD) $(RDKAFKA_LIBS)
tests_unit_test_http_sink_SOURCES = tests/unit/test_http_sink.c tests/unit/http-server.c tests/unit/http-server.h $(ALLOCATIONS)
tests_unit_test_http_sink_LDFLAGS = $(ALLOCATIONS_LDFLAGS)
tests_unit_test_ini_SOURCES = tests/unit/test_ini.c $(ALLOCATIONS)
tests_unit_test_ini_LDFLAGS = $(ALLOCATIONS_LDFLAGS)

# Whole pipelines in virtual time.
WORLD = tests/unit/world.c tests/unit/world.h
tests_unit_test_destinations_SOURCES = tests/unit/test_destinations.c $(WORLD)
tests_unit_test_handing_over_SOURCES = tests/unit/test_handing_over.c $(WORLD)
tests_unit_test_hoards_SOURCES = tests/unit/test_hoards.c $(WORLD)
tests_unit_test_intake_SOURCES = tests/unit/test_intake.c $(WORLD)
tests_unit_test_isolation_SOURCES = tests/unit/test_isolation.c $(WORLD)
tests_unit_test_loop_SOURCES = tests/unit/test_loop.c $(WORLD)
tests_unit_test_misuse_SOURCES = tests/unit/test_misuse.c $(WORLD)
tests_unit_test_order_SOURCES = tests/unit/test_order.c $(WORLD)
tests_unit_test_producer_SOURCES = tests/unit/test_producer.c $(WORLD)
tests_unit_test_journal_model_SOURCES = tests/unit/test_journal_model.c tests/unit/memory-storage.c tests/unit/memory-storage.h
tests_unit_test_emit_calls_CFLAGS = $(AM_CFLAGS) -D_GNU_SOURCE
tests_unit_test_recovery_SOURCES = tests/unit/test_recovery.c tests/unit/memory-storage.c tests/unit/memory-storage.h $(WORLD)
tests_unit_test_retries_SOURCES = tests/unit/test_retries.c $(WORLD)
tests_unit_test_sinks_SOURCES = tests/unit/test_sinks.c $(WORLD)
tests_unit_test_verdicts_SOURCES = tests/unit/test_verdicts.c $(WORLD)
tests_unit_test_workers_SOURCES = tests/unit/test_workers.c $(WORLD)

# The test broker, its transport driven by hand.
UNIT_TESTS += \
	tests/unit/test_pipeline_basic \
	tests/unit/test_testbroker_faults \
	tests/unit/test_testbroker_groups \
	tests/unit/test_testbroker_sink \
	tests/unit/test_testbroker_threads \
	tests/unit/test_testbroker_time \
	tests/unit/test_testbroker_topics

PEER = tests/unit/peer.c tests/unit/peer.h
tests_unit_test_pipeline_basic_SOURCES = tests/unit/test_pipeline_basic.c $(WORLD)
tests_unit_test_testbroker_faults_SOURCES = tests/unit/test_testbroker_faults.c $(PEER)
tests_unit_test_testbroker_groups_SOURCES = tests/unit/test_testbroker_groups.c $(PEER)
tests_unit_test_testbroker_topics_SOURCES = tests/unit/test_testbroker_topics.c $(PEER)

include tests/torture/local.mk
