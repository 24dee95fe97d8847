# The test broker: a library of its own, which uses what libevpipe exports and nothing else.
include_HEADERS += testbroker/evpipe-testbroker.h
noinst_LTLIBRARIES += libevpipe-testbroker-all.la
lib_LTLIBRARIES += libevpipe-testbroker.la

libevpipe_testbroker_all_la_SOURCES = testbroker/broker.c

libevpipe_testbroker_la_SOURCES =
libevpipe_testbroker_la_LIBADD = libevpipe-testbroker-all.la libevpipe.la
libevpipe_testbroker_la_LDFLAGS = $(AM_LDFLAGS) -version-info $(EVPIPE_LT_VERSION) -export-symbols-regex '^evpipe_testbroker_[a-z]' -no-undefined
