"""Speaks the same text in every way there is, and says which give the same bytes: the table of docs/reliability.md.

    python tests/determinism.py [--runner build/cpu/qwen3_tts_runner] [--write] [--only threads ...]

Columns are the recipes, rows the ways. Every row is compared with the first one, of one thread, in a process of its
own, for three seeds of the sound file, bit for bit. Between instruction sets only codes and samples that differ
are counted: kernels of another width add in another order.

`--write` puts the table into docs/reliability.md. It ends with 1 when a row differs that must not.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import models
from runner_program import call

PAGE = models.REPOSITORY / "docs" / "reliability.md"
RECIPES = {
    "exact": "tiny-customvoice",
    "balanced": "tiny-customvoice-balanced",
    "small": "tiny-customvoice-small",
}
SEEDS = (101, 102, 103)
TEXT = "Two geese fly over the sea. Nobody hears them."
COMMON: dict[str, Any] = {"speaker": "ryan", "max_frames": 60, "quiet": True}
ROUNDING = 1e-3  # of samples of the same codes, as the golden files have it
SETS = ("baseline", "avx2", "avxvnni", "avx512", "dotprod")


@dataclass(frozen=True)
class Way:
    """How it is spoken."""

    group: str
    name: str
    flags: dict[str, Any]
    repeats: int = 1  # the last one counts
    lines: int = 0  # so many texts at once; 0: one alone


WAYS = (
    Way("threads", "1 thread: stages in turn", {"threads": 1}),
    Way("threads", "2 threads: the codec beside the frames", {"threads": 2}),
    Way("threads", "4 threads: stages in turn", {"threads": 4}),
    Way("chunks", "deliveries of 1 frame", {"chunk_frames": 1}),
    Way("chunks", "deliveries of 25 frames, the first one too", {"chunk_frames": 25, "first_chunk_frames": 25}),
    Way("chunks", "one delivery", {"chunk_frames": 300, "first_chunk_frames": 300}),
    Way("warm", "a warm engine", {"warmup": 2}),
    Way("warm", "the code predictor step by step", {"disable_fused_cp_generate": True}),
    Way("cache", "weight cache: made by this process", {"weight_cache": "cache"}),
    Way("cache", "weight cache: made by an earlier process", {"weight_cache": "cache"}, repeats=2),
    Way("batch", "2 utterances at once", {"batch": 2, "threads": 2}, lines=6),
    Way("batch", "8 utterances at once", {"batch": 8, "threads": 2}, lines=9),
)


def spoken(runner: Path, model: Path, seed: int, way: Way) -> bytes:
    """Its samples, as the file has them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        flags = COMMON | {"threads": 1} | way.flags
        if "weight_cache" in flags:
            flags["weight_cache"] = folder / "cache"
        if way.lines:
            middle = way.lines // 2  # Line i has the seed of the first one + i.
            (folder / "lines").write_text("\n".join([TEXT] * way.lines))
            output = folder / f"prompt_{middle}_repeat_0.wav"
            flags |= {"prompts_path": folder / "lines", "output_dir": folder, "seed": seed - middle}
        else:
            output = folder / "out.wav"
            flags |= {"text": TEXT, "output": output, "seed": seed}
        for _ in range(way.repeats):
            done = call(runner, model_path=model, **flags)
            if done.returncode != 0:
                raise RuntimeError(f"{way.name}: {done.stderr.decode()}")
        return output.read_bytes()


def in_set(driver: Path, model: Path, name: str, seed: int) -> NDArray[np.float32] | None:
    """Samples [n] with the kernels of an instruction set; None where this machine has none."""
    command = [str(driver), str(model), name, str(seed), TEXT, str(COMMON["speaker"])]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode == 3:
        return None
    if done.returncode != 0:
        raise RuntimeError(done.stderr.decode())
    return np.frombuffer(done.stdout, "<f4")


def compare_sets(driver: Path, model: Path, left: str, right: str) -> str:
    """Nothing, rounding, or other speech: one code that another rounding drew is followed by others."""
    most = 0.0
    for seed in SEEDS:
        one, other = in_set(driver, model, left, seed), in_set(driver, model, right, seed)
        if one is None or other is None:
            return "not here"
        if len(one) != len(other):
            return "other speech"
        most = max(most, float(np.abs(one - other).max()))
    return "=" if most == 0 else f"within {most:.0e}" if most < ROUNDING else "other speech"


def table(runner: Path, groups: list[str]) -> tuple[list[str], list[str]]:
    """Lines of the table, and what differs that must not."""
    lines = ["| spoken by | " + " | ".join(RECIPES) + " |", "|---" * (len(RECIPES) + 1) + "|"]
    faults = []
    paths = {recipe: models.exported(name) for recipe, name in RECIPES.items()}
    plain = {recipe: [spoken(runner, path, seed, WAYS[0]) for seed in SEEDS] for recipe, path in paths.items()}
    for way in WAYS:
        if groups and way.group not in groups:
            continue
        cells = []
        for recipe, path in paths.items():
            if "weight_cache" in way.flags and recipe != "exact":
                cells.append("packs nothing")
                continue
            found = [spoken(runner, path, seed, way) for seed in SEEDS]
            cells.append("=" if found == plain[recipe] else "DIFFERS")
            if found != plain[recipe]:
                faults.append(f"{recipe}: {way.name}")
        lines.append(f"| {way.name} | " + " | ".join(cells) + " |")
        print(lines[-1], file=sys.stderr, flush=True)
    if not groups or "sets" in groups:
        driver = runner.parent / "tests" / "speak_in_set"
        here = [name for name in SETS if in_set(driver, paths["small"], name, SEEDS[0]) is not None]
        for left, right in [(name, name) for name in here] + list(zip(here, here[1:])):
            cells = [compare_sets(driver, path, left, right) for path in paths.values()]
            what = f"{left}, twice" if left == right else f"{left} against {right}"
            lines.append(f"| {what} | " + " | ".join(cells) + " |")
            print(lines[-1], file=sys.stderr, flush=True)
            if left == right and set(cells) != {"="}:
                faults.append(what)
    return lines, faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runner", type=Path, default=models.REPOSITORY / "build" / "cpu" / "qwen3_tts_runner")
    groups = [*dict.fromkeys(way.group for way in WAYS), "sets"]
    parser.add_argument("--only", nargs="+", choices=groups, default=[], help="these rows")
    parser.add_argument("--write", action="store_true", help="into docs/reliability.md")
    args = parser.parse_args()
    lines, faults = table(args.runner, args.only)
    print("\n".join(lines))
    if args.write:
        text = PAGE.read_text(encoding="utf-8")
        begin, end = "<!-- determinism -->\n", "<!-- end -->"
        parts = re.split(f"(?<={begin}).*?(?={end})", text, flags=re.DOTALL)
        PAGE.write_text(("\n" + "\n".join(lines) + "\n\n").join(parts), encoding="utf-8")
    print("\n".join(f"differs: {fault}" for fault in faults), file=sys.stderr)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
