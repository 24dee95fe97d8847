#!/bin/bash
# fuzz.sh SOURCE SECONDS [TARGET...]: build the fuzz targets with libFuzzer and the sanitizers in ./build-fuzz, and run each for so long.
#
# What is found is left in build-fuzz/found/TARGET; `build-fuzz/tests/fuzz/fuzz_TARGET FILE` repeats it. Inputs that reach something
# new are kept in build-fuzz/corpus/TARGET, for the next run. Exit code 1 if anything was found.
set -euo pipefail
source=$1
seconds=$2
shift 2

mkdir -p build-fuzz
cd build-fuzz
flags='-O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined'
[ -f Makefile ] || "$source/configure" --quiet --disable-shared CC="${CLANG:-clang}" CFLAGS="$flags" LIB_FUZZING_ENGINE=-fsanitize=fuzzer
[ $# -gt 0 ] || set -- answer config emit headers journal json retry_after script url
make -s -j"$(nproc)" "${@/#/tests/fuzz/fuzz_}"

failed=0
for target in "$@"; do
	mkdir -p "corpus/$target" "found/$target"
	echo "== $target, $seconds s"
	log=found/$target.log
	if ! "tests/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="found/$target/" "corpus/$target" "$source/tests/fuzz/corpus/$target" >"$log" 2>&1; then
		failed=1
		tail -n 60 "$log"
	fi
	grep -E 'DONE|number_of_executed_units|average_exec_per_sec' "$log" || true
done
exit $failed
