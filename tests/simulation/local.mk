# Whole pipelines from a seed: docs/simulation.md.
check_PROGRAMS += tests/simulation/simulate
tests_simulation_simulate_SOURCES = \
	tests/simulation/account.c \
	tests/simulation/campaign.c \
	tests/simulation/chance.c tests/simulation/chance.h \
	tests/simulation/draw.c \
	tests/simulation/draw-faults.c \
	tests/simulation/draw-load.c \
	tests/simulation/happen.c \
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
	tests/simulation/world.c tests/simulation/world.h
tests_simulation_simulate_LDADD = libevpipe-testbroker-all.la libevpipe-all.la
