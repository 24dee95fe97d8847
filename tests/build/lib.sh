# shellcheck shell=bash
# What the checks of the build share: sourced, not run. make check sets srcdir, CC, CXX, NM and MAKE and runs them in the
# build directory.
set -euo pipefail
export LC_ALL=C

srcdir=${srcdir:-.}
: "${CC:=cc}" "${CXX:=c++}" "${NM:=nm}" "${MAKE:=make}"
failures=0
tmp=

# fail TEXT...: note a failure and go on; the check ends with `finish`.
fail() {
	echo "FAIL: $*" >&2
	failures=$((failures + 1))
}

skip() {
	echo "SKIP: $*" >&2
	exit 77
}

finish() {
	[ "$failures" = 0 ] || exit 1
	exit 0
}

# A directory that goes when the check ends: sets tmp.
make_tmp() {
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/evpipe-check.XXXXXX")
	trap 'rm -rf "$tmp"' EXIT
}

# C without its comments, on standard output; with where=1 each line behind FILE:LINE:.
without_comments() {
	awk -v where="${where:-}" 'FNR == 1 { inside = 0 }
	{
		line = ""
		while (length($0)) {
			if (inside) {
				i = index($0, "*/")
				if (!i) { $0 = ""; break }
				$0 = substr($0, i + 2)
				inside = 0
			} else {
				i = index($0, "/*")
				j = index($0, "//")
				if (j && (!i || j < i) && substr($0, j - 1, 1) != ":") { line = line substr($0, 1, j - 1); $0 = ""; break }
				if (!i) { line = line $0; $0 = ""; break }
				line = line substr($0, 1, i - 1)
				$0 = substr($0, i + 2)
				inside = 1
			}
		}
		print (where ? FILENAME ":" FNR ":" : "") line
	}' "$@"
}

# The headers that are installed.
core_headers() { ls "$srcdir"/libevpipe/evpipe.h "$srcdir"/libevpipe/evpipe-*.h; }
testbroker_headers() { ls "$srcdir"/testbroker/evpipe-*.h; }
