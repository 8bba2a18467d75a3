#!/usr/bin/env python3
"""Exports for the NVIDIA GPU of this machine, compares the programs with the same modules in PyTorch, measures both.

Runs the compiled methods as AOTInductor containers, so ExecuTorch's CUDA runtime need not be installed; where it is,
and `cmake --preset cuda` has built the C++ program, that speaks as well. Needs no network: checkpoints are random and
made here. The report is one JSON file; the program fails when parity does.

In 4w, int4 layers run by plain operators (cuda/int4_shim.cpp), because their kernel is in ExecuTorch's runtime: the
codes can be compared, the times of talker and frame are not those of the runtime.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

logging.disable(logging.WARNING)  # torch and torchao warn about GPU parts while they are imported

import torch

import gpu_parity
import gpu_runner
import gpu_timing
from machine import machine
from qwen3_tts.atomic_output import AtomicOutput
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.cuda import target
from qwen3_tts.export.cuda.containers import Containers
from qwen3_tts.export.cuda.methods import build_methods
from qwen3_tts.export.cuda.speaking import Call, Modules, Speaker
from qwen3_tts.export.cuda.stages import Flavour, load_stages
from qwen3_tts.export.prompt import Request
from qwen3_tts.recipe import Recipe
from random_models import make_checkpoint, random_folder, run_step, say

SIZES = ("tiny-customvoice", "0.6b-customvoice")
VARIANTS = {"bf16": ("--dtype", "bf16"), "4w": ("--qlinear", "4w")}
OLDEST_TORCH = (2, 11)
MAX_SEQ_LEN = 2560
RUNNER = Path(__file__).resolve().parent.parent / "build" / "cuda" / "qwen3_tts_runner"
TEXT = "The quick brown fox jumps over the lazy dog, and everybody who saw it says so."
Baselines = dict[str, Call]


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), help="random checkpoints (default: %(default)s)")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), help="(default: both)")
    parser.add_argument("--frames", type=int, default=64, help="of 80 ms to speak (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=10, help="measurements of each figure (default: %(default)s)")
    runner = RUNNER if RUNNER.exists() else None
    parser.add_argument(
        "--runner",
        type=Path,
        default=runner,
        help="C++ program built with CUDA (default: build/cuda's, if it is there)",
    )
    parser.add_argument("--output", type=Path, default=Path("gpu-check.json"), help="the report (default: %(default)s)")
    return parser.parse_args(arguments)


def lacking() -> list[str]:
    """What this machine has not, and the check needs."""
    found = tuple(int(part) for part in torch.__version__.split(".")[:2])
    too_old = [f"torch {'.'.join(map(str, OLDEST_TORCH))} or newer; this is {torch.__version__}"]
    return (too_old if found < OLDEST_TORCH else []) + list(target.missing())


def request_for(checkpoint: Checkpoint) -> Request:
    return Request(TEXT, speaker=next(iter(checkpoint.config.speakers), ""))


def compare(
    compiled: Call, baselines: Baselines, checkpoint: Checkpoint, device: str, frames: int, rounds: int
) -> dict[str, Any]:
    """Parity with baselines["eager"], and the times of all."""
    config = checkpoint.config
    speakers = {
        name: Speaker(config, checkpoint.tokenizer_json, call)
        for name, call in {"compiled": compiled, **baselines}.items()
    }
    prompt = speakers["eager"].prompt(request_for(checkpoint))
    say("parity")
    report: dict[str, Any] = {
        "prompt_rows": len(prompt.rows),
        "parity": gpu_parity.parity(speakers["compiled"], speakers["eager"], prompt, config.sampling, frames),
    }
    for name, speaker in speakers.items():
        say(f"time {name}")
        try:
            report[name] = {
                "methods": gpu_timing.method_times(speaker.call, config, device, rounds),
                "speech": gpu_timing.speech_times(speaker, prompt, config.sampling, device, frames, rounds),
            }
        except RuntimeError as error:  # of torch.compile: the report is about the program, so it goes on
            if name != "torch_compile":
                raise
            report[name] = {"error": str(error).splitlines()[0]}
    return report


def compile_modules(modules: Modules) -> Modules:
    """The same modules through torch.compile, with its own CUDA graphs."""
    compiled = Modules([], modules.device)
    compiled.modules = {
        name: torch.compile(module, mode="reduce-overhead")  # type: ignore[misc]
        for name, module in modules.modules.items()
    }
    return compiled


def eager_modules(checkpoint: Checkpoint, variant: str) -> Modules:
    is_narrow = variant == "4w"
    recipe = Recipe(talker="4w" if is_narrow else "none")
    return Modules(build_methods(load_stages(checkpoint, recipe, Flavour(torch.bfloat16), MAX_SEQ_LEN)), "cuda")


def export(size: str, variant: str) -> tuple[Path, dict[str, Any]]:
    checkpoint, model = make_checkpoint(size), random_folder(size) / f"cuda-{variant}.pte"
    flags = ["--backend", "cuda", "--max-seq-len", str(MAX_SEQ_LEN), *VARIANTS[variant]]
    step = run_step(f"export {model.name}", "export_unified.py", "--checkpoint", checkpoint, "--output", model, *flags)
    manifest = json.loads(model.with_suffix(".manifest.json").read_text(encoding="utf-8"))
    sizes = {"program_mb": manifest["bytes"] / 1e6, "weights_mb": manifest["data"]["bytes"] / 1e6}
    return model, {"seconds": step.seconds, "host_peak_gb": step.peak_gb, **sizes, "not_int4": manifest["not_int4"]}


def with_memory(run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `run` reports, and the most GPU memory that it had, weights included."""
    torch.cuda.reset_peak_memory_stats()
    report = run()
    return report | {"gpu_peak_mb": torch.cuda.max_memory_allocated() / 1e6}


