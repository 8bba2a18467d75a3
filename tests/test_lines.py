"""Prompts files in practice: lines as they come, lines that are wrong, and going on after the program was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runner_program import call, start

Pte = Callable[[str], Path]
SAMPLES_PER_FRAME = 480  # of the tiny models
LINES = ["One.", "Two.", {"text": "Three.", "output": "b/three.wav", "seed": 9}, "Four."]


@pytest.fixture
def flags(tiny_pte: Pte) -> dict[str, Any]:
    """Eight frames each, whatever is said."""
    return {"model_path": tiny_pte("tiny-base"), "threads": 1, "max_frames": 8, "min_frames": 8}


def text_of(lines: list[Any]) -> bytes:
    return "".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines).encode()


def wavs(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.wav"))}


def told(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    """The lines on standard error, but for the one about voices, which the model of these tests has none of."""
    return [line for line in done.stderr.decode().splitlines() if not line.startswith("no voice is given")]


def manifest(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    (tmp_path / "lines").write_bytes(text_of(LINES))
    return tmp_path / "lines"


@pytest.fixture
def whole(runner: Path, flags: dict[str, Any], lines: Path, tmp_path: Path) -> dict[str, bytes]:
    """What an unbroken run of the file makes."""
    done = call(runner, prompts_path=lines, output_dir=tmp_path / "whole", **flags)
    assert done.returncode == 0, done.stderr
    return wavs(tmp_path / "whole")


@contextmanager
def running(program: Path, **flags: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A program that is killed when it waits for ever."""
    with start(program, **flags) as process:
        timer = threading.Timer(60, process.kill)
        timer.start()
        try:
            yield process
        finally:
            timer.cancel()
            process.kill()


def read_samples(process: subprocess.Popen[bytes], num_frames: int) -> bytes:
    assert process.stdout is not None
    samples = process.stdout.read(2 * SAMPLES_PER_FRAME * num_frames)
    assert len(samples) == 2 * SAMPLES_PER_FRAME * num_frames
    return samples


# Lines as they come


@pytest.mark.parametrize("kind", ["standard input", "named pipe"])
def test_line_is_spoken_when_it_comes(
    runner: Path, flags: dict[str, Any], whole: dict[str, bytes], tmp_path: Path, kind: str
) -> None:
    pipe, out = tmp_path / "pipe", tmp_path / "out"
    os.mkfifo(pipe)
    is_stdin = kind == "standard input"
    source: dict[str, Any] = {"stdin": subprocess.PIPE, "prompts_path": "-"} if is_stdin else {"prompts_path": pipe}
    with running(runner, stdout="s16le", output_dir=out, **source, **flags) as process:
        writer = process.stdin if is_stdin else pipe.open("wb", buffering=0)
        assert writer is not None
        heard = b""
        for one in LINES:
            line = text_of([one])
            for part in (line[:3], line[3:]):
                writer.write(part)
                writer.flush()
            heard += read_samples(process, 8)  # while the program cannot know whether a line follows
        writer.write(b"Without a line break.")
        writer.close()
        heard += read_samples(process, 8)
        assert process.wait() == 0
    spoken = wavs(out)
    assert spoken.pop("prompt_4_repeat_0.wav")[44:] == heard[-2 * SAMPLES_PER_FRAME * 8 :]
    assert spoken == whole
    order = ["prompt_0_repeat_0.wav", "prompt_1_repeat_0.wav", "b/three.wav", "prompt_3_repeat_0.wav"]
    assert heard.startswith(b"".join(whole[name][44:] for name in order))


def test_text_is_spoken_while_it_is_written(runner: Path, tiny_pte: Pte, tmp_path: Path) -> None:
    """Eight frames a piece. The sound is that of the same text in a line that is whole."""
    text = "\ufeffWell then, it begins. Grüße!\n\nThis is the last one.\n"
    flags: dict[str, Any] = {"model_path": tiny_pte("tiny-base"), "threads": 1, "frame_budget": 8, "min_frames": 8}
    line = {"text": text.strip("\ufeff\n"), "open_text": True, "output": "line.wav"}
    done = call(runner, stdin=text_of([line]), prompts_path="-", output_dir=tmp_path, **flags)
    assert done.returncode == 0, done.stderr
    whole = wavs(tmp_path)["line.wav"][44:]
    with running(runner, stdin=subprocess.PIPE, text_file="-", open_text=True, stdout="s16le", **flags) as process:
        assert process.stdin is not None and process.stdout is not None
        for byte in text.encode()[:20]:  # The first clause, and the begin of what follows.
            process.stdin.write(bytes([byte]))
            process.stdin.flush()
        heard = read_samples(process, 8)
        process.stdin.write(text.encode()[20:])
        process.stdin.close()
        heard += process.stdout.read()
        assert process.wait() == 0
    assert heard == whole
    assert len(whole) == 2 * (4 * 8 * SAMPLES_PER_FRAME + 9600)


