#!/bin/sh
# Help, versions, and what is no command or no option.
. "${srcdir:-.}/tests/cli/lib.sh"

run 0 --version
prints '^evpipe [0-9]'
run 0 help
prints '^Exit codes: 0'
run 0 --help
prints '^Commands:'
for command in emit run check; do
	run 0 "$command" --help
	prints "^Usage: evpipe $command"
	# Examples come before all else but a line of what it does.
	sed -n 3p "$tmp/out" | grep -q "evpipe $command" || fail "evpipe $command --help: no example comes first"
	prints '--set NAME=VALUE'
	run 0 help "$command"
	prints "^Usage: evpipe $command"
	run 0 "$command" --version
	prints '^evpipe [0-9]'
done

run 0 help help
prints '^Commands:'

run 64
says '^evpipe: say what to do'
run 64 nonsense
says '^evpipe: nonsense: no such command'
run 64 help nonsense
says 'no such command'
run 64 run --nonsense
says "^evpipe: unrecognized option '--nonsense'"
says 'evpipe help run'
run 64 run operand
says '^evpipe: operand: run takes options alone'
run 64 run --workers 0
says 'from 1 to 256'
run 64 run --workers two
says 'a whole number'
run 64 run --report-interval 10
says 'a duration such as'
run 64 run --set nonsense
says 'NAME=VALUE'
run 64 run --set =1s
says 'NAME=VALUE'
run 64 run --log-level loud
says 'error, warn, info or debug'
run 64 check
says 'say what to check'
run 64 emit
says '--destination-field FIELD'
run 64 emit --destination A --destination-field b
says 'exclude each other'
run 64 emit --destination A one two
says 'takes one FILE'
run 64 emit --destination ''
says 'a name has 1 to 255 bytes'
run 64 recover one two
says 'takes one DIR'

# Output that cannot be written, and descriptors that are closed, whose numbers no other file may get.
if [ -w /dev/full ]; then
	what="evpipe help >/dev/full"
	"$evpipe" help >/dev/full 2>"$tmp/err"
	code=$?
	[ "$code" = 74 ] || fail "$what: ended with $code"
	says 'standard output cannot be written to: No space'
fi
what="evpipe help >&-"
"$evpipe" help >&- 2>"$tmp/err"
code=$?
[ "$code" = 74 ] || fail "$what: ended with $code"
says 'standard output cannot be written to'

case $features in
*receiver*)
	run 0 help receive
	prints '^Usage: evpipe receive'
	run 64 receive --status 99
	says 'from 200 to 599'
	run 64 receive --port 70000
	says 'from 0 to 65535'
	run 64 receive --down ACME
	says 'DESTINATION@FROM+FOR'
	run 64 receive --fail-rate 2
	says '0.1 or 10%'
	run 64 receive --path /nowhere
	says '{destination} once'
	run 64 receive --key-field session
	says 'order needs both'
	run 64 receive --set batch.linger=1s
	says "unrecognized option '--set'"
	run 64 receive -c evpipe.ini
	;;
*)
	run 69 receive
	says 'was built without it'
	;;
esac
finish
