# Whole pipelines from a seed: docs/simulation.md. The core is a copy of the simulator's own, with deliberate bugs to choose from.
check_LTLIBRARIES += tests/simulation/libsimulated.la
tests_simulation_libsimulated_la_SOURCES = $(CORE_SOURCES)
# Small segments, so that there are many.
tests_simulation_libsimulated_la_CPPFLAGS = $(AM_CPPFLAGS) -DEVPIPE_SIMULATION -DEVPIPE__SEGMENT_MIN=16384
tests_simulation_libsimulated_la_CFLAGS = $(AM_CFLAGS)

check_PROGRAMS += tests/simulation/simulate
tests_simulation_simulate_SOURCES = \
	tests/simulation/account.c \
	tests/simulation/bugs.c \
	tests/simulation/campaign.c \
	tests/simulation/chance.c tests/simulation/chance.h \
	tests/simulation/disk.c \
	tests/simulation/draw.c \
	tests/simulation/draw-faults.c \
	tests/simulation/draw-journals.c \
	tests/simulation/draw-load.c \
	tests/simulation/happen.c \
	tests/simulation/keeping.c \
	tests/simulation/ledger.c \
	tests/simulation/machine.c \
	tests/simulation/main.c \
	tests/simulation/plan.h \
	tests/simulation/promises.c \
	tests/simulation/shrink.c \
	tests/simulation/simulate.h \
	tests/simulation/store.c \
	tests/simulation/trace.c tests/simulation/trace.h \
	tests/simulation/wire.c \
	tests/simulation/world.c tests/simulation/world.h \
	tests/unit/memory-storage.c tests/unit/memory-storage.h
tests_simulation_simulate_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests -DEVPIPE_SIMULATION
tests_simulation_simulate_LDADD = libevpipe-testbroker-all.la tests/simulation/libsimulated.la libevpipe-transports.la libevpipe-sinks.la

TESTS += tests/simulation/check.sh
EXTRA_DIST += tests/simulation/check.sh

# make simulate SEEDS=100000 [FIRST=1]
SEEDS = 1000
FIRST = 1
.PHONY: simulate
simulate: tests/simulation/simulate$(EXEEXT)
	./tests/simulation/simulate --seeds $(FIRST)-$$(($(FIRST) + $(SEEDS) - 1)) --jobs $$(nproc)
