#!/usr/bin/env python3
"""Measure what the Python package costs beside the C++ program: starts, first sound, all, memory.

    make wheel build && python benchmarks/python_package.py --model model.pte --speaker ryan

The wheel is installed in an environment of its own. Program and package speak the same text by turns, each in a new
process that speaks it several times and drops the samples. Prints a Markdown table of medians over --rounds processes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from measuring import Finished, run
from random_models import REPOSITORY

REQUESTS = 6  # of a process: the first one, and those of a warm engine

SPEAK = """
import json, sys, time
began = time.perf_counter()
import numpy
with_numpy = time.perf_counter()
import qwen3_tts_runtime
imported = time.perf_counter()
request, num_requests = json.loads(sys.argv[1]), int(sys.argv[2])
engine = qwen3_tts_runtime.Engine(request.pop("model_path"), num_threads=request.pop("threads"))
opened = time.perf_counter()
seed = request.pop("seed")
spoken = []
for index in range(num_requests):
    asked = time.perf_counter()
    chunks = engine.stream(**request, seed=seed + index)
    next(chunks)
    first = time.perf_counter()
    for chunk in chunks:
        pass
    spoken.append({"ttfa_ms": 1000 * (first - asked), "total_ms": 1000 * (time.perf_counter() - asked)})
times = {"import_numpy_ms": with_numpy - began, "import_ms": imported - with_numpy, "load_ms": opened - imported}
print(json.dumps([{name: 1000 * seconds for name, seconds in times.items()}, spoken]))
"""

ROWS = {
    "import numpy, ms": "import_numpy_ms",
    "import the package, ms": "import_ms",
    "open the engine, ms": "load_ms",
    "first request to first sound, ms": "first_ttfa_ms",
    "first request to its end, ms": "first_total_ms",
    "request to first sound later, ms": "warm_ttfa_ms",
    "request to its end later, ms": "warm_total_ms",
    "process from start to end, ms": "wall_ms",
    "peak memory, MB": "peak_mb",
}
Figures = dict[str, float]
Request = dict[str, str | int]


def measure_program(runner: Path, request: Request) -> Figures:
    """`request`: flags of the runner by name."""
    with tempfile.TemporaryDirectory() as folder:
        stats = Path(folder, "stats.json")
        flags = [word for name, value in request.items() for word in (f"--{name}", str(value))]
        flags += ["--repeat", str(REQUESTS), "--stdout", "f32le", "--quiet"]
        finished = run(["sh", "-c", 'exec "$@" >/dev/null', "sh", runner, *flags, "--stats_json", stats])
        spoken = json.loads(stats.read_text())
    return {"load_ms": spoken[0]["load_ms"]} | of_requests(spoken) | of_process(finished)


def measure_package(python: Path, request: Request) -> Figures:
    finished = run([python, "-I", "-c", SPEAK, json.dumps(request), str(REQUESTS)])
    times, spoken = json.loads(finished.stdout)
    return times | of_requests(spoken) | of_process(finished)


def of_requests(spoken: list[Figures]) -> Figures:
    first, *others = spoken
    names = ("ttfa_ms", "total_ms")
    warm = {f"warm_{name}": median(other[name] for other in others) for name in names}
    return {f"first_{name}": first[name] for name in names} | warm


def of_process(finished: Finished) -> Figures:
    return {"wall_ms": 1000 * finished.wall_s, "peak_mb": finished.memory.total}


def install(wheel: Path, folder: str) -> Path:
    """The Python of an environment that has the wheel, and what it needs."""
    venv.create(folder, with_pip=False)
    python = Path(folder, "bin", "python")
    subprocess.run([sys.executable, "-m", "pip", "--python", python, "install", "--quiet", wheel], check=True)
    return python


def median_of(rounds: Iterable[Figures], name: str) -> str:
    """An empty string for what there is none of."""
    values = [figures[name] for figures in rounds if name in figures]
    return f"{median(values):.1f}" if values else ""


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--speaker", help="of a CustomVoice model")
    parser.add_argument("--text", default="The train to London leaves at 6:45.", help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=42, help="of the first request (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=0, help="0: all cores (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="processes of each (default: %(default)s)")
    parser.add_argument("--runner", type=Path, default=REPOSITORY / "build" / "cpu" / "qwen3_tts_runner")
    parser.add_argument("--wheels", type=Path, default=REPOSITORY / "build" / "wheels", help="folder of the wheel")
    return parser.parse_args()


def main() -> None:
    arguments = parse_args()
    request: Request = {"model_path": str(arguments.model), "text": arguments.text, "threads": arguments.threads}
    request |= {"seed": arguments.seed} | ({"speaker": arguments.speaker} if arguments.speaker else {})
    (wheel,) = arguments.wheels.glob("*.whl")
    with tempfile.TemporaryDirectory() as folder:
        python = install(wheel, folder)
        rounds = [
            (measure_program(arguments.runner, request), measure_package(python, request))
            for _ in range(arguments.rounds)
        ]
    print("| | program | package |\n|---|---|---|")
    for row, name in ROWS.items():
        print(f"| {row} | {' | '.join(median_of(figures, name) for figures in zip(*rounds))} |")


if __name__ == "__main__":
    main()
