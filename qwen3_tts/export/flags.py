"""The flags of qwen3-tts-export, and what they mean together."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from qwen3_tts.commands import INSTALLED, Commands, program_name
from qwen3_tts.config import CODEC_SECTION
from qwen3_tts.config_file import ConfigError, read_object
from qwen3_tts.digest import sha256_of
from qwen3_tts.export.cuda import flags as cuda_flags
from qwen3_tts.recipe import (
    CONVOLUTION_CHOICES,
    EMBEDDING_CHOICES,
    GPU_DTYPES,
    KV_CACHE_DTYPES,
    LINEAR_CHOICES,
    MAX_GPU_BATCH,
    RECIPES,
    Recipe,
    calibrates,
    code_predictor_choice,
    codec_embedding_choice,
    heads_choice,
)
from qwen3_tts.text_list import read_texts
from qwen3_tts.text_scripts import SCRIPTS

DESCRIPTION = """\
Export a checkpoint folder (made by {converter}) to one ExecuTorch program that speaks.

The .pte holds the model's methods, every weight once, the text tokenizer and the contract with the runner.
A manifest is written beside it. Of a Base checkpoint, the voice encoders go to a program of their own.
"""
EXAMPLES = """examples:
  {command} --checkpoint checkpoint --output model.pte --recipe balanced
  {command} --checkpoint checkpoint --output exact.pte        # fp32, exact to the reference
  {command} --checkpoint checkpoint --output model.pte --recipe balanced --qlinear-talker 8da8w
  {command} --checkpoint checkpoint --voice-encoder voice_encoder.pte # Base: to make voices with
  {command} --checkpoint checkpoint --output model.pte --recipe small --calibrate texts.txt
  {command} --checkpoint checkpoint --recipe small --publish ready    # then: hf upload ORG/NAME ready
