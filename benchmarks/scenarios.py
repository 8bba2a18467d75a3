"""Speaks with qwen3_tts_runner and sums up the statistics that it writes."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from etdump import read_profile
from measuring import Finished, busy_core, run, spread
from read_profile import by_stage

Stats = dict[str, Any]  # an object of --stats_json
PARTS = {
    "talker": "talker_ms",
    "code predictor": "code_predictor_ms",
    "codec decoder": "decode_ms",
    "audio sink": "sink_ms",
}
SAMPLER = "qwen3_tts::sample.out"  # inside the code predictor
BEFORE_FRAMES = ("prompt_ms", "prefill_ms")


@dataclass(frozen=True)
class Runner:
    """The program with a model. Every utterance is cut off after `frames` frames; fewer when the model ends it."""

    program: Path
    model: Path
    speaker: str
    prompts: tuple[str, ...]
    frames: int

    def speak(self, threads: int, **flags: Any) -> tuple[list[Stats], Finished]:
        """One process; `flags` say what it speaks."""
        with tempfile.TemporaryDirectory() as folder:
            stats = Path(folder) / "stats.json"
            limits = {"max_frames": self.frames, "frame_budget": 0}
            flags = {"model_path": self.model, "threads": threads, **limits, **flags}
            flags |= {"output_dir": folder, "stats_json": stats} | ({"speaker": self.speaker} if self.speaker else {})
            words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
            finished = run([self.program, *words])
            return json.loads(stats.read_text()), finished

    def speak_prompts(self, threads: int, repeat: int, warmup: int) -> tuple[list[Stats], Finished]:
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
            file.write("\n".join(self.prompts))
            file.flush()
            return self.speak(threads, prompts_path=file.name, repeat=repeat, warmup=warmup)


def measure_scenario(runner: Runner, threads: int, is_busy: bool, repeat: int, warmup: int, starts: int) -> Stats:
    """Warm: all prompts in one process. Cold: the first request of a process, the first prompt in `starts` of them."""
    with busy_core(is_busy):
        cold = [runner.speak(threads, text=runner.prompts[0])[0][0] for _ in range(starts)]
        warm, finished = runner.speak_prompts(threads, repeat, warmup)
        sampler_ms = profile_sampler(runner, threads, warmup)
    return {
        "threads": threads,
        "busy": is_busy,
        "warm": summarize(complete(warm, runner.frames)),
        "cold": summarize(complete(cold, runner.frames)),
        "sampler_ms_a_frame": sampler_ms,
        "prompts": {text: summarize(r for r in warm if r["prompt"] == text) for text in runner.prompts},
        "peak_memory_mb": asdict(finished.memory),
        "warm_runs": warm,
        "cold_runs": cold,
    }


def profile_sampler(runner: Runner, threads: int, warmup: int) -> float:
    """Milliseconds a frame for drawing the code predictor's codes, in a run of its own because recording takes time."""
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder) / "profile"
        (stats,), _ = runner.speak(threads, text=runner.prompts[0], warmup=warmup, profile=profile)
        costs = [stage.operators[SAMPLER] for stage in by_stage(read_profile(profile)).values()]
    return sum(cost.ms for cost in costs) / stats["frames"] if stats["frames"] else 0.0


def complete(runs: list[Stats], frames: int) -> list[Stats]:
    """Random weights end an utterance by chance, once in thousands of frames: such runs do not count beside others."""
    return [stats for stats in runs if stats["frames"] == frames] or runs


def summarize(runs: Iterable[Stats]) -> Stats:
    """Of runs of at least a frame: medians and 95th percentiles."""
    runs = [stats for stats in runs if stats["frames"] > 0]
    if not runs:
        return {"runs": 0}
    a_frame = {name: spread([stats[key] / stats["frames"] for stats in runs]) for name, key in PARTS.items()}
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
    """What no stage accounts for."""
    return stats["total_ms"] - sum(stats[key] for key in (*PARTS.values(), *BEFORE_FRAMES))


def measure_starts(runner: Runner, threads: int, starts: int) -> Stats:
    """Milliseconds to load the model: without a weight cache, while making one, and with it."""
    loads: dict[str, list[float]] = {"without_cache": [], "making_cache": [], "with_cache": []}
    memory: Stats = {}
    with tempfile.TemporaryDirectory(dir=runner.model.parent) as folder:
        cache = Path(folder) / "weights"
        for _ in range(starts):
            cache.unlink(missing_ok=True)
            for name in loads:
                flags = {} if name == "without_cache" else {"weight_cache": cache}
                stats, finished = runner.speak(threads, text=runner.prompts[0], max_frames=1, **flags)
                loads[name].append(stats[0]["load_ms"])
                memory[name] = asdict(finished.memory)
        cache_mb = cache.stat().st_size / 1e6
    return {
        "load_ms": {name: spread(values) for name, values in loads.items()},
        "peak_memory_mb": memory,
        "cache_mb": cache_mb,
    }
