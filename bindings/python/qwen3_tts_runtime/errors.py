"""What the package raises: the library's sentences, which name the value and the remedy.

Every class can be caught as Qwen3TTSError or as the built-in exception that it also is. All of them can be pickled.
"""

from __future__ import annotations


class Qwen3TTSError(Exception):
    """The base of all others. `str(error)` is a sentence for the user."""


class InvalidArgument(Qwen3TTSError, ValueError):
    """A value that the caller gave: a text, an option, a voice, a recording."""


class InvalidModel(Qwen3TTSError, ValueError):
    """A model file cannot be used: damaged, of another kind, or of another version."""


class IoError(Qwen3TTSError, OSError):
    """A file could not be read or written."""


class ExecutionError(Qwen3TTSError, RuntimeError):
    """The model failed while it ran."""


class InvalidState(Qwen3TTSError, RuntimeError):
    """Something was called out of order: of a closed engine, in a forked process, or one session too many."""


class OutOfMemory(Qwen3TTSError, MemoryError):
    """There was not enough memory."""
