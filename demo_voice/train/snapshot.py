"""Puts what was trained together: a snapshot in the published layout.

    python demo_voice/train/snapshot.py --runs DIR --out DIR/snapshot

DIR holds vocabulary/ and the states of train_encoder.py, train_waves.py and train_talker.py: encoder/, waves/, talker/.
SHA256SUMS is written, too.
With --untrained what is missing has random weights, to try the tools on it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

import layout
from codec_encoder import CodecEncoder
from published_layout import (
    CODEC_CONFIGURATION,
    CODEC_PREPROCESSOR_CONFIG,
    PREPROCESSOR_CONFIG,
    codec_tensors,
    main_tensors,
)
from talker import Talker
from train_waves import Decoder
from vocabulary import token_ids

Weights = dict[str, Tensor]
SUMS = "SHA256SUMS"


def state(runs: Path, name: str, untrained: bool) -> Mapping[str, Tensor] | None:
    path = runs / name / "state.pt"
    if path.exists():
        return torch.load(path, weights_only=True)["model"]
    if untrained:
        return None
    raise SystemExit(f"{path}: missing; run train_{name}.py first, or give --untrained")


def codec_weights(encoder: CodecEncoder, decoder: Decoder) -> Weights:
    """speech_tokenizer/model.safetensors."""
    weights = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    weights |= {f"decoder.{name}": value for name, value in decoder.decoder.state_dict().items()}
    made = decoder.dequantizer
    books = [book.weight for book in made.books if isinstance(book, torch.nn.Embedding)]
    for part, proj, levels in (("rvq_first", made.first_proj, books[:1]), ("rvq_rest", made.rest_proj, books[1:])):
        target = f"decoder.quantizer.{part}"
        weights[f"{target}.output_proj.weight"] = proj.weight
        weights[f"{target}.input_proj.weight"] = torch.linalg.pinv(proj.weight[..., 0])[..., None]  # read by nothing
        for index, vectors in enumerate(levels):
            book = f"{target}.vq.layers.{index}._codebook"
            weights[f"{book}.embedding_sum"] = vectors
            weights[f"{book}.cluster_usage"] = torch.ones(len(vectors))
    return weights


def check(weights: Weights, wanted: dict[str, tuple[int, ...]]) -> None:
    """The published names and shapes, no more and no less."""
    found = {name: tuple(value.shape) for name, value in weights.items()}
    wrong = sorted(set(found.items()) ^ set(wanted.items()))
    if wrong:
        raise SystemExit(f"not the published layout: {wrong}")


def write_json(path: Path, values: Any) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def stored(name: str, value: Tensor) -> Tensor:
    """In bfloat16, but for the codebooks: codes are the nearest of their rows."""
    dtype = torch.float32 if "codebook" in name else torch.bfloat16
    return value.detach().to(dtype).clone().contiguous()


def write_weights(path: Path, weights: Weights, metadata: dict[str, str] | None) -> None:
    ready = {name: stored(name, value) for name, value in weights.items()}
    unfinished = path.with_suffix(".tmp")
    save_file(ready, unfinished, metadata)
    unfinished.replace(path)


def sums(folder: Path) -> str:
    """The SHA-256 of every file, as sha256sum writes and checks it."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SUMS)
    return "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n" for path in paths
    )


def write(runs: Path, out: Path, untrained: bool) -> None:
    codec_folder = out / "speech_tokenizer"
    codec_folder.mkdir(parents=True, exist_ok=True)
    size, ids = token_ids(runs / "vocabulary")
    config = layout.root(size, ids)
    torch.manual_seed(0)
    encoder, decoder = CodecEncoder(layout.CODEC["encoder_config"]), Decoder()
    talker = Talker(config["talker_config"])
    runs_of = {"encoder": encoder, "waves": decoder, "talker": talker}
    for name, module in runs_of.items():
        prefix = "talker." if name == "talker" else ""
        weights = state(runs, name, untrained)
        if weights is not None:
            kept = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
            module.load_state_dict(kept)
    codec = codec_weights(encoder, decoder)
    check(codec, {tensor.name: tensor.shape for tensor in codec_tensors(layout.CODEC)})
    main_weights = {f"talker.{name}": value for name, value in talker.state_dict().items()}
    check(main_weights, {tensor.name: tensor.shape for tensor in main_tensors(config)})
    for name in ("vocab.json", "merges.txt", "tokenizer_config.json"):
        shutil.copyfile(runs / "vocabulary" / name, out / name)
    write_json(out / "config.json", config)
    write_json(out / "generation_config.json", layout.GENERATION)
    write_json(out / "preprocessor_config.json", PREPROCESSOR_CONFIG)
    write_json(codec_folder / "config.json", layout.CODEC)
    write_json(codec_folder / "configuration.json", CODEC_CONFIGURATION)
    write_json(codec_folder / "preprocessor_config.json", CODEC_PREPROCESSOR_CONFIG)
    write_weights(codec_folder / "model.safetensors", codec, None)
    write_weights(out / "model.safetensors", main_weights, {"format": "pt"})
    (out / SUMS).write_text(sums(out), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", required=True, type=Path, metavar="DIR", help="folder of the training runs")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder to write; made when missing")
    parser.add_argument("--untrained", action="store_true", help="random weights where a run is missing")
    args = parser.parse_args()
    write(args.runs, args.out, args.untrained)


if __name__ == "__main__":
    main()
