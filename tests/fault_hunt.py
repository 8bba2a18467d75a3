"""What the scenarios of faults.py share: what is run, where, and what was found."""

from __future__ import annotations

import io
import random
import resource
import shutil
import subprocess
import wave
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import models
from runner_program import command_line

PATIENCE_S = 120  # of a machine that is busy
SPOKEN: dict[str, Any] = {
    "text": "Two geese fly over the sea.",
    "speaker": "ryan",
    "min_frames": 30,
    "max_frames": 30,
    "quiet": True,
}
LINES = [f"Line {number} of them is spoken beside others." for number in range(10)]


@dataclass
class Hunt:
    """What is run, where, and what was found."""

    runner: Path
    folder: Path
    count: int
    draw: random.Random
    faults: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    model: Path = field(default_factory=lambda: models.exported("tiny-customvoice-small"))

    def command(self, **flags: Any) -> list[str]:
        return command_line(self.runner, {"model_path": self.model, **flags})

    def run(
        self, *, limit: int | None = None, env: dict[str, str] | None = None, within: Sequence[str] = (), **flags: Any
    ) -> Done:
        """Runs it to its end; `limit` of its address space in bytes; `within` another program that calls it."""

        def restrict() -> None:
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

        command = [*within, *self.command(**flags)]
        done = subprocess.run(
            command, capture_output=True, timeout=PATIENCE_S, preexec_fn=restrict, env=env, check=False
        )
        return Done(done.returncode, done.stdout, done.stderr.decode(errors="replace"))

    def expect(self, is_so: bool, what: str) -> None:
        if not is_so:
            self.faults.append(what)

    def fresh(self, name: str) -> Path:
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    def whole(self, **flags: Any) -> dict[str, bytes]:
        """What the files hold when nothing is in the way, by name."""
        folder = self.fresh("whole")
        self.run(**flags, output_dir=folder)
        return contents(folder)


@dataclass(frozen=True)
class Done:
    code: int
    output: bytes
    said: str


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def is_whole_wav(content: bytes) -> bool:
    """Whether its header tells of all that is there, and of no more."""
    try:
        with wave.open(io.BytesIO(content)) as file:
            return 44 + 2 * file.getnframes() == len(content)
    except (wave.Error, EOFError):
        return False
