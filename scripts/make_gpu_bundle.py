#!/usr/bin/env python3
"""Packs what `make gpu-check` needs on a machine without network: this tree without what it does not need, and the
wheels of the Python packages that a machine with torch and CUDA may lack. torch and triton have to be there.

    python scripts/make_gpu_bundle.py --python 3.12 --output build/gpu-bundle.tar.gz

There: unpack it, `pip install --no-index --no-deps --find-links wheels executorch …` (gpu_check.py names what is
missing), `make gpu-check`, or `python3 benchmarks/gpu_check.py`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(REPOSITORY / "benchmarks")]

from gpu_check import DISTRIBUTIONS, FOR_SPEECH

NAME = "qwen3-tts-gpu"
LARGEST_MB = 60
TREE = (
    "LICENSE", "Makefile", "VERSION", "pyproject.toml", "requirements*.txt", "convert_weights.py", "export_unified.py",
    "qwen3_tts", "benchmarks/gpu_*.py", "benchmarks/machine.py", "benchmarks/measuring.py",
    "benchmarks/random_models.py", "benchmarks/without_gpu.py", "tests/published_layout.py",
    "tests/qwen_vocabulary.py", "tests/random_checkpoint.py",
)  # fmt: skip
THERE_ALREADY = {"torch", "triton"}
# pip finds a wheel for the newest of these that it has: glibc 2.28 is Debian 10's.
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def tree_files() -> list[Path]:
    """The files that git knows, and those that it will."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *TREE]
    listed = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout.split()
    return [Path(name) for name in listed if (REPOSITORY / name).is_file()]


def pins(python: str) -> list[str]:
    """name==version of the wheels, as the requirements*.txt of this tree have them for that Python."""
    version = tuple(map(int, python.split(".")))
    found = {}
    for path in sorted(REPOSITORY.glob("requirements*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            match = re.match(r"([\w.-]+)==([\w.]+)(?:; python_version (<|>=) \"([\d.]+)\")?", line)
            if match is None:
                continue
            name, pinned, comparison, bound = match.groups()
            is_older = bound is not None and version < tuple(map(int, bound.split(".")))
            if comparison is None or is_older == (comparison == "<"):
                found[name] = f"{name}=={pinned}"
    return [found[name] for name in (*DISTRIBUTIONS, *FOR_SPEECH) if name not in THERE_ALREADY]


def download(wanted: list[str], python: str, folder: Path) -> None:
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
         "--only-binary=:all:", "--python-version", python, "--implementation", "cp", *platforms,
         "--dest", str(folder), *wanted],
        check=True,
    )  # fmt: skip


def pack(output: Path, wheels: Path | None) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(output, "w:gz") as bundle:
        for path in tree_files():
            bundle.add(REPOSITORY / path, f"{NAME}/{path}")
        if wheels is not None:
            bundle.add(wheels, f"{NAME}/wheels")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default="3.12", help="version of Python there (default: %(default)s)")
    parser.add_argument("--output", type=Path, default=REPOSITORY / "build" / "gpu-bundle.tar.gz")
    parser.add_argument("--no-wheels", action="store_true", help="the tree alone: nothing is downloaded")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if not args.no_wheels:
            download(pins(args.python), args.python, Path(folder))
        pack(args.output, None if args.no_wheels else Path(folder))
    size = args.output.stat().st_size / 1e6
    print(f"{args.output}: {size:.1f} MB")
    if size > LARGEST_MB:
        print(f"make_gpu_bundle.py: that is more than {LARGEST_MB} MB", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
