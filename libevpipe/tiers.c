#include "tiers.h"

#include <string.h>

#include "buffer.h"
#include "bug.h"
#include "memory.h"
#include "values.h"

static char *topic_name(const char *base, const char *suffix)
{
	evpipe__buffer name;
	evpipe__buffer_init(&name, 1024);
	if (evpipe__buffer_printf(&name, "%s.%s", base, suffix) != EVPIPE_OK)
		evpipe__buffer_release(&name);
	return name.data;
}

evpipe_err evpipe__tiers_init(evpipe__tiers *tiers, const evpipe_config *config)
{
	const char *base = evpipe_config_text(config, NULL, "topic.name");
	const char *dead = evpipe_config_text(config, NULL, "dead_letter.topic");
	char        suffix[64] = "retry.";

	*tiers = (evpipe__tiers){0};
	tiers->count = evpipe_config_durations(config, "retry.delays", tiers->delays_ms, EVPIPE_TIERS_MAX);
	for (size_t i = 0; i < tiers->count; i++) {
		evpipe__duration_text(tiers->delays_ms[i], suffix + 6, sizeof suffix - 6);
		tiers->topics[i] = topic_name(base, suffix);
		if (!tiers->topics[i])
			goto out;
	}
	tiers->dead_topic = dead && *dead ? evpipe__strdup(dead) : topic_name(base, "dead");
out:
	if (tiers->dead_topic)
		return EVPIPE_OK;
	evpipe__tiers_release(tiers);
	return EVPIPE_ENOMEM;
}

void evpipe__tiers_release(evpipe__tiers *tiers)
{
	for (size_t i = 0; i < EVPIPE_TIERS_MAX; i++)
		evpipe__free(tiers->topics[i]);
	evpipe__free(tiers->dead_topic);
	*tiers = (evpipe__tiers){0};
}

size_t evpipe__tiers_for(const evpipe__tiers *tiers, size_t least, int64_t wait_ms)
{
	size_t tier = least;
	while (tier + 1 < tiers->count && tiers->delays_ms[tier] < wait_ms)
		tier++;
	return tier;
}

int evpipe__tiers_of_topic(const evpipe__tiers *tiers, const char *topic)
{
	for (size_t i = 0; i < tiers->count; i++)
		if (strcmp(tiers->topics[i], topic) == 0)
			return (int)i;
	return -1;
}

int64_t evpipe__tier_wait(int64_t queued_ms, int64_t delay_ms, int64_t now_wall_ms)
{
	if (evpipe__bug(HASTE))
		delay_ms /= 2;
	if (evpipe__bug(TARDY))
		delay_ms += 2000;
	if (delay_ms <= 0)
		return 0;
	int64_t passed_ms = now_wall_ms - queued_ms;
	if (passed_ms <= 0)
		return delay_ms;
	return passed_ms >= delay_ms ? 0 : delay_ms - passed_ms;
}
