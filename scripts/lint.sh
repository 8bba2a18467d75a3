#!/usr/bin/env bash
# Checks or applies the formatting of Python and C++: lint.sh check | format
set -euo pipefail
cd "$(dirname "$0")/.."

# Tables that a program wrote are left as it wrote them.
sources() { find runner tests '(' -name '*.cpp' -o -name '*.h' ')' ! -name 'unicode_tables.*' | sort; }

case "${1:-}" in
  check)
    .venv/bin/ruff check
    .venv/bin/ruff format --check
    sources | xargs .venv/bin/clang-format --dry-run -Werror
    ;;
  format)
    .venv/bin/ruff check --fix-only
    .venv/bin/ruff format
    sources | xargs .venv/bin/clang-format -i
    ;;
  *) echo "usage: lint.sh check | format" >&2; exit 2 ;;
esac
