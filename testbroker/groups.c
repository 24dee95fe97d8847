/*
 * Groups and their members.
 */
#include <stdlib.h>
#include <string.h>

#include "broker.h"

struct group *evpipe__tb_group(evpipe_testbroker *broker, const char *name)
{
	struct group *group = NULL;
	if (name)
		HASH_FIND_STR(broker->groups, name, group);
	return group;
}

static struct group *get_group(evpipe_testbroker *broker, const char *name)
{
	struct group *group = evpipe__tb_group(broker, name);
	if (group)
		return group;
	group = calloc(1, sizeof *group);
	if (!group)
		return NULL;
	group->broker = broker;
	group->name = strdup(name);
	TAILQ_INIT(&group->members);
	TAILQ_INIT(&group->claims);
	if (group->name)
		HASH_ADD_KEYPTR(hh, broker->groups, group->name, strlen(group->name), group);
	if (!group->hh.tbl) {
		free(group->name);
		free(group);
		return NULL;
	}
	return group;
}

struct claim *evpipe__tb_claim(const struct group *group, const struct partition *partition)
{
	struct claim *claim;
	TAILQ_FOREACH(claim, &partition->claims, of_partition)
		if (claim->group == group)
			return claim;
	return NULL;
}

static evpipe_err add_claims(struct group *group, struct topic *topic)
{
	for (int32_t i = 0; i < topic->settings.partitions; i++) {
		struct partition *partition = &topic->partitions[i];
		if (evpipe__tb_claim(group, partition))
			continue;
		struct claim *claim = calloc(1, sizeof *claim);
		if (!claim)
			return EVPIPE_ENOMEM;
		*claim = (struct claim){.group = group, .partition = partition, .committed = -1};
		TAILQ_INSERT_TAIL(&group->claims, claim, link);
		TAILQ_INSERT_TAIL(&partition->claims, claim, of_partition);
	}
	return EVPIPE_OK;
}

void evpipe__tb_groups_free(evpipe_testbroker *broker)
{
	struct group *group, *next;
	struct claim *claim;
	HASH_ITER(hh, broker->groups, group, next) {
		while ((claim = TAILQ_FIRST(&group->claims))) {
			TAILQ_REMOVE(&group->claims, claim, link);
			free(claim->metadata);
			free(claim);
		}
		HASH_DEL(broker->groups, group);
		free(group->name);
		free(group);
	}
}

/* ---- members ---- */

static void members_changed(struct group *group)
{
	group->generation++;
	if (group->broker->protocol == EVPIPE_REBALANCE_EAGER)
		evpipe__tb_stop_group(group);
	evpipe__tb_balance(group);
}

static void member_free(struct member *member)
{
	for (size_t i = 0; i < member->topics_count; i++)
		free(member->topics[i]);
	free(member->topics);
	free(member);
}

static struct member *member_new(const evpipe_subscription *subscription)
{
	struct member *member = calloc(1, sizeof *member);
	if (!member)
		return NULL;
	member->topics = calloc(subscription->topics_count, sizeof *member->topics);
	for (size_t i = 0; member->topics && i < subscription->topics_count; i++) {
		member->topics[i] = strdup(subscription->topics[i]);
		if (!member->topics[i])
			break;
		member->topics_count++;
	}
	if (member->topics_count == subscription->topics_count)
		return member;
	member_free(member);
	return NULL;
}

static int is_in(const struct instance *instance, const struct group *group)
{
	const struct member *member;
	TAILQ_FOREACH(member, &instance->members, of_instance)
		if (member->group == group)
			return 1;
	return 0;
}

evpipe_err evpipe__tb_join(struct instance *instance, const evpipe_subscription *subscription)
{
	evpipe_testbroker *broker = instance->broker;
	struct group      *group = get_group(broker, subscription->group);

	if (group && is_in(instance, group))
		return EVPIPE_EINVAL;
	struct member *member = group ? member_new(subscription) : NULL;
	if (!member)
		return EVPIPE_ENOMEM;
	for (size_t i = 0; i < subscription->topics_count; i++) {
		struct topic *topic = evpipe__tb_topic(broker, subscription->topics[i]);
		if (topic && add_claims(group, topic) != EVPIPE_OK) {
			member_free(member);
			return EVPIPE_ENOMEM;
		}
	}
	member->group = group;
	member->instance = instance;
	TAILQ_INSERT_TAIL(&instance->members, member, of_instance);
	TAILQ_INSERT_TAIL(&group->members, member, link);
	members_changed(group);
	return EVPIPE_OK;
}

void evpipe__tb_rejoin(struct instance *instance)
{
	struct member *member;
	if (instance->broker->is_down)
		return;
	TAILQ_FOREACH(member, &instance->members, of_instance) {
		if (!member->is_expelled)
			continue;
		member->is_expelled = 0;
		instance->expelled--;
		TAILQ_INSERT_TAIL(&member->group->members, member, link);
		members_changed(member->group);
	}
}

