#!/bin/bash
# Workers are killed, stopped and resumed, the broker is killed and comes back, at random moments, under load, while the receiver fails, is slow,
# hangs up, and has destinations that are down: when that is over, everything emitted has been delivered or dead-lettered.
#
#   break.sh [--full] [--kills N] [--stop-max SECONDS] [--seed N]
#
# 20 kills of a worker by default, and stops of 1 to 5 s; --full: 200, and stops of up to 20 s. The seed, which is printed, draws what is done
# when; it does not fix what the processes do meanwhile. The logs, and the broker's data, are kept if something is lost.
. "$(dirname "$0")/lib.sh"

kills=20 stop_max_s=5 seed=$((RANDOM << 15 | RANDOM))
while [ $# -gt 0 ]; do
	case $1 in
	--full) kills=200 stop_max_s=20 ;;
	--kills) kills=$2 && shift ;;
	--stop-max) stop_max_s=$2 && shift ;;
	--seed) seed=$2 && shift ;;
	*) fail "$1 is not known: see the head of $0" ;;
	esac
	shift
done
note "seed $seed, $kills kills"

workers_count=3 rate=500 orgs=20
prefixes=(a b) # of the ids of each emit
session_ms=2000

# ---- the plan ----

random=$seed

# draw N: one of 0 to N-1, in drawn. Knuth's MMIX generator; its high bits are the good ones.
draw() {
	random=$((random * 6364136223846793005 + 1442695040888963407))
	drawn=$(((random >> 33 & 0x7fffffff) % $1))
}

# Lines of: when, in ms, and what. Each kill is of one of the workers; with every other one goes a stop of some worker, with each tenth the end of
# the broker, somewhere around it.
draw_plan() {
	local at=0 i victim start busy_until=()
	for ((i = 0; i < kills; i++)); do
		draw 6000
		at=$((at + 500 + drawn))
		draw $workers_count
		echo "$at kill $drawn"
		draw 2
		if [ "$drawn" = 0 ]; then
			draw $workers_count
			victim=$drawn
			draw 4000
			start=$((at + drawn))
			draw $((stop_max_s * 1000 - 999))
			if [ $start -gt "${busy_until[victim]:-0}" ]; then
				echo "$start stop $victim"
				busy_until[victim]=$((start + 1000 + drawn))
				echo "${busy_until[victim]} resume $victim"
			fi
		fi
		if [ $((i % 10)) = 5 ]; then
			draw 6000
			start=$((at + drawn))
			draw 4000
			echo "$start broker-kill -"
			echo "$((start + drawn)) broker-start -"
		fi
	done
	span_s=$((at / 1000))
}

# Destinations that are down for a while, one after another, and events nobody takes. In faults, and poisons.
draw_faults() {
	local at_s=5 i
	faults=(--fail-rate 0.05 --partial --retry-after 1s --hang-up 0.02 --latency 50ms)
	for ((i = 0; i < 30 && at_s < span_s; i++)); do
		draw $orgs
		faults+=(--down "org-$drawn@${at_s}s+15s")
		at_s=$((at_s + 15 + span_s / 30))
	done
	poisons=10
	for ((i = 0; i < poisons; i++)); do
		draw 500
		faults+=(--poison "${prefixes[0]}$((i * 500 + drawn))")
	done
}

# ---- what is done ----

declare -A done_count=([kill]=0 [stop]=0 [resume]=0 [broker-kill]=0 [broker-start]=0)
workers=() starter='' patience_ms=0

do_kill() {
	kill -KILL "${workers[$1]}"
	wait "${workers[$1]}" 2>/dev/null || true
	mv "$tmp/worker$1.log" "$tmp/killed/$((done_count[kill] + 1)).log"
	start_worker "worker$1"
	workers[$1]=$worker
}

do_stop() {
	kill -STOP "${workers[$1]}"
}

# Whoever is in its place by now.
do_resume() {
	kill -CONT "${workers[$1]}"
}

# Workers go on to be killed and started while it starts, but not for long: a slow machine would spend most of the plan without a broker.
do_broker-start() {
	patience_ms=$(($2 + 5000))
	"$here/kafka-cluster" start "$own_cluster" >"$tmp/start.log" 2>&1 &
	starter=$!
}

