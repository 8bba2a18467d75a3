#!/usr/bin/env bash
# Packs what is released of the commit that is checked out, in build/dist/: its sources, the wheel that `make wheel` made
# and the bill of materials that `make sbom` made, with SHA256SUMS. The same commit gives the same archive of sources on
# every machine; the wheel is the same where compiler and system libraries are.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! git diff --quiet HEAD; then
  echo "there are uncommitted changes: a release is of a commit" >&2
  exit 1
fi
version=$(cat VERSION)
tag=$(git describe --tags --exact-match 2>/dev/null || true)
if [ -n "$tag" ] && [ "$tag" != "v$version" ]; then
  echo "the tag is $tag, but VERSION says $version" >&2
  exit 1
fi
place=build/dist
rm -rf "$place"
mkdir -p "$place"
name=qwen3-tts-$version
# gzip without name and time
git archive --format=tar --prefix="$name/" HEAD | gzip -n -9 >"$place/$name.tar.gz"
cp build/wheels/*.whl "$place/"
cp build/sbom/qwen3-tts.cdx.json "$place/$name.cdx.json"
(cd "$place" && sha256sum -- * >SHA256SUMS)
cat "$place/SHA256SUMS"
[ -n "$tag" ] || echo "this commit has no tag: the files are those of $(git rev-parse --short HEAD)" >&2
