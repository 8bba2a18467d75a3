"""A published snapshot: the folder that Hugging Face hands out, opened for reading.

Nothing is loaded here: tensors stay in their memory-mapped files until one is asked for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from qwen3_tts.config import ModelConfig, Section, read_json
from qwen3_tts.voice_config import VoiceEncoderConfig

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
CODEC_FOLDER = "speech_tokenizer"
TOKENIZER_FILES = ("vocab.json", "merges.txt", "tokenizer_config.json")
CONFIG_FILES = ("config.json", "generation_config.json", f"{CODEC_FOLDER}/config.json")
WEIGHTS = "model.safetensors"
WEIGHTS_INDEX = "model.safetensors.index.json"
HUB_PATTERNS = (*CONFIG_FILES, *TOKENIZER_FILES, "*.safetensors", "*.safetensors.index.json")


class SnapshotError(ValueError):
    """The snapshot cannot be found or read, or its files contradict each other."""


def locate(name: str, revision: str | None) -> Path:
    """The snapshot's folder: `name` itself, or where Hugging Face's cache holds the repository of that name.

    Downloads what is missing, only the files that conversion reads. Raises SnapshotError.
    """
    folder = Path(name)
    if folder.is_dir():
        return folder
    if folder.exists() or not HUB_ID.fullmatch(name):
        raise SnapshotError(f"'{name}' is neither a folder nor a Hugging Face id such as Qwen/Qwen3-TTS-12Hz-0.6B-Base")
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(HUB_PATTERNS)))
    except (HfHubHTTPError, OSError) as error:
        cause = str(error).strip().partition("\n")[0]
        raise SnapshotError(
            f"'{name}' is no folder here and could not be fetched from Hugging Face ({cause}); "
            "check the id and the network, or give a downloaded folder"
        ) from error


@dataclass(frozen=True)
class TensorInfo:
    """What a file's header says about a tensor."""

    path: Path  # the file that holds it
    dtype: str  # safetensors' name, such as "BF16"
    shape: tuple[int, ...]


class TensorFiles:
    """The tensors of one folder: `model.safetensors`, or the shards that its index lists. Raises SnapshotError."""

    def __init__(self, folder: Path):
        self._handles: dict[Path, Any] = {}
        self.infos: dict[str, TensorInfo] = {}
        single, index = folder / WEIGHTS, folder / WEIGHTS_INDEX
        if single.is_file() and index.is_file():
            raise SnapshotError(
                f"{folder}: holds both {WEIGHTS} and {WEIGHTS_INDEX}; remove the one that is out of date"
            )
        if index.is_file():
            self._open_shards(folder, index)
        elif single.is_file():
            self._open(single)
        else:
            raise SnapshotError(f"{single}: no such file; the snapshot is incomplete, fetch it again")

    def tensor(self, name: str) -> Tensor:
        """The tensor's values, backed by its file."""
        path = self.infos[name].path
        try:
            return self._handles[path].get_tensor(name)
        except SafetensorError as error:
            raise SnapshotError(f"{path}: tensor '{name}' cannot be read ({error}); fetch the file again") from error

    def _open(self, path: Path) -> None:
        try:
            handle = safe_open(path, framework="pt")
            for name in handle.keys():  # noqa: SIM118  (not a dict)
                view = handle.get_slice(name)
                if name in self.infos:
                    raise SnapshotError(f"tensor '{name}' stands in both {self.infos[name].path} and {path}")
                self.infos[name] = TensorInfo(path, view.get_dtype(), tuple(view.get_shape()))
        except SafetensorError as error:
            raise SnapshotError(f"{path}: not a complete safetensors file ({error}); fetch it again") from error
        self._handles[path] = handle

    def _open_shards(self, folder: Path, index: Path) -> None:
        listed = read_json(index).section("weight_map").values
        for shard in sorted(set(map(str, listed.values()))):
            path = folder / shard
            if Path(shard).name != shard or not path.is_file():
                raise SnapshotError(f"{path}: no such file, but {index.name} lists it; fetch the snapshot again")
            self._open(path)
        for name, shard in listed.items():
            if name not in self.infos or self.infos[name].path.name != shard:
                raise SnapshotError(f"{folder / shard}: tensor '{name}' is missing, but {index.name} lists it there")
        for name, info in self.infos.items():
            if name not in listed:
                raise SnapshotError(f"{info.path}: holds tensor '{name}', which {index.name} does not list")


class Snapshot:
    """A snapshot's configuration and tensors.

    `tensors` goes by name; the codec's have the prefix "speech_tokenizer/". Raises SnapshotError, ConfigError.
    """

    def __init__(self, folder: Path):
        for name in (*CONFIG_FILES, *TOKENIZER_FILES):
            if not (folder / name).is_file():
                raise SnapshotError(f"{folder / name}: no such file; the snapshot is incomplete, fetch it again")
        self.folder = folder
        self.root = read_json(folder / "config.json")
        if "speech_tokenizer_config" in self.root.values:
            raise SnapshotError(f"{folder}: already converted; give the snapshot that it was made from")
        self.speech_tokenizer: Section = read_json(folder / CODEC_FOLDER / "config.json")
        self.config = ModelConfig.read(self.root, self.speech_tokenizer, read_json(folder / "generation_config.json"))
        self.voice_encoders = (
            VoiceEncoderConfig.read(self.root, self.speech_tokenizer) if self.config.model_type == "base" else None
        )
        self._files = {"": TensorFiles(folder), f"{CODEC_FOLDER}/": TensorFiles(folder / CODEC_FOLDER)}
        self.tensors: dict[str, TensorInfo] = {
            prefix + name: info for prefix, files in self._files.items() for name, info in files.infos.items()
        }

    def tensor(self, name: str) -> Tensor:
        """The values of a tensor in `tensors`, backed by its file."""
        prefix, _, _ = name.rpartition("/")
        prefix = f"{prefix}/" if prefix else ""
        return self._files[prefix].tensor(name.removeprefix(prefix))
