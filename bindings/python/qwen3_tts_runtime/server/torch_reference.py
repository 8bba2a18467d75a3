"""The reference package `qwen_tts` in PyTorch: it speaks beside a model, so that both can be heard and compared."""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qwen3_tts_runtime.errors import InvalidModel
from qwen3_tts_runtime.server import recordings
from qwen3_tts_runtime.server.errors import ApiError, invalid
from qwen3_tts_runtime.server.models import Model
from qwen3_tts_runtime.server.speech_request import SpeechRequest

PACKAGE = "qwen_tts"
DISTRIBUTION = "qwen-tts"
SEED = 42  # the library's
TAKEN_AS_THEY_ARE = ("top_k", "top_p", "repetition_penalty", "subtalker_top_k", "subtalker_top_p", "language")
NOT_OF_THE_REFERENCE = ("markup", "trim_silence", "paragraph_pause")


class Stopped(Exception):
    """Nobody listens any more."""


class TorchReference:
    """One utterance at a time: it is here to be compared with, and shares the cores with everybody else."""

    def __init__(self, model: Model, place: str, num_threads: int = 0) -> None:
        """`place`: the snapshot that `model` was made of, a folder or a hub id. ImportError with the remedy where the
        package is missing; InvalidModel for a snapshot that it does not open."""
        self.model = model
        self._torch, package = packages()
        if num_threads:
            self._torch.set_num_threads(num_threads)
        try:
            self._reference = package.Qwen3TTSModel.from_pretrained(place, device_map="cpu", dtype="auto")
        except Exception as error:  # anything, of a package that checks nothing before it begins
            raise InvalidModel(
                f"the reference package does not open {place!r}: {type(error).__name__}: {error}; give the folder or "
                "the hub id of a Qwen3-TTS snapshot"
            ) from error
        self._kind = self._reference.model.tts_model_type
        if self._kind != model.engine.info["model_type"]:
            raise InvalidModel(
                f"{place!r} is a {self._kind} snapshot, and model {model.name!r} is {model.engine.info['model_type']}; "
                "give the snapshot that the model was made of"
            )
        self._stop = Event()
        self._reference.model.talker.model.register_forward_pre_hook(self._stop_here)
        self._worker = ThreadPoolExecutor(1, "qwen3-tts-reference")
        self._work: Future[tuple[NDArray[np.float32], int]] | None = None  # the last one

    def about(self) -> dict[str, str]:
        """For the page: which model it may be compared with, and what it is."""
        return {"model": self.model.name, "name": f"{DISTRIBUTION} {_version(DISTRIBUTION)}, PyTorch"}

    def check(self, request: SpeechRequest) -> None:
        """ApiError for what it does not do."""
        if request.model is not self.model:
            raise invalid(f"the reference is of model {self.model.name!r}; name that one, or none", "model")
        if request.stream_format != "audio":
            raise invalid("the reference does not stream; leave stream_format out", "stream_format")
        if found := [name for name in NOT_OF_THE_REFERENCE if name in request.options]:
            raise invalid(f"the reference has no {found[0]}; leave it out", found[0])
        if request.voice is not None or (self._kind == "base" and request.recording is None):
            raise invalid(
                "the reference speaks with speakers of the model, or with a recording: give ref_audio", "voice"
            )

    async def speak(self, request: SpeechRequest) -> tuple[NDArray[np.float32], int]:
        """Samples [n] and their rate in Hz, when all are there: the package does not stream. ApiError 400 for what the
        package refuses, 429 while it speaks already. Who is cancelled stops it within a frame."""
        if self._work and not self._work.done():
            raise ApiError(429, "the reference speaks already; try again later", code="queue_full", retry_after=10)
        self._stop.clear()
        self._work = self._worker.submit(self._generate, request)
        try:
            return await asyncio.wrap_future(self._work)
        except asyncio.CancelledError:
            self._stop.set()
            raise

    def close(self) -> None:
        self._stop.set()
        self._worker.shutdown()

    def _stop_here(self, *_: Any) -> None:
        """Before each step of the talker."""
        if self._stop.is_set():
            raise Stopped

    def _generate(self, request: SpeechRequest) -> tuple[NDArray[np.float32], int]:
        say = self._call(request)
        seed = request.options.get("seed")
        if seed == "random":
            self._torch.seed()
        else:
            self._torch.manual_seed(SEED if seed is None else seed)
        try:
            waves, rate = say(request.text, **_options(request.options))
        except ValueError as error:
            raise invalid(f"the reference refuses it: {error}") from error
        return np.ascontiguousarray(waves[0], np.float32), int(rate)

    def _call(self, request: SpeechRequest) -> Callable[..., Any]:
        """The method of this kind of model, with what makes the voice."""
        instruct = request.options.get("instruct")
        if self._kind == "custom_voice":
            speaker = self._speaker(request)
            return partial(self._reference.generate_custom_voice, speaker=speaker, instruct=instruct)
        if self._kind == "voice_design":
            return partial(self._reference.generate_voice_design, instruct=instruct or "")
        return partial(self._reference.generate_voice_clone, **self._voice(request))

    def _speaker(self, request: SpeechRequest) -> str:
        speaker = request.options.get("speaker") or self.model.engine.info["default_speaker"]
        return str(speaker or self.model.engine.speakers[0])

    def _voice(self, request: SpeechRequest) -> dict[str, Any]:
        """The arguments that make a voice of a recording."""
        assert request.recording is not None
        rate = recordings.encoder_of(self.model).sample_rate
        samples, _ = recordings.read(request.recording, rate)
        is_x_vector = request.options.get("voice_mode") == "xvector" or request.recording.text is None
        return {
            "ref_audio": (samples, rate),
            "ref_text": request.recording.text,
            "x_vector_only_mode": is_x_vector,
        }


def packages() -> tuple[Any, Any]:
    """torch and qwen_tts. ImportError."""
    try:
        return importlib.import_module("torch"), importlib.import_module(PACKAGE)
    except ImportError as error:
        raise ImportError(
            f"--reference needs the reference package in PyTorch ({error}); install it for this Python: "
            f"pip install {DISTRIBUTION}, or leave --reference out"
        ) from error


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:  # a folder on the path
        return ""


def _options(given: dict[str, Any]) -> dict[str, Any]:
    """The library's options by the reference's names. What is left out is the checkpoint's default."""
    options = {name: given[name] for name in TAKEN_AS_THEY_ARE if name in given}
    for name, does_sample in (("temperature", "do_sample"), ("subtalker_temperature", "subtalker_dosample")):
        if given.get(name) == 0:
            options[does_sample] = False
        elif name in given:
            options[name] = given[name]
    if "max_frames" in given:
        options["max_new_tokens"] = given["max_frames"] + 1  # and the end
    if "text_layout" in given:
        options["non_streaming_mode"] = given["text_layout"] == "full"
    return options
