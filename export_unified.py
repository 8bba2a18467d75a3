#!/usr/bin/env python3
"""Export a checkpoint folder (made by convert_weights.py) to one ExecuTorch program that speaks.

The .pte holds the methods of model.py, every weight once, the text tokenizer and the contract with the runner.
A manifest is written beside it.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from rich.console import Console
from rich.table import Table

logging.disable(logging.WARNING)  # torch and torchao warn about GPU parts while they are imported

import torch

from model import MAX_DECODE_FRAMES, MAX_ROWS, Model
from qwen3_tts.calibration import roll_out
from qwen3_tts.checkpoint import Checkpoint
from qwen3_tts.config import ModelConfig
from qwen3_tts.contract import build_contract
from qwen3_tts.lowering import BACKENDS, lower
from qwen3_tts.manifest import build_manifest
from qwen3_tts.quantization import CONVOLUTION_CHOICES, EMBEDDING_CHOICES, LINEAR_CHOICES, Recipe
from qwen3_tts.text_tokenizer import TextTokenizer, tokenizer_tables

EXAMPLES = """examples:
  python export_unified.py --checkpoint checkpoint --output model.pte --qlinear 8da4w --qembedding 4w
  python export_unified.py --checkpoint checkpoint --output exact.pte        # fp32, exact to the reference
  python export_unified.py --checkpoint checkpoint --output model.pte --qlinear 8da4w --qlinear-talker 8da8w
"""
GROUP_SIZES = (32, 64, 128, 256)
SPEECH_FRAMES = 2048  # of room in the default cache, beside a prompt
PROMPT_ROWS = 512


def parse_args(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder written by convert_weights.py")
    parser.add_argument("--output", type=Path, required=True, help="the .pte to write; its manifest goes beside it")
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        default="xnnpack",
        help="xnnpack: laptop and phone CPUs; portable: plain C++ kernels, fp32 only, slow (default: %(default)s)",
    )
    parser.add_argument(
        "--qlinear",
        choices=LINEAR_CHOICES,
        default="none",
        help="linear layers: 8da4w = int4 talker, int8 code predictor and heads; 8da8w = int8; none = fp32",
    )
    parser.add_argument(
        "--qlinear-group-size", type=int, choices=GROUP_SIZES, help="weights that share a scale in 8da4w (default: 32)"
    )
    for stage, what in (
        ("talker", "the talker's layers"),
        ("code-predictor", "the code predictor's layers"),
        ("heads", "the talker's head and the code predictor's heads"),
        ("codec", "the codec decoder's linear layers"),
    ):
        parser.add_argument(f"--qlinear-{stage}", choices=LINEAR_CHOICES, help=f"{what}; overrides --qlinear")
    parser.add_argument(
        "--qconv-codec",
        choices=CONVOLUTION_CHOICES,
        default="none",
        help="the codec decoder's convolutions: int8 = weights and signals, calibrated on the model's own speech; "
        "three quarters smaller and faster, with audible error on some models: compare (default: %(default)s, fp32)",
    )
    parser.add_argument(
        "--qembedding",
        choices=EMBEDDING_CHOICES,
        default="none",
        help="text rows: 4w = int4 in groups of 32, 8w = int8; code rows are int8 with either",
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
    narrow = linear | {recipe.codec_convolutions, args.qembedding}
    if args.backend == "portable" and narrow != {"none"}:
        parser.error("--backend portable runs fp32 only: ExecuTorch has no portable kernels for quantized layers")
    if args.qlinear_group_size is not None and "8da4w" not in linear:
        parser.error(f"--qlinear-group-size {args.qlinear_group_size} has no effect without 8da4w")
    if args.max_seq_len < 64:
        parser.error(f"--max-seq-len {args.max_seq_len} leaves no room for a prompt and speech; give at least 64")
    if not args.checkpoint.is_dir():
        parser.error(f"--checkpoint {args.checkpoint}: no such folder; make one with convert_weights.py")
    if not args.output.resolve().parent.is_dir():
        parser.error(f"--output {args.output}: the folder {args.output.resolve().parent} does not exist")


def recipe_of(args: argparse.Namespace) -> Recipe:
    overrides = {
        "talker": args.qlinear_talker,
        "code_predictor": args.qlinear_code_predictor,
        "heads": args.qlinear_heads,
        "codec": args.qlinear_codec,
    }
    recipe = Recipe.default(args.qlinear, args.qembedding, args.qlinear_group_size or 32)
    recipe = replace(recipe, codec_convolutions=args.qconv_codec)
    return replace(recipe, **{stage: choice for stage, choice in overrides.items() if choice is not None})


def recorded_flags(args: argparse.Namespace) -> dict[str, Any]:
    """The flags that decide what is exported, as manifests show them."""
    return {name: value for name, value in vars(args).items() if name not in ("checkpoint", "output")}


def contract_of(args: argparse.Namespace, config: ModelConfig, tokenizer: TextTokenizer) -> dict[str, Any]:
    return build_contract(
        config,
        tokenizer,
        max_seq_len=args.max_seq_len,
        max_rows=MAX_ROWS,
        max_decode_frames=MAX_DECODE_FRAMES,
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


def export(args: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """Write the program and its manifest; returns the manifest."""
    progress("checkpoint", "load")
    checkpoint = Checkpoint(args.checkpoint)
    tokenizer_json = checkpoint.tokenizer_json
    contract = contract_of(args, checkpoint.config, TextTokenizer(tokenizer_json))
    tables = torch.frombuffer(bytearray(tokenizer_tables(tokenizer_json)), dtype=torch.uint8)
    constants = {"contract": json.dumps(contract, ensure_ascii=False), "tokenizer": tables}
    recipe = recipe_of(args)
    utterances = []
    if recipe.codec_convolutions != "none":
        progress("codec decoder", "calibrate")
        utterances = roll_out(checkpoint)
    model = Model(checkpoint, recipe, utterances)
    # Portable kernels want their operands in one memory format, and parameters are contiguous.
    model.codec_decoder.set_channels_last(args.backend != "portable")
    methods = model.methods(args.max_seq_len)
    del model  # the methods alone hold the weights now, and lower() lets them go
    program = lower(methods, constants, args.backend, progress)
    progress(args.output.name, "write")
    with AtomicOutput(args.output) as file:
        program.write_to_file(file)
    del program  # the manifest reads the file, as big again
    progress("manifest", "write")
    manifest = build_manifest(args.output, recorded_flags(args))
    with AtomicOutput(manifest_path(args.output)) as file:
        file.write((json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode())
    progress.finish()
    return manifest


def manifest_path(output: Path) -> Path:
    return output.with_suffix(".manifest.json")


class AtomicOutput:
    """A file written beside its place and renamed when complete; removed when not."""

    def __init__(self, path: Path):
        self.path, self.partial = path, path.with_name(f".{path.name}.{os.getpid()}.partial")

    def __enter__(self) -> BinaryIO:
        self.file = self.partial.open("wb")
        return self.file

    def __exit__(
        self, failure: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()
        if failure is None:
            self.partial.replace(self.path)
        else:
            self.partial.unlink(missing_ok=True)


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
        manifest = export(args, progress)
    except (OSError, ValueError) as error:  # ConfigError and CheckpointError are ValueErrors
        print(f"\nexport_unified.py: error: {error}", file=sys.stderr)
        return 1
    print_summary(manifest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
