#!/usr/bin/env python3
"""Measure the runner: speed by stage, first sound, load time, memory and size, and another program beside it.

    python benchmarks/benchmark.py --size 0.6b-base                 # a random checkpoint, made, converted and exported
    python benchmarks/benchmark.py --model model.pte --speaker ryan  # a model of your own
    python benchmarks/benchmark.py --peer qwen-tts --peer "other=other --text {text} --output {wav}"

Random weights speak noise, as fast as trained ones speak. Each scenario (threads; quiet or with one core busy) speaks
every prompt --repeat times in one process after --warmup utterances, all cut off after --frames frames; then --starts
processes speak their first request. One utterance in some thousand frames ends before by chance and does not count
beside the others. Prints Markdown tables; --output has every run. peers.py says how peers are called and read.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from measuring import ProgramError, machine, run
from peers import Peer, measure_peer
from scenarios import Runner, measure_scenario, measure_starts
from tables import tables

REPOSITORY = Path(__file__).resolve().parent.parent
RECIPE = ("--recipe", "balanced")
REFERENCE = "qwen-tts"  # the name of the peer that needs no command line


@dataclass(frozen=True)
class Step:
    seconds: float
    peak_gb: float  # of the largest process so far


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--size", default="0.6b-base", help="random checkpoint to measure (default: %(default)s)")
    source.add_argument("--model", type=Path, help="an exported model.pte instead")
    parser.add_argument("--speaker", help="of a CustomVoice model (default: its first one)")
    parser.add_argument("--prompts", type=Path, default=REPOSITORY / "benchmarks/prompts.txt", help="a text a line")
    parser.add_argument("--frames", type=int, default=64, help="frames of speech a prompt (default: %(default)s)")
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 1], help="(default: 2 1)")
    parser.add_argument(
        "--busy", action=argparse.BooleanOptionalAction, default=True, help="also with one core busy (default)"
    )
    parser.add_argument("--repeat", type=int, default=3, help="counted rounds over the prompts (default: %(default)s)")
    parser.add_argument("--warmup", type=int, default=2, help="utterances before (default: %(default)s)")
    parser.add_argument("--starts", type=int, default=3, help="processes for each kind of start (default: %(default)s)")
    parser.add_argument(
        "--peer", action="append", default=[], metavar="NAME=CMD",
        help=f"a program to run by turns with ours; '{REFERENCE}' alone: the reference, on the random checkpoint",
    )  # fmt: skip
    parser.add_argument(
        "--reference", type=Path, default=REPOSITORY / ".reference-venv/bin/python",
        help=f"Python that has {REFERENCE}: `make .reference-venv/.setup` (default: .reference-venv)",
    )  # fmt: skip
    parser.add_argument("--runner", type=Path, default=REPOSITORY / "build/cpu/qwen3_tts_runner")
    parser.add_argument("--output", type=Path, help="also write everything as JSON")
    args = parser.parse_args()
    if min(args.frames, args.repeat, args.starts, *args.threads) < 1 or args.warmup < 0:
        parser.error("--frames, --repeat, --starts and --threads must be 1 or more, --warmup 0 or more")
    return args


def run_step(name: str, *command: str | Path) -> Step:
    """Run a program of the repository, its progress on the terminal."""
    say(name)
    started = time.monotonic()
    subprocess.run([sys.executable, *map(str, command)], check=True, cwd=REPOSITORY)
    peak_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return Step(time.monotonic() - started, peak_kib * 1024 / 1e9)


def random_folder(size: str) -> Path:
    return REPOSITORY / "build" / "benchmark" / size


def make_snapshot(size: str) -> Path:
    snapshot = random_folder(size) / "snapshot"
    if not snapshot.exists():
        run_step("random checkpoint", "tests/random_checkpoint.py", "--size", size, "--out", snapshot)
    return snapshot


def make_model(size: str) -> tuple[Path, Step | None]:
    """A random checkpoint of `size`, exported with the default recipe; the export's cost when it was made now."""
    folder = random_folder(size)
    model = folder / "model.pte"
    if model.exists():
        return model, None
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "checkpoint").exists():
        run_step("convert", "convert_weights.py", make_snapshot(size), "--output-dir", folder / "checkpoint")
    return model, run_step(
        "export", "export_unified.py", "--checkpoint", folder / "checkpoint", "--output", model, *RECIPE
    )


def parse_peers(args: argparse.Namespace) -> list[Peer]:
    """Raises ValueError for one that is no NAME=CMD."""
    peers = []
    for text in args.peer:
        if text == REFERENCE:
            if args.model:
                raise ValueError(f"--peer {REFERENCE} speaks from --size; for --model write NAME=CMD, see peers.py")
            words = [args.reference, REPOSITORY / "benchmarks/peer_qwen_tts.py", "--snapshot", make_snapshot(args.size)]
            words += ["--text={text}", "--frames={frames}", "--threads={threads}", "--warmup={warmup}"]
            peers.append(Peer(REFERENCE, tuple(map(str, words))))
        else:
            peers.append(Peer.parse(text))
    return peers


def first_speaker(program: Path, model: Path) -> str:
    """The first of the model's speakers; "" when it has none."""
    return (run([program, "--model_path", model, "--list_speakers"]).stdout.splitlines() or [""])[0]


def versions(program: Path) -> dict[str, str]:
    git = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    return {
        "runner": run([program, "--version"]).stdout.strip(),
        "commit": git.stdout.strip(),
        "python": platform.python_version(),
    }


def measure(args: argparse.Namespace, peers: list[Peer]) -> dict[str, Any]:
    about = {"machine": machine(), "versions": versions(args.runner)}  # before the load that is ours
    model, step = (args.model, None) if args.model else make_model(args.size)
    prompts = tuple(line for line in args.prompts.read_text(encoding="utf-8").splitlines() if line.strip())
    runner = Runner(args.runner, model, args.speaker or first_speaker(args.runner, model), prompts, args.frames)
    compared = []
    for peer in peers:  # first, for what is wrong with a command line shows early
        say(f"peer {peer.name}")
        compared.append(measure_peer(runner, peer, max(args.threads), args.repeat, args.warmup))
    scenarios = []
    for threads in args.threads:
        for is_busy in (False, True) if args.busy else (False,):
            say(f"speak: {threads} threads, {'one core busy' if is_busy else 'quiet'}")
            scenarios.append(measure_scenario(runner, threads, is_busy, args.repeat, args.warmup, args.starts))
    say("start")
    starts = measure_starts(runner, max(args.threads), args.starts)
    return about | {
        "model": {"name": args.model.name if args.model else args.size, "file_mb": model.stat().st_size / 1e6},
        "settings": {
            "prompts": prompts, "frames": args.frames, "repeat": args.repeat, "warmup": args.warmup,
            "speaker": runner.speaker,
        },
        "export": asdict(step) if step else None,
        "scenarios": scenarios,
        "starts": starts,
        "peers": compared,
    }  # fmt: skip


def say(step: str) -> None:
    print(f"== {step}", file=sys.stderr, flush=True)


def write_json(path: Path, results: dict[str, Any]) -> None:
    beside = path.with_name(f".{path.name}.making")
    beside.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.rename(path)


def main() -> None:
    args = parse_args()
    try:
        results = measure(args, parse_peers(args))
    except (OSError, ValueError, ProgramError) as error:
        sys.exit(f"{Path(__file__).name}: error: {error}")
    print(tables(results))
    if args.output:
        write_json(args.output, results)


if __name__ == "__main__":
    main()
