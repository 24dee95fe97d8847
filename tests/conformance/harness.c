#include "harness.h"

#include <poll.h>
#include <unistd.h>

#include "settings.h"

/* No promise takes so long, on the slowest machine. */
#define DEADLINE_MS 40000

const struct conformance_target *target;
const evpipe_transport_ops      *ops;
evpipe_config                   *config;
int64_t                          run_began_ms;

static void            *world;
static struct instance *instances;
static unsigned         names;

/* ---- the world ---- */

void new_name(char name[NAME_MAX_BYTES], const char *what)
{
	/* A broker that outlives the run keeps the topics of the runs before, and numbers of processes come again. */
	snprintf(name, NAME_MAX_BYTES, "%s-%lld-%ld-%u", what, (long long)run_began_ms, (long)getpid(), ++names);
}

int64_t now_ms(void)
{
	const evpipe_runtime *runtime = evpipe__settings_runtime(config);
	return runtime->mono_ms(runtime->ctx);
}

int has_feature(uint32_t feature)
{
	return (ops->features & feature) != 0;
}

void skip_since(const char *why)
{
	print_message("[          ] skipped: %s\n", why);
	skip();
}

void set_away(int away)
{
	if (!target->set_away)
		skip_since("the broker cannot be taken away here");
	target->set_away(world, away);
}

void expel(const char *group)
{
	if (!target->expel)
		skip_since("members cannot be thrown out here");
	target->expel(world, group);
}

void new_topic(char name[NAME_MAX_BYTES], int32_t partitions)
{
	new_name(name, "conformance");
	if (target->create_topic) {
		target->create_topic(world, name, partitions);
		return;
	}
	evpipe_topic_spec spec = {.size = sizeof spec, .name = name, .partitions = partitions, .create = 1};
	struct instance  *instance = open_sender();
	assert_int_equal(ops->ensure_topic(instance->self, &spec), EVPIPE_OK);
	AWAIT(instance->topics);
	assert_int_equal(instance->topic_err, EVPIPE_OK);
	close_instance(instance, 1000);
	free_instance(instance);
}

/* ---- instances ---- */

struct instance *open_instance(unsigned roles, size_t memory_max)
{
	struct instance *instance = calloc(1, sizeof *instance);
	evpipe_error     error = {.text = ""};
	assert_non_null(instance);
	evpipe_transport_setup setup = {
		.size = sizeof setup,
		.roles = roles,
		.memory_max = memory_max,
		.runtime = evpipe__settings_runtime(config),
	};
	evpipe_err err = evpipe__settings_open_transport(config, &setup, &ops, &instance->self, &error);
	if (err)
		print_error("open: %s\n", error.text);
	assert_int_equal(err, EVPIPE_OK);
	instance->memory_max = memory_max;
	instance->sendings = calloc(SENDINGS_MAX, sizeof *instance->sendings);
	assert_non_null(instance->sendings);
	instance->next = instances;
	instances = instance;
	return instance;
}

struct instance *open_sender(void)
{
	return open_instance(EVPIPE_ROLE_SEND, 16 * MIB);
}

void subscribe(struct instance *instance, const char *group, const char *topic)
{
	evpipe_subscription subscription = {
		.size = sizeof subscription, .group = group, .topics = &topic, .topics_count = 1};
	assert_int_equal(ops->subscribe(instance->self, &subscription), EVPIPE_OK);
}

struct instance *open_receiver(const char *group, const char *topic)
{
	struct instance *instance = open_instance(EVPIPE_ROLE_RECEIVE, 16 * MIB);
	subscribe(instance, group, topic);
	return instance;
}

void close_instance(struct instance *instance, uint32_t timeout_ms)
{
	evpipe_transport_event event;

	ops->close(instance->self, timeout_ms);
	instance->is_closed = 1;
	step(instance);
	for (int i = 0; i < 3; i++)
		assert_int_equal(ops->poll(instance->self, 0, &event), EVPIPE_ECLOSED);
	assert_int_equal(instance->reported, instance->sent);
}

