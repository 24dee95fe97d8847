#include "envelope.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define VERSION "1"

enum field_type { TEXT, U32, I32, I64, TIME };

/* In the order they are written. */
static const struct field {
	const char     *name; /* as it is written: " name=" */
	size_t          name_len;
	enum field_type type;
	size_t          place;
} fields[] = {
#define FIELD(name, type, member) {" " name "=", sizeof " " name "=" - 1, type, offsetof(evpipe__envelope, member)}
	FIELD("destination", TEXT, destination),
	FIELD("id", TEXT, id),
	FIELD("type", TEXT, type),
	FIELD("content-type", TEXT, content_type),
	FIELD("time", TIME, time_ms),
	FIELD("attempt", U32, attempt),
	FIELD("parks", U32, parks),
	FIELD("queued", I64, queued_ms),
	FIELD("delay", I64, delay_ms),
	FIELD("first", I64, first_ms),
	FIELD("status", I32, status),
	FIELD("error", TEXT, error),
	FIELD("topic", TEXT, origin_topic),
	FIELD("partition", I32, origin_partition),
	FIELD("offset", I64, origin_offset),
	FIELD("reason", TEXT, reason),
#undef FIELD
};

#define FIELD_COUNT (sizeof fields / sizeof *fields)

void evpipe__envelope_init(evpipe__envelope *envelope)
{
	/* Member by member, for each record: compilers zero a whole struct of this size slowly. */
	envelope->destination = envelope->id = envelope->type = envelope->content_type = NULL;
	envelope->time_ms = envelope->queued_ms = envelope->delay_ms = envelope->first_ms = 0;
	envelope->attempt = envelope->parks = 0;
	envelope->status = 0;
	envelope->error = envelope->origin_topic = envelope->reason = NULL;
	envelope->origin_partition = -1;
	envelope->origin_offset = -1;
}

/* ---- writing ---- */

static int needs_escape(unsigned char c)
{
	return c <= ' ' || c == '%' || c == 0x7f;
}

static evpipe_err write_escaped(evpipe__buffer *out, const char *text, size_t max)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t            len = strnlen(text, max);
	evpipe_err        err = evpipe__buffer_reserve(out, 3 * len);
	if (err)
		return err;
	char *to = out->data + out->len;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if (needs_escape(c)) {
			*to++ = '%';
			*to++ = hex[c >> 4];
			*to++ = hex[c & 15];
		} else {
			*to++ = (char)c;
		}
	}
	*to = '\0';
	out->len = (size_t)(to - out->data);
	return EVPIPE_OK;
}

static evpipe_err write_number(evpipe__buffer *out, int64_t number)
{
	char     digits[24], *at = digits + sizeof digits;
	uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
	do
		*--at = (char)('0' + rest % 10);
	while (rest /= 10);
	if (number < 0)
		*--at = '-';
	return evpipe__buffer_append(out, at, (size_t)(digits + sizeof digits - at));
}

static int64_t number_of(const evpipe__envelope *envelope, const struct field *field)
{
	const char *place = (const char *)envelope + field->place;
	uint32_t    u32;
	int32_t     i32;
	int64_t     i64;
	switch (field->type) {
	case U32:
		memcpy(&u32, place, sizeof u32);
		return u32;
	case I32:
		memcpy(&i32, place, sizeof i32);
		return i32;
	default:
		memcpy(&i64, place, sizeof i64);
		return i64;
	}
}

static const char *text_of(const evpipe__envelope *envelope, const struct field *field)
{
	const char *text;
	memcpy(&text, (const char *)envelope + field->place, sizeof text);
	return text;
}

static int is_absent(const evpipe__envelope *envelope, const struct field *field)
{
	if (field->type == TEXT)
		return !text_of(envelope, field);
	int64_t absent = field->place == offsetof(evpipe__envelope, origin_partition) ||
	                                 field->place == offsetof(evpipe__envelope, origin_offset)
	                         ? -1
	                         : 0;
	return number_of(envelope, field) == absent;
}

