#!/bin/bash
# The shared libraries export evpipe_[a-z]..., exactly what the installed headers declare, and nothing else.
. "${srcdir:-.}/tests/build/lib.sh"

declared() {
	without_comments "$@" | grep -v '^[[:space:]]*#' | tr '\n' ' ' | tr ';' '\n' |
		sed -n 's/.*EVPIPE_EXPORT[^(]*[ *]\(evpipe_[a-z0-9_]*\) *(.*/\1/p' | sort -u
}

exported() {
	$NM -D --defined-only "$1" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u
}

# A prototype that nobody marked is compiled, and then cannot be linked.
unmarked() {
	without_comments "$@" | grep -E '^[a-z].*[ *]evpipe_[a-z0-9_]+ *\(' | grep -vE '^(typedef|template) ' || true
}

check() {
	local library=$1 pattern=$2
	shift 2
	local only_declared only_exported
	only_declared=$(comm -23 <(declared "$@") <(exported "$library"))
	only_exported=$(comm -13 <(declared "$@") <(exported "$library"))
	[ -z "$only_declared" ] || fail "$library does not export, though a header declares it: ${only_declared//$'\n'/ }"
	[ -z "$only_exported" ] || fail "$library exports what no header declares: ${only_exported//$'\n'/ }"
	if exported "$library" | grep -Ev "$pattern" >&2; then
		fail "$library exports names outside $pattern"
	fi
	[ -n "$(declared "$@")" ] || fail "no declarations found in $*"
	[ -z "$(unmarked "$@")" ] || fail "declared without EVPIPE_EXPORT: $(unmarked "$@")"
}

[ -f .libs/libevpipe.so ] || skip "this build has no shared library"
mapfile -t core < <(core_headers)
mapfile -t testbroker < <(testbroker_headers)
check .libs/libevpipe.so '^evpipe_[a-z][a-z0-9_]*$' "${core[@]}"
check .libs/libevpipe-testbroker.so '^evpipe_testbroker_[a-z0-9_]*$' "${testbroker[@]}"
finish
