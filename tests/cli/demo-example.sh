#!/bin/sh
# The example with its faults: who is down is retried, what is poison is dead-lettered, nothing is lost.
. "${srcdir:-.}/tests/cli/lib.sh"
need http receiver

run 0 demo --json
prints '"lost":0,"left":0,"destinations"'
prints '"complete":true'
says 'endpoint answers 503 from'
says 'is poison'
[ "$(grep -c '"dead_lettered":1,"out_of_order":[0-9]*,"lost":0,"left":0,"destinations"' "$tmp/out")" = 1 ] || fail "one event should be dead-lettered"
grep -q '"cedar-clinic":{"emitted":[0-9]*,"delivered":[0-9]*,"duplicates":0,"retried":0,' "$tmp/out" && fail "nothing was retried"
for org in aurora-air borealis-bank ember-eats; do
	grep -q "\"$org\":{\"emitted\":\([0-9]*\),\"delivered\":\1,\"duplicates\":0,\"retried\":0,\"dead_lettered\":0,\"out_of_order\":0,\"lost\":0,\"left\":0}" \
		"$tmp/out" || fail "$org was not left in peace"
done
finish
