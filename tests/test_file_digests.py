"""The digests behind an export: what they are, and that every kind of export has them (test_file_digests.cpp reads
them)."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
import xxhash

import models
from edited_model import with_new_digests, without_digests
from qwen3_tts.export.file_digests import BLOCK_BYTES, digested


def written(*pieces: bytes) -> bytes:
    file = io.BytesIO()
    with digested(file) as output:
        for piece in pieces:
            assert output.write(piece) == len(piece)
    return file.getvalue()


def expected(content: bytes) -> bytes:
    """The format once more, all at once."""
    blocks = [content[begin : begin + BLOCK_BYTES] for begin in range(0, len(content), BLOCK_BYTES)]
    digests = b"".join(struct.pack("<Q", xxhash.xxh3_64_intdigest(block)) for block in blocks)
    size = len(content)
    return content + digests + struct.pack("<QQ", size, xxhash.xxh3_64_intdigest(digests, seed=size)) + b"Q3TTSXX1"


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES + 7])
def test_digests_do_not_depend_on_the_pieces(size: int) -> None:
    content = bytes(index * 131 % 251 for index in range(min(size, 4099))) * (size // 4099 + 1)
    content = content[:size]
    cuts = (0, size // 7, size // 7, size // 2, size)
    assert written(content) == expected(content)
    assert written(*(content[begin:end] for begin, end in zip(cuts, cuts[1:]))) == expected(content)


@pytest.mark.parametrize("name", ["tiny-customvoice-small", "tiny-base-voice-encoder"])
def test_exports_have_digests(name: str) -> None:
    content = models.exported(name).read_bytes()
    assert content == with_new_digests(without_digests(content)) != without_digests(content)


def test_both_files_of_a_program_for_a_gpu_have_digests() -> None:
    program: Path = models.gpu_program("tiny-customvoice-gpu")
    for content in (program.read_bytes(), program.with_suffix(".ptd").read_bytes()):
        assert content == with_new_digests(without_digests(content))
