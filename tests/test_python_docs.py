"""The examples of docs/python.md run, and its tables say what is so."""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import qwen3_tts_runtime
from models import REPOSITORY
from python_runtime import ENVIRONMENT
from qwen3_tts_runtime import Engine, Qwen3TTSError, _sessions, errors

Pte = Callable[[str], Path]
PAGE = (REPOSITORY / "docs" / "python.md").read_text(encoding="utf-8")
RECORDINGS = REPOSITORY / "tests" / "golden" / "recordings"
EXAMPLES: dict[str, list[str]] = {  # section -> files that its example writes
    "Speak and save": ["hello.mp3"],
    "Stream and play": ["played.raw"],
    "Text that is still being written": [],
    "Many lines at once": ["001.flac", "003.flac"],
    "Voices": ["ann.voice", "as_ann.wav", "as_both.wav"],
}


def example(section: str) -> str:
    """The block in ```python of a section."""
    text = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    (block,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    assert isinstance(block, str)
    return block


@pytest.fixture
def place(tiny_pte: Pte, tmp_path: Path) -> Path:
    """A folder with the files that the examples name, and a player."""
    for name, model in (
        ("model.pte", "tiny-customvoice"),
        ("base.pte", "tiny-base"),
        ("voice_encoder.pte", "tiny-base-voice-encoder"),
    ):
        (tmp_path / name).symlink_to(tiny_pte(model))
    shutil.copy(RECORDINGS / "librivox.wav", tmp_path / "ann.wav")
    shutil.copy(RECORDINGS / "glide.wav", tmp_path / "bob.wav")
    (tmp_path / "lines.txt").write_text("One.\n\nThree.\n")
    player = tmp_path / "aplay"
    player.write_text("#!/bin/sh\nexec /bin/cat > played.raw\n")
    player.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("section", EXAMPLES)
def test_examples_run(section: str, place: Path) -> None:
    before = {path.name for path in place.iterdir()}
    done = subprocess.run(
        [sys.executable, "-c", example(section)],
        cwd=place,
        env={**ENVIRONMENT, "PATH": str(place)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    written = sorted(path for path in place.iterdir() if path.name not in before)
    assert [path.name for path in written] == EXAMPLES[section]
    assert all(path.stat().st_size > 1000 for path in written if path.suffix != ".voice")
    if section == "Many lines at once":
        assert done.stdout == "line 2: the text is empty; give at least one character to speak\n"
    if section == "Text that is still being written":
        assert len(re.findall(r"^\d+ samples for whoever listens$", done.stdout, re.M)) > 3


def test_every_python_block_is_one_of_them() -> None:
    assert PAGE.count("```python\n") == len(EXAMPLES)


def test_exceptions_are_those_of_the_package() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| .* \|$", PAGE, re.M)
    named = dict(rows)
    defined = {
        name: kind
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, Qwen3TTSError) and kind is not Qwen3TTSError
    }
    assert named == {name: kind.__bases__[1].__name__ for name, kind in defined.items()}
    assert set(named) < set(qwen3_tts_runtime.__all__)


def test_named_methods_exist() -> None:
    from qwen3_tts_runtime.reference import Qwen3TTSModel

    for name in re.findall(r"`(from_pretrained|generate_\w+|create_\w+|get_\w+)`", PAGE):
        assert callable(getattr(Qwen3TTSModel, name))
    for name in set(re.findall(r"engine\.(\w+)", PAGE)):
        assert hasattr(Engine, name)
    assert f"up to {_sessions.MAX_IDLE} sessions" in PAGE
