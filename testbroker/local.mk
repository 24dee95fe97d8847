# The test broker: a library of its own, which uses what libevpipe exports and nothing else.
include_HEADERS += testbroker/evpipe-testbroker.h
noinst_LTLIBRARIES += libevpipe-testbroker-all.la
lib_LTLIBRARIES += libevpipe-testbroker.la

libevpipe_testbroker_all_la_SOURCES = \
	testbroker/balance.c \
	testbroker/broker.c testbroker/broker.h \
	testbroker/clock.c \
	testbroker/consumer.c \
	testbroker/copying.c testbroker/copying.h \
	testbroker/deliveries.c \
	testbroker/faults.c \
	testbroker/groups.c \
	testbroker/inspect.c \
	testbroker/instance.c \
	testbroker/outbox.c \
	testbroker/sink.c \
	testbroker/telling.c \
	testbroker/topics.c \
	testbroker/transport.c

libevpipe_testbroker_la_SOURCES =
libevpipe_testbroker_la_LIBADD = libevpipe-testbroker-all.la libevpipe.la
libevpipe_testbroker_la_LDFLAGS = $(AM_LDFLAGS) -version-info $(EVPIPE_LT_VERSION) -export-symbols-regex '^evpipe_testbroker_[a-z]' -no-undefined
