"""Digests of the bytes of a `.pte` or `.ptd`, by which a runner knows that nothing damaged the file since its export.

They stand behind what ExecuTorch reads, which takes its sizes from its own header:

    `size` bytes for ExecuTorch | digests (8 each) | size (8) | digest of the digests (8) | magic "Q3TTSXX1"

Numbers are little-endian. A digest is XXH3 (64 bits) of a block of 1 MiB, the last one shorter; that of the digests is
seeded with the size. runner/src/program/file_digests.h reads them.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import xxhash

BLOCK_BYTES = 1 << 20
MAGIC = b"Q3TTSXX1"


class DigestingWriter(io.BufferedIOBase):
    """Writes to `file` and forms the digests of what goes by."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self._size = 0
        self._digests: list[int] = []  # of whole blocks
        self._block = xxhash.xxh3_64()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._file.write(view)
        done = 0
        while done < len(view):
            piece = view[done : done + BLOCK_BYTES - self._size % BLOCK_BYTES]
            self._block.update(piece)
            self._size += len(piece)
            done += len(piece)
            if self._size % BLOCK_BYTES == 0:
                self._end_block()
        return len(view)

    def write_digests(self) -> None:
        """Once, behind the last byte."""
        if self._size % BLOCK_BYTES != 0:
            self._end_block()
        digests = struct.pack(f"<{len(self._digests)}Q", *self._digests)
        digest = xxhash.xxh3_64_intdigest(digests, seed=self._size)
        self._file.write(digests + struct.pack("<QQ", self._size, digest) + MAGIC)

    def _end_block(self) -> None:
        self._digests.append(self._block.intdigest())
        self._block.reset()


@contextmanager
def digested(file: BinaryIO) -> Iterator[DigestingWriter]:
    """What to write to in place of `file`, which gets the digests at the end of the context."""
    writer = DigestingWriter(file)
    yield writer
    writer.write_digests()
