"""What a sound says by itself: whether somebody speaks, how long, how loud, and which words.

The words and the speech need the judges (`scripts/setup.sh judges`); the fixture `whisper` skips a test without them.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from judges import SAMPLE_RATE, Whisper, word_error_rate, words
from models import REPOSITORY
from proof.listeners import share_of_speech

Samples = NDArray[np.float32]

WHISPER = REPOSITORY / "build" / "judges" / "whisper-base"
SECONDS_OF_A_WORD = (0.15, 0.8)
SECONDS_BESIDES = (0.3, 1.0)
LOUDNESS = (-35.0, -15.0)  # dBFS
LEAST_SPEECH = 0.5  # share of the sound
WINDOW = 28.0  # s: Whisper reads 30 at a time, however little is in them
PAUSE = np.zeros(SAMPLE_RATE // 2, np.float32)


@dataclass(frozen=True)
class Utterance:
    text: str
    samples: Samples  # 24 kHz, in [-1, 1]

    @property
    def seconds(self) -> float:
        return len(self.samples) / SAMPLE_RATE


class WhisperProcess(Whisper):
    """Whisper in a process of its own: after tests/test_cuda_containers.py in the same one it hears noise in speech."""

    def __init__(self, folder: Path, threads: int):
        context = multiprocessing.get_context("spawn")
        self._process = ProcessPoolExecutor(1, context, _load_whisper, (folder, threads))

    def transcribe(self, samples: Samples, language: str = "en") -> str:
        return self._process.submit(_transcribe, samples, language).result()

    def close(self) -> None:
        self._process.shutdown()


_loaded: list[Whisper] = []  # in that process, one


def _load_whisper(folder: Path, threads: int) -> None:
    _loaded.append(Whisper(folder, threads))


def _transcribe(samples: Samples, language: str) -> str:
    return _loaded[0].transcribe(samples, language)


def are_judges_installed(folder: Path = WHISPER) -> bool:
    try:
        import faster_whisper
        import scipy.signal  # noqa: F401
    except ImportError:
        return False
    return bool(faster_whisper) and (folder / "model.bin").exists()


def loudness(samples: Samples) -> float:
    """Of the whole sound, in dB of full scale."""
    power = np.square(samples, dtype=np.float64).sum() / max(1, len(samples))
    return float(10 * np.log10(power + 1e-12))


def plausible_seconds(text: str) -> tuple[float, float]:
    """The least and the most that somebody takes to say a text; numbers count as the words they are read as."""
    count = len(words(text))
    least, most = (each * count + besides for each, besides in zip(SECONDS_OF_A_WORD, SECONDS_BESIDES))
    return least, most


def oddities(utterance: Utterance) -> list[str]:
    """What is implausible about its length and loudness."""
    found = []
    least, most = plausible_seconds(utterance.text)
    if not least <= utterance.seconds <= most:
        found.append(f"takes {utterance.seconds:.2f} s, not {least:.2f} to {most:.2f}")
    decibels = loudness(utterance.samples)
    if not LOUDNESS[0] <= decibels <= LOUDNESS[1]:
        found.append(f"is {decibels:.1f} dBFS loud, not {LOUDNESS[0]:.0f} to {LOUDNESS[1]:.0f}")
    if len(utterance.samples) and np.abs(utterance.samples).max() >= 1:
        found.append("is clipped")
    return [f"'{utterance.text}' {what}" for what in found]


def not_speech(utterance: Utterance) -> list[str]:
    share = share_of_speech(utterance.samples)
    return [] if share >= LEAST_SPEECH else [f"'{utterance.text}': only {share:.0%} of the sound is speech"]


@dataclass(frozen=True)
class Hearing:
    word_error_rate: float
    pairs: list[tuple[str, str]]  # what was said, what was heard

    def misheard(self) -> str:
        wrong = [f"{said}  |  {heard.strip()}" for said, heard in self.pairs if words(said) != words(heard)]
        return "\n".join([f"word error rate {self.word_error_rate:.3f}", *wrong])


def listen(whisper: Whisper, utterances: list[Utterance]) -> Hearing:
    """Utterances one after the other, as many as fit into what Whisper reads at a time: alone each costs as much."""
    pairs = []
    for window in windows(utterances):
        samples = np.concatenate([part for utterance in window for part in (PAUSE, utterance.samples)][1:])
        pairs.append((" ".join(utterance.text for utterance in window), whisper.transcribe(samples)))
    return Hearing(word_error_rate(pairs), pairs)


def windows(utterances: list[Utterance]) -> list[list[Utterance]]:
    """Neighbours that last up to WINDOW together, with pauses; a longer utterance stands alone."""
    found: list[list[Utterance]] = []
    seconds = 0.0
    for utterance in utterances:
        seconds += utterance.seconds + len(PAUSE) / SAMPLE_RATE
        if not found or seconds > WINDOW:
            found.append([])
            seconds = utterance.seconds
        found[-1].append(utterance)
    return found
