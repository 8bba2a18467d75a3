"""Speaks with qwen3_tts_runner and sums up the statistics that it writes."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from measuring import Finished, busy_core, run, spread

Stats = dict[str, Any]  # an object of --stats_json
PARTS = {
    "talker": "talker_ms",
    "code predictor": "code_predictor_ms",
    "codec decoder": "decode_ms",
    "audio sink": "sink_ms",
}
SAMPLER = "sampler"  # a part of the first two
BEFORE_FRAMES = ("prompt_ms", "prefill_ms")


@dataclass(frozen=True)
class Runner:
    """The program with a model. Every utterance has `frames` frames, whether the model would end it or not, and is of
    one piece."""

    program: Path
    model: Path
    speaker: str
    prompts: tuple[str, ...]
    frames: int

    def speak(self, threads: int, **flags: Any) -> tuple[list[Stats], Finished]:
        """One process; `flags` say what it speaks. One that is True stands alone, one that is None is left out."""
        with tempfile.TemporaryDirectory() as folder:
            stats = Path(folder) / "stats.json"
            own = {"model_path": self.model, "threads": threads, "output_dir": folder, "stats_json": stats}
            own |= {"speaker": self.speaker or None, "frame_budget": 0, "long_text": "error"}
            own |= {"max_frames": self.frames, "min_frames": self.frames}
            finished = run([self.program, *command_line(own | flags)])
            return json.loads(stats.read_text()), finished

    def speak_prompts(self, threads: int, repeat: int, warmup: int) -> tuple[list[Stats], Finished]:
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
            file.write("\n".join(self.prompts))
            file.flush()
            return self.speak(threads, prompts_path=file.name, repeat=repeat, warmup=warmup)


def command_line(flags: dict[str, Any]) -> list[str]:
    words = []
    for name, value in flags.items():
        if value is not None:
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return words


def measure_scenario(runner: Runner, threads: int, is_busy: bool, repeat: int, warmup: int, starts: int) -> Stats:
    """Warm: all prompts in one process. Cold: the first request of a process, the first prompt in `starts` of them."""
    with busy_core(is_busy):
        cold = [runner.speak(threads, text=runner.prompts[0])[0][0] for _ in range(starts)]
        warm, finished = runner.speak_prompts(threads, repeat, warmup)
    return {
        "threads": threads,
        "busy": is_busy,
        "warm": summarize(warm),
        "cold": summarize(cold),
        "prompts": {text: summarize(r for r in warm if r["prompt"] == text) for text in runner.prompts},
        "peak_memory_mb": asdict(finished.memory),
        "warm_runs": warm,
        "cold_runs": cold,
    }


def summarize(runs: Iterable[Stats]) -> Stats:
    """Medians and 95th percentiles."""
    runs = list(runs)
    parts = PARTS | {SAMPLER: "sampler_ms"}
    a_frame = {name: spread([stats[key] / stats["frames"] for stats in runs]) for name, key in parts.items()}
    a_frame["host"] = spread([host_ms(stats) / stats["frames"] for stats in runs])
    return {
        "runs": len(runs),
        "frames": [min(stats["frames"] for stats in runs), max(stats["frames"] for stats in runs)],
        "rtf": spread([stats["rtf"] for stats in runs]),
        "ttfa_ms": spread([stats["ttfa_ms"] for stats in runs]),
        "ms_a_frame": a_frame,
        "prefill_ms": spread([stats["prefill_ms"] for stats in runs]),
    }


def host_ms(stats: Stats) -> float:
    """What no stage accounts for. What the codec decoder does beside the others is no part of the total."""
    parts = (*PARTS.values(), *BEFORE_FRAMES)
    return float(stats["total_ms"] - sum(stats[key] for key in parts) + stats["decode_ms"] - stats["decode_wait_ms"])


@dataclass(frozen=True)
class Start:
    """A way to start. Ready: the methods that speak are loaded. That may leave work to the first request, such as
    reading mapped weights, so its first sound is measured too."""

    has_cache: bool = False
    is_cache_there: bool = False
    is_model_in_memory: bool = True


STARTS = {
    "without_cache": Start(),
    "without_cache_from_disk": Start(is_model_in_memory=False),
    "making_cache": Start(has_cache=True),
    "with_cache": Start(has_cache=True, is_cache_there=True),
}


def measure_starts(runner: Runner, threads: int, starts: int) -> Stats:
    """Processes that speak one frame, by turns: without a weight cache, making one, and with it."""
    ready: dict[str, list[float]] = {name: [] for name in STARTS}
    first_sound: dict[str, list[float]] = {name: [] for name in STARTS}
    methods: dict[str, Stats] = {}
    process: dict[str, list[float]] = {name: [] for name in STARTS}
    memory: Stats = {}
    with tempfile.TemporaryDirectory(dir=runner.model.parent) as folder:
        cache = Path(folder) / "weights"
        for _ in range(starts):
            for name, start in STARTS.items():
                stats, finished = speak_a_frame(runner, threads, start, cache)
                memory[name] = asdict(finished.memory)
                process[name].append(finished.wall_s * 1000)
                ready[name].append(stats["load_ms"])
                first_sound[name].append(stats["load_ms"] + stats["ttfa_ms"])
                methods[name] = stats["methods"]
        cache_mb = cache.stat().st_size / 1e6
    return {
        "load_ms": {name: spread(values) for name, values in ready.items()},
        "to_first_sound_ms": {name: spread(values) for name, values in first_sound.items()},
        "process_ms": {name: spread(values) for name, values in process.items()},
        "methods_ms_of_last": methods,
        "peak_memory_mb": memory,
        "cache_mb": cache_mb,
    }


def speak_a_frame(runner: Runner, threads: int, start: Start, cache: Path) -> tuple[Stats, Finished]:
    if not start.is_cache_there:
        cache.unlink(missing_ok=True)
    if not start.is_model_in_memory:
        forget(runner.model)
    flags = {"weight_cache": cache} if start.has_cache else {}
    stats, finished = runner.speak(threads, text=runner.prompts[0], max_frames=1, min_frames=1, **flags)
    return stats[0], finished


def forget(file: Path) -> None:
    """Asks the system to drop a file from memory, where it can be asked."""
    if hasattr(os, "posix_fadvise"):
        with file.open("rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
