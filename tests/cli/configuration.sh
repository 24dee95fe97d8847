#!/bin/sh
# Problems of a configuration: all of them, with their places.
. "${srcdir:-.}/tests/cli/lib.sh"

run 78 run --set batch.lingr=1s
says '^evpipe: batch.lingr: .*did you mean batch.linger'
run 78 run --set batch.linger=5
says '^evpipe: batch.linger = 5: the unit is missing'
run 78 run --set batch.linger=5parsecs
says '^evpipe: batch.linger = 5parsecs: '
run 78 run -c "$tmp/missing.ini"
says "^evpipe: $tmp/missing.ini: "

cat >"$tmp/bad.ini" <<END
[batch]
lingr = 1s
linger = 5
[retry]
delays = 1m, 5s
nonsense
END
awk 'BEGIN { printf "[sink]\nurl = http://127.0.0.1/"; for (i = 0; i < 10000; i++) printf "x"; print "" }' >"$tmp/long.ini"

run 78 check -c "$tmp/bad.ini" --set order=alphabet
says "^evpipe: $tmp/bad.ini:2: .*lingr"
says "^evpipe: $tmp/bad.ini:3: .*unit"
says "^evpipe: $tmp/bad.ini:5: "
says "^evpipe: $tmp/bad.ini:6: "
says '^evpipe: order = alphabet: '
says '^evpipe: 5 problems'
run 78 check -c "$tmp/long.ini"
says "^evpipe: $tmp/long.ini:2: "
run 78 check -c "$tmp/missing.ini"
says "^evpipe: $tmp/missing.ini: "
run 78 run -c "$tmp/bad.ini"
says "^evpipe: $tmp/bad.ini:2: "

case $features in
*kafka*http*)
	cat >"$tmp/good.ini" <<-END
	[transport]
	url = kafka://127.0.0.1:9
	[sink]
	url = http://127.0.0.1:9/orgs/{destination}/events
	bearer_token = hush
	[kafka]
	sasl.password = hush
	[destination.ACME]
	batch.linger = 1s
	END
	run 0 check -c "$tmp/good.ini"
	says 'the configuration is right'
	run 0 check -c "$tmp/good.ini" --set batch.linger=2s --show
	prints '^batch.linger = 2s'
	prints '^destination.ACME.batch.linger = 1s'
	prints '^#retry.delays = 5s'
	prints 'sink.bearer_token = (hidden)'
	prints 'kafka.sasl.password = (hidden)'
	grep -q hush "$tmp/out" && fail "check --show tells a secret"

	cat >"$tmp/kafka.ini" <<-END
	[kafka]
	lingerms = 5
	producer.linger.ms = soon
	consumer.fetch.wait.max.ms = 12
	security.protocol = tls
	END
	run 78 check -c "$tmp/good.ini" -c "$tmp/kafka.ini"
	says "^evpipe: $tmp/kafka.ini:2: kafka.lingerms: librdkafka has no such property"
	says "^evpipe: $tmp/kafka.ini:3: kafka.producer.linger.ms: "
	says "^evpipe: $tmp/kafka.ini:5: kafka.security.protocol: "
	says '^evpipe: 3 problems'
	;;
esac
finish
