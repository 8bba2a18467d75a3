"""scripts/pre-commit, which `make hooks` installs, in a small repository of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import models

GOOD_PYTHON, BAD_PYTHON, UNUSED_IMPORT = "x = [1, 2]\n", "x = [1,2]\n", "import os\n"
GOOD_CPP, BAD_CPP = "int main() { return 0; }\n", "int main()\n{\n    return 0;\n}\n"


def git(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    identity = ("-c", "user.name=Tests", "-c", "user.email=tests@localhost")
    command = ["git", *identity, *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def stage(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    assert git(folder, "add", name).returncode == 0


def commit(folder: Path) -> subprocess.CompletedProcess[str]:
    return git(folder, "commit", "-m", "test")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "a repository"
    (folder / "scripts").mkdir(parents=True)
    for name in ("pyproject.toml", ".clang-format", "scripts/pre-commit"):
        shutil.copy(models.REPOSITORY / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    assert git(folder, "init").returncode == 0
    done = subprocess.run(["scripts/pre-commit", "--install"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("tests/a name.py", BAD_PYTHON, "a name.py"),
        ("tests/a.py", UNUSED_IMPORT, "F401"),
        ("runner/src/text/a.cpp", BAD_CPP, "clang-format"),
        ("tests/a.h", BAD_CPP, "clang-format"),
    ],
)
def test_bad_style_is_refused(repository: Path, name: str, text: str, word: str) -> None:
    stage(repository, name, text)
    done = commit(repository)
    assert done.returncode == 1
    assert word in done.stderr
    assert f"the style of these staged files is wrong: {name}" in done.stderr
    assert git(repository, "rev-parse", "HEAD").returncode != 0


def test_good_style_and_other_files_pass(repository: Path) -> None:
    stage(repository, "a.py", GOOD_PYTHON)
    stage(repository, "runner/a.cpp", GOOD_CPP)
    stage(repository, "runner/src/base/unicode_tables.cpp", BAD_CPP)  # a program writes it
    stage(repository, "other/a.cpp", BAD_CPP)
    stage(repository, "a.txt", BAD_PYTHON)
    done = commit(repository)
    assert done.returncode == 0, done.stderr
    assert git(repository, "rm", "a.py").returncode == 0
    assert commit(repository).returncode == 0


def test_what_is_staged_counts(repository: Path) -> None:
    stage(repository, "a.py", BAD_PYTHON)
    (repository / "a.py").write_text(GOOD_PYTHON)
    assert commit(repository).returncode == 1
    stage(repository, "a.py", GOOD_PYTHON)
    (repository / "a.py").write_text(BAD_PYTHON)
    assert commit(repository).returncode == 0


def test_another_hook_stays(repository: Path) -> None:
    hook = repository / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\necho mine\n")
    done = subprocess.run(
        ["scripts/pre-commit", "--install"], cwd=repository, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "There is another hook" in done.stderr
    assert "mine" in hook.read_text()
