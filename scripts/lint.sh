#!/usr/bin/env bash
# Checks or applies the style of Python, C++ and C: lint.sh check [JOBS] | style | format
#   style  what takes seconds; check also runs clang-tidy over every C++ file
set -euo pipefail
cd "$(dirname "$0")/.."

# Tables that a program wrote are left as it wrote them.
sources() { find runner tests bindings/java '(' "$@" ')' ! -name 'unicode_tables.*' | sort; }

# clang-tidy asks the configured build how each file is compiled, and reads one header that the build makes. Where
# the build takes a warning for an error, clang has others than gcc, and says them of gcc's headers: it does not.
tidy() {
  .venv/bin/cmake --build build/cpu --target examples >/dev/null
  sources -name '*.cpp' ! -path 'bindings/*' | # which is only compiled where there is a JDK
    xargs -P "$1" -n 1 .venv/bin/clang-tidy -p build/cpu --quiet --extra-arg=-Wno-error
}

style() {
  .venv/bin/ruff check
  .venv/bin/ruff format --check
  .venv/bin/mypy
  sources -name '*.cpp' -o -name '*.c' -o -name '*.h' | xargs .venv/bin/clang-format --dry-run -Werror
}

case "${1:-}" in
  check)
    style
    tidy "${2:-2}"
    ;;
  style) style ;;
  format)
    .venv/bin/ruff check --fix-only
    .venv/bin/ruff format
    sources -name '*.cpp' -o -name '*.c' -o -name '*.h' | xargs .venv/bin/clang-format -i
    ;;
  *) echo "usage: lint.sh check [JOBS] | style | format" >&2; exit 2 ;;
esac
