#!/bin/bash
# An installed libevpipe is found by pkg-config alone, shared and static; a ten-line program needs no further flags, and the programs in the
# README build as it says.
. "${srcdir:-.}/tests/build/lib.sh"
make_tmp
command -v pkg-config >/dev/null || skip "there is no pkg-config"
case "$CC ${CFLAGS:-}" in *-fsanitize*) skip "a sanitizer's libraries need its flags" ;; esac

# The make that runs this has its jobs and flags in the environment; this one is on its own.
env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL "$MAKE" install DESTDIR="$tmp" >"$tmp/log" 2>&1 ||
	{ fail "make install: $(tail -n 5 "$tmp/log")"; finish; }

pc=$(find "$tmp" -name evpipe.pc)
export PKG_CONFIG_PATH=${pc%/*}:${PKG_CONFIG_PATH:-} PKG_CONFIG_SYSROOT_DIR=$tmp
libdir=$(pkg-config --variable=libdir evpipe)
[ -d "$libdir" ] || libdir=$tmp$libdir

cat >"$tmp/evpipe.c" <<-'EOF'
	#include <evpipe.h>
	#include <string.h>

	int main(void)
	{
		evpipe_config *config;
		if (evpipe_config_new(&config) || evpipe_config_set(config, "batch.linger", "1s", NULL))
			return 1;
		evpipe_config_free(config);
		return strlen(evpipe_version()) == 0;
	}
EOF
cat >"$tmp/evpipe-testbroker.c" <<-'EOF'
	#include <evpipe-testbroker.h>

	int main(void)
	{
		evpipe_testbroker *broker;
		if (evpipe_testbroker_new(&broker, 1))
			return 1;
		evpipe_testbroker_advance(broker, 1000);
		evpipe_testbroker_free(broker);
		return 0;
	}
EOF

# try WHAT MODULE FLAGS...: compile, link, run.
try() {
	local what=$1 module=$2
	shift 2
	local flags
	flags=$(pkg-config "$@" --cflags --libs "$module" 2>"$tmp/errors") ||
		{ fail "$module, $what: $(head -n 3 "$tmp/errors")"; return; }
	# shellcheck disable=SC2086
	$CC -o "$tmp/program" "$tmp/$module.c" $flags 2>"$tmp/errors" ||
		{ fail "$module, $what, with $flags: $(head -n 3 "$tmp/errors")"; return; }
	LD_LIBRARY_PATH=$libdir "$tmp/program" || fail "$module, $what: the program ended with $?"
}

# README's blocks of C, one file each: readme-1.c, ...
awk -v to="$tmp/readme" '/^```c$/ { out = to "-" ++n ".c"; next } /^```$/ { out = "" } out { print > out }' "$srcdir/README.md"

# readme FILE: with a main it is linked, and run if it needs no broker.
readme() {
	local module=evpipe what=-c flags
	grep -q evpipe-testbroker.h "$1" && module=evpipe-testbroker
	grep -q ' main(' "$1" && what=
	flags=$(pkg-config --cflags --libs "$module")
	# shellcheck disable=SC2086
	$CC -Wall -Wextra -Werror $what -o "$tmp/program" "$1" $flags 2>"$tmp/errors" ||
		{ fail "README.md, ${1##*/}: $(head -n 3 "$tmp/errors")"; return; }
	[ "$module" = evpipe ] || LD_LIBRARY_PATH=$libdir "$tmp/program" || fail "README.md, ${1##*/}: it ended with $?"
}

if ls "$libdir"/libevpipe.so >/dev/null 2>&1; then
	try shared evpipe
	try shared evpipe-testbroker
	for file in "$tmp"/readme-*.c; do
		readme "$file"
	done
fi
if [ -f "$libdir/libevpipe.a" ]; then
	rm -f "$libdir"/libevpipe*.so*
	try static evpipe --static
	try static evpipe-testbroker --static
fi
[ -x "$(find "$tmp" -path '*/bin/evpipe')" ] || fail "the evpipe command was not installed"

env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL "$MAKE" uninstall DESTDIR="$tmp" >"$tmp/log" 2>&1 || fail "make uninstall"
left=$(find "$tmp" -mindepth 2 -not -type d -not -name '*.so*')
[ -z "$left" ] || fail "make uninstall leaves: $left"
finish
