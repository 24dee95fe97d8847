/*
 * Topics and partitions: logs with retention.
 */
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "copying.h"

#define PARTITIONS_MAX 1024
#define LOG_CAPACITY_MIN 16

/* ---- records ---- */

static size_t size_of(const evpipe_record *record)
{
	size_t size = (record->key ? record->key_len : 0) + (record->value ? record->value_len : 0);
	for (size_t i = 0; i < record->headers_count; i++)
		size += strlen(record->headers[i].name) + (record->headers[i].value ? record->headers[i].value_len : 0);
	return size;
}

/* Null is not empty; the length of what is null is 0. */
static void copy_record(struct entry *entry, const evpipe_record *record)
{
	evpipe_header *headers = (evpipe_header *)(entry + 1);
	char          *to = (char *)(headers + record->headers_count);

	evpipe__tb_put_headers(headers, &to, record->headers, record->headers_count);
	entry->record.headers = headers;
	entry->record.headers_count = record->headers_count;
	entry->record.key = evpipe__tb_put(&to, record->key, record->key_len);
	entry->record.key_len = record->key ? record->key_len : 0;
	entry->record.value = evpipe__tb_put(&to, record->value, record->value_len);
	entry->record.value_len = record->value ? record->value_len : 0;
	entry->record.timestamp_ms = record->timestamp_ms;
}

evpipe_err evpipe__tb_entry_new(struct entry **out, struct topic *topic, const evpipe_record *record)
{
	size_t bytes = size_of(record);
	if (bytes > topic->settings.record_max)
		return EVPIPE_ETOOLARGE;
	/* A byte more, so that what is empty points into it, too; a NUL behind each header's name. */
	struct entry *entry = malloc(sizeof *entry + record->headers_count * (sizeof(evpipe_header) + 1) + bytes + 1);
	if (!entry)
		return EVPIPE_ENOMEM;
	*entry = (struct entry){.refs = 1, .bytes = bytes, .record.topic = topic->name};
	copy_record(entry, record);
	*out = entry;
	return EVPIPE_OK;
}

void evpipe__tb_entry_unref(struct entry *entry)
{
	if (entry && --entry->refs == 0)
		free(entry);
}

/* ---- partitions ---- */

struct partition *evpipe__tb_partition_for(struct topic *topic, const evpipe_record *record)
{
	int32_t count = topic->settings.partitions, number = record->partition;
	if (number == EVPIPE_PARTITION_ANY)
		number = record->key ? evpipe_partition_of(record->key, record->key_len, count)
		                     : (int32_t)(topic->next_any++ % (uint32_t)count);
	return number >= 0 && number < count ? &topic->partitions[number] : NULL;
}

static struct entry **place_of(const struct partition *partition, int64_t offset)
{
	return &partition->entries[(uint64_t)offset & (partition->capacity - 1)];
}

static evpipe_err make_room(struct partition *partition)
{
	if ((size_t)(partition->high - partition->low) < partition->capacity)
		return EVPIPE_OK;
	struct partition larger = *partition;
	larger.capacity = partition->capacity ? 2 * partition->capacity : LOG_CAPACITY_MIN;
	larger.entries = malloc(larger.capacity * sizeof *larger.entries);
	if (!larger.entries)
		return EVPIPE_ENOMEM;
	for (int64_t offset = partition->low; offset < partition->high; offset++)
		*place_of(&larger, offset) = *place_of(partition, offset);
	free(partition->entries);
	partition->entries = larger.entries;
	partition->capacity = larger.capacity;
	return EVPIPE_OK;
}

static void drop_first(struct partition *partition)
{
	struct entry *entry = *place_of(partition, partition->low);
	partition->bytes -= entry->bytes;
	partition->low++;
	evpipe__tb_entry_unref(entry);
}

void evpipe__tb_partition_expire(struct partition *partition)
{
	const evpipe_testbroker_topic *settings = &partition->topic->settings;

	while (settings->retention_bytes >= 0 && partition->low < partition->high &&
	       partition->bytes > (uint64_t)settings->retention_bytes)
		drop_first(partition);
	if (settings->retention_ms < 0 || partition->low == partition->high)
		return;
	int64_t before_ms = evpipe__tb_wall(partition->topic->broker) - settings->retention_ms;
	while (partition->low < partition->high && (*place_of(partition, partition->low))->appended_ms < before_ms)
		drop_first(partition);
}

evpipe_err evpipe__tb_partition_append(struct partition *partition, struct entry *entry)
{
	struct claim *claim;

	if (make_room(partition) != EVPIPE_OK)
		return EVPIPE_ENOMEM;
	entry->refs++;
	entry->appended_ms = evpipe__tb_wall(partition->topic->broker);
	entry->record.partition = partition->number;
	entry->record.offset = partition->high;
	*place_of(partition, partition->high++) = entry;
	partition->bytes += entry->bytes;
	evpipe__tb_partition_expire(partition);
	TAILQ_FOREACH(claim, &partition->claims, of_partition)
		if (claim->assignment)
			evpipe__tb_assignment_wake(claim->assignment);
	return EVPIPE_OK;
}

struct entry *evpipe__tb_partition_at(const struct partition *partition, int64_t offset)
{
	return offset >= partition->low && offset < partition->high ? *place_of(partition, offset) : NULL;
}

int evpipe__tb_partition_is_available(const struct partition *partition)
{
	return !partition->unavailable && !partition->topic->broker->is_down;
}

/* ---- topics ---- */

struct topic *evpipe__tb_topic(evpipe_testbroker *broker, const char *name)
{
	struct topic *topic = NULL;
	if (name)
		HASH_FIND_STR(broker->topics, name, topic);
	return topic;
}

void evpipe__tb_topic_free(struct topic *topic)
{
	for (int32_t i = 0; topic->partitions && i < topic->settings.partitions; i++) {
		struct partition *partition = &topic->partitions[i];
		while (partition->low < partition->high)
			drop_first(partition);
		free(partition->entries);
	}
	free(topic->partitions);
	free(topic->name);
	free(topic);
}

static int is_sound(const evpipe_testbroker_topic *settings)
{
	return settings->size == sizeof *settings && settings->partitions >= 1 && settings->partitions <= PARTITIONS_MAX &&
	       settings->retention_ms >= -1 && settings->retention_bytes >= -1 && settings->record_max > 0;
}

evpipe_err evpipe__tb_topic_new(evpipe_testbroker *broker, const char *name, const evpipe_testbroker_topic *settings)
{
	if (!name || !*name || !is_sound(settings) || evpipe__tb_topic(broker, name))
		return EVPIPE_EINVAL;
	struct topic *topic = calloc(1, sizeof *topic);
	if (!topic)
		return EVPIPE_ENOMEM;
	topic->broker = broker;
	topic->settings = *settings;
	topic->name = strdup(name);
	topic->partitions = calloc((size_t)settings->partitions, sizeof *topic->partitions);
	if (topic->name && topic->partitions)
		HASH_ADD_KEYPTR(hh, broker->topics, topic->name, strlen(topic->name), topic);
	if (!topic->hh.tbl) {
		evpipe__tb_topic_free(topic);
		return EVPIPE_ENOMEM;
	}
	for (int32_t i = 0; i < settings->partitions; i++) {
		struct partition *partition = &topic->partitions[i];
		partition->topic = topic;
		partition->number = i;
		partition->id = broker->partitions_count++;
		TAILQ_INIT(&partition->claims);
	}
	evpipe__tb_topic_came(broker, topic);
	return EVPIPE_OK;
}
