"""The models that the tests run on, made once and kept: tiny random checkpoints and the demo voice, their conversions
and their exports.

They stand in `build/test-models/<key>/`, where the key is a digest of the sources that make them: a change to any of
those sources makes a new folder, an unchanged tree finds the old one.

    snapshots/<size>/    what tests/random_checkpoint.py wrote; the demo voice's is demo_voice/snapshot/
    checkpoints/<size>/  what convert_weights.py made of it
    <name>.pte           what export_unified.py made of that, one for each row of EXPORTS and VOICE_ENCODERS, with its
                         manifest; and what gpu_program.py made, with its .ptd: GPU_PROGRAMS

`python tests/models.py` makes all of them and prints the folder. `ctest` calls it for those that C++ tests need, and
the functions make what is missing when it is asked for. Everything is written beside its place and renamed, so an
interrupted run leaves nothing half-made.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import warm_process

REPOSITORY = Path(__file__).resolve().parent.parent
# Of a program of the repository: it imports this checkout's package, whichever one is installed.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
DEMO = "demo"  # in place of a size: the trained snapshot of this repository
DEMO_SNAPSHOT = REPOSITORY / "demo_voice" / "snapshot"
SOURCES = (
    "convert_weights.py",
    "demo_voice/snapshot/**/*",
    "export_unified.py",
    "qwen3_tts/**/*.py",
    "requirements*.txt",
    "tests/cuda_models.py",
    "tests/gpu_program.py",
    "tests/published_layout.py",
    "tests/qwen_vocabulary.py",
    "tests/random_checkpoint.py",
)


@dataclass(frozen=True)
class Export:
    """One .pte: the checkpoint's size, the flags of export_unified.py, and the one of them that names the file."""

    size: str  # or DEMO
    flags: tuple[str, ...]
    output_flag: str = "--output"


EXPORTS = {
    "tiny-base": Export("tiny-base", ("--recipe", "exact")),
    "tiny-customvoice": Export("tiny-customvoice", ("--recipe", "exact")),
    "tiny-voicedesign": Export("tiny-voicedesign", ("--recipe", "exact")),
    "tiny-mtp": Export("tiny-mtp", ("--recipe", "exact")),
    "tiny-base-portable": Export("tiny-base", ("--backend", "portable")),
    "tiny-customvoice-small": Export("tiny-customvoice", ("--recipe", "small")),
    "tiny-customvoice-balanced": Export("tiny-customvoice", ("--recipe", "balanced")),
    "tiny-customvoice-phone": Export("tiny-customvoice", ("--recipe", "phone", "--text-scripts", "latin")),
    "tiny-customvoice-xnnpack-8da4w": Export("tiny-customvoice", ("--recipe", "xnnpack-8da4w")),
    "demo-exact": Export(DEMO, ("--recipe", "exact")),
    "demo-quality": Export(DEMO, ("--recipe", "quality")),
    "demo-balanced": Export(DEMO, ("--recipe", "balanced")),
    "demo-small": Export(DEMO, ("--recipe", "small")),
    "demo-phone": Export(DEMO, ("--recipe", "phone")),
    "demo-8da4w": Export(DEMO, ("--qlinear", "8da4w")),
}
VOICE_ENCODERS = {
    "tiny-base-voice-encoder": Export("tiny-base", (), "--voice-encoder"),
    "tiny-base-voice-encoder-8da8w": Export("tiny-base", ("--qlinear-voice-encoder", "8da8w"), "--voice-encoder"),
}
# A frame takes one call, or two; or GPU_BATCH utterances share one.
GPU_PROGRAMS = ("tiny-customvoice-gpu", "tiny-customvoice-gpu-two-calls", "tiny-customvoice-gpu-batch")
GPU_BATCH = 3


@cache
def root() -> Path:
    """Folder of the models that belong to the sources as they are now."""
    digest = hashlib.sha256(repr((EXPORTS, VOICE_ENCODERS, GPU_PROGRAMS, GPU_BATCH)).encode())
    for path in sorted(path for pattern in SOURCES for path in REPOSITORY.glob(pattern) if path.is_file()):
        digest.update(f"\n{path.relative_to(REPOSITORY)}\n".encode())
        digest.update(path.read_bytes())
    return REPOSITORY / "build" / "test-models" / digest.hexdigest()[:16]


