"""The C++ program on a model for a GPU: its own figures, and whether it speaks the codes that Python speaks."""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from qwen3_tts.export.cuda.speaking import Speaker
from qwen3_tts.export.prompt import Request

FIGURES = ("rtf", "ttfa_ms", "prefill_ms", "talker_ms", "decode_ms", "total_ms", "load_ms", "peak_rss_mb")
SEED = 42


def run(runner: Path, model: Path, request: Request, folder: Path, frames: int, *flags: str) -> list[dict[str, Any]]:
    """The statistics of each run, of `frames` frames. Raises subprocess.CalledProcessError with what it said."""
    stats = folder / "stats.json"
    command = [runner, "--model_path", model, "--text", request.text, "--language", request.language, "--quiet"]
    command += ["--speaker", request.speaker] if request.speaker else []
    command += ["--text_layout", "streaming" if request.streaming_text else "full", "--long_text", "error"]
    command += ["--min_frames", frames, "--max_frames", frames, "--seed", SEED, "--stats_json", stats, *flags]
    subprocess.run([str(part) for part in command], check=True, stderr=subprocess.PIPE, text=True)
    runs: list[dict[str, Any]] = json.loads(stats.read_text(encoding="utf-8"))
    return runs


def speaks_the_same(runner: Path, model: Path, request: Request, folder: Path, speaker: Speaker, frames: int) -> bool:
    """Greedily, all codes."""
    codes = folder / "greedy.codes"
    greedy = ("--temperature", "0", "--subtalker_temperature", "0")
    run(runner, model, request, folder, frames, *greedy, "--codes_only", "--codes_output", str(codes))
    values = np.fromfile(codes, dtype="<i4")
    options = replace(speaker.config.sampling, temperature=0.0, subtalker_temperature=0.0, max_new_tokens=frames + 1)
    expected = speaker.frames(speaker.prompt(request), options, SEED).codes.numpy()
    spoken = values[2:].reshape(values[0], values[1])
    return bool(np.array_equal(spoken[: len(expected)], expected))


def measure(runner: Path, model: Path, request: Request, speaker: Speaker, frames: int, rounds: int) -> dict[str, Any]:
    """speaker: of the same model, through Python. Medians of `rounds` warm runs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        flags = ("--output_dir", name, "--repeat", str(rounds), "--warmup", "1")
        runs = run(runner, model, request, folder, frames, *flags)
        same = speaks_the_same(runner, model, request, folder, speaker, frames)
    medians = {figure: statistics.median(one[figure] for one in runs) for figure in FIGURES}
    return {"frames": frames, "same_codes": same, **medians}
