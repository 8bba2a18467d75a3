"""Digests of files, as manifests and SHA256SUMS have them."""

from __future__ import annotations

import hashlib
from pathlib import Path

READ_BYTES = 1 << 20


def sha256_of(path: Path) -> str:
    """SHA-256 of the file's bytes: 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(READ_BYTES):
            digest.update(block)
    return digest.hexdigest()
