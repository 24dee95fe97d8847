#!/bin/bash
# Some seeds, on any build, and that each check notices its deliberate bug. The campaign of ./runtests has more.
# SIMULATION_SEEDS: so many seeds, and no deliberate bugs, for builds that are slow.
set -eu

simulate=tests/simulation/simulate
"$simulate" --seeds 1-"${SIMULATION_SEEDS:-60}" --jobs 2
[ -n "${SIMULATION_SEEDS:-}" ] || "$simulate" --bug each

# The same seed gives the same history.
[ "$("$simulate" --seeds 1-5 --hashes | sort)" = "$("$simulate" --seeds 1-5 --hashes --jobs 2 | sort)" ] || {
	echo "the same seeds have other hashes the second time"
	exit 1
}

# A failure says how to see it again, in the same way, and shrinks.
seen=$("$simulate" --bug same-key --seed 1 | grep '^FAILED') || true
again=$("$simulate" --bug same-key --seed 1 --trace | grep -m 1 '^FAILED') || true
if [ -z "$seen" ] || [ "$seen" != "$again" ]; then
	echo "a failing seed is not replayed: '$seen' and '$again'"
	exit 1
fi
smaller=$("$simulate" --bug same-key --seed 1 --shrink | tail -n 1)
case $smaller in
*'--keep none --trace') ;;
*)
	echo "what needs no fault has not shrunk to none: $smaller"
	exit 1
	;;
esac
