# The core. What it is made into is one library with transports and sinks; libevpipe-all.la has its private names, too, for tests.
include_HEADERS += libevpipe/evpipe.h libevpipe/evpipe-runtime.h libevpipe/evpipe-sink.h libevpipe/evpipe-transport.h

noinst_LTLIBRARIES += libevpipe-core.la libevpipe-all.la
lib_LTLIBRARIES += libevpipe.la

libevpipe_core_la_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) $(INIH_CFLAGS)
libevpipe_core_la_LIBADD = $(JANSSON_LIBS) $(INIH_LIBS)
libevpipe_core_la_SOURCES = \
	libevpipe/buffer.c libevpipe/buffer.h \
	libevpipe/errors.c libevpipe/errors.h \
	libevpipe/memory.c libevpipe/memory.h

libevpipe_all_la_SOURCES =
libevpipe_all_la_LIBADD = libevpipe-core.la

libevpipe_la_SOURCES =
libevpipe_la_LIBADD = libevpipe-all.la
libevpipe_la_LDFLAGS = $(AM_LDFLAGS) -version-info $(EVPIPE_LT_VERSION) -export-symbols-regex '^evpipe_[a-z]' -no-undefined
