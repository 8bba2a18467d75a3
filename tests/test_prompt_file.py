"""Prompts files: what a line may say, and what it gets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from published_layout import TINY_GROUPS
from qwen3_tts.voice import Voice
from runner_program import call, speak

Pte = Callable[[str], Path]
HIDDEN, GROUPS, CODES = 64, TINY_GROUPS, 256  # of the tiny models


def talk(runner: Path, model: Path, folder: Path, lines: list[Any], **flags: Any) -> list[dict[str, Any]]:
    """Speaks the lines, strings and objects, into folder/out. Returns their stats."""
    text = "\n".join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
    (folder / "lines").write_text(text, encoding="utf-8")
    files = {"prompts_path": folder / "lines", "output_dir": folder / "out", "stats_json": folder / "stats"}
    done = call(runner, model_path=model, **{**files, "max_frames": 8, "threads": 1, **flags})
    assert done.returncode == 0, done.stderr
    stats: list[dict[str, Any]] = json.loads((folder / "stats").read_text())
    return stats


def alone(runner: Path, model: Path, folder: Path, **flags: Any) -> bytes:
    """The WAV of a run of its own."""
    return speak(runner, model, folder, max_frames=8, **flags).wav


@pytest.fixture
def ann(tmp_path: Path) -> Path:
    """A voice with a recording of 30 frames."""
    generator = np.random.default_rng(3)
    codes = generator.integers(0, CODES, (30, GROUPS), dtype=np.int32)
    x_vector = generator.standard_normal(HIDDEN).astype(np.float32)
    Voice("Ann", "english", "base", x_vector, codes, np.arange(40, 60, dtype=np.int32)).save(tmp_path / "ann.voice")
    return tmp_path / "ann.voice"


def test_line_says_what_flags_would(runner: Path, tiny_pte: Pte, tmp_path: Path) -> None:
    model = tiny_pte("tiny-customvoice")
    lines: list[dict[str, Any]] = [
        {"text": "Guten Tag.", "language": "german", "speaker": "Vivian", "seed": 7},
        {"text": 'A "quoted" text\nof two lines.', "instruct": "A calm voice.", "speaker": "ryan", "seed": 2**64 - 1},
        {"text": "{", "speaker": "dylan", "seed": 0},
    ]
    stats = talk(runner, model, tmp_path, lines)
    assert [run["prompt"] for run in stats] == [line["text"] for line in lines]
    assert [run["seed"] for run in stats] == [line["seed"] for line in lines]
    for run, line in zip(stats, lines, strict=True):
        assert Path(run["output"]).read_bytes() == alone(runner, model, tmp_path, **line)


def test_line_goes_before_the_command_line(runner: Path, tiny_pte: Pte, tmp_path: Path) -> None:
    model = tiny_pte("tiny-customvoice")
    flags = {"speaker": "ryan", "language": "german", "instruct": "Loud.", "seed": 30}
    lines = ["Plain.", {"text": "Own.", "speaker": "vivian", "language": "english", "instruct": "", "seed": 5}, "Last."]
    stats = talk(runner, model, tmp_path, lines, **flags)
    assert [run["seed"] for run in stats] == [30, 5, 32]
    expected = [
        flags | {"text": "Plain."},
        {"text": "Own.", "speaker": "vivian", "language": "english", "seed": 5},
        flags | {"text": "Last.", "seed": 32},
    ]
    for run, one in zip(stats, expected, strict=True):
        assert Path(run["output"]).read_bytes() == alone(runner, model, tmp_path, **one)


def test_voices_of_lines(runner: Path, tiny_pte: Pte, tmp_path: Path, ann: Path) -> None:
    """In context, by its x-vector and without; what an earlier line left behind changes nothing."""
    model = tiny_pte("tiny-base")
    lines: list[dict[str, Any]] = [
        {"text": "In context.", "voice": str(ann), "seed": 1},
        {"text": "Nobody.", "voice": "", "seed": 1},
        {"text": "By its x-vector.", "voice": str(ann), "voice_mode": "xvector", "seed": 1},
        {"text": "In context again.", "voice": str(ann), "voice_mode": "icl", "seed": 1},
    ]
    stats = talk(runner, model, tmp_path, lines)
    for run, line in zip(stats, lines, strict=True):
        one = {**line, "voice": line["voice"] or None}
        assert Path(run["output"]).read_bytes() == alone(runner, model, tmp_path, **one)
    rows = [run["cached_rows"] for run in stats]
    assert rows[:3] == [0, 0, 0]
    assert rows[3] >= 20  # the transcript
    assert len({run["prompt_rows"] for run in stats}) >= 3


def test_voice_mode_of_the_command_line_is_for_lines_with_a_voice(
    runner: Path, tiny_pte: Pte, tmp_path: Path, ann: Path
) -> None:
    model = tiny_pte("tiny-base")
    lines = ["Nobody.", {"text": "Ann.", "voice": str(ann), "seed": 1}]
    stats = talk(runner, model, tmp_path, lines, voice_mode="xvector")
    expected = alone(runner, model, tmp_path, text="Ann.", voice=ann, voice_mode="xvector", seed=1)
    assert Path(stats[1]["output"]).read_bytes() == expected
    assert expected != alone(runner, model, tmp_path, text="Ann.", voice=ann, seed=1)


def test_outputs_have_their_names(runner: Path, tiny_pte: Pte, tmp_path: Path) -> None:
    lines = ["One.", {"text": "Two.", "output": "b/two.wav", "seed": 9}, {"text": "Three.", "output": "three"}]
    stats = talk(runner, tiny_pte("tiny-base"), tmp_path, lines)
    out = tmp_path / "out"
    names = ["prompt_0_repeat_0.wav", "b/two.wav", "three"]
    assert [run["output"] for run in stats] == [str(out / name) for name in names]
    again = talk(runner, tiny_pte("tiny-base"), tmp_path, lines, repeat=2)
    names = ["prompt_0_repeat_0.wav", "b/two_repeat_0.wav", "three_repeat_0"]
    assert [run["output"] for run in again[:3]] == [str(out / name) for name in names]
    assert [run["seed"] for run in again] == [42, 9, 44, 45, 10, 47]
    assert (out / "b/two_repeat_0.wav").read_bytes() == (out / "b/two.wav").read_bytes()


def test_last_line_is_checked_before_the_first_is_spoken(runner: Path, tiny_pte: Pte, tmp_path: Path) -> None:
    (tmp_path / "lines").write_text('Fine.\n\n{"text": "Also fine.", "language": "klingon"}\n')
    files: dict[str, Any] = {"prompts_path": tmp_path / "lines", "output_dir": tmp_path / "out"}
    done = call(runner, model_path=tiny_pte("tiny-base"), strict=True, **files)
    assert done.returncode == 1
    assert f"line 3 of '{tmp_path / 'lines'}': unknown language 'klingon'" in done.stderr.decode()
    assert not (tmp_path / "out").exists()
