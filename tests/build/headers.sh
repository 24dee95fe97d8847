#!/bin/bash
# Each installed header compiles alone, twice over, as C99 and as C++, and so does each of its initialisers.
. "${srcdir:-.}/tests/build/lib.sh"
make_tmp

flags=(-Wall -Wextra -Werror -pedantic-errors -fsyntax-only "-I$srcdir/libevpipe" "-I$srcdir/testbroker")
have_cxx=no
command -v "${CXX%% *}" >/dev/null && have_cxx=yes

# CC and CXX may come with options of their own.
compile() {
	local what=$1 header=$2
	shift 2
	"$@" "${flags[@]}" 2>"$tmp/errors" || fail "${header##*/} as $what: $(head -n 3 "$tmp/errors")"
}

while read -r header; do
	source=$tmp/alone
	{
		echo "#include <${header##*/}>"
		echo "#include <${header##*/}>"
		echo 'int use(void);'
		echo 'int use(void)'
		echo '{'
		without_comments "$header" | sed -n 's/^#define \(EVPIPE_[A-Z_]*_INIT\)\([^A-Z_].*\)\?$/\1/p' | sort -u |
			while read -r init; do
				type=${init%_INIT}
				echo "	{ ${type,,} x = $init; if (x.size != sizeof x) return 1; }"
			done
		echo '	return 0;'
		echo '}'
	} >"$source.c"
	cp "$source.c" "$source.cc"
	# shellcheck disable=SC2086
	compile C99 "$header" $CC -std=c99 "$source.c"
	# shellcheck disable=SC2086
	[ "$have_cxx" = no ] || compile C++ "$header" $CXX -std=c++98 "$source.cc"
done < <(core_headers; testbroker_headers)
[ "$have_cxx" = yes ] || echo "no C++ compiler: the headers were not tried as C++" >&2
finish
