"""Voice files: what a runner stores for a cloned speaker (safetensors; read by runner/src/voice.cpp).

Tensors: `x_vector` F32 [H]; for in-context cloning also `codes` I32 [T, G] and `text_ids` I32 [N].
Metadata: format, format_version, name, language, hidden_size, model_type, digest; all strings. Version 1 had no digest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from qwen3_tts.atomic_output import AtomicOutput

FORMAT = "qwen3_tts_voice"
FORMAT_VERSION = "2"
VERSION_WITHOUT_DIGEST = "1"  # read, and no longer written
MAX_LENGTH = 1e4  # of an x-vector; runner/src/base/x_vector.cpp has it, too
KEYS = ("format", "format_version", "name", "language", "hidden_size", "model_type")
TENSORS = ("x_vector", "codes", "text_ids")


@dataclass(frozen=True, eq=False)
class Voice:
    """A cloned speaker. Arrays are converted to their dtype; raises ValueError when a shape or value cannot be."""

    name: str
    language: str  # of the recording: a language name of the model, or "auto"
    model_type: str  # of the model that the voice is for
    x_vector: NDArray[np.float32]  # [H]
    codes: NDArray[np.int32] | None = None  # [T, G]: the recording, for in-context cloning
    text_ids: NDArray[np.int32] | None = None  # [N]: its transcript; together with codes or not at all

    def __post_init__(self) -> None:
        x_vector = np.ascontiguousarray(self.x_vector, dtype=np.float32)
        if x_vector.ndim != 1 or x_vector.size == 0 or not np.isfinite(x_vector).all():
            raise ValueError(f"x_vector must be [H] finite numbers, found shape {list(x_vector.shape)}")
        if (length := float(np.linalg.norm(x_vector.astype(np.float64)))) > MAX_LENGTH:
            raise ValueError(f"x_vector has the length {length:.3g}, and that of no voice is above {MAX_LENGTH:.0f}")
        object.__setattr__(self, "x_vector", x_vector)
        if (self.codes is None) != (self.text_ids is None):
            raise ValueError("codes and text_ids come together or not at all")
        if self.codes is not None and self.text_ids is not None:
            object.__setattr__(self, "codes", _ids("codes", self.codes, ndim=2))
            object.__setattr__(self, "text_ids", _ids("text_ids", self.text_ids, ndim=1))

    @property
    def hidden_size(self) -> int:
        return int(self.x_vector.shape[0])

    def save(self, path: Path) -> None:
        """Write the voice file in one step: no reader sees a part of it. Raises OSError."""
        tensors: dict[str, NDArray[Any]] = {"x_vector": self.x_vector}
        if self.codes is not None and self.text_ids is not None:
            tensors |= {"codes": self.codes, "text_ids": self.text_ids}
        metadata = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "language": self.language,
            "hidden_size": str(self.hidden_size),
            "model_type": self.model_type,
        }
        metadata["digest"] = digest_of(metadata, tensors)
        with AtomicOutput(path) as file:
            file.write(save(tensors, metadata))

    @classmethod
    def load(cls, path: Path) -> Voice:
        """The voice in a file. Raises ValueError naming the file when it is no voice file, or OSError."""
        try:
            with safe_open(path, framework="np") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
            return cls._from_parts(metadata, tensors)
        except (SafetensorError, ValueError) as error:
            raise ValueError(f"{path}: {error}") from error

    @classmethod
    def _from_parts(cls, metadata: dict[str, str], tensors: dict[str, NDArray[Any]]) -> Voice:
        missing = set(KEYS) - metadata.keys()
        if missing:
            raise ValueError(f"not a voice file: metadata {', '.join(sorted(missing))} is missing")
        found, digest = (metadata["format"], metadata["format_version"]), metadata.get("digest")
        if found != (FORMAT, VERSION_WITHOUT_DIGEST) or digest is not None:
            if found != (FORMAT, FORMAT_VERSION):
                raise ValueError(f"not a voice file of this version: {found} instead of {(FORMAT, FORMAT_VERSION)}")
            if digest != digest_of(metadata, tensors):
                raise ValueError("damaged: its digest is not that of its content; copy or make the voice file again")
        dtypes = {name: str(tensor.dtype) for name, tensor in tensors.items()}
        expected = {"x_vector": "float32"}
        if len(tensors) > 1:
            expected |= {"codes": "int32", "text_ids": "int32"}
        if dtypes != expected:
            raise ValueError(f"the tensors must be {expected}, found {dtypes}")
        voice = cls(metadata["name"], metadata["language"], metadata["model_type"], **tensors)
        if metadata["hidden_size"] != str(voice.hidden_size):
            raise ValueError(f"hidden_size is {metadata['hidden_size']}, but x_vector has {voice.hidden_size} values")
        return voice


def digest_of(metadata: dict[str, str], tensors: dict[str, NDArray[Any]]) -> str:
    """16 hexadecimal digits of what a voice file says; voice_digest.h says how."""
    digest = xxhash.xxh3_64()
    for key in KEYS:
        if key in metadata:
            digest.update(f"{key}\0{metadata[key]}\0".encode())
    for name in TENSORS:
        if name in tensors:
            tensor = tensors[name]
            digest.update(f"{name}\0{','.join(map(str, tensor.shape))}\0".encode())
            digest.update(np.ascontiguousarray(tensor).tobytes())
    return digest.hexdigest()


def _ids(name: str, values: NDArray[Any], *, ndim: int) -> NDArray[np.int32]:
    """`values` as int32, never rounded or wrapped."""
    array = np.asarray(values)
    if array.ndim != ndim or array.size == 0 or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name} must be integers with {ndim} dimensions, found {array.dtype} {list(array.shape)}")
    if array.min() < 0 or array.max() > np.iinfo(np.int32).max:
        raise ValueError(f"{name} must be in 0..{np.iinfo(np.int32).max}, found {array.min()}..{array.max()}")
    return np.ascontiguousarray(array, dtype=np.int32)
