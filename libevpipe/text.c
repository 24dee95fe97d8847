#include "text.h"

#include <string.h>

/* Each range of first bytes, with what the second must be (Unicode, table 3-7); third and fourth are 80 to BF. */
static const struct {
	unsigned char first_min, first_max, second_min, second_max, length;
} sequences[] = {
	{0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
	{0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
	{0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
};

size_t evpipe__utf8_length(const void *bytes, size_t len)
{
	const unsigned char *at = bytes;

	if (at[0] < 0x80)
		return 1;
	for (size_t i = 0; i < sizeof sequences / sizeof *sequences; i++) {
		if (at[0] < sequences[i].first_min || at[0] > sequences[i].first_max)
			continue;
		if (len < sequences[i].length || at[1] < sequences[i].second_min || at[1] > sequences[i].second_max)
			return 0;
		for (size_t j = 2; j < sequences[i].length; j++)
			if (at[j] < 0x80 || at[j] > 0xbf)
				return 0;
		return sequences[i].length;
	}
	return 0;
}

static int is_control(const unsigned char *at, size_t length)
{
	/* C0 and DEL, and C1, which some terminals obey. */
	return (length == 1 && (at[0] < ' ' || at[0] == 0x7f)) || (length == 2 && at[0] == 0xc2 && at[1] < 0xa0);
}

static int is_line_end(unsigned char c)
{
	return c == '\n' || c == '\r';
}

char *evpipe__text_line(char *out, size_t size, const void *bytes, size_t len)
{
	const unsigned char *at = bytes, *end = at + len;
	size_t               used = 0;

	while (at < end && (*at <= ' ' || *at == 0x7f))
		at++;
	while (at < end && !is_line_end(*at)) {
		size_t length = evpipe__utf8_length(at, (size_t)(end - at));
		size_t put = length && !is_control(at, length) ? length : 1;
		if (used + put >= size)
			break;
		if (!length)
			out[used] = '?';
		else if (is_control(at, length))
			out[used] = ' ';
		else
			memcpy(out + used, at, length);
		used += put;
		at += length ? length : 1;
	}
	while (used && out[used - 1] == ' ')
		used--;
	out[used] = '\0';
	return out;
}
