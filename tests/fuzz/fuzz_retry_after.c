/*
 * Retry-After: a line with the wall clock, then the header's value.
 */
#include "fuzz.h"

#include "sinks/http-answer.h"

static int64_t within(int64_t ms)
{
	MUST(ms >= 0 && ms <= EVPIPE__RETRY_AFTER_MAX_MS);
	return ms;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = fuzz_input_of(data, size);
	size_t            len;
	char             *clock = fuzz_line(&input, &len);
	char             *value = fuzz_rest(&input, &len);
	int64_t           wall_ms = (int64_t)(clock ? strtoull(clock, NULL, 10) % UINT64_C(10000000000000) : 0);

	int64_t ms = within(evpipe__http_retry_after_ms(value, wall_ms));
	/* A date comes nearer; a number of seconds does not. */
	MUST(within(evpipe__http_retry_after_ms(value, wall_ms + 1000)) <= ms);
	if (*value && strspn(value, "0123456789") == strlen(value)) {
		unsigned long long seconds = strlen(value) > 18 ? 3600 : strtoull(value, NULL, 10);
		if (strlen(value) <= 18)
			MUST(ms == (seconds > 3600 ? 3600000 : (int64_t)seconds * 1000));
	}
	free(clock);
	free(value);
	return 0;
}
