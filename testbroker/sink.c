/*
 * The scripted sink. What a post's answer will be is settled when it is submitted; that it was stored is recorded
 * when it is answered.
 */
#include <stdlib.h>
#include <string.h>

#include "broker.h"

/* A post in flight. */
struct post {
	TAILQ_ENTRY(post) link;
	const evpipe_batch     *batch;
	evpipe_testbroker_post *record; /* NULL: memory was short */
	uint64_t                number;
	int64_t                 due_ms; /* monotonic */
	size_t                  stored; /* so many, from the first on, whatever the answer */
	evpipe_answer           answer;
	char                   *text; /* of its own: its rule may be gone by then */
	evpipe_verdict          each[]; /* one for each event; counts if the verdict is EACH */
};

/* ---- the script ---- */

static int contains(const evpipe_batch *batch, const char *id)
{
	for (size_t i = 0; i < batch->count; i++)
		if (strcmp(batch->events[i]->id, id) == 0)
			return 1;
	return 0;
}

static int applies(evpipe_testbroker *broker, const struct rule *rule, const evpipe_batch *batch)
{
	const evpipe_testbroker_answer *answer = &rule->answer;
	int64_t                         now_ms = evpipe__tb_wall(broker);

	if (answer->destination && strcmp(answer->destination, batch->destination) != 0)
		return 0;
	if ((answer->from_ms && now_ms < answer->from_ms) || (answer->until_ms && now_ms >= answer->until_ms))
		return 0;
	if ((answer->bytes_above && batch->bytes <= answer->bytes_above) ||
	    (answer->count_above && batch->count <= answer->count_above))
		return 0;
	if (answer->event_id && !contains(batch, answer->event_id))
		return 0;
	return answer->permille >= 1000 || evpipe__tb_random(&broker->chance_random) % 1000 < answer->permille;
}

static void rule_free(evpipe_testbroker *broker, struct rule *rule)
{
	TAILQ_REMOVE(&broker->rules, rule, link);
	free((char *)(uintptr_t)rule->answer.destination);
	free((char *)(uintptr_t)rule->answer.event_id);
	free((char *)(uintptr_t)rule->answer.text);
	free(rule);
}

static struct rule *find_rule(evpipe_testbroker *broker, const evpipe_batch *batch)
{
	struct rule *rule;
	TAILQ_FOREACH(rule, &broker->rules, link)
		if (applies(broker, rule, batch))
			return rule;
	return NULL;
}

static void fill_each(struct post *post, const evpipe_testbroker_answer *answer)
{
	post->answer.verdict = EVPIPE_VERDICT_EACH;
	for (size_t i = 0; i < post->batch->count; i++)
		post->each[i] = !answer->event_id || strcmp(post->batch->events[i]->id, answer->event_id) == 0
		                        ? answer->verdict
		                        : EVPIPE_VERDICT_DELIVERED;
}

static void fill_answer(struct post *post, const evpipe_testbroker_answer *answer)
{
	if (answer->text)
		post->text = strdup(answer->text);
	post->answer.verdict = answer->verdict;
	post->answer.status = answer->status;
	post->answer.text = post->text;
	post->answer.unknown = answer->unknown;
	post->answer.overloaded = answer->overloaded;
	post->answer.leave_alone_ms = answer->leave_alone_ms;
	post->stored = answer->stored ? SIZE_MAX : 0;
	if (answer->each_id)
		fill_each(post, answer);
}

/* By the rules. */
static void decide(evpipe_testbroker *broker, struct post *post)
{
	struct rule *rule = find_rule(broker, post->batch);
	int64_t      delay_ms = broker->sink_delay_ms;

	if (rule) {
		fill_answer(post, &rule->answer);
		if (rule->answer.delay_ms >= 0)
			delay_ms = rule->answer.delay_ms;
		if (rule->answer.times && --rule->answer.times == 0)
			rule_free(broker, rule);
	}
	post->due_ms = evpipe__tb_mono(broker) + delay_ms;
}

