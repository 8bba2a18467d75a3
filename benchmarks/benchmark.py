#!/usr/bin/env python3
"""Measure the runner: speed by stage, first sound, starts, memory and size, and another program beside it.

    python benchmarks/benchmark.py --size 0.6b-base                 # a random checkpoint, made, converted and exported
    python benchmarks/benchmark.py --model model.pte --speaker ryan  # a model of your own
    python benchmarks/benchmark.py --scenarios streaming minute      # these alone
    python benchmarks/benchmark.py --peer qwen-tts --peer "other=other --text {text} --output {wav}"

Random weights speak noise, as fast as trained ones speak; every utterance has --frames frames, whether the model would
end it or not. The scenarios:

    speed        --threads, quiet and with one core busy: every prompt --repeat times in one process after --warmup
                 utterances, and --starts processes that speak their first request
    start        to ready and to first sound, without a weight cache, with a model that must be read from the disk,
                 while making a weight cache, and with it
    streaming    small chunks against one chunk, --rounds times by turns: time and samples
    minute       memory over 60 s of speech
    capacity     the talker's step in exports with --max-seq-len 512 and 4096, by turns (two more exports)
    ten-minutes  memory over time of 600 s of speech in one request that is split (minutes)
    batch        --batches utterances at once, and others that come at random: speech a second, how each of them fares;
                 each --peer in --peer-processes processes beside it

Prints Markdown tables, then what the project promises (goals.py) beside what was measured; --output has every run.
peers.py says how peers are called and read.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from batches import measure_batches, measure_processes
from comparisons import compare_capacities, compare_streaming
from goals import verdicts
from long_speech import measure_minute, measure_split
from machine import machine, versions
from measuring import ProgramError, run
from peers import Peer, measure_peer
from qwen3_tts.text_list import read_texts
from random_models import REPOSITORY, make_model, make_snapshot, say
from scenarios import Runner, measure_scenario, measure_starts
from tables import tables

REFERENCE = "qwen-tts"  # the name of the peer that needs no command line
CAPACITIES = (512, 4096)
SCENARIOS = ("speed", "start", "streaming", "minute", "capacity", "ten-minutes", "batch")
USUAL = SCENARIOS[:4]


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--size", default="0.6b-base", help="random checkpoint to measure (default: %(default)s)")
    source.add_argument("--model", type=Path, help="an exported model.pte instead")
    parser.add_argument("--recipe", default="balanced", help="of its export (default: %(default)s)")
    parser.add_argument(
        "--scenarios", nargs="+", choices=(*SCENARIOS, "all"), default=USUAL, help=f"(default: {' '.join(USUAL)})"
    )
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
    parser.add_argument("--rounds", type=int, default=7, help="of what runs by turns (default: %(default)s)")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8], help="(default: 1 2 4 8)")
    parser.add_argument("--seconds", type=float, default=60, help="speech of 'minute' (default: %(default)s)")
    parser.add_argument(
        "--capacity-models", type=Path, nargs=2, metavar=("SMALL", "LARGE"),
        help="exports for 'capacity', in place of those that are made",
    )  # fmt: skip
    parser.add_argument(
        "--peer", action="append", default=[], metavar="NAME=CMD",
        help=f"a program to run by turns with ours; '{REFERENCE}' alone: the reference, on the random checkpoint",
    )  # fmt: skip
    parser.add_argument(
        "--reference", type=Path, default=REPOSITORY / ".reference-venv/bin/python",
        help=f"Python that has {REFERENCE}: `make .reference-venv/.setup` (default: .reference-venv)",
    )  # fmt: skip
    parser.add_argument("--peer-repeat", type=int, default=1, help="rounds over the prompts (default: %(default)s)")
    parser.add_argument(
        "--peer-processes", type=int, nargs="+", default=[], metavar="N",
        help="in 'batch' let so many processes of each peer speak at once, each in memory of its own (default: none)",
    )  # fmt: skip
    parser.add_argument("--runner", type=Path, default=REPOSITORY / "build/cpu/qwen3_tts_runner")
    parser.add_argument("--output", type=Path, help="also write everything as JSON")
    args = parser.parse_args()
    counts = (args.frames, args.repeat, args.starts, args.rounds, args.peer_repeat, *args.threads, *args.batches)
    counts += tuple(args.peer_processes)
    if min(counts) < 1 or args.warmup < 0 or args.seconds <= 0:
        parser.error("every number must be 1 or more, but --warmup 0 or more and --seconds above 0")
    if "all" in args.scenarios:
        args.scenarios = SCENARIOS
    if args.peer_processes and not (args.peer and "batch" in args.scenarios):
        parser.error("--peer-processes needs a --peer, and 'batch' among --scenarios")
    if "capacity" in args.scenarios and args.model and not args.capacity_models:
        parser.error("'capacity' compares two exports: with --model, name them with --capacity-models")
    return args


def parse_peers(args: argparse.Namespace) -> list[Peer]:
    """Raises ValueError for one that is no NAME=CMD."""
    peers = []
    for text in args.peer:
        if text == REFERENCE:
            if args.model:
                raise ValueError(f"--peer {REFERENCE} speaks from --size; for --model write NAME=CMD, see peers.py")
            # PyTorch's threads would spin while they wait, against each other where something else runs on a core.
            words: list[str | Path] = ["env", "OMP_WAIT_POLICY=passive", args.reference]
            words += [REPOSITORY / "tests/golden/peer_qwen_tts.py", "--snapshot", make_snapshot(args.size)]
            words += ["--text={text}", "--frames={frames}", "--threads={threads}", "--warmup={warmup}"]
            peers.append(Peer(REFERENCE, tuple(map(str, words))))
        else:
            peers.append(Peer.parse(text))
    return peers


def first_speaker(program: Path, model: Path) -> str:
    """The first of the model's speakers; "" when it has none."""
    return (run([program, "--model_path", model, "--list_speakers"]).stdout.splitlines() or [""])[0]


