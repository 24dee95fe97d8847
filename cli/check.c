/*
 * evpipe check: every problem of a configuration at once.
 */
#include <stdlib.h>
#include <string.h>

#include "options.h"

static const char help[] =
	"Look for problems of a configuration, all of them at once, with file and line.\n\n"
	"  evpipe check -c evpipe.ini\n"
	"  evpipe check -c evpipe.ini --set batch.linger=1s --show\n"
	"  evpipe check -c /etc/evpipe.ini && systemctl restart evpipe\n\n"
	"Usage: evpipe check [OPTIONS]\n\n"
	"Nothing is opened or connected to. Exit code 78 if there is a problem.\n\n"
	"  --show    print all properties, what is a default in comments; secrets are hidden\n";

static int on_problem(void *ctx, const evpipe_error *problem)
{
	unsigned *problems = ctx;
	++*problems;
	complain("%s", problem->text);
	return 0;
}

/* Files and settings, in the order given. */
static void read_all(const struct common *common, evpipe_config *config, unsigned *problems)
{
	for (size_t i = 0; i < common->settings_count; i++) {
		const struct common_setting *given = &common->settings[i];
		evpipe_error                 error;
		/* The problems of a file are told one by one, but that it cannot be read is not. */
		evpipe_err err = given->file
		                         ? evpipe_config_check_file(config, given->file, on_problem, problems, &error)
		                         : evpipe_config_set(config, given->name, given->value, &error);
		if (err && (!given->file || err != EVPIPE_ECONFIG))
			on_problem(problems, &error);
	}
}

static const char *text_of(const evpipe_config *config, const char *name)
{
	const char *text = evpipe_config_text(config, NULL, name);
	return text && *text ? text : "(not set)";
}

static void summarise(const evpipe_config *config)
{
	tell("evpipe: the configuration is right");
	tell("  broker        %s", text_of(config, "transport.url"));
	tell("  topic         %s", text_of(config, "topic.name"));
	tell("  endpoint      %s", text_of(config, "sink.url"));
	tell("  retried after %s", text_of(config, "retry.delays"));
}

/* A file again, with what is a default, or hidden, in comments. */
static int print_setting(void *ctx, const char *name, const char *value, const char *origin)
{
	(void)ctx;
	if (origin && *origin)
		printf("# %s\n", origin);
	printf("%s%s = %s\n", origin && value && strcmp(value, "(hidden)") != 0 ? "" : "#", name, value ? value : "");
	return 0;
}

static int check(const struct common *common, evpipe_config *config, int show)
{
	unsigned problems = 0;

	read_all(common, config, &problems);
	/*
	 * What holds between properties is looked at even if some are wrong, but then much of it would be their
	 * consequence.
	 */
	if (!problems)
		evpipe_config_check(config, on_problem, &problems);
	if (show)
		evpipe_config_show(config, print_setting, NULL);
	if (problems)
		return fail(EX_CONFIG, "%u problem%s; docs/configuration.md has all properties", problems,
		            problems == 1 ? "" : "s");
	summarise(config);
	return EX_OK;
}

static int run(const struct command *self, int argc, char **argv)
{
	struct common  common;
	evpipe_config *config = NULL;
	int            show = 0;

	const struct option_spec options[] = {{"show", OPTION_FLAG, &show, NULL}};
	int code = options_parse(&common, self, options, sizeof options / sizeof *options, argc, argv, NULL);
	if (code >= 0)
		return code;
	if (!common.settings_count)
		code = fail(EX_USAGE, "say what to check: -c FILE, --set NAME=VALUE, or both");
	else if (evpipe_config_new(&config) != EVPIPE_OK)
		code = fail(EX_SOFTWARE, "out of memory");
	else
		code = check(&common, config, show);
	evpipe_config_free(config);
	common_release(&common);
	return code;
}

const struct command command_check = {
	.name = "check", .summary = "find every problem of a configuration at once", .help = help, .run = run};
