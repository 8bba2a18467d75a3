"""What qwen3_tts_runner writes: sound files of the formats that their names say, standard output, other speeds."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from runner_program import call, read_samples, speak, start

Pte = Callable[[str], Path]
Samples = NDArray[np.float32]
Hear = Callable[[Path], Samples]

RATE = 24000
SAMPLES_PER_FRAME = 480  # of the tiny models
FRAMES = 40
SPEEDS = (0.5, 0.8, 1.5, 2)
LONGEST_PERIOD = RATE // 65  # by so much may another speed miss the length
BEGIN = {"wav": b"RIFF", "flac": b"fLaC", "opus": b"OggS", "ogg": b"OggS", "mp3": b"\xff"}
LOSSLESS = ("wav", "flac")


@pytest.fixture
def model(tiny_pte: Pte) -> Path:
    return tiny_pte("tiny-customvoice")


@pytest.fixture
def hear(build_dir: Path) -> Hear:
    """The samples of a sound file, as the library reads it."""

    def read(path: Path) -> Samples:
        command = [str(build_dir / "tests" / "recording_stdout"), str(path), str(RATE)]
        done = subprocess.run(command, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        return np.frombuffer(done.stdout, dtype="<f4")

    return read


def ryan(**flags: Any) -> dict[str, Any]:
    return {
        "text": "Any text.",
        "speaker": "ryan",
        "min_frames": FRAMES,
        "max_frames": FRAMES,
        "threads": 1,
        "quiet": True,
        **flags,
    }


def succeed(program: Path, **flags: Any) -> bytes:
    """Standard output."""
    done = call(program, **flags)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def lines_file(folder: Path, *lines: dict[str, Any]) -> Path:
    path = folder / "lines.txt"
    path.write_text("\n".join(json.dumps({"text": "Any text.", "seed": 42, **line}) for line in lines))
    return path


def test_file_is_what_its_name_says(runner: Path, model: Path, hear: Hear, tmp_path: Path) -> None:
    expected = speak(runner, model, tmp_path, **ryan())
    for ending, begin in BEGIN.items():
        path = tmp_path / f"a.{ending.upper() if ending == 'flac' else ending}"
        succeed(runner, model_path=model, output=path, **ryan())
        assert path.read_bytes().startswith(begin)
        samples = hear(path)
        assert len(samples) == len(expected.samples)
        if ending in LOSSLESS:
            np.testing.assert_allclose(samples * 32768 / 32767, expected.samples, atol=1e-6)
    assert (tmp_path / "a.wav").read_bytes() == expected.wav


def test_lines_of_a_prompts_file_have_their_formats(runner: Path, model: Path, tmp_path: Path) -> None:
    lines = lines_file(tmp_path, {"output": "b/a.mp3"}, {"output": "plain"}, {}, {"output": "c.wav"})
    out = tmp_path / "out"
    succeed(runner, model_path=model, output_dir=out, output_format="flac", **ryan(text=None, prompts_path=lines))
    begins = {str(path.relative_to(out)): path.read_bytes()[:4] for path in out.rglob("*") if path.is_file()}
    assert begins.pop("b/a.mp3")[:1] == BEGIN["mp3"]
    assert begins == {"plain": b"fLaC", "prompt_2_repeat_0.flac": b"fLaC", "c.wav": b"RIFF"}


def test_name_without_an_ending_is_a_wav(runner: Path, model: Path, tmp_path: Path) -> None:
    succeed(runner, model_path=model, output=tmp_path / "speech", **ryan())
    assert (tmp_path / "speech").read_bytes()[:4] == b"RIFF"


def test_program_names_the_file_by_its_format(runner: Path, model: Path, tmp_path: Path) -> None:
    succeed(runner, model_path=model, output_format="opus", cwd=tmp_path, **ryan())
    succeed(runner, model_path=model, output_format="ogg", output_dir=".", repeat=2, cwd=tmp_path, **ryan())
    names = {"output.opus", "prompt_0_repeat_0.ogg", "prompt_0_repeat_1.ogg"}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_standard_output_takes_a_sound_file(runner: Path, model: Path, hear: Hear, tmp_path: Path) -> None:
    expected = speak(runner, model, tmp_path, **ryan())
    before = sorted(tmp_path.iterdir())
    streamed = succeed(runner, model_path=model, output="-", cwd=tmp_path, **ryan())
    assert sorted(tmp_path.iterdir()) == before
    unknown = b"\xff" * 4
    assert streamed == expected.wav[:4] + unknown + expected.wav[8:40] + unknown + expected.wav[44:]
    for ending in ("opus", "mp3", "ogg"):
        path = tmp_path / f"streamed.{ending}"
        path.write_bytes(succeed(runner, model_path=model, output="-", output_format=ending, **ryan()))
        assert 0 <= len(hear(path)) - len(expected.samples) < 3000  # an MP3 stream does not say where it ends


def test_streamed_file_begins_before_it_is_spoken(runner: Path, model: Path) -> None:
    flags = ryan(min_frames=None, max_frames=None, frame_budget=0)
    with start(runner, model_path=model, output="-", pipe_size=4096, **flags) as process:
        assert process.stdout is not None
        assert process.stdout.read(44 + 2 * SAMPLES_PER_FRAME)[:4] == b"RIFF"
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait() == 128 + signal.SIGINT
    assert len(rest) < 60 * 2 * SAMPLES_PER_FRAME


def test_terminal_takes_no_sound_file(runner: Path, model: Path) -> None:
    ours, theirs = pty.openpty()
    flags = [f"--{name}={value}" for name, value in ryan(output="-", quiet=None).items() if value]
    done = subprocess.run([runner, f"--model_path={model}", *flags], stdout=theirs, stderr=subprocess.PIPE, check=False)
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 1
    assert b"--output - would write a sound file to the terminal" in done.stderr


def test_interrupted_speech_is_a_complete_file(runner: Path, model: Path, hear: Hear, tmp_path: Path) -> None:
    """Nobody sees a part of it before."""
    path, stats = tmp_path / "a.flac", tmp_path / "stats"
    flags = ryan(output=path, stats_json=stats, stdout="s16le", min_frames=None, max_frames=None, frame_budget=0)
    with start(runner, model_path=model, pipe_size=4096, **flags) as process:
        assert process.stdout is not None
        process.stdout.read(20 * SAMPLES_PER_FRAME)
        assert not path.exists()
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait() == 128 + signal.SIGINT
    (run,) = json.loads(stats.read_text())
    assert run["finish_reason"] == "stopped"
    assert len(hear(path)) == run["frames"] * SAMPLES_PER_FRAME
    assert {file.name for file in tmp_path.iterdir()} == {"a.flac", "stats"}


def test_speed_changes_the_length_and_nothing_that_was_spoken(runner: Path, model: Path, tmp_path: Path) -> None:
    plain = speak(runner, model, tmp_path, **ryan())
    assert plain.stats["speed"] == 1
    assert speak(runner, model, tmp_path, **ryan(speed=1)).wav == plain.wav
    for speed in SPEEDS:
        run = speak(runner, model, tmp_path, **ryan(speed=speed))
        assert abs(len(run.samples) - len(plain.samples) / speed) <= LONGEST_PERIOD
        assert (run.stats["speed"], run.stats["audio_s"]) == (speed, plain.stats["audio_s"])
        np.testing.assert_array_equal(run.codes, plain.codes)
    streamed = succeed(runner, model_path=model, stdout="s16le", **ryan(speed=SPEEDS[-1]))
    assert streamed == run.wav[44:]


def test_codes_are_decoded_at_a_speed(runner: Path, model: Path, tmp_path: Path) -> None:
    fast = speak(runner, model, tmp_path, **ryan(speed=1.5))
    flags = {"codes_path": tmp_path / "out.codes", "output": tmp_path / "again.wav", "speed": 1.5, "quiet": True}
    succeed(runner, model_path=model, **flags)
    assert (tmp_path / "again.wav").read_bytes() == fast.wav


def test_line_has_its_own_speed(runner: Path, model: Path, tmp_path: Path) -> None:
    lines = lines_file(tmp_path, {}, {"speed": 0.5}, {"speed": 1})
    flags = {"output_dir": tmp_path, "stats_json": tmp_path / "stats", "speed": 2}
    succeed(runner, model_path=model, **flags, **ryan(text=None, prompts_path=lines))
    runs = json.loads((tmp_path / "stats").read_text())
    assert [run["speed"] for run in runs] == [2, 0.5, 1]
    lengths = [len(read_samples(Path(run["output"]).read_bytes())) for run in runs]
    frames = runs[0]["frames"] * SAMPLES_PER_FRAME
    assert lengths == pytest.approx([frames / 2, frames * 2, frames], abs=LONGEST_PERIOD)


def test_run_says_at_which_speed_it_was(runner: Path, model: Path, tmp_path: Path) -> None:
    done = call(runner, model_path=model, output=tmp_path / "a.wav", **ryan(speed=1.25, quiet=None))
    assert f"{FRAMES} frames, 0.80 s at speed 1.25, RTF" in done.stderr.decode()
