# What the tests of the command share: sourced, not run. POSIX shell; make check runs them in the build directory.
set -u
LC_ALL=C
export LC_ALL

evpipe=${EVPIPE:-./evpipe}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/evpipe-cli.XXXXXX") || exit 99
failures=0
started= # processes to end

clean_up() {
	for pid in $started; do
		kill -KILL "$pid" 2>/dev/null
	done
	rm -rf "$tmp"
}
trap clean_up EXIT
trap 'exit 1' INT TERM

[ -x "$evpipe" ] || { echo "SKIP: there is no $evpipe"; exit 77; }
features=$("$evpipe" --version)

# need FEATURE...: skip the test in a build without it.
need() {
	for feature; do
		case $features in
		*" $feature"*) ;;
		*) echo "SKIP: this build has no $feature"; exit 77 ;;
		esac
	done
}

# fail TEXT: with what the last command said.
fail() {
	echo "FAIL: $*"
	failures=$((failures + 1))
	[ -s "$tmp/out" ] && sed 's/^/  out: /' "$tmp/out" | head -n 40
	[ -s "$tmp/err" ] && sed 's/^/  err: /' "$tmp/err" | head -n 40
	return 0
}

finish() {
	[ "$failures" = 0 ] || exit 1
	exit 0
}

# run CODE ARGUMENT...: evpipe with its output in $tmp/out and $tmp/err; it has to end with CODE. Standard input is the caller's.
run() {
	expected=$1
	shift
	what="evpipe $*"
	"$evpipe" "$@" >"$tmp/out" 2>"$tmp/err"
	code=$?
	[ "$code" = "$expected" ] || fail "$what: ended with $code, expected $expected"
}

# says TEXT, prints TEXT: standard error, standard output of the last run has it (a basic regular expression).
says() {
	grep -q -e "$1" "$tmp/err" || fail "$what: does not say '$1'"
}
prints() {
	grep -q -e "$1" "$tmp/out" || fail "$what: does not print '$1'"
}

# await SECONDS WHAT COMMAND...: until the command succeeds.
await() {
	deadline=$(($(date +%s) + $1))
	waited_for=$2
	shift 2
	until "$@"; do
		if [ "$(date +%s)" -ge "$deadline" ]; then
			fail "waited in vain until $waited_for"
			finish
		fi
		sleep 0.1
	done
}

ended() {
	! kill -0 "$1" 2>/dev/null
}

# events COUNT ORGANISATIONS SESSIONS: lines of JSON, sessions interleaved and numbered.
events() {
	awk -v count="$1" -v orgs="$2" -v sessions="$3" 'BEGIN {
		for (i = 0; i < count; i++) {
			s = (i * 7919) % sessions
			printf "{\"id\":\"e%d\",\"org\":\"org-%d\",\"session\":\"s%d\",\"seq\":%d,\"text\":\"hello %d\"}\n", i, s % orgs, s, seq[s]++, i
		}
	}'
}
