"""What the flags of export_unified.py mean for `--backend cuda`, and which of them do not fit."""

from __future__ import annotations

import argparse

from qwen3_tts.recipe import INT4_GROUP_SIZE, MAX_GPU_BATCH, Recipe

_GPU_CHOICES = {"none", "4w"}
# Flags that decide what a CPU's program holds; of the GPU's, text and code rows are in --dtype and the codec is fp32.
_CPU_ONLY = ("qlinear_codec", "qconv_codec", "qembedding", "kv_cache")


def conflict(args: argparse.Namespace, recipe: Recipe) -> str | None:
    """What is wrong with these flags, for the user; None if nothing is."""
    linear = {recipe.talker, recipe.code_predictor, recipe.heads}
    if args.backend != "cuda":
        return _without_cuda(args, linear)
    if args.recipe != "exact":
        return f"--recipe {args.recipe} is for CPUs; for --backend cuda leave it out, for bf16, or choose --qlinear 4w"
    for flag in _CPU_ONLY:
        if getattr(args, flag) is not None:
            return f"--{flag.replace('_', '-')} is for CPUs: --backend cuda keeps the codec in fp32 and rows in --dtype"
    if unknown := linear - _GPU_CHOICES:
        return f"--qlinear {', '.join(sorted(unknown))} is for CPUs; --backend cuda has 4w and none"
    if args.qlinear_group_size not in (None, INT4_GROUP_SIZE):
        return f"--qlinear-group-size {args.qlinear_group_size}: --backend cuda has groups of {INT4_GROUP_SIZE}"
    if args.dtype == "fp32" and "4w" in linear:
        return "--dtype fp32 with --qlinear 4w: the int4 kernels multiply in bfloat16; leave --dtype out"
    if args.voice_encoder is not None:
        return "--voice-encoder makes a program for CPUs, needed once a voice: export it without --backend cuda"
    if not 1 <= batch_of(args) <= MAX_GPU_BATCH:
        return f"--batch {args.batch}: a program for a GPU speaks 1 to {MAX_GPU_BATCH} utterances at once"
    if args.output is not None and args.output.suffix == ".ptd":
        return f"--output {args.output.name}: that is the name of the weights; call the program {args.output.stem}.pte"
    return None


def _without_cuda(args: argparse.Namespace, linear: set[str]) -> str | None:
    if "4w" in linear:
        return f"--qlinear 4w is for --backend cuda; --backend {args.backend} has 8da4w"
    if args.batch is not None:
        return (
            f"--batch {args.batch} is for --backend cuda; every program for CPUs speaks several utterances at once, as "
            "many as the runner's --batch says: leave it out"
        )
    for flag in ("dtype", "gpu_arch"):
        if getattr(args, flag) is not None:
            return f"--{flag.replace('_', '-')} has no effect without --backend cuda"
    return None


def dtype_of(args: argparse.Namespace) -> str:
    """ "fp32" or "bf16", the default: nobody has measured yet that int4 is faster."""
    return args.dtype or "bf16"


def batch_of(args: argparse.Namespace) -> int:
    """How many utterances a program for a GPU speaks at once."""
    return 1 if args.batch is None else int(args.batch)
