#include "copying.h"

#include <string.h>

const void *evpipe__tb_put(char **to, const void *bytes, size_t len)
{
	char *start = *to;
	if (!bytes)
		return NULL;
	memcpy(start, bytes, len);
	*to += len;
	return start;
}

void evpipe__tb_put_headers(evpipe_header *out, char **to, const evpipe_header *headers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const evpipe_header *header = &headers[i];
		out[i].name = evpipe__tb_put(to, header->name, strlen(header->name) + 1);
		out[i].value = evpipe__tb_put(to, header->value, header->value_len);
		out[i].value_len = header->value ? header->value_len : 0;
	}
}
