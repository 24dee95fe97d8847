#!/bin/bash
# An event over event.max is refused at emit, with its line; one that only the broker refuses is reported and counted. The others arrive,
# also those that came to the broker in batches of which it refused all.
. "$(dirname "$0")/lib.sh"
need_kafka

# Random, so that compression doesn't help: BYTES of it.
noise() {
	head -c "$1" /dev/urandom | base64 -w 0 | head -c "$1"
}

large_event() {
	printf '{"id":"large","org":"org-0","session":"s0","seq":0,"text":"%s"}\n' "$(noise "$1")"
}

{
	generate 100 1 1
	large_event 1500000
	generate 100 1 1 | sed 's/"id":"e/"id":"f/'
} >"$tmp/events.ndjson"

note "over event.max"
start_receiver
configure
start_worker worker
emit --line-max 8MiB "$tmp/events.ndjson"
same "emit's exit code" "$rc" 65
same "refused" "$(jq .invalid "$tmp/emit.json")" 1
same "acknowledged" "$(jq .sent "$tmp/emit.json")" 200
grep -q ':101:' "$tmp/emit.log" || fail "emit did not name the line"
await 60 "the others arrived" received 200
stop "$worker"

note "over what the broker takes"
stop_receiver
start_receiver
configure event.max=2MiB
start_worker worker
emit --line-max 8MiB "$tmp/events.ndjson"
same "emit's exit code" "$rc" 65
same "rejected" "$(jq .rejected "$tmp/emit.json")" 1
same "acknowledged" "$(jq .sent "$tmp/emit.json")" 200
same "left" "$(jq .left "$tmp/emit.json")" 0
grep -q 'large' "$tmp/emit.log" || fail "emit did not name the event"
await 60 "the others arrived" received 200
stop "$worker"
same "run's exit code" "$rc" 0
stop_receiver
same "delivered" "$(account .unique)" 200

note "in batches over what the topic takes"
start_receiver
generate 20000 20 2000 g >"$tmp/events.ndjson"
large_event 150000 >>"$tmp/events.ndjson"
configure kafka.producer.compression.type=none
start_worker worker
generate 1 1 1 >"$tmp/one.ndjson"
emit "$tmp/one.ndjson"
"$here/kafka-cluster" alter "$broker" "$topic" max.message.bytes=100000
emit "$tmp/events.ndjson"
same "emit's exit code" "$rc" 65
same "rejected" "$(jq .rejected "$tmp/emit.json")" 1
same "acknowledged" "$(jq .sent "$tmp/emit.json")" 20000
await 60 "all but the large one arrived" received 20001
stop "$worker"
same "run's exit code" "$rc" 0
stop_receiver
same "delivered" "$(account .unique)" 20001
