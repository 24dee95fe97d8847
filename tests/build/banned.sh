#!/bin/bash
# What the library's sources do not call, and what to call instead.
. "${srcdir:-.}/tests/build/lib.sh"
cd "$srcdir"

calls() {
	local pattern=$1
	shift
	for file in "$@"; do
		without_comments "$file" | grep -nE "(^|[^A-Za-z0-9_>.])($pattern)[[:space:]]*\(" | sed "s,^,$file:," || true
	done
}

ban() {
	local pattern=$1 instead=$2
	shift 2
	local found
	found=$(calls "$pattern" "$@")
	[ -z "$found" ] || fail "$instead"$'\n'"$found"
}

mapfile -t all < <(find libevpipe transports sinks testbroker -name '*.[ch]' | sort)
mapfile -t library < <(printf '%s\n' "${all[@]}" | grep -v '^testbroker/')
# The test broker has no part in the library's private ways.
mapfile -t allocating < <(printf '%s\n' "${library[@]}" | grep -v '^libevpipe/memory\.')

ban 'gets|strcpy|stpcpy|strcat|strncpy|strncat|sprintf|vsprintf|strtok|scanf|fscanf' \
	'knows no bound: snprintf, memcpy or evpipe__buffer' "${all[@]}"
ban 'atoi|atol|atoll|atof' 'hides errors: strtoll and a look at what it left' "${all[@]}"
ban 'system|popen|exec[lv]p?e?|alloca|longjmp|setjmp|exit|_exit|signal' 'not for a library to do' "${all[@]}"
ban 'abort' 'a library returns an error' "${library[@]}"
ban 'getenv|secure_getenv|setenv|putenv|setlocale' 'the configuration says all there is to say' "${all[@]}"
ban 'gmtime|localtime|ctime|asctime|rand|srand|random|srandom' 'has state that threads share, or needs the system' \
	"${all[@]}"
ban 'printf|vprintf|puts|putchar|perror|err|errx|warn|warnx|syslog' 'a library never prints: evpipe__log or an error text' \
	"${all[@]}"
ban 'malloc|calloc|realloc|reallocarray|aligned_alloc|posix_memalign|strdup|strndup|asprintf|vasprintf' \
	'allocates past libevpipe/memory.h' "${allocating[@]}"
finish
