# The core. What it is made into is one library with transports and sinks; libevpipe-all.la has its private names, too, for tests.
include_HEADERS += libevpipe/evpipe.h libevpipe/evpipe-runtime.h libevpipe/evpipe-sink.h libevpipe/evpipe-transport.h

noinst_LTLIBRARIES += libevpipe-core.la libevpipe-all.la
lib_LTLIBRARIES += libevpipe.la

CORE_SOURCES = \
	libevpipe/area.c libevpipe/area.h \
	libevpipe/assign.c \
	libevpipe/batch.c libevpipe/batch.h \
	libevpipe/breaker.c libevpipe/breaker.h \
	libevpipe/bug.h \
	libevpipe/buffer.c libevpipe/buffer.h \
	libevpipe/check.c \
	libevpipe/config.c \
	libevpipe/destinations.c \
	libevpipe/emit.c \
	libevpipe/envelope.c libevpipe/envelope.h \
	libevpipe/errors.c libevpipe/errors.h \
	libevpipe/event.c libevpipe/event.h \
	libevpipe/foreign.c libevpipe/foreign.h \
	libevpipe/frontier.c \
	libevpipe/forms.c libevpipe/forms.h \
	libevpipe/hoards.c \
	libevpipe/home.c libevpipe/home.h \
	libevpipe/ini.c libevpipe/ini.h \
	libevpipe/inspect.c \
	libevpipe/intake.c \
	libevpipe/json.c libevpipe/json.h \
	libevpipe/journal.c libevpipe/journal.h \
	libevpipe/lanes.c \
	libevpipe/lanes-number.c \
	libevpipe/load.c \
	libevpipe/log.c libevpipe/log.h \
	libevpipe/memory.c libevpipe/memory.h \
	libevpipe/outgoing.c libevpipe/outgoing.h \
	libevpipe/pipeline.c libevpipe/pipeline.h \
	libevpipe/partitioner.c \
	libevpipe/partitions.c \
	libevpipe/pieces.c libevpipe/pieces.h \
	libevpipe/platform.c libevpipe/platform-storage.c libevpipe/platform.h \
	libevpipe/posting.c \
	libevpipe/producer.c libevpipe/producer.h \
	libevpipe/properties.c libevpipe/properties.h \
	libevpipe/pump.c libevpipe/pump.h \
	libevpipe/record.h \
	libevpipe/recovery.c libevpipe/recovery.h \
	libevpipe/rejects.c libevpipe/rejects.h \
	libevpipe/router.c \
	libevpipe/settings.c libevpipe/settings.h \
	libevpipe/show.c \
	libevpipe/sink.c libevpipe/sink.h \
	libevpipe/spool.c libevpipe/spool.h \
	libevpipe/storage.h \
	libevpipe/suggest.c libevpipe/suggest.h \
	libevpipe/text.c libevpipe/text.h \
	libevpipe/tiers.c libevpipe/tiers.h \
	libevpipe/timers.c libevpipe/timers.h \
	libevpipe/timestamp.c libevpipe/timestamp.h \
	libevpipe/topics.c \
	libevpipe/values.c libevpipe/values.h \
	libevpipe/verdicts.c \
	libevpipe/worker.c
libevpipe_core_la_SOURCES = $(CORE_SOURCES)

libevpipe_all_la_SOURCES =
libevpipe_all_la_LIBADD = libevpipe-core.la

libevpipe_la_SOURCES =
libevpipe_la_LIBADD = libevpipe-all.la
libevpipe_la_LDFLAGS = $(AM_LDFLAGS) -version-info $(EVPIPE_LT_VERSION) -export-symbols-regex '^evpipe_[a-z]' -no-undefined