def test_signal_ends_the_waiting_for_text(runner: Path, tiny_pte: Pte) -> None:
    flags = {"model_path": tiny_pte("tiny-base"), "frame_budget": 8, "min_frames": 8, "text_file": "-"}
    with running(runner, stdin=subprocess.PIPE, open_text=True, stdout="s16le", **flags) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(b"It begins. And")
        process.stdin.flush()
        read_samples(process, 8)
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == b"", "who stops it wants no half of a sentence"
        assert process.wait() == 128 + signal.SIGINT


def test_wrong_line_does_not_end_a_stream(runner: Path, flags: dict[str, Any], tmp_path: Path) -> None:
    content = b'One.\n\n{"text": "a", "language": "klingon"}\n{"text"\nTwo.\n{"text": "b", "output": "a.wav"}\n'
    content += b'{"text": "c", "output": "a.wav"}\n'
    done = call(runner, stdin=content, prompts_path="-", output_dir=tmp_path / "out", quiet=True, **flags)
    assert done.returncode == 2
    errors = done.stderr.decode().splitlines()
    assert [error.partition("error: ")[2][:24] for error in errors[:-1]] == [
        f"line {number} of standard input"[:24] for number in (3, 4, 7)
    ]
    assert errors[-1].endswith("error: 3 of 6 lines were not spoken: see the errors above")
    spoken = wavs(tmp_path / "out")
    assert list(spoken) == ["a.wav", "prompt_0_repeat_0.wav", "prompt_3_repeat_0.wav"]
    alone = call(runner, text="Two.", seed=45, output_wav=tmp_path / "two.wav", **flags)
    assert alone.returncode == 0
    assert spoken["prompt_3_repeat_0.wav"] == (tmp_path / "two.wav").read_bytes()

    strict = call(runner, stdin=content, prompts_path="-", output_dir=tmp_path / "strict", strict=True, **flags)
    assert strict.returncode == 1
    assert "line 3 of standard input: unknown language 'klingon'" in strict.stderr.decode().splitlines()[-1]
    assert list(wavs(tmp_path / "strict")) == ["prompt_0_repeat_0.wav"]


def test_wrong_flag_is_told_before_a_line_comes(runner: Path, flags: dict[str, Any]) -> None:
    source = {"stdin": subprocess.PIPE, "prompts_path": "-", "stdout": "s16le"}
    with running(runner, **source, **flags | {"temperature": -1}) as process:
        assert process.wait() == 1
        assert process.stderr is not None
        assert b"temperature is -1" in process.stderr.read()


def test_repeats_of_a_stream_are_those_of_a_file(
    runner: Path, flags: dict[str, Any], lines: Path, tmp_path: Path
) -> None:
    flags |= {"repeat": 2, "warmup": 1}
    assert call(runner, prompts_path=lines, output_dir=tmp_path / "file", **flags).returncode == 0
    done = call(runner, stdin=lines.read_bytes(), prompts_path="-", output_dir=tmp_path / "stream", **flags)
    assert done.returncode == 0, done.stderr
    assert len(wavs(tmp_path / "file")) == 8
    assert wavs(tmp_path / "stream") == wavs(tmp_path / "file")


def test_signal_ends_the_wait_for_a_line(runner: Path, flags: dict[str, Any], tmp_path: Path) -> None:
    stats = tmp_path / "stats"
    source = {"stdin": subprocess.PIPE, "prompts_path": "-", "stdout": "s16le", "stats_json": stats}
    with running(runner, **source, **flags) as process:
        assert process.stdin is not None
        process.stdin.write(b"One.\nThe half of")
        process.stdin.flush()
        read_samples(process, 8)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 128 + signal.SIGINT
    assert [run["prompt"] for run in json.loads(stats.read_text())] == ["One."]


# Lines that are wrong


def test_wrong_lines_of_a_file_are_told_first(runner: Path, flags: dict[str, Any], tmp_path: Path) -> None:
    """All at once, each fault with its lines; then the others are spoken."""
    (tmp_path / "lines").write_text('One.\n{"text": ""}\n{"txt": "a"}\nTwo.\n{"text": ""}\n{"text": ""}\n')
    source = {"prompts_path": tmp_path / "lines", **flags}
    done = call(runner, output_dir=tmp_path / "out", **source)
    assert done.returncode == 2
    said = told(done)
    assert f"error: lines 2, 5, 6 of '{tmp_path / 'lines'}': " in said[0] and "empty" in said[0]
    assert f"error: line 3 of '{tmp_path / 'lines'}': there is no key 'txt'" in said[1]
    assert "prompt_0_repeat_0.wav: " in said[2]
    assert list(wavs(tmp_path / "out")) == ["prompt_0_repeat_0.wav", "prompt_3_repeat_0.wav"]

    strict = call(runner, output_dir=tmp_path / "strict", strict=True, **source)
    assert strict.returncode == 1
    assert told(strict) == said[:2]
    assert not (tmp_path / "strict").exists()


# Going on


