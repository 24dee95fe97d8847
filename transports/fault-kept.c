/*
 * Records that were handed out and are not settled: copies, so that they can come again; and records that are handed
 * out twice.
 */
#include "fault.h"

#include <string.h>

#include "memory.h"

#define uthash_malloc(size) evpipe__malloc(size)
#define uthash_free(memory, size) evpipe__free(memory)
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* A record that was handed out and is not settled inside. What it points to is behind it. */
struct evpipe__fault_kept {
	int64_t        offset;
	evpipe_record  record;
	size_t         size;
	UT_hash_handle hh; /* in the order they came, which is that of the offsets */
};

/* A copy of bytes at *at, which moves on; NULL stays NULL. */
static const void *pack(char **at, const void *bytes, size_t len)
{
	if (!bytes)
		return NULL;
	char *copy = *at;
	memcpy(copy, bytes, len);
	copy[len] = '\0';
	*at += len + 1;
	return copy;
}

static size_t packed_size(const evpipe_record *record)
{
	size_t size = record->headers_count * sizeof *record->headers + record->key_len + record->value_len + 2;
	for (size_t i = 0; i < record->headers_count; i++)
		size += strlen(record->headers[i].name) + record->headers[i].value_len + 2;
	return size;
}

static evpipe__fault_kept *copy_record(const evpipe_record *record, const char *topic)
{
	size_t              size = sizeof(evpipe__fault_kept) + packed_size(record);
	evpipe__fault_kept *kept = evpipe__malloc(size);
	if (!kept)
		return NULL;
	evpipe_header *headers = (evpipe_header *)(kept + 1);
	char          *at = (char *)(headers + record->headers_count);

	*kept = (evpipe__fault_kept){.offset = record->offset, .record = *record, .size = size};
	for (size_t i = 0; i < record->headers_count; i++) {
		const evpipe_header *header = &record->headers[i];
		headers[i].name = pack(&at, header->name, strlen(header->name));
		headers[i].value = pack(&at, header->value, header->value_len);
		headers[i].value_len = header->value_len;
	}
	kept->record.topic = topic;
	kept->record.headers = headers;
	kept->record.key = pack(&at, record->key, record->key_len);
	kept->record.value = pack(&at, record->value, record->value_len);
	return kept;
}

void evpipe__fault_set_next(evpipe__fault_partition *partition, evpipe__fault_kept *next)
{
	struct evpipe__fault_partitions *replaying = &partition->fault->replaying;
	if (!partition->next && next)
		TAILQ_INSERT_TAIL(replaying, partition, replaying);
	else if (partition->next && !next)
		TAILQ_REMOVE(replaying, partition, replaying);
	partition->next = next;
}

static void let_go(evpipe__fault_partition *partition, evpipe__fault_kept *kept)
{
	evpipe__fault *fault = partition->fault;
	if (partition->next == kept)
		evpipe__fault_set_next(partition, kept->hh.next);
	HASH_DEL(partition->kept, kept);
	fault->memory -= kept->size;
	if (fault->lent == kept)
		fault->lent_is_done = 1;
	else
		evpipe__free(kept);
}

void evpipe__fault_take_back(evpipe__fault *fault)
{
	if (fault->has_again)
		return;
	if (fault->lent_is_done)
		evpipe__free(fault->lent);
	fault->lent = NULL;
	fault->lent_is_done = 0;
}

void evpipe__fault_let_go(evpipe__fault_partition *partition, int64_t offset)
{
	evpipe__fault_kept *kept;
	HASH_FIND(hh, partition->kept, &offset, sizeof offset, kept);
	if (kept)
		let_go(partition, kept);
}

void evpipe__fault_let_go_all(evpipe__fault_partition *partition)
{
	evpipe__fault_kept *kept, *next;
	HASH_ITER(hh, partition->kept, kept, next)
		let_go(partition, kept);
}

void evpipe__fault_keep(evpipe__fault_partition *partition, const evpipe_record *record)
{
	evpipe__fault_kept *kept;
	int                 added = 1;

	HASH_FIND(hh, partition->kept, &record->offset, sizeof record->offset, kept);
	if (kept)
		return;
	kept = copy_record(record, partition->topic);
#undef uthash_nonfatal_oom
#define uthash_nonfatal_oom(element) (added = 0)
	if (kept)
		HASH_ADD(hh, partition->kept, offset, sizeof kept->offset, kept);
	if (kept && added) {
		partition->fault->memory += kept->size;
	} else {
		evpipe__free(kept);
		partition->gaps = 1;
	}
}

int64_t evpipe__fault_kept_left(const evpipe__fault_partition *partition)
{
	int64_t count = 0;
	for (const evpipe__fault_kept *kept = partition->next; kept; kept = kept->hh.next)
		count++;
	return count;
}

/* ---- handing out again ---- */

static int next_again(evpipe__fault *fault, evpipe_transport_event *event)
{
	if (!fault->has_again)
		return 0;
	fault->has_again = 0;
	evpipe__fault_partition *partition = evpipe__fault_find(fault, fault->again.assignment);
	if (!partition || partition->state != FAULT_OWNED || partition->held)
		return 0;
	*event = fault->again;
	return 1;
}

int evpipe__fault_next_record(evpipe__fault *fault, evpipe_transport_event *event)
{
	evpipe__fault_partition *partition;

	if (next_again(fault, event))
		return 1;
	TAILQ_FOREACH(partition, &fault->replaying, replaying)
	{
		if (partition->state != FAULT_OWNED || partition->held || evpipe__timer_is_set(&partition->stall))
			continue;
		fault->lent = partition->next;
		*event = (evpipe_transport_event){.type = EVPIPE_TRANSPORT_RECORD, .record = fault->lent->record};
		evpipe__fault_set_next(partition, fault->lent->hh.next);
		evpipe__fault_hand_out(partition, event);
		return 1;
	}
	return 0;
}
