#!/bin/bash
# What the library's sources do not call, and what to call instead.
. "${srcdir:-.}/tests/build/lib.sh"
cd "$srcdir"

# ban CALLS INSTEAD [EXCEPT]: CALLS is an expression of names, EXCEPT one of files that may call them.
ban() {
	local found
	found=$(where=1 without_comments "${files[@]}" | grep -E ":[0-9]+:(.*[^A-Za-z0-9_>.])?($1)[[:space:]]*\(" | grep -vE "^(${3:-none}):" || true)
	[ -z "$found" ] || fail "$2"$'\n'"$found"
}

mapfile -t files < <(find libevpipe transports sinks testbroker -name '*.[ch]' | sort)
# The test broker has no part in the library's private ways.
testbroker='testbroker/[^:]*'

ban 'gets|strcpy|stpcpy|strcat|strncpy|strncat|sprintf|vsprintf|strtok|scanf|fscanf' \
	'knows no bound: snprintf, memcpy or evpipe__buffer'
ban 'atoi|atol|atoll|atof' 'hides errors: strtoll and a look at what it left'
ban 'system|popen|exec[lv]p?e?|alloca|longjmp|setjmp|exit|_exit|signal' 'not for a library to do'
ban 'abort' 'a library returns an error' "$testbroker"
ban 'getenv|secure_getenv|setenv|putenv|setlocale' 'the configuration says all there is to say'
ban 'gmtime|localtime|ctime|asctime|rand|srand|random|srandom' 'has state that threads share, or needs the system'
ban 'printf|vprintf|puts|putchar|perror|err|errx|warn|warnx|syslog' 'a library never prints: evpipe__log or an error text'
ban 'malloc|calloc|realloc|reallocarray|aligned_alloc|posix_memalign|strdup|strndup|asprintf|vasprintf' \
	'allocates past libevpipe/memory.h' "$testbroker|libevpipe/memory\.[ch]"
finish
