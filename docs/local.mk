# The reference of the configuration is generated, committed, and checked.
noinst_PROGRAMS += docs/generate-configuration
docs_generate_configuration_SOURCES = docs/generate-configuration.c
docs_generate_configuration_LDADD = libevpipe-core.la

TESTS += docs/test_reference.sh
EXTRA_DIST += docs/test_reference.sh docs/configuration.md

.PHONY: reference
reference: docs/generate-configuration$(EXEEXT)
	./docs/generate-configuration$(EXEEXT) >$(srcdir)/docs/configuration.md.new
	mv $(srcdir)/docs/configuration.md.new $(srcdir)/docs/configuration.md

# Written by hand.
EXTRA_DIST += docs/endpoint.md docs/emit.svg docs/faults.md docs/journal.md docs/operations.md docs/simulation.md
