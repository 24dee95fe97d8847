# Transports; part of libevpipe.
noinst_LTLIBRARIES += libevpipe-transports.la
libevpipe_all_la_LIBADD += libevpipe-transports.la
libevpipe_transports_la_CFLAGS = $(AM_CFLAGS) $(RDKAFKA_CFLAGS)
libevpipe_transports_la_LIBADD = $(RDKAFKA_LIBS)
libevpipe_transports_la_SOURCES = transports/builtin.c transports/builtin.h
