"""From a checkpoint to the programs that speak and that make voices, as the flags say."""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qwen3_tts.atomic_output import AtomicOutput
from qwen3_tts.config import ModelConfig
from qwen3_tts.contract import MAX_BATCH, build_contract
from qwen3_tts.export.calibration import collect
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.cuda import flags as cuda_flags
from qwen3_tts.export.cuda.stages import CHUNK_FRAMES
from qwen3_tts.export.file_digests import digested
from qwen3_tts.export.flags import manifest_path, recipe_of, recorded_flags
from qwen3_tts.export.lowering import Report, lower
from qwen3_tts.export.manifest import build_manifest
from qwen3_tts.export.methods import Method
from qwen3_tts.export.model import MAX_DECODE_FRAMES, Model
from qwen3_tts.export.quantize.linears import check_group_size
from qwen3_tts.export.voice_encoder import VoiceEncoder
from qwen3_tts.text_list import read_texts
from qwen3_tts.text_scripts import pruned_ids, without_merges
from qwen3_tts.text_tokenizer import TextTokenizer, tokenizer_tables


def contract_of(args: argparse.Namespace, config: ModelConfig, tokenizer: TextTokenizer) -> dict[str, Any]:
    return build_contract(
        config,
        tokenizer,
        max_seq_len=args.max_seq_len,
        max_batch=cuda_flags.batch_of(args) if args.backend == "cuda" else MAX_BATCH,
        max_decode_frames=CHUNK_FRAMES if args.backend == "cuda" else MAX_DECODE_FRAMES,
        recipe=recipe_of(args),
        backend=args.backend,
    )


def write_model(args: argparse.Namespace, checkpoint: Checkpoint, report: Report) -> dict[str, Any]:
    """Write the program that speaks and its manifest; returns the manifest."""
    report("checkpoint", "load")
    tokenizer_json = checkpoint.tokenizer_json
    pruned = pruned_ids(tokenizer_json, args.text_scripts.split("-")) if args.text_scripts else set()
    if pruned:
        tokenizer_json = without_merges(tokenizer_json, pruned)
    contract = contract_of(args, checkpoint.config, TextTokenizer(tokenizer_json))
    constants = constants_of(contract, tokenizer_json)
    if pruned:
        constants |= {"kept_text_ids": kept_bits(checkpoint.config.text_vocab_size, pruned)}
    if args.backend == "cuda":
        return _write_for_cuda(args, checkpoint, constants, report)
    recipe = recipe_of(args)
    moments = collect(checkpoint, read_texts(args.calibrate), report) if args.calibrate else {}
    if moments:
        report("weights", "round")
    model = Model(checkpoint, recipe, pruned, moments)
    del moments
    if args.qlinear_group_size is not None:  # a recipe's own may be smaller where a layer wants that
        for stage in (model.talker, model.code_predictor, model.codec_decoder):
            check_group_size(stage, args.qlinear_group_size)
    constants |= {"frame_bytes": json.dumps(model.frame_bytes())}  # for the runner's --self_test
    methods = model.methods(args.max_seq_len)
    del model  # the methods alone hold the weights now, and lower() lets them go
    return write_program(methods, constants, args.output, recorded_flags(args), checkpoint, report)


def _write_for_cuda(
    args: argparse.Namespace, checkpoint: Checkpoint, constants: dict[str, Any], report: Report
) -> dict[str, Any]:
    """The same for a GPU: the program and its weights; returns the manifest."""
    from qwen3_tts.export.cuda.program import write_cuda_program  # needs triton

    flags = recorded_flags(args) | {"dtype": cuda_flags.dtype_of(args), "gpu_arch": args.gpu_arch}
    if cuda_flags.batch_of(args) == 1:
        flags["batch"] = None  # as where the flag is not given: folders of ready models are named after such flags
    manifest = write_cuda_program(checkpoint, recipe_of(args), constants, args.output, flags, report)
    return write_manifest(manifest, checkpoint, args.output)


def constants_of(contract: dict[str, Any], tokenizer_json: str) -> dict[str, Any]:
    """What a program says about itself: its constant methods."""
    tables = torch.frombuffer(bytearray(tokenizer_tables(tokenizer_json)), dtype=torch.uint8)
    return {"contract": json.dumps(contract, ensure_ascii=False), "tokenizer": tables}


def kept_bits(num_ids: int, pruned: Collection[int]) -> Tensor:
    """A bit for each id that has a row, the lowest of a byte first: [ceil(num_ids / 8)] uint8."""
    kept = np.ones(num_ids, np.bool_)
    kept[sorted(pruned)] = False
    return torch.from_numpy(np.packbits(kept, bitorder="little"))


def write_voice_encoder(args: argparse.Namespace, checkpoint: Checkpoint, report: Report) -> dict[str, Any]:
    """Write the program that makes voices and its manifest; returns the manifest."""
    report("voice encoders", "load")
    encoder = VoiceEncoder(checkpoint, args.qlinear_voice_encoder or "none")
    constants = constants_of(encoder.contract(args.backend), checkpoint.tokenizer_json)
    methods = encoder.methods()
    del encoder
    flags = {"backend": args.backend, "qlinear_voice_encoder": args.qlinear_voice_encoder}
    return write_program(methods, constants, args.voice_encoder, flags, checkpoint, report)


def write_program(
    methods: list[Method],
    constants: dict[str, Any],
    output: Path,
    flags: dict[str, Any],
    checkpoint: Checkpoint,
    report: Report,
) -> dict[str, Any]:
    """Lower `methods`, which are emptied, and write the file and its manifest; returns the manifest."""
    program = lower(methods, constants, flags["backend"], report)
    report(output.name, "write")
    outdated = [manifest_path(output)]
    with AtomicOutput(output, outdated) as file, digested(file) as digested_file:
        program.write_to_file(digested_file)
    del program  # the manifest reads the file, as big again
    report("manifest", "write")
    return write_manifest(build_manifest(output, flags), checkpoint, output)


def write_manifest(manifest: dict[str, Any], checkpoint: Checkpoint, output: Path) -> dict[str, Any]:
    """Write what a program holds, and which defaults of the reference its checkpoint took, if any; returns both."""
    if checkpoint.reference_defaults:
        manifest = {**manifest, "reference_defaults": checkpoint.reference_defaults}
    with AtomicOutput(manifest_path(output)) as file:
        file.write((json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode())
    return manifest
