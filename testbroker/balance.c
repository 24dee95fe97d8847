/*
 * Who owns which partition. A balance is computed anew after each change, from who is there and who owns what, so
 * that it needs no memory of its own: as long as nothing changes it comes to the same result.
 */
#include <string.h>

#include "broker.h"

/* ---- who shall own what ---- */

int evpipe__tb_reads(const struct member *member, const struct topic *topic)
{
	for (size_t i = 0; i < member->topics_count; i++)
		if (strcmp(member->topics[i], topic->name) == 0)
			return 1;
	return 0;
}

/* The members in the order of joining, but from another one on after each rebalance that was asked for. */
static struct member *first_member(const struct group *group)
{
	struct member *member;
	size_t         count = 0;
	TAILQ_FOREACH(member, &group->members, link)
		count++;
	member = TAILQ_FIRST(&group->members);
	for (size_t skip = count ? group->rotation % count : 0; skip; skip--)
		member = TAILQ_NEXT(member, link);
	return member;
}

static struct member *next_member(const struct group *group, struct member *member, const struct member *first)
{
	struct member *next = TAILQ_NEXT(member, link);
	if (!next)
		next = TAILQ_FIRST(&group->members);
	return next == first ? NULL : next;
}

static struct member *owner_of(const struct claim *claim)
{
	const struct assignment *assignment = claim->assignment;
	return assignment && assignment->state != ASSIGNMENT_REVOKED ? assignment->member : NULL;
}

/* Of two members, who gets one more of a topic than others: who has less of all, else who has it already. */
static int comes_before(const struct member *a, const struct member *b, size_t base)
{
	if (a->total != b->total)
		return a->total < b->total;
	return a->of_topic > base && b->of_topic <= base;
}

/* How many partitions of the topic each member gets: as many as the others, or one more. */
static void set_quotas(struct group *group, const struct topic *topic, struct member *first)
{
	struct claim  *claim;
	struct member *member, *best;
	size_t         readers = 0, partitions = (size_t)topic->settings.partitions;

	for (member = first; member; member = next_member(group, member, first)) {
		member->of_topic = 0;
		member->quota = 0;
		readers += (size_t)evpipe__tb_reads(member, topic);
	}
	if (!readers)
		return;
	TAILQ_FOREACH(claim, &group->claims, link)
		if (claim->partition->topic == topic && owner_of(claim))
			owner_of(claim)->of_topic++;
	for (member = first; member; member = next_member(group, member, first))
		member->quota = evpipe__tb_reads(member, topic) ? partitions / readers : 0;
	for (size_t extra = partitions % readers; extra; extra--) {
		best = NULL;
		for (member = first; member; member = next_member(group, member, first))
			if (evpipe__tb_reads(member, topic) && member->quota == partitions / readers &&
			    (!best || comes_before(member, best, partitions / readers)))
				best = member;
		best->quota++;
	}
	for (member = first; member; member = next_member(group, member, first))
		member->total += member->quota;
}

/* Within its quota each member keeps what it has; the rest goes to those who have less, in turn. */
static void set_targets(struct group *group, const struct topic *topic, struct member *first)
{
	struct claim *claim;

	set_quotas(group, topic, first);
	TAILQ_FOREACH(claim, &group->claims, link) {
		if (claim->partition->topic != topic)
			continue;
		claim->target = owner_of(claim);
		if (claim->target && claim->target->quota)
			claim->target->quota--;
		else
			claim->target = NULL;
	}
	struct member *member = first;
	TAILQ_FOREACH(claim, &group->claims, link) {
		if (claim->partition->topic != topic || claim->target)
			continue;
		while (member && !member->quota)
			member = next_member(group, member, first);
		if (!member)
			return; /* nobody reads it */
		claim->target = member;
		member->quota--;
	}
}

static void compute(struct group *group)
{
	struct claim       *claim;
	struct member      *member, *first = first_member(group);
	const struct topic *topic = NULL;

	TAILQ_FOREACH(member, &group->members, link)
		member->total = 0;
	/* The claims of one topic are together. */
	TAILQ_FOREACH(claim, &group->claims, link) {
		if (claim->partition->topic == topic)
			continue;
		topic = claim->partition->topic;
		set_targets(group, topic, first);
	}
}

/* ---- making it so ---- */

static int anybody_has_any(const struct group *group)
{
	const struct claim *claim;
	TAILQ_FOREACH(claim, &group->claims, link)
		if (claim->assignment)
			return 1;
	return 0;
}

void evpipe__tb_balance(struct group *group)
{
	struct claim *claim;

	if (group->broker->is_down)
		return;
	if (group->is_stopped && anybody_has_any(group))
		return;
	group->is_stopped = 0;
	compute(group);
	TAILQ_FOREACH(claim, &group->claims, link)
		if (owner_of(claim) && owner_of(claim) != claim->target)
			evpipe__tb_revoke(claim->assignment);
	/* Without memory it stays nobody's until who is to have it polls again. */
	TAILQ_FOREACH(claim, &group->claims, link)
		if (!claim->assignment && claim->target && evpipe__tb_assign(claim->target, claim) != EVPIPE_OK) {
			claim->target->instance->lacks_some = 1;
			evpipe__tb_notify(claim->target->instance);
		}
}

/* All partitions are taken back before any is given out. */
void evpipe__tb_stop_group(struct group *group)
{
	struct claim *claim;
	group->is_stopped = 1;
	TAILQ_FOREACH(claim, &group->claims, link)
		if (owner_of(claim))
			evpipe__tb_revoke(claim->assignment);
}
