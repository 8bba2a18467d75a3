"""Voices that clients may name: files of cloned speakers in one folder, which is read once.

A name from a request is looked up in what was found there, and never becomes a path. Only the name of a new voice
does, which has letters, digits, _ and - and nothing else.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qwen3_tts_runtime.errors import InvalidArgument, Qwen3TTSError
from qwen3_tts_runtime.server.errors import ApiError, invalid, shown
from qwen3_tts_runtime.server.models import Model, Models
from qwen3_tts_runtime.voice import Voice

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
SUFFIX = ".voice"
MAX_VOICES = 1000
MAX_LISTED = 20

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class StoredVoice:
    """A file of a voice, open, and the models that speak with it."""

    name: str
    path: Path
    voice: Voice
    models: tuple[str, ...]


class Voices:
    """Speakers of the models, and the voices of a folder."""

    def __init__(self, models: Models, folder: Path | None, aliases: Mapping[str, str]) -> None:
        """InvalidArgument when the folder is none, or an alias leads nowhere. A file that is no voice is left out."""
        self._models = models
        self._folder = folder
        self._aliases = {name.casefold(): voice for name, voice in aliases.items()}
        self._stored: dict[str, StoredVoice] = {}
        if folder is not None:
            self._read(folder)
        for alias, voice in aliases.items():
            if voice.casefold() not in self._stored and not any(model.speaker(voice) for model in models):
                raise InvalidArgument(f"--alias {alias}={voice}: there is no voice {voice!r}; name one that there is")

    def find(self, model: Model, name: str) -> str | Voice:
        """The speaker of a model, or the voice, that is called so. ApiError 400 where there is none."""
        name = self._aliases.get(name.casefold(), name)
        if speaker := model.speaker(name):
            return speaker
        stored = self._stored.get(name.casefold())
        if stored and model.name in stored.models:
            return stored.voice
        known = self.names(model)
        some = ", ".join(known[:MAX_LISTED]) + (", …" if len(known) > MAX_LISTED else "")
        remedy = f"choose one of: {some}" if known else "the model has none; leave voice out"
        raise invalid(f"there is no voice {shown(name)} of model {shown(model.name)}; {remedy}", "voice")

    def names(self, model: Model) -> list[str]:
        """What find() knows."""
        stored = [stored.name for stored in self._stored.values() if model.name in stored.models]
        return [*model.engine.speakers, *stored]

    def about(self) -> list[dict[str, Any]]:
        """All of them, for clients."""
        speakers: dict[str, list[str]] = {}
        for model in self._models:
            for speaker in model.engine.speakers:
                speakers.setdefault(speaker, []).append(model.name)
        listed: list[dict[str, Any]] = [
            {"id": name, "name": name, "object": "voice", "kind": "speaker", "models": models}
            for name, models in speakers.items()
        ]
        return listed + [about(stored) for stored in self._stored.values()]

    def check_writable(self) -> Path:
        """The folder. ApiError where there is none."""
        if self._folder is None:
            raise ApiError(400, "this server keeps no voices; start it with --voices FOLDER", code="no_voices")
        return self._folder

    def check_new(self, name: str) -> None:
        """ApiError unless a voice may be added under this name."""
        self.check_writable()
        if not NAME.fullmatch(name):
            raise invalid(
                f"{shown(name)} is no name of a voice; give 1 to 64 of a-z, 0-9, _ and -, beginning with a letter or "
                "digit",
                "name",
            )
        if name in self._stored or name in self._aliases or any(model.speaker(name) for model in self._models):
            raise ApiError(409, f"there is a voice {name!r} already; delete it, or give another name", param="name")
        if len(self._stored) >= MAX_VOICES:
            raise ApiError(409, f"there are {MAX_VOICES} voices already; delete one", code="too_many_voices")

    def add(self, name: str, voice: Voice) -> StoredVoice:
        """Keeps a voice. ApiError as of check_new(); IoError."""
        self.check_new(name)
        path = self.check_writable() / f"{name}{SUFFIX}"
        voice.save(path)
        return self._keep(name, path, voice)

    def remove(self, name: str) -> None:
        """Forgets a voice and its file. Who speaks with it goes on. ApiError 404."""
        stored = self._stored.pop(name, None)
        if not stored:
            raise ApiError(404, f"there is no voice {shown(name)} that could be deleted", code="voice_not_found")
        stored.path.unlink(missing_ok=True)

    def _read(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InvalidArgument(f"--voices {os.fspath(folder)!r} is no folder; make it, or name another one")
        for path in sorted(folder.glob(f"*{SUFFIX}"))[:MAX_VOICES]:
            name = path.stem.casefold()
            if not NAME.fullmatch(name):
                _log.warning("voice_skipped", extra={"fields": {"file": path.name, "why": "its name"}})
                continue
            try:
                self._keep(name, path, Voice.load(path))
            except Qwen3TTSError as error:
                _log.warning("voice_skipped", extra={"fields": {"file": path.name, "why": str(error)}})

    def _keep(self, name: str, path: Path, voice: Voice) -> StoredVoice:
        models = tuple(model.name for model in self._models if model.takes(voice))
        stored = self._stored[name] = StoredVoice(name, path, voice, models)
        return stored


def about(stored: StoredVoice) -> dict[str, Any]:
    """For clients."""
    info = stored.voice.info
    return {
        "id": stored.name,
        "name": stored.name,
        "object": "voice",
        "kind": "voice",
        "models": list(stored.models),
        "language": info["language"],
        "in_context": bool(info["num_frames"]),
    }