evpipe_err evpipe__envelope_write(const evpipe__envelope *envelope, evpipe__buffer *out)
{
	evpipe_err err = evpipe__buffer_append(out, VERSION, sizeof VERSION - 1);
	for (size_t i = 0; i < FIELD_COUNT && !err; i++) {
		const struct field *field = &fields[i];
		if (is_absent(envelope, field))
			continue;
		err = evpipe__buffer_append(out, field->name, field->name_len);
		if (err)
			break;
		if (field->type == TEXT)
			err = write_escaped(out, text_of(envelope, field), EVPIPE__ENVELOPE_ERROR_MAX);
		else
			err = write_number(out, number_of(envelope, field));
	}
	return err;
}

/* ---- reading ---- */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place; false if an escape is broken or hides a NUL. */
static int unescape(char *text)
{
	char *to = strchr(text, '%');
	if (!to)
		return 1;
	for (const char *from = to; *from; from++) {
		if (*from != '%') {
			*to++ = *from;
			continue;
		}
		int high = hex_digit(from[1]), low = high < 0 ? -1 : hex_digit(from[2]);
		if (low < 0 || (high | low) == 0)
			return 0;
		*to++ = (char)(high << 4 | low);
		from += 2;
	}
	*to = '\0';
	return 1;
}

/* What evpipe_emit takes, and we write; with more the record could not be handed on. */
static int set_text(char *place, const struct field *field, char *value, size_t len, int has_escapes)
{
	size_t max = field->place == offsetof(evpipe__envelope, error) ? EVPIPE__ENVELOPE_ERROR_MAX : EVPIPE__ENVELOPE_TEXT_MAX;
	memcpy(place, &value, sizeof value);
	return (!has_escapes || unescape(value)) && (len <= max || strlen(value) <= max);
}

static int set_field(evpipe__envelope *envelope, const struct field *field, char *value, size_t len, int has_escapes)
{
	char *place = (char *)envelope + field->place, *end;
	if (field->type == TEXT)
		return set_text(place, field, value, len, has_escapes);
	errno = 0;
	long long number = strtoll(value, &end, 10);
	if (errno || end == value || *end)
		return 0;
	uint32_t u32 = (uint32_t)number;
	int32_t  i32 = (int32_t)number;
	int64_t  i64 = number;
	switch (field->type) {
	case U32:
		memcpy(place, &u32, sizeof u32);
		return number >= 0 && number <= UINT32_MAX;
	case I32:
		memcpy(place, &i32, sizeof i32);
		return number >= INT32_MIN && number <= INT32_MAX;
	default:
		memcpy(place, &i64, sizeof i64);
		/* An event may be from before 1970. */
		return number >= 0 || field->type == TIME;
	}
}

/* That which "name=..." is of; NULL: none that we know. Fields come in the table's order, so it is mostly the next one, or some places on. */
static const struct field *find_field(const char *text, size_t len, size_t *next)
{
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		const struct field *field = &fields[(*next + i) % FIELD_COUNT];
		size_t              name_len = field->name_len - 1; /* without the space before it */
		if (*text == field->name[1] && len >= name_len && memcmp(text, field->name + 1, name_len) == 0) {
			*next += i + 1;
			return field;
		}
	}
	return NULL;
}

evpipe_err evpipe__envelope_read(evpipe__envelope *envelope, const void *value, size_t len, char *scratch)
{
	if (len < sizeof VERSION || len > EVPIPE__ENVELOPE_MAX || memcmp(value, VERSION " ", sizeof VERSION) != 0 ||
	    memchr(value, '\0', len))
		return EVPIPE_EFORMAT;
	memcpy(scratch, value, len);
	scratch[len] = '\0';
	evpipe__envelope_init(envelope);

	/* Most records have none, and each has several texts that would be searched for them. */
	int    has_escapes = memchr(value, '%', len) != NULL;
	char  *at = scratch + sizeof VERSION, *end = scratch + len;
	size_t expected = 0;
	while (at < end) {
		char *space = memchr(at, ' ', (size_t)(end - at)), *behind = space ? space : end;
		*behind = '\0';
		const struct field *field = find_field(at, (size_t)(behind - at), &expected);
		if (field) {
			char *text = at + field->name_len - 1;
			if (!set_field(envelope, field, text, (size_t)(behind - text), has_escapes))
				return EVPIPE_EFORMAT;
		}
		at = behind + 1;
	}
	return envelope->destination && *envelope->destination ? EVPIPE_OK : EVPIPE_EFORMAT;
}
