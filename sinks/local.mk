# Sinks; part of libevpipe.
noinst_LTLIBRARIES += libevpipe-sinks.la
libevpipe_all_la_LIBADD += libevpipe-sinks.la
libevpipe_sinks_la_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS) $(ZLIB_CFLAGS) $(JANSSON_CFLAGS)
libevpipe_sinks_la_LIBADD = $(CURL_LIBS) $(ZLIB_LIBS) $(JANSSON_LIBS)
libevpipe_sinks_la_SOURCES =
