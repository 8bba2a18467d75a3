"""Cloned speakers, and what makes them of recordings.

encoder = VoiceEncoder("voice_encoder.pte")
ann = encoder.create("ann.mp3", text="What Ann says in the recording.")
ann.save("ann.voice")
engine.speak("This is not me.", voice=ann)
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable, Mapping
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qwen3_tts_runtime import _json, audio
from qwen3_tts_runtime._handles import Handle, NotPicklable, read_array, read_json
from qwen3_tts_runtime._library import core
from qwen3_tts_runtime.errors import InvalidArgument
from qwen3_tts_runtime.request import RecordingOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Unpack

    from qwen3_tts_runtime.engine import Engine

Recording = str | os.PathLike[str] | NDArray[Any]  # a sound file, or mono samples [n] in [-1, 1]


class Voice(NotPicklable):
    """A cloned speaker for Base models of one width. It does not change, and any number of requests may share it."""

    _instead = "save() it, send the path to the other process, and load it there"

    def __init__(self, create: Callable[[Any], object]) -> None:
        """Of a function of the library. Use load(), create(), from_x_vector() or mix()."""
        self._handle = Handle(create, core().voice_destroy)

    @classmethod
    def load(cls, path: str | os.PathLike[str], engine: Engine | None = None) -> Voice:
        """Reads a voice file, and checks it against the engine's model. InvalidArgument or IoError."""
        encoded = _json.encode_path(path)
        handle = None if engine is None else engine.handle
        return cls(lambda out: core().voice_load(encoded, handle, out))

    @classmethod
    def create(
        cls,
        recording: Recording,
        *,
        encoder: VoiceEncoder | str | os.PathLike[str],
        text: str | None = None,
        name: str | None = None,
        language: str | None = None,
        sample_rate: int | None = None,
        **options: Unpack[RecordingOptions],
    ) -> Voice:
        """VoiceEncoder.create() of an encoder, or of the path of one that is needed once."""
        if not isinstance(encoder, VoiceEncoder):
            encoder = VoiceEncoder(encoder)
        return encoder.create(recording, text=text, name=name, language=language, sample_rate=sample_rate, **options)

    @classmethod
    def from_x_vector(cls, x_vector: ArrayLike, *, name: str | None = None, language: str | None = None) -> Voice:
        """A voice of [H] numbers, where H is the width of its models. InvalidArgument unless all are finite."""
        values = np.ascontiguousarray(x_vector, np.float32)
        if values.ndim != 1:
            raise InvalidArgument(f"the x-vector has shape {list(values.shape)}; give one of [H] values")
        about = _json.encode({"name": name, "language": language})
        return cls(lambda out: core().voice_from_x_vector(values.ctypes.data, values.size, about, out))

    @classmethod
    def mix(cls, weights: Mapping[Voice, float] | Iterable[tuple[Voice, float]], *, name: str = "") -> Voice:
        """The weighted sum of the x-vectors of voices of one model: {ann: 0.7, bob: 0.3}.

        Weights that add up to 1 keep the length of the vectors. The result has no recording, so no in-context mode.
        """
        pairs = list(weights.items() if isinstance(weights, Mapping) else weights)
        handles = (ctypes.c_void_p * len(pairs))(*(check_voice(voice).handle for voice, _ in pairs))
        numbers = (ctypes.c_double * len(pairs))(*(weight for _, weight in pairs))
        encoded = _json.encode_name("name", name)
        return cls(lambda out: core().voice_mix(handles, numbers, len(pairs), encoded, out))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a voice file in one step: nobody sees a part of it. IoError."""
        core().voice_save(self.handle, _json.encode_path(path))

    @property
    def handle(self) -> ctypes.c_void_p:
        """For functions of the library."""
        return self._handle.value

    @property
    def info(self) -> dict[str, Any]:
        """`name`, `language`, `model_type`, `hidden_size`, and of its recording `num_frames` and `num_text_ids`."""
        info: dict[str, Any] = read_json(lambda out: core().voice_info(self.handle, out))
        return info

    @property
    def x_vector(self) -> NDArray[np.float32]:
        """[H]: how the voice sounds, as one vector."""
        address, size = ctypes.c_void_p(), ctypes.c_size_t()
        core().voice_x_vector(self.handle, ctypes.byref(address), ctypes.byref(size))
        return read_array(address.value, (size.value,), np.float32)

    def __repr__(self) -> str:
        info = self.info
        kind = f"in context of {info['num_frames']} frames" if info["num_frames"] else "x-vector"
        return f"<Voice {info['name']!r} for {info['model_type']} of width {info['hidden_size']}: {kind}>"


class VoiceEncoder(NotPicklable):
    """Makes voices for the Base model that it was exported with. Any thread may use it, and one waits for the other."""

    _instead = "send the path of the voice encoder to the other process, and create one there"

    def __init__(self, path: str | os.PathLike[str], *, num_threads: int = 0) -> None:
        """Opens a voice_encoder.pte. InvalidModel, InvalidArgument, IoError."""
        self._path = os.fspath(path)
        options = _json.encode({"path": self._path, "num_threads": num_threads})
        self._handle = Handle(lambda out: core().voice_encoder_create(options, out), core().voice_encoder_destroy)
        rate = ctypes.c_int64()
        core().voice_encoder_sample_rate(self._handle.value, ctypes.byref(rate))
        self._sample_rate = rate.value

    @property
    def sample_rate(self) -> int:
        """Hz of the samples that it takes as they are."""
        return self._sample_rate

    def create(
        self,
        recording: Recording,
        *,
        text: str | None = None,
        name: str | None = None,
        language: str | None = None,
        sample_rate: int | None = None,
        **options: Unpack[RecordingOptions],
    ) -> Voice:
        """The voice of 0.5 to 60 s of speech; 5 to 15 s without music or echo do best.

        `recording`: a sound file, or mono samples [n] of a float type in [-1, 1], at `sample_rate` in Hz. `text`: what
        is said in it, word for word; it makes a voice for in-context cloning. `name`: that of the file unless it is
        given. `language`: of the recording. `options`: which part is taken, and how.

        InvalidArgument for a recording that is too short or long, silent, clipped, damaged or no sound. ImportError
        without the component audio, unless it is an array at the encoder's rate, below full scale. What one should know
        about a recording that is taken is a warning.
        """
        if isinstance(recording, np.ndarray):
            samples = self._from_array(recording, sample_rate, options)
            return self.encode(samples, name=name, language=language, text=text)
        if not isinstance(recording, (str, os.PathLike)):
            raise InvalidArgument(f"the recording is of type {type(recording).__name__}; give a path or a NumPy array")
        samples = self._from_file(recording, sample_rate, options)
        try:
            name = Path(recording).stem if name is None else name
            return self.encode(samples, name=name, language=language, text=text)
        except InvalidArgument as error:  # of the samples, whose file the library does not know
            sentence = str(error).replace("recording: ", f"recording '{os.fspath(recording)}': ", 1)
            raise InvalidArgument(sentence) from None

    def encode(
        self,
        samples: NDArray[np.float32],
        *,
        text: str | None = None,
        name: str | None = None,
        language: str | None = None,
    ) -> Voice:
        """create() of samples [n] that are as the encoder takes them, such as audio.read_recording() gives."""
        about = _json.encode({"name": name, "language": language, "text": text})
        handle, data = self._handle.value, samples.ctypes.data
        return Voice(lambda out: core().voice_encoder_encode(handle, data, samples.size, about, out))

    def _from_file(
        self, path: str | os.PathLike[str], sample_rate: int | None, options: RecordingOptions
    ) -> NDArray[np.float32]:
        if sample_rate is not None:
            raise InvalidArgument(f"sample_rate is {sample_rate}, but a sound file states its own; leave it out")
        return audio.read_recording(path, self._sample_rate, **options)

    def _from_array(
        self, recording: NDArray[Any], sample_rate: int | None, options: RecordingOptions
    ) -> NDArray[np.float32]:
        if sample_rate is None:
            raise InvalidArgument("the sample rate of the recording is missing; give sample_rate, in Hz")
        audio.check_samples("the recording", recording)
        if not isinstance(sample_rate, Integral) or not 0 < sample_rate < 2**31:
            raise InvalidArgument(f"sample_rate is {sample_rate!r}; give a whole number of Hz, such as 24000")
        if sample_rate == self._sample_rate and not options and not np.any(np.abs(recording) >= 1):
            return np.ascontiguousarray(recording, np.float32)
        return audio.resample(recording, sample_rate, self._sample_rate, **options)

    def __repr__(self) -> str:
        return f"<VoiceEncoder of {self._path!r}>"


def check_voice(voice: object) -> Voice:
    """InvalidArgument for anything else."""
    if not isinstance(voice, Voice):
        raise InvalidArgument(
            f"a voice is of type {type(voice).__name__}; give a Voice, such as Voice.load('ann.voice')"
        )
    return voice
