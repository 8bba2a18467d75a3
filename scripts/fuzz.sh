#!/usr/bin/env bash
# Looks for bytes that crash, hang or break what must hold: fuzz.sh SECONDS [TARGET...], over all targets together (see
# tests/fuzz), of the build `cpu-debug`, JOBS of them at a time. What is found is left in build/fuzz/found/ and ends the
# script with 1; as a file of tests/fuzz/corpus/ it becomes a test. Reads the committed corpus and what earlier runs
# left in build/fuzz/corpus/, and adds to the latter.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?seconds over all targets together}
shift
jobs=${JOBS:-$(nproc)}
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
  for folder in tests/fuzz/corpus/*/; do targets+=("$(basename "$folder")"); done
fi
((jobs <= ${#targets[@]})) || jobs=${#targets[@]}
each=$((seconds * jobs / ${#targets[@]}))
export each=$((each > 0 ? each : 1)) found=$PWD/build/fuzz/found logs=$PWD/build/fuzz/logs
mkdir -p "$found" "$logs"

# fuzz TARGET: what it did, and when it found something, all that was said about it.
fuzz() {
  local kept=build/fuzz/corpus/$1 log=$logs/$1.log
  mkdir -p "$kept"
  # An input may take a second; sanitizers and a busy machine make it more.
  if build/cpu-debug/tests/fuzz/fuzz_"$1" -max_total_time="$each" -timeout=30 -rss_limit_mb=2048 -max_len=8192 \
    -print_final_stats=1 -verbosity=0 -artifact_prefix="$found/$1-" "$kept" "tests/fuzz/corpus/$1" >"$log" 2>&1; then
    printf '%-18s %s inputs in %s s\n' "$1" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "$each"
  else
    printf '== fuzz_%s\n%s\n' "$1" "$(tail -n 100 "$log")"
    return 1
  fi
}
export -f fuzz

# shellcheck disable=SC2016 # The inner shell is the one that knows its argument.
if ! printf '%s\n' "${targets[@]}" | xargs -P "$jobs" -n 1 bash -euo pipefail -c 'fuzz "$1"' _; then
  echo "found something: see $found, and what is said above" >&2
  exit 1
fi
