"""What a client asks for, with every field checked before any work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from qwen3_tts_runtime.server import recordings
from qwen3_tts_runtime.server.errors import invalid, shown
from qwen3_tts_runtime.server.formats import FASTEST, FORMATS, SLOWEST, Format
from qwen3_tts_runtime.server.models import Model, Models
from qwen3_tts_runtime.server.recordings import Recording
from qwen3_tts_runtime.server.settings import Settings
from qwen3_tts_runtime.server.voices import Voices
from qwen3_tts_runtime.voice import Voice


class Kind(NamedTuple):
    """Of values in JSON."""

    types: tuple[type, ...]
    name: str


TEXT = Kind((str,), "a text")
WHOLE = Kind((int,), "a whole number")
NUMBER = Kind((int, float), "a number")
FLAG = Kind((bool,), "true or false")

# The library's own options that clients may give. Those that only cost more, or say nothing over HTTP, are not here.
OPTIONS = {
    "language": TEXT,
    "seed": Kind((int, str), 'a whole number or "random"'),
    "temperature": NUMBER,
    "top_k": WHOLE,
    "top_p": NUMBER,
    "repetition_penalty": NUMBER,
    "subtalker_temperature": NUMBER,
    "subtalker_top_k": WHOLE,
    "subtalker_top_p": NUMBER,
    "text_layout": TEXT,
    "voice_mode": TEXT,
    "markup": FLAG,
    "trim_silence": FLAG,
    "paragraph_pause": NUMBER,
    "max_frames": WHOLE,
}
FIELDS = {
    "model": TEXT,
    "input": TEXT,
    "voice": Kind((str, dict), 'a name or {"id": "NAME"}'),
    "instructions": TEXT,
    "response_format": TEXT,
    "speed": NUMBER,
    "stream_format": TEXT,
    "speaker_embedding": Kind((list,), "a list of numbers"),
    "ref_audio": TEXT,
    "ref_text": TEXT,
    **OPTIONS,
}
MAX_PAUSE = 10.0  # seconds between paragraphs
MAX_NUMBER = 1e12  # far beyond what any field may be
MAX_EMBEDDING = 1 << 14

StreamFormat = Literal["audio", "sse"]


@dataclass(frozen=True)
class SpeechRequest:
    """One text, or how one is to be spoken that is still being written."""

    model: Model
    text: str
    options: dict[str, Any]
    """`RequestOptions` of the library."""
    voice: Voice | None
    recording: Recording | None
    """What the voice is to be made of."""
    voice_name: str | None
    format: Format
    speed: float
    stream_format: StreamFormat


class RequestReader:
    """Fields to a request."""

    def __init__(self, models: Models, voices: Voices, settings: Settings) -> None:
        self._models = models
        self._voices = voices
        self._settings = settings

    @property
    def max_bytes(self) -> int:
        """Of a request: what a text needs, and a recording in base64 where one may come."""
        may_clone = any(model.voice_encoder for model in self._models)
        return self._settings.max_body + (self._settings.max_recording * 4 // 3 if may_clone else 0)

    def read(self, fields: dict[str, Any], *, default_format: str = "mp3", is_live: bool = False) -> SpeechRequest:
        """`is_live`: the text comes later. ApiError 400, 404, 413."""
        given = {name: value for name, value in fields.items() if value is not None}
        _check_types(given)
        model = self._models.find(given.get("model"))
        voice_name, voice, options = self._voice(model, given)
        options |= {name: given[name] for name in OPTIONS if name in given}
        if "instructions" in given:
            options["instruct"] = self._text("instructions", given)
        _check_options(options)
        return SpeechRequest(
            model=model,
            text="" if is_live else self._text("input", given),
            options=options,
            voice=voice,
            recording=self._recording(given),
            voice_name=voice_name,
            format=_format(given.get("response_format", default_format)),
            speed=_speed(given.get("speed", 1)),
            stream_format=_stream_format(given.get("stream_format", "audio")),
        )

    def _text(self, field: str, given: dict[str, Any]) -> str:
        text = given.get(field)
        if not text:
            raise invalid(f"{field} is missing or empty; give the text to speak", field, "missing_field")
        if len(text) > self._settings.max_text:
            raise invalid(
                f"{field} has {len(text)} characters; give up to {self._settings.max_text}", field, "string_too_long"
            )
        assert isinstance(text, str)
        return text

    def _voice(self, model: Model, given: dict[str, Any]) -> tuple[str | None, Voice | None, dict[str, Any]]:
        """Its name; the voice; and the options that name a speaker."""
        if "speaker_embedding" in given and "ref_audio" in given:
            raise invalid("speaker_embedding and ref_audio are both a voice; give one of them", "ref_audio")
        if "ref_audio" in given:  # clients that must name a voice name one beside it
            return None, None, {}
        if "speaker_embedding" in given:
            return None, _voice_of(given["speaker_embedding"]), {}
        if "voice" not in given:
            names = self._voices.names(model)
            if names and not model.engine.info["default_speaker"]:
                raise invalid(f"voice is missing; choose one of: {', '.join(names[:20])}", "voice", "missing_field")
            return None, None, {}
        name = given["voice"]
        if isinstance(name, dict):
            name = name.get("id")
        if not isinstance(name, str) or (isinstance(given["voice"], dict) and len(given["voice"]) != 1):
            raise invalid('voice is no name; give "voice": "NAME" or {"id": "NAME"}', "voice")
        found = self._voices.find(model, name)
        if isinstance(found, Voice):
            return name, found, {}
        return found, None, {"speaker": found}

    def _recording(self, given: dict[str, Any]) -> Recording | None:
        if "ref_audio" not in given:
            if "ref_text" in given:
                raise invalid("ref_text is what is said in ref_audio, which is missing; give both or none", "ref_text")
            return None
        content = recordings.from_base64("ref_audio", given["ref_audio"], self._settings.max_recording)
        text = self._text("ref_text", given) if "ref_text" in given else None
        return Recording(content, text)


def _check_types(given: dict[str, Any]) -> None:
    for name, value in given.items():
        if name not in FIELDS:
            raise invalid(f"there is no field {shown(name)}; use {', '.join(FIELDS)}", "", "unknown_field")
        kind = FIELDS[name]
        if not isinstance(value, kind.types) or (isinstance(value, bool) and kind is not FLAG):
            raise invalid(f"{name} is {shown(value)}; give {kind.name}", name, "invalid_type")
        if isinstance(value, (int, float)) and kind is NUMBER and not abs(value) <= MAX_NUMBER:
            raise invalid(f"{name} is {shown(value)}; give a number of a usual size", name)


def _check_options(options: dict[str, Any]) -> None:
    """What the library would take, and a server would not."""
    seed = options.get("seed")
    if isinstance(seed, str) and seed != "random":
        raise invalid(f'seed is {shown(seed)}; give a whole number, or "random"', "seed")
    pause = options.get("paragraph_pause")
    if pause is not None and not 0 <= pause <= MAX_PAUSE:
        raise invalid(f"paragraph_pause is {shown(pause)}; it must be 0 to {MAX_PAUSE:g} s", "paragraph_pause")


def _voice_of(embedding: list[Any]) -> Voice:
    field = "speaker_embedding"
    are_numbers = all(type(value) in (int, float) and abs(value) <= MAX_NUMBER for value in embedding)
    if not 0 < len(embedding) <= MAX_EMBEDDING or not are_numbers:
        raise invalid(f"{field} is no list of numbers; give those of a voice's x_vector", field)
    return Voice.from_x_vector(np.array(embedding, np.float32), name=field)


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise invalid(
            f"response_format {shown(name)} is not made here; choose one of: {', '.join(FORMATS)}", "response_format"
        )
    return FORMATS[name]


def _speed(speed: float) -> float:
    if not SLOWEST <= speed <= FASTEST:
        raise invalid(f"speed is {shown(speed)}; it must be {SLOWEST:g} to {FASTEST:g}", "speed")
    return float(speed)


def _stream_format(name: str) -> StreamFormat:
    if name == "audio":
        return "audio"
    if name == "sse":
        return "sse"
    raise invalid(f"stream_format is {shown(name)}; choose one of: audio, sse", "stream_format")
