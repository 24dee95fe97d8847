# The command: it uses what the public headers offer, and nothing else of the library.
bin_PROGRAMS += evpipe

evpipe_SOURCES = \
	cli/check.c \
	cli/cli.h \
	cli/emit.c \
	cli/feed.c cli/feed.h \
	cli/fields.c cli/fields.h \
	cli/lines.c cli/lines.h \
	cli/logging.c \
	cli/main.c \
	cli/options.c cli/options.h \
	cli/recover.c \
	cli/run.c \
	cli/runner.c cli/runner.h \
	cli/stopping.c \
	cli/terminal.c \
	cli/units.c cli/units.h

RECEIVE_SOURCES = \
	cli/body.c cli/body.h \
	cli/faults.c cli/faults.h \
	cli/receive.c \
	cli/receiver.c cli/receiver.h \
	cli/recent.c cli/recent.h \
	cli/requests.c cli/requests.h \
	cli/scan.c cli/scan.h \
	cli/tally.c cli/tally.h

DEMO_SOURCES = \
	cli/account.c cli/account.h \
	cli/deadletters.c cli/deadletters.h \
	cli/demo-example.c \
	cli/demo-report.c \
	cli/demo-run.c \
	cli/demo.c cli/demo.h \
	$(CHATBOT_SOURCES)

if WITH_RECEIVER
evpipe_SOURCES += $(RECEIVE_SOURCES)
if WITH_HTTP
evpipe_SOURCES += $(DEMO_SOURCES)
else
evpipe_SOURCES += cli/lacking.c
endif
else
evpipe_SOURCES += cli/lacking.c
endif

evpipe_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
evpipe_CFLAGS = $(AM_CFLAGS) $(PIE_CFLAGS) $(JANSSON_CFLAGS) $(MICROHTTPD_CFLAGS) $(ZLIB_CFLAGS)
evpipe_LDFLAGS = $(AM_LDFLAGS) $(PIE_LDFLAGS)
# The allocator stands for the whole process: librdkafka makes and frees some ten pieces of memory for each record, in different threads.
evpipe_LDADD = libevpipe-testbroker.la libevpipe.la $(JANSSON_LIBS) $(MICROHTTPD_LIBS) $(ZLIB_LIBS) $(ALLOCATOR_LIBS)

# Tests of the command as its users see it.
CLI_TESTS = \
	tests/cli/broker-away.sh \
	tests/cli/configuration.sh \
	tests/cli/demo-example.sh \
	tests/cli/demo-input.sh \
	tests/cli/input.sh \
	tests/cli/receive.sh \
	tests/cli/recover.sh \
	tests/cli/usage.sh
TESTS += $(CLI_TESTS)
EXTRA_DIST += $(CLI_TESTS) tests/cli/lib.sh
