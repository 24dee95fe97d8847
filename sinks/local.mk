# Sinks; part of libevpipe.
noinst_LTLIBRARIES += libevpipe-sinks.la
libevpipe_all_la_LIBADD += libevpipe-sinks.la
libevpipe_sinks_la_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS) $(ZLIB_CFLAGS)
libevpipe_sinks_la_LIBADD = $(CURL_LIBS) $(ZLIB_LIBS)
libevpipe_sinks_la_SOURCES =
if WITH_HTTP
libevpipe_sinks_la_SOURCES += \
	sinks/formats/cloudevents.c \
	sinks/formats/formats.c sinks/formats/formats.h \
	sinks/formats/json-array.c \
	sinks/formats/ndjson.c \
	sinks/gzip.c sinks/gzip.h \
	sinks/http.c sinks/http.h \
	sinks/http-answer.c sinks/http-answer.h \
	sinks/http-destination.c sinks/http-destination.h \
	sinks/http-loop.c \
	sinks/http-post.c \
	sinks/http-url.c sinks/http-url.h \
	sinks/template.c sinks/template.h
endif
