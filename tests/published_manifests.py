"""Records of what the published models export to, without their weights: `manifests/<model>-<recipe>.json`.

    python tests/published_manifests.py     writes them again (`make manifests`)

A record holds the export's command and flags, the contract, and the inputs and outputs of every method, in the words
of the manifest that export_unified.py writes beside a `.pte`. The contract comes from the published configuration and
the whole text vocabulary; the signatures come from running the methods of qwen3_tts/export/model.py on fake tensors,
which have shapes and no values. tests/test_manifests.py holds the records against the sources, and both derivations
against real files.

The recipes are those of --recipe, for XNNPACK. The portable backend gets no records: they would repeat those of
`exact` but for one word, `backend`.
"""

from __future__ import annotations

import argparse
import json
import logging
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from models import REPOSITORY

logging.disable(logging.WARNING)  # torch and torchao warn about GPU parts while they are imported

import torch
from executorch.exir.tensor import scalar_type_enum
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

import published_layout as layout
from qwen3_tts.config import ModelConfig
from qwen3_tts.config_file import Section
from qwen3_tts.export import flags as export_flags
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.manifest import describe_tensor
from qwen3_tts.export.methods import Method
from qwen3_tts.export.model import Model
from qwen3_tts.export.program import contract_of
from qwen3_tts.export.stages.code_predictor import CodePredictor
from qwen3_tts.export.stages.codec_decoder import CodecDecoder
from qwen3_tts.export.stages.talker import Talker
from qwen3_tts.recipe import FLOAT, RECIPES, Recipe
from qwen3_tts.text_tokenizer import TextTokenizer
from qwen3_tts.tokenizer_files import build_tokenizer_json
from qwen_vocabulary import Vocabulary, load_vocabulary
from random_checkpoint import PUBLISHED_TEXT_VOCAB

FOLDER = REPOSITORY / "manifests"
LINE = 120

Signatures = dict[str, dict[str, list[str]]]  # method -> "inputs" and "outputs"


class Blueprint(Checkpoint):
    """A checkpoint without weights: its stages as they are initialised, on fake tensors for nothing."""

    def __init__(self, config: ModelConfig):
        self.config = config

    def talker(self) -> Talker:
        return Talker(self.config)

    def code_predictor(self) -> CodePredictor:
        return CodePredictor(self.config)

    def codec_decoder(self) -> CodecDecoder:
        return CodecDecoder(self.config.codec)

    def codec_embedding(self) -> nn.Embedding:
        return nn.Embedding(self.config.codec_embedding_rows, self.config.talker.hidden_size)

    def text_embedding(self) -> nn.Embedding:
        return nn.Embedding(self.config.text_vocab_size, self.config.talker.hidden_size)


# ---------------------------------------------------------------------------------------------------------------------
# What an export holds
# ---------------------------------------------------------------------------------------------------------------------


def derive_signatures(config: ModelConfig, max_seq_len: int, recipe: Recipe) -> Signatures:
    """The inputs and outputs of every method of an export. Of the recipe only the cache's type is among them."""
    with FakeTensorMode(), torch.no_grad():
        methods = Model(Blueprint(config), replace(FLOAT, kv_cache=recipe.kv_cache)).methods(max_seq_len)
        return {method.name: _signature(method) for method in methods}


def _signature(method: Method) -> dict[str, list[str]]:
    """What changes between the smallest and the largest inputs is dynamic, up to the largest."""
    smallest, largest = _inputs(method, "min"), _inputs(method, "max")
    outputs = _outputs(method, largest)
    outputs_of_smallest = _outputs(method, smallest) if method.dynamic else outputs
    return {"inputs": _describe(smallest, largest), "outputs": _describe(outputs_of_smallest, outputs)}


def _inputs(method: Method, bound: str) -> tuple[Tensor, ...]:
    """The example inputs with every dynamic dimension at its bound, "min" or "max"."""
    inputs = []
    for tensor, dynamic in zip(method.example_inputs, method.dynamic_shapes):
        sizes = list(tensor.shape)
        for dimension, dim in (dynamic or {}).items():
            sizes[dimension] = getattr(dim, bound)
        inputs.append(tensor.new_empty(sizes))
    return tuple(inputs)


def _outputs(method: Method, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    outputs = method.module(*inputs)
    return outputs if isinstance(outputs, tuple) else (outputs,)


def _describe(smallest: tuple[Tensor, ...], largest: tuple[Tensor, ...]) -> list[str]:
    return [
        describe_tensor(scalar_type_enum(big.dtype), big.shape, is_dynamic=big.shape != small.shape)
        for small, big in zip(smallest, largest)
    ]


# ---------------------------------------------------------------------------------------------------------------------
# The published models
# ---------------------------------------------------------------------------------------------------------------------


@cache
def published_vocabulary() -> Vocabulary:
    return load_vocabulary()


@cache
def published_tokenizer() -> TextTokenizer:
    with tempfile.TemporaryDirectory() as folder:
        published_vocabulary().write(Path(folder))
        return TextTokenizer(build_tokenizer_json(Path(folder)))


def published_config(size: str) -> ModelConfig:
    root = layout.root_config(size, published_vocabulary().root_token_ids, PUBLISHED_TEXT_VOCAB)
    parts = (root, layout.codec_config(), layout.GENERATION_CONFIG)
    return ModelConfig.read(*(Section(values, f"published {size}") for values in parts))


def record(size: str, flags: tuple[str, ...]) -> dict[str, Any]:
    """The record of the published model `size`, exported with `flags`."""
    command = ["python export_unified.py --checkpoint checkpoint --output model.pte", *flags]
    args, config = parse_flags(flags), published_config(size)
    return {
        "model": size,
        "command": " ".join(command),
        "flags": export_flags.recorded_flags(args),
        "contract": contract_of(args, config, published_tokenizer()),
        "methods": _published_signatures(size, args.max_seq_len, export_flags.recipe_of(args).kv_cache),
    }


@cache
def _published_signatures(size: str, max_seq_len: int, kv_cache: str) -> Signatures:
    """Recipes share them: they take a second."""
    return derive_signatures(published_config(size), max_seq_len, replace(FLOAT, kv_cache=kv_cache))


def parse_flags(flags: tuple[str, ...]) -> argparse.Namespace:
    """The parsed flags of export_unified.py; its folder and file do not matter here."""
    return export_flags.parse_args(["--checkpoint", str(REPOSITORY), "--output", "model.pte", *flags])


# ---------------------------------------------------------------------------------------------------------------------
# Files
# ---------------------------------------------------------------------------------------------------------------------


def texts() -> dict[str, str]:
    """File name -> content of every record."""
    return {
        f"{size}-{name}.json": _to_json(record(size, ("--recipe", name))) + "\n"
        for size in layout.PUBLISHED
        for name in RECIPES
    }


def _to_json(value: Any, indent: str = "", used: int = 0) -> str:
    """JSON with every list, and every object that fits, on one line. `used`: columns before the value."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict) or used + len(line) < LINE:
        return line
    deeper = indent + "  "
    entries = []
    for key, entry in value.items():
        start = f"{deeper}{json.dumps(key)}: "
        entries.append(start + _to_json(entry, deeper, len(start)))
    return "{\n" + ",\n".join(entries) + f"\n{indent}}}"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    written = texts()
    for path in set(FOLDER.glob("*.json")) - {FOLDER / name for name in written}:
        path.unlink()
    for name, text in written.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"{len(written)} records in {FOLDER.relative_to(REPOSITORY)}/")


if __name__ == "__main__":
    main()
