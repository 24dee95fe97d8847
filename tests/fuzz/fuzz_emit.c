/*
 * What `evpipe emit` reads: lines of JSON, and the fields that make an event of each. What the receiver's scanner finds
 * in a line that is valid is the same.
 */
#include "evpipe-build.h"

#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/fields.h"
#include "cli/lines.h"
#include "cli/scan.h"

#define LINE_MAX_BYTES 4096

static const struct fields fields = {
	.destination = "org", .key = "session.user.id", .id = "id", .time = "time", .type = "type"};

static int has_escape(const char *line, size_t len)
{
	return memchr(line, '\\', len) != NULL;
}

static void check_event(const struct parsed_line *parsed, const char *line, size_t len)
{
	const evpipe_event *event = &parsed->event;
	MUST(event->data == line && event->data_len == len);
	MUST(event->destination && *event->destination && event->id && *event->id && event->type && *event->type);
	MUST(event->key && event->key_len == strlen(event->key) && event->key_len);
	MUST(event->time_ms >= 0);
	if (has_escape(line, len))
		return;
	char         scratch[LINE_MAX_BYTES];
	struct slice id = scan_text(scan_member((struct slice){line, len}, "id"), scratch);
	struct slice key = scan_text(scan_member((struct slice){line, len}, "session.user.id"), scratch);
	/* jansson writes a number anew: 1E2, say, is none of its whole ones, -0 is 0. */
	if (json_is_string(json_object_get(parsed->root, "id")))
		MUST(id.data && id.len == strlen(event->id) && memcmp(id.data, event->id, id.len) == 0);
	MUST(key.data);
}

static void scan_anything(const char *line, size_t len)
{
	char         scratch[LINE_MAX_BYTES];
	struct slice whole = {line, len}, member = scan_member(whole, "session.user.id");
	if (member.data) {
		MUST(member.data >= line && member.data + member.len <= line + len);
		struct slice text = scan_text(member, scratch);
		MUST(!text.data || (text.len && text.len <= member.len));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lines lines;
	const char  *line;
	char         path[64], problem[FIELDS_PROBLEM_MAX];
	size_t       len, taken = 0;

	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	MUST(lines_open(&lines, path, LINE_MAX_BYTES, -1) == 0);
	for (enum lines_result result; (result = lines_next(&lines, &line, &len)) != LINES_END;) {
		struct parsed_line parsed = {0};
		MUST(result == LINES_LINE || result == LINES_TOO_LONG);
		if (result == LINES_TOO_LONG)
			continue;
		MUST(len && len <= LINE_MAX_BYTES);
		taken += len;
		scan_anything(line, len);
		if (fields_read(&fields, line, len, &parsed, problem) == 0) {
			check_event(&parsed, line, len);
			parsed_line_release(&parsed);
		} else {
			MUST(*problem && strnlen(problem, sizeof problem) < sizeof problem && !parsed.root);
		}
	}
	MUST(taken <= size && lines.number <= size);
	lines_close(&lines);
	close(fd);
	return 0;
}
