/*
 * account.h: what became of each event that `demo' emitted, by destination and id. Any thread.
 */
#ifndef EVPIPE_CLI_ACCOUNT_H
#define EVPIPE_CLI_ACCOUNT_H

#include <evpipe.h>
#include <jansson.h>
#include <stdio.h>

#include "scan.h"

struct account;

struct account_counts {
	uint64_t emitted;
	uint64_t delivered;  /* each event once */
	uint64_t duplicates; /* deliveries beyond that */
	uint64_t retried;    /* handed to a retry tier, each time */
	uint64_t dead_lettered;
	uint64_t out_of_order; /* delivered after a later one of its key */
	uint64_t lost;         /* neither delivered nor dead-lettered, at the end */
	uint64_t left;         /* the same when it was stopped before the end: still on their way */
};

/* NULL when memory is short. */
struct account *account_new(void);
void            account_free(struct account *account); /* takes NULL */

/* An event is about to be emitted (it must have an id), and: it was refused after all. -1: no memory. */
int  account_emitting(struct account *account, const evpipe_event *event);
void account_withdraw(struct account *account, const evpipe_event *event);

/* It arrived. One that was never emitted counts as a stranger. */
void account_delivered(struct account *account, const char *destination, struct slice id);
void account_dead_lettered(struct account *account, const char *destination, struct slice id);
void account_retried(struct account *account, const char *destination, uint64_t times);

/* The totals; lost and left are 0 until it is closed. */
void     account_totals(struct account *account, struct account_counts *totals);
uint64_t account_strangers(struct account *account);

/* Nothing more comes: whatever has not arrived anywhere is lost, or left if that is not the end. */
void account_close(struct account *account, int is_end);

/* A table by destination, the totals last; or an object of the totals with `destinations`. */
void    account_print(struct account *account, FILE *to);
json_t *account_json(struct account *account);

#endif
