"""python -m qwen3_tts_runtime speaks into the first player that is there, or into a file."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from python_runtime import ENVIRONMENT, TEXT, ready_models
from qwen3_tts_runtime import Engine
from qwen3_tts_runtime.audio import to_pcm16
from qwen3_tts_runtime.player import PLAYERS

Pte = Callable[[str], Path]


class Command:
    def __init__(self, model: Path, folder: Path) -> None:
        self.model, self.folder = model, folder
        self.players = folder / "players"
        self.players.mkdir()

    def add_player(self, name: str, script: str = 'echo "$0" "$@" > played.txt; exec /bin/cat > played.raw') -> None:
        path = self.players / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        environment = {**ENVIRONMENT, "PATH": str(self.players)}
        return subprocess.Popen(
            [sys.executable, "-m", "qwen3_tts_runtime", str(self.model), *words],
            cwd=self.folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *words: str, stdin: bytes = b"") -> tuple[int, str]:
        process = self.start(*words)
        output, error = process.communicate(stdin, timeout=120)
        assert output == b""
        return process.returncode, error.decode()

    @property
    def played(self) -> bytes:
        return (self.folder / "played.raw").read_bytes()


@pytest.fixture
def command(tiny_pte: Pte, tmp_path: Path) -> Command:
    return Command(tiny_pte("tiny-customvoice"), tmp_path)


@pytest.fixture(scope="module")
def expected(tiny_pte: Pte) -> Any:
    with Engine(tiny_pte("tiny-customvoice")) as engine:
        return engine.speak(TEXT, speaker="ryan", seed=3)


WORDS = (TEXT, "--speaker", "ryan", "--seed", "3")


@pytest.mark.parametrize("player", PLAYERS)
def test_a_player_gets_the_samples(command: Command, expected: Any, player: str) -> None:
    command.add_player(player)
    assert command.run(*WORDS) == (0, "")
    assert command.played == to_pcm16(expected.samples).tobytes()
    name, *flags = (command.folder / "played.txt").read_text().split()
    assert name == str(command.players / player)
    assert any("24000" in flag for flag in flags)


@pytest.mark.parametrize("help_text", ["--rate  --format", "--rate  --raw  --format"])
def test_pipewire_old_and_new(command: Command, expected: Any, help_text: str) -> None:
    script = f'[ "$1" = --help ] && echo "{help_text}" && exit; echo "$@" > played.txt; exec /bin/cat > played.raw'
    command.add_player("pw-play", script)
    assert command.run(*WORDS) == (0, "")
    assert command.played == to_pcm16(expected.samples).tobytes()
    assert ("--raw" in (command.folder / "played.txt").read_text()) == ("--raw" in help_text)


def test_the_first_player_is_taken(command: Command) -> None:
    for name in list(PLAYERS)[1:3]:
        command.add_player(name)
    assert command.run(*WORDS)[0] == 0
    assert (command.folder / "played.txt").read_text().startswith(str(command.players / list(PLAYERS)[1]))


def test_no_player(command: Command) -> None:
    code, error = command.run(*WORDS)
    assert code == 1
    assert error == (
        "qwen3_tts_runtime: error: no program plays sound here: none of pw-play, paplay, aplay, ffplay, play is on the "
        "PATH; install one, or write a file in its place: --output speech.wav\n"
    )


def test_a_player_that_fails(command: Command) -> None:
    command.add_player("aplay", "echo no such device >&2; exit 3")
    code, error = command.run(*WORDS)
    assert code == 1
    assert error.startswith("no such device\n")
    assert error.endswith(
        "aplay ended with status 3; see what it says, or write a file in its place: --output speech.wav\n"
    )


def test_output(command: Command, expected: Any) -> None:
    assert command.run(*WORDS, "--output", "a.wav") == (0, "")
    expected.save(command.folder / "b.wav")
    assert (command.folder / "a.wav").read_bytes() == (command.folder / "b.wav").read_bytes()
    assert command.run(*WORDS, "--output", "a.mp3") == (0, "")
    assert sorted(path.name for path in command.folder.iterdir()) == ["a.mp3", "a.wav", "b.wav", "players"]


def test_a_ready_model(command: Command, expected: Any, tmp_path: Path) -> None:
    command.model = ready_models(tmp_path / "ready", exact=command.model)
    assert command.run(*WORDS, "--recipe", "exact", "--output", "a.wav") == (0, "")
    expected.save(command.folder / "b.wav")
    assert (command.folder / "a.wav").read_bytes() == (command.folder / "b.wav").read_bytes()
    code, error = command.run(*WORDS, "--recipe", "small", "--output", "c.wav")
    assert (code, error) == (
        1,
        f"qwen3_tts_runtime: error: '{command.model}' has no recipe 'small'; there are: exact\n",
    )


def test_errors_are_sentences(command: Command) -> None:
    command.add_player("aplay")
    for words, sentence in (
        ((TEXT, "--speaker", "nobody"), "unknown speaker 'nobody'; choose one of: aiden, dylan"),
        ((TEXT, "--output", "a.mp4"), "'a.mp4': there is no format for files that end in .mp4"),
        ((TEXT, "--voice", "none.voice"), "voice 'none.voice': a custom_voice model takes no voice files"),
        ((TEXT, "--threads", "-1"), "the number of threads is -1"),
        ((TEXT, "--output", "-"), "--output - is no file; name one, such as speech.wav"),
        ((TEXT, "--recipe", "small"), "--recipe chooses a ready model, but"),
    ):
        code, error = command.run(*words)
        assert code == 1
        assert error.startswith(f"qwen3_tts_runtime: error: {sentence}")
        assert error.count("\n") == 1


def test_standard_input_is_spoken(command: Command, tiny_pte: Pte) -> None:
    command.add_player("aplay")
    text = "Grüße. Und 中文. The end."
    assert command.run("-", "--speaker", "ryan", stdin=text.encode()) == (0, "")
    with Engine(tiny_pte("tiny-customvoice")) as engine:
        assert command.played == to_pcm16(engine.speak([text], speaker="ryan").samples).tobytes()


def test_standard_input_is_spoken_while_it_is_written(command: Command) -> None:
    command.add_player("aplay", "exec /bin/cat > played.raw")
    process = command.start("-", "--speaker", "ryan")
    assert process.stdin
    process.stdin.write(b"The first sentence is here. And the second one. ")
    process.stdin.flush()
    for _ in range(600):
        if (command.folder / "played.raw").exists() and command.played:
            break
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
    assert process.poll() is None
    heard = len(command.played)
    assert heard > 0
    _, error = process.communicate(b"And a third.", timeout=120)
    assert (process.returncode, error) == (0, b"")
    assert len(command.played) > heard


def test_standard_input_that_is_no_text(command: Command) -> None:
    command.add_player("aplay")
    code, error = command.run("-", "--speaker", "ryan", stdin=b"abc\xff. Then more. And more.")
    assert (code, error.count("\n")) == (1, 1)
    assert error.startswith("qwen3_tts_runtime: error: standard input is not UTF-8 (invalid start byte)")


def test_standard_input_that_is_closed(command: Command) -> None:
    words = [sys.executable, "-m", "qwen3_tts_runtime", str(command.model), "-", "--output", "a.wav"]
    closed = ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *words, "--speaker", "ryan"]
    done = subprocess.run(closed, cwd=command.folder, env=ENVIRONMENT, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"qwen3_tts_runtime: error: standard input is closed; give it a text")
    assert not (command.folder / "a.wav").exists()


def test_interrupted(command: Command) -> None:
    command.add_player("aplay", "exec /bin/cat > played.raw")
    process = command.start("-", "--speaker", "ryan")  # it waits for the rest, however fast it speaks
    assert process.stdin is not None
    process.stdin.write(b"This is the first sentence. And the sec")
    process.stdin.flush()
    while not ((command.folder / "played.raw").exists() and command.played):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert (process.returncode, error) == (130, b"")
