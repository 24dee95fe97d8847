/*
 * A journal with its spool against a plain list of events, in random histories with deaths of the process and of the
 * machine; and what damage does to a segment.
 */
#include "test.h"

#include "memory-storage.h"

#include "area.h"
#include "journal.h"
#include "record.h"
#include "recovery.h"

#define HISTORIES 10000
#define STEPS 250
#define EVENTS_MAX STEPS
#define DATA_MAX 1200
#define RING 8192
#define SEGMENT 8192

enum state { WAITING, TAKEN, DONE };

struct event {
	enum state state;
	uint64_t   position;
	int        is_safe; /* synced before it was done: the machine's death must not lose it */
};

struct history {
	uint64_t               random;
	struct memory_storage  files;
	evpipe__storage        storage;
	evpipe__identity       identity;
	evpipe__file           ring;
	evpipe__journal       *journal;
	uint64_t               cursor;
	struct event           events[EVENTS_MAX];
	int                    count;
	int                    has_spool;
};

static uint64_t draw(void *ctx)
{
	struct history *history = ctx;
	history->random = history->random * 6364136223846793005u + 1442695040888963407u;
	return history->random >> 33;
}

/* A payload that says its number and is as long as it says. */
static size_t make_payload(char *out, int number)
{
	size_t len = 9 + (size_t)(number * 7919) % (DATA_MAX - 9);
	memset(out, 'a' + number % 26, len);
	memcpy(out, &number, sizeof number);
	return len;
}

static int number_of(const evpipe_event *event)
{
	char expected[DATA_MAX];
	int  number;
	assert_true(event->data_len >= 9);
	memcpy(&number, event->data, sizeof number);
	assert_in_range(number, 0, EVENTS_MAX - 1);
	assert_int_equal(event->data_len, make_payload(expected, number));
	assert_memory_equal(event->data, expected, event->data_len);
	return number;
}

static evpipe_err append_number(evpipe__journal *journal, int number)
{
	evpipe_event event = EVPIPE_EVENT_INIT;
	char         data[DATA_MAX];
	size_t       lengths[4];
	event.destination = "ACME";
	event.data = data;
	event.data_len = make_payload(data, number);
	size_t size = evpipe__record_size_of(&event, lengths);
	return evpipe__journal_append(journal, &event, lengths, size, 42);
}

/* ---- a history's steps ---- */

static void append(struct history *history)
{
	uint64_t before = evpipe__journal_head(history->journal);
	if (history->count == EVENTS_MAX)
		return;
	evpipe_err err = append_number(history->journal, history->count);
	if (err) {
		assert_int_equal(err, EVPIPE_EFULL);
		assert_true(before - evpipe__journal_tail(history->journal) > RING / 2 || history->has_spool);
		return;
	}
	history->events[history->count++] = (struct event){.state = WAITING};
}

static void take_next(struct history *history)
{
	evpipe__journal_entry entry;
	int                   expected = 0;

	while (expected < history->count &&
	       (history->events[expected].state != WAITING ||
	        (history->events[expected].position && history->events[expected].position < history->cursor)))
		expected++;
	if (!evpipe__journal_next(history->journal, &history->cursor, &entry)) {
		assert_int_equal(expected, history->count);
		return;
	}
	assert_int_equal(number_of(&entry.event), expected);
	history->cursor = evpipe__journal_take(history->journal, entry.position);
	history->events[expected].state = TAKEN;
	history->events[expected].position = entry.position;
}

static struct event *any_taken(struct history *history)
{
	int start = history->count ? (int)(draw(history) % (uint64_t)history->count) : 0;
	for (int i = 0; i < history->count; i++) {
		struct event *event = &history->events[(start + i) % history->count];
		if (event->state == TAKEN)
			return event;
	}
	return NULL;
}

static void end_one(struct history *history)
{
	struct event *event = any_taken(history);
	if (!event)
		return;
	evpipe__journal_entry entry;
	evpipe__journal_read(history->journal, event->position, &entry);
	assert_ptr_equal(&history->events[number_of(&entry.event)], event);
	evpipe__journal_done(history->journal, event->position);
	event->state = DONE;
	event->is_safe = 0;
}

