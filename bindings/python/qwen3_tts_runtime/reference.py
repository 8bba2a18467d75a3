"""The names of the reference package `qwen_tts`, so that its scripts need one other import:

    from qwen3_tts_runtime.reference import Qwen3TTSModel

    model = Qwen3TTSModel.from_pretrained("model.pte")
    waves, sample_rate = model.generate_custom_voice("Hello there.", speaker="ryan", language="english")

Arguments, rules for batches and results are those of the reference, but for these: what belongs to PyTorch is ignored,
which a warning says; a long text is spoken in pieces; and `seed` makes speech repeatable, which is drawn otherwise.
"""

from __future__ import annotations

import base64
import binascii
import os
import tempfile
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qwen3_tts_runtime import hub
from qwen3_tts_runtime._warnings import warn
from qwen3_tts_runtime.engine import Engine
from qwen3_tts_runtime.errors import InvalidArgument, IoError
from qwen3_tts_runtime.request import EngineOptions, Request, RequestOptions
from qwen3_tts_runtime.speech import Speech
from qwen3_tts_runtime.voice import Voice, VoiceEncoder

Audio = str | os.PathLike[str] | tuple[NDArray[Any], int]  # file, URL or base64; or samples with their rate in Hz
Waves = tuple[list[NDArray[np.float32]], int]
_METHODS = {
    "custom_voice": "generate_custom_voice",
    "voice_design": "generate_voice_design",
    "base": "generate_voice_clone",
}
_HUB_OPTIONS = ("recipe", "gpu_arch", "revision", "cache_dir", "token", "local_files_only")
_SHORTEST_BASE64 = 256  # characters: a shorter text without a slash is the name of a file, as in the reference


@dataclass(frozen=True)
class VoiceClonePromptItem:
    """A voice, and how it is to be used."""

    voice: Voice
    x_vector_only_mode: bool
    ref_text: str | None = None

    @property
    def icl_mode(self) -> bool:
        return not self.x_vector_only_mode

    @property
    def ref_spk_embedding(self) -> NDArray[np.float32]:
        """[H]."""
        return self.voice.x_vector


