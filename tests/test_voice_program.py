"""qwen3_tts_voice: from recordings to voice files, against the reference's golden files."""

from __future__ import annotations

import json
import struct
import subprocess
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import runner_program
import voice_cases
from golden_cases import FOLDER
from published_layout import TINY_GROUPS
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.text_tokenizer import TextTokenizer
from qwen3_tts.voice import Voice
from voice_cases import VoiceGolden, cosine

Folder = Callable[[str], Path]
RECORDINGS = FOLDER / "recordings"
TRANSCRIPT = "He was not an ill-disposed young man."


@dataclass(frozen=True)
class VoiceMaker:
    program: Path
    encoder: Path

    def call(self, command: str, *arguments: str | Path, **flags: Any) -> subprocess.CompletedProcess[bytes]:
        words = (command, *map(str, arguments))
        return runner_program.call(self.program, words=words, **flags)

    def create(self, audio: Path, output: Path, **flags: Any) -> Voice:
        done = self.call("create", voice_encoder_path=self.encoder, audio=audio, output=output, **flags)
        assert done.returncode == 0, done.stderr
        assert done.stdout == b""
        return Voice.load(output)


@pytest.fixture(scope="module")
def maker(runner: Path, tiny_pte: Folder) -> VoiceMaker:
    return VoiceMaker(runner.with_name("qwen3_tts_voice"), tiny_pte("tiny-base-voice-encoder"))


