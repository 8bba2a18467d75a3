#!/usr/bin/env python3
"""The checks of the CUDA export that need no GPU, on a full-size model (tests/test_cuda_*.py have them on tiny ones).

    python tests/full_size_cuda.py [--size 0.6b-base] [--checks flavour lowering launches containers] [--groups 16]

flavour     the GPU's stages eagerly in fp32 against the CPU's: tokens and codes equal, samples within 1e-5
lowering    the whole export in 4w but the compilation of kernels: the static check of every program, one delegate a
            method, only copies around it
launches    how many kernels a frame launches, from the code that is generated for an sm_90: at most 700
containers  the same programs in fp32, compiled for the CPU and run as a runtime would: tokens and codes equal to the
            eager modules', by `frame` and by `talker` and `cp_generate`
Says how long each took and the most memory so far. --groups: the first code groups alone, because a frame is unrolled
over all of them.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

import gpu_program
from cuda_launches import count
from cuda_models import SmallerCheckpoint
from cuda_without_gpu import NoKernels
from full_size_parity import FOLDER, REPOSITORY, make_checkpoint, say
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.cuda import lowering, target
from qwen3_tts.export.cuda.containers import Containers
from qwen3_tts.export.cuda.methods import build_methods
from qwen3_tts.export.cuda.program import write_cuda_program
from qwen3_tts.export.cuda.speaking import Call, Modules, Speaker, Speech
from qwen3_tts.export.cuda.stages import CHUNK_FRAMES, Flavour, load_stages
from qwen3_tts.export.lowering import export_methods
from qwen3_tts.export.model import Model
from qwen3_tts.export.prompt import Request
from qwen3_tts.export.reference import Synthesizer
from qwen3_tts.recipe import FLOAT, Recipe
from qwen3_tts.text_tokenizer import TextTokenizer
from without_gpu import compiling_with, cpu_kernels

FP32 = Flavour(torch.float32, torch.float32)
MAX_SEQ_LEN, FRAMES, SEED = 512, 3, 3
REQUEST = Request("It says the same.")
NUM_METHODS = 10
COPIES = {"et_copy::_h2d_copy", "et_copy::_d2h_copy"}
COUNTED = ("talker", "frame", "cp_generate", "decode_audio", "decode_chunk")
MOST_LAUNCHES = 700
COMPILED = (
    "encode_text",
    "codec_embed",
    "talker_prefill",
    "talker",
    "frame",
    "cp_generate",
    "decode_audio",
    "decode_chunk",
)


def speaker_of(checkpoint: Checkpoint, call: Call) -> Speaker:
    return Speaker(checkpoint.config, checkpoint.tokenizer_json, call)


def eager(checkpoint: Checkpoint) -> Speaker:
    return speaker_of(checkpoint, Modules(build_methods(load_stages(checkpoint, FLOAT, FP32, MAX_SEQ_LEN))))


def greedy(checkpoint: Checkpoint) -> Any:
    return replace(checkpoint.config.sampling, temperature=0.0, subtalker_temperature=0.0, max_new_tokens=FRAMES + 1)


def require(holds: bool, what: str) -> None:
    if not holds:
        raise SystemExit(f"full_size_cuda.py: {what}")


def check_flavour(checkpoint: Checkpoint) -> None:
    synthesizer = Synthesizer(Model(checkpoint, FLOAT), TextTokenizer(checkpoint.tokenizer_json))
    expected = synthesizer.synthesize(REQUEST, greedy(checkpoint), SEED)
    speaker = eager(checkpoint)
    spoken = speaker.frames(speaker.prompt(REQUEST), greedy(checkpoint), SEED)
    require(spoken.tokens == expected.talker_tokens, "the flavours' tokens differ")
    require(spoken.codes.tolist() == expected.codes.tolist(), "the flavours' codes differ")
    error = (speaker.decode(spoken.codes) - expected.samples).abs().max().item()
    require(error < 1e-5, f"the flavours' samples differ by {error:.1e}")
    print(f"{len(spoken.codes)} frames equal, samples within {error:.0e}")


def check_lowering(checkpoint: Checkpoint) -> None:
    """The static check is a part of the export."""
    arch = gpu_program.GPU_ARCH
    flags = {"backend": "cuda", "dtype": "bf16", "gpu_arch": arch, "max_seq_len": MAX_SEQ_LEN, "batch": None}
    versions = {"gpu": "none", "cuda": "none", "triton": "none"}
    with (
        tempfile.TemporaryDirectory(dir=REPOSITORY / "build") as folder,
        patch.object(target, "versions", lambda: versions),
        compiling_with(NoKernels(), triton=True),
    ):
        path = Path(folder) / "model.pte"
        manifest = write_cuda_program(checkpoint, Recipe(talker="4w"), {"contract": "{}"}, path, flags, report)
    methods = manifest["methods"]
    require(len(methods) == NUM_METHODS, f"{len(methods)} methods")
    for name, method in methods.items():
        require(method["delegates"] == 1, f"{name} has {method['delegates']} delegates")
        require(set(method["operators"]) == COPIES, f"{name} has {method['operators']} around its delegate")
    print(f"{NUM_METHODS} methods of one delegate each; {manifest['data']['bytes'] / 1e6:.0f} MB of weights and caches")


def report(method: str, step: str) -> None:
    say(f"{step} {method}")


def check_launches(checkpoint: Checkpoint) -> None:
    """In bfloat16, as `frame` and `decode_chunk` are called: the codec decodes four frames at a time."""
    stages = load_stages(checkpoint, Recipe(), Flavour(torch.bfloat16, kernels=True), MAX_SEQ_LEN)
    found = {}
    for method in build_methods(stages):
        if method.name in COUNTED:
            with torch.no_grad():
                programs = export_methods([method], report)
            report(method.name, "count launches of")
            found[method.name] = count(programs[method.name]).total()
    for name, launches in found.items():
        print(f"{name}: {launches} launches")
    per_frame = found["frame"] + found["decode_chunk"] / CHUNK_FRAMES
    require(per_frame <= MOST_LAUNCHES, f"a frame is {per_frame:.0f} launches")


def check_containers(checkpoint: Checkpoint) -> None:
    spoken = eager(checkpoint)
    expected = [getattr(spoken, way)(spoken.prompt(REQUEST), greedy(checkpoint), SEED) for way in WAYS]
    samples = spoken.decode(expected[0].codes)
    del spoken
    with tempfile.TemporaryDirectory(dir=REPOSITORY / "build") as name:
        folder = Path(name)
        speaker = speaker_of(checkpoint, compile_for_cpu(checkpoint, folder))
        for way, speech in zip(WAYS, expected):
            made: Speech = getattr(speaker, way)(speaker.prompt(REQUEST), greedy(checkpoint), SEED)
            require(made.tokens == speech.tokens, f"{way}: the containers' tokens differ")
            require(made.codes.tolist() == speech.codes.tolist(), f"{way}: the containers' codes differ")
        error = (speaker.decode(expected[0].codes) - samples).abs().max().item()
    require(error < 1e-5, f"the containers' samples differ by {error:.1e}")
    print(f"{len(expected[0].codes)} frames equal, both ways; samples within {error:.0e}")


WAYS = ("frames", "frames_by_two_methods")


def compile_for_cpu(checkpoint: Checkpoint, folder: Path) -> Containers:
    stages = load_stages(checkpoint, FLOAT, FP32, MAX_SEQ_LEN)
    methods = [method for method in build_methods(stages) if method.name in COMPILED]
    del stages
    program, data = folder / "model.pte", folder / "model.ptd"
    # The static check wants bfloat16, which the CPU's kernels would round otherwise.
    with compiling_with(cpu_kernels, triton=False), patch.object(lowering, "check_programs", lambda *_: None):
        lowered = lowering.lower(methods, {"contract": "{}"}, report)
    with program.open("wb") as file, data.open("wb") as weights:
        lowered.write_to_file(file)
        lowering.write_weights(lowered, weights)
    return Containers(program, data, folder, "cpu")


CHECKS: dict[str, Callable[[Checkpoint], None]] = {
    "flavour": check_flavour,
    "lowering": check_lowering,
    "launches": check_launches,
    "containers": check_containers,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="0.6b-base", help="random checkpoint (default: %(default)s)")
    parser.add_argument("--checks", nargs="+", choices=CHECKS, default=list(CHECKS), help="(default: all)")
    parser.add_argument("--groups", type=int, help="code groups (default: the checkpoint's)")
    args = parser.parse_args()
    folder = make_checkpoint(FOLDER, args.size)
    for name in args.checks:
        checkpoint = Checkpoint(folder) if args.groups is None else SmallerCheckpoint(folder, args.groups, layers=None)
        started = time.monotonic()
        say(name)
        CHECKS[name](checkpoint)
        peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        print(f"{name}: {time.monotonic() - started:.0f} s, at most {peak * 1024 / 1e9:.1f} GB", flush=True)


if __name__ == "__main__":
    main()
