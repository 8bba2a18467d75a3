"""What others build on: an installed prefix that may be moved, whole or in part, and the sources in their tree."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import sys
import wave
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import extract_examples
import models
import runner_program

pytestmark = pytest.mark.slow

TEXT = "Hello, package."
RECORDING = models.REPOSITORY / "tests" / "golden" / "recordings" / "glide.wav"

COUNT = """
#include <cstdio>

#include <qwen3_tts/encoded_sink.h>
#include <qwen3_tts/read_recording.h>
#include <qwen3_tts/speed_sink.h>

int main(int, char** arguments) {
  const auto recording = qwen3_tts::read_recording(arguments[1], 24000, {});
  if (!recording.ok()) return 1;
  const auto size = static_cast<long>(recording->samples.size());
  const auto file = qwen3_tts::EncodedSink::to_file(arguments[2], 24000);
  const auto faster = qwen3_tts::SpeedSink::create(**file, 24000, 2);
  if (!(*faster)->write(recording->samples.data(), size).ok() || !(*faster)->close().ok()) return 1;
  const auto written = qwen3_tts::read_recording(arguments[2], 24000, {});
  std::printf("%ld %zu", size, written->samples.size());
}
"""

SUBPROJECT = """
cmake_minimum_required(VERSION 3.28)
project(parent LANGUAGES CXX)
set(CMAKE_CXX_STANDARD 20)
add_subdirectory("${QWEN3_TTS}" qwen3_tts)
add_executable(speak speak.cpp)
target_link_libraries(speak PRIVATE qwen3_tts::qwen3_tts)
get_target_property(type qwen3_tts::qwen3_tts TYPE)
get_property(targets DIRECTORY "${QWEN3_TTS}" PROPERTY BUILDSYSTEM_TARGETS)
message("type: ${type}; standard: ${CMAKE_CXX_STANDARD}; targets: ${targets}")
"""

C_PROJECT = """
cmake_minimum_required(VERSION 3.18)
project(speak LANGUAGES C)
find_package(qwen3_tts 0.1 CONFIG REQUIRED)
add_executable(speak speak.c)
target_link_libraries(speak PRIVATE qwen3_tts::qwen3_tts)
"""

on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the tools for ELF files")


def call(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """With cmake and ninja of this Python's environment first: a system's may be too old."""
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        list(map(str, command)),
        env={**os.environ, "PATH": tools},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def run(*command: str | Path) -> str:
    done = call(*command)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def install(build_dir: Path, folder: Path, *components: str) -> Path:
    """A prefix in `folder` that was moved after the installation: of everything ("all") or of named components."""
    for component in components:
        chosen = () if component == "all" else ("--component", component)
        run("cmake", "--install", build_dir, "--prefix", folder / "installed", *chosen)
    return (folder / "installed").rename(folder / "moved")


def configure_project(prefix: Path, folder: Path, components: str = "") -> subprocess.CompletedProcess[str]:
    """Configures tests/package in `folder`."""
    shutil.copy(models.REPOSITORY / "tests" / "package" / "CMakeLists.txt", folder)
    program = extract_examples.readme_program(models.REPOSITORY / "README.md")
    (folder / "speak.cpp").write_text(program, encoding="utf-8")
    (folder / "count.cpp").write_text(COUNT, encoding="utf-8")
    flags = (f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCOMPONENTS={components}")
    return call("cmake", "-G", "Ninja", "-S", folder, "-B", folder / "build", *flags)


def build_project(prefix: Path, folder: Path, components: str, *targets: str) -> Path:
    """The folder with `targets` of tests/package."""
    configured = configure_project(prefix, folder, components)
    assert configured.returncode == 0, configured.stderr
    run("cmake", "--build", folder / "build", "--target", *targets)
    return folder / "build"


def loaded_libraries(program: Path) -> str:
    """What the loader finds for a program or library, itself and through others; "" where nobody can be asked."""
    return run("ldd", program) if sys.platform.startswith("linux") else ""


@pytest.fixture(scope="module")
def installed(build_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Component, or "all" -> its prefix."""
    return cache(lambda component: install(build_dir, tmp_path_factory.mktemp(component), component))