@pytest.fixture(scope="module")
def voice_files(maker: VoiceMaker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ann.voice, in context, and bob.voice, an x-vector only."""
    folder = tmp_path_factory.mktemp("voices")
    maker.create(RECORDINGS / "librivox.wav", folder / "ann.voice", text=TRANSCRIPT, name="Ann", language="english")
    maker.create(RECORDINGS / "glide.wav", folder / "bob.voice")
    return folder


def read_samples(build_dir: Path, path: Path) -> NDArray[np.float32]:
    command = map(str, (build_dir / "tests" / "recording_stdout", path, 24000))
    return np.frombuffer(subprocess.run([*command], capture_output=True, check=True).stdout, np.float32)


def header_of(path: Path) -> tuple[dict[str, Any], bytes]:
    content = path.read_bytes()
    size = 8 + struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8:size]), content[size:]


def write_wav(path: Path, samples: NDArray[np.float32], channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, 24000, 0, "NONE", ""))
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


@pytest.mark.parametrize("name", voice_cases.NAMES)
def test_samples_are_the_references(build_dir: Path, name: str) -> None:
    """Of 16 and 44.1 kHz too: both resample with libsoxr. Another processor's instructions may round otherwise."""
    golden = VoiceGolden.load(name)
    np.testing.assert_allclose(read_samples(build_dir, RECORDINGS / f"{name}.wav"), golden.samples, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", voice_cases.NAMES)
def test_voice_is_the_references(maker: VoiceMaker, tmp_path: Path, name: str) -> None:
    golden = VoiceGolden.load(name)
    voice = maker.create(RECORDINGS / f"{name}.wav", tmp_path / "a.voice", text=TRANSCRIPT)
    assert cosine(voice.x_vector, golden.x_vector) >= 0.9999
    np.testing.assert_allclose(voice.x_vector, golden.x_vector, rtol=0, atol=1e-5)
    assert voice.codes is not None
    assert golden.doubtful_codes() == 0
    assert voice.codes.tolist() == golden.codes.tolist()


@pytest.mark.parametrize("name", voice_cases.NAMES)
def test_quantized_encoder_makes_a_similar_voice(
    maker: VoiceMaker, tiny_pte: Folder, tmp_path: Path, name: str
) -> None:
    golden = VoiceGolden.load(name)
    quantized = VoiceMaker(maker.program, tiny_pte("tiny-base-voice-encoder-8da8w"))
    voice = quantized.create(RECORDINGS / f"{name}.wav", tmp_path / "a.voice", text=TRANSCRIPT)
    assert 0.999 < cosine(voice.x_vector, golden.x_vector) < 1 - 1e-7
    assert voice.codes is not None
    assert 0.5 < (voice.codes == golden.codes).mean() < 1


def test_transcript_becomes_the_models_ids(voice_files: Path, tiny_checkpoint: Folder) -> None:
    tokenizer = TextTokenizer(Checkpoint(tiny_checkpoint("tiny-base")).tokenizer_json)
    voice = Voice.load(voice_files / "ann.voice")
    assert (voice.name, voice.language, voice.model_type) == ("Ann", "english", "base")
    assert voice.text_ids is not None
    assert voice.text_ids.tolist() == tokenizer.encode(TRANSCRIPT)


def test_without_a_transcript_the_voice_is_an_x_vector(voice_files: Path) -> None:
    voice = Voice.load(voice_files / "bob.voice")
    assert (voice.name, voice.language) == ("bob", "auto")
    assert voice.codes is None
    np.testing.assert_allclose(voice.x_vector, VoiceGolden.load("glide").x_vector, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["ann.voice", "bob.voice"])
def test_file_is_the_one_that_python_writes(voice_files: Path, tmp_path: Path, name: str) -> None:
    """But for the order of the metadata, which safetensors changes from file to file."""
    Voice.load(voice_files / name).save(tmp_path / name)
    header, data = header_of(voice_files / name)
    python_header, python_data = header_of(tmp_path / name)
    assert header == python_header
    assert list(header) == list(python_header)
    assert data == python_data
    assert (voice_files / name).stat().st_size == (tmp_path / name).stat().st_size


def test_voice_speaks(runner: Path, tiny_pte: Folder, voice_files: Path, tmp_path: Path) -> None:
    model = tiny_pte("tiny-base")
    for name in ("ann.voice", "bob.voice"):
        run = runner_program.speak(
            runner, model, tmp_path, text="Hello.", voice=voice_files / name, max_frames=3, **runner_program.GREEDY
        )
        assert run.codes.shape[1] == TINY_GROUPS


def test_silence_is_trimmed_when_asked(maker: VoiceMaker, tmp_path: Path) -> None:
    speech = voice_cases.recording(24000).numpy()
    loud = np.flatnonzero(np.abs(speech) >= 0.01)
    silent = np.zeros(24000, np.float32)
    audio = write_wav(tmp_path / "a.wav", np.concatenate([silent, speech, silent]))
    frames = []
    for flags in ({}, {"trim-silence": True}):
        voice = maker.create(audio, tmp_path / "a.voice", text="a", **flags)
        assert voice.codes is not None
        frames.append(len(voice.codes))
    assert frames[0] == 150
    assert 50 * (loud[-1] - loud[0]) / 24000 <= frames[1] <= 50 + 3


def test_info_tells_what_the_file_holds(maker: VoiceMaker, voice_files: Path) -> None:
    voice = Voice.load(voice_files / "ann.voice")
    assert voice.text_ids is not None
    done = maker.call("info", voice_files / "ann.voice")
    assert done.returncode == 0
    assert done.stderr == b""
    lines = dict(line.split(maxsplit=1) for line in done.stdout.decode().splitlines())
    assert lines.pop("x-vector").startswith("length ")
    assert lines == {
        "file": str(voice_files / "ann.voice"),
        "name": "Ann",
        "language": "english",
        "model": "base, width 64",
        "kind": f"in context, 150 frames, {len(voice.text_ids)} text ids",
    }


def test_names_cannot_control_the_terminal(maker: VoiceMaker, tmp_path: Path) -> None:
    Voice("A\x1b[2J\nnn", "english", "base", np.ones(4, np.float32)).save(tmp_path / "a.voice")
    assert b"A?[2J?nn" in maker.call("info", tmp_path / "a.voice").stdout
    assert b"A?[2J?nn" in maker.call("list", tmp_path).stdout


def test_list_shows_every_voice(maker: VoiceMaker, voice_files: Path) -> None:
    done = maker.call("list", voice_files)
    assert done.returncode == 0
    rows = [line.split("\t") for line in done.stdout.decode().splitlines()]
    assert [row[:4] for row in rows] == [
        ["ann.voice", "Ann", "english", "base, width 64"],
        ["bob.voice", "bob", "auto", "base, width 64"],
    ]
    assert rows[1][4] == "x-vector only"


def test_list_goes_on_after_a_damaged_voice(maker: VoiceMaker, voice_files: Path, tmp_path: Path) -> None:
    (tmp_path / "a.voice").write_bytes(b"RIFF")
    (tmp_path / "b.voice").write_bytes((voice_files / "bob.voice").read_bytes())
    (tmp_path / "notes.txt").write_bytes(b"Not asked for.")
    done = maker.call("list", tmp_path)
    assert done.returncode == 1
    assert done.stdout.decode().splitlines() == ["b.voice\tbob\tauto\tbase, width 64\tx-vector only"]
    assert b"a.voice'" in done.stderr
    assert b"1 of 2 voice files" in done.stderr


@pytest.mark.parametrize("weight", [None, 0, 0.25, 1])
def test_mix_is_the_weighted_mean(maker: VoiceMaker, voice_files: Path, tmp_path: Path, weight: float | None) -> None:
    ann, bob = (Voice.load(voice_files / name).x_vector.astype(np.float64) for name in ("ann.voice", "bob.voice"))
    files = (voice_files / "ann.voice", voice_files / "bob.voice")
    done = maker.call("mix", *files, weight=weight, output=tmp_path / "between.voice")
    assert done.returncode == 0, done.stderr
    voice = Voice.load(tmp_path / "between.voice")
    assert (voice.name, voice.language, voice.codes) == ("between", "auto", None)
    share = 0.5 if weight is None else weight
    np.testing.assert_allclose(voice.x_vector, (1 - share) * ann + share * bob, rtol=1e-6)


def test_mixed_voices_keep_their_common_language(maker: VoiceMaker, voice_files: Path, tmp_path: Path) -> None:
    ann = voice_files / "ann.voice"
    assert maker.call("mix", ann, ann, name="Änne", output=tmp_path / "a.voice").returncode == 0
    voice = Voice.load(tmp_path / "a.voice")
    assert (voice.name, voice.language) == ("Änne", "english")
    np.testing.assert_array_equal(voice.x_vector, Voice.load(ann).x_vector)


def test_output_is_replaced(maker: VoiceMaker, tmp_path: Path) -> None:
    (tmp_path / "a.voice").write_bytes(b"old")
    maker.create(RECORDINGS / "glide.wav", tmp_path / "a.voice")
    assert [path.name for path in tmp_path.iterdir()] == ["a.voice"]


def same(one: Voice, other: Voice) -> bool:
    assert one.codes is not None and other.codes is not None
    return np.array_equal(one.x_vector, other.x_vector) and np.array_equal(one.codes, other.codes)


def test_part_of_a_recording_is_a_recording(build_dir: Path, maker: VoiceMaker, tmp_path: Path) -> None:
    samples = read_samples(build_dir, RECORDINGS / "librivox.wav")
    whole = write_wav(tmp_path / "whole.wav", samples)
    part = write_wav(tmp_path / "part.wav", samples[12000:60000])
    silent = write_wav(tmp_path / "silent.wav", np.concatenate([samples[12000:60000], np.zeros(12000, np.float32)]))
    out = tmp_path / "a.voice"
    expected = maker.create(part, out, text="a")
    taken: dict[str, Any] = {"start": "0:00.5", "duration": 2, "text": "a"}
    assert same(maker.create(whole, out, **taken), expected)
    assert same(maker.create(Path("-"), out, stdin=whole.read_bytes(), **taken), expected)
    assert same(maker.create(whole, out, append_silence=0.5, **taken), maker.create(silent, out, text="a"))


def test_channel_is_taken_and_told(build_dir: Path, maker: VoiceMaker, tmp_path: Path) -> None:
    mono = read_samples(build_dir, RECORDINGS / "glide.wav")
    expected = maker.create(write_wav(tmp_path / "mono.wav", mono), tmp_path / "a.voice", text="a")
    opposite = write_wav(tmp_path / "opposite.wav", np.stack([mono / 2, -mono], axis=1).astype(np.float32), channels=2)
    flags: dict[str, Any] = {
        "voice_encoder_path": maker.encoder, "audio": opposite, "output": tmp_path / "b.voice", "text": "a",
    }  # fmt: skip
    told = maker.call("create", **flags).stderr
    assert b"channels cancel each other, so the right one, the loudest, is taken alone" in told
    assert maker.call("create", quiet=True, **flags).stderr == b""
    chosen = maker.call("create", channel="left", **flags)
    assert (chosen.returncode, chosen.stderr.count(b"\n")) == (0, 1), chosen.stderr
    left = maker.create(write_wav(tmp_path / "left.wav", (mono / 2).astype(np.float32)), tmp_path / "c.voice", text="a")
    assert same(Voice.load(tmp_path / "b.voice"), left)
    assert not same(left, expected)


def test_threads_change_nothing(maker: VoiceMaker, tmp_path: Path) -> None:
    voices = [
        maker.create(RECORDINGS / "glide_stereo.wav", tmp_path / "a.voice", text="a", threads=threads)
        for threads in (1, 2)
    ]
    np.testing.assert_array_equal(voices[0].x_vector, voices[1].x_vector)
    np.testing.assert_array_equal(voices[0].codes, voices[1].codes)


def test_what_is_told_can_be_chosen(maker: VoiceMaker, tmp_path: Path) -> None:
    flags = {"voice-encoder-path": maker.encoder, "audio": RECORDINGS / "glide.wav", "output": tmp_path / "a.voice"}
    told = [maker.call("create", **flags, **{how: True} if how else {}).stderr for how in ("quiet", "", "verbose")]
    assert told[0] == b""
    assert told[1].startswith(str(tmp_path).encode())
    assert told[1].count(b"\n") == 1
    assert told[2].count(b"\n") == 2
    assert b" ms" in told[2]


def test_help_teaches(maker: VoiceMaker) -> None:
    whole = runner_program.call(maker.program, help=True).stdout.decode()
    for command in ("create", "info", "list", "mix"):
        assert f"  {command} " in whole
        done = maker.call(command, help=True)
        assert done.returncode == 0
        assert f"qwen3_tts_voice {command}" in done.stdout.decode()
    assert runner_program.call(maker.program, version=True).stdout.startswith(b"qwen3_tts_voice 0.")
