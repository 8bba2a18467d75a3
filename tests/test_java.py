"""The Java class over the C interface, on a desktop JVM: what it speaks, refuses and stops."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from runner_program import speak

Pte = Callable[[str], Path]
Java = Callable[..., list[str]]
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def java(build_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Java:
    """Runs tests/java/Speaking.java with the given words by what `cmake --install` gives, and gives the lines that it
    prints."""
    if shutil.which("javac") is None or shutil.which("java") is None:
        pytest.skip("there is no JDK; Debian's is openjdk-17-jdk-headless")
    if not (build_dir / "libqwen3_tts_jni.so").exists():
        pytest.skip(f"{build_dir} has no libqwen3_tts_jni.so: it was configured before there was a JDK, or not built")
    prefix, classes = tmp_path_factory.mktemp("prefix"), tmp_path_factory.mktemp("classes")
    cmake = Path(sys.executable).with_name("cmake")
    install: list[str | Path] = [cmake, "--install", build_dir, "--component", "java", "--prefix", prefix]
    subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
    sources = (prefix / "share/java/qwen3_tts/qwen3tts/Qwen3Tts.java", ROOT / "tests/java/Speaking.java")
    subprocess.run(["javac", "--release", "8", "-Xlint:all,-options", "-Werror", "-d", classes, *sources], check=True)

    def run(*words: str | Path) -> list[str]:
        command: list[str | Path] = [
            "java",
            "-Xcheck:jni",
            "-Dfile.encoding=UTF-8",
            f"-Djava.library.path={prefix / 'lib'}",
            "-cp",
            classes,
        ]
        done = subprocess.run([*command, "Speaking", *words], capture_output=True, timeout=120)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().splitlines()

    return run


def test_java_speaks_what_the_runner_does(java: Java, runner: Path, tiny_pte: Pte, tmp_path: Path) -> None:
    model = tiny_pte("tiny-customvoice")
    request = {"text": "Any text.", "speaker": "ryan", "seed": 7, "max_new_tokens": 12}
    java("speak", model, json.dumps(request), tmp_path / "samples")
    samples = np.fromfile(tmp_path / "samples", dtype=">f4")
    expected = speak(runner, model, tmp_path, text="Any text.", speaker="ryan", seed=7, max_new_tokens=12).samples
    np.testing.assert_allclose(samples, expected, atol=1 / 32767)


def test_java_says_what_the_model_is(java: Java, tiny_pte: Pte) -> None:
    info = json.loads("".join(java("info", tiny_pte("tiny-customvoice"))))
    assert info["file_bytes"] == tiny_pte("tiny-customvoice").stat().st_size


def test_java_speaks_any_text(java: Java, tiny_pte: Pte) -> None:
    assert java("text", tiny_pte("tiny-voicedesign")) == ["true"]


def test_java_is_cancelled(java: Java, tiny_pte: Pte) -> None:
    assert java("cancel", tiny_pte("tiny-voicedesign")) == ["true true true"]


def test_java_is_closed_while_it_speaks(java: Java, tiny_pte: Pte) -> None:
    assert java("close", tiny_pte("tiny-voicedesign")) == [
        "failure 1",
        "this Qwen3Tts is closed; open another one",
    ]


def test_java_names_what_is_wrong(java: Java, tiny_pte: Pte) -> None:
    missing, closed, speaker = java("refuse", tiny_pte("tiny-customvoice"))
    assert missing.startswith("3 cannot open 'none \U0001f600.pte'")
    assert closed.startswith("1 file descriptor 987 cannot be used")
    assert speaker.startswith("1 ")
    assert "nobody" in speaker
