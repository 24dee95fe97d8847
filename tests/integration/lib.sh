# shellcheck shell=bash
# What the tests with a real Kafka share: sourced, not run.
#
# Each test has topics and a consumer group of its own on the broker that EVPIPE_TEST_KAFKA names (without it, it starts one for itself), a
# directory of its own, and ends the processes it started, by their pids. 0: passed, 1: failed, 77: skipped.
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
evpipe=${EVPIPE:-$top/build/evpipe}
name=$(basename "$0" .sh)
pids=()
receiver_pid='' receiver_port=''
own_cluster=
keep= # anything: what a failed test has written stays, for somebody to look at

fail() {
	echo "FAIL: $*" >&2
	exit 1
}

skip() {
	echo "SKIP: $*" >&2
	exit 77
}

note() {
	echo "$(date +%T) $*"
}

[ -x "$evpipe" ] || skip "there is no $evpipe: build it, or set EVPIPE"
for tool in curl jq; do
	command -v "$tool" >/dev/null || skip "there is no $tool"
done

tmp=$(mktemp -d "${TMPDIR:-/tmp}/evpipe-$name.XXXXXX")

clean_up() {
	local rc=$? pid
	for pid in "${pids[@]}"; do
		kill -KILL "$pid" 2>/dev/null || true
	done
	wait 2>/dev/null || true
	[ -z "$own_cluster" ] || "$here/kafka-cluster" kill "$own_cluster" || true
	if [ "$rc" != 0 ] && [ "$rc" != 77 ]; then
		echo "---- the ends of the logs:"
		tail -n 15 "$tmp"/*.log 2>/dev/null || true
		if [ -n "$keep" ]; then
			echo "---- kept: $tmp"
			return
		fi
	fi
	rm -rf "$tmp"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

# A broker of the test's own, for those that end it: sets broker, own_cluster.
start_own_cluster() {
	local tool
	for tool in java mvn; do
		command -v "$tool" >/dev/null || skip "there is no $tool to start a broker with"
	done
	own_cluster=$tmp/kafka
	broker=$("$here/kafka-cluster" start "$own_cluster")
}

need_kafka() {
	broker=${EVPIPE_TEST_KAFKA:-}
	[ -n "$broker" ] || start_own_cluster
}

# configure LINE...: write $tmp/evpipe.ini for `topic`, which is new, with settings NAME=VALUE. Needs broker, and a receiver.
configure() {
	topic=evpipe-$name-$$-$RANDOM
	cat >"$tmp/evpipe.ini" <<-EOF
		[transport]
		url = kafka://$broker
		[topic]
		name = $topic
		[group]
		name = $topic
		[sink]
		url = http://127.0.0.1:${receiver_port:-9}/orgs/{destination}/events
		[kafka]
		consumer.session.timeout.ms = 6000
		consumer.heartbeat.interval.ms = 500
	EOF
	settings=()
	local setting
	for setting in "$@"; do
		settings+=(--set "$setting")
	done
}

# ---- processes ----

# await SECONDS WHAT COMMAND...: until the command succeeds.
await() {
	local deadline=$((SECONDS + $1)) what=$2
	shift 2
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || fail "waited in vain until $what"
		sleep 0.2
	done
}

alive() {
	kill -0 "$1" 2>/dev/null
}

ended() {
	! alive "$1"
}

# finish PID SECONDS: wait for its end; its exit code in rc.
finish() {
	await "$2" "process $1 ended" ended "$1"
	rc=0
	wait "$1" || rc=$?
}

# Its port in receiver_port: the same as before, if there was one, so that workers find it again.
start_receiver() {
	: >"$tmp/receiver.log"
	"$evpipe" receive --quiet --json --port "${receiver_port:-0}" "$@" >"$tmp/receiver.json" 2>"$tmp/receiver.log" &
	receiver_pid=$!
	pids+=("$receiver_pid")
	await 20 "the receiver listened" grep -q 'receiving at' "$tmp/receiver.log"
	receiver_port=$(sed -n 's,.*receiving at http://127.0.0.1:\([0-9]*\)/.*,\1,p' "$tmp/receiver.log")
}

# Its account is in $tmp/receiver.json then.
stop_receiver() {
	kill -TERM "$receiver_pid"
	finish "$receiver_pid" 20
	[ "$rc" = 0 ] || fail "the receiver ended with $rc"
}

# start_worker NAME OPTION...: its pid in worker, its log in $tmp/NAME.log.
start_worker() {
	local log=$tmp/$1.log
	shift
	"$evpipe" run -c "$tmp/evpipe.ini" "${settings[@]}" --report-interval 1s "$@" >>"$log" 2>&1 &
	worker=$!
	pids+=("$worker")
}

# stop PID: SIGTERM; its exit code in rc.
stop() {
	kill -TERM "$1"
	finish "$1" 60
}

# start_emit NAME OPTION... FILE: events as `generate` makes them; its pid in emitter, its account in $tmp/NAME.json at its end, its log in
# $tmp/NAME.log.
start_emit() {
	local name=$1
	shift
	"$evpipe" emit -c "$tmp/evpipe.ini" "${settings[@]}" --destination-field org --key-field session --id-field id --json "$@" \
		>"$tmp/$name.json" 2>>"$tmp/$name.log" &
	emitter=$!
	pids+=("$emitter")
}

# emit OPTION... FILE: wait for it; its account in $tmp/emit.json, its exit code in rc.
emit() {
	start_emit emit "$@"
	rc=0
	wait "$emitter" || rc=$?
}

# ---- events and accounts ----

# generate COUNT ORGANISATIONS SESSIONS [PREFIX]: events of sessions, interleaved, numbered in each; their ids are PREFIX (e) and a number.
generate() {
	awk -v count="$1" -v orgs="$2" -v sessions="$3" -v prefix="${4:-e}" 'BEGIN {
		for (i = 0; i < count; i++) {
			session = (i * 7919) % sessions
			printf "{\"id\":\"%s%d\",\"org\":\"org-%d\",\"session\":\"s%d\",\"seq\":%d,\"step\":\"bot_message\"," \
				"\"text\":\"I have found %d restaurants that have what you are looking for.\"}\n",
				prefix, i, session % orgs, session, seq[session]++, i
		}
	}'
}

# pace RATE [FILE]: pass on so many lines a second, until there is FILE.
pace() {
	awk -v step=$(($1 / 5)) -v look="sleep 0.2${2:+; test ! -e '$2'}" '
		{ print }
		NR % step == 0 {
			fflush()
			if (system(look) != 0)
				exit
		}'
}

# stats FILTER: of the receiver, now.
stats() {
	curl -sS --max-time 10 "http://127.0.0.1:$receiver_port/stats" | jq -r "$1"
}

# received COUNT: so many different events have arrived.
received() {
	[ "$(stats .unique)" -ge "$1" ]
}

# account FILTER: of the receiver, when it has ended.
account() {
	jq -r "$1" "$tmp/receiver.json"
}

# ledger NAME FIELD: the last value in a worker's log.
ledger() {
	grep -E 'event=(ledger|stopped) ' "$tmp/$1.log" | tail -n 1 | tr ' ' '\n' | sed -n "s/^$2=//p"
}

# same WHAT ACTUAL EXPECTED
same() {
	[ "$2" = "$3" ] || fail "$1: $2, expected $3"
	note "$1: $2"
}

# at_most WHAT ACTUAL LIMIT
at_most() {
	[ "$2" -le "$3" ] || fail "$1: $2, expected at most $3"
	note "$1: $2 (at most $3)"
}
