"""Damages a model, its weights, a weight cache and a voice file, and speaks: an error or exactly the right samples.

    python tests/mutations.py --runner build/cpu/qwen3_tts_runner [--count 500] [--seed 26] [--only model ...]

The damage is what disks, copies and editors do: wrong bits and bytes, stretches of zeros, parts that are missing,
twice there, exchanged or of another file. The same seed gives the same damage. It ends with 1 when a mutation crashed,
hung, or spoke otherwise without a word. test_mutations.py calls a part of it.
"""

from __future__ import annotations

import argparse
import collections
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import models
from published_layout import TINY_GROUPS
from qwen3_tts.voice import Voice

TIMEOUT_S = 60
FLAGS = ("--text", "Two geese fly over the sea.", "--max_new_tokens", "8", "--stdout", "s16le", "--quiet")


@dataclass(frozen=True)
class Target:
    """A file that is damaged, and a call of the runner that reads it. `file` in it is the damaged copy's place."""

    content: bytes
    call: Callable[[Path], tuple[str, ...]]


def wrong_bit(content: bytearray, draw: random.Random) -> None:
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)


def wrong_bytes(content: bytearray, draw: random.Random) -> None:
    for _ in range(draw.randrange(1, 9)):
        content[draw.randrange(len(content))] = draw.randrange(256)


def zeros(content: bytearray, draw: random.Random) -> None:
    begin, end = _stretch(content, draw)
    content[begin:end] = bytes(end - begin)


def noise(content: bytearray, draw: random.Random) -> None:
    begin, end = _stretch(content, draw)
    content[begin:end] = draw.randbytes(end - begin)


def removed(content: bytearray, draw: random.Random) -> None:
    begin, end = _stretch(content, draw)
    del content[begin:end]


def repeated(content: bytearray, draw: random.Random) -> None:
    begin, end = _stretch(content, draw)
    content[end:end] = content[begin:end]


def exchanged(content: bytearray, draw: random.Random) -> None:
    size = max(1, min(4096, len(content) // 8))
    first, second = (size * draw.randrange(len(content) // size) for _ in range(2))
    content[first : first + size], content[second : second + size] = (
        content[second : second + size],
        content[first : first + size],
    )


def truncated(content: bytearray, draw: random.Random) -> None:
    del content[draw.randrange(len(content)) :]


def cut_at_its_end(content: bytearray, draw: random.Random) -> None:
    del content[-draw.randrange(1, min(200, len(content))) :]


def longer(content: bytearray, draw: random.Random) -> None:
    content += draw.randbytes(draw.randrange(1, 5000))


def _stretch(content: bytearray, draw: random.Random) -> tuple[int, int]:
    begin = draw.randrange(len(content))
    return begin, min(len(content), begin + 2 ** draw.randrange(13))


KINDS = (wrong_bit, wrong_bytes, zeros, noise, removed, repeated, exchanged, truncated, cut_at_its_end, longer)


def mutations(content: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """`count` of them, each with its kind. A third hits the first and last 64 KiB, where the structure is."""
    draw = random.Random(seed)
    for index in range(count):
        kind = KINDS[index % len(KINDS)]
        edge = 1 << 16
        if draw.random() < 1 / 3 and len(content) > 3 * edge and kind in (wrong_bit, wrong_bytes, zeros, noise):
            part = bytearray(content[:edge] if draw.random() < 0.7 else content[-edge:])
            at_begin = content.startswith(bytes(part))
            kind(part, draw)
            mutated = bytes(part) + content[edge:] if at_begin else content[:-edge] + bytes(part)
        else:
            whole = bytearray(content)
            kind(whole, draw)
            mutated = bytes(whole)
        yield f"{index} ({kind.__name__})", mutated


def speak(runner: Path, arguments: tuple[str, ...]) -> tuple[int | None, bytes, str]:
    """Exit status, None for a hang; samples; what it said."""
    command = [str(runner), *arguments, *FLAGS]
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return None, b"", ""
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def make_targets(runner: Path, folder: Path) -> dict[str, Target]:
    """What is damaged: a model of the demo voice, the weight cache of one in fp32, a voice file for a tiny model, the
    weights (.ptd) of a tiny one made like those for a GPU."""
    exact, cache = models.exported("demo-exact"), folder / "weights.cache"
    speak(runner, ("--model_path", str(exact), "--weight_cache", str(cache), "--speaker", "lark"))
    draw = np.random.default_rng(0)
    codes = draw.integers(0, 256, (12, TINY_GROUPS), dtype=np.int32)
    x_vector = draw.normal(size=64).astype(np.float32)
    Voice("Ann", "english", "base", x_vector, codes, np.arange(40, 60, dtype=np.int32)).save(folder / "ann.voice")
    base, gpu = str(models.exported("tiny-base")), models.gpu_program("tiny-customvoice-gpu")
    return {
        "model": Target(
            models.exported("demo-small").read_bytes(), lambda file: ("--model_path", str(file), "--speaker", "lark")
        ),
        "cache": Target(
            cache.read_bytes(),
            lambda file: ("--model_path", str(exact), "--weight_cache", str(file), "--speaker", "lark"),
        ),
        "voice": Target((folder / "ann.voice").read_bytes(), lambda file: ("--model_path", base, "--voice", str(file))),
        "weights": Target(
            gpu.with_suffix(".ptd").read_bytes(),
            lambda file: ("--model_path", str(gpu), "--data_path", str(file), "--speaker", "ryan"),
        ),
    }


def judge(name: str, target: Target, runner: Path, folder: Path, count: int, seed: int) -> tuple[list[str], str]:
    """What must not be, a line each, and how many were refused or spoken."""
    file = folder / f"{name}.damaged"
    file.write_bytes(target.content)
    code, expected, said = speak(runner, target.call(file))
    if code != 0 or not expected:
        raise RuntimeError(f"the undamaged {name} does not speak: {said}")
    faults, outcomes = [], collections.Counter[str]()
    for what, content in mutations(target.content, count, seed):
        file.write_bytes(content)
        code, samples, said = speak(runner, target.call(file))
        is_error = code == 1 and not samples and said.count("\n") == 1 and file.name in said
        is_right = code == 0 and samples == expected
        outcomes["refused" if is_error else "as before" if is_right else "WRONG"] += 1
        if not is_error and not is_right:
            faults.append(f"{name} {what}: exit {code}, {len(samples)} bytes of samples, said {said!r}")
    return faults, ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runner", type=Path, default=models.REPOSITORY / "build" / "cpu" / "qwen3_tts_runner")
    parser.add_argument("--count", type=int, default=500, help="mutations of each file (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=26)
    parser.add_argument("--only", nargs="+", choices=("model", "cache", "voice", "weights"), help="these files")
    args = parser.parse_args()
    faults = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind, target in make_targets(args.runner, folder).items():
            if args.only is None or kind in args.only:
                found, outcomes = judge(kind, target, args.runner, folder, args.count, args.seed)
                print(f"{kind}: {outcomes}", flush=True)
                faults += found
    print(*faults, sep="\n")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
