/*
 * A fault script: a line with the seed, then the script, which is then put through what it may strike.
 */
#include "fuzz.h"

#include "fault-script.h"

#define OCCASIONS 300

static unsigned history(evpipe__fault_script *script, unsigned hash)
{
	static const char *const topics[] = {"events", "events.retry.5s", "events.dead", NULL};
	for (int i = 0; i < OCCASIONS; i++) {
		evpipe__fault_occasion    occasion = (evpipe__fault_occasion)(i % (EVPIPE__FAULT_AT_POLL + 1));
		const evpipe__fault_rule *rule =
			evpipe__fault_script_strike(script, occasion, topics[i % 4], i % 5 - 1, (int64_t)i * 977);
		if (rule) {
			MUST(rule >= script->rules && rule < script->rules + script->count);
			MUST(rule->struck >= 1 && rule->struck <= rule->times && rule->struck <= rule->seen);
			MUST(rule->duration_ms >= 0 && evpipe__fault_script_has(script, rule->action));
		}
		hash = hash * 31 + (unsigned)(rule ? rule - script->rules + 1 : 0);
	}
	return hash;
}

static evpipe_err run(const char *text, uint64_t seed, unsigned *hash)
{
	evpipe__fault_script script;
	evpipe_error         error = {0};
	evpipe_err           err = evpipe__fault_script_init(&script, text, seed, &error);

	MUST(err == EVPIPE_OK || err == EVPIPE_ECONFIG);
	if (err)
		MUST(error.code == err && strncmp(error.text, "fault script", 12) == 0);
	else
		*hash = history(&script, 7);
	evpipe__fault_script_release(&script);
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = fuzz_input_of(data, size);
	size_t            len;
	char             *seed = fuzz_line(&input, &len);
	char             *text = fuzz_rest(&input, &len);
	unsigned          first = 0, second = 0;
	uint64_t          number = seed ? strtoull(seed, NULL, 10) : 0;

	/* The same seed, the same faults. */
	MUST(run(text, number, &first) == run(text, number, &second) && first == second);
	free(seed);
	free(text);
	return 0;
}
