/*
 * fuzz.h: what each fuzz target has, and a way to say what must hold.
 *
 * A target is one function of one input, which libFuzzer calls where configure was given a LIB_FUZZING_ENGINE, and
 * replay.c for each file of the target's corpus where it was not.
 */
#ifndef EVPIPE_FUZZ_H
#define EVPIPE_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a defect would break. Not assert: it holds in every build. */
#define MUST(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

/* ---- inputs that are lines, so that people can read and write them ---- */

struct fuzz_input {
	const char *at, *end;
};

static inline struct fuzz_input fuzz_input_of(const uint8_t *data, size_t size)
{
	return (struct fuzz_input){(const char *)data, (const char *)data + size};
}

/* The next line as a text of its own, to be freed, and its length, NULs counted; NULL: there is none. */
static inline char *fuzz_line(struct fuzz_input *input, size_t *len)
{
	if (input->at >= input->end)
		return NULL;
	const char *newline = memchr(input->at, '\n', (size_t)(input->end - input->at));
	*len = (size_t)((newline ? newline : input->end) - input->at);
	char *line = malloc(*len + 1);
	MUST(line);
	memcpy(line, input->at, *len);
	line[*len] = '\0';
	input->at = newline ? newline + 1 : input->end;
	return line;
}

/* All that is left, as a text of its own; an empty one if nothing is. */
static inline char *fuzz_rest(struct fuzz_input *input, size_t *len)
{
	*len = (size_t)(input->end - input->at);
	char *text = malloc(*len + 1);
	MUST(text);
	if (*len)
		memcpy(text, input->at, *len);
	text[*len] = '\0';
	input->at = input->end;
	return text;
}

/* One line for people: it ends, and nothing in it moves a cursor. */
static inline void fuzz_must_be_a_line(const char *text, size_t room)
{
	size_t len = strnlen(text, room);
	MUST(len < room);
	for (size_t i = 0; i < len; i++)
		MUST((unsigned char)text[i] >= ' ' && text[i] != 0x7f);
}

#endif
