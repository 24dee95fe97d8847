#include "ini.h"

#include <string.h>

#define LENGTH_MAX EVPIPE__INI_LINE_MAX

struct line {
	char        text[LENGTH_MAX + 2]; /* with a CR, and a NUL */
	size_t      number;
	const char *problem; /* NULL: it is whole */
};

static int is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Cuts blanks off both ends. */
static char *trim(char *text)
{
	size_t len = strlen(text);
	while (len && is_blank(text[len - 1]))
		len--;
	text[len] = '\0';
	while (is_blank(*text))
		text++;
	return text;
}

/*
 * The next line, without its end; false at the end of the file. A line that is not whole is read to its end all the
 * same.
 */
static int read_line(FILE *file, struct line *line)
{
	size_t len = 0;
	int    c;

	line->number++;
	line->problem = NULL;
	while ((c = getc(file)) != EOF && c != '\n') {
		if (c == '\0' && !line->problem)
			line->problem = "it has a NUL byte: the file is not a text in UTF-8";
		if (len <= LENGTH_MAX)
			line->text[len] = (char)c;
		len++;
	}
	if (c == EOF && !len)
		return 0;
	if (len && len <= LENGTH_MAX + 1 && line->text[len - 1] == '\r')
		len--;
	if (len > LENGTH_MAX && !line->problem)
		line->problem = "the line is longer than 8192 bytes";
	line->text[len <= LENGTH_MAX ? len : LENGTH_MAX] = '\0';
	return !ferror(file);
}

/* [NAME], which becomes the prefix "NAME.". */
static const char *read_section(char *text, char *prefix)
{
	size_t len = strlen(text);
	*prefix = '\0';
	if (text[len - 1] != ']')
		return "the section is not closed: expected [NAME] and nothing behind it";
	text[len - 1] = '\0';
	const char *name = trim(text + 1);
	if (!*name)
		return "the section has no name: expected [NAME]";
	len = strlen(name);
	memcpy(prefix, name, len);
	memcpy(prefix + len, ".", 2);
	return NULL;
}

static const char *split(char *text, const char **name, const char **value)
{
	char *equals = strchr(text, '=');
	if (!equals)
		return "there is no '=': expected NAME = VALUE, [SECTION], or # and a comment";
	*equals = '\0';
	*name = trim(text);
	*value = trim(equals + 1);
	return **name ? NULL : "there is no name before '='";
}

int evpipe__ini_read(FILE *file, evpipe__ini_property_fn on_property, evpipe__ini_problem_fn on_problem, void *ctx)
{
	static const char mark[] = "\xef\xbb\xbf";
	struct line       line = {.number = 0};
	char              full[2 * LENGTH_MAX + 2] = ""; /* the section's prefix, and behind it the name at hand */
	size_t            prefix_len = 0;
	int               stop = 0;

	while (!stop && read_line(file, &line)) {
		const char *problem = line.problem, *name, *value;
		char       *text = line.text;
		if (line.number == 1 && strncmp(text, mark, sizeof mark - 1) == 0)
			text += sizeof mark - 1;
		text = trim(text);
		if (!problem && (!*text || *text == '#' || *text == ';'))
			continue;
		if (!problem && *text == '[') {
			problem = read_section(text, full);
			prefix_len = strlen(full);
			if (!problem)
				continue;
		}
		if (!problem)
			problem = split(text, &name, &value);
		if (problem) {
			stop = on_problem(ctx, line.number, problem);
			continue;
		}
		memcpy(full + prefix_len, name, strlen(name) + 1);
		stop = on_property(ctx, line.number, full, value);
	}
	return stop;
}