void free_instance(struct instance *instance)
{
	struct instance **at = &instances;
	while (*at != instance)
		at = &(*at)->next;
	*at = instance->next;
	ops->free(instance->self);
	for (size_t i = 0; i < instance->taken_count; i++)
		free((void *)(uintptr_t)instance->taken[i].record.topic);
	free(instance->taken);
	free(instance->sendings);
	free(instance);
}

void free_all_instances(void)
{
	while (instances)
		free_instance(instances);
}

int clean_up(void **state)
{
	(void)state;
	free_all_instances();
	return 0;
}

/* ---- what comes ---- */

struct owned *find_owned(struct instance *instance, const char *topic, int32_t partition)
{
	for (size_t i = 0; i < OWNED_MAX; i++) {
		struct owned *owned = &instance->owned[i];
		if (owned->state != NOT_OURS && owned->partition == partition && strcmp(owned->topic, topic) == 0)
			return owned;
	}
	return NULL;
}

static struct owned *owned_at(struct instance *instance, evpipe_assignment assignment)
{
	assert_true(assignment.slot < OWNED_MAX);
	struct owned *owned = &instance->owned[assignment.slot];
	assert_int_not_equal(owned->state, NOT_OURS);
	assert_int_equal(owned->assignment.epoch, assignment.epoch);
	return owned;
}

static void on_assigned(struct instance *instance, const evpipe_transport_event *event)
{
	assert_true(event->assignment.slot < OWNED_MAX);
	struct owned *owned = &instance->owned[event->assignment.slot];
	assert_int_equal(owned->state, NOT_OURS);
	/* A slot is used again, an epoch is not. */
	if (instance->assigned && owned->topic[0])
		assert_int_not_equal(owned->assignment.epoch, event->assignment.epoch);
	assert_non_null(event->topic);
	assert_true(strlen(event->topic) < NAME_MAX_BYTES);
	*owned = (struct owned){.state = OURS,
				.assignment = event->assignment,
				.partition = event->partition,
				.last_offset = -1};
	strcpy(owned->topic, event->topic);
	instance->assigned++;
	instance->ours++;
}

static void on_gone(struct instance *instance, const evpipe_transport_event *event)
{
	struct owned *owned = owned_at(instance, event->assignment);
	if (event->type == EVPIPE_TRANSPORT_LOST) {
		instance->ours -= owned->state == OURS;
		instance->lost++;
		owned->state = NOT_OURS;
		return;
	}
	assert_int_equal(owned->state, OURS);
	instance->ours--;
	instance->revoked++;
	owned->state = OURS_REVOKED;
	if (!instance->keeps_revoked) {
		ops->relinquish(instance->self, event->assignment);
		owned->state = NOT_OURS;
	}
}

static char *append(char **at, const void *bytes, size_t len)
{
	if (!bytes)
		return NULL;
	char *copy = *at;
	memcpy(copy, bytes, len);
	copy[len] = '\0';
	*at += len + 1;
	return copy;
}

/* A copy in one piece, which begins with the topic. */
static evpipe_record copy_of(const evpipe_record *record)
{
	size_t topic_len = strlen(record->topic);
	size_t aligned = (topic_len + 16) & ~(size_t)15;
	size_t size = aligned + record->headers_count * sizeof *record->headers + record->key_len + record->value_len + 2;
	for (size_t i = 0; i < record->headers_count; i++)
		size += strlen(record->headers[i].name) + record->headers[i].value_len + 2;
	char *memory = malloc(size);
	assert_non_null(memory);

	evpipe_record  copy = *record;
	evpipe_header *headers = (evpipe_header *)(void *)(memory + aligned);
	char          *at = (char *)(headers + record->headers_count);
	copy.topic = memcpy(memory, record->topic, topic_len + 1);
	copy.key = append(&at, record->key, record->key_len);
	copy.value = append(&at, record->value, record->value_len);
	copy.headers = headers;
	for (size_t i = 0; i < record->headers_count; i++) {
		const evpipe_header *header = &record->headers[i];
		headers[i].name = append(&at, header->name, strlen(header->name));
		headers[i].value = append(&at, header->value, header->value_len);
		headers[i].value_len = header->value_len;
	}
	return copy;
}

