#!/bin/sh
# Events that an application could not send stay in its journal; recover shows them, and keeps them while no broker takes them.
. "${srcdir:-.}/tests/cli/lib.sh"
need kafka

away="--set transport.url=kafka://127.0.0.1:1 --timeout 300ms"
journal="--set journal.dir=$tmp/journal --set journal.size=1MiB --set event.max=64KiB"
printf '{"org":"ACME","id":"one"}\n{"org":"Globex","id":"two"}\n' >"$tmp/events.ndjson"

for durability in process disk; do
	# shellcheck disable=SC2086
	run 75 emit $away $journal --set journal.durability=$durability --destination-field org --id-field id "$tmp/events.ndjson"
done
run 0 recover --dry-run --events "$tmp/journal"
prints ': 2 events to send, 0 torn bytes, 0 damaged events'
prints ' one  ACME  .*  25 bytes'
prints ' two  Globex '
says '^4 events found$'
run 0 recover -n --json "$tmp/journal"
prints '"state":"dead".*"events":2.*"found":4,"sent":0'

# shellcheck disable=SC2086
run 75 recover $away "$tmp/journal"
says '^evpipe: 4 events are left in '
run 78 recover "$tmp/journal"
says 'transport.url is not set'
run 0 recover -n "$tmp/journal"
says '^4 events found'

# What is not a journal of this version is told, and kept.
ring=$(find "$tmp/journal" -name '*.ring' | head -n 1)
printf '\377' | dd of="$ring" bs=1 seek=8 conv=notrunc 2>/dev/null
run 65 recover -n "$tmp/journal"
prints 'refused  .*another version'
says '^2 events found'
[ -f "$ring" ] || fail "$ring is gone"

run 0 recover -n --rejected "$tmp/journal"
says '^0 rejected events found'

# What the broker rejects again stays where it is until it is kept anew.
broker="--set transport.url=kafka://127.0.0.1:1 --set kafka.producer.test.mock.num.brokers=1"
narrow="$broker --set kafka.producer.message.max.bytes=2000"
rejected=$tmp/rejected
cat >"$tmp/limited" <<-EOF
	#!/bin/sh
	trap '' XFSZ
	ulimit -f 100 # as a full disk, for the file in which it would be kept
	exec "$evpipe" "\$@"
EOF
chmod +x "$tmp/limited"
printf '{"org":"ACME","id":"large","text":"%05000d"}\n{"org":"ACME","id":"small"}\n' 0 >"$tmp/large.ndjson"
# shellcheck disable=SC2086
run 65 emit $narrow --set journal.dir="$rejected" --destination-field org --id-field id "$tmp/large.ndjson"
whole=$evpipe
evpipe=$tmp/limited
# shellcheck disable=SC2086
run 65 recover $narrow --rejected "$rejected"
says 'has rejected 1 event, and 1 could not be kept anew'
says 'rejected_not_kept id=large.*gets no space'
evpipe=$whole
run 0 recover -n --rejected "$rejected"
prints ' large  ACME '
# shellcheck disable=SC2086
run 65 recover $narrow --rejected "$rejected"
says 'has rejected 1 event, which is kept'
run 0 recover -n --rejected "$rejected"
says '^1 rejected events found'
# shellcheck disable=SC2086
run 65 recover $broker --set event.max=4KiB --rejected "$rejected"
says 'event large could not be emitted again: too large'
run 0 recover -n --rejected "$rejected"
says '^1 rejected events found'
# shellcheck disable=SC2086
run 0 recover $broker --rejected "$rejected"
says '^1 rejected events found, 1 sent, 0 left'
[ "$(find "$rejected" -type f | wc -l)" = 0 ] || fail "files are left in $rejected"
run 74 recover -n "$tmp/nowhere"
says 'nowhere cannot be opened: No such file'
# shellcheck disable=SC2086
run 74 recover $away --rejected "$tmp/nowhere"
says 'nowhere cannot be opened: No such file'
[ ! -e "$tmp/nowhere" ] || fail "$tmp/nowhere was made"
run 64 recover
says 'say which directory'

# shellcheck disable=SC2086
run 78 emit $away --set journal.durability=process --destination A "$tmp/events.ndjson"
says 'it needs a directory: set journal.dir'
# shellcheck disable=SC2086
run 74 emit $away --set journal.durability=process --set journal.dir="$tmp/no/where" --destination A "$tmp/events.ndjson"
says "^evpipe: journal.dir: $tmp/no/where cannot be made: No such file"
finish
