/*
 * Looking after topics. librdkafka's calls for that wait for the broker, so a thread of ours makes them, with a client
 * of its own: a consumer, which in contrast to a producer does not have the broker create a topic by asking for it.
 * Both live as long as there is something to find out.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kafka.h"
#include "memory.h"

/* Questions at a time, and topics of which we remember how many partitions they have. */
#define QUESTIONS_MAX 256

/* How long until the next look at what is not there yet, or cannot be seen; how often that is said. */
#define AGAIN_MS 200
#define SAY_MS 5000

struct question {
	TAILQ_ENTRY(question) link;
	char             *name;
	evpipe_topic_spec spec;
	int               was_created; /* by us: it is only a matter of time until it is seen */
	int32_t           partitions;  /* it has */
	/* The answer. */
	evpipe_err err;
	char       text[EVPIPE_ERROR_TEXT_MAX]; /* "": none */
};

TAILQ_HEAD(question_list, question);

/* Shared with the thread, which may outlive the instance: whoever leaves last frees it. */
struct shared {
	pthread_mutex_t      mutex;
	pthread_cond_t       changed;
	int                  owners;   /* all below: under the mutex */
	int                  is_ended; /* the instance is gone */
	int                  is_running;
	struct question_list asked;
	struct question_list answered;
	size_t               count;     /* of asked, and being looked at */
	char                 away[256]; /* why the broker is not reached, to be told; "": nothing to tell */
	int                  event_fd;  /* a duplicate */
	rd_kafka_conf_t     *conf;      /* for the thread that starts next */
};

struct evpipe__kafka_topics {
	struct shared *shared;
	struct {
		char  *name;
		size_t partitions;
	} known[QUESTIONS_MAX];
	size_t known_count;
};

/* ---- the thread: calls that wait ---- */

static void question_free(struct question *question)
{
	if (!question)
		return;
	evpipe__free(question->name);
	evpipe__free(question);
}

static void answer(struct question *question, evpipe_err err, const char *text)
{
	question->err = err;
	snprintf(question->text, sizeof question->text, "%s", text ? text : "");
}

/* An existing topic is never altered; what differs is told. */
static void compare(rd_kafka_t *rk, struct question *question)
{
	const evpipe_topic_spec *spec = &question->spec;
	int64_t                  retention_ms;
	char                     text[EVPIPE_ERROR_TEXT_MAX];
	size_t                   len = 0;

	if (spec->partitions > 0 && spec->partitions != question->partitions)
		len = (size_t)snprintf(text, sizeof text, "it has %d partitions, not %d", (int)question->partitions, (int)spec->partitions);
	if (spec->retention_ms && evpipe__kafka_topic_retention(rk, question->name, &retention_ms) && retention_ms != spec->retention_ms)
		snprintf(text + len, sizeof text - len, "%s a retention of %lld ms, not %lld", len ? " and" : "it has",
		         (long long)retention_ms, (long long)spec->retention_ms);
	else if (!len)
		text[0] = '\0';
	answer(question, EVPIPE_OK, text);
}

/* Whether it may be otherwise in a moment. */
static int is_passing(rd_kafka_resp_err_t err)
{
	return evpipe__kafka_is_away(err) || err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
	       err == RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT || err == RD_KAFKA_RESP_ERR_NOT_CONTROLLER ||
	       err == RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE;
}

static void refuse(struct question *question, rd_kafka_resp_err_t err, const char *text)
{
	evpipe_err ours = evpipe__kafka_err(err);
	answer(question, ours == EVPIPE_EDENIED ? ours : EVPIPE_ETOPIC, text);
}

/* True when it is answered; else *away says whether the broker was not reached. */
static int see_to(rd_kafka_t *rk, struct question *question, int *away)
{
	char                text[EVPIPE_ERROR_TEXT_MAX];
	rd_kafka_resp_err_t err = evpipe__kafka_topic_look(rk, question->name, &question->partitions);

	*away = evpipe__kafka_is_away(err);
	if (err && is_passing(err))
		return 0;
	if (err) {
		refuse(question, err, rd_kafka_err2str(err));
		return 1;
	}
	if (question->partitions) {
		compare(rk, question);
		return 1;
	}
	if (!question->spec.create) {
		answer(question, EVPIPE_ETOPIC, "it is not there, and may not be created (topic.create)");
		return 1;
	}
	if (question->was_created)
		return 0;
	err = evpipe__kafka_topic_create(rk, &question->spec, text, sizeof text);
	*away = evpipe__kafka_is_away(err);
	question->was_created = !err;
	if (!err || is_passing(err))
		return 0;
	refuse(question, err, text);
	return 1;
}