static int is_same(const void *a, size_t a_len, const void *b, size_t b_len)
{
	return a_len == b_len && !a == !b && (!a || memcmp(a, b, a_len) == 0);
}

/* A record stays as it is until the next poll, whatever else is called. */
static void probe(struct instance *instance, const evpipe_transport_event *event, const evpipe_record *copy)
{
	const evpipe_record *record = &event->record;

	ops->hold(instance->self, event->assignment);
	assert_int_equal(ops->settle(instance->self, event->assignment, record->offset), EVPIPE_OK);
	ops->memory(instance->self);
	ops->next_due(instance->self);
	if (ops->lag)
		ops->lag(instance->self, event->assignment);
	if (ops->fd)
		ops->fd(instance->self);
	if (ops->wake)
		ops->wake(instance->self);
	ops->release(instance->self, event->assignment);

	assert_true(is_same(record->key, record->key_len, copy->key, copy->key_len));
	assert_true(is_same(record->value, record->value_len, copy->value, copy->value_len));
	assert_int_equal(record->headers_count, copy->headers_count);
	for (size_t i = 0; i < record->headers_count; i++) {
		const evpipe_header *header = &record->headers[i], *copied = &copy->headers[i];
		assert_string_equal(header->name, copied->name);
		assert_true(is_same(header->value, header->value_len, copied->value, copied->value_len));
	}
}

static void on_record(struct instance *instance, const evpipe_transport_event *event)
{
	struct owned *owned = owned_at(instance, event->assignment);

	assert_false(instance->is_closed);
	assert_false(instance->is_full);
	assert_int_equal(owned->state, OURS);
	assert_false(owned->is_held);
	assert_string_equal(event->record.topic, owned->topic);
	assert_int_equal(event->record.partition, owned->partition);
	assert_true(event->record.offset > owned->last_offset ||
		    (instance->may_double && event->record.offset == owned->last_offset));
	owned->last_offset = event->record.offset;
	owned->records++;
	instance->records++;
	if (instance->counts_only)
		return;
	if (instance->taken_count == instance->taken_capacity) {
		instance->taken_capacity = instance->taken_capacity ? 2 * instance->taken_capacity : 256;
		instance->taken = realloc(instance->taken, instance->taken_capacity * sizeof *instance->taken);
		assert_non_null(instance->taken);
	}
	instance->taken[instance->taken_count++] =
		(struct taken){.assignment = event->assignment, .record = copy_of(&event->record)};
	if (instance->probes)
		probe(instance, event, &instance->taken[instance->taken_count - 1].record);
}

static void on_sent(struct instance *instance, const evpipe_transport_event *event)
{
	assert_true(event->token < SENDINGS_MAX);
	struct sending *sending = &instance->sendings[event->token];
	assert_true(sending->is_sent);
	assert_false(sending->is_reported);
	sending->is_reported = 1;
	sending->outcome = event->outcome;
	sending->err = event->err;
	if (event->outcome == EVPIPE_PERSISTED)
		assert_int_equal(event->err, EVPIPE_OK);
	else
		assert_int_not_equal(event->err, EVPIPE_OK);
	instance->persisted += event->outcome == EVPIPE_PERSISTED;
	instance->reported++;
}

