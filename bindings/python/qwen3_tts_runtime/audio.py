"""Samples to sound files, and back. The standard library writes WAV; all else needs the library's component audio.

for part in encode(engine.stream("Hello there."), engine.sample_rate, "mp3"):
    socket.send(part)
"""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from qwen3_tts_runtime import _json
from qwen3_tts_runtime._handles import Handle, read_array, read_json
from qwen3_tts_runtime._library import Append
from qwen3_tts_runtime._library import audio as library
from qwen3_tts_runtime._warnings import warn
from qwen3_tts_runtime.errors import InvalidArgument, IoError
from qwen3_tts_runtime.request import RecordingOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack

Format = Literal["wav", "flac", "opus", "vorbis", "mp3"]
FORMATS: dict[str, Format] = {".wav": "wav", ".flac": "flac", ".opus": "opus", ".ogg": "vorbis", ".mp3": "mp3"}


class Encoder:
    """A sound file that grows with the samples it is given, and is given away piece by piece."""

    def __init__(self, sample_rate: int, format: Format, *, speed: float = 1) -> None:
        """`sample_rate` in Hz. `speed`: 0.5 to 2, at the same pitch. A stream of WAV states the largest length there
        is. InvalidArgument; ImportError without the component audio."""
        self._parts: list[bytes] = []
        parts = self._parts  # and not self: who drops an encoder need not wait for the garbage collector

        def append(_user: object, address: int, size: int) -> int:
            parts.append(ctypes.string_at(address, size))
            return 0

        self._function = Append(append)  # must live as long as the handle
        options = _json.encode({"format": format, "sample_rate": sample_rate, "speed": speed})
        self._handle = Handle(
            lambda out: library().encoder_create(options, self._function, None, out), library().encoder_destroy
        )

    def write(self, samples: NDArray[np.float32]) -> bytes:
        """What samples [n], mono in [-1, 1], add to the file: often nothing."""
        floats = np.ascontiguousarray(check_samples("the chunk", np.asarray(samples)), np.float32)
        library().encoder_write(self._handle.value, floats.ctypes.data, floats.size)
        return self._taken()

    def finish(self) -> bytes:
        """The rest of the file."""
        library().encoder_close(self._handle.value)
        return self._taken()

    def close(self) -> None:
        """Frees it. A file that was not finished has no end."""
        self._handle.close()

    def _taken(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def encode(
    chunks: Iterable[NDArray[np.float32]], sample_rate: int, format: Format, *, speed: float = 1
) -> Iterator[bytes]:
    """A stream of a sound file, piece by piece while samples come.

    `chunks`: arrays [n], mono in [-1, 1]. The rest is that of Encoder().
    """
    with closing(Encoder(sample_rate, format, speed=speed)) as encoder:
        for chunk in chunks:
            if part := encoder.write(chunk):
                yield part
        if part := encoder.finish():
            yield part


def read_recording(
    path: str | os.PathLike[str], sample_rate: int, **options: Unpack[RecordingOptions]
) -> NDArray[np.float32]:
    """A sound file, or a part of it, as samples [n], mono, at `sample_rate` in Hz.

    InvalidArgument for what is no sound, damaged or clipped; IoError. Its notes are warnings.
    """
    samples, notes = read_with_notes(path, sample_rate, **options)
    for note in notes:
        warn(note)
    return samples


def read_with_notes(
    path: str | os.PathLike[str], sample_rate: int, **options: Unpack[RecordingOptions]
) -> tuple[NDArray[np.float32], list[str]]:
    """The same, with what one should be told about the recording: sentences without an end."""
    encoded, how = _json.encode_path(path), _json.encode(options)
    return _samples(lambda out: library().recording_read(encoded, sample_rate, how, out))


def resample(
    samples: NDArray[Any], from_rate: int, sample_rate: int, **options: Unpack[RecordingOptions]
) -> NDArray[np.float32]:
    """The same of samples [n] at `from_rate` in Hz."""
    given, how = np.ascontiguousarray(samples, np.float32), _json.encode(options)
    resampled, notes = _samples(
        lambda out: library().recording_from_samples(given.ctypes.data, given.size, from_rate, sample_rate, how, out)
    )
    for note in notes:
        warn(note)
    return resampled


def _samples(create: Callable[[Any], object]) -> tuple[NDArray[np.float32], list[str]]:
    recording = Handle(create, library().recording_destroy)
    notes: list[str] = read_json(lambda out: library().recording_notes(recording.value, out))
    address, size = ctypes.c_void_p(), ctypes.c_size_t()
    library().recording_samples(recording.value, ctypes.byref(address), ctypes.byref(size))
    return read_array(address.value, (size.value,), np.float32), notes


def check_samples(what: str, samples: NDArray[Any]) -> NDArray[Any]:
    """InvalidArgument unless they are floats [n]."""
    if samples.ndim != 1:
        raise InvalidArgument(
            f"{what} has shape {list(samples.shape)}; give one channel [n], such as samples.mean(axis=1) of "
            "[n, channels]"
        )
    if samples.dtype.kind != "f":
        raise InvalidArgument(
            f"{what} has dtype {samples.dtype}; give floats in [-1, 1], such as samples / 32768 of int16"
        )
    return samples


def to_pcm16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Samples of 16 bits, little-endian, as the library makes them."""
    return np.rint(np.clip(samples, -1, 1) * np.float32(32767)).astype("<i2")


def format_of(path: str | os.PathLike[str]) -> Format:
    """What the ending of a name stands for. InvalidArgument when that is nothing."""
    ending = Path(path).suffix.lower()
    if ending not in FORMATS and ending:
        raise InvalidArgument(
            f"{os.fspath(path)!r}: there is no format for files that end in {ending}; name one that ends in .wav, "
            ".flac, .opus, .ogg or .mp3"
        )
    return FORMATS.get(ending, "wav")


def save(path: str | os.PathLike[str], chunks: Iterable[NDArray[np.float32]], sample_rate: int) -> None:
    """Writes the samples while they come. The file takes its place when it is complete."""
    format = format_of(path)
    with _new_file(Path(path)) as file:
        if format == "wav":  # this header is completed at the end, and that of a stream cannot be
            _write_wav(file, chunks, sample_rate)
        else:
            file.writelines(encode(chunks, sample_rate, format))


def _write_wav(file: BinaryIO, chunks: Iterable[NDArray[np.float32]], sample_rate: int) -> None:
    import wave

    with wave.open(file, "wb") as output:
        output.setparams((1, 2, sample_rate, 0, "NONE", "not compressed"))
        for chunk in chunks:
            output.writeframesraw(to_pcm16(chunk).tobytes())


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A file beside its place, which it takes at the end of the block; after an error nothing is left."""
    _json.encode_path(path)  # refuses what no file is named
    place = Path(os.path.realpath(path))  # a link stays, and what it leads to is written
    unfinished = place.parent / f".{place.name}.{os.getpid()}-{threading.get_ident()}"
    try:
        if path.exists() and not path.is_file():  # the rename would replace a device or a pipe
            raise FileExistsError(errno.EEXIST, "it exists and is not a regular file")
        file = unfinished.open("wb")
    except OSError as error:
        raise IoError(f"cannot create {str(path)!r}: {error.strerror}; check the path") from error
    try:
        with file:
            yield file
        unfinished.replace(place)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        if isinstance(error, IoError):
            raise
        raise IoError(f"cannot write {str(path)!r}: {error.strerror}; make room or name another place") from error
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
