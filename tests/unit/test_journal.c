#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "journal.h"
#include "platform.h"
#include "record.h"

#define CAPACITY 65536

struct fixture {
	void            *region;
	evpipe__journal *journal;
	uint64_t         cursor;
};

static const evpipe__identity identity = {.nonce = 0x1234567890abcdef, .key = 0xfedcba0987654321};

static void open_at(struct fixture *fixture, uint64_t start)
{
	assert_int_equal(evpipe__region_new(&fixture->region, evpipe__journal_region_size(CAPACITY)), EVPIPE_OK);
	assert_int_equal(evpipe__journal_new(&fixture->journal, fixture->region, CAPACITY, &identity, start), EVPIPE_OK);
	fixture->cursor = start;
}

static void close_it(struct fixture *fixture)
{
	evpipe__journal_free(fixture->journal);
	evpipe__region_free(fixture->region, evpipe__journal_region_size(CAPACITY));
}

static evpipe_err append(struct fixture *fixture, const evpipe_event *event)
{
	size_t lengths[4];
	size_t size = evpipe__record_size_of(event, lengths);
	return evpipe__journal_append(fixture->journal, event, lengths, size, 42);
}

/* A payload that says its number and is as long as it says. */
static size_t make_payload(char *out, size_t max, uint64_t number)
{
	size_t len = 9 + (size_t)(number * 7919 % (max - 9));
	memset(out, 'a' + (int)(number % 26), len);
	memcpy(out, &number, sizeof number);
	return len;
}

static void assert_payload(const evpipe_event *event, uint64_t number, size_t max)
{
	char expected[4096];
	assert_int_equal(event->data_len, make_payload(expected, max, number));
	assert_memory_equal(event->data, expected, event->data_len);
}

static void test_journal__gives_back_what_was_put_in(void **state)
{
	struct fixture        fixture;
	evpipe__journal_entry entry;
	evpipe_header headers[] = {{"traceparent", "00-abc", 6}, {"null", NULL, 0}, {"empty", "", 0}};
	evpipe_event  event = EVPIPE_EVENT_INIT;

	(void)state;
	open_at(&fixture, 0);
	event.destination = "ACME";
	event.key = "session\0one";
	event.key_len = 11;
	event.data = "{}";
	event.data_len = 2;
	event.type = "step";
	event.id = "id-1";
	event.headers = headers;
	event.headers_count = 3;
	assert_int_equal(append(&fixture, &event), EVPIPE_OK);

	assert_true(evpipe__journal_next(fixture.journal, &fixture.cursor, &entry));
	assert_string_equal(entry.event.destination, "ACME");
	assert_string_equal(entry.event.type, "step");
	assert_string_equal(entry.event.id, "id-1");
	assert_null(entry.event.content_type);
	assert_int_equal(entry.event.key_len, 11);
	assert_memory_equal(entry.event.key, "session\0one", 11);
	assert_memory_equal(entry.event.data, "{}", 2);
	assert_int_equal(entry.event.time_ms, 42);
	assert_int_equal(entry.event.headers_count, 3);
	assert_string_equal(entry.event.headers[0].name, "traceparent");
	assert_memory_equal(entry.event.headers[0].value, "00-abc", 6);
	assert_null(entry.event.headers[1].value);
	assert_non_null(entry.event.headers[2].value);
	assert_int_equal(entry.event.headers[2].value_len, 0);
	close_it(&fixture);
}

static void test_journal__a_null_key_is_not_an_empty_one(void **state)
{
	struct fixture        fixture;
	evpipe__journal_entry entry;
	evpipe_event          event = EVPIPE_EVENT_INIT;

	(void)state;
	open_at(&fixture, 0);
	event.destination = "A";
	append(&fixture, &event);
	event.key = "";
	append(&fixture, &event);
	assert_true(evpipe__journal_next(fixture.journal, &fixture.cursor, &entry));
	assert_null(entry.event.key);
	fixture.cursor = evpipe__journal_take(fixture.journal, entry.position);
	assert_true(evpipe__journal_next(fixture.journal, &fixture.cursor, &entry));
	assert_non_null(entry.event.key);
	close_it(&fixture);
}

