"""Recordings from requests to voices. They are files for a moment, under names that the system chooses."""

from __future__ import annotations

import base64
import binascii
import hashlib
import tempfile
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from qwen3_tts_runtime import audio
from qwen3_tts_runtime.errors import InvalidArgument
from qwen3_tts_runtime.server.errors import ApiError, invalid
from qwen3_tts_runtime.server.models import Model
from qwen3_tts_runtime.voice import Voice, VoiceEncoder

MAX_REMEMBERED = 16


@dataclass(frozen=True)
class Recording:
    """A sound file, and what is said in it, word for word: a voice for in-context cloning."""

    content: bytes
    text: str | None = None
    language: str | None = None
    name: str | None = None


def from_base64(field: str, word: str, max_bytes: int) -> bytes:
    """A sound file in base64, perhaps as a data URL. ApiError 400 and 413."""
    if word.startswith(("http:", "https:", "file:")):
        raise invalid(f"{field} is an address, which this server does not fetch; send the file in base64", field)
    if word.startswith("data:"):
        word = word.partition(",")[2]
    if len(word) > max_bytes * 4 // 3 + 4:
        raise too_large(field, max_bytes)
    try:
        content = base64.b64decode(word, validate=True)
    except (binascii.Error, ValueError):
        raise invalid(f"{field} is no base64; send a sound file in base64", field) from None
    if not content:
        raise invalid(f"{field} is empty; send a sound file in base64", field)
    return content


def too_large(field: str, max_bytes: int) -> ApiError:
    return ApiError(413, f"{field} has more than {max_bytes} bytes; send some seconds of clear speech", param=field)


class VoiceMaker:
    """Makes voices, and remembers those that were asked for last: many clients send a recording with every text."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._remembered: OrderedDict[str, Voice] = OrderedDict()

    def voice(self, model: Model, recording: Recording) -> Voice:
        """Of a recording that comes with a text. Takes seconds the first time. ApiError, InvalidArgument."""
        key = _digest(model, recording)
        with self._lock:
            if voice := self._remembered.get(key):
                self._remembered.move_to_end(key)
                return voice
        voice, _ = make(model, recording)
        with self._lock:
            self._remembered[key] = voice
            if len(self._remembered) > MAX_REMEMBERED:
                self._remembered.popitem(last=False)
        return voice


def make(model: Model, recording: Recording) -> tuple[Voice, list[str]]:
    """The voice, and what one should be told about its recording. ApiError, InvalidArgument."""
    encoder = encoder_of(model)
    samples, notes = read(recording, encoder.sample_rate)
    voice = encoder.encode(samples, text=recording.text, language=recording.language, name=recording.name)
    return voice, notes


def read(recording: Recording, sample_rate: int) -> tuple[NDArray[np.float32], list[str]]:
    """Samples [n] at `sample_rate` Hz, and what one should be told about them. InvalidArgument."""
    with tempfile.NamedTemporaryFile(prefix="qwen3-tts-") as file:
        file.write(recording.content)
        file.flush()
        try:
            samples, notes = audio.read_with_notes(file.name, sample_rate)
        except InvalidArgument as error:
            raise InvalidArgument(_without(file.name, str(error))) from None
    return samples, [_without(file.name, note) for note in notes]


def encoder_of(model: Model) -> VoiceEncoder:
    """ApiError 400 where there is none."""
    if model.voice_encoder is None:
        raise ApiError(
            400,
            f"model {model.name!r} has no voice encoder here; start the server with --voice-encoder",
            code="no_voice_encoder",
        )
    return model.voice_encoder


def _without(path: str, sentence: str) -> str:
    """A sentence about a file that nobody knows."""
    return sentence.replace(f"recording {path!r}", "recording").replace(path, "recording")


def _digest(model: Model, recording: Recording) -> str:
    digest = hashlib.sha256(recording.content)
    digest.update(repr((model.name, recording.text, recording.language)).encode("utf-8", "backslashreplace"))
    return digest.hexdigest()
