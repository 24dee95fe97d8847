#!/bin/bash
# A dead downstream and a million events waiting: the worker's memory stays within its budget plus a constant, while all of them go to the
# retry topics.
. "$(dirname "$0")/lib.sh"
need_kafka

# What the process needs beside worker.memory_max: code, libraries, their threads' stacks and buffers.
count=1000000 budget_mib=64 constant_mib=64
generate "$count" 200 20000 >"$tmp/events.ndjson"

# A port that refuses: a receiver that has gone.
start_receiver
stop_receiver
configure "worker.memory_max=${budget_mib}MiB" 'retry.delays=10s,1h' breaker.open=15m breaker.open_max=1h retry.quick_max=0
emit "$tmp/events.ndjson"
same "emit's exit code" "$rc" 0
rm "$tmp/events.ndjson"

start_worker worker
all_taken() {
	alive "$worker" || fail "run has ended"
	peak_kib=$(awk '$1 == "VmHWM:" { print $2 }' "/proc/$worker/status")
	[ "$(ledger worker parked)" -ge $((count * 9 / 10)) ] 2>/dev/null
}
await 180 "the events were handed to the retry topics" all_taken
sleep 2
all_taken || true
note "taken: $(ledger worker taken), parked: $(ledger worker parked), memory_max by its own count: $(ledger worker memory_max)"
at_most "peak memory, MiB" $((peak_kib / 1024)) $((budget_mib + constant_mib))
at_most "memory by its own count, MiB" $(($(ledger worker memory_max) / 1048576)) "$budget_mib"
stop "$worker"
same "run's exit code" "$rc" 0
same "in flight at the end" "$(ledger worker in_flight)" 0
