#!/bin/bash
# SIGTERM drains: exit 0 with nothing unsettled, or 75 with the number left; either way nothing is lost, and nothing is delivered twice that was
# settled.
. "$(dirname "$0")/lib.sh"
need_kafka

count=60000
generate "$count" 20 2000 >"$tmp/events.ndjson"

some_arrived() {
	[ "$(stats .events)" -gt 2000 ]
}

note "with an endpoint that answers"
start_receiver --latency 100ms
# It holds a part of the load, so that there is something left to be taken when it stops.
configure batch.events_max=100 sink.in_flight_max=8 event.max=64KiB worker.memory_max=4MiB
start_worker first
emit "$tmp/events.ndjson"
same "emit's exit code" "$rc" 0
await 60 "some events arrived" some_arrived
stop "$worker"
same "exit code" "$rc" 0
same "left in flight" "$(ledger first in_flight)" 0
left=$((count - $(stats .unique)))
[ "$left" -gt 0 ] || fail "the load was over before the stop: make it larger"
note "$left events are still to come"
start_worker second
await 120 "all events arrived" received "$count"
stop "$worker"
same "exit code of the next" "$rc" 0
stop_receiver
same "delivered" "$(account .events)" "$count"
same "duplicates" "$(account .duplicates)" 0

note "with an endpoint that stores and never answers"
start_receiver --latency 1h
configure batch.events_max=100 sink.in_flight_max=8 worker.drain_timeout=2s sink.timeout=1h
start_worker third
emit "$tmp/events.ndjson"
await 60 "posts were under way" received 1
sleep 1
stop "$worker"
same "exit code" "$rc" 75
left=$(ledger third relinquished)
[ "$left" -gt 0 ] || fail "nothing was left, and yet it ended with 75"
said=$(sed -n 's/.*evpipe: \([0-9,]*\) events are left.*/\1/p' "$tmp/third.log" | tr -d ,)
same "said to be left" "$said" "$left"
kill -KILL "$receiver_pid"
start_receiver
start_worker fourth
await 120 "all events arrived" received "$count"
stop "$worker"
same "exit code of the next" "$rc" 0
stop_receiver
same "lost" "$((count - $(account .unique)))" 0
