/*
 * Looking at topics and groups from outside, and putting records there.
 */
#include "broker.h"

evpipe_err evpipe_testbroker_create_topic(evpipe_testbroker *broker, const char *name, const evpipe_testbroker_topic *settings)
{
	static const evpipe_testbroker_topic usual = EVPIPE_TESTBROKER_TOPIC_INIT;
	if (!broker)
		return EVPIPE_EINVAL;
	evpipe__tb_lock(broker);
	evpipe_err err = evpipe__tb_topic_new(broker, name, settings ? settings : &usual);
	evpipe__tb_unlock(broker);
	return err;
}

/* NULL if there is no such partition; what is in it is what retention leaves. */
static struct partition *find_partition(evpipe_testbroker *broker, const char *name, int32_t number)
{
	struct topic *topic = evpipe__tb_topic(broker, name);
	if (!topic || number < 0 || number >= topic->settings.partitions)
		return NULL;
	evpipe__tb_partition_expire(&topic->partitions[number]);
	return &topic->partitions[number];
}

int32_t evpipe_testbroker_partitions(evpipe_testbroker *broker, const char *name)
{
	evpipe__tb_lock(broker);
	struct topic *topic = evpipe__tb_topic(broker, name);
	int32_t       count = topic ? topic->settings.partitions : -1;
	evpipe__tb_unlock(broker);
	return count;
}

int64_t evpipe_testbroker_low(evpipe_testbroker *broker, const char *topic, int32_t number)
{
	evpipe__tb_lock(broker);
	const struct partition *partition = find_partition(broker, topic, number);
	int64_t                 low = partition ? partition->low : -1;
	evpipe__tb_unlock(broker);
	return low;
}

int64_t evpipe_testbroker_high(evpipe_testbroker *broker, const char *topic, int32_t number)
{
	evpipe__tb_lock(broker);
	const struct partition *partition = find_partition(broker, topic, number);
	int64_t                 high = partition ? partition->high : -1;
	evpipe__tb_unlock(broker);
	return high;
}

uint64_t evpipe_testbroker_count(evpipe_testbroker *broker, const char *name)
{
	const struct partition *partition;
	uint64_t                count = 0;
	evpipe__tb_lock(broker);
	for (int32_t i = 0; (partition = find_partition(broker, name, i)); i++)
		count += (uint64_t)(partition->high - partition->low);
	evpipe__tb_unlock(broker);
	return count;
}

evpipe_err evpipe_testbroker_read(evpipe_testbroker *broker, const char *topic, int32_t number, int64_t offset,
                                  evpipe_record *record)
{
	evpipe__tb_lock(broker);
	const struct partition *partition = find_partition(broker, topic, number);
	const struct entry     *entry = partition ? evpipe__tb_partition_at(partition, offset) : NULL;
	if (entry)
		*record = entry->record;
	evpipe__tb_unlock(broker);
	return entry ? EVPIPE_OK : EVPIPE_EINVAL;
}

static evpipe_err append_locked(evpipe_testbroker *broker, const evpipe_record *record)
{
	struct entry     *entry;
	struct topic     *topic = evpipe__tb_topic(broker, record->topic);
	struct partition *partition = topic ? evpipe__tb_partition_for(topic, record) : NULL;
	if (!partition)
		return EVPIPE_EINVAL;
	evpipe_err err = evpipe__tb_entry_new(&entry, topic, record);
	if (err)
		return err;
	err = evpipe__tb_partition_append(partition, entry);
	evpipe__tb_entry_unref(entry);
	return err;
}

evpipe_err evpipe_testbroker_append(evpipe_testbroker *broker, const evpipe_record *record)
{
	if (!broker || !record)
		return EVPIPE_EINVAL;
	evpipe__tb_lock(broker);
	evpipe_err err = append_locked(broker, record);
	evpipe__tb_unlock(broker);
	return err;
}

static struct claim *find_claim(evpipe_testbroker *broker, const char *group_name, const char *topic, int32_t number)
{
	struct group     *group = evpipe__tb_group(broker, group_name);
	struct partition *partition = find_partition(broker, topic, number);
	return group && partition ? evpipe__tb_claim(group, partition) : NULL;
}

int64_t evpipe_testbroker_committed(evpipe_testbroker *broker, const char *group, const char *topic, int32_t number,
                                    const char **metadata)
{
	evpipe__tb_lock(broker);
	const struct claim *claim = find_claim(broker, group, topic, number);
	int64_t             offset = claim ? claim->committed : -1;
	if (metadata)
		*metadata = claim && claim->metadata ? claim->metadata : "";
	evpipe__tb_unlock(broker);
	return offset;
}

uint64_t evpipe_testbroker_lag(evpipe_testbroker *broker, const char *group, const char *name)
{
	const struct partition *partition;
	uint64_t                lag = 0;
	evpipe__tb_lock(broker);
	for (int32_t i = 0; (partition = find_partition(broker, name, i)); i++) {
		const struct claim *claim = find_claim(broker, group, name, i);
		int64_t             from = claim && claim->committed > partition->low ? claim->committed : partition->low;
		lag += (uint64_t)(partition->high - from);
	}
	evpipe__tb_unlock(broker);
	return lag;
}
