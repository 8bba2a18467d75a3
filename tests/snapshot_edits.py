"""Edits of a snapshot's folder, of which each returns a function that carries it out: for checkpoint_variants.py.

A file that is edited is a new one, so that the folder may consist of links to another snapshot's files. Only packages
that the reference's environment has are needed here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from torch import Tensor

MAIN, CODEC = "model.safetensors", "speech_tokenizer/model.safetensors"
CONFIG, CODEC_CONFIG, GENERATION = "config.json", "speech_tokenizer/config.json", "generation_config.json"
QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
MISTRAL_SPLIT = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

Change = Callable[[Path], object]
Json = dict[str, Any]


def replace(path: Path, content: bytes) -> None:
    """A new file, for the old one may be a link to the unedited snapshot's."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def json_edit(name: str, change: Callable[[Json], object]) -> Change:
    def edit(folder: Path) -> None:
        values = json.loads((folder / name).read_text(encoding="utf-8"))
        change(values)
        replace(folder / name, json.dumps(values, indent=2, ensure_ascii=False).encode())

    return edit


def without(name: str, *keys: str) -> Change:
    """A JSON file without some dotted keys."""

    def remove(values: Json) -> None:
        for key in keys:
            *parents, last = key.split(".")
            section = values
            for parent in parents:
                section = section[parent]
            del section[last]

    return json_edit(name, remove)


def encoded(name: str, encoding: str, line_end: str = "\n") -> Change:
    """A text file as an editor saved it."""

    def edit(folder: Path) -> None:
        text = (folder / name).read_text(encoding="utf-8")
        replace(folder / name, text.replace("\n", line_end).encode(encoding))

    return edit


def tensors_edit(name: str, change: Callable[[dict[str, Tensor]], object]) -> Change:
    def edit(folder: Path) -> None:
        tensors = load_file(folder / name)
        change(tensors)
        (folder / name).unlink()
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, folder / name)

    return edit


def each(change: Callable[[str, Tensor], Tensor]) -> Callable[[dict[str, Tensor]], None]:
    def edit(tensors: dict[str, Tensor]) -> None:
        tensors.update({name: change(name, tensor) for name, tensor in tensors.items()})

    return edit


def rename(prefix: str) -> Callable[[dict[str, Tensor]], None]:
    def edit(tensors: dict[str, Tensor]) -> None:
        named = {prefix + name: tensor for name, tensor in tensors.items()}
        tensors.clear()
        tensors.update(named)

    return edit


def file(name: str, content: bytes) -> Change:
    def edit(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        replace(folder / name, content)

    return edit


def removed(*names: str) -> Change:
    def edit(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return edit


def both(*changes: Change) -> Change:
    return lambda folder: [change(folder) for change in changes]


def tokenizer_json(*, split: str = QWEN2_SPLIT, merges_as_strings: bool = False, trim_offsets: bool = True) -> Change:
    """A tokenizer.json as transformers saves it, made by the library of its name."""

    def edit(folder: Path) -> None:
        tokenizer = Tokenizer(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(split), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=trim_offsets, use_regex=False),
            ]
        )
        tokenizer.decoder = decoders.ByteLevel()
        decoder = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))["added_tokens_decoder"]
        for _, entry in sorted(decoder.items(), key=lambda item: int(item[0])):
            tokenizer.add_tokens([AddedToken(**entry)])
        root = json.loads(tokenizer.to_str())
        if merges_as_strings:
            root["model"]["merges"] = [" ".join(pair) for pair in root["model"]["merges"]]
        replace(folder / "tokenizer.json", json.dumps(root, indent=2, ensure_ascii=False).encode())

    return edit


def rope_parameters(*, keep_old: bool) -> Change:
    """Settings of rotary positions in the words of transformers 5."""

    def edit(values: Json) -> None:
        for section in (values["talker_config"], values["talker_config"]["code_predictor_config"]):
            scaling = section["rope_scaling"] or {"rope_type": "default"}
            section["rope_parameters"] = {**scaling, "rope_theta": section["rope_theta"]}
            if not keep_old:
                del section["rope_theta"], section["rope_scaling"]

    return json_edit(CONFIG, edit)


def merge_lora(tensors: dict[str, Tensor]) -> None:
    """Low-rank updates of the talker's q and v projections, which leave them in fp32 among bf16 tensors."""
    generator = torch.Generator().manual_seed(1)
    for name, tensor in tensors.items():
        if name.startswith("talker.model.layers.") and name.endswith(("q_proj.weight", "v_proj.weight")):
            rows, columns = tensor.shape
            down = torch.randn(8, columns, generator=generator) / columns**0.5
            tensors[name] = tensor.float() + 0.2 * torch.randn(rows, 8, generator=generator) @ down


def widen(name: str, tensor: Tensor) -> Tensor:
    """Three types in one file, and every value as it was: norms fit fp16, and fp32 holds them all."""
    if name.endswith("norm.weight"):
        return tensor.half()
    return tensor.float() if "v_proj" in name or "up_proj" in name or "codec_embedding.3" in name else tensor
