#include "evpipe-build.h" /* first: it asks for GNU's functions */

#include "errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	evpipe_err_class class;
	const char *text;
} table[EVPIPE_ERR_COUNT] = {
	[EVPIPE_OK] = {"EVPIPE_OK", EVPIPE_CLASS_NONE, "success"},
	[EVPIPE_EINVAL] = {"EVPIPE_EINVAL", EVPIPE_CLASS_CALLER, "invalid argument"},
	[EVPIPE_ECONFIG] = {"EVPIPE_ECONFIG", EVPIPE_CLASS_CALLER, "invalid configuration"},
	[EVPIPE_ENOMEM] = {"EVPIPE_ENOMEM", EVPIPE_CLASS_RETRY, "out of memory"},
	[EVPIPE_EFULL] = {"EVPIPE_EFULL", EVPIPE_CLASS_RETRY, "the journal is full"},
	[EVPIPE_EAGAIN] = {"EVPIPE_EAGAIN", EVPIPE_CLASS_RETRY, "try again later"},
	[EVPIPE_ETOOLARGE] = {"EVPIPE_ETOOLARGE", EVPIPE_CLASS_CALLER, "too large"},
	[EVPIPE_ECLOSED] = {"EVPIPE_ECLOSED", EVPIPE_CLASS_CALLER, "closed"},
	[EVPIPE_EFORKED] = {"EVPIPE_EFORKED", EVPIPE_CLASS_CALLER, "the handle belongs to the parent process"},
	[EVPIPE_ETIMEOUT] = {"EVPIPE_ETIMEOUT", EVPIPE_CLASS_RETRY, "timed out"},
	[EVPIPE_ENOTSUP] = {"EVPIPE_ENOTSUP", EVPIPE_CLASS_CALLER, "not supported"},
	[EVPIPE_EUNAVAILABLE] = {"EVPIPE_EUNAVAILABLE", EVPIPE_CLASS_RETRY, "cannot be reached"},
	[EVPIPE_ETOPIC] = {"EVPIPE_ETOPIC", EVPIPE_CLASS_FATAL, "no such topic, or not usable"},
	[EVPIPE_EDENIED] = {"EVPIPE_EDENIED", EVPIPE_CLASS_FATAL, "access denied"},
	[EVPIPE_EMAYBE] = {"EVPIPE_EMAYBE", EVPIPE_CLASS_MAYBE, "possibly stored"},
	[EVPIPE_ESTALE] = {"EVPIPE_ESTALE", EVPIPE_CLASS_CALLER, "the assignment has ended"},
	[EVPIPE_EFORMAT] = {"EVPIPE_EFORMAT", EVPIPE_CLASS_CALLER, "malformed"},
	[EVPIPE_EIO] = {"EVPIPE_EIO", EVPIPE_CLASS_FATAL, "input or output failed"},
	[EVPIPE_EINTERNAL] = {"EVPIPE_EINTERNAL", EVPIPE_CLASS_FATAL, "internal error"},
};

static int known(evpipe_err err)
{
	return (unsigned)err < EVPIPE_ERR_COUNT;
}

const char *evpipe_version(void)
{
	return PACKAGE_VERSION;
}

const char *evpipe_strerror(evpipe_err err)
{
	return known(err) ? table[err].text : "unknown error";
}

const char *evpipe_err_name(evpipe_err err)
{
	return known(err) ? table[err].name : "EVPIPE_E?";
}

evpipe_err_class evpipe_err_class_of(evpipe_err err)
{
	return known(err) ? table[err].class : EVPIPE_CLASS_FATAL;
}

const char *evpipe_reason_name(evpipe_reason reason)
{
	static const char *const names[EVPIPE_REASON_COUNT] = {
		[EVPIPE_REASON_REJECTED] = "rejected",	 [EVPIPE_REASON_EXHAUSTED] = "exhausted",
		[EVPIPE_REASON_EXPIRED] = "expired",	 [EVPIPE_REASON_TOO_LARGE] = "too_large",
		[EVPIPE_REASON_FORMAT] = "format",	 [EVPIPE_REASON_FOREIGN] = "foreign",
		[EVPIPE_REASON_TOMBSTONE] = "tombstone",
	};
	return (unsigned)reason < EVPIPE_REASON_COUNT ? names[reason] : "unknown";
}

evpipe_err evpipe__fail(evpipe_error *error, evpipe_err code, const char *format, ...)
{
	if (error) {
		va_list args;
		va_start(args, format);
		vsnprintf(error->text, sizeof error->text, format, args);
		va_end(args);
		error->code = code;
	}
	return code;
}

evpipe_err evpipe__fail_plain(evpipe_error *error, evpipe_err code)
{
	return evpipe__fail(error, code, "%s", evpipe_strerror(code));
}

const char *evpipe__errno_text(int number)
{
	const char *text = strerrordesc_np(number);
	return text ? text : "unknown error";
}
