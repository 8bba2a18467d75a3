"""Writes a random-weight snapshot in the published Hugging Face layout.

    python tests/random_checkpoint.py --size tiny-base --out DIR [--seed N] [--shards N]

File names, config keys, tensor names, shapes and dtypes are those of the published checkpoints; only the numbers are
noise, so it says nothing but exercises everything. Tiny sizes have few layers, six groups of 256 codes, and about 2500
text tokens.

Every tensor has its own Philox stream, keyed by seed and name, and its values come from integer arithmetic: they are
the same on every machine and with every version of numpy.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

import published_layout as layout
from published_layout import RandomTensor
from qwen_vocabulary import load_vocabulary

TINY_FIRST_RANKS = 2400
TINY_TEXT_VOCAB = 2560
PUBLISHED_TEXT_VOCAB = 151936
DRAW_VALUES = 1 << 21
ELEMENT_SIZES = {"F32": 4, "BF16": 2}
UNUSED_CODES = 3  # last rows of a codebook whose use count is below the reference's clamp


# ---------------------------------------------------------------------------------------------------------------------
# Values
# ---------------------------------------------------------------------------------------------------------------------


class Stream:
    """Random fp32 values of one tensor, in order. Philox's raw output is stable across numpy versions by contract."""

    def __init__(self, name: str, seed: int):
        key = hashlib.sha256(f"{seed}:{name}".encode()).digest()
        self._bits = np.random.Philox(key=int.from_bytes(key[:16], "little"))

    def normal(self, count: int) -> np.ndarray:
        """About standard normal: the sum of four 16-bit integers, scaled."""
        mask = np.uint64(0x0000FFFF0000FFFF)
        raw = self._bits.random_raw(count)
        halves = ((raw & mask) + ((raw >> np.uint64(16)) & mask)).view(np.uint32)
        values = (halves[0::2] + halves[1::2]).astype(np.float32)
        values -= np.float32(2 * 65535)
        values *= np.float32(math.sqrt(3) / 65536)
        return values

    def uniform(self, count: int) -> np.ndarray:
        """Evenly in [-1, 1)."""
        return (self._bits.random_raw(count) >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)


def use_counts(tensor: RandomTensor, seed: int) -> np.ndarray:
    values = Stream(tensor.name, seed).uniform(tensor.shape[0]) * np.float32(tensor.spread) + np.float32(tensor.mean)
    values[-UNUSED_CODES:] = np.float32(1e-7)
    return values


