#!/bin/bash
# A topic that is not there and may not be created: run ends and names it, emit ends with 75 and the number left.
. "$(dirname "$0")/lib.sh"
need_kafka

generate 10 2 4 >"$tmp/events.ndjson"
start_receiver
configure topic.create=never
start_worker worker
finish "$worker" 30
[ "$rc" != 0 ] || fail "run ended with 0"
grep -q "evpipe: .*$topic" "$tmp/worker.log" || fail "run did not name the topic"
tail -n 1 "$tmp/worker.log"

emit --timeout 3s "$tmp/events.ndjson"
same "emit's exit code" "$rc" 75
same "left" "$(jq .left "$tmp/emit.json")" 10
grep -q "$topic" "$tmp/emit.log" || fail "emit did not name the topic"
tail -n 1 "$tmp/emit.log"
