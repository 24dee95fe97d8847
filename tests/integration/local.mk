# What runs outside of make check, by ./runtests.
EXTRA_DIST += quickstart runtests tools/need-packages tools/packages.txt tests/tsan.supp tests/tsan-threads.c \
	tests/integration/kafka-cluster tests/integration/pom.xml tests/integration/lib.sh \
	tests/integration/break.sh tests/integration/broker-away.sh tests/integration/drain.sh tests/integration/foreign.sh tests/integration/kill-worker.sh \
	tests/integration/main-job.sh tests/integration/memory.sh tests/integration/outage.sh tests/integration/too-large.sh \
	tests/integration/topic-never.sh
