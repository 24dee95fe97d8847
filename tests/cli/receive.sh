#!/bin/sh
# The receiver: what it counts, and how it fails when told to.
. "${srcdir:-.}/tests/cli/lib.sh"
need receiver
command -v curl >/dev/null || { echo "SKIP: there is no curl"; exit 77; }

start() {
	what="evpipe receive $*"
	: >"$tmp/err"
	"$evpipe" receive --port 0 --quiet "$@" >"$tmp/out" 2>"$tmp/err" &
	receiver=$!
	started="$started $receiver"
	await 20 "the receiver listened" grep -q 'receiving at' "$tmp/err"
	url=$(sed -n 's,.*receiving at \(http://127.0.0.1:[0-9]*\)/.*,\1,p' "$tmp/err")
}

# Its summary is in $tmp/out then.
stop() {
	kill -TERM "$receiver"
	await 20 "the receiver ended" ended "$receiver"
	wait "$receiver"
	code=$?
	[ "$code" = 0 ] || fail "$what: ended with $code"
}

# post STATUS DESTINATION BODY OPTION...: the answer, with its headers, is in $tmp/answer.
post() {
	expected=$1
	to=$2
	body=$3
	shift 3
	printf '%s' "$body" >"$tmp/body"
	got=$(curl -sS --max-time 20 -o "$tmp/answer" -D "$tmp/headers" -w '%{http_code}' --data-binary "@$tmp/body" "$@" \
		"$url/orgs/$to/events")
	[ "$got" = "$expected" ] || fail "$what: $body to $to: answered $got, expected $expected"
}

start --json --key-field s --seq-field n
newline='
'
post 200 ACME "{\"id\":\"1\",\"s\":\"x\",\"n\":1}$newline{\"id\":\"2\",\"s\":\"x\",\"n\":3}$newline"
post 200 ACME '{"id":"3","s":"x","n":2}'
post 200 ACME '{"text":"\"id\":\"no\"","id":"\u0031"}'
post 200 a%2Fb '[{"id":1,"x":[{"id":"no"}]},{"id":2}]' -H 'Content-Type: application/json'
post 200 a%2Fb '[]'
post 200 CE '[{"id":"7","data":{"s":"y","n":2}},{"id":"8","data":{"s":"y","n":1}}]' -H 'Content-Type: application/cloudevents-batch+json'
post 400 ACME 'nonsense'
post 400 ACME '[{"id":"1"},'
post 400 ACME 'nonsense' -H 'Content-Encoding: gzip'
post 415 ACME 'nonsense' -H 'Content-Encoding: br'
got=$(curl -sS --max-time 20 -o /dev/null -w '%{http_code}' -d '{}' "$url/elsewhere")
[ "$got" = 404 ] || fail "an unknown path was answered $got"
if command -v gzip >/dev/null; then
	printf '{"id":"1"}\n{"id":"2"}\n{}\n' | gzip >"$tmp/body.gz"
	curl -sS --max-time 20 -o /dev/null -H 'Content-Encoding: gzip' --data-binary "@$tmp/body.gz" "$url/orgs/ZIP/events"
	curl -sS --max-time 20 "$url/stats" >"$tmp/stats"
	grep -q '"ZIP":{"events":3,"unique":3,"duplicates":0,"without_id":1,' "$tmp/stats" || fail "GET /stats: $(cat "$tmp/stats")"
fi
stop
prints '"ACME":{"events":4,"unique":3,"duplicates":1,"without_id":0,"out_of_order":1,"posts":7,"posts_failed":4}'
prints '"a/b":{"events":2,"unique":2,"duplicates":0,'
prints '"CE":{"events":2,"unique":2,"duplicates":0,"without_id":0,"out_of_order":1,'

start --json --status 429 --fail-rate 1 --retry-after 5s --latency 50ms --partial
post 429 ACME "{\"id\":\"1\"}$newline{\"id\":\"2\"}"
grep -qi '^retry-after: 5' "$tmp/headers" || fail "$what: no Retry-After: 5"
stop
prints '"ACME":{"events":1,"unique":1,'

start --json --down ACME@0s+1h --poison bad --max-body 100
post 503 ACME '{"id":"1"}'
post 200 Other '{"id":"1"}'
post 400 Other "{\"id\":\"2\"}$newline{\"id\":\"bad\"}"
post 413 Other "{\"id\":\"3\",\"text\":\"$(printf '%0100d' 0)\"}"
stop
prints '"ACME":{"events":0,'
prints '"Other":{"events":1,"unique":1,'

start --json --hang-up 1
printf '{"id":"1"}' >"$tmp/body"
curl -sS --max-time 20 -o "$tmp/answer" --data-binary "@$tmp/body" "$url/orgs/ACME/events" 2>"$tmp/curl"
code=$?
[ "$code" = 52 ] || fail "$what: curl ended with $code instead of 52, an empty reply: $(cat "$tmp/curl")"
stop
prints '"ACME":{"events":1,"unique":1,"duplicates":0,"without_id":0,"out_of_order":0,"posts":1,"posts_failed":1}'

# What a signal finds in a table for people.
start
post 200 ACME '{"id":"1"}'
stop
prints '^ACME  *1  *1  *0  *0  *1  *0$'
run 69 receive --port "${url##*:}" --address 192.0.2.1
says 'cannot be listened at'
finish
