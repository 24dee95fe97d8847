# Whole scenarios with each allocation failing in turn. The linker puts tests/torture/allocations.c before the library's own functions.
ALLOCATIONS = tests/torture/allocations.c tests/torture/allocations.h
ALLOCATIONS_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=evpipe__malloc -Wl,--wrap=evpipe__calloc -Wl,--wrap=evpipe__realloc \
	-Wl,--wrap=evpipe__free -Wl,--wrap=evpipe__strdup -Wl,--wrap=evpipe__memdup
TORTURE = $(ALLOCATIONS) tests/torture/torture.c tests/torture/torture.h

UNIT_TESTS += \
	tests/torture/test_torture_config \
	tests/torture/test_torture_journal \
	tests/torture/test_torture_pipeline
tests_torture_test_torture_config_SOURCES = tests/torture/test_torture_config.c $(TORTURE)
tests_torture_test_torture_config_LDFLAGS = $(ALLOCATIONS_LDFLAGS)
tests_torture_test_torture_journal_SOURCES = tests/torture/test_torture_journal.c $(TORTURE) $(WORLD)
tests_torture_test_torture_journal_LDFLAGS = $(ALLOCATIONS_LDFLAGS)
tests_torture_test_torture_pipeline_SOURCES = tests/torture/test_torture_pipeline.c $(TORTURE) $(WORLD)
tests_torture_test_torture_pipeline_LDFLAGS = $(ALLOCATIONS_LDFLAGS)

if WITH_HTTP
UNIT_TESTS += tests/torture/test_torture_http
endif
tests_torture_test_torture_http_SOURCES = tests/torture/test_torture_http.c tests/unit/http-server.c tests/unit/http-server.h $(TORTURE)
tests_torture_test_torture_http_LDFLAGS = $(ALLOCATIONS_LDFLAGS)
if WITH_KAFKA
WAITING_TESTS += tests/torture/test_torture_kafka
endif
tests_torture_test_torture_kafka_SOURCES = tests/torture/test_torture_kafka.c $(TORTURE)
tests_torture_test_torture_kafka_CFLAGS = $(AM_CFLAGS) $(RDKAFKA_CFLAGS)
tests_torture_test_torture_kafka_LDFLAGS = $(ALLOCATIONS_LDFLAGS)
tests_torture_test_torture_kafka_LDADD = $(LDADD) $(RDKAFKA_LIBS)
