"""What is there as a whole or not at all, also when the process that writes is killed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import models
from qwen3_tts.atomic_output import AtomicOutput, staging

HOLD = """
import sys, time
from pathlib import Path
from qwen3_tts.atomic_output import AtomicOutput, staging
path = Path(sys.argv[1])
with AtomicOutput(path) as file, staging(path) as folder:
    file.write(b"half")
    (folder / "part").mkdir()
    print("held", flush=True)
    time.sleep(600)
"""


def hold(path: Path) -> subprocess.Popen[str]:
    """A process that is in the middle of writing `path`."""
    command = [sys.executable, "-c", HOLD, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=models.REPOSITORY)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(path: Path, content: bytes) -> None:
    with AtomicOutput(path) as file, staging(path):
        file.write(content)


def test_what_a_killed_process_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "a[b].pte"
    with hold(path) as process:
        process.kill()
    assert len(names(tmp_path)) == 2
    write(tmp_path / "another.pte", b"other")
    assert len(names(tmp_path)) == 3, "what belongs to another output stays"
    write(path, b"whole")
    assert names(tmp_path) == ["a[b].pte", "another.pte"]
    assert path.read_bytes() == b"whole"


def test_what_a_living_process_writes_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.pte"
    with hold(path) as process:
        before = names(tmp_path)
        write(path, b"mine")
        assert names(tmp_path) == sorted([*before, "a.pte"])
        process.kill()


def test_files_with_such_names_that_are_none_stay(tmp_path: Path) -> None:
    keep = [".a.pte.backup", ".a.pte.partial", "a.pte.1.partial", ".b.pte.7.partial"]
    for name in keep:
        (tmp_path / name).write_bytes(b"")
    write(tmp_path / "a.pte", b"")
    assert names(tmp_path) == sorted([*keep, "a.pte"])


def test_outdated_files_go_when_the_new_one_comes(tmp_path: Path) -> None:
    model, manifest = tmp_path / "model.pte", tmp_path / "model.manifest.json"
    manifest.write_bytes(b"of the old one")
    with pytest.raises(RuntimeError), AtomicOutput(model, [manifest]):
        raise RuntimeError
    assert names(tmp_path) == ["model.manifest.json"]
    with AtomicOutput(model, [manifest]) as file:
        file.write(b"new")
        assert manifest.exists()
    assert names(tmp_path) == ["model.pte"]


def test_a_place_that_cannot_be_taken_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"), AtomicOutput(tmp_path / "taken") as file:
        file.write(b"x")
    assert names(tmp_path) == ["taken"]