/* The last thing the client complained of. */
static void read_complaints(rd_kafka_queue_t *queue, char *text, size_t size)
{
	rd_kafka_event_t *event;
	while ((event = rd_kafka_queue_poll(queue, 0))) {
		if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR &&
		    rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
			snprintf(text, size, "%s", rd_kafka_event_error_string(event));
		rd_kafka_event_destroy(event);
	}
}

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void wait_a_moment_locked(struct shared *shared)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += AGAIN_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	if (!shared->is_ended)
		pthread_cond_timedwait(&shared->changed, &shared->mutex, &until);
}

/* Each question in turn, until all are answered. */
static void work(struct shared *shared, rd_kafka_t *rk)
{
	rd_kafka_queue_t *main_queue = rd_kafka_queue_get_main(rk);
	struct question  *question;
	size_t            in_vain = 0; /* looks in a row */
	int64_t           said_ms = 0;
	char              why[256] = "";

	pthread_mutex_lock(&shared->mutex);
	while (!shared->is_ended && (question = TAILQ_FIRST(&shared->asked))) {
		int away = 0;
		TAILQ_REMOVE(&shared->asked, question, link);
		pthread_mutex_unlock(&shared->mutex);
		int answered = see_to(rk, question, &away);
		read_complaints(main_queue, why, sizeof why);
		pthread_mutex_lock(&shared->mutex);
		TAILQ_INSERT_TAIL(answered ? &shared->answered : &shared->asked, question, link);
		shared->count -= answered;
		if (away && now_ms() - said_ms >= SAY_MS) {
			said_ms = now_ms();
			snprintf(shared->away, sizeof shared->away, "%s", *why ? why : "no answer");
		}
		if (answered || *shared->away)
			evpipe__kafka_ring(shared->event_fd);
		in_vain = answered ? 0 : in_vain + 1;
		if (in_vain && in_vain >= shared->count) {
			wait_a_moment_locked(shared);
			in_vain = 0;
		}
	}
	/* Who asks from now on starts another thread. */
	shared->is_running = 0;
	pthread_mutex_unlock(&shared->mutex);
	rd_kafka_queue_destroy(main_queue);
}

static void free_all(struct question_list *list)
{
	struct question *question;
	while ((question = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, question, link);
		question_free(question);
	}
}

static void leave(struct shared *shared)
{
	pthread_mutex_lock(&shared->mutex);
	int last = --shared->owners == 0;
	pthread_mutex_unlock(&shared->mutex);
	if (!last)
		return;
	free_all(&shared->asked);
	free_all(&shared->answered);
	if (shared->conf)
		rd_kafka_conf_destroy(shared->conf);
	if (shared->event_fd >= 0)
		close(shared->event_fd);
	pthread_cond_destroy(&shared->changed);
	pthread_mutex_destroy(&shared->mutex);
	evpipe__free(shared);
}

static void fail_all(struct shared *shared, const char *text)
{
	struct question *question;

	pthread_mutex_lock(&shared->mutex);
	while ((question = TAILQ_FIRST(&shared->asked))) {
		TAILQ_REMOVE(&shared->asked, question, link);
		answer(question, EVPIPE_EIO, text);
		TAILQ_INSERT_TAIL(&shared->answered, question, link);
		shared->count--;
	}
	shared->is_running = 0;
	evpipe__kafka_ring(shared->event_fd);
	pthread_mutex_unlock(&shared->mutex);
}

static void *run(void *arg)
{
	struct shared *shared = arg;
	char           text[256];

	pthread_mutex_lock(&shared->mutex);
	rd_kafka_conf_t *conf = shared->conf;
	shared->conf = NULL;
	pthread_mutex_unlock(&shared->mutex);
	rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
	if (rk) {
		rd_kafka_set_log_queue(rk, NULL);
		work(shared, rk);
		rd_kafka_destroy(rk);
	} else {
		rd_kafka_conf_destroy(conf);
		fail_all(shared, text);
	}
	leave(shared);
	return NULL;
}

/* ---- the instance's side ---- */

static struct shared *shared_new(int event_fd)
{
	struct shared     *shared = evpipe__calloc(1, sizeof *shared);
	pthread_condattr_t attr;

	if (!shared)
		return NULL;
	pthread_mutex_init(&shared->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&shared->changed, &attr);
	pthread_condattr_destroy(&attr);
	TAILQ_INIT(&shared->asked);
	TAILQ_INIT(&shared->answered);
	shared->owners = 1;
	shared->event_fd = dup(event_fd);
	return shared;
}

static evpipe_err topics_new(evpipe__kafka *kafka)
{
	if (kafka->topics)
		return EVPIPE_OK;
	evpipe__kafka_topics *topics = evpipe__calloc(1, sizeof *topics);
	if (topics)
		topics->shared = shared_new(kafka->event_fd);
	if (!topics || !topics->shared) {
		evpipe__free(topics);
		return EVPIPE_ENOMEM;
	}
	kafka->topics = topics;
	return EVPIPE_OK;
}