"""
BACKENDS = ("xnnpack", "portable", "cuda")
GROUP_SIZES = (32, 64, 128, 256)
SPEECH_FRAMES = 2048  # of room in the default cache, beside a prompt
PROMPT_ROWS = 512
DEFAULT_MAX_SEQ_LEN = SPEECH_FRAMES + PROMPT_ROWS
CALIBRATION_DIGITS = 12  # of the texts' SHA-256, by which manifests name them
CUDA_FLAGS = ("dtype", "gpu_arch", "batch")
NO_MODEL_FLAGS = ("checkpoint", "output", "voice_encoder", "qlinear_voice_encoder", "publish")


def parse_args(arguments: Sequence[str] | None = None, commands: Commands = INSTALLED) -> argparse.Namespace:
    """The flags, checked. Ends the program when something about them is wrong."""
    converter = program_name(commands.convert)
    parser = argparse.ArgumentParser(
        prog=program_name(commands.export),
        description=DESCRIPTION.format(converter=converter),
        epilog=EXAMPLES.format(command=commands.export),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help=f"folder written by {converter}")
    parser.add_argument("--output", type=Path, help="the .pte to write that speaks; its manifest goes beside it")
    parser.add_argument(
        "--voice-encoder",
        type=Path,
        metavar="PATH",
        help="the .pte to write that turns recordings into voices (Base checkpoints); alone or with --output",
    )
    parser.add_argument(
        "--publish",
        type=Path,
        metavar="FOLDER",
        help="folder of ready models to add what is written to, as one uploads it to a hub: recipes side by side, an "
        "index, SHA256SUMS, licence and model card; without --output and --voice-encoder the model lies there alone",
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
        "code predictor 6, codec fp32; small: code predictor 5 bits and codec int8 too; phone: also heads 6 bits, code "
        "rows 4, and 64 weights a scale; xnnpack-8da4w: balanced by XNNPACK's kernels, code predictor 8 "
        "(default: %(default)s). The flags below change single stages",
    )
    add_recipe_flags(parser)
    parser.add_argument(
        "--text-scripts",
        type=named_scripts,
        metavar="NAMES",
        help="rows for text tokens of these scripts and latin alone, such as latin or cyrillic,han; other characters "
        "are spelled in tokens of bytes, and text of these scripts has the tokens it had (default: all). Known: "
        f"{', '.join(SCRIPTS)}",
    )
    parser.add_argument(
        "--calibrate",
        type=Path,
        metavar="FILE",
        help="round the linear layers by what they get while the fp32 model says the texts of this file, one a line, "
        "at most 8 s of each: closer to fp32 with the same bits; 20 lines do. Takes as long as PyTorch takes to speak",
    )
    parser.add_argument(
        "--dtype",
        choices=GPU_DTYPES,
        help="cuda: products of talker and code predictor, and embedding rows (default: bf16)",
    )
    parser.add_argument(
        "--gpu-arch", metavar="SM", help="cuda: refuse to export unless the GPU here is of this kind, such as sm_90"
    )
    parser.add_argument(
        "--batch",
        type=int,
        metavar="N",
        help=f"cuda: utterances that are spoken at once, 1 to {MAX_GPU_BATCH} (default: 1); each takes a cache of "
        "--max-seq-len positions. Programs for CPUs need no such flag",
    )
    parser.add_argument(
        "--max-seq-len",
        type=int,
        default=DEFAULT_MAX_SEQ_LEN,
        help="positions of the talker's cache: prompt rows + one a frame of 80 ms; memory follows the positions used, "
        f"not this number (default: %(default)s, {SPEECH_FRAMES} frames and a prompt of {PROMPT_ROWS} rows)",
    )
    args = parser.parse_args(arguments)
    check_arguments(parser, args, commands)
    return args


def add_recipe_flags(parser: argparse.ArgumentParser) -> None:
    """Flags that change single stages of a recipe, in the order of the manifests."""
    parser.add_argument(
        "--qlinear",
        choices=LINEAR_CHOICES,
        help="linear layers: 8da4w = int4 talker, int6 code predictor, int8 heads; 8da5w, 8da6w = both int5 or "
        "int6, int8 heads; 8da8w = int8; xnnpack-8da4w, xnnpack-8da8w = int4 talker or int8, the others int8, by "
        "XNNPACK's kernels; 4w (cuda) = int4 talker, the others in bf16; none = --dtype",
    )
    parser.add_argument(
        "--qlinear-group-size",
        type=int,
        choices=GROUP_SIZES,
        help="weights that share a scale in linear layers and 4w rows; a layer that cannot be cut so is an error "
        "(default: 32, of phone 64, or 32 where that does not fit)",
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


def named_scripts(text: str) -> str:
    """The scripts of a list with commas, in the order of SCRIPTS, as "cyrillic-latin": a part of a folder's name.

    Raises ArgumentTypeError.
    """
    named = set(text.lower().replace(",", "-").split("-"))
    unknown = sorted(named - SCRIPTS.keys())
    if unknown:
        raise argparse.ArgumentTypeError(f"no script is called '{unknown[0]}'; there are {', '.join(SCRIPTS)}")
    return "-".join(name for name in SCRIPTS if name in named)


def check_arguments(parser: argparse.ArgumentParser, args: argparse.Namespace, commands: Commands) -> None:
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
    if args.text_scripts is not None and args.output is None and args.publish is None:
        parser.error("--text-scripts has no effect on voice encoders; give --output, or leave it out")
    if args.text_scripts is not None and args.backend == "cuda":
        parser.error("--text-scripts leaves rows out of a program for CPUs; leave it out for --backend cuda")
    if args.calibrate is not None:
        check_calibration(parser, args, recipe)
    if args.max_seq_len < 64:
        parser.error(f"--max-seq-len {args.max_seq_len} leaves no room for a prompt and speech; give at least 64")
    try:
        unfit = unconverted(args.checkpoint, commands)
    except ConfigError as error:
        parser.error(str(error))
    if unfit is not None:
        parser.error(f"--checkpoint {args.checkpoint}: {unfit}")
    outputs = {"--output": args.output, "--voice-encoder": args.voice_encoder, "--publish": args.publish}
    outputs = {flag: path.resolve() for flag, path in outputs.items() if path is not None}
    for flag, path in outputs.items():
        if not path.parent.is_dir():
            parser.error(f"{flag} {path.name}: the folder {path.parent} does not exist")
    if not outputs:
        parser.error("nothing to write: give --output, --voice-encoder or --publish")
    programs = [path for flag, path in outputs.items() if flag != "--publish"]
    if len({manifest_path(path) for path in programs}) < len(programs):
        parser.error(f"--output and --voice-encoder would both write {args.output.stem}: name one of them otherwise")


def check_calibration(parser: argparse.ArgumentParser, args: argparse.Namespace, recipe: Recipe) -> None:
    if args.backend == "cuda":
        parser.error("--calibrate rounds the linear layers of a program for CPUs; leave it out for --backend cuda")
    if args.output is None and args.publish is None:
        parser.error("--calibrate has no effect on voice encoders; give --output, or leave it out")
    if not calibrates(recipe):
        parser.error("--calibrate has no effect without quantized linear layers in talker or code predictor")
    try:
        read_texts(args.calibrate)
    except (OSError, ValueError) as error:
        parser.error(f"--calibrate: {error}")


def unconverted(folder: Path, commands: Commands) -> str | None:
    """What --checkpoint names in place of a converted folder, and what to do; None when it may be one."""
    convert_it = f"convert it first: {commands.convert} {folder} --output-dir checkpoint"
    if not folder.is_dir():
        may_be_hub_id = len(folder.parts) == 2 and not folder.is_absolute() and not folder.parent.exists()
        return f"no such folder; {convert_it if may_be_hub_id else f'make one with {commands.convert}'}"
    config = folder / "config.json"
    if config.is_file() and CODEC_SECTION not in read_object(config):
        return f"a snapshot, not a checkpoint; {convert_it}"
    return None


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
    flags = {name: value for name, value in vars(args).items() if name not in ignored}
    if args.calibrate is not None:
        flags["calibrate"] = sha256_of(args.calibrate)[:CALIBRATION_DIGITS]  # the texts, wherever they lie
    return flags


def manifest_path(output: Path) -> Path:
    return output.with_suffix(".manifest.json")
