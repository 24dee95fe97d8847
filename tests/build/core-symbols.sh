#!/bin/bash
# The core's objects refer to no broker client, HTTP client, socket, thread, clock or file; the platform's (platform*.c) are
# the ones that may.
. "${srcdir:-.}/tests/build/lib.sh"

archive=.libs/libevpipe-core.a
[ -f "$archive" ] || archive=libevpipe-core.a
[ -f "$archive" ] || fail "there is no archive of the core's objects"

denied='rd_kafka_|curl_|MHD_|pthread_|thrd_|mtx_|cnd_|sem_'
denied="$denied|(socket|socketpair|connect|bind|listen|accept4?|shutdown|getaddrinfo|gethostby[a-z]+|setsockopt|getsockopt)\$"
denied="$denied|(send|recv)(to|from|msg|mmsg)?\$|(poll|ppoll|select|pselect)\$|epoll_|eventfd|timerfd_|signalfd|inotify_"
denied="$denied|clock(_|\$)|(time|times|gettimeofday|ftime|timespec_get)\$|(nano|u)?sleep\$|alarm\$|setitimer\$"
denied="$denied|(rand|srand|random|srandom|[dlmnej]rand48|getrandom|getentropy|arc4random)\$"
denied="$denied|(fork|vfork|clone|mmap|munmap|madvise|getpid|getenv|secure_getenv)\$"
denied="$denied|(flock|lockf|fcntl|fcntl64|openat|openat64|opendir|readdir|readdir64|unlink|unlinkat|rename|renameat|mkdir)\$"
denied="$denied|(fsync|fdatasync|msync|posix_fallocate|posix_fallocate64|fallocate|ftruncate|ftruncate64|pwrite|pwrite64)\$"

bad=$($NM -A -u "$archive" | awk '{ split($1, at, ":"); print at[2], $NF }' | grep -vE 'platform(-[a-z]+)?\.o ' |
	grep -E " _*($denied)" || true)
[ -z "$bad" ] || fail "the core refers to what is not its business (object, symbol):"$'\n'"$bad"

# The check checks itself: the platform has such symbols, or the pattern or the listing has gone wrong.
$NM -A -u "$archive" | grep 'platform\.o' | grep -cE " _*($denied)" >/dev/null || fail "platform.o refers to no clock and no thread?"
finish
