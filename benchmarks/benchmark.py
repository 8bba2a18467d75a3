#!/usr/bin/env python3
"""Measure the runner on a full-size model: speed by stage, first sound, load time, memory and file size.

    python benchmarks/benchmark.py --size 0.6b-base                 # a random checkpoint, made, converted and exported
    python benchmarks/benchmark.py --model model.pte --speaker ryan  # a model of your own

Random weights speak noise, as fast as trained ones speak. Every prompt of benchmarks/prompts.txt is spoken --repeat
times in one process, after one round that is not counted.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
RECIPE = ("--recipe", "balanced")
STAGES = ("talker_ms", "code_predictor_ms", "decode_ms", "sink_ms")


@dataclass(frozen=True)
class Step:
    seconds: float
    peak_gb: float  # of the largest process so far


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--size", default="0.6b-base", help="random checkpoint to measure (default: %(default)s)")
    source.add_argument("--model", type=Path, help="an exported model.pte instead")
    parser.add_argument("--speaker", help="for a CustomVoice model")
    parser.add_argument("--threads", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--repeat", type=int, default=3, help="counted rounds over the prompts (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=64, help="frames of speech a prompt (default: %(default)s)")
    parser.add_argument("--runner", type=Path, default=REPOSITORY / "build/cpu/qwen3_tts_runner")
    parser.add_argument("--output", type=Path, help="also write everything as JSON")
    return parser.parse_args()


def run_step(name: str, *command: str | Path) -> Step:
    """Run a program of the repository, its progress on the terminal."""
    print(f"== {name}", file=sys.stderr, flush=True)
    started = time.monotonic()
    subprocess.run([sys.executable, *map(str, command)], check=True, cwd=REPOSITORY)
    peak_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return Step(time.monotonic() - started, peak_kib * 1024 / 1e9)


def make_model(size: str) -> tuple[Path, Step | None]:
    """A random checkpoint of `size`, exported with the default recipe; the export's cost when it was made now."""
    folder = REPOSITORY / "build" / "benchmark" / size
    model = folder / "model.pte"
    if model.exists():
        return model, None
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "checkpoint").exists():
        run_step("random checkpoint", "tests/random_checkpoint.py", "--size", size, "--out", folder / "snapshot")
        run_step("convert", "convert_weights.py", folder / "snapshot", "--output-dir", folder / "checkpoint")
    return model, run_step(
        "export", "export_unified.py", "--checkpoint", folder / "checkpoint", "--output", model, *RECIPE
    )


def speak(args: argparse.Namespace, model: Path) -> list[dict[str, Any]]:
    """The runner's statistics of every counted run."""
    with tempfile.TemporaryDirectory() as folder:
        stats = Path(folder) / "stats.json"
        command = [args.runner, "--model_path", model, "--prompts_path", REPOSITORY / "benchmarks/prompts.txt"]
        command += ["--output_dir", folder, "--stats_json", stats, "--repeat", args.repeat + 1]
        command += ["--threads", args.threads, "--max_new_tokens", args.frames + 1]
        if args.speaker:
            command += ["--speaker", args.speaker]
        print("== speak", file=sys.stderr, flush=True)
        subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
        runs = json.loads(stats.read_text())
    return runs[len(runs) // (args.repeat + 1) :]


def summarize(runs: list[dict[str, Any]]) -> list[tuple[str, str]]:
    frames = [run["frames"] for run in runs]
    rows = [
        ("RTF, median of runs (worst)", f"{median([r['rtf'] for r in runs]):.3f} ({max(r['rtf'] for r in runs):.3f})"),
        ("first sound, ms", f"{median([run['ttfa_ms'] for run in runs]):.0f}"),
        ("frames a run", f"{min(frames)}–{max(frames)}"),
    ]
    rows += [
        (
            f"{stage.removesuffix('_ms').replace('_', ' ')}, ms a frame",
            f"{median([r[stage] / r['frames'] for r in runs]):.1f}",
        )
        for stage in STAGES
    ]
    rows.append(("prefill, ms a prompt row", f"{median([run['prefill_ms'] / run['prompt_rows'] for run in runs]):.1f}"))
    rows.append(("load, ms", f"{runs[0]['load_ms']:.0f}"))
    rows.append(("peak memory, MB", f"{max(run['peak_rss_mb'] for run in runs):.0f}"))
    return rows


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def main() -> None:
    args = parse_args()
    model, step = (args.model, None) if args.model else make_model(args.size)
    runs = speak(args, model)
    rows = [("model", str(args.model or args.size)), ("processor", f"{processor()}, {args.threads} threads")]
    if step is not None:
        rows.append(("export", f"{step.seconds:.0f} s, {step.peak_gb:.1f} GB"))
    rows += [("model.pte, MB", f"{model.stat().st_size / 1e6:.0f}"), *summarize(runs)]
    print("| | |\n|---|---|")
    for name, value in rows:
        print(f"| {name} | {value} |")
    if args.output:
        args.output.write_text(json.dumps({"summary": dict(rows), "runs": runs}, indent=2) + "\n")


if __name__ == "__main__":
    main()