static void untake_one(struct history *history)
{
	struct event *event = any_taken(history);
	if (!event)
		return;
	evpipe__journal_untake(history->journal, event->position);
	event->state = WAITING;
	if (event->position < history->cursor)
		history->cursor = event->position;
}

static void reclaim(struct history *history)
{
	evpipe__journal_reclaim(history->journal);
}

static void copy(struct history *history)
{
	if (!history->has_spool)
		return;
	history->files.create_fails = draw(history) % 8 == 0 ? EVPIPE_EFULL : EVPIPE_OK;
	evpipe__journal_copy(history->journal, NULL);
}

static void sync_all(struct history *history)
{
	if (!history->has_spool)
		return;
	history->files.create_fails = history->files.sync_fails = EVPIPE_OK;
	assert_int_equal(evpipe__journal_copy(history->journal, NULL), EVPIPE_OK);
	history->files.sync_fails = draw(history) % 8 == 0 ? EVPIPE_EIO : EVPIPE_OK;
	if (evpipe__spool_sync(evpipe__journal_spool(history->journal), NULL) != EVPIPE_OK)
		return;
	for (int i = 0; i < history->count; i++)
		history->events[i].is_safe = history->events[i].state != DONE;
}

/* Somebody reserves and is killed before he has published; what he has copied may be anything. */
static void tear(struct history *history)
{
	evpipe__area area;
	assert_null(evpipe__area_open(&area, history->ring.memory, history->ring.size, EVPIPE__AREA_RING));
	uint64_t head = atomic_load(&area.header->head), size = (1 + draw(history) % 10) * EVPIPE__GRANULE;
	uint64_t to_end = area.mask + 1 - (head & area.mask);
	if (size > to_end || head + size - atomic_load(&area.header->tail) > area.mask + 1)
		return;
	atomic_store(&area.header->head, head + size);
	char *place = (char *)evpipe__area_at(&area, head);
	if (draw(history) % 2)
		memset(place + 8, (int)draw(history), size - 8);
}

/* ---- its deaths ---- */

static void count_met(void *ctx, evpipe__fate fate, uint64_t nonce, const evpipe__adopted *adopted, const char *why)
{
	int *met = ctx;
	(void)nonce, (void)adopted, (void)why;
	assert_int_equal(fate, EVPIPE__FATE_ADOPTED);
	++*met;
}

/* Returns how many came; each is marked in `came`. In order, and none twice. */
static int drain(evpipe__adopted *adopted, int *came)
{
	uint64_t              cursor = evpipe__journal_tail(adopted->journal);
	evpipe__journal_entry entry;
	int                   count = 0, last = -1;

	while (cursor != evpipe__journal_head(adopted->journal) && evpipe__journal_next(adopted->journal, &cursor, &entry)) {
		int number = number_of(&entry.event);
		assert_true(number > last);
		last = number;
		came[number] = 1;
		count++;
		cursor = evpipe__journal_take(adopted->journal, entry.position);
		evpipe__journal_done(adopted->journal, entry.position);
		if (number % 3 == 0)
			evpipe__journal_reclaim(adopted->journal);
	}
	evpipe__journal_reclaim(adopted->journal);
	assert_true(evpipe__journal_tail(adopted->journal) == evpipe__journal_head(adopted->journal));
	return count;
}

static void recover(struct history *history, int machine_died)
{
	struct evpipe__adopted_list list = STAILQ_HEAD_INITIALIZER(list);
	int                         came[EVENTS_MAX] = {0}, met = 0, count = 0;
	uint64_t                    found = 0;

	assert_int_equal(evpipe__recovery_adopt(&list, &history->storage, 0, count_met, &met, NULL), EVPIPE_OK);
	assert_in_range(met, machine_died ? 0 : 1, 1);
	evpipe__adopted *adopted = STAILQ_FIRST(&list);
	if (adopted) {
		found = adopted->found.records;
		count = drain(adopted, came);
		evpipe__adopted_free(adopted, 1);
	}
	assert_int_equal(count, found);
	for (int i = 0; i < history->count; i++) {
		const struct event *event = &history->events[i];
		if (machine_died ? event->is_safe : event->state != DONE)
			assert_true(came[i]);
		if (!machine_died && event->state == DONE)
			assert_false(came[i]);
	}
	for (int i = 0; i < FILES_MAX; i++)
		assert_true(!*history->files.files[i].name || strstr(history->files.files[i].name, ".damaged"));
}

