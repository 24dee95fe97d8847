/*
 * What a build without HTTP receiver or sink says of the commands that need them.
 */
#include "evpipe-build.h"
#include "cli.h"

static int run(const struct command *self, int argc, char **argv)
{
	(void)argc;
	(void)argv;
#ifndef HAVE_RECEIVER
	return fail(EX_UNAVAILABLE,
	            "%s needs the HTTP receiver, and this evpipe was built without it (--without-receiver)",
	            self->name);
#else
	return fail(EX_UNAVAILABLE, "%s needs the HTTP sink, and this evpipe was built without it (--without-http)",
	            self->name);
#endif
}

#ifndef HAVE_RECEIVER
const struct command command_receive = {.name = "receive",
                                        .summary = "(not in this build: it has no HTTP receiver)",
                                        .help = "Not in this build: it has no HTTP receiver (--without-receiver).\n",
                                        .run = run};
#endif

const struct command command_demo = {
	.name = "demo",
	.summary = "(not in this build: it lacks HTTP receiver or sink)",
	.help = "Not in this build: it lacks the HTTP receiver (--without-receiver) or the HTTP sink "
		"(--without-http).\n",
	.run = run};