/* By the store; false if there is none or it leaves the post to the rules. */
static int ask_store(evpipe_testbroker *broker, struct post *post)
{
	evpipe_testbroker_fate fate = {.size = sizeof fate,
	                               .verdict = EVPIPE_VERDICT_DELIVERED,
	                               .each = post->each,
	                               .status = 200,
	                               .delay_ms = broker->sink_delay_ms};

	if (!broker->store || !broker->store(broker->store_ctx, post->batch, &fate))
		return 0;
	if (fate.text)
		post->text = strdup(fate.text);
	post->answer.verdict = fate.verdict;
	post->answer.status = fate.status;
	post->answer.text = post->text;
	post->answer.unknown = fate.unknown;
	post->answer.overloaded = fate.overloaded;
	post->answer.leave_alone_ms = fate.leave_alone_ms;
	post->stored = fate.stored;
	post->due_ms = evpipe__tb_mono(broker) + (fate.delay_ms > 0 ? fate.delay_ms : 0);
	return 1;
}

/* ---- the sink ---- */

static void post_free(struct post *post)
{
	if (!post)
		return;
	free(post->text);
	free(post);
}

static void insert_by_time(struct post_list *list, struct post *post)
{
	struct post *before = TAILQ_LAST(list, post_list);
	while (before && before->due_ms > post->due_ms)
		before = TAILQ_PREV(before, post_list, link);
	if (before)
		TAILQ_INSERT_AFTER(list, before, post, link);
	else
		TAILQ_INSERT_HEAD(list, post, link);
}

static evpipe_err submit(void *self, evpipe_batch *batch)
{
	struct test_sink  *sink = self;
	evpipe_testbroker *broker = sink->broker;
	struct post       *post = calloc(1, sizeof *post + batch->count * sizeof post->each[0]);
	if (!post)
		return EVPIPE_EAGAIN;
	post->batch = batch;
	post->answer = (evpipe_answer){
		.batch = batch, .verdict = EVPIPE_VERDICT_DELIVERED, .each = post->each, .status = 200};
	int is_decided = ask_store(broker, post);
	evpipe__tb_lock(broker);
	post->record = evpipe__tb_record_post(broker, batch);
	post->number = broker->posts_count;
	if (!is_decided)
		decide(broker, post);
	insert_by_time(&sink->posts, post);
	evpipe__tb_unlock(broker);
	return EVPIPE_OK;
}

static void record(evpipe_testbroker *broker, const struct post *post)
{
	const evpipe_answer *answer = &post->answer;
	int64_t              now_ms = evpipe__tb_wall(broker);

	for (size_t i = 0; i < post->batch->count; i++) {
		evpipe_verdict verdict = answer->verdict == EVPIPE_VERDICT_EACH ? answer->each[i] : answer->verdict;
		if (i < post->stored || verdict == EVPIPE_VERDICT_DELIVERED)
			evpipe__tb_record_delivery(broker, now_ms, post->number, post->batch, post->batch->events[i]);
	}
	if (post->record) {
		post->record->answered_ms = now_ms;
		post->record->verdict = answer->verdict;
		post->record->status = answer->status;
	}
}

static evpipe_err poll(void *self, evpipe_answer *answer)
{
	struct test_sink  *sink = self;
	evpipe_testbroker *broker = sink->broker;

	evpipe__tb_lock(broker);
	post_free(sink->answered);
	struct post *post = sink->answered = TAILQ_FIRST(&sink->posts);
	if (post && post->due_ms > evpipe__tb_mono(broker))
		post = sink->answered = NULL;
	if (post) {
		TAILQ_REMOVE(&sink->posts, post, link);
		record(broker, post);
		*answer = post->answer;
	}
	evpipe__tb_unlock(broker);
	return post ? EVPIPE_OK : EVPIPE_EAGAIN;
}

static int64_t next_due(void *self)
{
	const struct test_sink *sink = self;
	const struct post      *first = TAILQ_FIRST(&sink->posts);
	return first ? first->due_ms : INT64_MAX;
}

/* Whether a post that is given up had arrived is anybody's guess. */
static void cancel(void *self)
{
	struct test_sink *sink = self;
	struct post      *post;

	evpipe__tb_lock(sink->broker);
	TAILQ_FOREACH(post, &sink->posts, link) {
		int arrived = evpipe__tb_random(&sink->broker->chance_random) % 2 == 0;
		if (arrived && post->answer.verdict == EVPIPE_VERDICT_DELIVERED)
			post->stored = SIZE_MAX;
		post->answer = (evpipe_answer){
			.batch = post->batch, .verdict = EVPIPE_VERDICT_RETRY, .unknown = 1, .text = "cancelled"};
		post->due_ms = INT64_MIN;
	}
	evpipe__tb_unlock(sink->broker);
}

