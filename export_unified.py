#!/usr/bin/env python3
"""Export a checkpoint folder (made by convert_weights.py) to one ExecuTorch program that speaks.

The .pte holds the methods of model.py, every weight once, the text tokenizer and the contract with the runner.
A manifest is written beside it. Of a Base checkpoint, the voice encoders go to a program of their own.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

logging.disable(logging.WARNING)  # torch and torchao warn about GPU parts while they are imported

import torch

from qwen3_tts.atomic_output import AtomicOutput
from qwen3_tts.config import ModelConfig
from qwen3_tts.contract import build_contract
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.cuda import flags as cuda_flags
from qwen3_tts.export.cuda import target
from qwen3_tts.export.cuda.stages import DECODE_FRAMES, DTYPES, PREFILL_ROWS
from qwen3_tts.export.lowering import BACKENDS, lower
from qwen3_tts.export.manifest import build_manifest
from qwen3_tts.export.methods import Method
from qwen3_tts.export.model import MAX_DECODE_FRAMES, MAX_ROWS, Model
from qwen3_tts.export.quantize.recipe import (
    CONVOLUTION_CHOICES,
    EMBEDDING_CHOICES,
    KV_CACHE_DTYPES,
    LINEAR_CHOICES,
    RECIPES,
    Recipe,
    code_predictor_choice,
    codec_embedding_choice,
    heads_choice,
)
from qwen3_tts.export.voice_encoder import VoiceEncoder
from qwen3_tts.text_tokenizer import TextTokenizer, tokenizer_tables

EXAMPLES = """examples:
  python export_unified.py --checkpoint checkpoint --output model.pte --recipe balanced
  python export_unified.py --checkpoint checkpoint --output exact.pte        # fp32, exact to the reference
  python export_unified.py --checkpoint checkpoint --output model.pte --recipe balanced --qlinear-talker 8da8w
  python export_unified.py --checkpoint checkpoint --voice-encoder voice_encoder.pte # Base: to make voices with
"""
GROUP_SIZES = (32, 64, 128, 256)
SPEECH_FRAMES = 2048  # of room in the default cache, beside a prompt
PROMPT_ROWS = 512
CUDA_FLAGS = ("dtype", "gpu_arch")
NO_MODEL_FLAGS = ("checkpoint", "output", "voice_encoder", "qlinear_voice_encoder")


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder written by convert_weights.py")
    parser.add_argument("--output", type=Path, help="the .pte to write that speaks; its manifest goes beside it")
    parser.add_argument(
        "--voice-encoder",
        type=Path,
        metavar="PATH",
        help="the .pte to write that turns recordings into voices (Base checkpoints); alone or with --output",
    )
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        default="xnnpack",
        help="xnnpack: laptop and phone CPUs; portable: plain C++ kernels, fp32 only, slow; cuda: the NVIDIA GPU of "
        "this machine, weights in a .ptd beside the .pte (default: %(default)s)",
    )
    parser.add_argument(
        "--recipe",
        choices=RECIPES,
        default="exact",
        help="exact: fp32, the reference's codes; quality: 8 bits, codec fp32; balanced: talker and text rows 4 bits, "
        "code predictor 6, codec fp32; small: code predictor 5 bits and codec int8 too (default: %(default)s). The "
        "flags below change single stages",
    )
    parser.add_argument(
        "--qlinear",
        choices=LINEAR_CHOICES,
        help="linear layers: 8da4w = int4 talker, int6 code predictor, int8 heads; 8da5w, 8da6w = both int5 or "
        "int6, int8 heads; 8da8w = int8; 4w (cuda) = int4 talker, the others in bf16; none = --dtype",
    )
    parser.add_argument(
        "--qlinear-group-size",
        type=int,
        choices=GROUP_SIZES,
        help="weights that share a scale in linear layers (default: 32)",
    )
    for stage, what in (
        ("talker", "the talker's layers; overrides --qlinear"),
        ("code-predictor", "the code predictor's layers; overrides --qlinear"),
        ("heads", "the talker's head and the code predictor's heads; overrides --qlinear"),
        ("codec", "the codec decoder's linear layers"),
    ):
        parser.add_argument(f"--qlinear-{stage}", choices=LINEAR_CHOICES, help=what)
    parser.add_argument(
        "--qconv-codec",
        choices=CONVOLUTION_CHOICES,
        help="the codec decoder's convolutions: int8 = weights and signals, 16 bits where a frame is at most four "
        "columns; its linear layers too, unless --qlinear-codec says otherwise; less than half of the size, and faster",
    )
    parser.add_argument(
        "--qlinear-voice-encoder",
        choices=("none", "8da8w"),
        help="linear layers of the voice encoders (default: none; --qlinear does not change it)",
    )
    parser.add_argument(
        "--qembedding",
        choices=EMBEDDING_CHOICES,
        help="text rows: 4w = int4 in groups of 32, 8w = int8; code rows are int8 with either",
    )
    parser.add_argument(
        "--kv-cache",
        choices=KV_CACHE_DTYPES,
        help="the talker's keys and values: fp16 = half the memory and traffic of a long utterance; none = fp32",
    )
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        help="cuda: products of talker and code predictor, and embedding rows (default: bf16 with 4w, else fp32)",
    )
    parser.add_argument(
        "--gpu-arch", metavar="SM", help="cuda: refuse to export unless the GPU here is of this kind, such as sm_90"
    )
    parser.add_argument(
        "--max-seq-len",
        type=int,
        default=SPEECH_FRAMES + PROMPT_ROWS,
        help="positions of the talker's cache: prompt rows + one a frame of 80 ms; memory follows the positions used, "
        f"not this number (default: %(default)s, {SPEECH_FRAMES} frames and a prompt of {PROMPT_ROWS} rows)",
    )
    args = parser.parse_args(arguments)
    check_arguments(parser, args)
    return args


def check_arguments(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse what cannot work, before anything is loaded."""
    recipe = recipe_of(args)
    linear = {recipe.talker, recipe.code_predictor, recipe.heads, recipe.codec}
    if args.qlinear_voice_encoder is not None and args.voice_encoder is None:
        parser.error("--qlinear-voice-encoder has no effect without --voice-encoder")
    if (wrong := cuda_flags.conflict(args, recipe)) is not None:
        parser.error(wrong)
    narrow = linear | {recipe.codec_convolutions, recipe.text_embedding, args.qlinear_voice_encoder or "none"}
    if args.backend == "portable" and narrow != {"none"}:
        parser.error("--backend portable runs fp32 only: ExecuTorch has no portable kernels for quantized layers")
    if args.qlinear_group_size is not None and linear == {"none"}:
        parser.error(f"--qlinear-group-size {args.qlinear_group_size} has no effect without quantized linear layers")
    if args.max_seq_len < 64:
        parser.error(f"--max-seq-len {args.max_seq_len} leaves no room for a prompt and speech; give at least 64")
    if not args.checkpoint.is_dir():
        parser.error(f"--checkpoint {args.checkpoint}: no such folder; make one with convert_weights.py")
    outputs = {"--output": args.output, "--voice-encoder": args.voice_encoder}
    outputs = {flag: path.resolve() for flag, path in outputs.items() if path is not None}
    for flag, path in outputs.items():
        if not path.parent.is_dir():
            parser.error(f"{flag} {path.name}: the folder {path.parent} does not exist")
    if not outputs:
        parser.error("nothing to write: give --output, --voice-encoder or both")
    if len({manifest_path(path) for path in outputs.values()}) < len(outputs):
        parser.error(f"--output and --voice-encoder would both write {args.output.stem}: name one of them otherwise")


