/*
 * A configuration file: each problem is a line that says where; what `evpipe check` shows of the rest means the same
 * when it is set again.
 */
#include "evpipe-build.h"

#include "fuzz.h"

#include <evpipe.h>
#include <sys/mman.h>
#include <unistd.h>

#define SHOWN_MAX 4096

struct shown {
	size_t count;
	char  *names[SHOWN_MAX], *values[SHOWN_MAX];
	int    set[SHOWN_MAX]; /* it is no default */
};

static char *copy_of(const char *text)
{
	char *copy = text ? strdup(text) : NULL;
	MUST(!text || copy);
	return copy;
}

static int collect(void *ctx, const char *name, const char *value, const char *origin)
{
	struct shown *shown = ctx;
	MUST(name && *name);
	if (shown->count == SHOWN_MAX)
		return 1;
	shown->set[shown->count] = origin != NULL;
	shown->names[shown->count] = copy_of(name);
	shown->values[shown->count++] = copy_of(value);
	return 0;
}

static void forget(struct shown *shown)
{
	for (size_t i = 0; i < shown->count; i++) {
		free(shown->names[i]);
		free(shown->values[i]);
	}
	free(shown);
}

static struct shown *show(const evpipe_config *config)
{
	struct shown *shown = calloc(1, sizeof *shown);
	MUST(shown);
	evpipe_config_show(config, collect, shown);
	return shown;
}

static int is_hidden(const char *value)
{
	return value && strcmp(value, "(hidden)") == 0;
}

static int on_problem(void *ctx, const evpipe_error *problem)
{
	(void)ctx;
	MUST(problem->code != EVPIPE_OK && *problem->text);
	fuzz_must_be_a_line(problem->text, sizeof problem->text);
	return 0;
}

static void compare(const struct shown *one, const struct shown *two)
{
	MUST(one->count == two->count);
	for (size_t i = 0; i < one->count; i++) {
		MUST(strcmp(one->names[i], two->names[i]) == 0);
		if (is_hidden(one->values[i]))
			continue;
		MUST(one->values[i] && two->values[i] ? strcmp(one->values[i], two->values[i]) == 0
		                                      : one->values[i] == two->values[i]);
	}
}

/* A copy shows the same; and so does what was set to what it shows. */
static void check_shown(const evpipe_config *config)
{
	struct shown  *shown = show(config), *others;
	evpipe_config *other;
	evpipe_error   error;

	MUST(evpipe_config_copy(&other, config) == EVPIPE_OK);
	others = show(other);
	compare(shown, others);
	forget(others);
	evpipe_config_free(other);

	MUST(evpipe_config_new(&other) == EVPIPE_OK);
	for (size_t i = 0; i < shown->count; i++) {
		const char *value = shown->values[i] ? shown->values[i] : "";
		if (shown->set[i] && evpipe_config_set(other, shown->names[i], value, &error) != EVPIPE_OK) {
			fprintf(stderr, "%s = %s: %s\n", shown->names[i], value, error.text);
			abort();
		}
	}
	others = show(other);
	compare(shown, others);
	forget(others);
	forget(shown);
	evpipe_config_check(other, on_problem, NULL);
	evpipe_config_free(other);
}

/* A value that begins with @ would have us read whatever file it names. */
static void write_without_at(int fd, const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1);
	MUST(copy);
	for (size_t i = 0; i < size; i++)
		copy[i] = data[i] == '@' ? 'A' : (char)data[i];
	MUST(write(fd, copy, size) == (ssize_t)size);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	evpipe_config *config;
	evpipe_error   error = {0};
	char           path[64];

	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	MUST(fd >= 0);
	write_without_at(fd, data, size);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	MUST(evpipe_config_new(&config) == EVPIPE_OK);
	evpipe_err err = evpipe_config_check_file(config, path, on_problem, NULL, &error);
	MUST(err == EVPIPE_OK || err == EVPIPE_ECONFIG);
	if (err)
		fuzz_must_be_a_line(error.text, sizeof error.text);
	evpipe_config_check(config, on_problem, NULL);
	check_shown(config);
	evpipe_config_free(config);
	close(fd);
	return 0;
}
