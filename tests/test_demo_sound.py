"""The demo voice is understood in every format of sound files, and slower and faster: Whisper listens."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from judges import SAMPLE_RATE, Whisper
from listening import Utterance, listen
from models import DEMO_SNAPSHOT
from runner_program import call

TEXTS = ("There will be some sun this morning.", "The crossing is slow at the moment.")
SOUNDS: dict[str, dict[str, Any]] = {  # name: what lines of a prompts file say for it
    "wav": {"output": "a.wav"},
    "flac": {"output": "a.flac"},
    "opus": {"output": "a.opus"},
    "vorbis": {"output": "a.ogg"},
    "mp3": {"output": "a.mp3"},
    "slower": {"output": "slower.wav", "speed": 0.8},
    "faster": {"output": "faster.wav", "speed": 1.25},
    "half as fast again": {"output": "fast.wav", "speed": 1.5},
}
MOST_WRONG = 1 / 14  # one word of them all


@pytest.fixture(scope="module")
def folder(runner: Path, tiny_pte: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each text in a folder of its number, in every sound; all from the same codes."""
    place = tmp_path_factory.mktemp("spoken")
    config = json.loads((DEMO_SNAPSHOT / "config.json").read_text(encoding="utf-8"))
    lines = [
        {"text": text, "seed": 42, **says, "output": f"{number}/{says['output']}"}
        for says in SOUNDS.values()
        for number, text in enumerate(TEXTS)
    ]
    (place / "lines").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    done = call(
        runner, model_path=tiny_pte("demo-balanced"), prompts_path=place / "lines", output_dir=place,
        language="english", speaker=next(iter(config["talker_config"]["spk_id"])),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return place


@pytest.mark.parametrize("sound", SOUNDS)
def test_words_are_understood(folder: Path, build_dir: Path, whisper: Whisper, sound: str) -> None:
    utterances = []
    for number, text in enumerate(TEXTS):
        path = folder / str(number) / SOUNDS[sound]["output"]
        command = [build_dir / "tests" / "recording_stdout", path, str(SAMPLE_RATE)]
        done = subprocess.run(command, capture_output=True, check=True)
        utterances.append(Utterance(text, np.frombuffer(done.stdout, "<f4")))
    hearing = listen(whisper, utterances)
    assert hearing.word_error_rate <= MOST_WRONG, hearing.misheard()