/* Somebody adopts it, syncs, and dies with the machine: nothing is lost by that. */
static void adopt_and_crash(struct history *history)
{
	struct evpipe__adopted_list list = STAILQ_HEAD_INITIALIZER(list);
	int                         met = 0;

	history->files.create_fails = history->files.sync_fails = EVPIPE_OK;
	assert_int_equal(evpipe__recovery_adopt(&list, &history->storage, 0, count_met, &met, NULL), EVPIPE_OK);
	evpipe__adopted *adopted = STAILQ_FIRST(&list);
	assert_non_null(adopted);
	assert_int_equal(evpipe__journal_copy(adopted->journal, NULL), EVPIPE_OK);
	assert_int_equal(evpipe__spool_sync(evpipe__journal_spool(adopted->journal), NULL), EVPIPE_OK);
	evpipe__adopted_free(adopted, 0);
	memory_storage_crash(&history->files, 0, draw, history);
	for (int i = 0; i < history->count; i++)
		history->events[i].is_safe = history->events[i].state != DONE;
}

/* What the process had in its own memory goes with it. */
static void die(struct history *history)
{
	evpipe__spool *spool = evpipe__journal_spool(history->journal);
	while (spool && !TAILQ_EMPTY(&spool->segments)) {
		evpipe__segment *segment = TAILQ_FIRST(&spool->segments);
		TAILQ_REMOVE(&spool->segments, segment, link);
		free(segment);
	}
	evpipe__journal_free(history->journal);
}

static void run_history(uint64_t seed)
{
	static const uint64_t starts[] = {0, (UINT64_C(1) << 46) - RING, (UINT64_C(1) << 62) - RING, (UINT64_C(1) << 32) - RING};
	static void (*const steps[])(struct history *) = {append, append, append, take_next, take_next, take_next, end_one, end_one,
	                                                  untake_one, reclaim, copy, sync_all};
	static struct history history;
	char                  name[EVPIPE__FILE_NAME_MAX];
	uint64_t              start = starts[seed % COUNT_OF(starts)];

	history = (struct history){.random = seed * 2654435761u + 1, .has_spool = seed / 4 % 3 != 0};
	history.storage = memory_storage(&history.files);
	history.identity = (evpipe__identity){.nonce = seed + 1, .key = draw(&history) << 32 | draw(&history), .boot = {1, 2}};
	history.identity.is_spooled = (uint64_t)history.has_spool;
	evpipe__recovery_name(name, history.identity.nonce, "ring");
	history.storage.ops->create(history.storage.self, name, evpipe__journal_region_size(RING), 0, &history.ring, NULL);
	assert_int_equal(evpipe__journal_new(&history.journal, history.ring.memory, RING, &history.identity, start), EVPIPE_OK);
	if (history.has_spool) {
		evpipe__spool spool;
		evpipe__spool_init(&spool, &history.storage, &history.identity, seed / 12 % 2 ? 4 * SEGMENT : 0, 0, start);
		spool.capacity = SEGMENT;
		evpipe__journal_use_spool(history.journal, &spool);
	}
	history.cursor = start;
	for (int i = 0; i < STEPS; i++)
		steps[draw(&history) % COUNT_OF(steps)](&history);
	if (draw(&history) % 2) {
		tear(&history);
		append(&history);
		tear(&history);
	}
	int machine_died = history.has_spool && draw(&history) % 2;
	die(&history);
	if (machine_died)
		memory_storage_crash(&history.files, 0, draw, &history);
	else
		memory_storage_kill(&history.files);
	if (!machine_died && history.has_spool && draw(&history) % 2) {
		adopt_and_crash(&history);
		machine_died = 1;
	}
	recover(&history, machine_died);
	memory_storage_release(&history.files);
}

