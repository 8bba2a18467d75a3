"""The demo voice speaks: what the C++ program says of held-out sentences is understood, in every recipe and layout.

Whisper base listens, which this project did not train; tests/test_listening.py: it does not take noise for speech.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from judges import Whisper
from listening import Utterance, listen, not_speech, oddities
from models import DEMO_SNAPSHOT, REPOSITORY
from runner_program import call, read_samples

pytestmark = pytest.mark.listening

Pte = Callable[[str], Path]

TEXTS = (REPOSITORY / "demo_voice" / "gate.txt").read_text(encoding="utf-8").splitlines()
SEED = 42
# Share of the words that Whisper misheard: the mean over the seeds 42, 1, 2 and 3, of which one was up to 3.3 points
# above it. A gate allows MARGIN more: codes are drawn, and a machine that rounds otherwise draws others.
WORD_ERRORS = {
    "exact": 0.046,
    "quality": 0.048,
    "balanced": 0.063,
    "small": 0.065,
    "phone": 0.070,
    "8da4w": 0.052,
    "streaming": 0.081,
    "second speaker": 0.065,
}
MARGIN = 0.065


@dataclass(frozen=True)
class Case:
    model: str
    speaker: int = 0
    flags: dict[str, Any] = field(default_factory=dict)


CASES = {
    "exact": Case("demo-exact"),
    "quality": Case("demo-quality"),
    "balanced": Case("demo-balanced"),
    "small": Case("demo-small"),
    "phone": Case("demo-phone"),
    "8da4w": Case("demo-8da4w"),
    "streaming": Case("demo-balanced", flags={"text_layout": "streaming"}),
    "second speaker": Case("demo-balanced", speaker=1),
}
DELIVERIES = {
    "frame by frame": {"chunk_frames": 1},
    "all at once": {"chunk_frames": 1000, "first_chunk_frames": 1000},
}


@dataclass(frozen=True)
class Spoken:
    utterances: list[Utterance]
    wavs: list[bytes]
    stats: list[dict[str, Any]]


Speak = Callable[[str], Spoken]


def say(runner: Path, model: Path, folder: Path, case: Case, **flags: Any) -> Spoken:
    """The case's sentences in one call of the program."""
    config = json.loads((DEMO_SNAPSHOT / "config.json").read_text(encoding="utf-8"))
    speaker = list(config["talker_config"]["spk_id"])[case.speaker]
    prompts, stats = folder / "prompts.txt", folder / "stats.json"
    prompts.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    done = call(
        runner, model_path=model, prompts_path=prompts, speaker=speaker, language="english", seed=SEED,
        output_dir=folder, stats_json=stats, **case.flags, **flags,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wavs = [(folder / f"prompt_{index}_repeat_0.wav").read_bytes() for index in range(len(TEXTS))]
    utterances = [Utterance(text, read_samples(wav)) for text, wav in zip(TEXTS, wavs)]
    return Spoken(utterances, wavs, json.loads(stats.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def speak(runner: Path, tiny_pte: Pte, tmp_path_factory: pytest.TempPathFactory) -> Speak:
    """Name of a case -> what was said, once."""

    @cache
    def spoken(name: str) -> Spoken:
        case = CASES[name]
        return say(runner, tiny_pte(case.model), tmp_path_factory.mktemp("spoken"), case)

    return spoken


EVERY_CASE = pytest.mark.parametrize("name", CASES)


@EVERY_CASE
def test_words_are_understood(speak: Speak, whisper: Whisper, name: str) -> None:
    hearing = listen(whisper, speak(name).utterances)
    assert hearing.word_error_rate <= WORD_ERRORS[name] + MARGIN, hearing.misheard()


@EVERY_CASE
@pytest.mark.usefixtures("whisper")
def test_somebody_speaks(speak: Speak, name: str) -> None:
    assert [line for utterance in speak(name).utterances for line in not_speech(utterance)] == []


@EVERY_CASE
def test_length_and_loudness_are_plausible(speak: Speak, name: str) -> None:
    spoken = speak(name)
    assert [run["prompt"] for run in spoken.stats if run["finish_reason"] != "eos"] == []
    assert [line for utterance in spoken.utterances for line in oddities(utterance)] == []


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_delivery_changes_no_sample(speak: Speak, runner: Path, tiny_pte: Pte, tmp_path: Path, delivery: str) -> None:
    """So what was judged in chunks of the default size holds for a stream of frames, and for a file made in one go."""
    case = CASES["balanced"]
    spoken = say(runner, tiny_pte(case.model), tmp_path, case, **DELIVERIES[delivery])
    assert spoken.wavs == speak("balanced").wavs
