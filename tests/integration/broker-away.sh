#!/bin/bash
# A broker that is not there: emit ends with 75 and the number left, run keeps trying and says so. A broker that is killed and comes back
# under load: nothing is lost.
. "$(dirname "$0")/lib.sh"
start_own_cluster
"$here/kafka-cluster" stop "$own_cluster"

generate 10 2 4 >"$tmp/few.ndjson"
start_receiver
configure
emit --timeout 3s "$tmp/few.ndjson"
same "emit's exit code without a broker" "$rc" 75
same "left" "$(jq .left "$tmp/emit.json")" 10
grep -q '10 events are left' "$tmp/emit.log" || fail "emit did not say how many were left"

start_worker worker
says_so() {
	grep -Eq 'event=(transport|trouble) ' "$tmp/worker.log"
}
await 30 "run said that there is no broker" says_so
sleep 3
alive "$worker" || fail "run gave up"
grep -E 'event=(transport|trouble) ' "$tmp/worker.log" | head -n 1

note "the broker comes"
"$here/kafka-cluster" start "$own_cluster" >/dev/null
emit "$tmp/few.ndjson"
same "emit's exit code with the broker" "$rc" 0
await 60 "the events arrived" received 10

count=100000
note "the broker is killed under load"
generate "$count" 20 2000 f >"$tmp/events.ndjson"
start_emit paced --timeout 120s <(pace 5000 <"$tmp/events.ndjson")
for _ in 1 2; do
	await 60 "some more arrived" received $(($(stats .unique) + count / 10))
	"$here/kafka-cluster" kill "$own_cluster"
	note "killed with $(stats .unique) delivered"
	sleep 1
	"$here/kafka-cluster" start "$own_cluster" >/dev/null
	note "it is back"
done
finish "$emitter" 180
same "emit's exit code" "$rc" 0
same "acknowledged" "$(jq .sent "$tmp/paced.json")" "$count"
await 120 "all events arrived" received $((count + 10))
alive "$worker" || fail "run has ended"
stop "$worker"
same "run's exit code" "$rc" 0
stop_receiver
same "lost" "$((count + 10 - $(account .unique)))" 0
note "duplicates: $(account .duplicates)"
