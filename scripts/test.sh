#!/usr/bin/env bash
# Every test, on configured builds (see the Makefile): test.sh [JOBS]
# All stages run even when one fails; the last lines are the summaries of ctest and pytest.
set -euo pipefail
cd "$(dirname "$0")/.."

jobs=${1:-2}
logs=build/logs
failed=
mkdir -p "$logs"

say() { printf '\n== %s\n' "$*"; }

# stage NAME COMMAND...: runs it, keeps its output in a log, shows it without ctest's lines for tests that passed, notes
# a failure.
stage() {
  local name=$1
  shift
  "$@" 2>&1 | tee "$logs/$name.log" | { grep -vE '^ +Start +[0-9]+: |\.\. +Passed +[0-9.]+ sec$' || true; } ||
    failed+=" $name"
}

# speak BUILD MODEL: one synthesis through the program, down to a WAV file.
speak() {
  rm -f "$1/hello.wav"
  "$1/qwen3_tts_runner" --model_path "$QWEN3_TTS_TEST_MODELS/$2.pte" --text "Hello, tests." --speaker ryan \
    --max_new_tokens 12 --output_wav "$1/hello.wav" && test -s "$1/hello.wav"
}

say "Build"
.venv/bin/cmake --build build/cpu -j "$jobs"

say "Tiny models"
QWEN3_TTS_TEST_MODELS=$(.venv/bin/python tests/models.py)
export QWEN3_TTS_TEST_MODELS

say "C++ tests"
stage ctest .venv/bin/ctest --test-dir build/cpu --output-on-failure --no-tests=error -j "$jobs"

say "Python tests"
QWEN3_TTS_BUILD_DIR=$PWD/build/cpu stage pytest .venv/bin/python -m pytest -n 2 --dist loadfile  # 2 GB each

say "Sanitizers: build"
stage build-sanitized .venv/bin/cmake --build build/cpu-debug -j "$jobs"
say "Sanitizers: C++ tests"
stage ctest-sanitized .venv/bin/ctest --test-dir build/cpu-debug --output-on-failure --no-tests=error -j "$jobs"
say "Sanitizers: one synthesis"
stage speak-sanitized speak build/cpu-debug tiny-customvoice

say "Summary"
for name in ctest-sanitized ctest; do
  printf '%-16s %s\n' "$name:" "$(grep -E 'tests passed|No tests' "$logs/$name.log" | tail -n 1)"
done
tail -n 1 "$logs/pytest.log"
if [ -n "$failed" ]; then
  echo "FAILED:$failed (logs in $logs)" >&2
  exit 1
fi