static void test_journal_model__random_histories_match_a_list(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < HISTORIES; seed++)
		run_history(seed);
}

/* ---- damage ---- */

#define RECORDS 8
#define PIECE 4096
#define RING_NAME "0000000000000007.ring"

/* A ring, and a segment of its records, which fill a piece of 4 KiB, synced. Returns how many there are. */
static int make_journal(struct memory_storage *files, uint64_t positions[EVENTS_MAX])
{
	evpipe__storage  storage = memory_storage(files);
	evpipe__identity identity = {.nonce = 7, .key = 0x123456789abcdef, .boot = {1, 2}, .is_spooled = 1};
	evpipe__journal *journal;
	evpipe__spool    spool;
	evpipe__file     ring;
	int              count = 0;

	storage.ops->create(storage.self, RING_NAME, evpipe__journal_region_size(PIECE), 0, &ring, NULL);
	assert_int_equal(evpipe__journal_new(&journal, ring.memory, PIECE, &identity, 0), EVPIPE_OK);
	evpipe__spool_init(&spool, &storage, &identity, 0, 0, 0);
	spool.capacity = PIECE;
	evpipe__journal_use_spool(journal, &spool);
	while ((positions[count] = evpipe__journal_head(journal), append_number(journal, count)) == EVPIPE_OK)
		count++;
	positions[count] = evpipe__journal_head(journal);
	assert_int_equal(evpipe__journal_copy(journal, NULL), EVPIPE_OK);
	assert_int_equal(evpipe__spool_sync(evpipe__journal_spool(journal), NULL), EVPIPE_OK);
	evpipe__journal_free(journal);
	storage.ops->close(storage.self, &ring);
	return count;
}

static int make_segment(struct memory_storage *files, uint64_t positions[EVENTS_MAX])
{
	evpipe__storage storage = memory_storage(files);
	int             count = make_journal(files, positions);
	storage.ops->remove(storage.self, RING_NAME);
	return count;
}

struct salvage {
	int came[EVENTS_MAX];
	int count, refused;
	int told; /* torn or damaged */
};

static void note_fate(void *ctx, evpipe__fate fate, uint64_t nonce, const evpipe__adopted *adopted, const char *why)
{
	struct salvage *salvage = ctx;
	(void)nonce, (void)why;
	salvage->refused += fate == EVPIPE__FATE_REFUSED;
	salvage->told |= adopted && (adopted->found.torn || adopted->found.damaged);
}

static struct salvage look(struct memory_storage *files)
{
	struct evpipe__adopted_list list = STAILQ_HEAD_INITIALIZER(list);
	evpipe__storage             storage = memory_storage(files);
	struct salvage              salvage = {0};

	assert_int_equal(evpipe__recovery_adopt(&list, &storage, EVPIPE__FILE_SCRATCH, note_fate, &salvage, NULL), EVPIPE_OK);
	evpipe__adopted *adopted = STAILQ_FIRST(&list);
	if (adopted) {
		salvage.count = drain(adopted, salvage.came);
		evpipe__adopted_free(adopted, 0);
	}
	return salvage;
}

static struct memory_file *the_segment(struct memory_storage *files)
{
	for (int i = 0; i < FILES_MAX; i++)
		if (strstr(files->files[i].name, ".segment"))
			return &files->files[i];
	fail();
	return NULL;
}

