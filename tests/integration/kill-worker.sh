#!/bin/bash
# kill -9 of one of two workers in the middle, five times: nothing is lost, and duplicates are no more than what was in flight and what was
# settled since the last commit.
. "$(dirname "$0")/lib.sh"
need_kafka

count=400000 batch=100 in_flight=4 latency_ms=100 commit_ms=500 kills=5
generate "$count" 20 5000 >"$tmp/events.ndjson"

start_receiver --latency "${latency_ms}ms"
# The first tier is far away, so that nothing of this backlog is parked: how much is settled in a time then depends on posts alone.
configure retry.delays=10m "batch.events_max=$batch" "sink.in_flight_max=$in_flight" "sink.in_flight_per_destination_max=$in_flight" \
	"commit.interval=${commit_ms}ms"
workers=()
for i in 0 1; do
	start_worker "worker$i"
	workers+=("$worker")
done
emit "$tmp/events.ndjson"
same "emit's exit code" "$rc" 0

# No rebalance is under way: while one is, nothing can be committed.
both_work() {
	[ "$(ledger worker0 partitions)" -gt 0 ] && [ "$(ledger worker1 partitions)" -gt 0 ]
} 2>/dev/null

got_on() {
	[ "$(stats .events)" -ge "$1" ]
}

for ((i = 0; i < kills; i++)); do
	victim=$((i % 2))
	await 60 "both workers had partitions" both_work
	await 60 "something more arrived" got_on $(($(stats .events) + 10000))
	received "$count" && fail "the load was over before kill $((i + 1)): make it larger"
	kill -KILL "${workers[victim]}"
	wait "${workers[victim]}" 2>/dev/null || true
	note "killed worker $victim with $(stats .unique) delivered"
	mv "$tmp/worker$victim.log" "$tmp/killed$i.log"
	start_worker "worker$victim"
	workers[victim]=$worker
done

await 180 "all events arrived" received "$count"
for i in 0 1; do
	stop "${workers[i]}"
	same "worker $i's exit code" "$rc" 0
done
stop_receiver
same "lost" "$((count - $(account .unique)))" 0

# A worker posts at most in_flight batches each latency; a commit is due after its interval, and may take a moment.
in_posts=$((in_flight * batch))
since_commit=$((in_posts * (commit_ms + 200) / latency_ms))
at_most "duplicates" "$(account .duplicates)" $((kills * (in_posts + since_commit)))
