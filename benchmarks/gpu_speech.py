"""The whole program for a GPU: exported with its tokenizer, spoken by from Python and from C++, and measured."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import torch

import gpu_parity
import gpu_runner
import gpu_timing
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.cuda.methods import build_methods
from qwen3_tts.export.cuda.speaking import Call, Modules, Speaker
from qwen3_tts.export.cuda.stages import Flavour, load_stages
from qwen3_tts.export.prompt import Request
from qwen3_tts.recipe import Recipe
from random_models import make_checkpoint, random_folder, run_step, say

FLAGS = {"bf16": ("--dtype", "bf16"), "4w": ("--qlinear", "4w")}
MAX_SEQ_LEN = 2560
TEXT = "The quick brown fox jumps over the lazy dog, and everybody who saw it says so."


def request_for(checkpoint: Checkpoint) -> Request:
    return Request(TEXT, speaker=next(iter(checkpoint.config.speakers), ""))


def compare(
    compiled: Call, eager: Call, checkpoint: Checkpoint, device: str, frames: int, rounds: int
) -> dict[str, Any]:
    """Parity of both, and their times."""
    config = checkpoint.config
    speakers = {
        name: Speaker(config, checkpoint.tokenizer_json, call)
        for name, call in {"compiled": compiled, "eager": eager}.items()
    }
    prompt = speakers["eager"].prompt(request_for(checkpoint))
    report: dict[str, Any] = {
        "prompt_rows": len(prompt.rows),
        "parity": gpu_parity.parity(speakers["compiled"], speakers["eager"], prompt, config.sampling, frames),
    }
    for name, speaker in speakers.items():
        report[name] = {
            "methods": gpu_timing.method_times(speaker.call, config, device, rounds),
            "speech": gpu_timing.speech_times(speaker, prompt, config.sampling, device, frames, rounds),
        }
    return report


def export(size: str, variant: str) -> tuple[Path, dict[str, Any]]:
    checkpoint, model = make_checkpoint(size), random_folder(size) / f"cuda-{variant}.pte"
    flags = ["--backend", "cuda", "--max-seq-len", str(MAX_SEQ_LEN), *FLAGS[variant]]
    step = run_step(f"export {model.name}", "export_unified.py", "--checkpoint", checkpoint, "--output", model, *flags)
    manifest = json.loads(model.with_suffix(".manifest.json").read_text(encoding="utf-8"))
    sizes = {"program_mb": manifest["bytes"] / 1e6, "weights_mb": manifest["data"]["bytes"] / 1e6}
    return model, {"seconds": step.seconds, "host_peak_gb": step.peak_gb, **sizes, "not_int4": manifest["not_int4"]}


def check(size: str, variant: str, runner: Path | None, frames: int, rounds: int) -> dict[str, Any]:
    import executorch.backends.cuda.quantize_op_dispatch  # noqa: F401  (the eager int4 layers call its operator)

    from qwen3_tts.export.cuda.containers import Containers

    model, exported = export(size, variant)
    checkpoint = Checkpoint(make_checkpoint(size))
    with tempfile.TemporaryDirectory() as folder:
        containers = Containers(model, model.with_suffix(".ptd"), Path(folder), "cuda")
        gpu_mb = torch.cuda.memory_allocated() / 1e6
        recipe = Recipe(talker="4w" if variant == "4w" else "none")
        stages = load_stages(checkpoint, recipe, Flavour(torch.bfloat16), MAX_SEQ_LEN)
        report = compare(containers, Modules(build_methods(stages), "cuda"), checkpoint, "cuda", frames, rounds)
        if runner is not None:
            say(f"run {runner.name}")
            speaker = Speaker(checkpoint.config, checkpoint.tokenizer_json, containers)
            report["runner"] = gpu_runner.measure(runner, model, request_for(checkpoint), speaker, frames, rounds)
    kernel = "plain operators, slower than the runtime's" if variant == "4w" else "none"
    peak = torch.cuda.max_memory_allocated() / 1e6
    return {"export": exported, "weights_on_gpu_mb": gpu_mb, "gpu_peak_mb": peak, "int4_kernel": kernel, **report}
