/*
 * Writes docs/configuration.md from the table of properties.
 */
#include <stdio.h>
#include <string.h>

#include "properties.h"

static const char intro[] =
	"# Configuration\n"
	"\n"
	"<!-- Generated from libevpipe/properties.c by `make reference`: edit that. -->\n"
	"\n"
	"Properties are set in a file (`evpipe run -c evpipe.ini`), on the command line (`--set batch.linger=1s`) or by a program\n"
	"(`evpipe_config_set(config, \"batch.linger\", \"1s\", &error)`); what is set later counts. `evpipe check -c evpipe.ini` reports\n"
	"every problem at once, with its place.\n"
	"\n"
	"## The file\n"
	"\n"
	"```ini\n"
	"# A section is a prefix: this is batch.linger.\n"
	"[batch]\n"
	"linger = 1s\n"
	"\n"
	"# What differs for one destination.\n"
	"[destination.ACME]\n"
	"sink.url = https://acme.example.net/bulk\n"
	"sink.bearer_token = @/run/secrets/acme-token\n"
	"```\n"
	"\n"
	"- A comment is a line that begins with `#` or `;`. Anywhere else the two are part of the value, which reaches to the end of the line;\n"
	"  there are no quotes.\n"
	"- `@PATH` as a value is what stands in that file, without the end of its last line; at most 64 KiB. `@@x` is the text `@x`. A path that does\n"
	"  not begin with `/` starts at the working directory.\n"
	"- A property that is set twice in one file is an error, as is one that there is not.\n"
	"- Lines have at most 8,192 bytes.\n"
	"\n"
	"## Values\n"
	"\n"
	"| Type | Written as |\n"
	"|---|---|\n"
	"| duration | `200ms`, `5s`, `1m`, `6h`, `7d`; only `0` needs no unit |\n"
	"| durations | ascending, separated by commas: `5s, 1m, 10m` |\n"
	"| size | `64KiB`, `5MiB`, `1GiB` (powers of 1,024), `1MB` (powers of 1,000), `500` (bytes) |\n"
	"| count | a whole number |\n"
	"| yes or no | `yes`, `true`, `on`; `no`, `false`, `off` |\n"
	"| text | as it stands; an empty one is none where there is no default |\n"
	"| secret | a text that no message ever shows |\n"
	"\n"
	"## For one destination\n"
	"\n"
	"Properties marked *by destination* may be set again as `destination.NAME.PROPERTY`. NAME is the destination's name as it is in events, dots\n"
	"and spaces included. What is not set there is as for all.\n"
	"\n";

/* As code, or the word none. */
static const char *default_of(const evpipe__property *property, char *out, size_t size)
{
	snprintf(out, size, property->initial ? "`%s`" : "none", property->initial);
	return out;
}

static const char *scope_of(unsigned flags)
{
	return flags & EVPIPE__PER_DESTINATION ? "by destination" : "";
}

static int in_section(const char *name, const char *section)
{
	size_t len = strlen(section);
	return strncmp(name, section, len) == 0 && (name[len] == '.' || !name[len]);
}

static void print_property(const evpipe__property *property)
{
	char text[256];

	printf("### `%s`\n\n", property->name);
	printf("%s", evpipe__property_takes(property, text, sizeof text));
	printf(" · default: %s", default_of(property, text, sizeof text));
	printf("%s\n\n", property->flags & EVPIPE__PER_DESTINATION ? " · *by destination*" : "");
	printf("%s\n\n", property->text);
	printf("Example: `%s = %s`\n\n", property->name, property->example);
}

static void print_section(const evpipe__section *section)
{
	printf("## %s\n\n%s\n\n", section->name, section->text);
	for (size_t i = 0; i < evpipe__properties_count; i++)
		if (in_section(evpipe__properties[i].name, section->name))
			print_property(&evpipe__properties[i]);
}

static void print_overview(void)
{
	char text[256];

	printf("## All at a glance\n\n| Property | Default | |\n|---|---|---|\n");
	for (size_t i = 0; i < evpipe__properties_count; i++)
		printf("| `%s` | %s | %s |\n", evpipe__properties[i].name, default_of(&evpipe__properties[i], text, sizeof text),
		       scope_of(evpipe__properties[i].flags));
	for (size_t i = 0; i < evpipe__passthroughs_count; i++)
		printf("| `%sNAME` | none | %s |\n", evpipe__passthroughs[i].prefix, scope_of(evpipe__passthroughs[i].flags));
	printf("\n");
}

static void print_passthroughs(void)
{
	printf("## What is passed on\n");
	for (size_t i = 0; i < evpipe__passthroughs_count; i++) {
		const evpipe__passthrough *passthrough = &evpipe__passthroughs[i];
		printf("\n### `%sNAME`\n\n", passthrough->prefix);
		if (passthrough->flags & EVPIPE__PER_DESTINATION)
			printf("*by destination*\n\n");
		printf("%s\n\nExample: `%s`\n", passthrough->text, passthrough->example);
	}
}

int main(void)
{
	fputs(intro, stdout);
	print_overview();
	for (size_t i = 0; i < evpipe__sections_count; i++)
		print_section(&evpipe__sections[i]);
	print_passthroughs();
	return fflush(stdout) || ferror(stdout);
}