static void test_journal_model__each_bit_that_flips_costs_the_record_it_is_in_and_no_other(void **state)
{
	struct memory_storage files = {0};
	uint64_t              positions[EVENTS_MAX];
	int                   count = make_segment(&files, positions);
	struct memory_file   *file = the_segment(&files);
	(void)state;
	assert_true(count >= 3);
	assert_int_equal(look(&files).count, count);
	for (size_t bit = 0; bit < (size_t)PIECE * 8; bit++) {
		char *byte = file->memory + EVPIPE__AREA_HEADER_SIZE + bit / 8;
		*byte ^= (char)(1 << bit % 8);
		struct salvage salvage = look(&files);
		int            hit = 0;
		while (hit < count && positions[hit + 1] <= bit / 8)
			hit++;
		/* What is behind the last record, and who took one, may change without harm. */
		size_t within = hit < count ? bit / 8 - positions[hit] : 0;
		int    harmless = hit == count || (within >= offsetof(struct evpipe__record, mark) &&
                                               within < offsetof(struct evpipe__record, mark) + sizeof(uint32_t));
		assert_int_equal(salvage.count, harmless ? count : count - 1);
		assert_true(harmless || salvage.told);
		for (int i = 0; i < count; i++)
			assert_int_equal(salvage.came[i], harmless || i != hit);
		*byte ^= (char)(1 << bit % 8);
	}
	memory_storage_release(&files);
}

static void test_journal_model__a_header_with_a_flipped_bit_is_refused(void **state)
{
	struct memory_storage files = {0};
	uint64_t              positions[EVENTS_MAX];
	(void)state;
	make_segment(&files, positions);
	struct memory_file *file = the_segment(&files);
	for (size_t bit = 0; bit < offsetof(struct evpipe__area_header, head) * 8; bit++) {
		size_t at = bit / 8;
		if (at >= offsetof(struct evpipe__area_header, checksum) + sizeof(uint64_t))
			break;
		file->memory[at] ^= (char)(1 << bit % 8);
		struct salvage salvage = look(&files);
		assert_int_equal(salvage.refused, 1);
		assert_int_equal(salvage.count, 0);
		file->memory[at] ^= (char)(1 << bit % 8);
	}
	memory_storage_release(&files);
}

static void test_journal_model__a_file_cut_in_its_last_record_keeps_the_others(void **state)
{
	struct memory_storage files = {0};
	uint64_t              positions[EVENTS_MAX];
	int                   count = make_segment(&files, positions);
	struct memory_file   *file = the_segment(&files);
	size_t                whole = file->size;
	(void)state;
	for (uint64_t at = positions[count - 1]; at < positions[count]; at++) {
		/* Where it is cut memory ends, so that whoever looks further is seen by the sanitizer. */
		char *memory = file->memory;
		file->size = EVPIPE__AREA_HEADER_SIZE + at;
		file->memory = malloc(file->size);
		assert_non_null(file->memory);
		memcpy(file->memory, memory, file->size);
		struct salvage salvage = look(&files);
		assert_int_equal(salvage.count, count - 1);
		assert_int_equal(salvage.refused, 0);
		free(file->memory);
		file->memory = memory;
	}
	file->size = whole;
	memory_storage_release(&files);
}

static void test_journal_model__what_a_ring_has_lost_is_taken_from_its_segments(void **state)
{
	struct memory_storage files = {0};
	uint64_t              positions[EVENTS_MAX];
	int                   count = make_journal(&files, positions);
	struct memory_file   *ring = memory_storage_find(&files, RING_NAME);
	char                  whole[EVPIPE__AREA_HEADER_SIZE + PIECE];
	(void)state;
	memcpy(whole, ring->memory, sizeof whole);
	for (uint64_t at = 0; at < PIECE; at += EVPIPE__GRANULE) {
		memset(ring->memory + EVPIPE__AREA_HEADER_SIZE + at, 0, EVPIPE__GRANULE);
		struct salvage salvage = look(&files);
		assert_int_equal(salvage.count, count);
		for (int i = 0; i < count; i++)
			assert_int_equal(salvage.came[i], 1);
		memcpy(ring->memory, whole, sizeof whole);
	}
	memory_storage_release(&files);
}

