"""Files of texts, one a line: to calibrate with, to measure with, to judge."""

from __future__ import annotations

from pathlib import Path


def read_texts(path: Path) -> list[str]:
    """The lines that are not blank, stripped. Raises OSError, or ValueError when there are none or it is no UTF-8."""
    try:
        texts = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text; save it as such") from None
    texts = [text for text in texts if text]
    if not texts:
        raise ValueError(f"{path} has no text; write some sentences into it, one a line")
    return texts
