/*
 * The example: a chatbot's log for several organisations, one of which is down for a while, and one event that is
 * poison.
 */
#include "demo.h"
#include "examples/chatbot/chatbot.h"

#define SESSIONS       60
#define TALK_MS        6000
#define DOWN_EXAMPLE   "cedar-clinic@1500ms+5s"
#define POISON_EXAMPLE "du-0007-004"

void demo_example_prepare(struct demo *demo)
{
	struct faults *faults = &demo->endpoint.faults;
	if (!faults->down_count)
		faults_add_down(faults, DOWN_EXAMPLE);
	if (!faults->poison_count)
		faults_add_poison(faults, POISON_EXAMPLE);
	tell("A chatbot logs what it does for five organisations; their events go through a\n"
	     "broker to an endpoint of each.\n"
	     "%s's endpoint answers 503 from %.1f s to %.1f s.\n"
	     "Event %s is poison: any batch with it is refused.\n",
	     faults->down[0].destination, (double)faults->down[0].from_ms / 1000,
	     (double)faults->down[0].until_ms / 1000, faults->poison[0]);
}

static evpipe_err emit_step(void *ctx, const evpipe_event *event)
{
	struct demo *demo = ctx;
	account_emitting(demo->account, event);
	evpipe_err err = evpipe_emit(demo->feed.producer, event);
	if (err)
		account_withdraw(demo->account, event);
	return err;
}

/* Turn by turn, so that the conversations take their time. */
int demo_example_run(struct demo *demo)
{
	struct chatbot_setup setup = {
		.producer = demo->feed.producer, .seed = 1, .sessions = SESSIONS, .emit = emit_step, .ctx = demo};
	struct chatbot *bot = chatbot_new(&setup);
	if (!bot)
		return fail(EX_SOFTWARE, "out of memory");
	unsigned turns = chatbot_turns(bot);
	int      goes_on = 1;
	for (unsigned turn = 1; goes_on && !demo->feed.stopped; turn++) {
		goes_on = chatbot_turn(bot);
		int64_t wait_ms = demo->started_ms + (int64_t)TALK_MS * turn / turns - now_ms();
		if (stop_wait(demo->feed.stop_fd, wait_ms > 0 ? (int)wait_ms : 0)) {
			demo->feed.stopped = 1;
			stop_restore();
		}
		demo_show(demo);
	}
	chatbot_free(bot);
	return 0;
}