static void sink_free(void *self)
{
	struct test_sink *sink = self;
	struct post      *post;
	while ((post = TAILQ_FIRST(&sink->posts))) {
		TAILQ_REMOVE(&sink->posts, post, link);
		post_free(post);
	}
	post_free(sink->answered);
	free(sink);
}

evpipe_sink *evpipe_testbroker_sink(evpipe_testbroker *broker)
{
	static const evpipe_sink_ops ops = {.size = sizeof ops,
	                                    .name = "testbroker",
	                                    .submit = submit,
	                                    .poll = poll,
	                                    .next_due = next_due,
	                                    .cancel = cancel,
	                                    .free = sink_free};

	struct test_sink *sink = calloc(1, sizeof *sink);
	if (!sink)
		return NULL;
	sink->broker = broker;
	TAILQ_INIT(&sink->posts);
	if (evpipe_sink_new(&sink->handle, &ops, sink, NULL) != EVPIPE_OK) {
		free(sink);
		return NULL;
	}
	evpipe__tb_lock(broker);
	TAILQ_INSERT_TAIL(&broker->sinks, sink, link);
	evpipe__tb_unlock(broker);
	return sink->handle;
}

void evpipe__tb_sinks_free(evpipe_testbroker *broker)
{
	struct test_sink *sink;
	while ((sink = TAILQ_FIRST(&broker->sinks))) {
		TAILQ_REMOVE(&broker->sinks, sink, link);
		evpipe_sink_free(sink->handle);
	}
	while (!TAILQ_EMPTY(&broker->rules))
		rule_free(broker, TAILQ_FIRST(&broker->rules));
}

/* ---- scripting ---- */

static evpipe_err copy_text(const char **text)
{
	if (*text && !(*text = strdup(*text)))
		return EVPIPE_ENOMEM;
	return EVPIPE_OK;
}

static evpipe_err rule_new(struct rule **out, const evpipe_testbroker_answer *answer)
{
	struct rule *rule = calloc(1, sizeof *rule);
	if (!rule)
		return EVPIPE_ENOMEM;
	rule->answer = *answer;
	if (copy_text(&rule->answer.destination) != EVPIPE_OK || copy_text(&rule->answer.event_id) != EVPIPE_OK ||
	    copy_text(&rule->answer.text) != EVPIPE_OK) {
		/* Only what is a copy already is ours. */
		if (rule->answer.destination != answer->destination)
			free((char *)(uintptr_t)rule->answer.destination);
		if (rule->answer.event_id != answer->event_id)
			free((char *)(uintptr_t)rule->answer.event_id);
		free(rule);
		return EVPIPE_ENOMEM;
	}
	*out = rule;
	return EVPIPE_OK;
}

evpipe_err evpipe_testbroker_answer_with(evpipe_testbroker *broker, const evpipe_testbroker_answer *answer, uint32_t *number)
{
	struct rule *rule;
	if (!broker || !answer || answer->size != sizeof *answer || answer->permille > 1000 || answer->delay_ms < -1 ||
	    (unsigned)answer->verdict >= EVPIPE_VERDICT_EACH)
		return EVPIPE_EINVAL;
	evpipe_err err = rule_new(&rule, answer);
	if (err)
		return err;
	evpipe__tb_lock(broker);
	rule->number = ++broker->last_rule;
	TAILQ_INSERT_HEAD(&broker->rules, rule, link);
	if (number)
		*number = rule->number;
	evpipe__tb_unlock(broker);
	return EVPIPE_OK;
}

void evpipe_testbroker_answer_remove(evpipe_testbroker *broker, uint32_t number)
{
	struct rule *rule;
	evpipe__tb_lock(broker);
	TAILQ_FOREACH(rule, &broker->rules, link)
		if (rule->number == number)
			break;
	if (rule)
		rule_free(broker, rule);
	evpipe__tb_unlock(broker);
}

void evpipe_testbroker_set_store(evpipe_testbroker *broker, evpipe_testbroker_store_fn store, void *ctx)
{
	evpipe__tb_lock(broker);
	broker->store = store;
	broker->store_ctx = ctx;
	evpipe__tb_unlock(broker);
}

void evpipe_testbroker_set_sink_delay(evpipe_testbroker *broker, int64_t ms)
{
	evpipe__tb_lock(broker);
	broker->sink_delay_ms = ms > 0 ? ms : 0;
	evpipe__tb_unlock(broker);
}
