#include "options.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "evpipe-build.h"
#include "units.h"

void help_print(const struct command *command)
{
	fputs(command->help, stdout);
	fputs("\nOptions of all commands:\n", stdout);
	if (!command->is_unconfigured)
		fputs("  -c, --config FILE     read a configuration file (repeatable)\n"
		      "      --set NAME=VALUE  set one property; see docs/configuration.md (repeatable)\n",
		      stdout);
	fputs("      --log-level LEVEL error, warn, info or debug\n"
	      "  -h, --help            this text\n"
	      "  -V, --version         the version\n",
	      stdout);
}

void version_print(void)
{
	printf("evpipe %s (library %s;"
#ifdef HAVE_KAFKA
	       " kafka"
#endif
#ifdef HAVE_HTTP
	       " http"
#endif
#ifdef HAVE_RECEIVER
	       " receiver"
#endif
	       ")\n",
	       PACKAGE_VERSION, evpipe_version());
}

void common_release(struct common *common)
{
	free(common->settings);
	common->settings = NULL;
}

/* ---- reading ---- */

static const char *set_value(const struct option_spec *spec, const char *value)
{
	static const struct {
		int64_t (*read)(const char *text);
		const char *what;
	} kinds[] = {
		[OPTION_NUMBER] = {units_number, "a whole number"},
		[OPTION_DURATION] = {units_duration, "a duration such as 500ms, 5s, 1m, 6h or 3d"},
		[OPTION_BYTES] = {units_bytes, "a size such as 512, 64KiB or 1MiB"},
		[OPTION_RATE] = {units_rate, "a part from 0 to 1, such as 0.1 or 10%"},
	};
	switch (spec->kind) {
	case OPTION_FLAG:
		*(int *)spec->to = 1;
		return NULL;
	case OPTION_TEXT:
		*(const char **)spec->to = value;
		return NULL;
	case OPTION_CALL:
		return spec->call(spec->to, value);
	default: {
		int64_t number = kinds[spec->kind].read(value);
		if (number < 0)
			return kinds[spec->kind].what;
		*(int64_t *)spec->to = number;
		return NULL;
	}
	}
}

static int usage(const struct command *command)
{
	return fail(EX_USAGE, "see `evpipe help %s'", command->name);
}

enum { COMMON_SET = OPTIONS_MAX, COMMON_LOG_LEVEL };

static void add_option(struct option *options, size_t at, const char *name, int has_arg, int value)
{
	options[at] = (struct option){.name = name, .has_arg = has_arg, .flag = NULL, .val = value};
}

static void make_long_options(struct option *options, const struct command *command, const struct option_spec *specs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		add_option(options, i, specs[i].name, specs[i].kind == OPTION_FLAG ? no_argument : required_argument,
		           256 + (int)i);
	if (!command->is_unconfigured) {
		add_option(options, count++, "config", required_argument, 'c');
		add_option(options, count++, "set", required_argument, 256 + COMMON_SET);
	}
	add_option(options, count++, "log-level", required_argument, 256 + COMMON_LOG_LEVEL);
	add_option(options, count++, "help", no_argument, 'h');
	add_option(options, count++, "version", no_argument, 'V');
	options[count] = (struct option){0};
}

/* -1: taken; else the exit code. Divides the argument in place. */
static int take_setting(struct common *common, char *setting)
{
	char *equals = strchr(setting, '=');
	if (!equals || equals == setting)
		return fail(EX_USAGE, "--set %s: write NAME=VALUE, such as batch.linger=200ms", setting);
	*equals = '\0';
	common->settings[common->settings_count++] = (struct common_setting){.name = setting, .value = equals + 1};
	return -1;
}

/* -1: taken; else the exit code. */
static int take_common(struct common *common, const struct command *command, int option)
{
	switch (option) {
	case 'c':
		common->settings[common->settings_count++] = (struct common_setting){.file = optarg};
		return -1;
	case 256 + COMMON_SET:
		return take_setting(common, optarg);
	case 256 + COMMON_LOG_LEVEL:
		if (log_set_level(optarg) == 0)
			return -1;
		return fail(EX_USAGE, "--log-level %s: it is error, warn, info or debug", optarg);
	case 'h':
		help_print(command);
		return EX_OK;
	case 'V':
		version_print();
		return EX_OK;
	default:
		return usage(command); /* getopt has complained */
	}
}

/* -n is --dry-run, where there is one. Returns `option` or what getopt gives for the long one. */
static int long_form(int option, const struct option *options)
{
	for (size_t i = 0; option == 'n' && options[i].name; i++)
		if (strcmp(options[i].name, "dry-run") == 0)
			return options[i].val;
	return option;
}

/* -1: all taken; else the exit code. */
static int take_options(struct common *common, const struct command *command, const struct option_spec *specs,
                        const struct option *options, int argc, char **argv)
{
	const char *letters = command->is_unconfigured ? "hnV" : "c:hnV";
	int         option, code;

	optind = 1;
	while ((option = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		option = long_form(option, options);
		if (option < 256 || option >= 256 + OPTIONS_MAX) {
			code = take_common(common, command, option);
			if (code >= 0)
				return code;
			continue;
		}
		const struct option_spec *spec = &specs[option - 256];
		const char               *should_be = set_value(spec, optarg);
		if (should_be)
			return fail(EX_USAGE, "--%s %s: it should be %s", spec->name, optarg, should_be);
	}
	return -1;
}

static int take_operand(const struct command *command, int argc, char **argv, const char **file)
{
	int left = argc - optind;
	if (left > (file ? 1 : 0))
		return fail(EX_USAGE, "%s: %s takes %s; see `evpipe help %s'", argv[argc - 1], command->name,
		            command->operand ? command->operand : "options alone", command->name);
	if (file)
		*file = left && strcmp(argv[optind], "-") != 0 ? argv[optind] : NULL;
	return -1;
}

int options_parse(struct common *common, const struct command *command, const struct option_spec *specs,
                  size_t specs_count, int argc, char **argv, const char **file)
{
	struct option options[OPTIONS_MAX + 8];
	char          name[] = "evpipe"; /* what getopt's complaints begin with */

	*common = (struct common){.settings = calloc((size_t)argc + 1, sizeof *common->settings)};
	if (!common->settings)
		return fail(EX_SOFTWARE, "out of memory");
	make_long_options(options, command, specs, specs_count);
	argv[0] = name;
	int code = take_options(common, command, specs, options, argc, argv);
	if (code < 0)
		code = take_operand(command, argc, argv, file);
	if (code >= 0)
		common_release(common);
	return code;
}

/* ---- configuration ---- */

int common_load(const struct common *common, evpipe_config *config)
{
	evpipe_config_on_log(config, log_write, NULL);
	for (size_t i = 0; i < common->settings_count; i++) {
		const struct common_setting *given = &common->settings[i];
		evpipe_error                 error;

		evpipe_err err = given->file ? evpipe_config_load(config, given->file, &error)
		                             : evpipe_config_set(config, given->name, given->value, &error);
		if (err)
			return fail(err == EVPIPE_ENOMEM ? EX_SOFTWARE : EX_CONFIG, "%s", error.text);
	}
	return 0;
}
