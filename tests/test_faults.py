"""Faults from outside while the runner works: signals, a reader that takes nothing, a model that gets shorter, no
memory."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import faults
import runner_program
from runner_program import read_samples

Pte = Callable[[str], Path]

# Minutes of speech: a stop comes in the middle of it.
LONG = {"text": "We go on and on.", "temperature": 1.4, "max_new_tokens": 2500, "max_frames": 2400, "quiet": True}
PATIENCE_S = 60  # of a machine that is busy


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def start(
    runner: Path, model: Path, *, ignored: tuple[signal.Signals, ...] = (), **flags: Any
) -> subprocess.Popen[bytes]:
    command = runner_program.command_line(runner, {"model_path": model, "speaker": "ryan", **LONG, **flags})

    def ignore() -> None:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)

    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pipesize=4096, preexec_fn=ignore)


def unread(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    return struct.unpack("i", fcntl.ioctl(process.stdout, termios.FIONREAD, b"\0" * 4))[0]


def is_full(process: subprocess.Popen[bytes]) -> bool:
    """Whether the program waits for its reader."""
    before = unread(process)
    time.sleep(0.5)
    return unread(process) == before > 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_signals_end_the_utterance_and_complete_its_file(
    number: signal.Signals, build_dir: Path, tiny_pte: Pte, tmp_path: Path
) -> None:
    wav = tmp_path / "out.wav"
    with start(build_dir / "qwen3_tts_runner", tiny_pte("tiny-customvoice"), output=wav) as process:
        wait_until(lambda: wav.exists() and wav.stat().st_size > 44)
        process.send_signal(number)
        assert process.wait(PATIENCE_S) == 128 + number
    assert len(read_samples(wav.read_bytes())) == (wav.stat().st_size - 44) // 2
    assert [path.name for path in tmp_path.iterdir()] == ["out.wav"]


def test_who_ignores_a_hangup_goes_on(build_dir: Path, tiny_pte: Pte, tmp_path: Path) -> None:
    """As nohup does."""
    wav = tmp_path / "out.wav"
    flags = {"output": wav, "max_frames": 60}
    runner, model = build_dir / "qwen3_tts_runner", tiny_pte("tiny-customvoice")
    with start(runner, model, ignored=(signal.SIGHUP,), **flags) as process:
        wait_until(lambda: wav.exists() or process.poll() is not None)
        process.send_signal(signal.SIGHUP)
        assert process.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("output", [{"stdout": "s16le"}, {"output": "-", "output_format": "wav"}], ids=["raw", "wav"])
def test_a_reader_that_takes_nothing_holds_nobody(output: dict[str, Any], build_dir: Path, tiny_pte: Pte) -> None:
    """One signal ends the program though its pipe stays full."""
    with start(build_dir / "qwen3_tts_runner", tiny_pte("tiny-customvoice"), **output) as process:
        wait_until(lambda: is_full(process))
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 128 + signal.SIGTERM
        assert process.stderr is not None and process.stderr.read() == b""


def test_a_slow_reader_gets_everything(build_dir: Path, tiny_pte: Pte) -> None:
    """It takes a little now and then: what was made before the signal arrives, and ends with a whole sample."""
    with start(build_dir / "qwen3_tts_runner", tiny_pte("tiny-customvoice"), stdout="s16le") as process:
        assert process.stdout is not None
        wait_until(lambda: is_full(process))
        process.send_signal(signal.SIGTERM)
        received = 0
        for _ in range(6):
            time.sleep(0.6)
            received += len(os.read(process.stdout.fileno(), 300))
        received += len(process.stdout.read())
        assert process.wait(PATIENCE_S) == 128 + signal.SIGTERM
    assert received > 4096 and received % 2 == 0


def test_a_model_that_gets_shorter_is_named(build_dir: Path, tiny_pte: Pte, tmp_path: Path) -> None:
    model = tmp_path / "shrinking.pte"
    shutil.copyfile(tiny_pte("tiny-customvoice"), model)
    wav = tmp_path / "out.wav"
    with start(build_dir / "qwen3_tts_runner", model, output=wav) as process:
        wait_until(lambda: wav.exists() and wav.stat().st_size > 44)
        os.truncate(model, 4096)
        assert process.wait(PATIENCE_S) == 1
        assert process.stderr is not None
        said = process.stderr.read().decode()
    assert said.startswith("qwen3_tts_runner: error: '") and said.count("\n") == 1
    assert f"{model}' can no longer be read: it was made shorter while it was in use" in said
    assert len(read_samples(wav.read_bytes())) > 0


def test_a_model_that_is_replaced_by_renaming_does_not_matter(build_dir: Path, tiny_pte: Pte, tmp_path: Path) -> None:
    model, wav = tmp_path / "model.pte", tmp_path / "out.wav"
    shutil.copyfile(tiny_pte("tiny-customvoice"), model)
    with start(build_dir / "qwen3_tts_runner", model, output=wav, max_frames=100) as process:
        wait_until(lambda: wav.exists() and wav.stat().st_size > 44)
        (tmp_path / "new.pte").write_bytes(b"")
        (tmp_path / "new.pte").replace(model)
        assert process.wait(PATIENCE_S) == 0


def test_little_memory_is_no_damage(build_dir: Path, tiny_pte: Pte, tmp_path: Path) -> None:
    """Whatever the limit: speech, or an error that says what is missing."""
    sentences = set()
    model = tiny_pte("tiny-customvoice")
    for mebibytes in (*range(30, 70, 2), 80, 200):
        limit = mebibytes << 20

        def restrict(limit: int = limit) -> None:
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

        flags = {"model_path": model, "text": "Hello.", "speaker": "ryan", "max_frames": 4, "min_frames": 4}
        command = runner_program.command_line(
            build_dir / "qwen3_tts_runner", {**flags, "quiet": True, "output": tmp_path / "out.wav", "threads": 1}
        )
        done = subprocess.run(command, capture_output=True, preexec_fn=restrict, timeout=PATIENCE_S, check=False)
        said = done.stderr.decode()
        if "error while loading shared libraries" in said:
            continue  # the program itself has no room
        assert done.returncode in (0, 1), said
        assert ("memory" in said and said.count("\n") == 1) == (done.returncode == 1), said
        assert "damaged" not in said and "re-export" not in said and "std::" not in said, said
        sentences.add(said)
    assert "" in sentences
    assert any("raise its limit" in said or "raise the limit" in said for said in sentences), sentences


@pytest.mark.parametrize("name", [name for name in faults.SCENARIOS if name not in faults.LONG])
def test_whatever_happens_what_is_left_is_whole(name: str, build_dir: Path) -> None:
    """A part of `python tests/faults.py`."""
    if name in faults.INSIDE and not faults.has_namespaces():
        pytest.skip("this system lets nobody mount something for himself")
    found, _ = faults.hunt_for(name, build_dir / "qwen3_tts_runner", count=4, seed=1)
    assert not found, "\n".join(found)