def recipe_of(args: argparse.Namespace) -> Recipe:
    """The recipe that --recipe names, with what the other flags change."""
    overrides = {
        "talker": args.qlinear_talker or args.qlinear,
        "code_predictor": args.qlinear_code_predictor or (args.qlinear and code_predictor_choice(args.qlinear)),
        "heads": args.qlinear_heads or (args.qlinear and heads_choice(args.qlinear)),
        "codec": args.qlinear_codec,
        "codec_convolutions": args.qconv_codec,
        "text_embedding": args.qembedding,
        "codec_embedding": None if args.qembedding is None else codec_embedding_choice(args.qembedding),
        "kv_cache": args.kv_cache,
        "group_size": args.qlinear_group_size,
    }
    return replace(RECIPES[args.recipe], **{stage: choice for stage, choice in overrides.items() if choice is not None})


def recorded_flags(args: argparse.Namespace) -> dict[str, Any]:
    """The flags that decide what the program that speaks holds, as manifests show them."""
    ignored = NO_MODEL_FLAGS if args.backend == "cuda" else (*NO_MODEL_FLAGS, *CUDA_FLAGS)
    return {name: value for name, value in vars(args).items() if name not in ignored}


def contract_of(args: argparse.Namespace, config: ModelConfig, tokenizer: TextTokenizer) -> dict[str, Any]:
    return build_contract(
        config,
        tokenizer,
        max_seq_len=args.max_seq_len,
        max_rows=PREFILL_ROWS if args.backend == "cuda" else MAX_ROWS,
        max_decode_frames=DECODE_FRAMES if args.backend == "cuda" else MAX_DECODE_FRAMES,
        recipe=recipe_of(args),
        backend=args.backend,
    )


class Progress:
    """One line a step on stderr, with the seconds the last one took."""

    def __init__(self) -> None:
        self.started = self.step_started = time.monotonic()
        self.step = ""

    def __call__(self, method: str, step: str) -> None:
        self.finish()
        self.step = f"{step:<9} {method}"
        print(f"[{time.monotonic() - self.started:6.0f} s] {self.step} …", end="", file=sys.stderr, flush=True)

    def finish(self) -> None:
        if self.step:
            print(f" {time.monotonic() - self.step_started:.1f} s", file=sys.stderr)
        self.step, self.step_started = "", time.monotonic()


