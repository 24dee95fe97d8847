#!/bin/bash
# The main job: a log of events through emit, run and receive, three processes and a real Kafka: each event once, each session in order.
. "$(dirname "$0")/lib.sh"
need_kafka

events=${EVPIPE_TEST_EVENTS:-$top/../shared/data/chatbot-events.ndjson.gz}
if [ -r "$events" ]; then
	zcat -f "$events" >"$tmp/events.ndjson"
else
	note "there is no real log (EVPIPE_TEST_EVENTS): a generated one stands for it"
	generate 176270 17 2098 >"$tmp/events.ndjson"
fi
count=$(wc -l <"$tmp/events.ndjson")

start_receiver --key-field session --seq-field seq
configure
start_worker worker
emit "$tmp/events.ndjson"
same "emit's exit code" "$rc" 0
same "acknowledged by the broker" "$(jq .sent "$tmp/emit.json")" "$count"

await 120 "all events arrived" received "$count"
stop "$worker"
same "run's exit code" "$rc" 0
stop_receiver
same "delivered" "$(account .events)" "$count"
same "duplicates" "$(account .duplicates)" 0
same "out of order" "$(account .out_of_order)" 0
same "in the worker's ledger" "$(ledger worker delivered)" "$count"

jq -r .org "$tmp/events.ndjson" | sort | uniq -c | awk '{ print $2, $1 }' >"$tmp/emitted"
account '.destinations | to_entries[] | "\(.key) \(.value.unique)"' | sort >"$tmp/arrived"
diff "$tmp/emitted" "$tmp/arrived" || fail "a destination's account differs (left: emitted, right: arrived)"