do_broker-kill() {
	await_broker
	"$here/kafka-cluster" kill "$own_cluster"
}

await_broker() {
	[ -n "$starter" ] || return 0
	wait "$starter" || fail "the broker did not start again: $(cat "$tmp/start.log")"
	starter=
}

# Nothing of ours ends by itself.
check_alive() {
	local i
	for i in "${!workers[@]}"; do
		alive "${workers[i]}" || fail "worker $i has ended by itself, see worker$i.log"
	done
	for i in "${!emits[@]}"; do
		alive "${emits[i]}" || fail "emit $i has ended by itself, see emit$i.log"
	done
}

play_plan() {
	local start_ms now_ms at what whom
	start_ms=$(date +%s%3N)
	while read -r at what whom; do
		if [ -n "$starter" ] && [ "$at" -gt "$patience_ms" ]; then
			now_ms=$(date +%s%3N)
			await_broker
			start_ms=$((start_ms + $(date +%s%3N) - now_ms))
		fi
		now_ms=$(($(date +%s%3N) - start_ms))
		[ "$now_ms" -ge "$at" ] || sleep "$(((at - now_ms) / 1000)).$(printf %03d $(((at - now_ms) % 1000)))"
		check_alive
		note "$what $whom at $at ms, $(stats '"\(.unique) delivered, \(.duplicates) duplicates"')"
		"do_$what" "$whom" "$at"
		done_count[$what]=$((done_count[$what] + 1))
	done
	await_broker
}

# ---- the run ----

draw_plan >"$tmp/unsorted"
draw_faults
sort -n "$tmp/unsorted" >"$tmp/plan"

start_own_cluster
keep=yes
mkdir "$tmp/killed"
start_receiver "${faults[@]}"
configure retry.delays=1s,2s,3s,5s,8s,12s,16s,20s breaker.open=1s breaker.open_max=5s commit.interval=500ms sink.timeout=5s \
	"kafka.consumer.session.timeout.ms=$session_ms"
for ((i = 0; i < workers_count; i++)); do
	start_worker "worker$i"
	workers+=("$worker")
done
emits=()
for ((i = 0; i < ${#prefixes[@]}; i++)); do
	start_emit "emit$i" --timeout 120s <(generate 1000000000 "$orgs" 2000 "${prefixes[i]}" | pace "$rate" "$tmp/enough")
	emits+=("$emitter")
done
await 120 "something arrived" received 1
play_plan <"$tmp/plan"

note "the faults are over"
touch "$tmp/enough"
for ((i = 0; i < ${#prefixes[@]}; i++)); do
	finish "${emits[i]}" 150
	same "exit code of emit $i" "$rc" 0
done
emitted=$(jq -s 'map(.emitted) | add' "$tmp"/emit?.json)
same "acknowledged" "$(jq -s 'map(.sent) | add' "$tmp"/emit?.json)" "$emitted"

# Whether or not all comes: the account tells.
since=$SECONDS
(await 150 "everything had arrived" received $((emitted - poisons))) || true
note "waited $((SECONDS - since)) s for the last of it"
emits=()
check_alive
for i in "${!workers[@]}"; do
	stop "${workers[i]}"
	[ "$rc" = 0 ] || fail "worker $i ended with $rc, see worker$i.log"
done
stop_receiver
unique=$(account .unique) duplicates=$(account .duplicates)

# The dead letters, posted as if they were events, and counted.
start_receiver
settings+=(--set "topic.name=$topic.dead" --set "group.name=$topic.dead")
start_worker dead
(await 60 "the dead letters had arrived" received "$poisons") || true
stop "$worker"
stop_receiver
dead=$(account .unique)

echo "account: seed=$seed kills=${done_count[kill]} stops=${done_count[stop]} broker_kills=${done_count["broker-kill"]}" \
	"emitted=$emitted delivered=$unique duplicates=$duplicates dead_lettered=$dead lost=$((emitted - unique - dead))"
same "lost" $((emitted - unique - dead)) 0
same "dead-lettered" "$dead" "$poisons"
# Of what was posted and not committed at a kill or a change of owner, and of posts that failed and were stored all the same.
at_most "duplicates" "$duplicates" "$emitted"