def draw(tensor: RandomTensor, seed: int, usage: np.ndarray | None) -> Iterator[np.ndarray]:
    """The tensor's fp32 values, flat, in pieces of whole rows. usage: the use counts a codebook is scaled with."""
    if tensor.kind == "usage":
        yield use_counts(tensor, seed)
        return
    stream = Stream(tensor.name, seed)
    source = stream.uniform if tensor.kind == "uniform" else stream.normal
    row_size = math.prod(tensor.shape[1:])
    step = max(1, DRAW_VALUES // row_size)
    for first in range(0, tensor.shape[0], step):
        rows = min(step, tensor.shape[0] - first)
        values = source(rows * row_size)
        values *= np.float32(tensor.spread)
        values += np.float32(tensor.mean)
        if usage is not None:
            scaled = values.reshape(rows, row_size) * np.maximum(usage[first : first + rows, None], np.float32(1e-5))
            values = scaled.ravel()
        yield values


def encode(values: np.ndarray, dtype: str) -> np.ndarray:
    """fp32 values as the bytes of `dtype` (F32, or BF16 rounded to nearest even)."""
    if dtype == "F32":
        return values
    bits = values.view(np.uint32)
    return ((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)).astype(np.uint16)


# ---------------------------------------------------------------------------------------------------------------------
# Files
# ---------------------------------------------------------------------------------------------------------------------


def safetensors_header(tensors: Iterable[RandomTensor], dtype: str, metadata: dict[str, str] | None) -> bytes:
    """The first bytes of a safetensors file that holds `tensors`, in this order."""
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    offset = 0
    for tensor in tensors:
        end = offset + math.prod(tensor.shape) * ELEMENT_SIZES[dtype]
        header[tensor.name] = {"dtype": dtype, "shape": tensor.shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def write_tensors(
    folder: Path,
    tensors: Iterable[RandomTensor],
    *,
    dtype: str,
    seed: int,
    shards: int,
    metadata: dict[str, str] | None,
    progress: Progress,
) -> None:
    """model.safetensors, or `shards` files with an index; one piece of a tensor in memory at a time.

    Order, header and padding are those of the safetensors package, so the published tensors give the published size.
    """
    ordered = sorted(tensors, key=lambda tensor: tensor.name)
    by_name = {tensor.name: tensor for tensor in ordered}
    total = sum(math.prod(tensor.shape) for tensor in ordered) * ELEMENT_SIZES[dtype]
    task = progress.add_task(f"{folder.name}/model.safetensors", total=total)
    index: dict[str, str] = {}
    for number in range(shards):
        name = "model.safetensors" if shards == 1 else f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        part = ordered[number * len(ordered) // shards : (number + 1) * len(ordered) // shards]
        index |= {tensor.name: name for tensor in part}
        with (folder / name).open("wb") as file:
            file.write(safetensors_header(part, dtype, metadata))
            for tensor in part:
                usage = use_counts(by_name[tensor.usage], seed) if tensor.usage else None
                for values in draw(tensor, seed, usage):
                    progress.advance(task, file.write(encode(values, dtype).data.cast("B")))
    if shards > 1:
        write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": index})


def write_json(path: Path, values: Any, end: str = "") -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + end, encoding="utf-8")


def write_snapshot(size: str, folder: Path, *, seed: int = 0, shards: int = 1, console: Console | None = None) -> None:
    """A snapshot of `size` (one of published_layout.SIZES) in `folder`, which may exist."""
    tiny = layout.is_tiny(size)
    vocabulary = load_vocabulary(TINY_FIRST_RANKS if tiny else None)
    text_rows = TINY_TEXT_VOCAB if tiny else PUBLISHED_TEXT_VOCAB
    config = layout.root_config(size, vocabulary.root_token_ids, text_rows)
    codec = layout.tiny_codec_config() if tiny else layout.codec_config()
    codec_folder = folder / "speech_tokenizer"
    codec_folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", layout.GENERATION_CONFIG)
    write_json(folder / "preprocessor_config.json", layout.PREPROCESSOR_CONFIG)
    write_json(codec_folder / "config.json", codec, "\n")
    write_json(codec_folder / "preprocessor_config.json", layout.CODEC_PREPROCESSOR_CONFIG, "\n")
    (codec_folder / "configuration.json").write_text(json.dumps(layout.CODEC_CONFIGURATION), encoding="utf-8")
    vocabulary.write(folder)
    # The published Base files have no header metadata, the others name the framework.
    metadata = None if config["tts_model_type"] == "base" else {"format": "pt"}
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console or Console(quiet=True)) as progress:
        write_tensors(
            folder, layout.main_tensors(config),
            dtype="BF16", seed=seed, shards=shards, metadata=metadata, progress=progress,
        )  # fmt: skip
        write_tensors(
            codec_folder, layout.codec_tensors(codec),
            dtype="F32", seed=seed, shards=shards, metadata=None, progress=progress,
        )  # fmt: skip


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", required=True, choices=layout.SIZES)
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write; made when missing")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other numbers (default: %(default)s)")
    parser.add_argument("--shards", type=int, default=1, help="split both weight files (default: one file each)")
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    write_snapshot(args.size, args.out, seed=args.seed, shards=args.shards, console=Console(stderr=True))


if __name__ == "__main__":
    main()