class Qwen3TTSModel:
    """One model, in the words of the reference package."""

    def __init__(
        self, engine: Engine, voice_encoder: str | os.PathLike[str] | Callable[[], Path] | None = None
    ) -> None:
        """`voice_encoder`: a voice_encoder.pte, or what fetches it: only create_voice_clone_prompt() needs it."""
        self.engine = engine
        self._encoder_path = voice_encoder
        self._encoder: VoiceEncoder | None = None

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        *,
        voice_encoder: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> Qwen3TTSModel:
        """Opens a model.pte, or the one in a folder, or a ready model: a folder of them, or "org/name" on a hub.

        The voice_encoder.pte that lies beside a model, or belongs to it, is taken unless one is named. `options`: those
        of Engine and hub.fetch(); others, such as device_map and dtype, are ignored.
        """
        name = os.fspath(pretrained_model_name_or_path)
        of_engine, of_hub = _taken(options, EngineOptions.__annotations__), _taken(options, _HUB_OPTIONS)
        _warn_of_ignored(options)
        path = Path(name, "model.pte") if Path(name, "model.pte").exists() else Path(name)
        if path.suffix != ".pte":
            path = hub.fetch(name, **of_hub)
            if voice_encoder is None:
                return cls(Engine(path, **of_engine), lambda: hub.fetch(name, **of_hub | {"recipe": "voice_encoder"}))
        beside = path.with_name("voice_encoder.pte")
        if voice_encoder is None and beside.exists():
            voice_encoder = beside
        return cls(Engine(path, **of_engine), voice_encoder)

    def get_supported_speakers(self) -> list[str]:
        """In the order of the alphabet."""
        return sorted(self.engine.speakers)

    def get_supported_languages(self) -> list[str]:
        """In the order of the alphabet, "auto" among them."""
        return sorted(self.engine.languages)

    def generate_custom_voice(
        self,
        text: str | list[str],
        speaker: str | list[str],
        language: str | list[str] | None = None,
        instruct: str | list[str] | None = None,
        non_streaming_mode: bool = True,
        **kwargs: Any,
    ) -> Waves:
        """Speaks with a named speaker of a CustomVoice model: (arrays [n] in [-1, 1], Hz). ValueError."""
        self._check_type("generate_custom_voice")
        if not self.engine.info["supports_instruct"]:
            instruct = None  # as the reference does for the 0.6B
        rows = _rows(text, speaker=speaker, language=language, instruct=instruct)
        return self._generate(rows, non_streaming_mode, kwargs)

    def generate_voice_design(
        self,
        text: str | list[str],
        instruct: str | list[str],
        language: str | list[str] | None = None,
        non_streaming_mode: bool = True,
        **kwargs: Any,
    ) -> Waves:
        """Speaks with a voice that a description designs: (arrays [n] in [-1, 1], Hz). ValueError."""
        self._check_type("generate_voice_design")
        rows = _rows(text, instruct=instruct, language=language)
        return self._generate(rows, non_streaming_mode, kwargs)

    def generate_voice_clone(
        self,
        text: str | list[str],
        language: str | list[str] | None = None,
        ref_audio: Audio | list[Audio] | None = None,
        ref_text: str | list[str | None] | None = None,
        x_vector_only_mode: bool | list[bool] = False,
        voice_clone_prompt: list[VoiceClonePromptItem] | None = None,
        non_streaming_mode: bool = False,
        **kwargs: Any,
    ) -> Waves:
        """Speaks with the voice of a recording, or of prompts that are made already: (arrays [n] in [-1, 1], Hz).

        ValueError, among it where there is neither.
        """
        self._check_type("generate_voice_clone")
        if voice_clone_prompt is None:
            if ref_audio is None:
                raise InvalidArgument("there is no voice; give ref_audio or voice_clone_prompt")
            voice_clone_prompt = self.create_voice_clone_prompt(ref_audio, ref_text, x_vector_only_mode)
        if not isinstance(voice_clone_prompt, list):
            kind = type(voice_clone_prompt).__name__
            raise InvalidArgument(f"voice_clone_prompt is a {kind}; give the list of create_voice_clone_prompt()")
        modes = ["xvector" if item.x_vector_only_mode else "icl" for item in voice_clone_prompt]
        voices = [item.voice for item in voice_clone_prompt]
        rows = _rows(text, language=language, voice=voices, voice_mode=modes)
        return self._generate(rows, non_streaming_mode, kwargs)

    def create_voice_clone_prompt(
        self,
        ref_audio: Audio | list[Audio],
        ref_text: str | list[str | None] | None = None,
        x_vector_only_mode: bool | list[bool] = False,
    ) -> list[VoiceClonePromptItem]:
        """One item for each recording: a file, a URL, base64, or samples with their rate. ValueError."""
        self._check_type("generate_voice_clone")
        recordings = ref_audio if isinstance(ref_audio, list) else [ref_audio]
        texts = ref_text if isinstance(ref_text, list) else [ref_text] * len(recordings)
        modes = x_vector_only_mode if isinstance(x_vector_only_mode, list) else [x_vector_only_mode] * len(recordings)
        _check_sizes(ref_audio=recordings, ref_text=texts, x_vector_only_mode=modes)
        return [self._prompt_item(*row, index) for index, row in enumerate(zip(recordings, texts, modes))]

    def _prompt_item(self, recording: Audio, text: str | None, is_x_vector: bool, index: int) -> VoiceClonePromptItem:
        if not is_x_vector and not text:
            raise InvalidArgument(
                f"ref_text of recording {index} is missing, which x_vector_only_mode=False needs; give what is said in "
                "the recording, or set x_vector_only_mode=True"
            )
        voice = _make_voice(self._voice_encoder(), recording, None if is_x_vector else text)
        return VoiceClonePromptItem(voice, bool(is_x_vector), text)

    def _voice_encoder(self) -> VoiceEncoder:
        if self._encoder is None:
            if self._encoder_path is None:
                raise InvalidArgument(
                    "recordings need a voice encoder; put the voice_encoder.pte that export_unified.py --voice-encoder "
                    "writes beside the model, or name it: from_pretrained(..., voice_encoder=...)"
                )
            path = self._encoder_path() if callable(self._encoder_path) else self._encoder_path
            self._encoder = VoiceEncoder(path)
        return self._encoder

    def _check_type(self, method: str) -> None:
        kind = self.engine.info["model_type"]
        if _METHODS[kind] != method:
            raise InvalidArgument(f"{method}() is not for a {kind} model; call {_METHODS[kind]}()")

    def _generate(self, rows: list[Request], is_full_layout: bool, options: dict[str, Any]) -> Waves:
        """Nothing is spoken unless all may be, as in the reference."""
        known = _request_options(options)
        known["text_layout"] = "full" if is_full_layout else "streaming"
        seed = known.get("seed", "random")
        requests: list[Request] = []
        for index, row in enumerate(rows):
            request: Any = {**known, **row, "seed": seed if isinstance(seed, str) else seed + index}
            self.engine.check(**request)
            requests.append(request)
        waves: dict[int, NDArray[np.float32]] = {}
        for index, outcome in self.engine.speak_many(requests):
            if not isinstance(outcome, Speech):
                raise outcome
            waves[index] = outcome.samples
        return [waves[index] for index in range(len(requests))], self.engine.sample_rate


