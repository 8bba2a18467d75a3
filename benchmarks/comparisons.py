"""Two ways to speak the same, by turns, so that what else the machine does meets both."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from measuring import percentile, spread
from scenarios import Runner, Stats

Way = Callable[[], Stats]
SMALL_CHUNKS = {"first_chunk_frames": 1, "chunk_frames": 4}


def by_turns(ways: dict[str, Way], rounds: int) -> dict[str, list[Stats]]:
    """Every second round is backwards, so that none always comes first."""
    runs: dict[str, list[Stats]] = {name: [] for name in ways}
    for i in range(rounds):
        for name in list(ways) if i % 2 == 0 else reversed(list(ways)):
            runs[name].append(ways[name]())
    return runs


def ratios(first: list[float], second: list[float]) -> dict[str, float]:
    """Of medians; and of the best runs, which differ less where something else runs on the machine."""
    return {"ratio": percentile(first, 50) / percentile(second, 50), "ratio_of_best": min(first) / min(second)}


def compare_streaming(runner: Runner, threads: int, rounds: int, warmup: int) -> dict[str, Any]:
    """The longest prompt in small chunks, a first one of a frame, and all in one chunk."""
    whole = {"first_chunk_frames": runner.frames, "chunk_frames": runner.frames}
    text = max(runner.prompts, key=len)
    with tempfile.TemporaryDirectory() as folder:

        def speak(chunks: dict[str, int]) -> Stats:
            wav = Path(folder) / "speech.wav"
            flags = {"text": text, "output_dir": None, "output_wav": wav, "warmup": warmup}
            (stats,), _ = runner.speak(threads, **flags, **chunks)
            return stats | {"wav": wav.read_bytes()}

        runs = by_turns({"streamed": lambda: speak(SMALL_CHUNKS), "one_chunk": lambda: speak(whole)}, rounds)
    total = {name: [stats["total_ms"] for stats in of_way] for name, of_way in runs.items()}
    return {
        "rounds": rounds,
        "frames": runner.frames,
        "same_bytes": len({stats["wav"] for of_way in runs.values() for stats in of_way}) == 1,
        "total_ms": {name: spread(values) for name, values in total.items()},
        **ratios(total["streamed"], total["one_chunk"]),
    }


def compare_capacities(runner: Runner, models: dict[int, Path], threads: int, rounds: int, warmup: int) -> Stats:
    """The talker's step at the same positions, in exports that differ in nothing but --max-seq-len."""
    text = runner.prompts[0]
    with tempfile.TemporaryDirectory() as folder:

        def speak(model: Path) -> Stats:
            flags = {"text": text, "warmup": warmup, "codes_only": True, "codes_output": Path(folder) / "codes"}
            (stats,), _ = replace(runner, model=model).speak(threads, output_dir=None, **flags)
            return stats

        def way(model: Path) -> Way:
            return lambda: speak(model)

        runs = by_turns({str(capacity): way(model) for capacity, model in models.items()}, rounds)
    step = {name: [stats["talker_ms"] / stats["frames"] for stats in of_way] for name, of_way in runs.items()}
    small, large = (str(capacity) for capacity in (min(models), max(models)))
    return {
        "rounds": rounds,
        "frames": runner.frames,
        "prompt_rows": runs[small][0]["prompt_rows"],
        "same_codes": len({str(stats["talker_tokens"]) for of_way in runs.values() for stats in of_way}) == 1,
        "step_ms": {name: spread(values) for name, values in step.items()},
        **ratios(step[large], step[small]),
    }
