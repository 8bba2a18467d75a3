"""What `cmake --install` leaves: a prefix that may be moved, which a program is built and runs against."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import extract_examples
import models
import runner_program

TEXT = "Hello, package."


def run(*command: str | Path) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def install(build_dir: Path, folder: Path, *components: str) -> Path:
    """A prefix in `folder` that was moved after the installation."""
    run("cmake", "--install", build_dir, "--prefix", folder / "installed")
    for component in components:
        run("cmake", "--install", build_dir, "--prefix", folder / "installed", "--component", component)
    return (folder / "installed").rename(folder / "moved")


@pytest.fixture(scope="module")
def prefix(build_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(build_dir, tmp_path_factory.mktemp("package"))


@pytest.fixture(scope="module")
def model(tiny_pte: Callable[[str], Path]) -> Path:
    return tiny_pte("tiny-customvoice")


@pytest.fixture(scope="module")
def expected(runner: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The WAV that the program in the build folder writes."""
    return speak(runner, model, tmp_path_factory.mktemp("expected"))


def speak(runner: Path, model: Path, folder: Path) -> bytes:
    wav = folder / "runner.wav"
    done = runner_program.call(runner, model_path=model, text=TEXT, speaker="ryan", output_wav=wav)
    assert done.returncode == 0, done.stderr
    return wav.read_bytes()


def test_only_this_project_is_installed(prefix: Path) -> None:
    files = [path.relative_to(prefix) for path in prefix.rglob("*") if not path.is_dir()]
    assert {file.parts[0] for file in files} == {"bin", "lib", "include"}
    assert [file for file in files if "qwen3_tts" not in str(file)] == []
    assert {file.name for file in files if file.parts[0] == "include"} == {
        path.name for path in (models.REPOSITORY / "runner" / "include" / "qwen3_tts").iterdir()
    }


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the symbols of an ELF file")
def test_library_shows_what_the_headers_declare(prefix: Path) -> None:
    declared = {"", *re.findall(r"\w+", "".join(header.read_text() for header in prefix.rglob("*.h")))}
    symbols = run("nm", "--dynamic", "--defined-only", "--demangle", prefix / "lib" / "libqwen3_tts.so")
    names = re.findall(r"^\w+ \w (?:[a-z ]+ for )?qwen3_tts::(\w+)(?:::~?(\w+))?", symbols, re.MULTILINE)
    assert ("Engine", "create") in names
    undeclared = [name for name in names if not declared.issuperset(name) or name[1] in ("Impl", "State")]
    assert undeclared == []


def test_project_built_against_the_prefix_speaks(prefix: Path, model: Path, expected: bytes, tmp_path: Path) -> None:
    shutil.copy(models.REPOSITORY / "tests" / "package" / "CMakeLists.txt", tmp_path)
    program = extract_examples.readme_program(models.REPOSITORY / "README.md")
    (tmp_path / "speak.cpp").write_text(program, encoding="utf-8")
    run("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", tmp_path / "build")
    run(tmp_path / "build" / "speak", model, TEXT, tmp_path / "speech.wav")
    assert (tmp_path / "speech.wav").read_bytes() == expected


def test_moved_program_speaks(prefix: Path, model: Path, expected: bytes, tmp_path: Path) -> None:
    assert speak(prefix / "bin" / "qwen3_tts_runner", model, tmp_path) == expected


def test_moved_program_makes_voices(prefix: Path, tiny_pte: Callable[[str], Path], tmp_path: Path) -> None:
    recording = models.REPOSITORY / "tests" / "golden" / "recordings" / "glide.wav"
    encoder = tiny_pte("tiny-base-voice-encoder")
    program, voice = prefix / "bin" / "qwen3_tts_voice", tmp_path / "a.voice"
    run(program, "create", "--voice_encoder_path", encoder, "--audio", recording, "--output", voice)
    assert "a.voice" in run(program, "info", voice)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the ELF loader")
def test_component_makes_the_prefix_independent_of_the_wheel(
    build_dir: Path, model: Path, expected: bytes, tmp_path: Path
) -> None:
    prefix = install(build_dir, tmp_path, "executorch")
    for binary in ("bin/qwen3_tts_runner", "bin/qwen3_tts_voice", "lib/libqwen3_tts.so"):
        loaded = re.findall(r"libexecutorch\S* => (\S+)", run("ldd", prefix / binary))
        assert len(loaded) >= 5
        assert [path for path in loaded if prefix not in Path(path).resolve().parents] == []
    assert speak(prefix / "bin" / "qwen3_tts_runner", model, tmp_path) == expected
