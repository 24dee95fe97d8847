#!/bin/bash
# evpipe recover: what a killed application has left in its journal arrives, each event of it, and nothing else is missing; what the broker
# refused for its size is shown with the reason, and arrives once the topic takes it.
. "$(dirname "$0")/lib.sh"
need_kafka

memory=$tmp
[ ! -w /dev/shm ] || memory=$(mktemp -d /dev/shm/evpipe-recover.XXXXXX)

clean_up_memory() {
	clean_up
	[ "$memory" = "$tmp" ] || rm -rf "$memory"
}
trap clean_up_memory EXIT

# recover OPTION... DIR: its account in $tmp/recover.json, its exit code in rc.
recover() {
	rc=0
	"$evpipe" recover -c "$tmp/evpipe.ini" "${settings[@]}" --json "$@" >"$tmp/recover.json" 2>>"$tmp/recover.log" || rc=$?
}

# noise BYTES: random, so that compression doesn't help.
noise() {
	head -c "$1" /dev/urandom | base64 -w 0 | head -c "$1"
}

generate 100000 20 2000 >"$tmp/events.ndjson"
for durability in process disk; do
	note "killed with a journal of durability $durability"
	journal=$tmp/journal
	[ "$durability" = disk ] || journal=$memory/journal
	start_receiver
	# Events wait for a second before they are sent: what is accepted is not acknowledged for a while.
	configure "journal.durability=$durability" "journal.dir=$journal" kafka.producer.linger.ms=1000
	start_worker "worker-$durability"
	start_emit killed <(pace 5000 <"$tmp/events.ndjson")
	await 60 "some arrived" received 5000
	kill -KILL "$emitter"
	finish "$emitter" 20
	same "emit's exit code" "$rc" 137

	recover --dry-run --events "$journal"
	same "exit code of a look" "$rc" 0
	left=$(jq .found "$tmp/recover.json")
	last=$(jq -r '.events[-1].id' "$tmp/recover.json")
	[ "$left" -gt 0 ] || fail "nothing was left in the journal"
	recover "$journal"
	same "recover's exit code" "$rc" 0
	same "sent of $left found" "$(jq .sent "$tmp/recover.json")" "$left"
	same "left" "$(jq .left "$tmp/recover.json")" 0
	same "files in the directory" "$(find "$journal" -type f | wc -l)" 0

	# The ids are e0, e1 and so on: as many as were emitted up to the last one are all of them.
	await 60 "all arrived" received $((${last#e} + 1))
	stop "$worker"
	stop_receiver
	same "different events up to $last" "$(account .unique)" $((${last#e} + 1))
	at_most "duplicates" "$(account .duplicates)" "$left"
done

note "rejected for its size"
journal=$tmp/journal
{
	generate 100 1 1
	printf '{"id":"large","org":"org-0","session":"s0","seq":100,"text":"%s"}\n' "$(noise 1500000)"
} >"$tmp/events.ndjson"
start_receiver
configure event.max=2MiB kafka.message.max.bytes=4194304 journal.durability=process "journal.dir=$journal"
start_worker worker-rejected
emit --line-max 8MiB "$tmp/events.ndjson"
same "emit's exit code" "$rc" 65
same "rejected" "$(jq .rejected "$tmp/emit.json")" 1
await 60 "the others arrived" received 100

recover --rejected --dry-run "$journal"
same "shown" "$(jq -r '.events | map(.id) | join(" ")' "$tmp/recover.json")" large
note "the reason: $(jq -r '.events[0].reason' "$tmp/recover.json")"
jq -r '.events[0].reason' "$tmp/recover.json" | grep -q 'ETOOLARGE: .*too large' || fail "it does not say why"
recover --rejected "$journal"
same "exit code while the topic does not take it" "$rc" 65
same "sent" "$(jq .sent "$tmp/recover.json")" 0
recover --rejected --dry-run "$journal"
same "kept" "$(jq .found "$tmp/recover.json")" 1

"$here/kafka-cluster" alter "$broker" "$topic" max.message.bytes=4194304
recover --rejected "$journal"
same "exit code when it does" "$rc" 0
same "sent" "$(jq .sent "$tmp/recover.json")" 1
await 60 "it arrived" received 101
recover --rejected --dry-run "$journal"
same "kept" "$(jq .found "$tmp/recover.json")" 0
stop "$worker"
stop_receiver
same "different events" "$(account .unique)" 101
