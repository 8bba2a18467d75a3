#!/usr/bin/env python3
"""Makes the wheel of the Python package out of a build of the library.

    .venv/bin/python scripts/make_wheel.py --build-dir build/cpu --output build/wheels

1. scikit-build-core packs bindings/python/ and the two libraries.
2. auditwheel bundles what these load, each library under a name that has a digest of it. So a process may load other
   versions of the same, as the executorch package does; nor are any symbols shared with these.
3. What of Debian was bundled, and under which licences, is written beside what is known of the others
   (bindings/python/third_party/).
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from auditwheel.wheeltools import InWheelCtx
from elftools.elf.elffile import ELFFile

REPOSITORY = Path(__file__).resolve().parent.parent
COMMON_LICENSES = Path("/usr/share/common-licenses")
STB_WEAK, STB_GNU_UNIQUE = 2, 10
INFO_OFFSET = 4  # of st_info, whose upper half is the binding, in an Elf64_Sym
DEBIAN = """
The following are libraries of Debian, each a file of its own beside the package, which may be replaced by another
version. `apt-get source NAME=VERSION` brings the sources. A text tells of all files of its source package; the library
alone is here.

| library | source package | text |
|---|---|---|"""


def run(*command: str | Path) -> str:
    """What a program prints; it ends this one when it fails. The programs of this environment come first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        list(map(str, command)), env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def commit_time() -> str:
    """That of the commit, for times within the wheel: the same sources give the same bytes."""
    done = subprocess.run(
        ["git", "log", "-1", "--format=%ct"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "315532800"  # without git: 1980, where times in archives begin


def only_wheel(folder: Path) -> Path:
    (wheel,) = folder.glob("*.whl")
    return wheel


def pack(build_dir: Path, folder: Path) -> Path:
    """The wheel that works on this machine, with this environment."""
    flags = ("--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
    libraries = f"cmake.define.QWEN3_TTS_BUILD_DIR={build_dir.resolve()}"
    source = REPOSITORY / "bindings" / "python"
    run(sys.executable, "-m", "pip", "wheel", *flags, "--wheel-dir", folder, "--config-settings", libraries, source)
    return only_wheel(folder)


def bundle(wheel: Path, folder: Path) -> Path:
    """The same with all that it loads. The audio library finds the core loaded, and needs no copy of it."""
    flags = ("--strip", "--exclude", "libqwen3_tts.so.*")
    run(sys.executable, "-m", "auditwheel", "repair", *flags, "--wheel-dir", folder, wheel)
    return only_wheel(folder)


def unshare_symbols(library: Path) -> None:
    """Makes symbols that a process has once (STB_GNU_UNIQUE: tables in templates and the like) weak ones.

    Otherwise the first copy of ExecuTorch in a process, of whatever version, gives its tables to all others.
    """
    content = bytearray(library.read_bytes())
    symbols = ELFFile(io.BytesIO(content)).get_section_by_name(".dynsym")
    first = symbols["sh_offset"] + INFO_OFFSET
    for place in range(first, first + symbols["sh_size"], symbols["sh_entsize"]):
        if content[place] >> 4 == STB_GNU_UNIQUE:
            content[place] = STB_WEAK << 4 | content[place] & 0xF
    library.write_bytes(content)


@dataclass(frozen=True)
class Bundled:
    """A library of a Debian package in the wheel."""

    name: str  # libx-0123abcd.so.1: its own, with the first digits of the original's SHA-256
    package: str
    source: str  # package and version

    @property
    def copyright(self) -> str:
        return Path("/usr/share/doc", self.package, "copyright").read_text(encoding="utf-8")


def find_owner(name: str) -> Bundled | None:
    """The package that has a library, if this system knows."""
    match = re.fullmatch(r"(.+)-([0-9a-f]{8})(\..+)", name)
    if match is None or shutil.which("dpkg-query") is None:
        return None
    stem, digest, ending = match.groups()
    found = subprocess.run(["dpkg-query", "--search", f"*/{stem}{ending}"], capture_output=True, text=True, check=False)
    for package, path in re.findall(r"^(\S+): (/.*)$", found.stdout, re.MULTILINE):
        if hashlib.sha256(Path(path).read_bytes()).hexdigest().startswith(digest):
            wanted = "${Package}\t${source:Package} ${source:Version}"
            return Bundled(name, *run("dpkg-query", "--show", "--showformat", wanted, package).split("\t"))
    return None


def find_owners(libraries: list[str]) -> list[Bundled]:
    owners = {name: find_owner(name) for name in libraries}
    unknown = [name for name, owner in owners.items() if owner is None]
    if unknown:
        sys.exit(
            f"no Debian package has {', '.join(unknown)}: the texts of their licences are missing, so this wheel must "
            "not be given to others. Make it on Debian, with its packages; or for this machine alone, where nothing is "
            f"bundled: {sys.executable} -m pip wheel bindings/python"
        )
    return [owner for owner in owners.values() if owner is not None]


def write_licenses(folder: Path, bundled: list[Bundled]) -> list[Path]:
    """Adds the texts and rows for README.md to `folder`, and returns the new files."""
    texts = {f"debian/{library.package}.txt": library.copyright for library in bundled}
    named = re.findall(rf"{COMMON_LICENSES}/([\w.+-]*\w)", "".join(texts.values()))
    texts |= {f"debian/{name}.txt": (COMMON_LICENSES / name).read_text(encoding="utf-8") for name in set(named)}
    (folder / "debian").mkdir()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    rows = [f"| `{lib.name}` | {lib.source} | [{lib.package}.txt](debian/{lib.package}.txt) |" for lib in bundled]
    with (folder / "README.md").open("a", encoding="utf-8") as table:
        table.write("\n".join([DEBIAN, *rows, ""]))
    return sorted(folder / name for name in texts)


def finish(wheel: Path, output: Path) -> Path:
    """The same with no shared symbols, and with the licences of what was bundled."""
    made = output.resolve() / wheel.name
    with InWheelCtx(wheel) as opened:
        for library in opened.path.rglob("*.so*"):
            unshare_symbols(library)
        libraries = sorted(path.name for path in opened.path.glob("*.libs/*"))
        bundled = find_owners([name for name in libraries if not name.startswith("libexecutorch")])
        (information,) = opened.path.glob("*.dist-info")
        licenses = information / "licenses"
        added = write_licenses(licenses / "third_party", bundled)
        fields = [f"License-File: {path.relative_to(licenses)}\n" for path in added]
        metadata = information / "METADATA"
        text = metadata.read_text(encoding="utf-8")
        metadata.write_text(re.sub("(?=License-File: )", "".join(fields), text, count=1), encoding="utf-8")
        opened.out_wheel = made  # not before: it is also written when something goes wrong here
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes the wheel of the Python package.")
    parser.add_argument("--build-dir", type=Path, required=True, help="of the library: shared, and with audio")
    parser.add_argument("--output", type=Path, required=True, help="folder of the wheel; others in it are removed")
    arguments = parser.parse_args()
    os.environ.setdefault("SOURCE_DATE_EPOCH", commit_time())
    arguments.output.mkdir(parents=True, exist_ok=True)
    for old in arguments.output.glob("*.whl"):
        old.unlink()
    with tempfile.TemporaryDirectory() as place:
        packed = pack(arguments.build_dir, Path(place, "packed"))
        bundled = bundle(packed, Path(place, "bundled"))
        made = finish(bundled, arguments.output)
    print(f"{made} ({made.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
