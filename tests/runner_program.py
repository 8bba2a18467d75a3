"""Calls qwen3_tts_runner and qwen3_tts_voice, and reads what they wrote."""

from __future__ import annotations

import io
import json
import resource
import subprocess
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

GREEDY = {"temperature": 0, "subtalker_temperature": 0}


@dataclass(frozen=True)
class Run:
    wav: bytes
    codes: NDArray[np.int32]  # [T, G]
    stats: dict[str, Any]

    @property
    def samples(self) -> NDArray[np.float32]:
        return read_samples(self.wav)


def read_samples(wav: bytes) -> NDArray[np.float32]:
    """Samples of a 16-bit mono WAV, in [-1, 1]."""
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float32) / np.float32(32767)


def read_codes(path: Path) -> NDArray[np.int32]:
    """Codes file: T, G, then T x G codes, all int32 little-endian."""
    values = np.fromfile(path, dtype="<i4")
    return values[2:].reshape(values[0], values[1])


def write_codes(path: Path, codes: NDArray[Any]) -> None:
    np.concatenate([codes.shape, codes.reshape(-1)]).astype("<i4").tofile(path)


def command_line(program: Path, flags: dict[str, Any]) -> list[str]:
    """A flag of True stands alone, None is left out."""
    command = [str(program)]
    for name, value in flags.items():
        if value is not None:
            command += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return command


def start(
    program: Path, *, stdin: int | None = None, stderr: int = subprocess.PIPE, pipe_size: int = -1, **flags: Any
) -> subprocess.Popen[bytes]:
    """Starts the program with pipes. `pipe_size`: bytes that it can write to standard output before they are read."""
    command = command_line(program, flags)
    return subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, pipesize=pipe_size)


def call(
    program: Path,
    *,
    stdin: bytes = b"",
    cwd: Path | None = None,
    file_size_limit: int | None = None,
    words: tuple[str, ...] = (),
    arguments: tuple[bytes, ...] = (),
    **flags: Any,
) -> subprocess.CompletedProcess[bytes]:
    """Runs the program to its end. `words` stand before the flags, `arguments` after them.

    `file_size_limit` in bytes stands for a full disk.
    """

    def limit() -> None:
        if file_size_limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size_limit, resource.RLIM_INFINITY))

    return subprocess.run(
        [program, *words, *command_line(program, flags)[1:], *arguments],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        preexec_fn=limit,
        timeout=600,
        check=False,
    )


def speak(program: Path, model: Path, folder: Path, **flags: Any) -> Run:
    """One utterance; its files go to `folder`."""
    wav, codes, stats = folder / "out.wav", folder / "out.codes", folder / "stats.json"
    done = call(
        program, model_path=model, output_wav=wav, codes_output=codes, stats_json=stats, **{"threads": 1, **flags}
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
    (run,) = json.loads(stats.read_text())
    return Run(wav.read_bytes(), read_codes(codes), run)


def decode(program: Path, model: Path, codes: Path, output: Path) -> bytes:
    """The WAV of a codes file."""
    done = call(program, model_path=model, codes_path=codes, output_wav=output, threads=1)
    assert done.returncode == 0, done.stderr
    return output.read_bytes()
