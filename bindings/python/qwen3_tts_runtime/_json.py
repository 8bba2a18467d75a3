"""Values from Python as the JSON and the bytes that the library takes."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from qwen3_tts_runtime.errors import InvalidArgument


def encode(values: Mapping[str, Any]) -> bytes:
    """A JSON object, without what is None. What a key may hold is for the library to say, if JSON can hold it."""
    given = {key: _plain(key, value) for key, value in values.items() if value is not None}
    return json.dumps(given, ensure_ascii=False).encode()


def _plain(key: str, value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        encode_text(key, value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise InvalidArgument(f"{key} is {value}; it must be a finite number")
    elif not isinstance(value, (bool, int, float)):
        raise InvalidArgument(f"{key} is of type {type(value).__name__}; give a str, a number, True, False or None")
    return value


def encode_text(name: str, text: str) -> bytes:
    """UTF-8, which has no half of a surrogate pair."""
    if not isinstance(text, str):
        raise InvalidArgument(f"{name} is of type {type(text).__name__}; give a str")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgument(
            f"{name}: character {error.start} ({text[error.start]!a}) is half of a surrogate pair, which no text has; "
            "decode the text from UTF-8 without errors='surrogateescape'"
        ) from None


def encode_name(name: str, text: str) -> bytes:
    """The same for a function in C that takes a text up to its first NUL."""
    encoded = encode_text(name, text)
    if b"\0" in encoded:
        raise InvalidArgument(f"{name} {text!r} holds a NUL character; leave it out")
    return encoded


def encode_path(path: str | os.PathLike[str]) -> bytes:
    """As the system takes it, which knows no NUL."""
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"path {os.fspath(path)!a} cannot be written as bytes ({error.reason})") from None
    if b"\0" in encoded:
        raise InvalidArgument(f"path {os.fsdecode(encoded)!r} holds a NUL character; no file has one in its name")
    return encoded
