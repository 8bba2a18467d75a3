#!/usr/bin/env bash
# Builds for AArch64 with g++ and with clang, and tests under emulation (see the Makefile):
#   test_arm64.sh [JOBS] [g++ | clang]
#
# The kernels' tests run as processors with dot products and without, and the demo voice has to say the codes that it
# says here. Times under emulation mean nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

jobs=${1:-2}
compilers=(g++ clang)
if [ $# -ge 2 ]; then compilers=("$2"); fi
work=build/arm64
executorch=$(grep -o '^executorch==.*' requirements-no-deps.txt)
wheel=$work/$executorch # unpacked
processors=(max cortex-a76 cortex-a72)
recipes=(exact balanced)
sentence=(--text "The train to London leaves at 6:45." --language english --speaker lark
  --temperature 0 --subtalker_temperature 0 --threads 1 --quiet)

fetch_wheel() {
  [ ! -d "$wheel" ] || return 0
  rm -rf "$work/wheel"
  .venv/bin/pip download --disable-pip-version-check -q --no-deps --only-binary=:all: \
    --platform manylinux_2_28_aarch64 "$executorch" -d "$work/wheel" &&
    .venv/bin/python -m zipfile -e "$work"/wheel/executorch-*.whl "$work/wheel/unpacked" &&
    mv "$work/wheel/unpacked" "$wheel"
}

find_compiler() { # g++ | clang
  case $1 in
    g++) command -v aarch64-linux-gnu-g++ ;;
    clang) command -v clang++-14 || command -v clang++ ;;
  esac
}

# What is not there, one a line, with what has it.
missing() {
  find_compiler g++ >/dev/null || echo "aarch64-linux-gnu-g++ (Debian: g++-aarch64-linux-gnu)"
  find_compiler clang >/dev/null || echo "clang++ (Debian: clang-14)"
  command -v qemu-aarch64 >/dev/null || echo "qemu-aarch64 (Debian: qemu-user)"
  [ -f /usr/src/googletest/googletest/CMakeLists.txt ] || echo "/usr/src/googletest (Debian: googletest)"
  fetch_wheel || echo "the wheel of $executorch for manylinux_2_28_aarch64, which pip could not download: unpack it in $wheel"
}

build() { # g++ | clang
  printf '\n== build with %s\n' "$1"
  .venv/bin/cmake -G Ninja -S tests/arm64 -B "$work/$1" --toolchain "$PWD/cmake/aarch64.cmake" --log-level=WARNING \
    -Wno-author -DCMAKE_MAKE_PROGRAM="$PWD/.venv/bin/ninja" -DCMAKE_CXX_COMPILER="$(find_compiler "$1")" \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE="-O3 -DNDEBUG" -DCMAKE_COMPILE_WARNING_AS_ERROR=ON \
    -DCMAKE_PREFIX_PATH="$PWD/$wheel/executorch"
  .venv/bin/cmake --build "$work/$1" --target kernel_tests qwen3_tts_runner -j "$jobs"
}

# emulate PROCESSOR COMMAND...
emulate() { qemu-aarch64 -L "$sysroot" -cpu "$@"; }

failed=
# check NAME COMMAND...: one line for it, and its output when it fails.
check() {
  local name=$1
  shift
  if "$@" >"$work/check.log" 2>&1; then
    printf 'ok      %s\n' "$name"
  else
    printf 'FAILED  %s\n' "$name"
    tail -n 40 "$work/check.log"
    failed+=" $name;"
  fi
}

share_no_code() { # BUILD
  .venv/bin/cmake -DNM=aarch64-linux-gnu-nm \
    -DOBJECTS="$(find "$work/$1/qwen3_tts" -path '*/kernels/*.o' | paste -sd ';')" -P tests/kernel_symbols.cmake
}

speaks_same_codes() { # BUILD RECIPE
  emulate max "$(find "$work/$1" -name qwen3_tts_runner -type f)" --model_path "$models/demo-$2.pte" "${sentence[@]}" \
    --codes_output "$work/$1.codes" --codes_only && cmp "$work/$2.codes" "$work/$1.codes"
}

mkdir -p "$work"
lacking=$(missing)
if [ -n "$lacking" ]; then
  printf 'Tests for AArch64 lack:\n%s\n' "$lacking" >&2
  exit 1
fi
sysroot=$(realpath "$(dirname "$(aarch64-linux-gnu-g++ -print-file-name=libc.so.6)")/..")

for compiler in "${compilers[@]}"; do
  build "$compiler"
done
printf '\n== what the demo voice says here\n'
models=$(.venv/bin/python tests/models.py --only "${recipes[@]/#/demo-}")
for recipe in "${recipes[@]}"; do
  build/cpu/qwen3_tts_runner --model_path "$models/demo-$recipe.pte" "${sentence[@]}" --codes_only \
    --codes_output "$work/$recipe.codes"
done

printf '\n== tests under emulation\n'
for compiler in "${compilers[@]}"; do
  check "$compiler, kernels share no code" share_no_code "$compiler"
  for test in "$work/$compiler"/test_*; do
    for processor in "${processors[@]}"; do
      check "$compiler, $(basename "$test") as $processor" emulate "$processor" "$test" --gtest_brief=1
    done
  done
  for recipe in "${recipes[@]}"; do
    check "$compiler, codes of $recipe" speaks_same_codes "$compiler" "$recipe"
  done
done
if [ -n "$failed" ]; then
  echo "FAILED:$failed" >&2
  exit 1
fi