/* Damaged ones lie behind each other, and the tail between them: what a segment has lost is in the ring. */
static void test_journal_model__what_a_segment_has_lost_is_taken_from_the_ring(void **state)
{
	struct memory_storage files = {0};
	uint64_t              positions[EVENTS_MAX];
	int                   count = make_journal(&files, positions);
	char                 *records = the_segment(&files)->memory + EVPIPE__AREA_HEADER_SIZE;
	(void)state;
	for (int i = 0; i < 2; i++)
		records[positions[i] + sizeof(struct evpipe__record) + sizeof "ACME" + sizeof(int)] ^= 1;
	atomic_store(&((struct evpipe__area_header *)(void *)memory_storage_find(&files, RING_NAME)->memory)->tail, positions[1]);
	struct salvage salvage = look(&files);
	assert_int_equal(salvage.count, count - 1);
	for (int i = 1; i < count; i++)
		assert_int_equal(salvage.came[i], 1);
	memory_storage_release(&files);
}

static void test_journal_model__a_ring_whose_head_is_too_low_is_refused(void **state)
{
	struct memory_storage files = {0};
	evpipe__storage       storage = memory_storage(&files);
	uint64_t              positions[EVENTS_MAX];
	int                   count = make_journal(&files, positions);
	(void)state;
	for (int has_segment = 1; has_segment >= 0; has_segment--) {
		struct evpipe__area_header *header = (void *)memory_storage_find(&files, RING_NAME)->memory;
		for (uint64_t head = 0; head <= PIECE; head += EVPIPE__GRANULE) {
			atomic_store(&header->head, head);
			struct salvage salvage = look(&files);
			assert_int_equal(salvage.refused, head < positions[count]);
			assert_int_equal(salvage.count, salvage.refused ? 0 : count);
		}
		if (has_segment)
			storage.ops->remove(storage.self, the_segment(&files)->name);
	}
	memory_storage_release(&files);
}

/* ---- what may be anybody's ---- */

/* Adopts, and what was adopted is sent: whether the file is still there then. */
static int is_kept(struct memory_storage *files, const evpipe__storage *storage, const char *name, struct salvage *salvage)
{
	struct evpipe__adopted_list list = STAILQ_HEAD_INITIALIZER(list);
	evpipe__adopted            *adopted;

	*salvage = (struct salvage){0};
	assert_int_equal(evpipe__recovery_adopt(&list, storage, 0, note_fate, salvage, NULL), EVPIPE_OK);
	while ((adopted = STAILQ_FIRST(&list))) {
		STAILQ_REMOVE_HEAD(&list, link);
		salvage->count += drain(adopted, salvage->came);
		evpipe__adopted_free(adopted, 1);
	}
	return memory_storage_find(files, name) != NULL;
}

#define BEING_MADE 1

static void test_journal_model__only_what_is_blank_for_certain_goes(void **state)
{
	static const char *const names[] = {RING_NAME, "0000000000000007-0000000000000000.segment"};
	static const struct {
		size_t size;
		size_t text_at; /* "text" is there; 0: nothing */
		int    flags, kept;
	} cases[] = {
		{0, 0, 0, 0},
		{512, 0, 0, 0},
		{100, 0, 0, 1},
		{4, 4, 0, 1},
		{512, 512, 0, 1},
		{EVPIPE__AREA_HEADER_SIZE, 0, 0, 0},
		{EVPIPE__AREA_HEADER_SIZE + PIECE, 0, 0, 0},
		{EVPIPE__AREA_HEADER_SIZE + PIECE, 0, BEING_MADE, 0},
		{EVPIPE__AREA_HEADER_SIZE + PIECE, 12, 0, 1},
		{EVPIPE__AREA_HEADER_SIZE + PIECE, EVPIPE__AREA_HEADER_SIZE, BEING_MADE, 1},
		{EVPIPE__AREA_HEADER_SIZE + PIECE, EVPIPE__AREA_HEADER_SIZE + PIECE, 0, 1},
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases) * COUNT_OF(names); i++) {
		const char           *name = names[i % COUNT_OF(names)];
		const size_t          size = cases[i / COUNT_OF(names)].size, text_end = cases[i / COUNT_OF(names)].text_at;
		struct memory_storage files = {0};
		evpipe__storage       storage = memory_storage(&files);
		evpipe__identity      identity = {.nonce = 7, .key = 1};
		struct salvage        salvage;
		evpipe__area          area;
		evpipe__file          file;

		assert_int_equal(storage.ops->create(storage.self, name, size, 0, &file, NULL), EVPIPE_OK);
		if (cases[i / COUNT_OF(names)].flags & BEING_MADE) {
			evpipe__area_init(&area, file.memory, 1 + (uint32_t)(i % COUNT_OF(names)), PIECE, &identity, 0);
			memset(file.memory, 0, sizeof area.header->magic);
		}
		if (text_end)
			memcpy((char *)file.memory + text_end - 4, "text", 4);
		storage.ops->close(storage.self, &file);
		int kept = is_kept(&files, &storage, name, &salvage);
		if (kept != cases[i / COUNT_OF(names)].kept || kept != salvage.refused)
			fail_msg("%s of %zu bytes, text before %zu: kept %d, refused %d", name, size, text_end, kept, salvage.refused);
		memory_storage_release(&files);
	}
}

