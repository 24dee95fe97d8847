/*
 * harness.h: what the cases are written in: instances of the transport under test that note all that happens to them,
 * and check at each event what must hold whatever a case is about.
 */
#ifndef CONFORMANCE_HARNESS_H
#define CONFORMANCE_HARNESS_H

#include "../unit/test.h"
#include "conformance.h"

#define MIB ((size_t)1024 * 1024)

/* Each topic of a case has a name of its own, and so has each group. */
#define NAME_MAX_BYTES 64

/* ---- the world ---- */

extern const struct conformance_target *target;
extern const evpipe_transport_ops      *ops;
extern evpipe_config                   *config;
extern int64_t                          run_began_ms; /* wall clock; what send_number gives for a timestamp */

void    new_name(char name[NAME_MAX_BYTES], const char *what);
void    new_topic(char name[NAME_MAX_BYTES], int32_t partitions);
int64_t now_ms(void);
int     has_feature(uint32_t feature);

/* Ends the case as skipped. */
void skip_since(const char *why);

void set_away(int away);
void expel(const char *group);

/* ---- instances ---- */

/* A record that was sent, by token. */
struct sending {
	int            is_sent, is_reported;
	evpipe_outcome outcome;
	evpipe_err     err;
};

/* A copy of a record that was handed out. */
struct taken {
	evpipe_assignment assignment;
	evpipe_record     record;
	int               is_settled;
};

struct owned {
	enum { NOT_OURS, OURS, OURS_REVOKED } state;
	evpipe_assignment assignment;
	char              topic[NAME_MAX_BYTES];
	int32_t           partition;
	int               is_held;
	int64_t           last_offset;
	unsigned          records;
};

#define SENDINGS_MAX 40000
#define OWNED_MAX    64

struct instance {
	struct instance *next;
	void            *self;
	size_t           memory_max;
	int              is_closed;
	int              is_full; /* the case wants no records */
	int              keeps_revoked; /* the case relinquishes by itself */
	int              counts_only;   /* records are counted, not copied */
	int              may_double;    /* a record may be handed out twice in a row */
	int              probes;        /* all that may be called between two polls is, with each record */
	uint64_t         records_max;   /* the case wants no more than so many; 0: any */

	struct sending *sendings;
	uint64_t        sent, reported, persisted;

	struct taken *taken;
	size_t        taken_count, taken_capacity;
	uint64_t      records; /* handed out */
	struct owned  owned[OWNED_MAX];
	unsigned      assigned, revoked, lost; /* events */
	unsigned      ours;                    /* partitions right now */
	size_t        memory_seen;             /* the most there was */

	unsigned   topics; /* answers */
	evpipe_err topic_err;
	int        topic_differs;

	unsigned   commits, commits_failed, notices;
	evpipe_err commit_err; /* the last one's */
	evpipe_err first_notice;
};

struct instance *open_instance(unsigned roles, size_t memory_max);
struct instance *open_sender(void);
struct instance *open_receiver(const char *group, const char *topic);
void             subscribe(struct instance *instance, const char *group, const char *topic);

/* Close, and take what is left to report. */
void close_instance(struct instance *instance, uint32_t timeout_ms);
/* As a process that dies: what was not committed is not. */
void free_instance(struct instance *instance);
void free_all_instances(void);

/* Poll one until there is no more. True: something came. */
int step(struct instance *instance);

/* ---- sending ---- */

/* The token is the number of the send, from 0. Comes again while there is no room. */
void send_record(struct instance *instance, const evpipe_record *record);
/* A value that is a number in decimal; key NULL: none. */
void send_number(struct instance *instance, const char *topic, int32_t partition, const char *key, unsigned number);
void send_numbers(struct instance *instance, const char *topic, int32_t partition, unsigned first, unsigned count);

/* ---- receiving ---- */

unsigned      number_of(const struct taken *taken);
evpipe_err    settle(struct instance *instance, struct taken *taken);
struct owned *find_owned(struct instance *instance, const char *topic, int32_t partition);

/* ---- waiting ---- */

/* Let everything happen and time go by until the condition holds; fails when that takes longer than it ever should. */
#define AWAIT(condition)                                                                                               \
	do {                                                                                                           \
		int64_t since_ms_ = now_ms();                                                                          \
		while (!(condition))                                                                                   \
			await_more(since_ms_, #condition, __FILE__, __LINE__);                                         \
	} while (0)
void await_more(int64_t since_ms, const char *condition, const char *file, int line);

/* Wait until descriptor or next_due say that this one is to be polled, and not longer; fails if they never do. */
void wait_as_told(struct instance *instance);

/* Step all instances while so much time goes by, and wait as the core does. How often there was to be waited. */
unsigned pass(int64_t ms);

/* ---- the cases, by file; each returns how many failed ---- */

typedef int (*case_group)(void);

/* As conformance_run, with these. */
int conformance_run_groups(const struct conformance_target *target, const case_group groups[], size_t count);

int conformance_features(void);
int conformance_topics(void);
int conformance_sending(void);
int conformance_records(void);
int conformance_receiving(void);
int conformance_settling(void);
int conformance_groups(void);
int conformance_closing(void);

/* For their tables: what a case leaves open is freed. */
int clean_up(void **state);
#define CASE(function) cmocka_unit_test_teardown(function, clean_up)

#endif