/* A NULL value has no length, whatever value_len says. */
static void test_journal__counts_what_it_copies(void **state)
{
	evpipe_header headers[] = {{"name", "12345678", 8}};
	evpipe_event  event = EVPIPE_EVENT_INIT;
	size_t        lengths[4];

	(void)state;
	event.destination = "A";
	event.headers = headers;
	event.headers_count = 1;
	size_t size = evpipe__record_size_of(&event, lengths);
	assert_int_equal(lengths[0], 1);
	assert_int_equal(lengths[1], EVPIPE__NO_TEXT);
	headers[0].value = NULL;
	headers[0].value_len = 1000000;
	assert_true(evpipe__record_size_of(&event, lengths) <= size);
}

static void test_journal__knows_when_all_is_published(void **state)
{
	struct fixture        fixture;
	evpipe__journal_entry entry;
	evpipe_event          event = EVPIPE_EVENT_INIT;
	uint64_t              position = 0;

	(void)state;
	open_at(&fixture, 0);
	event.destination = "A";
	for (int i = 0; i < 3; i++)
		append(&fixture, &event);
	assert_true(evpipe__journal_next(fixture.journal, &fixture.cursor, &entry));
	evpipe__journal_done(fixture.journal, entry.position);
	evpipe__journal_reclaim(fixture.journal);
	evpipe__journal_seal(fixture.journal);
	assert_true(evpipe__journal_is_published(fixture.journal, &position));
	assert_int_equal(position, evpipe__journal_head(fixture.journal));
	close_it(&fixture);
}

static void test_journal__refuses_when_full_and_has_room_after_reclaim(void **state)
{
	struct fixture        fixture;
	evpipe__journal_entry entry;
	evpipe_event          event = EVPIPE_EVENT_INIT;
	char                  data[1000] = {0};
	size_t                accepted = 0;

	(void)state;
	open_at(&fixture, 0);
	event.destination = "A";
	event.data = data;
	event.data_len = sizeof data;
	while (append(&fixture, &event) == EVPIPE_OK)
		accepted++;
	assert_in_range(accepted, CAPACITY / 1200, CAPACITY / 1000);
	assert_int_equal(append(&fixture, &event), EVPIPE_EFULL);
	assert_int_equal(evpipe__journal_accepted(fixture.journal), accepted);

	assert_true(evpipe__journal_next(fixture.journal, &fixture.cursor, &entry));
	evpipe__journal_take(fixture.journal, entry.position);
	assert_false(evpipe__journal_reclaim(fixture.journal)); /* taken is not done */
	evpipe__journal_done(fixture.journal, entry.position);
	assert_true(evpipe__journal_reclaim(fixture.journal));
	assert_int_equal(append(&fixture, &event), EVPIPE_OK);
	close_it(&fixture);
}

static void test_journal__untaken_records_come_again_and_done_ones_do_not(void **state)
{
	struct fixture        fixture;
	evpipe__journal_entry entry;
	evpipe_event          event = EVPIPE_EVENT_INIT;
	uint64_t              positions[3];

	(void)state;
	open_at(&fixture, 0);
	event.destination = "A";
	for (int i = 0; i < 3; i++)
		append(&fixture, &event);
	for (int i = 0; i < 3; i++) {
		assert_true(evpipe__journal_next(fixture.journal, &fixture.cursor, &entry));
		positions[i] = entry.position;
		fixture.cursor = evpipe__journal_take(fixture.journal, entry.position);
	}
	assert_false(evpipe__journal_next(fixture.journal, &fixture.cursor, &entry));
	evpipe__journal_done(fixture.journal, positions[1]);
	evpipe__journal_untake(fixture.journal, positions[0]);
	evpipe__journal_untake(fixture.journal, positions[2]);
	fixture.cursor = positions[0];
	assert_true(evpipe__journal_next(fixture.journal, &fixture.cursor, &entry));
	assert_int_equal(entry.position, positions[0]);
	fixture.cursor = evpipe__journal_take(fixture.journal, entry.position);
	assert_true(evpipe__journal_next(fixture.journal, &fixture.cursor, &entry));
	assert_int_equal(entry.position, positions[2]);
	close_it(&fixture);
}

static void test_journal__sealed_it_refuses(void **state)
{
	struct fixture        fixture;
	evpipe__journal_entry entry;
	evpipe_event          event = EVPIPE_EVENT_INIT;

	(void)state;
	open_at(&fixture, 0);
	event.destination = "A";
	append(&fixture, &event);
	evpipe__journal_seal(fixture.journal);
	assert_int_equal(append(&fixture, &event), EVPIPE_ECLOSED);
	assert_true(evpipe__journal_next(fixture.journal, &fixture.cursor, &entry));
	close_it(&fixture);
}

