#include "sink.h"

#include <string.h>

#include "errors.h"
#include "memory.h"

static evpipe_err check_ops(const evpipe_sink_ops *ops, evpipe_error *error)
{
	if (!ops)
		return evpipe__fail(error, EVPIPE_EINVAL, "sink: no table of operations");
	if (ops->size != sizeof *ops)
		return evpipe__fail(error, EVPIPE_EINVAL, "sink: the table says it has %zu bytes, this library's has %zu", ops->size,
		                    sizeof *ops);
	const char *missing = !ops->name ? "name" : !ops->submit ? "submit" : !ops->poll ? "poll" : !ops->free ? "free" : NULL;
	if (missing)
		return evpipe__fail(error, EVPIPE_EINVAL, "sink %s: the table lacks '%s'", ops->name ? ops->name : "without a name",
		                    missing);
	return EVPIPE_OK;
}

evpipe_err evpipe_sink_new(evpipe_sink **out, const evpipe_sink_ops *ops, void *self, evpipe_error *error)
{
	evpipe_err err = check_ops(ops, error);
	if (err)
		return err;
	evpipe_sink *sink = evpipe__malloc(sizeof *sink);
	if (!sink)
		return evpipe__fail_plain(error, EVPIPE_ENOMEM);
	*sink = (evpipe_sink){.ops = ops, .self = self};
	*out = sink;
	return EVPIPE_OK;
}

void evpipe_sink_free(evpipe_sink *sink)
{
	if (!sink)
		return;
	sink->ops->free(sink->self);
	evpipe__free(sink);
}

/* ---- a sink of one function: it holds at most one batch, between submit and poll ---- */

struct simple_sink {
	evpipe_sink_fn      fn;
	void               *ctx;
	const evpipe_batch *batch;
	int                 is_cancelled;
};

static evpipe_err simple_submit(void *self, evpipe_batch *batch)
{
	struct simple_sink *simple = self;
	if (simple->batch)
		return EVPIPE_EAGAIN;
	simple->batch = batch;
	return EVPIPE_OK;
}

static evpipe_err simple_poll(void *self, evpipe_answer *answer)
{
	struct simple_sink *simple = self;
	if (!simple->batch)
		return EVPIPE_EAGAIN;
	*answer = (evpipe_answer){.verdict = simple->is_cancelled ? EVPIPE_VERDICT_RETRY : EVPIPE_VERDICT_DELIVERED};
	if (!simple->is_cancelled)
		simple->fn(simple->ctx, simple->batch, answer);
	simple->is_cancelled = 0;
	answer->batch = simple->batch;
	simple->batch = NULL;
	return EVPIPE_OK;
}

/* The core polls again at once while a batch is out, since the answer is there already. */
static int64_t simple_next_due(void *self)
{
	const struct simple_sink *simple = self;
	return simple->batch ? INT64_MIN : INT64_MAX;
}

static void simple_cancel(void *self)
{
	struct simple_sink *simple = self;
	simple->is_cancelled = simple->batch != NULL;
}

static void simple_free(void *self)
{
	evpipe__free(self);
}

evpipe_sink *evpipe_sink_simple(evpipe_sink_fn fn, void *ctx)
{
	static const evpipe_sink_ops ops = {.size = sizeof ops,
	                                    .name = "simple",
	                                    .submit = simple_submit,
	                                    .poll = simple_poll,
	                                    .next_due = simple_next_due,
	                                    .cancel = simple_cancel,
	                                    .free = simple_free};

	struct simple_sink *simple = evpipe__malloc(sizeof *simple);
	evpipe_sink        *sink = NULL;
	if (!simple)
		return NULL;
	*simple = (struct simple_sink){.fn = fn, .ctx = ctx};
	if (evpipe_sink_new(&sink, &ops, simple, NULL) != EVPIPE_OK)
		evpipe__free(simple);
	return sink;
}
