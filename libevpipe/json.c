#include "json.h"

#include <string.h>

#include "text.h"

struct scanner {
	const unsigned char *start, *at, *end;
	const char          *member;
	size_t               member_len;
	evpipe__json        *json;
	unsigned             depth;
	uint64_t             objects[EVPIPE__JSON_DEPTH_MAX / 64]; /* a bit a level: it is an object, not an array */
};

static int fail(struct scanner *scanner, const char *problem)
{
	scanner->json->problem = problem;
	scanner->json->at = (size_t)(scanner->at - scanner->start);
	return 0;
}

/* ---- tokens; each begins at the token and ends behind it ---- */

static int is_blank(unsigned char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static void skip_blanks(struct scanner *scanner)
{
	while (scanner->at < scanner->end && is_blank(*scanner->at))
		scanner->at++;
}

static int next_is(const struct scanner *scanner, unsigned char c)
{
	return scanner->at < scanner->end && *scanner->at == c;
}

#define EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (c))

/* Not 0 if one of eight bytes ends a plain run: a quote, a backslash, a control character, a byte beyond ASCII. */
static uint64_t has_special(uint64_t word)
{
	uint64_t quote = word ^ EACH_BYTE('"'), backslash = word ^ EACH_BYTE('\\');
	uint64_t found = (word - EACH_BYTE(0x20)) | (quote - EACH_BYTE(1)) | (backslash - EACH_BYTE(1)) | word;
	return found & EACH_BYTE(0x80);
}

static const unsigned char *skip_plain(const unsigned char *at, const unsigned char *end)
{
	uint64_t word;
	while (end - at >= (ptrdiff_t)sizeof word) {
		memcpy(&word, at, sizeof word);
		/* Where a borrow makes it see too much, the loop below goes on. */
		if (has_special(word))
			break;
		at += sizeof word;
	}
	while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\')
		at++;
	return at;
}

static int is_hex(unsigned char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static int scan_escape(struct scanner *scanner)
{
	static const char simple[] = "\"\\/bfnrt";
	size_t            left = (size_t)(scanner->end - scanner->at);
	const unsigned char *at = scanner->at;

	if (left >= 2 && at[1] && strchr(simple, at[1])) {
		scanner->at += 2;
		return 1;
	}
	if (left < 6 || at[1] != 'u' || !is_hex(at[2]) || !is_hex(at[3]) || !is_hex(at[4]) || !is_hex(at[5]))
		return fail(scanner, "an escape that JSON does not have");
	scanner->at += 6;
	return 1;
}

static int scan_string(struct scanner *scanner)
{
	for (scanner->at++;;) {
		scanner->at = skip_plain(scanner->at, scanner->end);
		if (scanner->at == scanner->end)
			return fail(scanner, "a string without an end");
		unsigned char c = *scanner->at;
		if (c == '"') {
			scanner->at++;
			return 1;
		}
		if (c < 0x20)
			return fail(scanner, "a control character in a string");
		if (c == '\\') {
			if (!scan_escape(scanner))
				return 0;
			continue;
		}
		size_t length = evpipe__utf8_length(scanner->at, (size_t)(scanner->end - scanner->at));
		if (!length)
			return fail(scanner, "bytes that are not UTF-8");
		scanner->at += length;
	}
}

static int scan_digits(struct scanner *scanner)
{
	const unsigned char *before = scanner->at;
	while (scanner->at < scanner->end && *scanner->at >= '0' && *scanner->at <= '9')
		scanner->at++;
	return scanner->at > before ? 1 : fail(scanner, "a number that lacks digits");
}

static int scan_number(struct scanner *scanner)
{
	if (next_is(scanner, '-'))
		scanner->at++;
	if (next_is(scanner, '0'))
		scanner->at++;
	else if (!scan_digits(scanner))
		return 0;
	if (next_is(scanner, '.')) {
		scanner->at++;
		if (!scan_digits(scanner))
			return 0;
	}
	if (next_is(scanner, 'e') || next_is(scanner, 'E')) {
		scanner->at++;
		if (next_is(scanner, '+') || next_is(scanner, '-'))
			scanner->at++;
		return scan_digits(scanner);
	}
	return 1;
}

static int scan_word(struct scanner *scanner, const char *word, size_t len)
{
	if ((size_t)(scanner->end - scanner->at) < len || memcmp(scanner->at, word, len) != 0)
		return fail(scanner, "a word that is not true, false or null");
	scanner->at += len;
	return 1;
}

static int scan_scalar(struct scanner *scanner)
{
	if (scanner->at == scanner->end)
		return fail(scanner, "an end where a value is missing");
	switch (*scanner->at) {
	case '"':
		return scan_string(scanner);
	case 't':
		return scan_word(scanner, "true", 4);
	case 'f':
		return scan_word(scanner, "false", 5);
	case 'n':
		return scan_word(scanner, "null", 4);
	default:
		if (*scanner->at == '-' || (*scanner->at >= '0' && *scanner->at <= '9'))
			return scan_number(scanner);
		return fail(scanner, "something that is not a value");
	}
}

/* ---- the member that is looked for ---- */

static unsigned hex4(const unsigned char *at)
{
	unsigned value = 0;
	for (int i = 0; i < 4; i++)
		value = value * 16 + (unsigned)(at[i] <= '9' ? at[i] - '0' : (at[i] | 0x20) - 'a' + 10);
	return value;
}

static size_t put_utf8(char *to, unsigned code)
{
	if (code < 0x80) {
		to[0] = (char)code;
		return 1;
	}
	size_t         length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	const unsigned marks[] = {0, 0, 0xc0, 0xe0, 0xf0};
	for (size_t i = length - 1; i > 0; i--, code >>= 6)
		to[i] = (char)(0x80 | (code & 0x3f));
	to[0] = (char)(marks[length] | code);
	return length;
}

/* Are two escapes here the halves of one character? */
static int is_pair(const unsigned char *at, const unsigned char *end)
{
	if (end - at < 12 || memcmp(at, "\\u", 2) != 0 || memcmp(at + 6, "\\u", 2) != 0)
		return 0;
	unsigned high = hex4(at + 2), low = hex4(at + 8);
	return high >= 0xd800 && high < 0xdc00 && low >= 0xdc00 && low < 0xe000;
}

/* Of a string that was found valid, without its quotes; never longer than it was. */
static size_t unescape(char *to, const unsigned char *at, const unsigned char *end)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	char             *start = to;

	while (at < end) {
		if (*at != '\\') {
			*to++ = (char)*at++;
		} else if (at[1] != 'u') {
			*to++ = values[strchr(names, at[1]) - names];
			at += 2;
		} else {
			unsigned code = hex4(at + 2);
			int      pair = is_pair(at, end);
			if (pair)
				code = 0x10000 + ((code - 0xd800) << 10) + (hex4(at + 8) - 0xdc00);
			at += pair ? 12 : 6;
			to += put_utf8(to, code);
		}
	}
	return (size_t)(to - start);
}

static int is_member(const struct scanner *scanner, const unsigned char *from, const unsigned char *to)
{
	char   name[6 * EVPIPE__JSON_MEMBER_MAX];
	size_t len = (size_t)(to - from);

	if (!memchr(from, '\\', len))
		return len == scanner->member_len && memcmp(from, scanner->member, len) == 0;
	/* A character takes at most six bytes for each of its own. */
	if (len > 6 * scanner->member_len)
		return 0;
	len = unescape(name, from, to);
	return len == scanner->member_len && memcmp(name, scanner->member, len) == 0;
}

static int scan_name(struct scanner *scanner)
{
	const unsigned char *from = scanner->at + 1;

	if (!next_is(scanner, '"'))
		return fail(scanner, "a member without a name in quotes");
	if (!scan_string(scanner))
		return 0;
	int found = scanner->depth == 1 && scanner->member && is_member(scanner, from, scanner->at - 1);
	skip_blanks(scanner);
	if (!next_is(scanner, ':'))
		return fail(scanner, "a member without a colon");
	scanner->at++;
	skip_blanks(scanner);
	if (found) {
		scanner->json->members++;
		scanner->json->member = (size_t)(scanner->at - scanner->start);
	}
	return 1;
}

/* ---- nesting ---- */

static int in_object(const struct scanner *scanner)
{
	unsigned level = scanner->depth - 1;
	return (int)(scanner->objects[level / 64] >> (level % 64) & 1);
}

static int enter(struct scanner *scanner, int is_object)
{
	unsigned level = scanner->depth;
	if (level == EVPIPE__JSON_DEPTH_MAX)
		return fail(scanner, "deeper nesting than 256");
	scanner->objects[level / 64] &= ~(UINT64_C(1) << (level % 64));
	scanner->objects[level / 64] |= (uint64_t)is_object << (level % 64);
	scanner->depth++;
	scanner->at++;
	skip_blanks(scanner);
	return 1;
}

/* Behind a value: close what ends there. True if another value follows, whose name has been read. */
static int close_levels(struct scanner *scanner)
{
	while (scanner->depth) {
		skip_blanks(scanner);
		if (next_is(scanner, in_object(scanner) ? '}' : ']')) {
			scanner->depth--;
			scanner->at++;
			continue;
		}
		if (!next_is(scanner, ','))
			return fail(scanner, "neither a comma nor the end of what was opened");
		scanner->at++;
		skip_blanks(scanner);
		return in_object(scanner) ? scan_name(scanner) : 1;
	}
	return 0;
}

/* One value, and what encloses it as far as it ends with it. True if another one follows. */
static int scan_value(struct scanner *scanner)
{
	if (next_is(scanner, '{') || next_is(scanner, '[')) {
		int is_object = *scanner->at == '{';
		if (!enter(scanner, is_object))
			return 0;
		if (!next_is(scanner, is_object ? '}' : ']'))
			return is_object ? scan_name(scanner) : 1;
		/* An empty one ends at once: close_levels takes its end. */
	} else if (!scan_scalar(scanner)) {
		return 0;
	}
	return close_levels(scanner);
}

int evpipe__json_scan(evpipe__json *json, const void *bytes, size_t len, const char *member)
{
	static const unsigned char nothing[1];
	struct scanner scanner = {.start = bytes ? bytes : nothing, .json = json, .member = member};

	scanner.at = scanner.start;
	scanner.end = scanner.start + len;
	scanner.member_len = member ? strlen(member) : 0;
	*json = (evpipe__json){0};
	skip_blanks(&scanner);
	if (next_is(&scanner, '{')) {
		json->is_object = 1;
		json->inside = (size_t)(scanner.at - scanner.start) + 1;
		struct scanner ahead = scanner;
		ahead.at++;
		skip_blanks(&ahead);
		json->is_empty = next_is(&ahead, '}');
	}
	while (scan_value(&scanner))
		;
	if (!json->problem) {
		skip_blanks(&scanner);
		if (scanner.at < scanner.end)
			fail(&scanner, "something behind the end");
	}
	return !json->problem;
}

size_t evpipe__json_text(char *out, size_t max, const void *value)
{
	const unsigned char *from = value, *to = from + 1;
	size_t               written = 0, length;

	if (*from++ != '"')
		return 0;
	while (*to != '"')
		to += *to == '\\' ? 2 : 1;
	/* Piece by piece, so that what is too long need not be had in whole. */
	while (from < to) {
		char                 piece[4];
		const unsigned char *end = from + 1;
		if (*from == '\\')
			end = from + (from[1] != 'u' ? 2 : is_pair(from, to) ? 12 : 6);
		length = unescape(piece, from, end);
		if (written + length > max || !piece[0])
			return 0;
		memcpy(out + written, piece, length);
		written += length;
		from = end;
	}
	out[written] = '\0';
	for (size_t at = 0; at < written; at += length)
		if (!(length = evpipe__utf8_length(out + at, written - at)))
			return 0;
	return written;
}

/* ---- writing ---- */

size_t evpipe__json_compact(char *json, size_t len)
{
	char *to = json;
	int   in_string = 0;
	for (size_t i = 0; i < len; i++) {
		if (!in_string && is_blank((unsigned char)json[i]))
			continue;
		*to++ = json[i];
		if (in_string && json[i] == '\\' && i + 1 < len)
			*to++ = json[++i];
		else if (json[i] == '"')
			in_string = !in_string;
	}
	return (size_t)(to - json);
}

static evpipe_err put_special(evpipe__buffer *out, const unsigned char **at, const unsigned char *end)
{
	static const char codes[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
	unsigned char     c = **at;
	const char       *code = c ? strchr(codes, c) : NULL;

	if (c >= 0x80) {
		size_t length = evpipe__utf8_length(*at, (size_t)(end - *at));
		evpipe_err err = length ? evpipe__buffer_append(out, *at, length) : evpipe__buffer_append(out, "\xef\xbf\xbd", 3);
		*at += length ? length : 1;
		return err;
	}
	(*at)++;
	if (code)
		return evpipe__buffer_append(out, (char[]){'\\', letters[code - codes]}, 2);
	return evpipe__buffer_printf(out, "\\u%04x", c);
}

evpipe_err evpipe__json_put_string(evpipe__buffer *out, const void *bytes, size_t len)
{
	static const unsigned char nothing[1];
	const unsigned char *at = bytes ? bytes : nothing, *end = at + len;
	evpipe_err           err = evpipe__buffer_append(out, "\"", 1);

	while (!err && at < end) {
		const unsigned char *plain = skip_plain(at, end);
		err = evpipe__buffer_append(out, at, (size_t)(plain - at));
		at = plain;
		if (!err && at < end)
			err = put_special(out, &at, end);
	}
	return err ? err : evpipe__buffer_append(out, "\"", 1);
}

evpipe_err evpipe__base64_put(evpipe__buffer *out, const void *bytes, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *at = bytes;
	evpipe_err           err = evpipe__buffer_reserve(out, (len + 2) / 3 * 4);

	if (err)
		return err;
	char *to = out->data + out->len;
	for (; len; at += 3) {
		size_t   left = len < 3 ? len : 3;
		unsigned word = (unsigned)at[0] << 16 | (left > 1 ? (unsigned)at[1] << 8 : 0) | (left > 2 ? at[2] : 0);
		*to++ = digits[word >> 18];
		*to++ = digits[word >> 12 & 63];
		*to++ = left > 1 ? digits[word >> 6 & 63] : '=';
		*to++ = left > 2 ? digits[word & 63] : '=';
		len -= left;
	}
	out->len = (size_t)(to - out->data);
	*to = '\0';
	return EVPIPE_OK;
}
