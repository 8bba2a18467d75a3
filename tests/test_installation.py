"""The Python package as it is installed: its two programs, and what of it needs no torch."""

from __future__ import annotations

import pkgutil
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import qwen3_tts
from models import REPOSITORY

NEEDED = ("pyproject.toml", "VERSION", "LICENSE", "requirements.txt", "requirements-no-deps.txt")
HEAVY = ("torch", "torchao", "executorch")


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built out of a copy: setuptools leaves files where it builds."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in NEEDED:
        shutil.copy(REPOSITORY / name, source)
    shutil.copytree(REPOSITORY / "qwen3_tts", source / "qwen3_tts", ignore=shutil.ignore_patterns("__pycache__"))
    flags = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--quiet")
    run(sys.executable, "-m", "pip", "wheel", *flags, "--wheel-dir", folder, source, cwd=source)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs' folder of an environment that holds this package and nothing else."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False)
    pip = (sys.executable, "-m", "pip", "--python", place / "bin" / "python")
    run(*pip, "install", "--no-deps", "--no-index", "--disable-pip-version-check", "--quiet", wheel, cwd=place)
    return place / "bin"


@pytest.mark.parametrize(
    ("program", "other"), [("qwen3-tts-convert", "qwen3-tts-export"), ("qwen3-tts-export", "qwen3-tts-convert")]
)
def test_programs_explain_themselves_under_their_own_names(installed: Path, program: str, other: str) -> None:
    said = run(installed / program, "--help", cwd=installed)
    assert said.startswith(f"usage: {program} [-h]")
    assert other in said and ".py" not in said


def test_every_file_of_the_package_is_installed(installed: Path) -> None:
    ask = "import pathlib, qwen3_tts; print(pathlib.Path(qwen3_tts.__file__).parent)"
    place = Path(run(installed / "python", "-c", ask, cwd=installed).strip())
    expected, found = (
        {path.relative_to(folder) for suffix in ("py", "cpp") for path in folder.rglob(f"*.{suffix}")}
        for folder in (REPOSITORY / "qwen3_tts", place)
    )
    assert found == expected


def test_pip_is_told_of_one_torch_and_of_executorch(installed: Path) -> None:
    ask = "import importlib.metadata as m; print('\\n'.join(m.requires('qwen3-tts'))); print(m.version('qwen3-tts'))"
    *requirements, version = run(installed / "python", "-c", ask, cwd=installed).splitlines()
    assert version == (REPOSITORY / "VERSION").read_text().strip()
    pinned = (REPOSITORY / "requirements.txt").read_text().splitlines()
    assert [line for line in requirements if line.startswith("torch==")] == [
        line for line in pinned if line.startswith("torch==")
    ]
    assert any(line.startswith("executorch==") for line in requirements)
    assert all("==" in line for line in requirements)


def test_what_lies_apart_from_torch_needs_none() -> None:
    light = [module.name for module in pkgutil.iter_modules(qwen3_tts.__path__) if not module.ispkg]
    assert {"config", "contract", "sampling", "text_tokenizer", "voice"} <= set(light)
    program = [
        f"import sys; sys.modules |= dict.fromkeys({HEAVY})",  # importing one of them raises ImportError
        *(f"import qwen3_tts.{name}" for name in light),
        "import qwen3_tts.convert.cli, qwen3_tts.export.cli",
    ]
    run(sys.executable, "-c", "\n".join(program), cwd=REPOSITORY)
