"""The shared libraries: where they are, what their functions take, and what becomes of a status.

    engine = ctypes.c_void_p()
    core().engine_create(b'{"model_path": "model.pte"}', ctypes.byref(engine))

A function of `core()` or `audio()` is the one of the header with the prefix `qwen3_tts_`. One that returns a status
raises an error of `errors` when that is not QWEN3_TTS_OK. The libraries are opened when they are first needed.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from ctypes import POINTER, c_char_p, c_double, c_int32, c_int64, c_size_t, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

from qwen3_tts_runtime import errors

ABI_VERSION = 1
FOLDER_VARIABLE = "QWEN3_TTS_LIBRARY_DIR"

_ERRORS: dict[int, type[errors.Qwen3TTSError]] = {
    1: errors.InvalidArgument,
    2: errors.InvalidModel,
    3: errors.IoError,
    4: errors.ExecutionError,
    5: errors.InvalidState,
    6: errors.OutOfMemory,
}
_PARAMETER = re.compile(r"^\w+_json: ")  # of a C function, before a sentence about what it holds


class Chunk(ctypes.Structure):
    """qwen3_tts_chunk."""

    samples: int | None
    num_samples: int
    sample_rate: int
    first_frame: int
    num_frames: int
    is_last: int
    needs_text: int

    _fields_ = [
        ("samples", c_void_p),
        ("num_samples", c_int64),
        ("sample_rate", c_int64),
        ("first_frame", c_int64),
        ("num_frames", c_int64),
        ("is_last", c_int32),
        ("needs_text", c_int32),
    ]


Append = ctypes.CFUNCTYPE(c_int32, c_void_p, c_void_p, c_size_t)  # qwen3_tts_append_bytes

_handle, _handle_out, _text_out, _size_out = c_void_p, POINTER(c_void_p), POINTER(c_char_p), POINTER(c_size_t)

# Functions that return a status, with what they take.
_CORE: dict[str, list[Any]] = {
    "engine_create": [c_char_p, _handle_out],
    "engine_preload": [_handle, c_char_p],
    "engine_info": [_handle, _text_out],
    "engine_capacity": [_handle, _text_out],
    "engine_check": [_handle, c_char_p, _handle],
    "engine_destroy": [_handle],
    "session_create": [_handle, _handle_out],
    "session_start": [_handle, c_char_p, _handle],
    "session_append": [_handle, c_char_p, c_size_t],
    "session_finish": [_handle],
    "session_next": [_handle, POINTER(Chunk)],
    "session_stop": [_handle],
    "session_stats": [_handle, _text_out],
    "session_codes": [_handle, POINTER(c_void_p), _size_out],
    "session_destroy": [_handle],
    "voice_load": [c_char_p, _handle, _handle_out],
    "voice_from_x_vector": [c_void_p, c_size_t, c_char_p, _handle_out],
    "voice_mix": [POINTER(c_void_p), POINTER(c_double), c_size_t, c_char_p, _handle_out],
    "voice_save": [_handle, c_char_p],
    "voice_info": [_handle, _text_out],
    "voice_x_vector": [_handle, POINTER(c_void_p), _size_out],
    "voice_destroy": [_handle],
    "voice_encoder_create": [c_char_p, _handle_out],
    "voice_encoder_sample_rate": [_handle, POINTER(c_int64)],
    "voice_encoder_encode": [_handle, c_void_p, c_size_t, c_char_p, _handle_out],
    "voice_encoder_destroy": [_handle],
}
_AUDIO: dict[str, list[Any]] = {
    "recording_read": [c_char_p, c_int64, c_char_p, _handle_out],
    "recording_from_samples": [c_void_p, c_size_t, c_int64, c_int64, c_char_p, _handle_out],
    "recording_samples": [_handle, POINTER(c_void_p), _size_out],
    "recording_notes": [_handle, _text_out],
    "recording_destroy": [_handle],
    "encoder_create": [c_char_p, Append, c_void_p, _handle_out],
    "encoder_write": [_handle, c_void_p, c_int64],
    "encoder_close": [_handle],
    "encoder_destroy": [_handle],
}


class _Functions:
    """Those of one shared library, by their names without the prefix. One ABI gets more of them with time."""

    def __init__(self, library: ctypes.CDLL, arguments: dict[str, list[Any]]) -> None:
        self._library, self._arguments = library, arguments

    def __getattr__(self, name: str) -> Any:
        types = self._arguments[name]
        try:
            function = self._library[f"qwen3_tts_{name}"]
        except AttributeError as error:
            raise ImportError(
                f"{error}: the library is older than this package; install both from one release"
            ) from None
        function.argtypes, function.restype, function.errcheck = types, c_int32, _raise_error
        setattr(self, name, function)  # it is not asked for again
        return function


def _raise_error(status: Any, _function: object, _arguments: object) -> Any:
    """The library remembers a sentence for each thread, and this one has made the call."""
    if status:
        sentence = _open_core().qwen3_tts_last_error().decode("utf-8", "replace")
        raise _ERRORS.get(status, errors.Qwen3TTSError)(_PARAMETER.sub("", sentence))
    return status


def folder() -> Path:
    """Where the shared libraries are looked for."""
    return Path(os.environ.get(FOLDER_VARIABLE) or Path(__file__).with_name("lib"))


def _open(stem: str, what: str) -> ctypes.CDLL:
    name = f"lib{stem}.dylib" if sys.platform == "darwin" else f"lib{stem}.so"
    path = folder() / name
    if not path.exists():
        raise ImportError(
            f"{name}, which {what}, is not in {str(path.parent)!r}; install the wheel of qwen3-tts-runtime, or build "
            f"the library and name its folder, such as build/cpu, in the environment variable {FOLDER_VARIABLE}"
        )
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise ImportError(f"{str(path)!r} cannot be loaded: {error}; install it again, with what it needs") from error


@cache
def _open_core() -> ctypes.CDLL:
    library = _open("qwen3_tts", "speaks")
    try:
        library.qwen3_tts_abi_version.restype = c_int32
        version = library.qwen3_tts_abi_version()
    except AttributeError:  # from before it had any
        version = 0
    if version != ABI_VERSION:
        raise ImportError(
            f"the library in {str(folder())!r} has ABI version {version}, and this package speaks version "
            f"{ABI_VERSION}; install both from one release, or build them from one source tree"
        )
    library.qwen3_tts_last_error.restype = c_char_p
    library.qwen3_tts_version.restype = c_char_p
    return library


@cache
def core() -> Any:
    """The functions of qwen3_tts.h. ImportError says what to do where there is no library."""
    return _Functions(_open_core(), _CORE)


@cache
def audio() -> Any:
    """The functions of qwen3_tts_audio.h: a component that may be missing, which is an ImportError."""
    core()  # says first when everything is missing
    return _Functions(_open("qwen3_tts_audio", "reads and writes sound files"), _AUDIO)


def version() -> str:
    """Of the library, such as "0.1.0"."""
    return str(_open_core().qwen3_tts_version().decode())
