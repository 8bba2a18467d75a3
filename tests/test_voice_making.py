"""Voices that the runner makes on the way: --ref_audio and --save_voice, against qwen3_tts_voice and voice files."""

from __future__ import annotations

import os
import signal
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import REPOSITORY
from qwen3_tts.voice import Voice
from runner_program import call, speak, start

Pte = Callable[[str], Path]
RECORDING = REPOSITORY / "tests" / "golden" / "recordings" / "glide_stereo.wav"
TRANSCRIPT = "What is said in it."
SAMPLE_RATE = 24000
SPEAKERS: dict[str, dict[str, Any]] = {
    "tiny-customvoice": {"speaker": "ryan", "instruct": "Slowly."},
    "tiny-voicedesign": {"instruct": "An old man with a deep, warm voice."},
    "tiny-base": {},
}


@pytest.fixture
def encoder(tiny_pte: Pte) -> Path:
    return tiny_pte("tiny-base-voice-encoder")


def create(build_dir: Path, encoder: Path, audio: Path, output: Path, **flags: Any) -> Path:
    """A voice file, made by qwen3_tts_voice."""
    made = {"voice_encoder_path": encoder, "audio": audio, "output": output, "threads": 1, **flags}
    done = call(build_dir / "qwen3_tts_voice", words=("create",), **made)
    assert done.returncode == 0, done.stderr
    return output


@pytest.mark.parametrize("layout", ["streaming", "full"])
@pytest.mark.parametrize("text", [TRANSCRIPT, None], ids=["in context", "x-vector"])
def test_recording_speaks_as_its_voice_file_does(
    runner: Path, build_dir: Path, tiny_pte: Pte, encoder: Path, tmp_path: Path, text: str | None, layout: str
) -> None:
    flags: dict[str, Any] = {"text": "Just once.", "max_frames": 10, "text_layout": layout}
    transcript = {} if text is None else {"text": text}
    voice = create(build_dir, encoder, RECORDING, tmp_path / "a.voice", **transcript)
    kept = speak(runner, tiny_pte("tiny-base"), tmp_path, voice=voice, **flags)
    once = speak(
        runner, tiny_pte("tiny-base"), tmp_path, ref_audio=RECORDING, ref_text=text, voice_encoder_path=encoder, **flags
    )
    assert once.wav == kept.wav
    assert once.stats["prompt_rows"] == kept.stats["prompt_rows"]
    nobody = speak(runner, tiny_pte("tiny-base"), tmp_path, **flags)
    assert nobody.wav != once.wav


