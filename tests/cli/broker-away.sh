#!/bin/sh
# A broker that is not there: emit ends with 75 and the number left, run keeps trying and says so.
. "${srcdir:-.}/tests/cli/lib.sh"
need kafka http

events 25 2 5 >"$tmp/events.ndjson"
# Port 1 of loopback: nobody listens there.
run 75 emit --set transport.url=kafka://127.0.0.1:1 --destination-field org --key-field session --timeout 1s --json "$tmp/events.ndjson"
prints '"emitted":25,"sent":0,"rejected":0,"invalid":0,"left":25'
says '^evpipe: 25 events are left undelivered: .'
run 75 emit --set transport.url=kafka://127.0.0.1:1 --destination-field org --timeout 500ms - <"$tmp/events.ndjson"
says '^evpipe: 25 events are left'

# Bad lines are told all the same.
{ cat "$tmp/events.ndjson"; echo nonsense; } >"$tmp/bad.ndjson"
run 75 emit --set transport.url=kafka://127.0.0.1:1 --destination-field org --timeout 500ms "$tmp/bad.ndjson"
says "^evpipe: $tmp/bad.ndjson:26: not valid JSON"
run 74 emit --set transport.url=kafka://127.0.0.1:1 --destination A "$tmp/missing.ndjson"
says "^evpipe: $tmp/missing.ndjson: No such file"

# A journal that is full: emit waits for the broker, and gives up with the rest.
events 100000 2 5 >"$tmp/many.ndjson"
run 75 emit --set transport.url=kafka://127.0.0.1:1 --set journal.size=64KiB --set event.max=4KiB --destination-field org --timeout 500ms \
	"$tmp/many.ndjson"
says 'events are left undelivered'

# Input that goes on: a signal ends it, and what was read is flushed.
mkfifo "$tmp/fifo"
"$evpipe" emit --set transport.url=kafka://127.0.0.1:1 --destination A --timeout 500ms "$tmp/fifo" >"$tmp/out" 2>"$tmp/err" &
emit=$!
started="$started $emit"
exec 3>"$tmp/fifo"
echo '{"id":1}' >&3
kill -TERM "$emit"
await 30 "emit ended" ended "$emit"
wait "$emit"
code=$?
exec 3>&-
what="evpipe emit, with SIGTERM"
[ "$code" = 75 ] || [ "$code" = 0 ] || fail "$what: ended with $code"
says 'stopped by a signal'

"$evpipe" run --set transport.url=kafka://127.0.0.1:1 --set sink.url=http://127.0.0.1:1/ --report-interval 200ms >"$tmp/out" 2>"$tmp/err" &
worker=$!
started="$started $worker"
what="evpipe run"
await 30 "run said that the broker is away" grep -q 'level=warn' "$tmp/err"
await 30 "run reported" grep -q 'event=ledger .*taken=0' "$tmp/err"
kill -0 "$worker" 2>/dev/null || fail "$what: gave up"
kill -TERM "$worker"
await 30 "run ended" ended "$worker"
wait "$worker"
code=$?
[ "$code" = 0 ] || fail "$what: ended with $code"
says 'event=stopped .*in_flight=0'
finish
