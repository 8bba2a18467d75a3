"""`--profile` and benchmarks/read_profile.py on a tiny model: every stage is there, and its operators add up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import models
from published_layout import TINY_GROUPS
from runner_program import call, speak

FRAMES = 6
READER = models.REPOSITORY / "benchmarks" / "read_profile.py"
Costs = dict[str, tuple[int, float]]  # name -> count, ms


def read(profile: Path, *arguments: str) -> dict[str, Costs]:
    """Heading of a table -> its rows."""
    command = [sys.executable, str(READER), str(profile), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    tables: dict[str, Costs] = {}
    for line in done.stdout.splitlines():
        cells = [cell.strip(" `") for cell in line.strip("|").split("|")]
        if cells[1:2] == ["count"]:
            rows = tables.setdefault(cells[0], {})
        elif len(cells) == 5 and not cells[0].startswith("---"):
            rows[cells[0]] = (int(cells[1]), float(cells[2]))
    return tables


@pytest.fixture(scope="module")
def profile(tiny_pte: Callable[[str], Path], runner: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("profile")
    flags = {"text": "Any text.", "speaker": "ryan", "max_frames": FRAMES}
    path = folder / "run.etdp"
    plain = speak(runner, tiny_pte("tiny-customvoice"), folder, **flags)
    profiled = speak(runner, tiny_pte("tiny-customvoice"), folder, profile=path, warmup=2, **flags)
    assert profiled.wav == plain.wav
    assert [file.name for file in folder.glob("run*")] == ["run.etdp"]
    return path


def test_only_the_counted_run_is_recorded(profile: Path) -> None:
    stages = read(profile)["stage"]
    assert stages["cp_generate"][0] == FRAMES
    assert stages["talker"][0] >= FRAMES
    assert stages["decode_audio"][0] == 4  # 1 + 1 + 2 + 2 frames
    assert not [name for name in stages if name.startswith("load")]


def test_operators_add_up_to_their_stage(profile: Path) -> None:
    tables = read(profile, "--top", "100")
    stages = tables.pop("stage")
    assert tables.keys() == stages.keys()
    for name, operators in tables.items():
        assert sum(ms for _, ms in operators.values()) == pytest.approx(stages[name][1], abs=0.01 * len(operators))
    predictor = tables["cp_generate"]
    assert predictor["qwen3_tts::sample.out"][0] == FRAMES * (TINY_GROUPS - 1)
    assert any(name.startswith("Fully Connected") for name in predictor)
    short = read(profile, "--top", "2")["cp_generate"]
    assert [name for name in short if name.endswith("others")]
    assert sum(count for count, _ in short.values()) == sum(count for count, _ in predictor.values())


def test_a_file_that_is_no_profile_is_refused(profile: Path, tmp_path: Path) -> None:
    for content in (b"", b"notes" * 99, profile.read_bytes()[:4000]):
        other = tmp_path / "other.etdp"
        other.write_bytes(content)
        done = subprocess.run([sys.executable, str(READER), str(other)], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("read_profile.py: error: '"), done.stderr


def test_codes_that_are_only_decoded_have_a_profile(
    profile: Path, runner: Path, tiny_pte: Callable[[str], Path]
) -> None:
    folder = profile.parent
    path = folder / "codes.etdp"
    done = call(
        runner, model_path=tiny_pte("tiny-customvoice"), codes_path=folder / "out.codes",
        output_wav=folder / "codes.wav", profile=path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert read(path, "--frames", str(FRAMES))["stage"].keys() == {"decode_audio"}