static void on_event(struct instance *instance, const evpipe_transport_event *event)
{
	switch (event->type) {
	case EVPIPE_TRANSPORT_RECORD:
		on_record(instance, event);
		break;
	case EVPIPE_TRANSPORT_SENT:
		on_sent(instance, event);
		break;
	case EVPIPE_TRANSPORT_ASSIGNED:
		assert_false(instance->is_closed);
		on_assigned(instance, event);
		break;
	case EVPIPE_TRANSPORT_REVOKED:
	case EVPIPE_TRANSPORT_LOST:
		on_gone(instance, event);
		break;
	case EVPIPE_TRANSPORT_COMMITTED:
		instance->commits++;
		instance->commits_failed += event->err != EVPIPE_OK;
		instance->commit_err = event->err;
		break;
	case EVPIPE_TRANSPORT_TOPIC:
		assert_non_null(event->topic);
		instance->topics++;
		instance->topic_err = event->err;
		instance->topic_differs = !event->err && event->text;
		break;
	case EVPIPE_TRANSPORT_NOTICE:
		if (!instance->notices++)
			instance->first_notice = event->err;
		break;
	}
}

int step(struct instance *instance)
{
	evpipe_transport_event event;
	evpipe_err             err;
	int                    any = 0;

	for (;;) {
		if (instance->records_max && instance->records >= instance->records_max)
			return any;
		err = ops->poll(instance->self, instance->is_full ? EVPIPE_POLL_NO_RECORDS : 0, &event);
		if (err)
			break;
		on_event(instance, &event);
		size_t memory = ops->memory(instance->self);
		if (memory > instance->memory_seen)
			instance->memory_seen = memory;
		any = 1;
	}
	assert_int_equal(err, instance->is_closed ? EVPIPE_ECLOSED : EVPIPE_EAGAIN);
	return any;
}

/* ---- sending ---- */

void send_record(struct instance *instance, const evpipe_record *record)
{
	evpipe_err err;
	assert_true(instance->sent < SENDINGS_MAX);
	instance->sendings[instance->sent].is_sent = 1;
	AWAIT((err = ops->send(instance->self, record, instance->sent)) != EVPIPE_EAGAIN);
	assert_int_equal(err, EVPIPE_OK);
	instance->sent++;
}

void send_number(struct instance *instance, const char *topic, int32_t partition, const char *key, unsigned number)
{
	char          value[16];
	evpipe_record record = {.topic = topic,
				.partition = partition,
				.key = key,
				.key_len = key ? strlen(key) : 0,
				.value = value,
				.value_len = (size_t)snprintf(value, sizeof value, "%u", number),
				.timestamp_ms = run_began_ms};
	send_record(instance, &record);
	/* It was copied, or this is what comes back. */
	memset(value, 'x', sizeof value);
}

void send_numbers(struct instance *instance, const char *topic, int32_t partition, unsigned first, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		send_number(instance, topic, partition, NULL, first + i);
}

unsigned number_of(const struct taken *taken)
{
	return (unsigned)strtoul(taken->record.value, NULL, 10);
}

evpipe_err settle(struct instance *instance, struct taken *taken)
{
	taken->is_settled = 1;
	return ops->settle(instance->self, taken->assignment, taken->record.offset);
}

/* ---- waiting ---- */

static int step_all(void)
{
	int any = 0;
	for (struct instance *instance = instances; instance; instance = instance->next)
		if (!instance->is_closed)
			any |= step(instance);
	return any;
}

/* As the core waits: until a descriptor speaks, or the next due time; at most so long. */
static void wait_for_more(int64_t most_ms)
{
	struct pollfd fds[8];
	nfds_t        count = 0;
	int64_t       due = INT64_MAX;

	for (struct instance *instance = instances; instance; instance = instance->next) {
		if (instance->is_closed)
			continue;
		int fd = ops->fd ? ops->fd(instance->self) : -1;
		int64_t next = ops->next_due(instance->self);
		due = next < due ? next : due;
		if (fd < 0)
			most_ms = most_ms < 10 ? most_ms : 10;
		else if (count < COUNT_OF(fds))
			fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
	}
	int64_t left_ms = most_ms, at_ms = now_ms();
	if (due <= at_ms)
		left_ms = 0;
	else if (due - at_ms < most_ms)
		left_ms = due - at_ms;
	if (target->pass)
		target->pass(world, left_ms ? left_ms : 1);
	else
		poll(fds, count, (int)left_ms);
}

