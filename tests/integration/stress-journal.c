/*
 * stress-journal.c: the ring by itself, with many threads that append and one that takes, for as many events as one likes.
 *
 *   stress-journal [EVENTS=1000000000] [THREADS=4]
 *
 * Each thread's events are numbered; they have to come complete, in order and unharmed. Positions begin shortly before they
 * wrap around in the commit words.
 */
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "journal.h"
#include "platform.h"
#include "record.h"

#define CAPACITY (1 << 20)
#define THREADS_MAX 64
#define DATA_MAX 200
#define TAKEN_BEFORE_RECLAIM 100

static evpipe__journal *journal;
static uint64_t         each;

static size_t fill(char *data, uint64_t number)
{
	size_t len = sizeof number + (size_t)(number * 7919 % (DATA_MAX - sizeof number));
	memset(data, (int)number, len);
	memcpy(data, &number, sizeof number);
	return len;
}

static void *append_all(void *arg)
{
	char         destination[2] = {(char)('0' + (uintptr_t)arg), '\0'}, data[DATA_MAX];
	evpipe_event event = EVPIPE_EVENT_INIT;
	size_t       lengths[4];

	event.destination = destination;
	event.data = data;
	for (uint64_t i = 0; i < each; i++) {
		event.data_len = fill(data, i);
		size_t size = evpipe__record_size_of(&event, lengths);
		while (evpipe__journal_append(journal, &event, lengths, size, 1) == EVPIPE_EFULL)
			sched_yield();
	}
	return NULL;
}

static int is_right(const evpipe_event *event, uint64_t number)
{
	char data[DATA_MAX];
	return event->data_len == fill(data, number) && memcmp(event->data, data, event->data_len) == 0;
}

int main(int argc, char **argv)
{
	uint64_t               events = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000000, next[THREADS_MAX] = {0}, taken = 0;
	size_t                 threads = argc > 2 ? strtoul(argv[2], NULL, 10) : 4;
	const evpipe__identity identity = {.nonce = 1, .key = 0x5bd1e995c6a4a793};
	uint64_t               cursor = (UINT64_C(1) << 46) - CAPACITY;
	evpipe__journal_entry  entry;
	pthread_t              ids[THREADS_MAX];
	void                  *region;

	if (!threads || threads > THREADS_MAX)
		return 64;
	each = events / threads;
	if (evpipe__region_new(&region, evpipe__journal_region_size(CAPACITY)) ||
	    evpipe__journal_new(&journal, region, CAPACITY, &identity, cursor))
		return 70;
	clock_t begun = clock();
	for (size_t i = 0; i < threads; i++)
		if (pthread_create(&ids[i], NULL, append_all, (void *)(uintptr_t)i))
			return 70;
	while (taken < each * threads) {
		if (!evpipe__journal_next(journal, &cursor, &entry)) {
			evpipe__journal_reclaim(journal);
			sched_yield();
			continue;
		}
		size_t thread = (size_t)(entry.event.destination[0] - '0');
		if (thread >= threads || !is_right(&entry.event, next[thread]++)) {
			fprintf(stderr, "stress-journal: event %" PRIu64 " at %" PRIx64 " is not what was put in\n", taken, entry.position);
			return 1;
		}
		cursor = evpipe__journal_done(journal, entry.position);
		if (++taken % TAKEN_BEFORE_RECLAIM == 0)
			evpipe__journal_reclaim(journal);
	}
	for (size_t i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	evpipe__journal_reclaim(journal);
	int empty = evpipe__journal_tail(journal) == evpipe__journal_head(journal);
	printf("%" PRIu64 " events of %zu threads came complete, in order and unharmed, in %.0f s of processor time\n", taken, threads,
	       (double)(clock() - begun) / CLOCKS_PER_SEC);
	evpipe__journal_free(journal);
	evpipe__region_free(region, evpipe__journal_region_size(CAPACITY));
	return !empty;
}
