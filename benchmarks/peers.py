"""Another program beside ours: both speak the same texts by turns, so that what else the machine does meets both.

A peer is a command line, `NAME=CMD`. It is split into words as a shell would, but run without one; in each word

    {text} {frames} {threads} {warmup} {wav}

stand for the text to speak, the number of frames of 80 ms after which to stop, the number of threads, the number of
utterances to speak before the one that counts, and a WAV file to write. There are two ways to read its times:

- With {wav} in CMD: the wall time of the whole process, and the length of that WAV. Ours is then taken likewise.
- Else the last line of its standard output is a JSON object with "audio_s" and "total_ms", request to last sample
  without loading, and if it likes "ttfa_ms". Ours are the same figures of its statistics.

Either way speed is divided by the length of what was said. Memory is that of the process itself.
"""

from __future__ import annotations

import json
import re
import shlex
import tempfile
import wave
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import Finished, ProgramError, run, spread
from scenarios import Runner


@dataclass(frozen=True)
class Peer:
    name: str
    words: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Peer:
        """`NAME=CMD`. Raises ValueError for anything else."""
        name, _, command = text.partition("=")
        words = tuple(shlex.split(command))
        if not name or not words:
            raise ValueError(f"'{text}' is no peer; write NAME=CMD")
        return cls(name, words)

    @property
    def is_whole_process(self) -> bool:
        """Does the time of the process count, and not that of the request?"""
        return any("{wav}" in word for word in self.words)


@dataclass(frozen=True)
class Spoken:
    audio_s: float
    total_ms: float
    ttfa_ms: float | None
    memory_mb: float

    @property
    def rtf(self) -> float:
        return self.total_ms / 1000 / self.audio_s


def wav_seconds(path: Path) -> float:
    try:
        with wave.open(str(path)) as file:
            return file.getnframes() / file.getframerate()
    except (OSError, EOFError, wave.Error) as error:
        raise ProgramError(f"there is no WAV in '{path.name}': {error}") from error


def of_process(finished: Finished, wav: Path) -> Spoken:
    return Spoken(wav_seconds(wav), finished.wall_s * 1000, None, finished.memory.total)


def of_json(finished: Finished) -> Spoken:
    lines = finished.stdout.strip().splitlines()
    try:
        said = json.loads(lines[-1])
        ttfa_ms = said.get("ttfa_ms")
        return Spoken(
            float(said["audio_s"]), float(said["total_ms"]), None if ttfa_ms is None else float(ttfa_ms),
            finished.memory.total,
        )  # fmt: skip
    except (IndexError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ProgramError(
            f"the last line of its output is {lines[-1] if lines else ''!r}; print a JSON object with audio_s and "
            "total_ms, or put {wav} into CMD"
        ) from error


def speak_peer(peer: Peer, values: dict[str, Any]) -> Spoken:
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "peer.wav"
        try:
            finished = run([fill(word, values | {"wav": wav}) for word in peer.words])
            spoken = of_process(finished, wav) if peer.is_whole_process else of_json(finished)
        except ProgramError as error:
            raise ProgramError(f"peer {peer.name}: {error}") from error
    if spoken.audio_s <= 0 or spoken.total_ms <= 0:
        raise ProgramError(f"peer {peer.name} said nothing: {spoken}")
    return spoken


def fill(word: str, values: dict[str, Any]) -> str:
    """Other words in braces stay."""
    return re.sub(r"\{(\w+)\}", lambda found: str(values.get(found[1], found[0])), word)


def speak_ours(runner: Runner, text: str, threads: int, warmup: int, is_whole_process: bool) -> Spoken:
    (stats,), finished = runner.speak(threads, text=text, warmup=0 if is_whole_process else warmup)
    if is_whole_process:
        return Spoken(stats["audio_s"], finished.wall_s * 1000, None, finished.memory.total)
    return Spoken(stats["audio_s"], stats["total_ms"], stats["ttfa_ms"], finished.memory.total)


def measure_peer(runner: Runner, peer: Peer, threads: int, repeat: int, warmup: int) -> dict[str, Any]:
    """Both speak every prompt `repeat` times, by turns."""
    ours, theirs = [], []
    for _ in range(repeat):
        for text in runner.prompts:
            values = {"frames": runner.frames, "threads": threads, "warmup": warmup, "text": text}
            ours.append(speak_ours(runner, text, threads, warmup, peer.is_whole_process))
            theirs.append(speak_peer(peer, values))
    result = {"name": peer.name, "threads": threads, "time_of": "process" if peer.is_whole_process else "request"}
    figures = {"ours": figures_of(ours), "theirs": figures_of(theirs)}
    shared = figures["ours"].keys() & figures["theirs"].keys()
    ratios = {key: figures["theirs"][key]["p50"] / figures["ours"][key]["p50"] for key in sorted(shared)}
    return result | figures | {"theirs_over_ours": ratios}


def figures_of(runs: Iterable[Spoken]) -> dict[str, dict[str, float]]:
    """Those that every run has."""
    runs = list(runs)
    figures = {"rtf": spread([spoken.rtf for spoken in runs])}
    first = [spoken.ttfa_ms for spoken in runs if spoken.ttfa_ms is not None]
    if len(first) == len(runs):
        figures["ttfa_ms"] = spread(first)
    if all(spoken.memory_mb > 0 for spoken in runs):
        figures["peak_memory_mb"] = spread([spoken.memory_mb for spoken in runs])
    return figures
