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

from qwen3_tts.config import CODEC_SECTION, ModelConfig
from qwen3_tts.config_file import Section, completed, read_json, read_object
from qwen3_tts.convert.layout import (
    ADAPTER_CONFIG,
    CARD,
    CODEC_FOLDER,
    CONFIG_FILES,
    FROM_ORIGIN,
    LICENCES,
    TOKENIZER_FILES,
    TOKENIZER_JSON,
    WEIGHTS,
    WEIGHTS_INDEX,
    SnapshotError,
    check_config,
    check_files,
    check_folder,
    check_frame_rate,
)
from qwen3_tts.voice_config import VoiceEncoderConfig

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
HUB_PATTERNS = (
    *CONFIG_FILES,
    *TOKENIZER_FILES,
    TOKENIZER_JSON,
    ADAPTER_CONFIG,
    CARD,
    *LICENCES,
    "*.safetensors",
    "*.safetensors.index.json",
)


@dataclass(frozen=True)
class Location:
    """Where a snapshot lies, and which it is on the hub: {"repository", "revision"}, a commit; None if unknown."""

    folder: Path
    origin: dict[str, str] | None = None


def locate(name: str, revision: str | None) -> Location:
    """The snapshot's folder: `name` itself, or where Hugging Face's cache holds the repository of that name.

    Downloads what is missing, only the files that conversion reads. Raises SnapshotError.
    """
    folder = Path(name)
    if folder.is_dir():
        return Location(folder)
    if folder.is_file():
        raise SnapshotError(f"'{name}' is a file; give the folder of the whole snapshot")
    if not HUB_ID.fullmatch(name):
        raise SnapshotError(f"'{name}' is neither a folder nor a Hugging Face id such as Qwen/Qwen3-TTS-12Hz-0.6B-Base")
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=list(HUB_PATTERNS)))
    except (HfHubHTTPError, OSError) as error:
        cause = str(error).strip().partition("\n")[0]
        raise SnapshotError(
            f"'{name}' is no folder here and could not be fetched from Hugging Face ({cause}); "
            "check the id and the network, or give a downloaded folder"
        ) from error
    return Location(folder, {"repository": name, "revision": folder.name})  # the cache names it after the commit


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
        else:
            self._open(single)

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
        listed = read_json(index, "weights_index").section("weight_map").values
        shards = {path.name: path for path in folder.iterdir() if path.is_file()}
        for name, shard in listed.items():
            if not isinstance(shard, str) or shard not in shards:
                raise SnapshotError(f"{folder}: has no file {shard!r}, where {index.name} has '{name}'; {FROM_ORIGIN}")
        for shard in sorted(set(listed.values())):
            self._open(shards[shard])
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
        check_folder(folder)
        self.folder = folder
        path = folder / "config.json"
        root = read_object(path)
        check_config(root, path)
        check_files(folder)
        self.root = completed(root, str(path), "config")
        codec_path = folder / CODEC_FOLDER / "config.json"
        self.speech_tokenizer: Section = read_json(codec_path, CODEC_SECTION)
        check_frame_rate(self.speech_tokenizer.values.get("model_type"), codec_path)
        self.generation = read_json(folder / "generation_config.json", "generation_config")
        self.config = ModelConfig.read(self.root, self.speech_tokenizer, self.generation)
        self.voice_encoders = (
            VoiceEncoderConfig.read(self.root, self.speech_tokenizer) if self.config.model_type == "base" else None
        )
        self._files = {"": TensorFiles(folder), f"{CODEC_FOLDER}/": TensorFiles(folder / CODEC_FOLDER)}
        self.tensors: dict[str, TensorInfo] = {
            prefix + name: info for prefix, files in self._files.items() for name, info in files.infos.items()
        }
        for name, info in self._files[""].infos.items():
            if "/" in name:  # and could be taken for one of the codec's
                raise SnapshotError(f"{info.path}: tensor '{name}' belongs to no part of a model; {FROM_ORIGIN}")

    def tensor(self, name: str) -> Tensor:
        """The values of a tensor in `tensors`, backed by its file."""
        prefix, _, _ = name.rpartition("/")
        prefix = f"{prefix}/" if prefix else ""
        return self._files[prefix].tensor(name.removeprefix(prefix))

    @property
    def reference_defaults(self) -> dict[str, dict[str, Any]]:
        """What the reference takes for keys that the files leave out: file -> dotted key -> value."""
        sections = (self.root, self.generation, self.speech_tokenizer)
        return {name: section.taken for name, section in zip(CONFIG_FILES, sections) if section.taken}
