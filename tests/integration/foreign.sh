#!/bin/bash
# Records on the topic that are not ours, and tombstones: dead-lettered with their reason; delivered if the configuration says whose they are.
. "$(dirname "$0")/lib.sh"
command -v kcat >/dev/null || skip "there is no kcat"
need_kafka

# produce OPTION...: a record from standard input.
produce() {
	kcat -b "$broker" -P -t "$topic" "$@" 2>>"$tmp/kcat.log" || fail "kcat: $(tail -n 1 "$tmp/kcat.log")"
}

dead_letters() {
	kcat -b "$broker" -C -t "$topic.dead" -o beginning -e -q -f '%h|%s\n' 2>>"$tmp/kcat.log"
}

buried() {
	[ "$(ledger worker dead_lettered)" -ge "$1" ] 2>/dev/null
}

start_receiver
configure
start_worker worker
await 60 "the topics were there" grep -q 'event=subscribed' "$tmp/worker.log"
echo '{"id":"k1","org":"org-0","text":"by another program"}' | produce -k s1
echo 's2:' | produce -K : -Z -H 'evpipe=1 destination=org-0 id=k2'
echo '{"id":"k3","org":"org-0"}' | produce -k s3 -H 'evpipe=nonsense'
echo '{"id":"k4","org":"org-0"}' | produce -k s4 -H 'evpipe=1 destination=org-0 id=k4'
await 60 "three were dead-lettered" buried 3
await 60 "ours arrived" received 1
stop "$worker"
same "run's exit code" "$rc" 0
dead_letters >"$tmp/dead"
cat "$tmp/dead"
same "dead letters" "$(wc -l <"$tmp/dead")" 3
same "foreign" "$(grep -c 'reason=foreign' "$tmp/dead")" 2
same "tombstones" "$(grep -c 'reason=tombstone' "$tmp/dead")" 1
grep -q '"k1".*by another program' "$tmp/dead" || fail "the payload is not in its dead letter"
stop_receiver

note "with topic.destination_from and topic.id_from"
start_receiver
configure topic.destination_from=field:org topic.id_from=field:id topic.tombstones=skip
start_worker worker2
await 60 "the topics were there" grep -q 'event=subscribed' "$tmp/worker2.log"
echo '{"id":"k1","org":"org-0","text":"by another program"}' | produce -k s1
echo 's2:' | produce -K : -Z -H 'evpipe=1 destination=org-0 id=k2'
await 60 "the event arrived" received 1
skipped() {
	[ "$(ledger worker2 skipped)" -ge 1 ] 2>/dev/null
}
await 60 "the tombstone was skipped" skipped
stop "$worker"
same "run's exit code" "$rc" 0
stop_receiver
same "for whom" "$(account '.destinations | keys[0]')" org-0