static void end_assignments(struct member *member, int is_lost)
{
	struct claim *claim;
	TAILQ_FOREACH(claim, &member->group->claims, link)
		if (claim->assignment && claim->assignment->member == member)
			evpipe__tb_assignment_end(claim->assignment, is_lost);
}

void evpipe__tb_expel(struct member *member)
{
	end_assignments(member, 1);
	TAILQ_REMOVE(&member->group->members, member, link);
	member->is_expelled = 1;
	member->instance->expelled++;
	evpipe__tb_notify(member->instance);
	members_changed(member->group);
}

void evpipe__tb_leave_all(struct instance *instance)
{
	struct member *member;
	while ((member = TAILQ_FIRST(&instance->members))) {
		struct group *group = member->group;
		end_assignments(member, 0);
		TAILQ_REMOVE(&instance->members, member, of_instance);
		if (!member->is_expelled) {
			TAILQ_REMOVE(&group->members, member, link);
			members_changed(group);
		}
		member_free(member);
	}
	instance->expelled = 0;
}

void evpipe__tb_topic_came(evpipe_testbroker *broker, struct topic *topic)
{
	for (struct group *group = broker->groups; group; group = group->hh.next) {
		struct member *member;
		int            wanted = 0;
		TAILQ_FOREACH(member, &group->members, link)
			wanted |= evpipe__tb_reads(member, topic);
		if (wanted && add_claims(group, topic) == EVPIPE_OK)
			members_changed(group);
	}
}

/* ---- those that don't give back ---- */

int64_t evpipe__tb_revoked_due(const evpipe_testbroker *broker)
{
	const struct assignment *assignment;
	int64_t                  due_ms = INT64_MAX;
	if (broker->is_down)
		return due_ms;
	TAILQ_FOREACH(assignment, &broker->revoked, revoked_link)
		if (assignment->revoked_until_ms < due_ms)
			due_ms = assignment->revoked_until_ms;
	return due_ms;
}

void evpipe__tb_check_revoked(evpipe_testbroker *broker, int64_t now_ms)
{
	while (evpipe__tb_revoked_due(broker) <= now_ms) {
		struct assignment *assignment = TAILQ_FIRST(&broker->revoked);
		while (assignment->revoked_until_ms > now_ms)
			assignment = TAILQ_NEXT(assignment, revoked_link);
		evpipe__tb_expel(assignment->member);
	}
}

/* ---- from outside ---- */

evpipe_err evpipe_testbroker_rebalance(evpipe_testbroker *broker, const char *name)
{
	if (!broker)
		return EVPIPE_EINVAL;
	evpipe__tb_lock(broker);
	struct group *group = evpipe__tb_group(broker, name);
	if (group) {
		group->generation++;
		group->rotation++;
		evpipe__tb_stop_group(group);
		evpipe__tb_balance(group);
	}
	evpipe__tb_unlock(broker);
	return group ? EVPIPE_OK : EVPIPE_EINVAL;
}

static struct member *find_member(evpipe_testbroker *broker, const char *group_name, size_t index)
{
	struct group  *group = evpipe__tb_group(broker, group_name);
	struct member *member = group ? TAILQ_FIRST(&group->members) : NULL;
	for (; member && index; index--)
		member = TAILQ_NEXT(member, link);
	return member;
}

evpipe_err evpipe_testbroker_expel(evpipe_testbroker *broker, const char *group, size_t index)
{
	if (!broker)
		return EVPIPE_EINVAL;
	evpipe__tb_lock(broker);
	struct member *member = find_member(broker, group, index);
	if (member)
		evpipe__tb_expel(member);
	evpipe__tb_unlock(broker);
	return member ? EVPIPE_OK : EVPIPE_EINVAL;
}

evpipe_err evpipe_testbroker_kill_member(evpipe_testbroker *broker, const char *group, size_t index)
{
	if (!broker)
		return EVPIPE_EINVAL;
	evpipe__tb_lock(broker);
	struct member *member = find_member(broker, group, index);
	if (member)
		evpipe__tb_kill(member->instance);
	evpipe__tb_unlock(broker);
	return member ? EVPIPE_OK : EVPIPE_EINVAL;
}

void evpipe_testbroker_set_protocol(evpipe_testbroker *broker, evpipe_testbroker_protocol protocol)
{
	evpipe__tb_lock(broker);
	broker->protocol = protocol;
	evpipe__tb_unlock(broker);
}

void evpipe_testbroker_set_rebalance_timeout(evpipe_testbroker *broker, int64_t ms)
{
	evpipe__tb_lock(broker);
	broker->rebalance_timeout_ms = ms;
	evpipe__tb_unlock(broker);
}
