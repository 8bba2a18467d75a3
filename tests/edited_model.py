"""Models that were edited: no longer damaged when they get digests of what they are now, but still wrong."""

from __future__ import annotations

import io
import struct

from qwen3_tts.export.file_digests import MAGIC, digested

SIZE_AND_DIGEST = struct.Struct("<QQ")


def without_digests(content: bytes) -> bytes:
    """What ExecuTorch reads of a .pte or .ptd that has digests. Raises ValueError for another file."""
    if not content.endswith(MAGIC):
        raise ValueError("it has no digests")
    size, _ = SIZE_AND_DIGEST.unpack_from(content, len(content) - len(MAGIC) - SIZE_AND_DIGEST.size)
    return content[:size]


def with_new_digests(content: bytes) -> bytes:
    """content: without_digests()."""
    file = io.BytesIO()
    with digested(file) as output:
        output.write(content)
    return file.getvalue()