/* Random appends, takes, untakes and reclaims against a plain counter, with positions near the end of their 40 bits of granules. */
static void run_history(uint64_t seed, uint64_t start)
{
	struct fixture        fixture;
	evpipe__journal_entry entry;
	evpipe_event          event = EVPIPE_EVENT_INIT;
	char                  data[4096];
	uint64_t              in = 0, out = 0, state = seed * 2654435761u + 1;

	open_at(&fixture, start);
	event.destination = "A";
	event.data = data;
	for (int i = 0; i < 2000; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		if (state >> 63) {
			event.data_len = make_payload(data, 3000, in);
			in += append(&fixture, &event) == EVPIPE_OK;
		} else if (evpipe__journal_next(fixture.journal, &fixture.cursor, &entry)) {
			assert_payload(&entry.event, out, 3000);
			if ((state >> 40) % 8 == 0) {
				evpipe__journal_take(fixture.journal, entry.position);
				evpipe__journal_untake(fixture.journal, entry.position);
				continue;
			}
			evpipe__journal_take(fixture.journal, entry.position);
			fixture.cursor = evpipe__journal_done(fixture.journal, entry.position);
			out++;
			if ((state >> 50) % 4 == 0)
				evpipe__journal_reclaim(fixture.journal);
		}
	}
	for (; evpipe__journal_next(fixture.journal, &fixture.cursor, &entry); out++) {
		assert_payload(&entry.event, out, 3000);
		fixture.cursor = evpipe__journal_done(fixture.journal, entry.position);
	}
	assert_int_equal(out, in);
	evpipe__journal_reclaim(fixture.journal);
	assert_int_equal(evpipe__journal_tail(fixture.journal), evpipe__journal_head(fixture.journal));
	close_it(&fixture);
}

static void test_journal__random_histories_match_a_queue(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++)
		run_history(seed, seed % 2 ? 0 : (UINT64_C(1) << 46) - CAPACITY);
}

#define THREADS 4
#define EACH 20000

static struct fixture shared;
static atomic_int     at_work;

static void *emit_many(void *arg)
{
	evpipe_event event = EVPIPE_EVENT_INIT;
	char         data[256], destination[8];
	uint64_t     thread = (uint64_t)(uintptr_t)arg;

	snprintf(destination, sizeof destination, "%d", (int)thread);
	event.destination = destination;
	event.data = data;
	for (uint64_t i = 0; i < EACH; i++) {
		event.data_len = make_payload(data, sizeof data, i);
		while (append(&shared, &event) == EVPIPE_EFULL)
			sched_yield();
	}
	atomic_fetch_sub(&at_work, 1);
	return NULL;
}

static void test_journal__many_threads_lose_and_reorder_nothing(void **state)
{
	pthread_t             threads[THREADS];
	evpipe__journal_entry entry;
	uint64_t              seen[THREADS] = {0};

	(void)state;
	open_at(&shared, 0);
	atomic_store(&at_work, THREADS);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, emit_many, (void *)i), 0);
	for (;;) {
		int last_look = atomic_load(&at_work) == 0;
		while (evpipe__journal_next(shared.journal, &shared.cursor, &entry)) {
			int thread = entry.event.destination[0] - '0';
			assert_in_range(thread, 0, THREADS - 1);
			assert_payload(&entry.event, seen[thread]++, 256);
			shared.cursor = evpipe__journal_done(shared.journal, entry.position);
			evpipe__journal_reclaim(shared.journal);
		}
		if (last_look)
			break;
		sched_yield();
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(seen[i], EACH);
	}
	close_it(&shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_journal__gives_back_what_was_put_in),
		cmocka_unit_test(test_journal__a_null_key_is_not_an_empty_one),
		cmocka_unit_test(test_journal__counts_what_it_copies),
		cmocka_unit_test(test_journal__knows_when_all_is_published),
		cmocka_unit_test(test_journal__refuses_when_full_and_has_room_after_reclaim),
		cmocka_unit_test(test_journal__untaken_records_come_again_and_done_ones_do_not),
		cmocka_unit_test(test_journal__sealed_it_refuses),
		cmocka_unit_test(test_journal__random_histories_match_a_queue),
		cmocka_unit_test(test_journal__many_threads_lose_and_reorder_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
