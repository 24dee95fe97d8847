#!/bin/bash
# Includes point one way: cli -> libevpipe <- transports, sinks, testbroker.
. "${srcdir:-.}/tests/build/lib.sh"
cd "$srcdir"

# Whose headers a directory may include, or which single ones; `public` is what is installed.
declare -A may=(
	[libevpipe]="libevpipe"
	[transports]="libevpipe transports"
	[sinks]="libevpipe sinks"
	[testbroker]="public testbroker"
	[cli]="public cli examples"
	[examples]="public examples"
)
# The core asks the one table of transports and sinks by this header, and knows nothing else of them.
seam="libevpipe transports/builtin.h"

# Which system headers are whose.
declare -A owner=(
	[librdkafka/]="transports tests bench"
	[curl/]="sinks tests bench"
	[zlib.h]="sinks cli tests"
	[microhttpd.h]="cli tests bench"
	[pthread.h]="libevpipe/platform.c libevpipe/platform-storage.c transports sinks testbroker cli examples"
	[threads.h]="libevpipe/platform.c"
	[sys/epoll.h]="libevpipe/platform.c sinks cli"
	[sys/eventfd.h]="libevpipe/platform.c transports sinks testbroker cli"
	[sys/mman.h]="libevpipe/platform.c libevpipe/platform-storage.c tests bench"
	[fcntl.h]="libevpipe/platform-storage.c transports sinks cli tests bench"
	[dirent.h]="libevpipe/platform-storage.c tests"
	[sys/socket.h]="sinks cli"
	[poll.h]="libevpipe/platform.c transports cli"
	[time.h]="libevpipe/platform.c libevpipe/platform-storage.c libevpipe/timestamp.c transports sinks testbroker cli examples"
	[sys/time.h]=""
)

# The file that an #include "..." of a file means, as the compiler finds it.
resolve() {
	local from=$1 name=$2 dir
	for dir in "$(dirname "$from")" libevpipe testbroker transports sinks .; do
		if [ -f "$dir/$name" ]; then
			realpath --relative-to=. "$dir/$name"
			return
		fi
	done
}

check_file() {
	local file=$1 layer=${1%%/*} name target entry
	while read -r name; do
		[ "$name" = evpipe-build.h ] && continue
		target=$(resolve "$file" "$name")
		[ -n "$target" ] || { fail "$file includes \"$name\", which there is not"; continue; }
		[ "$layer $target" = "$seam" ] && continue
		case " ${may[$layer]} " in *" ${target%%/*} "* | *" $target "*) continue ;; esac
		case " ${may[$layer]} :${target##*/}" in *" public "*:evpipe.h | *" public "*:evpipe-*.h) continue ;; esac
		fail "$file includes $target: $layer may include of ${may[$layer]}"
	done < <(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$file")
	while read -r name; do
		for entry in "${!owner[@]}"; do
			case $name in "$entry" | "${entry%/}"/*) ;; *) continue ;; esac
			case " ${owner[$entry]} " in *" $layer "* | *" $file "*) continue ;; esac
			fail "$file includes <$name>, which is for: ${owner[$entry]:-nobody}"
		done
	done < <(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*<\([^>]*\)>.*/\1/p' "$file")
}

count=0
while read -r file; do
	check_file "$file"
	count=$((count + 1))
done < <(find libevpipe transports sinks testbroker cli examples -name '*.[ch]' | sort)
[ "$count" -gt 40 ] || fail "only $count files found: run in the wrong place?"

# A system's header of this name would be shadowed by ours.
for name in config sched error time signal queue; do
	found=$(find libevpipe transports sinks testbroker cli -name "$name.h")
	[ -z "$found" ] || fail "$found has the name of a system's header"
done
finish
