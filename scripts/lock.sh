#!/usr/bin/env bash
# Writes the *.lock files again: every Python package of the requirements*.txt beside them and all that these pull in,
# for Python 3.10 and newer on every platform, with the digests of all their files. Versions that a lock has stay, as
# long as they fit: to take newer ones, delete the file first. What is in use: REQUIRE_HASHES=1 make build
set -euo pipefail
cd "$(dirname "$0")/.."

uv=build/supply/bin/uv

# lock LOCK ARGUMENT...
lock() {
  local output=$1
  shift
  "$uv" pip compile --quiet --universal --generate-hashes --python-version 3.10 --no-annotate \
    --custom-compile-command 'make lock' --output-file "$output" "$@"
}

lock requirements-build.lock requirements-build.txt
lock requirements.lock requirements.txt -c requirements-build.lock
lock requirements-dev.lock requirements-dev.txt bindings/python/requirements-{wheel,server-tests}.txt -c requirements.lock
# What they declare is not installed, and so is not in the file.
lock requirements-no-deps.lock --no-deps requirements-no-deps.txt requirements-vocabulary.txt
