#!/bin/bash
# One post in ten is answered 503, and one organisation is down for 20 s: nothing is lost, and the others' account, and the time by which they
# have everything, is as without the outage.
. "$(dirname "$0")/lib.sh"
need_kafka

count=60000 orgs=12 down=org-3 down_s=20
generate "$count" "$orgs" 600 >"$tmp/events.ndjson"
own=$(grep -c "\"org\":\"$down\"" "$tmp/events.ndjson")

others_have_all() {
	[ "$(stats "[.destinations | del(.[\"$down\"]) | .[].unique] | add // 0")" -ge $((count - own)) ]
}

# run_with OPTION...: of the receiver. The seconds until the others had all in others_s, until all had in all_s.
run_with() {
	local start
	receiver_port=
	start_receiver --fail-rate 0.1 "$@"
	start=$SECONDS
	configure 'retry.delays=1s,5s,15s,30s' breaker.open=2s
	start_worker worker
	emit "$tmp/events.ndjson"
	same "emit's exit code" "$rc" 0
	await 60 "the others had all of theirs" others_have_all
	others_s=$((SECONDS - start))
	await 120 "all events arrived" received "$count"
	all_s=$((SECONDS - start))
	stop "$worker"
	same "run's exit code" "$rc" 0
	stop_receiver
	same "lost" "$((count - $(account .unique)))" 0
	same "dead letters" "$(ledger worker dead_lettered)" 0
	account '.destinations | to_entries[] | "\(.key) unique=\(.value.unique) duplicates=\(.value.duplicates)"' | sort
}

note "without the outage"
run_with >"$tmp/without"
cat "$tmp/without"
without_s=$others_s

note "with the outage"
run_with --down "$down@0s+${down_s}s" >"$tmp/with"
cat "$tmp/with"
at_most "seconds until the others had all" "$others_s" $((without_s + 5))
[ "$others_s" -lt "$down_s" ] || fail "the others waited for $down: $others_s s"
[ "$all_s" -ge "$down_s" ] || fail "$down was not down: all had arrived after $all_s s"

others() {
	grep unique= "$1" | grep -v "^$down "
}
diff <(others "$tmp/without") <(others "$tmp/with") || fail "the others' accounts differ (left: without the outage, right: with)"
