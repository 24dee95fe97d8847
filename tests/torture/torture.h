/*
 * torture.h: a scenario again and again, with one allocation of the library's failing, another one each time: the first,
 * the second ..., until a run has no more. After each nothing is left of what the library allocated; that nothing else
 * is wrong the scenario asserts, and a sanitizer.
 */
#ifndef EVPIPE_TEST_TORTURE_H
#define EVPIPE_TEST_TORTURE_H

#include "tests/unit/test.h"

#include <evpipe.h>

#include "allocations.h"

/* The scenario has more than `at_least` allocations; then it was one of the library's, and not all are let through. */
void torture(void (*scenario)(void), unsigned at_least);

/* Has one failed in this run? */
int torture_struck(void);

/* A lack of memory passes by: what it made fail succeeds when it is done again, and tells what it was until then. */
#define TRY(call) \
	do { \
		int        struck_before = torture_struck(); \
		evpipe_err try_err = (call); \
		if (try_err == EVPIPE_ENOMEM && !struck_before && torture_struck()) \
			try_err = (call); \
		if (try_err && torture_error.code == try_err) \
			print_error("%s\n", torture_error.text); \
		assert_int_equal(try_err, EVPIPE_OK); \
	} while (0)

/* Likewise; the call fills torture_error, which says then that memory is short. */
extern evpipe_error torture_error;
#define TRY_TOLD(call) \
	do { \
		torture_error = (evpipe_error){.code = EVPIPE_OK}; \
		TRY(call); \
		torture_assert_told(); \
	} while (0)
void torture_assert_told(void);

/* For the table of tests: tells which allocation failed when a test did. */
int torture_teardown(void **state);
#define TORTURE(name) cmocka_unit_test_teardown(name, torture_teardown)

#endif
