/*
 * faults.h: how a receiver fails on purpose.
 */
#ifndef EVPIPE_CLI_FAULTS_H
#define EVPIPE_CLI_FAULTS_H

#include "body.h"
#include "options.h"

#define FAULTS_DOWN_MAX   32
#define FAULTS_POISON_MAX 32

struct faults {
	int64_t fail_rate;      /* of 1,000,000 posts; -1: all if there is a status, else none */
	int64_t status;         /* of a post that fails; 0: 503 */
	int64_t latency_ms;     /* of each answer */
	int64_t retry_after_ms; /* that a failing answer asks for; 0: it doesn't */
	int64_t body_max;       /* decompressed; larger ones are answered 413 */
	int     partial;        /* the first half of a failing post is stored */
	int64_t hang_up_rate;   /* of 1,000,000 posts that don't fail: stored, and not answered */
	struct fault_down {
		char    destination[256];
		int64_t from_ms, until_ms; /* since the start */
	} down[FAULTS_DOWN_MAX];
	size_t      down_count;
	const char *poison[FAULTS_POISON_MAX];
	size_t      poison_count;
	uint64_t    random; /* the state of the dice */
};

#define FAULTS_BODY_MAX (64 * 1024 * 1024)
#define FAULTS_INIT     {.fail_rate = -1, .body_max = FAULTS_BODY_MAX, .random = 1}

/* For OPTION_CALL. */
const char *faults_add_down(void *faults, const char *value);   /* "ACME@5s+20s" */
const char *faults_add_poison(void *faults, const char *value); /* an id */

/* clang-format off */
#define FAULTS_OPTIONS(faults) \
	{"fail-rate", OPTION_RATE, &(faults).fail_rate, NULL}, \
	{"status", OPTION_NUMBER, &(faults).status, NULL}, \
	{"latency", OPTION_DURATION, &(faults).latency_ms, NULL}, \
	{"retry-after", OPTION_DURATION, &(faults).retry_after_ms, NULL}, \
	{"max-body", OPTION_BYTES, &(faults).body_max, NULL}, \
	{"partial", OPTION_FLAG, &(faults).partial, NULL}, \
	{"hang-up", OPTION_RATE, &(faults).hang_up_rate, NULL}, \
	{"down", OPTION_CALL, &(faults), faults_add_down}, \
	{"poison", OPTION_CALL, &(faults), faults_add_poison}

#define FAULTS_HELP \
	"  --fail-rate RATE            this part of the posts fails: 0.1 or 10%\n" \
	"  --status CODE               how they fail; 503. Without a rate: all of them\n" \
	"  --latency DURATION          answers take this long\n" \
	"  --down DESTINATION@FROM+FOR its posts fail for a while: ACME@5s+20s (repeatable)\n" \
	"  --retry-after DURATION      failing answers ask to be left alone for so long\n" \
	"  --poison ID                 400 for any batch that contains this event (repeatable)\n" \
	"  --max-body SIZE             larger bodies, decompressed, are answered 413; 64MiB\n" \
	"  --partial                   the first half of a failing post is stored all the same\n" \
	"  --hang-up RATE              this part of the posts is stored, and the connection closed without an answer\n"
/* clang-format on */

/* 0, or the exit code. */
int faults_check(const struct faults *faults);

/* The status that a post fails with on purpose, 0: it doesn't; *stored is how many of its events are stored then. */
int faults_decide(struct faults *faults, const char *destination, int64_t since_start_ms, const struct body *body,
                  size_t *stored);

/* True: a post that was stored is not answered, and its connection closed. */
int faults_hang_up(struct faults *faults);

#endif
