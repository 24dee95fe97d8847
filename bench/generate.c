/*
 * generate.c: debug events of an imaginary chatbot, one JSON object a line, about 360 bytes each. The same arguments
 * give the same events. Organisations are Zipf-distributed with exponent 1: the n-th has 1/n of the first one's events.
 *
 *   generate [--events 1000000] [--organisations 1000] [--seed 1] > events.ndjson
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"

#define SESSIONS_AN_ORGANISATION 50
#define ORGANISATIONS_MAX 9999

/* Sebastiano Vigna's SplitMix64: one word of state, and every seed is a good one. */
static uint64_t state;

static uint64_t random_bits(void)
{
	uint64_t z = state += UINT64_C(0x9E3779B97F4A7C15);
	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

static unsigned below(unsigned limit)
{
	return (unsigned)((random_bits() >> 32) * limit >> 32);
}

static double *cumulated;
static unsigned organisations = 1000;

static void prepare_organisations(void)
{
	double sum = 0;
	cumulated = calloc(organisations, sizeof *cumulated);
	if (!cumulated)
		die("out of memory");
	for (unsigned i = 0; i < organisations; i++)
		cumulated[i] = sum += 1.0 / (i + 1);
}

static unsigned choose_organisation(void)
{
	double   at = (double)(random_bits() >> 11) * 0x1p-53 * cumulated[organisations - 1];
	unsigned low = 0, high = organisations - 1;
	while (low < high) {
		unsigned middle = (low + high) / 2;
		if (cumulated[middle] < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

#define CHOOSE(list) (list)[below(sizeof(list) / sizeof *(list))]

/* A sentence of 60 to 130 characters, as compressible as a log's. */
static void write_text(char *text, size_t size)
{
	static const char *const words[] = {
		"the", "user", "wants", "to", "change", "an", "address", "looked", "up", "invoice", "no", "answer", "from",
		"search", "asking", "again", "with", "shorter", "context", "tool", "returned", "three", "matches", "confidence",
		"below", "limit", "handing", "over", "human", "agent", "reply", "sent", "after", "second", "attempt", "policy",
		"allows", "refund", "within", "thirty", "days"};
	size_t len = 0, wanted = 60 + below(71);
	text[0] = '\0';
	while (len < wanted && len < size - 16)
		len += (size_t)snprintf(text + len, size - len, "%s%s", len ? " " : "", CHOOSE(words));
}

static void write_event(uint64_t number)
{
	static const char *const steps[] = {"intent.classify", "memory.read", "search.query", "prompt.build",
	                                    "model.complete", "tool.call", "guard.check", "answer.send"};
	static const char *const levels[] = {"debug", "debug", "debug", "info", "warn"};
	unsigned                 organisation = choose_organisation();
	uint64_t                 session = (uint64_t)organisation * 1000003 + below(SESSIONS_AN_ORGANISATION);
	char                     text[160];

	write_text(text, sizeof text);
	printf("{\"id\":\"%012" PRIu64 "\",\"org_id\":\"org-%04u\",\"session_id\":\"s-%010" PRIx64 "\",\"time\":%" PRIu64
	       ",\"step\":\"%s\",\"level\":\"%s\",\"took_ms\":%u,\"model\":\"medium-%u\",\"text\":\"%s\","
	       "\"trace\":\"%016" PRIx64 "\",\"tokens\":{\"in\":%u,\"out\":%u},\"channel\":\"web\",\"app\":\"helpdesk\"}\n",
	       number, organisation, session, UINT64_C(1767225600000) + number, CHOOSE(steps), CHOOSE(levels), below(3000), below(4),
	       text, random_bits(), below(4000), below(900));
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"events", required_argument, NULL, 'e'},
	                                        {"organisations", required_argument, NULL, 'o'},
	                                        {"seed", required_argument, NULL, 's'},
	                                        {NULL, 0, NULL, 0}};
	long events = 1000000;
	int  option;

	state = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'e':
			events = number_of("events", optarg, 0, INT64_C(1000000000000) - 1);
			break;
		case 'o':
			organisations = (unsigned)number_of("organisations", optarg, 1, ORGANISATIONS_MAX);
			break;
		case 's':
			state = (uint64_t)number_of("seed", optarg, 0, INT32_MAX);
			break;
		default:
			return 64;
		}
	}
	prepare_organisations();
	for (long i = 0; i < events; i++)
		write_event((uint64_t)i);
	free(cumulated);
	if (fflush(stdout) != 0 || ferror(stdout))
		die("standard output: cannot be written");
	return 0;
}