def _rows(text: str | list[str], **columns: Any) -> list[Request]:
    """A request for each text. What is no list, or a list of one, is the same for all."""
    texts = text if isinstance(text, list) else [text]
    lists = {name: value if isinstance(value, list) else [value] for name, value in columns.items()}
    lists = {name: values * len(texts) if len(values) == 1 else values for name, values in lists.items()}
    _check_sizes(text=texts, **lists)
    rows: list[Any] = [
        {"text": one, **{name: values[i] for name, values in lists.items()}} for i, one in enumerate(texts)
    ]
    return rows


def _check_sizes(**lists: list[Any]) -> None:
    if len({len(values) for values in lists.values()}) > 1:
        sizes = ", ".join(f"{name}={len(values)}" for name, values in lists.items())
        raise InvalidArgument(f"the lists differ in length: {sizes}; give lists of one length, or one value for all")


def _request_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the reference's generate(), as this package calls them. None is the model's default."""
    given = {name: value for name, value in options.items() if value is not None}
    if not given.pop("do_sample", True):
        given["temperature"] = 0
    if not given.pop("subtalker_dosample", True):
        given["subtalker_temperature"] = 0
    known = _taken(given, RequestOptions.__annotations__)
    _warn_of_ignored(given)
    return known


def _taken(options: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: options.pop(name) for name in names if name in options}


def _warn_of_ignored(options: Mapping[str, Any]) -> None:
    if options:
        warn(f"ignored, since nothing of PyTorch runs here: {', '.join(options)}")


def _make_voice(encoder: VoiceEncoder, recording: Audio, text: str | None) -> Voice:
    if isinstance(recording, tuple):
        values, sample_rate = recording
        samples = np.asarray(values)
        if samples.ndim > 1:
            samples = samples.mean(axis=-1)
        return encoder.create(samples, sample_rate=int(sample_rate), text=text)
    if isinstance(recording, np.ndarray):
        raise InvalidArgument("a recording is an array without a sample rate; give the tuple (array, rate)")
    content = _fetched(os.fspath(recording))
    if content is None:
        return encoder.create(recording, text=text)
    with tempfile.NamedTemporaryFile(prefix="recording_") as file:
        file.write(content)
        file.flush()
        return encoder.create(file.name, text=text, name="")


def _fetched(recording: str) -> bytes | None:
    """The sound file that a URL leads to, or that is written in base64; None: it is the name of a file."""
    if recording.startswith(("http://", "https://")):
        try:
            with urllib.request.urlopen(recording) as response:
                return bytes(response.read())
        except OSError as error:
            raise IoError(f"cannot fetch {recording!r}: {error}; check the address") from error
    is_data = recording.startswith("data:audio")
    if not is_data and ("/" in recording or "\\" in recording or len(recording) <= _SHORTEST_BASE64):
        return None
    try:
        return base64.b64decode(recording.split(",", 1)[-1], validate=True)
    except binascii.Error as error:
        raise InvalidArgument(f"a recording is no base64 ({error}); give a file, a URL, or (array, rate)") from error
