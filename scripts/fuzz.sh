#!/usr/bin/env bash
# Looks for bytes that crash, hang or break what must hold: fuzz.sh SECONDS [TARGET...], over all targets together (see
# tests/fuzz). What is found is left in build/fuzz/found/ and ends the script with 1; as a file of tests/fuzz/corpus/ it
# becomes a test. Reads the committed corpus and what build/fuzz/corpus/ has of earlier runs, and adds to the latter.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:?seconds over all targets together}
shift
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
  for folder in tests/fuzz/corpus/*/; do targets+=("$(basename "$folder")"); done
fi
each=$((seconds / ${#targets[@]} > 0 ? seconds / ${#targets[@]} : 1))
found=$PWD/build/fuzz/found
failed=
mkdir -p "$found"
for target in "${targets[@]}"; do
  kept=build/fuzz/corpus/$target
  mkdir -p "$kept"
  echo "== fuzz_$target, $each s"
  # An input may take a second; sanitizers and a busy machine make it more.
  build/fuzz/tests/fuzz/fuzz_"$target" -max_total_time="$each" -timeout=10 -rss_limit_mb=2048 -max_len=8192 \
    -print_final_stats=1 -verbosity=0 -artifact_prefix="$found/$target-" "$kept" "tests/fuzz/corpus/$target" 2>&1 |
    grep -E 'number_of_executed_units|^SUMMARY|does not hold|^==.*ERROR|Test unit written' || true
  [ "${PIPESTATUS[0]}" = 0 ] || failed+=" $target"
done
if [ -n "$failed" ]; then
  echo "found something in:$failed (see $found)" >&2
  exit 1
fi
