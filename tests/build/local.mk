# Checks of what is built: exported names, symbols, includes, headers, an installation.
BUILD_TESTS = \
	tests/build/banned.sh \
	tests/build/core-symbols.sh \
	tests/build/exports.sh \
	tests/build/headers.sh \
	tests/build/includes.sh \
	tests/build/install.sh

TESTS += $(BUILD_TESTS)
EXTRA_DIST += $(BUILD_TESTS) tests/build/lib.sh
AM_TESTS_ENVIRONMENT = CC='$(CC)' CXX='$(CXX)' NM='$(NM)' MAKE='$(MAKE)' CFLAGS='$(CFLAGS)'; export CC CXX NM MAKE CFLAGS;
