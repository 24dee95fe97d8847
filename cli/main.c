#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "evpipe-build.h"
#include "options.h"

static const struct command *const commands[] = {&command_run, &command_emit, &command_receive, &command_demo,
                                                 &command_check, &command_recover};

#define COMMANDS_COUNT (sizeof commands / sizeof *commands)

static const char intro[] =
	"evpipe carries events from applications through a broker to each destination's data store.\n\n"
	"  evpipe demo                               all of it in one process, with faults\n"
	"  zcat events.ndjson.gz | evpipe demo --destination-field org --key-field session --id-field id -\n"
	"  evpipe check -c evpipe.ini                is the configuration right?\n"
	"  evpipe run -c evpipe.ini                  deliver what is on the broker\n"
	"  evpipe emit -c evpipe.ini --destination-field org events.ndjson\n\n"
	"Commands:\n";

static const char outro[] =
	"\nExit codes: 0; 64 usage, 65 bad data, 69 unavailable, 70 internal, 74 input or output, 75 stopped\n"
	"with undelivered events, 78 configuration.\n";

static void print_help(void)
{
	fputs(intro, stdout);
	for (size_t i = 0; i < COMMANDS_COUNT; i++)
		printf("  %-8s %s\n", commands[i]->name, commands[i]->summary);
	printf("  %-8s %s\n", "help", "this text, or, as `evpipe help COMMAND', that of a command");
	fputs(outro, stdout);
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMANDS_COUNT; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static int unknown(const char *name)
{
	return fail(EX_USAGE, "%s: no such command; see `evpipe help'", name);
}

static int help(int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], "help") == 0) {
		print_help();
		return EX_OK;
	}
	const struct command *command = find_command(argv[1]);
	if (!command)
		return unknown(argv[1]);
	help_print(command);
	return EX_OK;
}

static int is_one_of(const char *word, const char *letter, const char *name)
{
	return strcmp(word, letter) == 0 || strcmp(word, name) == 0;
}

/* What was written to standard output has to arrive there. */
static int finish(int code)
{
	errno = 0;
	if (fflush(stdout) != 0 || ferror(stdout))
		return fail(EX_IOERR, "standard output cannot be written to%s%s", errno ? ": " : "", errno ? strerror(errno) : "");
	return code;
}

/*
 * A standard descriptor that is closed would become that of the next file opened, a journal's for instance, which would then
 * be read as input, or be written to by complaints. What stands in for it refuses both.
 */
static void occupy_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			return;
}

int main(int argc, char **argv)
{
	occupy_descriptors();
	if (argc < 2) {
		complain("say what to do: evpipe COMMAND [OPTIONS]; see `evpipe help'");
		return EX_USAGE;
	}
	const char *word = argv[1];
	if (is_one_of(word, "-h", "--help") || strcmp(word, "help") == 0)
		return finish(help(argc - 1, argv + 1));
	if (is_one_of(word, "-V", "--version") || strcmp(word, "version") == 0) {
		version_print();
		return finish(EX_OK);
	}
	const struct command *command = find_command(word);
	return command ? finish(command->run(command, argc - 1, argv + 1)) : unknown(word);
}
