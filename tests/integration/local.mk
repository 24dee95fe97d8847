# What runs outside of make check, by ./runtests.
EXTRA_DIST += quickstart runtests tools/need-packages tools/packages.txt tests/tsan.supp tests/tsan-threads.c \
	tests/integration/kafka-cluster tests/integration/pom.xml tests/integration/lib.sh \
	tests/integration/break.sh tests/integration/broker-away.sh tests/integration/drain.sh tests/integration/foreign.sh tests/integration/kill-worker.sh \
	tests/integration/main-job.sh tests/integration/memory.sh tests/integration/outage.sh tests/integration/recover.sh tests/integration/too-large.sh \
	tests/integration/topic-never.sh

# Processes that are killed: hermetic, so part of make check, 60 times; tests/integration/kill-producer --kills 2000.
check_PROGRAMS += tests/integration/kill-producer
tests_integration_kill_producer_SOURCES = tests/integration/kill-producer.c
tests_integration_kill_producer_CFLAGS = $(AM_CFLAGS) -D_GNU_SOURCE
tests_integration_kill_producer_LDADD = libevpipe.la
TESTS += tests/integration/kill-producer

# make tests/integration/stress-journal && tests/integration/stress-journal: a billion events, some minutes.
EXTRA_PROGRAMS += tests/integration/stress-journal
CLEANFILES += tests/integration/stress-journal
tests_integration_stress_journal_SOURCES = tests/integration/stress-journal.c
tests_integration_stress_journal_LDADD = libevpipe-core.la