def snapshot(size: str) -> Path:
    """Folder in the published layout with random weights of `size`, such as "tiny-base", or with the demo voice's."""
    if size == DEMO:
        return DEMO_SNAPSHOT
    place = root() / "snapshots" / size
    _make(place, lambda out: warm_process.run("tests/random_checkpoint.py", "--size", size, "--out", out))
    return place


def checkpoint(size: str) -> Path:
    """Converted checkpoint folder of `size`."""
    place = root() / "checkpoints" / size
    _make(place, lambda out: warm_process.run("convert_weights.py", snapshot(size), "--output-dir", out))
    return place


def exported(name: str) -> Path:
    """The .pte called `name`, a row of EXPORTS or VOICE_ENCODERS. The first call takes a minute or two."""
    export = (EXPORTS | VOICE_ENCODERS)[name]
    place = root() / f"{name}.pte"

    def write(out: Path) -> None:
        warm_process.run(
            "export_unified.py", "--checkpoint", checkpoint(export.size), export.output_flag, out, *export.flags
        )

    _make(place, write)
    return place


def gpu_program(name: str) -> Path:
    """The .pte called `name`, one of GPU_PROGRAMS. The first call takes a minute, and makes both of one utterance."""
    first, second, batch = (root() / f"{program}.pte" for program in GPU_PROGRAMS)

    def write(out: Path) -> None:
        folder = checkpoint("tiny-customvoice")
        flags = ("--batch", str(GPU_BATCH)) if out.name == batch.name else ("--two-calls", out.with_name(second.name))
        warm_process.run("tests/gpu_program.py", "--checkpoint", folder, "--output", out, *flags)

    _make(batch if name == GPU_PROGRAMS[2] else first, write)
    return root() / f"{name}.pte"


def make_all(jobs: int, *, with_demo: bool = True) -> Path:
    """The folder with every row of the tables in it, or all but the demo voice's, `jobs` of them made at a time."""
    exports = VOICE_ENCODERS | EXPORTS
    with ThreadPoolExecutor(jobs) as pool:  # those that take longest first
        made = [pool.submit(gpu_program, GPU_PROGRAMS[0]), pool.submit(gpu_program, GPU_PROGRAMS[2])]
        made += [pool.submit(exported, name) for name in exports if with_demo or exports[name].size != DEMO]
        for future in made:
            future.result()
    return root()


def link(place: Path) -> None:
    """Makes `place` a symbolic link to root(), whatever it was a link to before."""
    beside = place.with_name(f"{place.name}.{os.getpid()}")
    beside.symlink_to(root())
    beside.rename(place)


def _make(place: Path, write: Callable[[Path], None]) -> None:
    """Calls `write` with a path beside `place` and renames what it wrote; nothing to do when `place` exists."""
    if place.exists():
        return
    with _locked(place):
        if place.exists():  # another process was faster
            return
        workplace = place.parent / f".{place.name}.making"
        shutil.rmtree(workplace, ignore_errors=True)
        workplace.mkdir()
        started = time.monotonic()
        label = place.relative_to(root())
        _say(f"making {label}")
        write(workplace / place.name)
        for file in sorted(workplace.iterdir(), key=lambda file: file.name == place.name):  # `place` itself last
            file.rename(place.parent / file.name)
        workplace.rmdir()
        _say(f"made {label} in {time.monotonic() - started:.0f} s")


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Holds one lock for each `place`, among threads and processes."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with (place.parent / f".{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _say(message: str) -> None:
    print(f"test models: {message}", file=sys.stderr, flush=True)


def main() -> None:
    """Makes the models and prints their folder on stdout, its progress on stderr."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--jobs", type=int, default=min(4, os.cpu_count() or 1), help="models made at a time")
    parser.add_argument("--snapshots", action="store_true", help="only make the snapshots, and print their folder")
    parser.add_argument("--only", nargs="+", choices=EXPORTS | VOICE_ENCODERS, help="make these exports alone")
    parser.add_argument("--no-demo", action="store_true", help="without the demo voice's, which only Python tests need")
    parser.add_argument("--link", type=Path, help="make this a symbolic link to the folder")
    arguments = parser.parse_args()
    if arguments.snapshots:
        for export in EXPORTS.values():
            snapshot(export.size)
        print(root() / "snapshots")
        return
    if arguments.only:
        for name in arguments.only:
            exported(name)
        print(root())
        return
    if arguments.link and "QWEN3_TTS_TEST_MODELS" in os.environ:
        return  # C++ tests take those
    print(make_all(arguments.jobs, with_demo=not arguments.no_demo))
    if arguments.link:
        link(arguments.link)


if __name__ == "__main__":
    main()
