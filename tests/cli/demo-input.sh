#!/bin/sh
# The account of generated input: each once, in order by key; with faults, nothing is lost.
. "${srcdir:-.}/tests/cli/lib.sh"
need http receiver

events 2000 7 100 >"$tmp/events.ndjson"
all='"emitted":2000,"delivered":2000,"duplicates":0,"retried":0,"dead_lettered":0,"out_of_order":0,"lost":0,"left":0'

run 0 demo --destination-field org --key-field session --id-field id --json "$tmp/events.ndjson"
prints "^{$all,"
prints '"org-6":{"emitted":280,"delivered":280,"duplicates":0,'
run 0 demo --destination-field org --key-field session --json - <"$tmp/events.ndjson"
prints "^{$all,"
run 0 demo --destination-field org --key-field session --workers 2 --set sink.format=json --json "$tmp/events.ndjson"
prints '"lost":0,'
prints '"emitted":2000,"delivered":2000,"duplicates":0,'

run 0 demo --destination-field org --key-field session --id-field id "$tmp/events.ndjson"
prints '^destination .*emitted .*delivered .*duplicates .*retried .*dead .*out of order .*lost$'
prints '^org-0  *300  *300  *0  *0  *0  *0  *0$'
prints '^total  *2,000  *2,000  *0  *0  *0  *0  *0$'

run 0 demo --destination-field org --id-field id --fail-rate 20% --down org-1@0s+1s --poison e7 --partial --max-body 8KiB --json \
	"$tmp/events.ndjson"
prints '"emitted":2000,"delivered":1999,'
prints '"dead_lettered":1,'
prints '"lost":0,"left":0,"destinations"'

# What waits for a retry that takes too long is left, not lost.
run 75 demo --destination A --down A@0s+1h --timeout 500ms --set retry.quick_max=0 --set retry.delays=1h --json "$tmp/events.ndjson"
prints '"delivered":0,.*"lost":0,"left":2000,"destinations"'
says 'nothing has moved for 0.5 s'
finish
