"""The runner with models for a GPU whose methods run on a CPU (gpu_program.py), against the modules of those."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gpu_runner
from cuda_models import SmallerCheckpoint
from gpu_program import FP32, MAX_SEQ_LEN
from qwen3_tts.export.cuda.methods import build_methods
from qwen3_tts.export.cuda.speaking import Modules, Speaker, Speech
from qwen3_tts.export.cuda.stages import load_stages
from qwen3_tts.export.prompt import Request
from qwen3_tts.recipe import FLOAT
from qwen3_tts_runtime import Engine
from qwen3_tts_runtime import Request as SpeechRequest
from qwen3_tts_runtime.server.models import Model, Models
from runner_program import call, speak

FRAMES = 8
SHORT = "Hello, runner."
LONG = "A text that makes more rows than one call of the prefill takes, of which there are one hundred. " * 7


@pytest.fixture(scope="module")
def speaker(tiny_checkpoint: Callable[[str], Path]) -> Speaker:
    checkpoint = SmallerCheckpoint(tiny_checkpoint("tiny-customvoice"))
    modules = Modules(build_methods(load_stages(checkpoint, FLOAT, FP32, MAX_SEQ_LEN)))
    return Speaker(checkpoint.config, checkpoint.tokenizer_json, modules)


def expected(
    speaker: Speaker, text: str, temperature: float, frames: int = FRAMES, seed: int = 7
) -> tuple[Speech, int]:
    """What the modules speak, and of how many prompt rows."""
    prompt = speaker.prompt(Request(text, speaker="ryan", language="english"))
    options = replace(
        speaker.config.sampling,
        temperature=temperature,
        subtalker_temperature=temperature,
        max_new_tokens=frames + 1,
    )
    return speaker.frames(prompt, options, seed=seed), len(prompt.rows)


@pytest.mark.parametrize("temperature", [0.0, 0.9])
@pytest.mark.parametrize("text", [SHORT, LONG])
@pytest.mark.parametrize(
    ("model", "stepwise"),
    [("tiny-customvoice-gpu", None), ("tiny-customvoice-gpu-two-calls", None), ("tiny-customvoice-gpu", True)],
)
def test_it_speaks_what_the_modules_speak(
    runner: Path,
    gpu_program: Callable[[str], Path],
    speaker: Speaker,
    tmp_path: Path,
    model: str,
    stepwise: bool | None,
    text: str,
    temperature: float,
) -> None:
    speech, rows = expected(speaker, text, temperature)
    assert (rows > 128) == (text == LONG)
    spoken = speak(
        runner,
        gpu_program(model),
        tmp_path,
        text=text,
        speaker="ryan",
        language="english",
        long_text="error",
        seed=7,
        max_frames=FRAMES,
        temperature=temperature,
        subtalker_temperature=temperature,
        disable_fused_cp_generate=stepwise,
    )
    assert spoken.stats["talker_tokens"] == speech.tokens
    assert np.array_equal(spoken.codes, speech.codes.numpy())
    samples = speaker.decode(speech.codes).clamp(-1, 1).numpy()
    assert np.abs(spoken.samples - samples).max() < 1 / 32767 + 1e-5  # rounded to 16 bits


def test_a_file_of_prompts_is_spoken_three_at_once(
    runner: Path, gpu_program: Callable[[str], Path], speaker: Speaker, tmp_path: Path
) -> None:
    """Each as modules for one say it, and the last ones begin when others end."""
    frames = 3
    texts = [f"Number {i} says this." for i in range(4)]
    lines, stats = tmp_path / "lines.txt", tmp_path / "stats.json"
    lines.write_text("".join(f"{json.dumps({'text': text, 'seed': seed})}\n" for seed, text in enumerate(texts)))
    flags: dict[str, Any] = {
        "model_path": gpu_program("tiny-customvoice-gpu-batch"),
        "prompts_path": lines,
        "output_dir": tmp_path,
        "speaker": "ryan",
        "language": "english",
    }
    flags |= {"temperature": 0.9, "subtalker_temperature": 0.9, "max_frames": frames}
    done = call(runner, batch=3, stats_json=stats, **flags)
    assert done.returncode == 0, done.stderr
    for seed, (text, spoken) in enumerate(zip(texts, json.loads(stats.read_text()), strict=True)):
        speech, _ = expected(speaker, text, 0.9, frames, seed)
        assert spoken["talker_tokens"] == speech.tokens
    refused = call(runner, batch=4, **flags)
    assert refused.returncode == 1
    assert b"--batch is 4, and this model speaks at most 3 at once" in refused.stderr


def test_the_package_and_the_server_speak_three_at_once(gpu_program: Callable[[str], Path], speaker: Speaker) -> None:
    frames = 2
    texts = [f"Number {i} says that." for i in range(4)]
    with Engine(gpu_program("tiny-customvoice-gpu-batch")) as engine:
        assert (engine.capacity["max_sessions"], engine.capacity["max_batch"]) == (3, 3)
        models = Models([Model("gpu", engine)])
        assert (models.places, models.max_sessions) == (3, 3)
        how = SpeechRequest(
            speaker="ryan", language="english", temperature=0.9, subtalker_temperature=0.9, max_frames=frames
        )
        requests = [SpeechRequest({**how, "text": text, "seed": seed}) for seed, text in enumerate(texts)]
        for seed, answer in engine.speak_many(requests):
            assert not isinstance(answer, Exception)
            speech, _ = expected(speaker, texts[seed], 0.9, frames, seed)
            assert np.array_equal(answer.codes, speech.codes.numpy())
        assert engine.capacity["num_sessions"] == 3


def test_the_gpu_check_hears_the_runner(runner: Path, gpu_program: Callable[[str], Path], speaker: Speaker) -> None:
    """Its figures, and that other codes are noticed."""
    request = Request(SHORT, speaker="ryan", language="english")
    model = gpu_program("tiny-customvoice-gpu")
    good = gpu_runner.measure(runner, model, request, speaker, frames=FRAMES, rounds=2)
    assert set(good) == {"frames", "same_codes", *gpu_runner.FIGURES}
    assert good["same_codes"]
    head = speaker.call.modules["talker"].talker.head.weight  # type: ignore[attr-defined]
    head.neg_()
    bad = gpu_runner.measure(runner, model, request, speaker, frames=FRAMES, rounds=1)
    head.neg_()
    assert not bad["same_codes"]