static evpipe_err start_thread_locked(evpipe__kafka *kafka, struct shared *shared)
{
	pthread_t    thread;
	evpipe_error error;

	evpipe_err err = evpipe__kafka_settings(&shared->conf, kafka, EVPIPE__KAFKA_ADMIN, NULL, NULL, &error);
	if (err)
		return err;
	if (!evpipe__kafka_thread(&thread, run, shared)) {
		rd_kafka_conf_destroy(shared->conf);
		shared->conf = NULL;
		return EVPIPE_EIO;
	}
	pthread_detach(thread);
	shared->is_running = 1;
	shared->owners++;
	return EVPIPE_OK;
}

evpipe_err evpipe__kafka_topics_ensure(evpipe__kafka *kafka, const evpipe_topic_spec *spec)
{
	if (!spec->name || !*spec->name)
		return EVPIPE_EINVAL;
	evpipe_err err = topics_new(kafka);
	if (err)
		return err;
	struct shared   *shared = kafka->topics->shared;
	struct question *question = evpipe__calloc(1, sizeof *question);
	if (!question || !(question->name = evpipe__strdup(spec->name))) {
		question_free(question);
		return EVPIPE_ENOMEM;
	}
	question->spec = *spec;
	question->spec.name = question->name;
	pthread_mutex_lock(&shared->mutex);
	if (shared->count >= QUESTIONS_MAX)
		err = EVPIPE_EAGAIN;
	else if (!shared->is_running)
		err = start_thread_locked(kafka, shared);
	if (!err) {
		TAILQ_INSERT_TAIL(&shared->asked, question, link);
		shared->count++;
		question = NULL;
	}
	pthread_mutex_unlock(&shared->mutex);
	question_free(question);
	return err;
}

static void remember(evpipe__kafka_topics *topics, const struct question *question)
{
	size_t i = 0;
	while (i < topics->known_count && strcmp(topics->known[i].name, question->name) != 0)
		i++;
	if (i == QUESTIONS_MAX)
		return;
	if (i == topics->known_count) {
		topics->known[i].name = evpipe__strdup(question->name);
		if (!topics->known[i].name)
			return;
		topics->known_count++;
	}
	topics->known[i].partitions = (size_t)question->partitions;
}

/* False if it could not be told. */
static int tell(evpipe__kafka *kafka, const struct question *question)
{
	evpipe_transport_event event = {.type = EVPIPE_TRANSPORT_TOPIC,
	                                .topic = question->name,
	                                .err = question->err,
	                                .text = *question->text ? question->text : NULL};
	if (evpipe__kafka_tell(kafka, &event) != EVPIPE_OK)
		return 0;
	if (!question->err) {
		remember(kafka->topics, question);
		if (kafka->roles & EVPIPE_ROLE_SEND)
			evpipe__kafka_producer_warm(&kafka->producer, question->name);
	}
	return 1;
}

void evpipe__kafka_topics_serve(evpipe__kafka *kafka)
{
	struct question *question;
	char             away[256];

	if (!kafka->topics)
		return;
	struct shared *shared = kafka->topics->shared;
	pthread_mutex_lock(&shared->mutex);
	memcpy(away, shared->away, sizeof away);
	shared->away[0] = '\0';
	while ((question = TAILQ_FIRST(&shared->answered)) && tell(kafka, question)) {
		TAILQ_REMOVE(&shared->answered, question, link);
		question_free(question);
	}
	pthread_mutex_unlock(&shared->mutex);
	if (*away)
		evpipe__kafka_notice(kafka, EVPIPE_LOG_WARN, EVPIPE_EUNAVAILABLE, "topics cannot be looked after yet: %s", away);
}

size_t evpipe__kafka_topics_partitions(const evpipe__kafka *kafka, const char *topic)
{
	const evpipe__kafka_topics *topics = kafka->topics;
	for (size_t i = 0; topics && i < topics->known_count; i++)
		if (strcmp(topics->known[i].name, topic) == 0)
			return topics->known[i].partitions;
	return (size_t)evpipe_config_number(kafka->config, NULL, "topic.partitions");
}

void evpipe__kafka_topics_release(evpipe__kafka *kafka)
{
	evpipe__kafka_topics *topics = kafka->topics;

	if (!topics)
		return;
	pthread_mutex_lock(&topics->shared->mutex);
	topics->shared->is_ended = 1;
	pthread_cond_broadcast(&topics->shared->changed);
	pthread_mutex_unlock(&topics->shared->mutex);
	leave(topics->shared);
	for (size_t i = 0; i < topics->known_count; i++)
		evpipe__free(topics->known[i].name);
	evpipe__free(topics);
	kafka->topics = NULL;
}