@pytest.mark.parametrize("flag", ["ref_audio", "voice"])
def test_pipe_is_read_once(runner: Path, tiny_pte: Pte, encoder: Path, tmp_path: Path, flag: str) -> None:
    """What is wrong with it is told, and nobody waits for more."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_bytes, args=(b"neither a recording nor a voice",), daemon=True).start()
    flags: dict[str, Any] = {flag: pipe, "voice_encoder_path": encoder if flag == "ref_audio" else None}
    with start(runner, model_path=tiny_pte("tiny-base"), text="a", **flags) as process:
        try:
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 1
    assert b"/pipe'" in said, said


def test_part_of_a_recording_comes_from_a_pipe(runner: Path, tiny_pte: Pte, encoder: Path, tmp_path: Path) -> None:
    flags: dict[str, Any] = {"text": "Just once.", "max_frames": 6, "voice_encoder_path": encoder}
    flags |= {"ref_text": TRANSCRIPT, "ref_start": "0.2"}
    of_file = speak(runner, tiny_pte("tiny-base"), tmp_path, ref_audio=RECORDING, **flags)
    of_pipe = speak(runner, tiny_pte("tiny-base"), tmp_path, ref_audio="-", stdin=RECORDING.read_bytes(), **flags)
    whole = speak(runner, tiny_pte("tiny-base"), tmp_path, ref_audio=RECORDING, **flags | {"ref_start": None})
    assert of_pipe.wav == of_file.wav
    assert of_file.wav != whole.wav


def test_recording_is_the_voice_of_lines_that_name_none(
    runner: Path, tiny_pte: Pte, encoder: Path, tmp_path: Path
) -> None:
    (tmp_path / "lines").write_text('Plain.\n{"text": "Nobody.", "voice": ""}\n')
    model = tiny_pte("tiny-base")
    who: dict[str, Any] = {"ref_audio": RECORDING, "ref_text": TRANSCRIPT, "voice_encoder_path": encoder}
    common: dict[str, Any] = {"max_frames": 6, "threads": 1}
    done = call(runner, model_path=model, prompts_path=tmp_path / "lines", output_dir=tmp_path, **common, **who)
    assert done.returncode == 0, done.stderr
    plain = speak(runner, model, tmp_path, text="Plain.", **common, **who)
    nobody = speak(runner, model, tmp_path, text="Nobody.", seed=43, **common)
    assert (tmp_path / "prompt_0_repeat_0.wav").read_bytes() == plain.wav
    assert (tmp_path / "prompt_1_repeat_0.wav").read_bytes() == nobody.wav


def float_wav(path: Path, samples: bytes) -> Path:
    """A mono WAV of 32-bit floats, which 16 bits would round."""
    form = struct.pack("<HHIIHH", 3, 1, SAMPLE_RATE, 4 * SAMPLE_RATE, 4, 32)
    chunks = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(samples)) + samples
    path.write_bytes(b"RIFF" + struct.pack("<I", len(chunks)) + chunks)
    return path


def seed_of_whole_speech(runner: Path, model: Path, folder: Path, **flags: Any) -> int:
    """A seed with which the speech comes to its end after 0.5 s or more, as most do."""
    for seed in range(20):
        stats = speak(runner, model, folder, seed=seed, **flags).stats
        if stats["finish_reason"] == "eos" and 0.6 < stats["audio_s"] < 10:
            return seed
    pytest.fail("no seed of the first 20 ends by itself")


@pytest.mark.parametrize("model", SPEAKERS)
def test_what_was_spoken_becomes_a_voice(
    runner: Path, build_dir: Path, tiny_pte: Pte, encoder: Path, tmp_path: Path, model: str
) -> None:
    """The voice that qwen3_tts_voice makes of the same samples, and a Base model speaks with it."""
    text = "Kept for later."
    flags = {"text": text, "language": "English", **SPEAKERS[model], "threads": 1, "max_frames": 600}
    seed = seed_of_whole_speech(runner, tiny_pte(model), tmp_path, **flags)
    saved = tmp_path / "Änne.voice"
    done = call(
        runner,
        model_path=tiny_pte(model),
        stdout="f32le",
        save_voice=saved,
        voice_encoder_path=encoder,
        seed=seed,
        **flags,
    )
    assert done.returncode == 0, done.stderr
    assert str(saved) in done.stderr.decode()
    again = create(build_dir, encoder, float_wav(tmp_path / "a.wav", done.stdout), tmp_path / "b.voice", text=text)
    ours, theirs = Voice.load(saved), Voice.load(again)
    assert (ours.name, ours.language, ours.model_type) == ("Änne", "english", "base")
    np.testing.assert_array_equal(ours.x_vector, theirs.x_vector)
    assert ours.codes is not None and ours.text_ids is not None
    np.testing.assert_array_equal(ours.codes, theirs.codes)
    np.testing.assert_array_equal(ours.text_ids, theirs.text_ids)
    (tmp_path / "fast").mkdir()
    fast = tmp_path / "fast" / saved.name
    sped: dict[str, Any] = {
        "save_voice": fast,
        "voice_encoder_path": encoder,
        "stdout": "f32le",
        "speed": 2,
        "seed": seed,
    }
    assert call(runner, model_path=tiny_pte(model), **sped, **flags).returncode == 0
    assert fast.read_bytes() == saved.read_bytes()  # that of the model, not of what is heard
    on = speak(runner, tiny_pte("tiny-base"), tmp_path, text="And on.", voice=saved, max_frames=8)
    assert on.stats["prompt_rows"] > len(ours.codes)


def test_interrupted_speech_becomes_no_voice(runner: Path, tiny_pte: Pte, encoder: Path, tmp_path: Path) -> None:
    flags: dict[str, Any] = {"save_voice": tmp_path / "a.voice", "voice_encoder_path": encoder, "stdout": "s16le"}
    with start(runner, model_path=tiny_pte("tiny-base"), text="Stop.", threads=1, pipe_size=4096, **flags) as process:
        assert process.stdout is not None and len(process.stdout.read(960)) == 960
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait() == 128 + signal.SIGINT
    assert list(tmp_path.iterdir()) == []


def test_speech_without_an_end_becomes_no_voice(runner: Path, tiny_pte: Pte, encoder: Path, tmp_path: Path) -> None:
    """The speech itself is kept."""
    files = {"output_wav": tmp_path / "a.wav", "save_voice": tmp_path / "a.voice", "stats_json": tmp_path / "stats"}
    done = call(
        runner,
        model_path=tiny_pte("tiny-base"),
        voice_encoder_path=encoder,
        text="Cut off.",
        max_frames=30,
        threads=1,
        **files,  # type: ignore[arg-type]
    )
    assert done.returncode == 1
    assert "--save_voice" in done.stderr.decode() and "max_new_tokens" in done.stderr.decode()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "stats"]
