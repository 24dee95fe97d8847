# Fuzz targets: with an engine (configure LIB_FUZZING_ENGINE=-fsanitize=fuzzer) to be run by `make fuzz`, else with a driver that
# goes through the corpora, in `make check`.
FUZZ_TARGETS = \
	tests/fuzz/fuzz_config \
	tests/fuzz/fuzz_emit \
	tests/fuzz/fuzz_headers \
	tests/fuzz/fuzz_journal \
	tests/fuzz/fuzz_script
if WITH_HTTP
FUZZ_TARGETS += \
	tests/fuzz/fuzz_answer \
	tests/fuzz/fuzz_json \
	tests/fuzz/fuzz_retry_after \
	tests/fuzz/fuzz_url
endif

if WITH_FUZZING_ENGINE
FUZZ_MAIN = tests/fuzz/fuzz.h
EXTRA_PROGRAMS += $(FUZZ_TARGETS)
else
FUZZ_MAIN = tests/fuzz/fuzz.h tests/fuzz/replay.c
check_PROGRAMS += $(FUZZ_TARGETS)
TESTS += $(FUZZ_TARGETS)
endif

FUZZ_LDADD = libevpipe-all.la $(JANSSON_LIBS) $(LIB_FUZZING_ENGINE)
tests_fuzz_fuzz_answer_SOURCES = tests/fuzz/fuzz_answer.c $(FUZZ_MAIN)
tests_fuzz_fuzz_answer_LDADD = $(FUZZ_LDADD)
tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz_config.c $(FUZZ_MAIN)
tests_fuzz_fuzz_config_LDADD = $(FUZZ_LDADD)
tests_fuzz_fuzz_emit_SOURCES = tests/fuzz/fuzz_emit.c $(FUZZ_MAIN) cli/cli.h cli/fields.c cli/fields.h cli/lines.c cli/lines.h \
	cli/scan.c cli/scan.h cli/stopping.c cli/terminal.c cli/units.c cli/units.h
tests_fuzz_fuzz_emit_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
tests_fuzz_fuzz_emit_LDADD = $(FUZZ_LDADD)
tests_fuzz_fuzz_headers_SOURCES = tests/fuzz/fuzz_headers.c $(FUZZ_MAIN)
tests_fuzz_fuzz_headers_LDADD = $(FUZZ_LDADD)
tests_fuzz_fuzz_journal_SOURCES = tests/fuzz/fuzz_journal.c tests/unit/memory-storage.c tests/unit/memory-storage.h $(FUZZ_MAIN)
tests_fuzz_fuzz_journal_LDADD = $(FUZZ_LDADD)
tests_fuzz_fuzz_json_SOURCES = tests/fuzz/fuzz_json.c $(FUZZ_MAIN)
tests_fuzz_fuzz_json_LDADD = $(FUZZ_LDADD)
tests_fuzz_fuzz_retry_after_SOURCES = tests/fuzz/fuzz_retry_after.c $(FUZZ_MAIN)
tests_fuzz_fuzz_retry_after_LDADD = $(FUZZ_LDADD)
tests_fuzz_fuzz_script_SOURCES = tests/fuzz/fuzz_script.c $(FUZZ_MAIN)
tests_fuzz_fuzz_script_LDADD = $(FUZZ_LDADD)
tests_fuzz_fuzz_url_SOURCES = tests/fuzz/fuzz_url.c $(FUZZ_MAIN)
tests_fuzz_fuzz_url_LDADD = $(FUZZ_LDADD) $(CURL_LIBS)

# Each target for so many seconds, one after the other, in a build of its own with clang.
SECONDS = 60
.PHONY: fuzz
fuzz:
	bash $(srcdir)/tests/fuzz/fuzz.sh '$(abs_srcdir)' '$(SECONDS)' $(TARGETS)

EXTRA_DIST += tests/fuzz/fuzz.sh tests/fuzz/corpus