def export(args: argparse.Namespace, checkpoint: Checkpoint, progress: Progress) -> dict[str, Any]:
    """Write the program that speaks and its manifest; returns the manifest."""
    progress("checkpoint", "load")
    tokenizer_json = checkpoint.tokenizer_json
    contract = contract_of(args, checkpoint.config, TextTokenizer(tokenizer_json))
    constants = constants_of(contract, tokenizer_json)
    if args.backend == "cuda":
        return export_cuda(args, checkpoint, constants, progress)
    recipe = recipe_of(args)
    model = Model(checkpoint, recipe)
    methods = model.methods(args.max_seq_len)
    del model  # the methods alone hold the weights now, and lower() lets them go
    return write_program(methods, constants, args.output, recorded_flags(args), progress)


def export_cuda(
    args: argparse.Namespace, checkpoint: Checkpoint, constants: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    """The same for a GPU: the program and its weights; returns the manifest."""
    from qwen3_tts.export.cuda.program import write_cuda_program  # needs triton

    flags = recorded_flags(args) | {"dtype": cuda_flags.dtype_of(args, recipe_of(args)), "gpu_arch": args.gpu_arch}
    manifest = write_cuda_program(checkpoint, recipe_of(args), constants, args.output, flags, progress)
    write_manifest(manifest, args.output)
    progress.finish()
    return manifest


def constants_of(contract: dict[str, Any], tokenizer_json: str) -> dict[str, Any]:
    """What a program says about itself: its constant methods."""
    tables = torch.frombuffer(bytearray(tokenizer_tables(tokenizer_json)), dtype=torch.uint8)
    return {"contract": json.dumps(contract, ensure_ascii=False), "tokenizer": tables}


def export_voice_encoder(args: argparse.Namespace, checkpoint: Checkpoint, progress: Progress) -> dict[str, Any]:
    """Write the program that makes voices and its manifest; returns the manifest."""
    progress("voice encoders", "load")
    encoder = VoiceEncoder(checkpoint, args.qlinear_voice_encoder or "none")
    constants = constants_of(encoder.contract(args.backend), checkpoint.tokenizer_json)
    methods = encoder.methods()
    del encoder
    flags = {"backend": args.backend, "qlinear_voice_encoder": args.qlinear_voice_encoder}
    return write_program(methods, constants, args.voice_encoder, flags, progress)


def write_program(
    methods: list[Method], constants: dict[str, Any], output: Path, flags: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    """Lower `methods`, which are emptied, and write the file and its manifest; returns the manifest."""
    program = lower(methods, constants, flags["backend"], progress)
    progress(output.name, "write")
    with AtomicOutput(output) as file:
        program.write_to_file(file)
    del program  # the manifest reads the file, as big again
    progress("manifest", "write")
    manifest = build_manifest(output, flags)
    write_manifest(manifest, output)
    progress.finish()
    return manifest


def write_manifest(manifest: dict[str, Any], output: Path) -> None:
    with AtomicOutput(manifest_path(output)) as file:
        file.write((json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode())


def manifest_path(output: Path) -> Path:
    return output.with_suffix(".manifest.json")


def print_summary(manifest: dict[str, Any]) -> None:
    table = Table(title=f"{manifest['file']}: {manifest['bytes'] / 1e6:,.1f} MB")
    for column in ("method", "inputs", "outputs"):
        table.add_column(column)
    for column in ("delegates", "weights, MB", "planned, MB"):
        table.add_column(column, justify="right")
    for name, method in manifest["methods"].items():
        table.add_row(
            name,
            "\n".join(method["inputs"]).replace("[", "\\["),
            "\n".join(method["outputs"]).replace("[", "\\["),
            str(method["delegates"]),
            f"{method['weight_bytes'] / 1e6:,.1f}",
            f"{method['planned_bytes'] / 1e6:,.1f}",
        )
    Console(stderr=True).print(table)
    Console(stderr=True).print("Weights that several methods use are stored once and counted in each of them.")


def main() -> int:
    args = parse_args()
    progress = Progress()
    try:
        if args.backend == "cuda":  # before anything is loaded
            args.gpu_arch = target.check(args.gpu_arch)
        checkpoint = Checkpoint(args.checkpoint)
        if args.voice_encoder is not None:  # first: it refuses a checkpoint without voice encoders at once
            print_summary(export_voice_encoder(args, checkpoint, progress))
        if args.output is not None:
            print_summary(export(args, checkpoint, progress))
    except (OSError, ValueError) as error:  # ConfigError and CheckpointError are ValueErrors
        print(f"\nexport_unified.py: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
