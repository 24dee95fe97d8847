#!/bin/sh
# Input that is not as it should be: told with its line, the rest goes on, and the exit code is 65.
. "${srcdir:-.}/tests/cli/lib.sh"
need http receiver

run 74 demo --destination A "$tmp/missing.ndjson"
says "^evpipe: $tmp/missing.ndjson: No such file"
run 74 demo --destination A - <&-
says '^evpipe: standard input:1: Bad file descriptor'

{
	echo '{"id":"1","org":"A","deep":{"er":"x"}}'
	echo '{"id":"2","org":"A"'
	echo 'nonsense'
	echo '["id","3"]'
	echo '{"id":"4","deep":{"er":"x"}}'
	echo '{"id":"5","org":{}}'
	echo ''
	printf '{"id":"6","org":7}\r\n'
	printf '{"id":"9","org":"A"}\0{"more":1}\n'
	printf '{"id":"8","org":"A","text":"the last line has no end"}'
} >"$tmp/bad.ndjson"
run 65 demo --destination-field org --id-field id --json "$tmp/bad.ndjson"
says "^evpipe: $tmp/bad.ndjson:2: not valid JSON"
says "^evpipe: $tmp/bad.ndjson:3: not valid JSON"
says "^evpipe: $tmp/bad.ndjson:4: not a JSON object"
says "^evpipe: $tmp/bad.ndjson:5: no destination: field 'org' is not there"
says "^evpipe: $tmp/bad.ndjson:6: no destination: field 'org' is neither"
says "^evpipe: $tmp/bad.ndjson:9: not valid JSON: a NUL byte (column 21)"
prints '"emitted":3,"delivered":3,'
prints '"invalid":6'
prints '"7":{"emitted":1'

run 65 demo --destination-field deep.er --id-field id --json "$tmp/bad.ndjson"
prints '"x":{"emitted":2,"delivered":2'
run 65 demo --strict --destination-field org --json "$tmp/bad.ndjson"
prints '"emitted":1,'
prints '"invalid":1'

# Longer than a line may be, at the end and in the middle; larger than an event may be.
awk 'BEGIN {
	for (i = 1; i <= 3; i++) {
		printf "{\"id\":\"long%d\",\"text\":\"", i; for (j = 0; j < 300000; j++) printf "x"; print "\"}"
		printf "{\"id\":\"short%d\"}\n", i
	}
	printf "{\"id\":\"cut\",\"text\":\""; for (j = 0; j < 300000; j++) printf "x"
}' >"$tmp/long.ndjson"
run 65 demo --destination A --id-field id --line-max 100KiB --json - <"$tmp/long.ndjson"
says '^evpipe: standard input:1: the line is longer than 102400 bytes'
says '^evpipe: standard input:5: the line is longer'
says '^evpipe: standard input:7: the line is longer'
prints '"emitted":3,"delivered":3,'
prints '"invalid":4'
run 65 demo --destination A --id-field id --set event.max=100KiB --json "$tmp/long.ndjson"
says "^evpipe: $tmp/long.ndjson:1: an event of 3[0-9]* bytes is too large"
says "^evpipe: $tmp/long.ndjson:7: not valid JSON"
prints '"emitted":3,"delivered":3,'

# Larger than the broker takes.
run 65 demo --destination A --id-field id --set event.max=3MiB --line-max 3MiB --json - <<END
{"id":"large","text":"$(awk 'BEGIN { for (i = 0; i < 2000000; i++) printf "x" }')"}
{"id":"small"}
END
says '^evpipe: the broker will never take event large of A: '
prints '"emitted":1,"delivered":1,'
prints '"rejected":1'

# Times.
{
	echo '{"id":"1","t":"2026-01-31T09:00:05.699+01:00"}'
	echo '{"id":"2","t":1769850005699}'
	echo '{"id":"3","t":"yesterday"}'
} >"$tmp/times.ndjson"
run 65 demo --destination A --time-field t --set sink.format=cloudevents --json "$tmp/times.ndjson"
says "^evpipe: $tmp/times.ndjson:3: no time: field 't' is neither"
prints '"emitted":2,"delivered":2,'
finish
