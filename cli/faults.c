#include "faults.h"

#include <string.h>

#include "units.h"

const char *faults_add_down(void *to, const char *value)
{
	static const char should_be[] = "DESTINATION@FROM+FOR, such as ACME@5s+20s";
	struct faults    *faults = to;
	const char       *at = strrchr(value, '@'), *plus = at ? strchr(at, '+') : NULL;
	char              from[32];

	if (faults->down_count == FAULTS_DOWN_MAX)
		return "given at most 32 times";
	struct fault_down *down = &faults->down[faults->down_count];
	if (!plus || at == value || (size_t)(at - value) >= sizeof down->destination ||
	    (size_t)(plus - at) > sizeof from)
		return should_be;
	memcpy(down->destination, value, (size_t)(at - value));
	down->destination[at - value] = '\0';
	memcpy(from, at + 1, (size_t)(plus - at - 1));
	from[plus - at - 1] = '\0';
	down->from_ms = units_duration(from);
	int64_t for_ms = units_duration(plus + 1);
	if (down->from_ms < 0 || for_ms < 0)
		return should_be;
	down->until_ms = down->from_ms + for_ms;
	faults->down_count++;
	return NULL;
}

const char *faults_add_poison(void *to, const char *value)
{
	struct faults *faults = to;
	if (faults->poison_count == FAULTS_POISON_MAX)
		return "given at most 32 times";
	faults->poison[faults->poison_count++] = value;
	return NULL;
}

int faults_check(const struct faults *faults)
{
	if (faults->status && (faults->status < 200 || faults->status > 599))
		return fail(EX_USAGE, "--status %lld: it should be from 200 to 599", (long long)faults->status);
	if (faults->body_max < 1 || faults->body_max > FAULTS_BODY_MAX)
		return fail(EX_USAGE, "--max-body: it should be from 1 to 64MiB");
	return 0;
}

/* xorshift64*: the same posts fail each time. */
static uint64_t dice(struct faults *faults)
{
	uint64_t x = faults->random;
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	faults->random = x;
	return (x * UINT64_C(2685821657736338717)) >> 32;
}

static int is_down(const struct faults *faults, const char *destination, int64_t since_start_ms)
{
	for (size_t i = 0; i < faults->down_count; i++) {
		const struct fault_down *down = &faults->down[i];
		if (since_start_ms >= down->from_ms && since_start_ms < down->until_ms &&
		    strcmp(down->destination, destination) == 0)
			return 1;
	}
	return 0;
}

/* The place of the first poisoned event; as many as there are: none is. */
static size_t first_poisoned(const struct faults *faults, const struct body *body)
{
	size_t i = faults->poison_count ? 0 : body->events_count;
	for (; i < body->events_count; i++)
		for (size_t j = 0; j < faults->poison_count; j++)
			if (body->events[i].id.len == strlen(faults->poison[j]) &&
			    memcmp(body->events[i].id.data, faults->poison[j], body->events[i].id.len) == 0)
				return i;
	return i;
}

static int happens(struct faults *faults, int64_t rate)
{
	return rate > 0 && (int64_t)(dice(faults) % 1000000) < rate;
}

static int fails(struct faults *faults)
{
	return faults->fail_rate < 0 ? faults->status != 0 : happens(faults, faults->fail_rate);
}

int faults_decide(struct faults *faults, const char *destination, int64_t since_start_ms, const struct body *body,
                  size_t *stored)
{
	size_t count = body->events_count, poisoned = first_poisoned(faults, body);
	int    status = poisoned < count ? 400 : 0;

	if (is_down(faults, destination, since_start_ms) || fails(faults))
		status = faults->status ? (int)faults->status : 503;
	if (status < 300)
		status = 0;
	*stored = !status ? count : !faults->partial ? 0 : poisoned < count / 2 ? poisoned : count / 2;
	return status;
}

int faults_hang_up(struct faults *faults)
{
	return happens(faults, faults->hang_up_rate);
}