@pytest.fixture(scope="module")
def project(installed: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Component -> tests/package, built with a prefix that holds no other."""
    return cache(
        lambda component: build_project(installed(component), tmp_path_factory.mktemp("project"), "", "speak", "plugin")
    )


@pytest.fixture(scope="module")
def prefix(installed: Callable[[str], Path]) -> Path:
    return installed("all")


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
    headers = models.REPOSITORY / "runner" / "include"
    assert {file.relative_to("include") for file in files if file.parts[0] == "include"} == {
        path.relative_to(headers) for path in headers.rglob("*.h")
    }


@on_linux
def test_library_shows_what_the_headers_declare(prefix: Path) -> None:
    declared = {"", *re.findall(r"\w+", "".join(header.read_text() for header in prefix.rglob("*.h")))}
    symbols = run("nm", "--dynamic", "--defined-only", "--demangle", prefix / "lib" / "libqwen3_tts.so")
    names = re.findall(r"^\w+ \w (?:[a-z ]+ for )?qwen3_tts::(\w+)(?:::~?(\w+))?", symbols, re.MULTILINE)
    assert ("Engine", "create") in names
    undeclared = [name for name in names if not declared.issuperset(name) or name[1] in ("Impl", "State")]
    assert undeclared == []


@on_linux
@pytest.mark.parametrize(
    ("library", "header"), [("qwen3_tts", "qwen3_tts.h"), ("qwen3_tts_audio", "qwen3_tts_audio.h")]
)
def test_library_has_the_functions_in_c(prefix: Path, library: str, header: str) -> None:
    declared = re.findall(r"\b(qwen3_tts_\w+)\(", re.sub("///.*", "", (prefix / "include" / header).read_text()))
    symbols = run("nm", "--dynamic", "--defined-only", prefix / "lib" / f"lib{library}.so")
    exported = set(re.findall(r"^\w+ T (qwen3_tts_\w+)$", symbols, re.MULTILINE))
    assert len(declared) >= 9
    assert exported - {"qwen3_tts_keep_last_error"} == set(declared)


@on_linux
def test_libraries_are_found_by_a_program_that_keeps_their_symbols_to_itself(prefix: Path) -> None:
    load = (
        f"import ctypes; ctypes.CDLL('{prefix}/lib/libqwen3_tts_audio.so', ctypes.RTLD_LOCAL).qwen3_tts_encoder_close"
    )
    run(sys.executable, "-c", load)


def build_in_c(prefix: Path, folder: Path) -> Path:
    """The example of qwen3_tts.h in a project in C alone."""
    (folder / "CMakeLists.txt").write_text(C_PROJECT, encoding="utf-8")
    run("cmake", "-G", "Ninja", "-S", folder, "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", folder / "build")
    return folder / "build" / "speak"


def compile_in_c(prefix: Path, folder: Path) -> Path:
    """The same without CMake, with both libraries, as docs/c.md has it."""
    paths = ("-I", prefix / "include", "-L", prefix / "lib", f"-Wl,-rpath,{prefix / 'lib'}")
    run("cc", folder / "speak.c", *paths, "-lqwen3_tts_audio", "-lqwen3_tts", "-o", folder / "speak")
    return folder / "speak"


@on_linux
@pytest.mark.parametrize(("component", "build"), [("core", build_in_c), ("all", compile_in_c)])
def test_program_in_c_speaks(
    component: str,
    build: Callable[[Path, Path], Path],
    installed: Callable[[str], Path],
    runner: Path,
    tiny_pte: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    header = models.REPOSITORY / "runner" / "include" / "qwen3_tts.h"
    (tmp_path / "speak.c").write_text(extract_examples.header_example(header), encoding="utf-8")
    program, voice_design = build(installed(component), tmp_path), tiny_pte("tiny-voicedesign")
    done = subprocess.run([program, voice_design], capture_output=True, check=True, timeout=300)
    samples = np.frombuffer(done.stdout, dtype="<f4")
    spoken = runner_program.speak(runner, voice_design, tmp_path, text="Hello there.", seed=7, threads=None)
    np.testing.assert_array_equal(np.rint(samples * 32767), np.rint(spoken.samples * 32767))


@pytest.mark.parametrize("component", ["core", "static"])
def test_project_speaks_with_a_library_that_needs_no_sound_library(
    component: str, project: Callable[[str], Path], model: Path, expected: bytes, tmp_path: Path
) -> None:
    build = project(component)
    libraries = loaded_libraries(build / "speak")
    assert "sndfile" not in libraries
    assert "mpg123" not in libraries
    assert "soxr" not in libraries
    assert ("libqwen3_tts" in libraries) == (component == "core" and libraries != "")
    run(build / "speak", model, TEXT, tmp_path / "speech.wav")
    assert (tmp_path / "speech.wav").read_bytes() == expected


@pytest.mark.parametrize(("component", "used"), [("all", "audio"), ("static", "static;audio")])
def test_project_reads_and_writes_sound_files(
    component: str, used: str, installed: Callable[[str], Path], tmp_path: Path
) -> None:
    build = build_project(installed(component), tmp_path, used, "count")
    with wave.open(str(RECORDING)) as recording:
        num_samples = math.ceil(recording.getnframes() * 24000 / recording.getframerate())
    read, written = map(int, run(build / "count", RECORDING, tmp_path / "fast.flac").split())
    assert read == num_samples
    assert written == pytest.approx(num_samples / 2, abs=24000 / 65)


@on_linux
def test_plugin_keeps_the_static_library_to_itself(project: Callable[[str], Path]) -> None:
    symbols = run("nm", "--dynamic", "--defined-only", "--demangle", project("static") / "libplugin.so")
    assert " T main" in symbols
    assert re.findall(r"^\w+ [TDBR] qwen3_tts::.*", symbols, re.MULTILINE) == []


@pytest.mark.parametrize(
    ("components", "said"), [("audio", "QWEN3_TTS_AUDIO"), ("static", "static library"), ("video", "video")]
)
def test_package_says_what_is_not_installed(
    components: str, said: str, installed: Callable[[str], Path], tmp_path: Path
) -> None:
    configured = configure_project(installed("core"), tmp_path, components)
    assert configured.returncode != 0
    assert said in " ".join(configured.stderr.split())  # CMake breaks lines


def test_parent_project_gets_the_core_alone(tmp_path: Path) -> None:
    """Its build would take minutes; what is built, of what, is decided before."""
    (tmp_path / "CMakeLists.txt").write_text(SUBPROJECT, encoding="utf-8")
    (tmp_path / "speak.cpp").write_text("int main() {}", encoding="utf-8")
    without = [f"-DCMAKE_DISABLE_FIND_PACKAGE_{name}=ON" for name in ("CLI11", "GTest")]
    done = call("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DQWEN3_TTS={models.REPOSITORY}", *without)
    assert done.returncode == 0, done.stderr
    said = "type: STATIC_LIBRARY; standard: 20; targets: qwen3_tts_warnings;qwen3_tts_internals;qwen3_tts_static"
    assert said in done.stderr
    cache = (tmp_path / "build" / "CMakeCache.txt").read_text(encoding="utf-8").lower()
    assert [
        name
        for name in ("tts_sndfile", "tts_mpg123", "tts_soxr", "tts_sonic", "cli11_dir", "gtest_dir", "install_libdir")
        if name in cache
    ] == []


def test_runner_without_audio_speaks(build_dir: Path, model: Path, expected: bytes, tmp_path: Path) -> None:
    program = build_dir / "tests" / "runner_without_audio"
    assert re.findall("sndfile|mpg123|soxr|sonic", loaded_libraries(program)) == []
    assert speak(program, model, tmp_path) == expected


@pytest.mark.parametrize(
    ("flags", "way_out"),
    [
        ({"ref_audio": RECORDING}, "--voice"),
        ({"output": "a.mp3"}, r"'a\.mp3'.*no \.mp3.* ends in \.wav"),
        ({"output_dir": ".", "output_format": "flac"}, r"--output_format.*no \.flac.* ends in \.wav"),
        ({"output": "a.mp4"}, r"'a\.mp4'"),
        ({"speed": 1.5}, "speed at 1"),
    ],
)
def test_runner_without_audio_says_what_it_lacks(
    build_dir: Path, model: Path, tmp_path: Path, flags: dict[str, Any], way_out: str
) -> None:
    program = build_dir / "tests" / "runner_without_audio"
    done = runner_program.call(program, model_path=model, text=TEXT, cwd=tmp_path, **flags)
    assert done.returncode == 1
    said = done.stderr.decode()
    assert re.search(way_out, said)
    assert re.search("libsndfile, libmpg123 and libsoxr.*QWEN3_TTS_AUDIO=ON", said) or "mp4" in said
    assert list(tmp_path.iterdir()) == []


def test_moved_program_speaks(prefix: Path, model: Path, expected: bytes, tmp_path: Path) -> None:
    assert speak(prefix / "bin" / "qwen3_tts_runner", model, tmp_path) == expected


def test_moved_program_makes_voices(prefix: Path, tiny_pte: Callable[[str], Path], tmp_path: Path) -> None:
    encoder = tiny_pte("tiny-base-voice-encoder")
    program, voice = prefix / "bin" / "qwen3_tts_voice", tmp_path / "a.voice"
    run(program, "create", "--voice_encoder_path", encoder, "--audio", RECORDING, "--output", voice)
    assert "a.voice" in run(program, "info", voice)


@on_linux
def test_component_makes_the_prefix_independent_of_the_wheel(
    build_dir: Path, model: Path, expected: bytes, tmp_path: Path
) -> None:
    prefix = install(build_dir, tmp_path, "all", "executorch")
    for binary in ("bin/qwen3_tts_runner", "bin/qwen3_tts_voice", "lib/libqwen3_tts.so"):
        loaded = re.findall(r"libexecutorch\S* => (\S+)", loaded_libraries(prefix / binary))
        assert len(loaded) >= 5
        assert [path for path in loaded if prefix not in Path(path).resolve().parents] == []
    assert speak(prefix / "bin" / "qwen3_tts_runner", model, tmp_path) == expected
