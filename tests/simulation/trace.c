#include "trace.h"

#include <inttypes.h>

#include <evpipe-sink.h>

#include "chance.h"
#include "plan.h"
#include "world.h"

/* #1 to #4 stand for the numbers, #n for the name that one of them means. */
static const char *const lines[] = {
	[TRACE_EMITTED] = "emits event #1 to d#2, #3 bytes",
	[TRACE_REFUSED] = "is refused event #1 to d#2, #3 bytes: the journal is full",
	[TRACE_TAKEN] = "takes event #1 from #n, partition #3 at #4",
	[TRACE_POSTED] = "posts #2 events to d#1, to be answered in #3 ms: #n",
	[TRACE_DELIVERED] = "has delivered event #1 to d#2, #3 times by now",
	[TRACE_SENT] = "sends event #1 to #n",
	[TRACE_REPORTED] = "hears of event #1 to #n: outcome #3",
	[TRACE_SETTLED] = "settles event #1 of #n, partition #3 at #4",
	[TRACE_ASSIGNED] = "gets #n, partition #3",
	[TRACE_REVOKED] = "is to give back #n, partition #3",
	[TRACE_LOST] = "has lost #n, partition #3",
	[TRACE_RELINQUISHED] = "gives back #n, partition #3",
	[TRACE_COMMITTED] = "hears of a commit: error #1",
	[TRACE_STARTED] = "starts",
	[TRACE_STOPPED] = "has stopped, #1 events left",
	[TRACE_KILLED] = "is killed",
	[TRACE_FAULT] = "fault #1: #n, of #3, #4",
	[TRACE_HEALED] = "from now on nothing goes wrong",
	[TRACE_OVER] = "is over: #1 delivered, #2 dead-lettered, #3 died with their application",
	[TRACE_TORN] = "is dying in the middle of emitting event #1",
	[TRACE_ADOPTED] = "has adopted journals with #1 events",
};

static const char *const verdicts[] = {
	[EVPIPE_VERDICT_DELIVERED] = "delivered", [EVPIPE_VERDICT_RETRY] = "retry",         [EVPIPE_VERDICT_PERMANENT] = "permanent",
	[EVPIPE_VERDICT_FORMAT] = "format",       [EVPIPE_VERDICT_TOO_LARGE] = "too large", [EVPIPE_VERDICT_REFUSED] = "refused",
	[EVPIPE_VERDICT_EACH] = "each its own",
};

const char *trace_topic(int64_t topic)
{
	static const char *const names[] = {"the topic", "tier 1", "tier 2", "tier 3", "tier 4", "the dead letters"};
	return names[topic];
}

static const char *name_of(enum trace_kind kind, int64_t b, int64_t d)
{
	switch (kind) {
	case TRACE_POSTED:
		return verdicts[d];
	case TRACE_FAULT:
		return fault_name((enum fault_kind)b);
	case TRACE_TAKEN:
	case TRACE_SENT:
	case TRACE_REPORTED:
	case TRACE_SETTLED:
	case TRACE_ASSIGNED:
	case TRACE_REVOKED:
	case TRACE_LOST:
	case TRACE_RELINQUISHED:
		return trace_topic(b);
	default:
		return "";
	}
}

static void print(const struct trace *trace, enum trace_kind kind, const char *who, const int64_t numbers[4])
{
	fprintf(trace->to, "%6" PRId64 ".%03" PRId64 "  %-9s ", trace->now_ms / 1000, trace->now_ms % 1000, who);
	for (const char *at = lines[kind]; *at; at++) {
		if (*at != '#')
			fputc(*at, trace->to);
		else if (*++at == 'n')
			fputs(name_of(kind, numbers[1], numbers[3]), trace->to);
		else
			fprintf(trace->to, "%" PRId64, numbers[*at - '1']);
	}
	fputc('\n', trace->to);
}

void trace_note(struct trace *trace, enum trace_kind kind, const char *who, int64_t a, int64_t b, int64_t c, int64_t d)
{
	const int64_t numbers[] = {a, b, c, d};
	uint64_t      hash = trace->hash ^ (uint64_t)trace->now_ms << 8 ^ kind;
	for (const char *at = who; *at; at++)
		hash = hash * 31 + (unsigned char)*at;
	for (int i = 0; i < 4; i++)
		hash = chance_mix(hash + (uint64_t)numbers[i]);
	trace->hash = hash;
	trace->count++;
	if (trace->to)
		print(trace, kind, who, numbers);
}