def check_variant(size: str, variant: str, runner: Path | None, frames: int, rounds: int) -> dict[str, Any]:
    model, exported = export(size, variant)
    checkpoint = Checkpoint(make_checkpoint(size))
    with tempfile.TemporaryDirectory() as folder:
        containers = Containers(model, model.with_suffix(".ptd"), Path(folder), "cuda")
        gpu_mb = torch.cuda.memory_allocated() / 1e6
        eager = eager_modules(checkpoint, variant)
        baselines: Baselines = {"eager": eager, "torch_compile": compile_modules(eager)}
        report = with_memory(lambda: compare(containers, baselines, checkpoint, "cuda", frames, rounds))
        if runner is not None:
            say(f"run {runner.name}")
            speaker = Speaker(checkpoint.config, checkpoint.tokenizer_json, containers)
            report["runner"] = gpu_runner.measure(runner, model, request_for(checkpoint), speaker, frames, rounds)
    kernel = "plain operators, slower than the runtime's" if variant == "4w" else "none"
    return {"export": exported, "weights_on_gpu_mb": gpu_mb, "int4_kernel": kernel, **report}


def main() -> int:
    args = parse_args()
    if needs := lacking():
        print("gpu_check.py: this machine has not what the check needs:", file=sys.stderr)
        print("\n".join(f"  - {need}" for need in needs), file=sys.stderr)
        return 2
    import executorch.backends.cuda.quantize_op_dispatch  # noqa: F401  (the eager int4 layers call its operator)

    report: dict[str, Any] = {
        "machine": machine(),
        "gpu": {"arch": target.architecture(), "torch": torch.__version__, **target.versions()},
        "results": {
            size: {
                variant: check_variant(size, variant, args.runner, args.frames, args.rounds)
                for variant in args.variants
            }
            for size in args.sizes
        },
    }
    with AtomicOutput(args.output) as file:
        file.write((json.dumps(report, indent=2) + "\n").encode())
    failed = failures(report["results"])
    print("\n".join(failed) or "parity holds", file=sys.stderr)
    return 1 if failed else 0


def failures(results: dict[str, dict[str, dict[str, Any]]]) -> list[str]:
    """One line for each program that is not what PyTorch says, or speaks otherwise in C++."""
    return [
        f"{size} {variant}: beyond its limit: {', '.join(failed)}"
        for size, variants in results.items()
        for variant, found in variants.items()
        if (failed := failed_of(variant, found))
    ]


def failed_of(variant: str, found: dict[str, Any]) -> list[str]:
    """In 4w, Python's int4 layers are not the runtime's kernel, and its codes may be others."""
    has_same_kernels = variant != "4w" and "runner" in found
    runner = ["runner_codes"] if has_same_kernels and not found["runner"]["same_codes"] else []
    return [*found["parity"]["failed"], *runner]


if __name__ == "__main__":
    sys.exit(main())
