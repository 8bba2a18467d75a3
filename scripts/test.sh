#!/usr/bin/env bash
# Tests, on configured builds (see the Makefile): test.sh check | all | service | proof | threads | faults [JOBS]
#   check    style, C++ tests and the Python tests that are quick: for everybody who changes something
#   all      every test: the C++ ones under sanitizers, in the optimized build what only that can show, and a minute of
#            input that is made up
#   service  the server, by a browser and under load: minutes
#   proof    benchmarks/prove.py on a tiny model, from the snapshot to the report
#   threads  the C++ tests of threads and the server under ThreadSanitizer: long schedules, and races that it must find
#   faults   signals, full disks, little memory and the like at many moments, and every allocation that can fail
# All stages run even when one fails. The last lines say what each of them cost, and the summaries of ctest and pytest.
set -euo pipefail
cd "$(dirname "$0")/.."

what=${1:?check, all, service, proof, threads or faults}
jobs=${2:-2}
logs=build/logs
failed=
costs=
rm -rf "$logs"
mkdir -p "$logs"

# stage NAME COMMAND...: runs it, keeps its output in a log, shows it without ctest's lines for tests that passed, notes
# what it costs and whether it failed.
stage() {
  local name=$1 begin=$SECONDS
  shift
  printf '\n== %s\n' "$name"
  "$@" 2>&1 | tee "$logs/$name.log" | { grep -vE '^ +Start +[0-9]+: |\.\. +Passed +[0-9.]+ sec$' || true; } ||
    failed+=" $name"
  costs+=$(printf '%-18s %4d s' "$name" "$((SECONDS - begin))")$'\n'
}

build() {
  local name=$1 folder=$2
  shift 2
  stage "$name" .venv/bin/cmake --build "$folder" -j "$jobs" "$@"
}
cpp_tests() {
  local name=$1 folder=$2
  shift 2
  stage "$name" .venv/bin/ctest --test-dir "$folder" --output-on-failure --no-tests=error -j "$jobs" "$@"
}

# Two workers, of 2 GB each. A file's tests share what they make, so each worker takes whole files, the slow ones first.
python_tests() {
  QWEN3_TTS_BUILD_DIR=$PWD/build/cpu \
    stage pytest .venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=40 "$@"
}

# speak BUILD MODEL: one synthesis through the program, down to a WAV file.
speak() {
  rm -f "$1/hello.wav"
  "$1/qwen3_tts_runner" --model_path "$1/tests/models/$2.pte" --text "Hello, tests." --speaker ryan \
    --max_new_tokens 12 --output "$1/hello.wav" && test -s "$1/hello.wav"
}

# The server under load with the library of the ThreadSanitizer build: a race ends it, and what was asked is lost.
server_under_threads() {
  local python=build/cpu-threads/tests/python_main
  if [ ! -x "$python" ]; then
    echo "$python was not built: it needs Python's own library. On Debian: apt-get install libpython3-dev;" \
      'remove build/cpu-threads and call make again' >&2
    return 1
  fi
  PYTHONPATH=$PWD:$PWD/tests .venv/bin/python -c 'import models; models.exported("demo-balanced")' &&
    TSAN_OPTIONS="halt_on_error=1 $TSAN_OPTIONS" QWEN3_TTS_LIBRARY_DIR=$PWD/build/cpu-threads \
      PYTHONPATH=$PWD:$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
      "$python" -m pytest -m service tests/test_service_load.py
}

case $what in
  check)
    stage style scripts/lint.sh style
    build build build/cpu
    cpp_tests ctest build/cpu
    python_tests -m 'not slow and not listening and not service and not proof'
    ;;
  all)
    build build build/cpu --target optimized
    stage models .venv/bin/python tests/models.py
    cpp_tests ctest-optimized build/cpu -L optimized
    python_tests -m 'not service and not proof'
    build build-sanitized build/cpu-debug
    # Batches and failing allocations take the most time here, and all of their models have spoken before.
    cpp_tests ctest-sanitized build/cpu-debug -E '/(Batch|Allocation)Test[.].*/tinycustomvoice$'
    stage speak-sanitized speak build/cpu-debug tiny-customvoice
    JOBS=$jobs stage fuzz scripts/fuzz.sh 60
    ;;
  service)
    stage build .venv/bin/cmake --build build/cpu --target qwen3_tts qwen3_tts_audio -j "$jobs"
    export QWEN3_TTS_BUILD_DIR=$PWD/build/cpu QWEN3_TTS_FUZZ_SECONDS=${QWEN3_TTS_FUZZ_SECONDS:-30}
    stage pytest .venv/bin/python -m pytest tests/test_service_*.py tests/test_server_fuzz.py
    ;;
  proof)
    stage build .venv/bin/cmake --build build/cpu --target qwen3_tts_runner qwen3_tts_voice -j "$jobs"
    QWEN3_TTS_BUILD_DIR=$PWD/build/cpu stage pytest .venv/bin/python -m pytest -m proof
    ;;
  threads)
    # XNNPACK runs its operators in the pool by itself, and no edge of these can be told. So what libraries without
    # instrumentation copy is not judged: all that this project compiles is.
    export TSAN_OPTIONS="ignore_noninstrumented_modules=1 second_deadlock_stack=1 ${TSAN_OPTIONS:-}"
    export QWEN3_TTS_TEST_SCHEDULE=${QWEN3_TTS_TEST_SCHEDULE:-1000}
    export QWEN3_TTS_TEST_STALL_MS=${QWEN3_TTS_TEST_STALL_MS:-10000}
    stage build-threads .venv/bin/cmake --build build/cpu-threads --target threads -j "$jobs"
    cpp_tests ctest-threads build/cpu-threads -L threads
    stage server server_under_threads
    ;;
  faults)
    stage build .venv/bin/cmake --build build/cpu --target qwen3_tts_runner test_allocation -j "$jobs"
    QWEN3_TTS_TEST_STRIDE=1 cpp_tests ctest-allocation build/cpu -R AllocationTest
    stage faults .venv/bin/python tests/faults.py
    ;;
  *) echo "usage: test.sh check | all | service | proof | threads | faults [JOBS]" >&2; exit 2 ;;
esac

printf '\n== summary\n%s\n' "$costs"
for log in "$logs"/ctest*.log; do
  [ -e "$log" ] || continue
  printf '%-18s %s\n' "$(basename "$log" .log)" "$(grep -E 'tests passed|No tests' "$log" | tail -n 1)"
done
[ ! -e "$logs/pytest.log" ] || printf '%-18s %s\n' pytest "$(grep -E '^=+ .* in [0-9.]+s' "$logs/pytest.log" | tail -n 1)"
if [ -n "$failed" ]; then
  echo "FAILED:$failed (logs in $logs)" >&2
  exit 1
fi
