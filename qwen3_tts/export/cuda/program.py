"""From a checkpoint to `model.pte` and `model.ptd`, for the GPU that is present."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from qwen3_tts.atomic_output import AtomicOutput
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.cuda import target
from qwen3_tts.export.cuda.artifacts import build_cuda_manifest, cuda_contract
from qwen3_tts.export.cuda.lowering import lower, write_weights
from qwen3_tts.export.cuda.methods import build_methods
from qwen3_tts.export.cuda.stages import Flavour, load_stages
from qwen3_tts.export.file_digests import digested
from qwen3_tts.export.flags import manifest_path
from qwen3_tts.export.lowering import Report
from qwen3_tts.recipe import GPU_DTYPES, Recipe


def data_path(output: Path) -> Path:
    """Of the weights that belong to the program `output`."""
    return output.with_suffix(".ptd")


def write_cuda_program(
    checkpoint: Checkpoint,
    recipe: Recipe,
    constants: dict[str, Any],
    output: Path,
    flags: dict[str, Any],
    report: Report,
) -> dict[str, Any]:
    """Write both files; returns the manifest.

    flags: as it shows them, with dtype, gpu_arch, max_seq_len and batch, which is None for one utterance at a time.
    """
    batch = flags["batch"] or 1
    flavour = Flavour(getattr(torch, GPU_DTYPES[flags["dtype"]]), kernels=True)
    stages = load_stages(checkpoint, recipe, flavour, flags["max_seq_len"], batch)
    skipped = stages.skipped
    if skipped:
        report(f"in {flags['dtype']}, their inputs are no multiple of 256: {', '.join(skipped)}", "keep")
    methods = build_methods(stages)
    of_gpu = cuda_contract(methods, gpu_arch=flags["gpu_arch"], dtype=flags["dtype"], batch=batch)
    del stages  # the methods alone hold the weights now, and lower() lets them go
    program = lower(methods, constants | {"cuda": json.dumps(of_gpu)}, report)
    report(output.name, "write")
    outdated = [manifest_path(output), data_path(output)]  # of a program that stood there
    with AtomicOutput(data_path(output)) as data, AtomicOutput(output, outdated) as file:
        with digested(data) as digested_data:
            write_weights(program, digested_data)
        with digested(file) as digested_file:
            program.write_to_file(digested_file)
    del program
    report("manifest", "write")
    return build_cuda_manifest(output, data_path(output), flags, target.versions(), skipped)
