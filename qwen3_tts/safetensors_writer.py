"""Writes safetensors files piece by piece, so that a file may be far larger than the memory in use.

The format: 8 bytes header length (little-endian), the header (JSON: name -> dtype, shape, data_offsets; padded with
spaces to a multiple of 8), then the tensors' bytes without gaps. Since shapes are known before the values are, the
header is written first and the values follow in the header's order.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

ELEMENT_SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
WRITE_BYTES = 1 << 24


@dataclass(frozen=True)
class TensorEntry:
    """A tensor's line in the header."""

    name: str
    dtype: str  # a key of ELEMENT_SIZES
    shape: tuple[int, ...]

    @property
    def num_bytes(self) -> int:
        return math.prod(self.shape) * ELEMENT_SIZES[self.dtype]


class SafetensorsWriter:
    """One file being written; a context manager.

    `write` takes the tensors in the order of `entries`, each in one piece or several. Leaving the context checks that
    every byte was given; an exception inside it leaves a file that no reader accepts, for the caller to remove.
    """

    def __init__(self, path: Path, entries: Iterable[TensorEntry], metadata: Mapping[str, str] | None = None):
        self.path = path
        self._pending = list(entries)
        names = [entry.name for entry in self._pending]
        if len(set(names)) != len(names):
            raise ValueError(f"{path}: a tensor name occurs twice")
        header = encode_header(self._pending, metadata)
        self._pending.reverse()
        self._written = 0  # bytes of the tensor on top of _pending
        self._file = path.open("wb", buffering=0)
        self._write_all(memoryview(header))

    def write(self, name: str, data: Any) -> None:
        """The next bytes of tensor `name`. data: a contiguous buffer (bytes, numpy array) in the header's dtype.

        Raises ValueError when `name` is not the tensor whose turn it is, or has fewer bytes than given.
        """
        entry = self._next_entry()
        if entry is None or entry.name != name:
            raise ValueError(f"{self.path}: expected tensor {entry.name if entry else 'no further'}, got {name}")
        view = memoryview(data).cast("B")
        if self._written + len(view) > entry.num_bytes:
            raise ValueError(f"{self.path}: tensor {name} has {entry.num_bytes} bytes, more were given")
        self._write_all(view)
        self._written += len(view)

    def _next_entry(self) -> TensorEntry | None:
        """The tensor that is being written, after passing over complete ones."""
        while self._pending and self._written == self._pending[-1].num_bytes:
            self._pending.pop()
            self._written = 0
        return self._pending[-1] if self._pending else None

    def _write_all(self, view: memoryview) -> None:
        while view:
            view = view[self._file.write(view[:WRITE_BYTES]) :]

    def __enter__(self) -> SafetensorsWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        entry = self._next_entry()
        if error is None and entry is not None:
            raise ValueError(f"{self.path}: tensor {entry.name} was not written completely")


def encode_header(entries: Iterable[TensorEntry], metadata: Mapping[str, str] | None) -> bytes:
    """The file's first bytes, up to the first tensor's values."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    offset = 0
    for entry in entries:
        end = offset + entry.num_bytes
        header[entry.name] = {"dtype": entry.dtype, "shape": list(entry.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
