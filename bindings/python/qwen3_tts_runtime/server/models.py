"""What is served: open models, by the names that clients call them by."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from qwen3_tts_runtime.engine import MAX_CALLS, Engine
from qwen3_tts_runtime.errors import InvalidArgument, Qwen3TTSError
from qwen3_tts_runtime.server.errors import ApiError, shown
from qwen3_tts_runtime.voice import Voice, VoiceEncoder

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, eq=False)
class Model:
    """An engine and its name, and what makes voices for it."""

    name: str
    engine: Engine
    voice_encoder: VoiceEncoder | None = None

    def takes(self, voice: Voice) -> bool:
        """Whether it can speak with a voice."""
        if not self.engine.info["takes_voices"]:
            return False
        try:
            self.engine.check("Hello.", voice=voice)
        except Qwen3TTSError:
            return False
        return True

    def speaker(self, name: str) -> str | None:
        """The speaker that is called so, in any case."""
        return next((speaker for speaker in self.engine.speakers if speaker.casefold() == name.casefold()), None)

    def about(self) -> dict[str, Any]:
        """For a list of models: OpenAI's members, and what a page wants to know."""
        info = self.engine.info
        return {
            "id": self.name,
            "object": "model",
            "created": 0,
            "owned_by": "local",
            "sample_rate": self.engine.sample_rate,
            "model_type": info["model_type"],
            "languages": self.engine.languages,
            "takes_instructions": info["supports_instruct"],
            "clones_voices": self.voice_encoder is not None,
        }


class Models:
    """By name; the first is meant where none is named."""

    def __init__(self, models: Sequence[Model]) -> None:
        self._models = {model.name: model for model in models}
        if len(self._models) < len(models):
            raise InvalidArgument("two models have one name; give --model NAME=FILE")

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    @property
    def places(self) -> int:
        """Utterances that are spoken at once, whichever models they are of: all share the cores."""
        return min(MAX_CALLS, max(model.engine.capacity["max_batch"] for model in self))

    @property
    def max_sessions(self) -> int:
        """Utterances that any of them has room for: a GPU as many as its model was exported for."""
        return min(model.engine.capacity["max_sessions"] for model in self)

    def find(self, name: str | None) -> Model:
        """ApiError 404 where there is none."""
        if name is None:
            return next(iter(self))
        if model := self._models.get(name):
            return model
        raise ApiError(
            404,
            f"there is no model {shown(name)}; choose one of: {', '.join(self._models)}",
            param="model",
            code="model_not_found",
        )

    def close(self) -> None:
        for model in self:
            model.engine.close()


def name_and_place(word: str) -> tuple[str, str]:
    """Of `NAME=PLACE`, or of `PLACE`, whose name is that of the file. InvalidArgument."""
    name, separator, place = word.partition("=")
    if not separator:
        name, place = PurePath(word).name.removesuffix(".pte"), word
    if not NAME.fullmatch(name):
        raise InvalidArgument(
            f"{name!r} is no name of a model; give --model NAME=FILE, where NAME has letters, digits and . _ -"
        )
    return name, place