void await_more(int64_t since_ms, const char *condition, const char *file, int line)
{
	if (step_all())
		return;
	if (now_ms() - since_ms > DEADLINE_MS) {
		print_error("%s:%d: waited in vain for: %s\n", file, line, condition);
		_fail(file, line);
	}
	wait_for_more(200);
}

void wait_as_told(struct instance *instance)
{
	struct pollfd fd = {.fd = ops->fd ? ops->fd(instance->self) : -1, .events = POLLIN};
	int64_t       due = ops->next_due(instance->self), at_ms = now_ms();
	int64_t       left_ms = due <= at_ms ? 0 : due - at_ms;

	if (target->pass) {
		assert_true(due < INT64_MAX);
		target->pass(world, left_ms ? left_ms : 1);
	} else if (fd.fd < 0) {
		poll(NULL, 0, 10); /* whoever has none is polled every so often */
	} else {
		int told = poll(&fd, 1, left_ms < DEADLINE_MS ? (int)left_ms : DEADLINE_MS);
		assert_true(told || left_ms < DEADLINE_MS);
	}
}

unsigned pass(int64_t ms)
{
	int64_t  until_ms = now_ms() + ms;
	unsigned rounds = 0;

	step_all();
	while (now_ms() < until_ms) {
		int64_t left_ms = until_ms - now_ms();
		wait_for_more(left_ms < 200 ? left_ms : 200);
		step_all();
		rounds++;
	}
	return rounds;
}

/* ---- the run ---- */

/* Known before the first is opened: EVPIPE_CONFORMANCE may leave out whoever would be. */
static evpipe_err find_ops(evpipe_error *error)
{
	ops = config->transport_ops;
	return ops ? EVPIPE_OK : evpipe_transport_find(&ops, evpipe_config_text(config, NULL, "transport.url"), error);
}

static int begin(const char **why)
{
	evpipe_error error = {.text = ""};
	if (evpipe_config_new(&config) || evpipe_config_set(config, "commit.interval", "200ms", &error)) {
		print_error("%s: %s\n", target->name, error.text);
		return 0;
	}
	world = target->begin(config, why);
	if (world && find_ops(&error)) {
		print_error("%s: %s\n", target->name, error.text);
		return 0;
	}
	if (world) {
		const evpipe_runtime *runtime = evpipe__settings_runtime(config);
		run_began_ms = runtime->wall_ms(runtime->ctx);
	}
	return 1;
}

int conformance_run_groups(const struct conformance_target *of, const case_group groups[], size_t count)
{
	const char *why = NULL, *pattern = getenv("EVPIPE_CONFORMANCE");
	int         failed = 0;

	target = of;
	if (!begin(&why))
		return 1;
	if (!world) {
		printf("%s: %s%s\n", target->name, why ? "skipped: " : "", why ? why : "failed: its world could not be made");
		evpipe_config_free(config);
		return why ? 77 : 1;
	}
	if (pattern)
		cmocka_set_test_filter(pattern);
	for (size_t i = 0; i < count; i++)
		failed += groups[i]();
	evpipe_config_free(config);
	target->end(world);
	return failed ? 1 : 0;
}

int conformance_run(const struct conformance_target *of)
{
	static const case_group groups[] = {conformance_features, conformance_topics,	 conformance_sending,
					    conformance_records,  conformance_receiving, conformance_settling,
					    conformance_groups,	  conformance_closing};
	return conformance_run_groups(of, groups, COUNT_OF(groups));
}
