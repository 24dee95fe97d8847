#include "deadletters.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 256

static int hex_value(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : toupper((unsigned char)c) - 'A' + 10;
}

/*
 * A field of the header `evpipe`: name=value, separated by spaces, %XX for what a value may not have. Returns its
 * length, 0 if it is not there.
 */
static size_t read_field(const evpipe_header *header, const char *name, char out[TEXT_MAX])
{
	const char *at = header->value, *end = at + header->value_len;
	size_t      name_len = strlen(name), len = 0;

	while (at < end) {
		const char *space = memchr(at, ' ', (size_t)(end - at));
		const char *field_end = space ? space : end;
		if ((size_t)(field_end - at) > name_len && memcmp(at, name, name_len) == 0 && at[name_len] == '=') {
			for (at += name_len + 1; at < field_end && len + 1 < TEXT_MAX; at++) {
				int is_escape = *at == '%' && field_end - at > 2;
				out[len++] = is_escape ? (char)(hex_value(at[1]) * 16 + hex_value(at[2])) : *at;
				at += is_escape ? 2 : 0;
			}
			break;
		}
		at = field_end + 1;
	}
	out[len] = '\0';
	return len;
}

static void count_one(const evpipe_record *record, struct account *account)
{
	char destination[TEXT_MAX], id[TEXT_MAX];
	for (size_t i = 0; i < record->headers_count; i++) {
		const evpipe_header *header = &record->headers[i];
		if (strcmp(header->name, "evpipe") != 0 || !read_field(header, "destination", destination))
			continue;
		size_t len = read_field(header, "id", id);
		account_dead_lettered(account, destination, (struct slice){id, len});
	}
}

void deadletters_count(evpipe_testbroker *broker, const char *topic, struct account *account)
{
	evpipe_record record;
	for (int32_t p = 0; p < evpipe_testbroker_partitions(broker, topic); p++)
		for (int64_t at = evpipe_testbroker_low(broker, topic, p);
		     at < evpipe_testbroker_high(broker, topic, p); at++)
			if (evpipe_testbroker_read(broker, topic, p, at, &record) == EVPIPE_OK)
				count_one(&record, account);
}
