"""How a byte-level vocabulary writes bytes."""

from __future__ import annotations


def byte_symbols() -> list[str]:
    """The character that stands for each of the 256 bytes in a byte-level vocabulary (GPT-2's map)."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    stand_ins = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(stand_ins)) for byte in range(256)]
