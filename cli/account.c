#include "account.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "cli.h"

struct account_destination {
	struct account_counts counts;
	UT_hash_handle        hh;
	char                  name[];
};

/* A key of a destination's: numbers its events as they are emitted. */
struct account_key {
	uint64_t       emitted, arrived; /* the last number given, the highest that arrived */
	UT_hash_handle hh;
	size_t         name_len;
	char           name[]; /* destination, NUL, key */
};

struct account_event {
	struct account_destination *destination;
	struct account_key         *key; /* NULL: none */
	uint64_t                    number;
	uint32_t                    emitted, delivered, dead; /* more than 1 if an id is emitted again */
	UT_hash_handle              hh;
	size_t                      name_len;
	char                        name[]; /* destination, NUL, id */
};

struct account {
	pthread_mutex_t             mutex; /* guards all of it */
	struct account_destination *destinations;
	struct account_key         *keys;
	struct account_event       *events;
	struct account_counts       total;
	uint64_t                    strangers;
	int                         is_end;
};

struct account *account_new(void)
{
	struct account *account = calloc(1, sizeof *account);
	if (account)
		pthread_mutex_init(&account->mutex, NULL);
	return account;
}

/* clang-format off */
#define FREE_ALL(head, type) \
	do { \
		struct type *element, *next; \
		HASH_ITER(hh, head, element, next) { \
			HASH_DEL(head, element); \
			free(element); \
		} \
	} while (0)
/* clang-format on */

void account_free(struct account *account)
{
	if (!account)
		return;
	FREE_ALL(account->events, account_event);
	FREE_ALL(account->keys, account_key);
	FREE_ALL(account->destinations, account_destination);
	pthread_mutex_destroy(&account->mutex);
	free(account);
}

/* ---- finding ---- */

#define NAME_MAX_BYTES (256 + 1024)

/* A destination and a name of its own. Returns the length; 0: too long. */
static size_t join(char out[NAME_MAX_BYTES], const char *destination, const char *name, size_t name_len)
{
	size_t destination_len = strlen(destination) + 1;
	if (destination_len + name_len > NAME_MAX_BYTES)
		return 0;
	memcpy(out, destination, destination_len);
	memcpy(out + destination_len, name, name_len);
	return destination_len + name_len;
}

static struct account_event *find_event(struct account *account, const char *destination, const char *id, size_t id_len)
{
	struct account_event *event = NULL;
	char                  name[NAME_MAX_BYTES];
	size_t                len = join(name, destination, id, id_len);
	if (len)
		HASH_FIND(hh, account->events, name, len, event);
	return event;
}

static struct account_destination *get_destination(struct account *account, const char *name)
{
	struct account_destination *destination;
	size_t                      len = strlen(name);
	HASH_FIND(hh, account->destinations, name, len, destination);
	if (destination)
		return destination;
	destination = calloc(1, sizeof *destination + len + 1);
	if (!destination)
		return NULL;
	memcpy(destination->name, name, len + 1);
	HASH_ADD_KEYPTR(hh, account->destinations, destination->name, len, destination);
	return destination;
}

static struct account_key *get_key(struct account *account, const evpipe_event *event)
{
	struct account_key *key = NULL;
	char                name[NAME_MAX_BYTES];
	size_t              len = event->key ? join(name, event->destination, event->key, event->key_len) : 0;
	if (!len)
		return NULL;
	HASH_FIND(hh, account->keys, name, len, key);
	if (key)
		return key;
	key = calloc(1, sizeof *key + len);
	if (!key)
		return NULL;
	key->name_len = len;
	memcpy(key->name, name, len);
	HASH_ADD_KEYPTR(hh, account->keys, key->name, key->name_len, key);
	return key;
}

static struct account_event *get_event(struct account *account, const evpipe_event *from)
{
	struct account_event *event = find_event(account, from->destination, from->id, strlen(from->id));
	char                  name[NAME_MAX_BYTES];
	size_t                len = join(name, from->destination, from->id, strlen(from->id));
	if (event || !len)
		return event;
	event = calloc(1, sizeof *event + len);
	if (!event)
		return NULL;
	event->destination = get_destination(account, from->destination);
	if (!event->destination) {
		free(event);
		return NULL;
	}
	event->name_len = len;
	memcpy(event->name, name, len);
	HASH_ADD_KEYPTR(hh, account->events, event->name, event->name_len, event);
	return event;
}

/* ---- what happens ---- */

int account_emitting(struct account *account, const evpipe_event *from)
{
	pthread_mutex_lock(&account->mutex);
	struct account_event *event = get_event(account, from);
	if (event) {
		event->key = get_key(account, from);
		event->number = event->key ? ++event->key->emitted : 0;
		event->emitted++;
		event->destination->counts.emitted++;
		account->total.emitted++;
	}
	pthread_mutex_unlock(&account->mutex);
	return event ? 0 : -1;
}

void account_withdraw(struct account *account, const evpipe_event *from)
{
	pthread_mutex_lock(&account->mutex);
	struct account_event *event = find_event(account, from->destination, from->id, strlen(from->id));
	if (event && event->emitted) {
		event->emitted--;
		event->destination->counts.emitted--;
		account->total.emitted--;
	}
	pthread_mutex_unlock(&account->mutex);
}