def test_existing_outputs_are_skipped(
    runner: Path, flags: dict[str, Any], lines: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "whole"
    (out / "b" / "three.wav").unlink()
    (out / "prompt_0_repeat_0.wav").write_bytes(b"mine")
    done = call(runner, prompts_path=lines, output_dir=out, skip_existing=True, **flags)
    assert done.returncode == 0, done.stderr
    assert wavs(out) == whole | {"prompt_0_repeat_0.wav": b"mine"}
    said = told(done)
    assert len(said) == 2 and "three.wav: 8 frames" in said[0]
    assert said[1] == "3 outputs exist already; skipped"


def test_unfinished_output_takes_nobodys_place(runner: Path, flags: dict[str, Any], tmp_path: Path) -> None:
    names = ["a.wav", "a_unfinished.wav", "b_unfinished.wav", "b.wav"]
    (tmp_path / "lines").write_bytes(text_of([{"text": "One.", "output": name} for name in names]))
    done = call(runner, prompts_path=tmp_path / "lines", output_dir=tmp_path / "out", **flags)
    assert done.returncode == 2
    assert list(wavs(tmp_path / "out")) == ["a.wav", "b_unfinished.wav"]
    said = done.stderr.decode()
    assert "line 2 of" in said and "a_unfinished.wav' is the file of line 1 of" in said
    assert "line 4 of" in said and "b_unfinished.wav' is the file of line 3 of" in said


def test_changed_line_is_spoken_again(runner: Path, flags: dict[str, Any], tmp_path: Path) -> None:
    """The manifest knows what was said. Without it, a name is a name."""
    out = tmp_path / "out"
    files: dict[str, Any] = {"prompts_path": tmp_path / "lines", "output_dir": out, "skip_existing": True}

    def outputs(texts: list[Any], **more: Any) -> list[str]:
        (tmp_path / "lines").write_bytes(text_of(texts))
        (tmp_path / "stats").unlink(missing_ok=True)
        done = call(runner, stats_json=tmp_path / "stats", **files, **flags, **more)
        assert done.returncode == 0, done.stderr
        return [Path(run["output"]).name for run in json.loads((tmp_path / "stats").read_text())]

    keeping = {"manifest": out / "manifest.jsonl"}
    assert len(outputs(LINES, **keeping)) == 4
    assert outputs(LINES, **keeping) == []
    assert outputs(["Changed.", *LINES[1:]]) == []
    assert outputs(["Changed.", *LINES[1:]], **keeping) == ["prompt_0_repeat_0.wav"]
    assert outputs(["Changed.", "Two.", {**LINES[2], "seed": 10}, LINES[3]], **keeping) == ["three.wav"]  # type: ignore[dict-item]
    assert outputs(["Changed.", "Two.", {**LINES[2], "seed": 10}, LINES[3]], seed=1, **keeping) == []  # type: ignore[dict-item]
    assert len(outputs(["Changed.", *LINES[1:]], language="german", **keeping)) == 4
    last = {entry["output"]: entry for entry in manifest(keeping["manifest"])}
    assert last.keys() == wavs(out).keys()
    entry = last["b/three.wav"]
    assert (entry["text"], entry["language"], entry["seed"]) == ("Three.", "german", 9)
    assert (entry["frames"], entry["samples"], entry["complete"]) == (8, 8 * SAMPLES_PER_FRAME, False)


def test_killed_run_goes_on_where_it_was(
    runner: Path, flags: dict[str, Any], lines: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    """Standard output, which is read slowly, keeps the program from running ahead of the test."""
    out = tmp_path / "out"
    kept = out / "manifest.jsonl"
    files = {"prompts_path": lines, "output_dir": out, "manifest": kept, **flags}
    with running(runner, stdout="s16le", pipe_size=4096, **files) as process:
        read_samples(process, 2 * 8 + 1)
        process.kill()
        process.wait()
    names = ["prompt_0_repeat_0.wav", "prompt_1_repeat_0.wav"]
    assert [entry["output"] for entry in manifest(kept)] == names
    assert wavs(out).keys() == {*names, "b/three_unfinished.wav"}
    kept.write_bytes(kept.read_bytes() + b'{"output":"b/thr')  # as a power failure may leave it

    done = call(runner, skip_existing=True, **files)
    assert done.returncode == 0, done.stderr
    assert b"2 outputs exist already" in done.stderr
    assert wavs(out) == whole
    assert [entry["output"] for entry in manifest(kept)] == [*names, "b/three.wav", "prompt_3_repeat_0.wav"]


def test_interrupted_output_is_not_complete(
    runner: Path, flags: dict[str, Any], lines: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    files = {"prompts_path": lines, "output_dir": out, "manifest": out / "m", **flags}
    longer = {"max_frames": 100, "min_frames": 100}
    with running(runner, stdout="s16le", pipe_size=4096, **files | longer) as process:
        assert process.stdout is not None
        read_samples(process, 1)
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait() == 128 + signal.SIGINT
    assert list(wavs(out)) == ["prompt_0_repeat_0_unfinished.wav"]
    assert not (out / "m").exists()
    assert call(runner, skip_existing=True, **files).returncode == 0
    assert wavs(out) == whole
