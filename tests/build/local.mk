# Checks of what is built: exported names, symbols, includes, headers, an installation.
BUILD_TESTS = \
	tests/build/banned.sh \
	tests/build/core-symbols.sh \
	tests/build/exports.sh \
	tests/build/headers.sh \
	tests/build/includes.sh

TESTS += $(BUILD_TESTS)
EXTRA_DIST += $(BUILD_TESTS) tests/build/install.sh tests/build/lib.sh

# Not with the others: libtool links the libraries anew to install them, and what runs meanwhile finds none.
.PHONY: check-install
check-install: all
	$(AM_TESTS_ENVIRONMENT) srcdir='$(srcdir)' bash $(srcdir)/tests/build/install.sh
AM_TESTS_ENVIRONMENT = CC='$(CC)' CXX='$(CXX)' NM='$(NM)' MAKE='$(MAKE)' CFLAGS='$(CFLAGS)'; export CC CXX NM MAKE CFLAGS;