def recipe_of(program: Path, model: Path) -> dict[str, str]:
    """Stage -> choice, as the model says."""
    info = run([program, "--model_path", model, "--info"]).stdout
    found = re.search(r"^recipe\s+(.*)$", info, re.M)
    return dict(pair.split(" ", 1) for pair in found[1].split(", ")) if found else {}


def measure_speed(runner: Runner, args: argparse.Namespace) -> list[dict[str, Any]]:
    scenarios = []
    for threads in args.threads:
        for is_busy in (False, True) if args.busy else (False,):
            say(f"speed: {threads} threads, {'one core busy' if is_busy else 'quiet'}")
            scenarios.append(measure_scenario(runner, threads, is_busy, args.repeat, args.warmup, args.starts))
    return scenarios


def measure_batch(runner: Runner, peers: list[Peer], args: argparse.Namespace, threads: int) -> dict[str, Any]:
    measured = measure_batches(runner, threads, args.batches, args.repeat)
    theirs = {
        peer.name: {
            count: measure_processes(peer, runner, threads, count, args.warmup) for count in args.peer_processes
        }
        for peer in peers
    }
    return measured | {"peers": theirs}


def capacity_models(args: argparse.Namespace) -> dict[int, Path]:
    if args.capacity_models:
        return dict(zip(CAPACITIES, args.capacity_models))
    return {capacity: make_model(args.size, args.recipe, capacity)[0] for capacity in CAPACITIES}


def measure(args: argparse.Namespace, peers: list[Peer]) -> dict[str, Any]:
    about = {"machine": machine(), "versions": versions(args.runner, REPOSITORY)}  # before the load that is ours
    model, step = (args.model, None) if args.model else make_model(args.size, args.recipe)
    prompts = tuple(read_texts(args.prompts))
    runner = Runner(args.runner, model, args.speaker or first_speaker(args.runner, model), prompts, args.frames)
    threads = max(args.threads)
    compared = []
    for peer in peers:  # first, for what is wrong with a command line shows early
        say(f"peer {peer.name}")
        compared.append(measure_peer(runner, peer, threads, args.peer_repeat, args.warmup))
    measuring: dict[str, Callable[[], Any]] = {
        "speed": lambda: measure_speed(runner, args),
        "start": lambda: measure_starts(runner, threads, args.starts),
        "streaming": lambda: compare_streaming(runner, threads, args.rounds, args.warmup),
        "minute": lambda: measure_minute(runner, threads, args.seconds),
        "capacity": lambda: compare_capacities(runner, capacity_models(args), threads, args.rounds, args.warmup),
        "ten-minutes": lambda: measure_split(runner, threads, 10 * args.seconds),
        "batch": lambda: measure_batch(runner, peers, args, threads),
    }
    scenarios = {}
    for name in SCENARIOS:
        if name in args.scenarios:
            say(name)
            scenarios[name] = measuring[name]()
    return about | {
        "model": {
            "name": args.model.name if args.model else f"{args.size}, {args.recipe}",
            "recipe": recipe_of(args.runner, model),
            "file_mb": model.stat().st_size / 1e6,
        },
        "settings": {
            "prompts": prompts, "frames": args.frames, "repeat": args.repeat, "warmup": args.warmup,
            "speaker": runner.speaker, "threads": threads,
        },
        "export": asdict(step) if step else None,
        "scenarios": scenarios,
        "peers": compared,
    }  # fmt: skip


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
    print(tables([results]))
    print(f"\n{verdicts([results])}")
    if args.output:
        write_json(args.output, results)


if __name__ == "__main__":
    main()
