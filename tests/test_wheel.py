"""The wheel of the Python package, as `make wheel` makes it: what is in it, and that it speaks on its own."""

from __future__ import annotations

import fnmatch
import os
import re
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable
from email.parser import HeaderParser
from pathlib import Path

import pytest

import models
import runner_program

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="auditwheel makes wheels for Linux"),
]

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
SCRIPTS = models.REPOSITORY / "scripts"
REQUEST = {"text": "Hello, wheel.", "speaker": "ryan", "seed": 7}
MAX_BYTES = 9_000_000
# What a Linux of the wheel's tag has, of what PEP 600 allows.
OF_THE_SYSTEM = {
    *("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "libstdc++.so.6", "libgcc_s.so.1"),
    *("ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"),
}

SPEAK = f"""
import sys
import qwen3_tts_runtime
with qwen3_tts_runtime.Engine(sys.argv[1], num_threads=1) as engine:
    engine.speak(**{REQUEST}).save(sys.argv[2])
"""

# Of the executorch package.
EXECUTE = """
import sys
import torch
from executorch.runtime import Runtime
if "method" not in globals():
    method = Runtime.get().load_program(sys.argv[3]).load_method("encode_codes")
rows = torch.linspace(-1, 1, 20 * 64).reshape(20, 64)
print(method.execute([rows, torch.tensor([20])])[0].flatten().tolist())
"""


def call(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program that is told of no other library."""
    inherited = {name: value for name, value in os.environ.items() if name != "QWEN3_TTS_LIBRARY_DIR"}
    words = list(map(str, command))
    return subprocess.run(words, env={**inherited, **environment}, capture_output=True, text=True, check=False)


def run(*command: str | Path, **environment: str) -> str:
    done = call(*command, **environment)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(build_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    run(sys.executable, SCRIPTS / "make_wheel.py", "--build-dir", build_dir, "--output", folder)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def unpacked(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    zipfile.ZipFile(wheel).extractall(folder)
    return folder


@pytest.fixture(scope="module")
def libraries(unpacked: Path) -> dict[str, str]:
    """File name -> what readelf says of its sections, its dynamic section and the symbols in it."""
    return {path.name: run("readelf", "--wide", "-S", "-d", "--dyn-syms", path) for path in unpacked.rglob("*.so*")}


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that has the package, and what pip brings for it."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False)
    run(*PIP, "--python", place / "bin" / "python", "install", "--quiet", wheel)
    return place


@pytest.fixture(scope="module")
def model(tiny_pte: Callable[[str], Path]) -> Path:
    return tiny_pte("tiny-customvoice")


@pytest.fixture(scope="module")
def expected(runner: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The WAV of the program."""
    return runner_program.speak(runner, model, tmp_path_factory.mktemp("expected"), **REQUEST).wav


@pytest.fixture(scope="module")
def encoder(tiny_pte: Callable[[str], Path]) -> Path:
    """With a method that needs no operators of this project."""
    return tiny_pte("tiny-base-voice-encoder")


@pytest.fixture(scope="module")
def codes(encoder: Path) -> str:
    """What executorch's package makes with it alone."""
    return run(sys.executable, "-c", EXECUTE, "", "", encoder)


def installed_files(environment: Path) -> set[Path]:
    (packages,) = environment.glob("lib/python*/site-packages")
    return {path.relative_to(packages) for path in packages.rglob("*")}


def sonames(said: str, tag: str = "SONAME") -> set[str]:
    """Of a library itself, or those it needs."""
    return set(re.findall(rf"\({tag}\).*\[(.*)\]", said))


def test_one_small_wheel_is_for_every_python(wheel: Path) -> None:
    version = (models.REPOSITORY / "VERSION").read_text().strip()
    assert re.fullmatch(rf"qwen3_tts_runtime-{version}-py3-none-manylinux_\d+_\d+_\w+\.whl", wheel.name)
    assert wheel.stat().st_size <= MAX_BYTES


def test_only_the_package_and_what_it_loads_is_packed(unpacked: Path) -> None:
    files = [path.relative_to(unpacked) for path in unpacked.rglob("*") if path.is_file()]
    source = models.REPOSITORY / "bindings" / "python"
    modules = {
        path.relative_to(source)
        for path in source.glob("qwen3_tts_runtime/**/*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    loaded = {Path("qwen3_tts_runtime", "lib", f"libqwen3_tts{ending}.so") for ending in ("", "_audio")}
    assert {file for file in files if file.parts[0] == "qwen3_tts_runtime"} == modules | loaded
    assert all(".so" in file.name for file in files if file.parts[0] == "qwen3_tts_runtime.libs")
    assert len({file.parts[0] for file in files}) == 3  # the third is the .dist-info


def test_no_path_of_this_machine_is_left(unpacked: Path, build_dir: Path) -> None:
    places = {
        str(path) for place in (models.REPOSITORY, build_dir, Path(sys.prefix)) for path in (place, place.resolve())
    }
    found = [
        (path.name, place)
        for path in unpacked.rglob("*")
        if path.is_file()
        for place in places
        if place.encode() in path.read_bytes()
    ]
    assert found == []


def test_libraries_are_stripped_and_load_only_each_other(libraries: dict[str, str]) -> None:
    for name, said in libraries.items():
        assert ".symtab" not in said, name
        for folders in re.findall(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", said):
            assert all(folder.startswith("$ORIGIN") for folder in folders.split(":")), (name, folders)
        assert sonames(said, "NEEDED") <= OF_THE_SYSTEM | {
            name for other in libraries.values() for name in sonames(other)
        }


def test_bundled_libraries_have_names_of_their_own(libraries: dict[str, str]) -> None:
    bundled = {name: said for name, said in libraries.items() if not name.startswith("libqwen3_tts")}
    assert sum(name.startswith("libexecutorch") for name in bundled) >= 5
    for name, said in bundled.items():
        assert re.search(r"-[0-9a-f]{8}\.so", name)
        assert sonames(said) == {name}


def test_no_symbol_is_shared_with_other_copies(libraries: dict[str, str]) -> None:
    assert [name for name, said in libraries.items() if re.search(r"\bUNIQUE\b", said)] == []
    assert "WEAK" in "".join(libraries.values())


def test_licenses_of_all_that_is_bundled_are_there(unpacked: Path, libraries: dict[str, str]) -> None:
    (information,) = unpacked.glob("*.dist-info")
    licenses = information / "licenses"
    table = (licenses / "third_party" / "README.md").read_text(encoding="utf-8")
    rows = [fnmatch.translate(pattern) for pattern in re.findall(r"^\| `(.+?)` \|", table, re.MULTILINE)]
    assert [name for name in libraries if not any(re.match(row, name) for row in rows)] == []
    for text in re.findall(r"\]\((\S+\.txt)\)", table):
        assert (licenses / "third_party" / text).stat().st_size > 0
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in (licenses / "third_party/debian/LGPL-2.1.txt").read_text()
    told = HeaderParser().parsestr((information / "METADATA").read_text(encoding="utf-8")).get_all("License-File", [])
    assert set(told) == {str(path.relative_to(licenses)) for path in licenses.rglob("*") if path.is_file()}


def test_without_debian_the_missing_texts_are_named(wheel: Path, tmp_path: Path) -> None:
    finish = "import pathlib, sys, make_wheel; make_wheel.finish(*map(pathlib.Path, sys.argv[1:]))"
    done = call(sys.executable, "-c", finish, wheel, tmp_path, PATH="", PYTHONPATH=str(SCRIPTS))
    assert done.returncode == 1
    assert re.search(r"libsndfile-\w+\.so.* must not be given to others.* pip wheel bindings/python", done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_speaks_as_the_program_where_there_is_no_torch(
    environment: Path, model: Path, expected: bytes, tmp_path: Path
) -> None:
    packages = {path.parts[0] for path in installed_files(environment)}
    assert {name for name in packages if not re.match(r"numpy|qwen3_tts_runtime|bin$", name)} == set()
    run(environment / "bin" / "python", "-I", "-c", SPEAK, model, tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == expected


@pytest.mark.parametrize("program", [EXECUTE + SPEAK + EXECUTE, SPEAK + EXECUTE + SPEAK], ids=["after", "before"])
def test_speaks_beside_another_executorch(
    program: str, unpacked: Path, model: Path, expected: bytes, encoder: Path, codes: str, tmp_path: Path
) -> None:
    """Both in one process, by turns, each with its own libexecutorch, kernels and threads."""
    said = run(sys.executable, "-c", program, model, tmp_path / "a.wav", encoder, PYTHONPATH=str(unpacked))
    assert (tmp_path / "a.wav").read_bytes() == expected
    assert said == codes * program.count(EXECUTE)


def test_nothing_is_left_after_it_is_removed(environment: Path) -> None:
    """The last test of this environment."""
    run(*PIP, "--python", environment / "bin" / "python", "uninstall", "--quiet", "--yes", "qwen3-tts-runtime")
    assert [path for path in installed_files(environment) if "qwen3_tts" in str(path)] == []
