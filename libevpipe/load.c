/*
 * Configuration files.
 */
#include "settings.h"

#include <errno.h>
#include <string.h>

#include "errors.h"
#include "ini.h"

struct loading {
	evpipe_config    *config;
	const char       *path;       /* as it is shown */
	evpipe_problem_fn on_problem; /* NULL: the first problem is the last */
	void             *ctx;
	evpipe_error      last;
	size_t            problems;
};

static void place(const struct loading *loading, size_t line, char *out, size_t size)
{
	snprintf(out, size, "%s:%zu", loading->path, line);
}

static int report(struct loading *loading, size_t line, evpipe_err err, const char *problem)
{
	char origin[256];
	place(loading, line, origin, sizeof origin);
	loading->problems++;
	evpipe__fail(&loading->last, err, "%s: %s", origin, problem);
	return !loading->on_problem || loading->on_problem(loading->ctx, &loading->last);
}

static int on_bad_line(void *ctx, size_t line, const char *problem)
{
	return report(ctx, line, EVPIPE_ECONFIG, problem);
}

static int on_property(void *ctx, size_t line, const char *name, const char *value)
{
	struct loading *loading = ctx;
	evpipe_error    error;
	char            origin[256];

	place(loading, line, origin, sizeof origin);
	evpipe_err err = evpipe__settings_assign(loading->config, name, value, origin, loading->config->files, &error);
	if (!err)
		return 0;
	if (err != EVPIPE_ENOMEM)
		return report(loading, line, err, error.text);
	loading->last = error;
	return 1;
}

static evpipe_err load(evpipe_config *config, const char *path, evpipe_problem_fn fn, void *ctx, evpipe_error *error)
{
	struct loading loading = {.config = config, .on_problem = fn, .ctx = ctx};
	char           shown[200];

	if (!config || !path)
		return evpipe__fail_plain(error, EVPIPE_EINVAL);
	loading.path = evpipe__settings_shown(shown, sizeof shown, path);
	FILE *file = fopen(path, "re");
	if (!file)
		return evpipe__fail(error, EVPIPE_EIO, "%s: %s", shown, evpipe__errno_text(errno));
	config->files++;
	errno = 0;
	evpipe__ini_read(file, on_property, on_bad_line, &loading);
	int unreadable = ferror(file), why = errno;
	fclose(file);
	if (unreadable)
		return evpipe__fail(error, EVPIPE_EIO, "%s: %s", shown, evpipe__errno_text(why));
	if (loading.last.code)
		return evpipe__fail(error, loading.last.code, "%s", loading.last.text);
	return EVPIPE_OK;
}

evpipe_err evpipe_config_load(evpipe_config *config, const char *path, evpipe_error *error)
{
	return load(config, path, NULL, NULL, error);
}

evpipe_err evpipe_config_check_file(evpipe_config *config, const char *path, evpipe_problem_fn on_problem, void *ctx,
                                    evpipe_error *error)
{
	return on_problem ? load(config, path, on_problem, ctx, error) : evpipe__fail_plain(error, EVPIPE_EINVAL);
}
