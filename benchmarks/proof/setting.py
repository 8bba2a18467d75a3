"""What one run proves, with what, and where its files lie."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import ProgramError, run
from proof.ledger import Ledger, NotThereError
from proof.sentences import Sentence, read_sentences, spread_out
from random_models import REPOSITORY, make_snapshot

RANDOM = "random:"  # before a size: random weights in the published layout
REFERENCE = "reference"  # who speaks, beside the recipes
GREEDY = {"temperature": 0, "subtalker_temperature": 0}
DESIGN = "A calm, friendly voice."  # for models that design voices


@dataclass(frozen=True)
class Setting:
    name: str  # for people
    checkpoint: str  # folder, hub id, or RANDOM and a size
    folder: Path  # of everything that is made
    recipes: tuple[str, ...]
    models: dict[str, Path]  # exports that are given, by recipe
    calibration: Path | None  # texts that exports are calibrated by
    sentences: Path
    max_sentences: int  # of those that are spoken and judged
    compared: int  # sentences of which codes are compared
    compared_frames: int
    speed_frames: int
    speed_repeat: int
    batches: tuple[int, ...]
    threads: int
    recording: Path  # of the voice that a Base model speaks with
    recording_text: str
    speaker: str  # "": the first one
    reference: Path | None  # Python with the reference package; None: not asked for
    peers: tuple[str, ...]
    runner: Path
    whisper: Path

    @property
    def converted(self) -> Path:
        return self.folder / "checkpoint"

    @property
    def voice(self) -> Path:
        return self.folder / "models" / "cloned.voice"

    def model(self, recipe: str) -> Path:
        return self.models.get(recipe) or self.folder / "models" / f"{recipe}.pte"

    def calibrate(self) -> tuple[str | Path, ...]:
        """The flag of the programs that round weights."""
        return () if self.calibration is None else ("--calibrate", self.calibration.resolve())

    def speech(self, who: str) -> Path:
        return self.folder / "speech" / who

    def snapshot(self) -> Path:
        """The folder in the published layout; made or downloaded where it must be. Raises ValueError."""
        if self.checkpoint.startswith(RANDOM):
            return make_snapshot(self.checkpoint.removeprefix(RANDOM))
        from qwen3_tts.convert.snapshot import locate

        return locate(self.checkpoint, None).folder

    def speakers(self) -> list[str]:
        """All that judge and speak: the recipes, and the reference where it is asked for."""
        return [*self.recipes, *([REFERENCE] if self.reference else [])]


@dataclass(frozen=True)
class Known:
    """What the converted checkpoint says about itself: the result of the step `convert`."""

    model_type: str
    languages: tuple[str, ...]
    speakers: tuple[str, ...]
    takes_instruct: bool
    gigabytes: float

    @classmethod
    def of(cls, ledger: Ledger) -> Known:
        found = ledger.result("convert")
        return cls(
            found["model_type"], tuple(found["languages"]), tuple(found["speakers"]), found["takes_instruct"],
            found["gigabytes"],
        )  # fmt: skip


def chosen_sentences(setting: Setting, known: Known) -> list[Sentence]:
    """Of the languages that the checkpoint speaks. Raises ValueError when there are none."""
    return spread_out(read_sentences(setting.sentences, known.languages), setting.max_sentences)


def speaker_of(setting: Setting, known: Known) -> str:
    """ "" for a model without speakers."""
    return setting.speaker or next(iter(known.speakers), "")


def voice_flags(setting: Setting, known: Known) -> dict[str, Any]:
    """The runner's flags that say who speaks."""
    if known.model_type == "base":
        return {"voice": setting.voice}
    if known.model_type == "voice_design":
        return {"instruct": DESIGN}
    return {"speaker": speaker_of(setting, known)}


def sources(*patterns: str) -> str:
    """A digest of files of the repository: what a step is made with."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in patterns for path in REPOSITORY.glob(pattern) if path.is_file()):
        digest.update(f"{path.relative_to(REPOSITORY)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def stamp(path: Path) -> list[list[Any]]:
    """Names, sizes and times of a file or of all files in a folder: whether it is still the same."""
    return [[str(file.relative_to(path)), *_size_and_time(file)] for file in files_of(path)]


def _size_and_time(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def files_of(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
    elif path.exists():
        yield path


def call(*words: str | Path) -> str:
    """Runs a program to its end; its standard output. Raises ProgramError, which has the end of what it said."""
    return run(words).stdout


def need(path: Path, how: str) -> Path:
    """Raises NotThereError, which says how to get it."""
    if not path.exists():
        raise NotThereError(f"{path} is missing: {how}")
    return path


__all__ = ["GREEDY", "REFERENCE", "Known", "ProgramError", "Setting"]
