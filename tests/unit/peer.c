#include "peer.h"

void peer_open(struct peer *peer, evpipe_testbroker *broker)
{
	evpipe_transport_setup setup = {
		.size = sizeof setup, .arg = broker, .roles = EVPIPE_ROLE_SEND | EVPIPE_ROLE_RECEIVE, .memory_max = 1024 * 1024};
	memset(peer, 0, sizeof *peer);
	peer->ops = evpipe_testbroker_transport();
	peer->broker = broker;
	assert_int_equal(peer->ops->open(&peer->self, &setup, NULL), EVPIPE_OK);
}

void peer_close(struct peer *peer)
{
	peer->ops->close(peer->self, 1000);
	assert_int_equal(peer_poll(peer), EVPIPE_ECLOSED);
	peer->ops->free(peer->self);
}

void peer_subscribe(struct peer *peer, const char *group, const char *topic)
{
	evpipe_subscription subscription = {.size = sizeof subscription, .group = group, .topics = &topic, .topics_count = 1};
	assert_int_equal(peer->ops->subscribe(peer->self, &subscription), EVPIPE_OK);
}

static struct peer_partition *find(struct peer *peer, evpipe_assignment assignment)
{
	assert_in_range(assignment.slot, 0, PEER_PARTITIONS_MAX - 1);
	struct peer_partition *partition = &peer->partitions[assignment.slot];
	assert_int_equal(partition->assignment.epoch, assignment.epoch);
	return partition;
}

static void on_assigned(struct peer *peer, const evpipe_transport_event *event)
{
	assert_in_range(event->assignment.slot, 0, PEER_PARTITIONS_MAX - 1);
	struct peer_partition *partition = &peer->partitions[event->assignment.slot];
	assert_int_equal(partition->state, PEER_NONE);
	assert_int_not_equal(partition->assignment.epoch, event->assignment.epoch);
	partition->state = PEER_OWNED;
	partition->assignment = event->assignment;
	partition->number = event->partition;
	snprintf(partition->topic, sizeof partition->topic, "%s", event->topic);
	peer->assigned++;
}

static void on_record(struct peer *peer, const evpipe_transport_event *event)
{
	struct peer_partition *partition = find(peer, event->assignment);
	assert_int_equal(partition->state, PEER_OWNED);
	assert_int_equal(partition->number, event->record.partition);
	assert_string_equal(partition->topic, event->record.topic);
	assert_in_range(peer->records_count, 0, PEER_RECORDS_MAX - 1);
	struct peer_record *record = &peer->records[peer->records_count++];
	record->assignment = event->assignment;
	record->partition = event->record.partition;
	record->offset = event->record.offset;
	snprintf(record->value, sizeof record->value, "%.*s", (int)event->record.value_len,
	         event->record.value ? (const char *)event->record.value : "");
}

static void on_event(struct peer *peer, const evpipe_transport_event *event)
{
	switch (event->type) {
	case EVPIPE_TRANSPORT_RECORD:
		on_record(peer, event);
		break;
	case EVPIPE_TRANSPORT_SENT:
		assert_in_range(peer->sent_count, 0, PEER_RECORDS_MAX - 1);
		peer->sent[peer->sent_count++] = (struct peer_sent){event->token, event->outcome, event->err};
		break;
	case EVPIPE_TRANSPORT_ASSIGNED:
		on_assigned(peer, event);
		break;
	case EVPIPE_TRANSPORT_REVOKED:
		find(peer, event->assignment)->state = PEER_REVOKED;
		peer->revoked++;
		break;
	case EVPIPE_TRANSPORT_LOST:
		find(peer, event->assignment)->state = PEER_NONE;
		peer->lost++;
		break;
	case EVPIPE_TRANSPORT_COMMITTED:
		peer->committed += event->err == EVPIPE_OK;
		peer->refused += event->err != EVPIPE_OK;
		break;
	case EVPIPE_TRANSPORT_TOPIC:
		peer->topic_err = event->err;
		snprintf(peer->topic_text, sizeof peer->topic_text, "%s", event->text ? event->text : "");
		break;
	case EVPIPE_TRANSPORT_NOTICE:
		peer->notices++;
		break;
	}
}

static evpipe_err poll_all(struct peer *peer, unsigned flags)
{
	evpipe_transport_event event;
	evpipe_err             err;
	while ((err = peer->ops->poll(peer->self, flags, &event)) == EVPIPE_OK)
		on_event(peer, &event);
	return err;
}

evpipe_err peer_poll(struct peer *peer)
{
	return poll_all(peer, 0);
}

evpipe_err peer_poll_without_records(struct peer *peer)
{
	return poll_all(peer, EVPIPE_POLL_NO_RECORDS);
}

evpipe_err peer_send(struct peer *peer, const char *topic, int32_t partition, const char *key, const char *value, uint64_t token)
{
	evpipe_record record = {.topic = topic,
	                        .partition = partition,
	                        .key = key,
	                        .key_len = key ? strlen(key) : 0,
	                        .value = value,
	                        .value_len = value ? strlen(value) : 0};
	return peer->ops->send(peer->self, &record, token);
}

size_t peer_owned(const struct peer *peer)
{
	size_t count = 0;
	for (size_t i = 0; i < PEER_PARTITIONS_MAX; i++)
		count += peer->partitions[i].state == PEER_OWNED;
	return count;
}

struct peer_partition *peer_partition(struct peer *peer, const char *topic, int32_t number)
{
	for (size_t i = 0; i < PEER_PARTITIONS_MAX; i++) {
		struct peer_partition *partition = &peer->partitions[i];
		if (partition->state == PEER_OWNED && partition->number == number && strcmp(partition->topic, topic) == 0)
			return partition;
	}
	return NULL;
}

void peer_settle(struct peer *peer, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		assert_int_equal(peer->ops->settle(peer->self, peer->records[i].assignment, peer->records[i].offset), EVPIPE_OK);
}

void peer_relinquish_all(struct peer *peer)
{
	for (size_t i = 0; i < PEER_PARTITIONS_MAX; i++) {
		struct peer_partition *partition = &peer->partitions[i];
		if (partition->state != PEER_REVOKED)
			continue;
		partition->state = PEER_NONE;
		peer->ops->relinquish(peer->self, partition->assignment);
	}
}

void append_many(evpipe_testbroker *broker, const char *topic, int32_t partition, int count)
{
	char value[16];
	for (int i = 0; i < count; i++) {
		evpipe_record record = {.topic = topic, .partition = partition, .value = value};
		record.value_len = (size_t)snprintf(value, sizeof value, "%d", i);
		assert_int_equal(evpipe_testbroker_append(broker, &record), EVPIPE_OK);
	}
}

void create_topic(evpipe_testbroker *broker, const char *name, int32_t partitions)
{
	evpipe_testbroker_topic settings = EVPIPE_TESTBROKER_TOPIC_INIT;
	settings.partitions = partitions;
	assert_int_equal(evpipe_testbroker_create_topic(broker, name, &settings), EVPIPE_OK);
}