static void add_delivery(struct account *account, struct account_event *event)
{
	struct account_counts *counts = &event->destination->counts;
	if (event->delivered >= event->emitted) {
		counts->duplicates++;
		account->total.duplicates++;
		return;
	}
	event->delivered++;
	counts->delivered++;
	account->total.delivered++;
	if (!event->key)
		return;
	if (event->number < event->key->arrived) {
		counts->out_of_order++;
		account->total.out_of_order++;
	} else {
		event->key->arrived = event->number;
	}
}

void account_delivered(struct account *account, const char *destination, struct slice id)
{
	pthread_mutex_lock(&account->mutex);
	struct account_event *event = id.data ? find_event(account, destination, id.data, id.len) : NULL;
	if (event)
		add_delivery(account, event);
	else
		account->strangers++;
	pthread_mutex_unlock(&account->mutex);
}

void account_dead_lettered(struct account *account, const char *destination, struct slice id)
{
	pthread_mutex_lock(&account->mutex);
	struct account_event *event = find_event(account, destination, id.data, id.len);
	if (event) {
		event->dead++;
		event->destination->counts.dead_lettered++;
		account->total.dead_lettered++;
	} else {
		account->strangers++;
	}
	pthread_mutex_unlock(&account->mutex);
}

void account_retried(struct account *account, const char *name, uint64_t times)
{
	pthread_mutex_lock(&account->mutex);
	struct account_destination *destination = get_destination(account, name);
	if (destination)
		destination->counts.retried += times;
	account->total.retried += times;
	pthread_mutex_unlock(&account->mutex);
}

void account_totals(struct account *account, struct account_counts *totals)
{
	pthread_mutex_lock(&account->mutex);
	*totals = account->total;
	pthread_mutex_unlock(&account->mutex);
}

uint64_t account_strangers(struct account *account)
{
	pthread_mutex_lock(&account->mutex);
	uint64_t strangers = account->strangers;
	pthread_mutex_unlock(&account->mutex);
	return strangers;
}

/* ---- the end ---- */

static int by_name(const struct account_destination *a, const struct account_destination *b)
{
	return strcmp(a->name, b->name);
}

static void add_missing(struct account_counts *counts, uint64_t missing, int is_end)
{
	*(is_end ? &counts->lost : &counts->left) += missing;
}

void account_close(struct account *account, int is_end)
{
	struct account_event *event, *next;
	pthread_mutex_lock(&account->mutex);
	account->is_end = is_end;
	HASH_ITER(hh, account->events, event, next) {
		if (event->delivered + event->dead >= event->emitted)
			continue;
		uint64_t missing = event->emitted - event->delivered - event->dead;
		add_missing(&event->destination->counts, missing, is_end);
		add_missing(&account->total, missing, is_end);
	}
	HASH_SORT(account->destinations, by_name);
	pthread_mutex_unlock(&account->mutex);
}

/* The numbers of a row, which end with what is lost or, in its place, left. */
#define COLUMNS 7
_Static_assert(offsetof(struct account_counts, left) == COLUMNS * sizeof(uint64_t),
               "the columns are the counts, in order");

static struct table_row make_row(const struct account *account, const char *name, struct account_counts *counts)
{
	if (!account->is_end)
		counts->lost = counts->left;
	return (struct table_row){name, &counts->emitted};
}

void account_print(struct account *account, FILE *to)
{
	/* With five-digit numbers it fits into 80 columns. */
	const char *heads[COLUMNS + 1] = {"destination", "emitted", "delivered",    "duplicates",
	                                  "retried",     "dead",    "out of order", account->is_end ? "lost" : "left"};
	size_t                      count = HASH_COUNT(account->destinations), i = 0;
	struct table_row           *rows = calloc(count + 1, sizeof *rows);
	struct account_destination *destination, *next;

	if (!rows)
		return;
	HASH_ITER(hh, account->destinations, destination, next)
		rows[i++] = make_row(account, destination->name, &destination->counts);
	rows[i] = make_row(account, "total", &account->total);
	table_print(to, heads, COLUMNS + 1, rows, count + 1);
	free(rows);
}

static json_t *counts_json(const struct account_counts *counts)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "emitted", (json_int_t)counts->emitted,
	                 "delivered", (json_int_t)counts->delivered, "duplicates", (json_int_t)counts->duplicates,
	                 "retried", (json_int_t)counts->retried, "dead_lettered", (json_int_t)counts->dead_lettered,
	                 "out_of_order", (json_int_t)counts->out_of_order, "lost", (json_int_t)counts->lost, "left",
	                 (json_int_t)counts->left);
}

json_t *account_json(struct account *account)
{
	struct account_destination *destination, *next;
	json_t                     *all = counts_json(&account->total), *each = json_object();
	HASH_ITER(hh, account->destinations, destination, next)
		json_object_set_new_nocheck(each, destination->name, counts_json(&destination->counts));
	json_object_set_new(all, "destinations", each);
	return all;
}
