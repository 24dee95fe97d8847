/*
 * Deliver to something of your own instead of HTTP: own-sink kafka://127.0.0.1:9092 >> events.ndjson
 *
 *     cc own-sink.c $(pkg-config --cflags --libs evpipe) -o own-sink
 */
#include <evpipe-sink.h>
#include <signal.h>
#include <stdio.h>

/* The sink: a line for each event. What cannot be written now is tried again later. */
static void deliver(void *ctx, const evpipe_batch *batch, evpipe_answer *answer)
{
	FILE *file = ctx;
	for (size_t i = 0; i < batch->count; i++)
		fprintf(file, "%.*s\n", (int)batch->events[i]->data_len, (const char *)batch->events[i]->data);
	if (fflush(file) != 0)
		answer->verdict = EVPIPE_VERDICT_RETRY;
}

static evpipe_worker *worker;

static void stop(int signal_number)
{
	(void)signal_number;
	evpipe_worker_stop(worker);
}

int main(int argc, char **argv)
{
	evpipe_config *config;
	evpipe_sink   *sink = evpipe_sink_simple(deliver, stdout);
	evpipe_error   error = {.text = "usage: own-sink URL"};

	if (argc != 2 || !sink || evpipe_config_new(&config) ||
	    evpipe_config_set(config, "transport.url", argv[1], &error) ||
	    evpipe_worker_new(&worker, config, sink, &error)) {
		fprintf(stderr, "own-sink: %s\n", error.text);
		return 1;
	}
	signal(SIGINT, stop);
	evpipe_err err = evpipe_worker_run(worker); /* until ^C, then it drains */
	evpipe_worker_free(worker);
	evpipe_sink_free(sink);
	evpipe_config_free(config);
	return err != EVPIPE_OK;
}
