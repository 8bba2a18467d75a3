"""The files of a published snapshot, and what people bring in place of one: refused by name, with what to take instead.

These are the checks before any tensor is looked at; tensor_names.py has those of the tensors' names.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from qwen3_tts.config import CODEC_SECTION

CODEC_FOLDER = "speech_tokenizer"
CONFIG_FILES = ("config.json", "generation_config.json", f"{CODEC_FOLDER}/config.json")
TOKENIZER_FILES = ("vocab.json", "merges.txt", "tokenizer_config.json")
TOKENIZER_JSON = "tokenizer.json"  # which may stand in place of them
ADAPTER_CONFIG = "adapter_config.json"
CARD = "README.md"
LICENCES = ("LICENSE", "LICENSE.txt", "LICENSE.md")  # the first that is there is taken
WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
MODEL_TYPE = "qwen3_tts"

FROM_ORIGIN = "take it from the model that this one was made from, or fetch the snapshot again"
ORIGINAL = "take the unquantized snapshot that it was made from, such as Qwen/Qwen3-TTS-12Hz-0.6B-Base"
# Not save_pretrained(): that of the reference package ends in a KeyError while it writes config.json.
MERGE_ADAPTER = (
    "merge it into its base model first: model = peft_model.merge_and_unload(), then "
    "safetensors.torch.save_file(model.state_dict(), 'model.safetensors'), in a copy of the base model's folder"
)
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json", "*.pt", "*.pth", "*.ckpt")


class SnapshotError(ValueError):
    """The snapshot cannot be found or read, or its files contradict each other."""


def check_folder(folder: Path) -> None:
    """Raises SnapshotError when the names or the first bytes of the files in `folder` show that it is no snapshot."""
    for path in _readable_files(folder):
        _check_start(path)
    if (folder / ADAPTER_CONFIG).is_file():
        raise SnapshotError(
            f"{folder / ADAPTER_CONFIG}: the folder holds a LoRA adapter; {MERGE_ADAPTER}. "
            f"Where that is done, remove {ADAPTER_CONFIG}"
        )
    if found := sorted(folder.glob("*.gguf")):
        raise SnapshotError(f"{found[0]}: GGUF models cannot be converted; {ORIGINAL}")
    _check_has_config(folder)


def check_files(folder: Path) -> None:
    """Raises SnapshotError unless the files of a snapshot are there."""
    for name in _needed_files(folder):
        if not (folder / name).is_file():
            raise SnapshotError(f"{folder / name}: no such file; {FROM_ORIGIN}")
    for part in (folder, folder / CODEC_FOLDER):
        _check_weights(part)


def _readable_files(folder: Path) -> Iterator[Path]:
    for part in (folder, folder / CODEC_FOLDER):
        for pattern in ("*.json", "*.txt", "*.safetensors", "*.bin"):
            yield from sorted(path for path in part.glob(pattern) if path.is_file())


def _check_start(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(LFS_POINTER):
        raise SnapshotError(
            f"{path}: a pointer of git-lfs, not the file itself; install git-lfs and call 'git lfs pull' in its folder"
        )
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        raise SnapshotError(f"{path}: a web page, not the file itself; fetch it with 'hf download'")


def _check_has_config(folder: Path) -> None:
    """A folder without a config.json may be near to one that has it."""
    if (folder / "config.json").is_file():
        return
    revisions = sorted(path.parent for path in folder.glob("snapshots/*/config.json"))
    if revisions:
        raise SnapshotError(f"{folder}: a folder of Hugging Face's cache; give the snapshot in it, {revisions[-1]}")
    raise SnapshotError(f"{folder / 'config.json'}: no such file; {FROM_ORIGIN}")


def _needed_files(folder: Path) -> Iterator[str]:
    yield from CONFIG_FILES
    if not (folder / TOKENIZER_JSON).is_file():
        yield from TOKENIZER_FILES


def _check_weights(folder: Path) -> None:
    if (folder / WEIGHTS).is_file() or (folder / WEIGHTS_INDEX).is_file():
        return
    pickled = sorted(path for pattern in PICKLED for path in folder.glob(pattern))
    if pickled:
        raise SnapshotError(
            f"{pickled[0]}: pickled weights are not read; load them and save them with "
            "safetensors.torch.save_file(model.state_dict(), 'model.safetensors')"
        )
    raise SnapshotError(f"{folder / WEIGHTS}: no such file; {FROM_ORIGIN}")


def check_config(values: dict[str, Any], path: Path) -> None:
    """Raises SnapshotError unless a root config.json is that of a Qwen3-TTS 12 Hz model that is not quantized."""
    if CODEC_SECTION in values:
        raise SnapshotError(f"{path.parent}: already converted; give the snapshot that it was made from")
    model_type = values.get("model_type", MODEL_TYPE)
    if str(model_type).startswith(f"{MODEL_TYPE}_tokenizer"):
        raise SnapshotError(
            f"{path}: model_type is '{model_type}', the codec alone; give the snapshot of a whole model"
        )
    if model_type != MODEL_TYPE:
        raise SnapshotError(
            f"{path}: model_type is {model_type!r}; only '{MODEL_TYPE}' can be converted, "
            "such as Qwen/Qwen3-TTS-12Hz-0.6B-Base"
        )
    for key in ("quantization_config", "quantization"):
        if isinstance(values.get(key), dict):
            raise SnapshotError(f"{path}: the weights are quantized ({_quantizer(values[key])}); {ORIGINAL}")
    if "talker_config" not in values:
        raise SnapshotError(
            f"{path}: has no 'talker_config', so it is not in the layout of the package qwen-tts; take the snapshot "
            "without '-hf' in its name, such as Qwen/Qwen3-TTS-12Hz-0.6B-Base"
        )
    check_frame_rate(values.get("tokenizer_type"), path)


def check_frame_rate(codec_type: object, path: Path) -> None:
    """Raises SnapshotError for the codec of 25 Hz, `codec_type` being its name in a config.json."""
    if codec_type == f"{MODEL_TYPE}_tokenizer_25hz":
        raise SnapshotError(
            f"{path}: a model of 25 Hz ('{codec_type}'), which has another codec; "
            "take one of 12 Hz, such as Qwen/Qwen3-TTS-12Hz-0.6B-Base"
        )


def _quantizer(config: dict[str, Any]) -> str:
    method = config.get("quant_method", "MLX" if "group_size" in config else "unknown method")
    return f"{method}, {config['bits']} bits" if "bits" in config else str(method)