/* Of a ring on a disk, any pages may have reached it: that of the header, too. Segments tell whether it is worth anything. */
static void test_journal_model__a_ring_without_a_header_is_forgotten_where_segments_have_the_rest(void **state)
{
	(void)state;
	for (int was_restarted = 0; was_restarted < 2; was_restarted++) {
		struct memory_storage files = {0};
		evpipe__storage       storage = memory_storage(&files);
		struct salvage        salvage;
		uint64_t              positions[EVENTS_MAX];
		int                   count = make_journal(&files, positions);

		memset(memory_storage_find(&files, RING_NAME)->memory, 0, EVPIPE__AREA_HEADER_SIZE);
		storage.boot[0] += (uint64_t)was_restarted;
		assert_int_equal(is_kept(&files, &storage, RING_NAME, &salvage), !was_restarted);
		assert_int_equal(salvage.refused, !was_restarted);
		assert_int_equal(salvage.count, was_restarted ? count : 0);
		memory_storage_release(&files);
	}
}

/* As many as nobody could have made, and only names of them. */
static evpipe_err list_many(void *self, int (*visit)(void *ctx, const char *name), void *ctx, evpipe_error *error)
{
	char name[EVPIPE__FILE_NAME_MAX];
	(void)self, (void)error;
	for (uint64_t i = 0; i <= 65536; i++) {
		evpipe__spool_name(name, 7, i * SEGMENT, "segment");
		if (visit(ctx, name) != 0)
			break;
	}
	return EVPIPE_OK;
}

static void test_journal_model__more_segments_than_a_journal_has_are_refused(void **state)
{
	struct evpipe__adopted_list list = STAILQ_HEAD_INITIALIZER(list);
	struct memory_storage       files = {0};
	evpipe__storage             storage = memory_storage(&files);
	evpipe__storage_ops         ops = *storage.ops;
	struct salvage              salvage = {0};
	evpipe_error                error;
	(void)state;
	ops.list = list_many;
	storage.ops = &ops;
	assert_int_equal(evpipe__recovery_adopt(&list, &storage, 0, note_fate, &salvage, &error), EVPIPE_OK);
	assert_int_equal(salvage.refused, 1);
	assert_true(STAILQ_EMPTY(&list));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_journal_model__random_histories_match_a_list),
		cmocka_unit_test(test_journal_model__each_bit_that_flips_costs_the_record_it_is_in_and_no_other),
		cmocka_unit_test(test_journal_model__a_header_with_a_flipped_bit_is_refused),
		cmocka_unit_test(test_journal_model__a_file_cut_in_its_last_record_keeps_the_others),
		cmocka_unit_test(test_journal_model__what_a_ring_has_lost_is_taken_from_its_segments),
		cmocka_unit_test(test_journal_model__what_a_segment_has_lost_is_taken_from_the_ring),
		cmocka_unit_test(test_journal_model__a_ring_whose_head_is_too_low_is_refused),
		cmocka_unit_test(test_journal_model__only_what_is_blank_for_certain_goes),
		cmocka_unit_test(test_journal_model__a_ring_without_a_header_is_forgotten_where_segments_have_the_rest),
		cmocka_unit_test(test_journal_model__more_segments_than_a_journal_has_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
