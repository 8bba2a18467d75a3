"""The version of this package."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

_OF_CHECKOUT = Path(__file__).resolve().parent.parent / "VERSION"


def version() -> str:
    """ "0.1.0", of the checkout that this file lies in, or of the package that was installed."""
    if _OF_CHECKOUT.is_file():
        return _OF_CHECKOUT.read_text(encoding="utf-8").strip()
    return importlib.metadata.version("qwen3-tts")
