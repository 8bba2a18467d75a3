"""Things of the library: each is destroyed with its last user, and none can be used in a forked process."""

from __future__ import annotations

import ctypes
import json
import os
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from qwen3_tts_runtime.errors import InvalidState

Number = TypeVar("Number", np.float32, np.int64)


class _Process:
    """A fork takes along the memory of the library, but none of its threads: whoever waits for one waits for ever."""

    has_handles = False
    is_unusable = False

    @classmethod
    def after_fork(cls) -> None:
        cls.is_unusable = cls.is_unusable or cls.has_handles


os.register_at_fork(after_in_child=_Process.after_fork)


def is_process_usable() -> bool:
    """False in a process that was forked off one which used the library."""
    return not _Process.is_unusable


def check_process() -> None:
    """InvalidState in such a process."""
    if _Process.is_unusable:
        raise InvalidState(
            "this process was forked after qwen3_tts_runtime was used, whose threads a fork leaves behind; start "
            "processes by 'spawn' (multiprocessing.get_context('spawn')), or fork before the first use and create the "
            "engine in the child"
        )


class Handle:
    """One thing that the library knows by a number, and has until nobody needs it."""

    def __init__(self, create: Callable[[Any], object], destroy: Callable[[ctypes.c_void_p], object]) -> None:
        """`create` gets the place for the number. Its errors are the caller's."""
        check_process()
        number = ctypes.c_void_p()
        create(ctypes.byref(number))
        _Process.has_handles = True
        self._number = number
        self._destroy = weakref.finalize(self, _destroy, destroy, number)

    @property
    def value(self) -> ctypes.c_void_p:
        """For a call. InvalidState in a forked process; the library itself refuses one that was closed."""
        check_process()
        return self._number

    def close(self) -> None:
        """Destroys it now. What else needs it still has it."""
        self._destroy()


def _destroy(destroy: Callable[[ctypes.c_void_p], object], number: ctypes.c_void_p) -> None:
    if is_process_usable():
        destroy(number)


def read_json(call: Callable[[Any], object]) -> Any:
    """What a function of the library writes as JSON. `call` gets the place for its address."""
    text = ctypes.c_char_p()
    call(ctypes.byref(text))
    return json.loads(text.value or b"null")


def read_array(address: int | None, shape: tuple[int, ...], dtype: type[Number]) -> NDArray[Number]:
    """A copy of what the library has at `address`, which it may overwrite with the next call."""
    values = np.empty(shape, dtype)
    if address and values.size:
        ctypes.memmove(values.ctypes.data, address, values.nbytes)
    return values


class NotPicklable:
    """Base of what holds a handle: another process cannot have it."""

    _instead: str  # what to do

    def __reduce__(self) -> str:
        raise TypeError(f"{type(self).__name__} cannot be pickled, nor copied: {self._instead}")
