"""Voices in qwen3_tts_runtime: made of recordings as qwen3_tts_voice does it, mixed, saved, and spoken with."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import runner_program
from golden_cases import FOLDER
from python_runtime import TEXT
from qwen3_tts.voice import Voice as VoiceFile
from qwen3_tts_runtime import Engine, InvalidArgument, Voice, VoiceEncoder

Pte = Callable[[str], Path]
RECORDING = FOLDER / "recordings" / "librivox.wav"
STEREO = FOLDER / "recordings" / "glide_stereo.wav"
TRANSCRIPT = "He was not an ill-disposed young man."


@pytest.fixture(scope="module")
def encoder(tiny_pte: Pte) -> VoiceEncoder:
    return VoiceEncoder(tiny_pte("tiny-base-voice-encoder"))


@pytest.fixture(scope="module")
def engine(tiny_pte: Pte) -> Iterator[Engine]:
    with Engine(tiny_pte("tiny-base")) as engine:
        yield engine


@pytest.fixture
def make(runner: Path, tiny_pte: Pte, tmp_path: Path) -> Callable[..., bytes]:
    """A voice file as qwen3_tts_voice makes it."""

    def create(recording: Path, **flags: Any) -> bytes:
        done = runner_program.call(
            runner.with_name("qwen3_tts_voice"),
            words=("create",),
            voice_encoder_path=tiny_pte("tiny-base-voice-encoder"),
            audio=recording,
            output=tmp_path / "expected.voice",
            **flags,
        )
        assert done.returncode == 0, done.stderr
        return (tmp_path / "expected.voice").read_bytes()

    return create


def read_samples(path: Path) -> tuple[NDArray[np.float32], int]:
    """[n] of a 16-bit mono WAV, and its rate."""
    with wave.open(str(path)) as file:
        assert file.getnchannels() == 1
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32)
        return samples / np.float32(32768), file.getframerate()


def saved(voice: Voice, folder: Path) -> bytes:
    voice.save(folder / "made.voice")
    return (folder / "made.voice").read_bytes()


def test_a_file_becomes_the_voice_of_the_program(
    encoder: VoiceEncoder, make: Callable[..., bytes], tmp_path: Path
) -> None:
    voice = encoder.create(RECORDING, text=TRANSCRIPT, name="Ann", language="english")
    assert saved(voice, tmp_path) == make(RECORDING, text=TRANSCRIPT, name="Ann", language="english")
    part = encoder.create(STEREO, start_s=0.25, duration_s=0.5, channel="right", name="Bob", append_silence_s=0.1)
    expected = make(STEREO, start=0.25, duration=0.5, channel="right", name="Bob", append_silence=0.1)
    assert saved(part, tmp_path) == expected


def test_samples_become_the_same_voice(encoder: VoiceEncoder, tmp_path: Path) -> None:
    samples, rate = read_samples(RECORDING)
    expected = saved(encoder.create(RECORDING, name="Ann"), tmp_path)
    for given in (samples, samples.astype(np.float64), np.repeat(samples, 2)[::2]):
        assert saved(encoder.create(given, sample_rate=rate, name="Ann"), tmp_path) == expected


def test_threads_share_an_encoder(encoder: VoiceEncoder) -> None:
    expected = encoder.create(RECORDING).x_vector.tolist()
    with ThreadPoolExecutor(4) as pool:
        voices = list(pool.map(encoder.create, 16 * [RECORDING]))
    assert [voice.x_vector.tolist() for voice in voices] == 16 * [expected]


def test_voices_say_what_they_are(encoder: VoiceEncoder, tiny_pte: Pte) -> None:
    voice = Voice.create(str(RECORDING), encoder=encoder, text=TRANSCRIPT, language="English")
    assert voice.info == {
        "name": "librivox",
        "language": "english",
        "model_type": "base",
        "hidden_size": 64,
        "num_frames": voice.info["num_frames"],
        "num_text_ids": voice.info["num_text_ids"],
    }
    assert repr(voice) == f"<Voice 'librivox' for base of width 64: in context of {voice.info['num_frames']} frames>"
    assert repr(Voice.from_x_vector(np.ones(8))) == "<Voice '' for base of width 8: x-vector>"
    assert repr(encoder) == f"<VoiceEncoder of {str(tiny_pte('tiny-base-voice-encoder'))!r}>"
    assert encoder.sample_rate == 24000


def test_files_are_those_of_the_toolchain(encoder: VoiceEncoder, tmp_path: Path) -> None:
    encoder.create(RECORDING, text=TRANSCRIPT, name="Ann").save(tmp_path / "a.voice")
    read, loaded = VoiceFile.load(tmp_path / "a.voice"), Voice.load(tmp_path / "a.voice")
    assert read.name == "Ann"
    assert loaded.x_vector.tolist() == read.x_vector.tolist()
    assert read.codes is not None
    assert loaded.info["num_frames"] == len(read.codes)


def test_an_x_vector_becomes_a_voice(engine: Engine, encoder: VoiceEncoder) -> None:
    recorded = encoder.create(RECORDING)
    copied = Voice.from_x_vector(recorded.x_vector, name="Ann", language="english")
    assert copied.x_vector.dtype == np.float32
    assert (copied.info["name"], copied.info["language"], copied.info["num_frames"]) == ("Ann", "english", 0)
    spoken = [engine.speak(TEXT, voice=voice, max_frames=4).samples.tobytes() for voice in (recorded, copied)]
    assert spoken[0] == spoken[1]
    assert spoken[0] != engine.speak(TEXT, max_frames=4).samples.tobytes()


def test_mixed_voices() -> None:
    ann, bob = Voice.from_x_vector([1, 2, 3]), Voice.from_x_vector([5, 0, -1])
    mixed = Voice.mix({ann: 0.75, bob: 0.25}, name="Cleo")
    assert mixed.x_vector.tolist() == [2, 1.5, 2]
    assert mixed.info["name"] == "Cleo"
    assert Voice.mix([(ann, 0.5), (ann, 0.5)]).x_vector.tolist() == [1, 2, 3]
    with pytest.raises(InvalidArgument, match="mix voices of one model"):
        Voice.mix({ann: 0.5, Voice.from_x_vector([1, 2]): 0.5})
    with pytest.raises(InvalidArgument):
        Voice.mix({})
    with pytest.raises(InvalidArgument, match="a voice is of type str; give a Voice"):
        Voice.mix({"ann.voice": 1})  # type: ignore[arg-type]


def test_wrong_recordings(encoder: VoiceEncoder) -> None:
    tone = np.sin(np.arange(24000) / 9)
    wrong: list[tuple[Any, dict[str, Any], str]] = [
        (tone, {}, "the sample rate of the recording is missing; give sample_rate, in Hz"),
        (tone.reshape(-1, 2), {"sample_rate": 24000}, r"has shape \[12000, 2\]; give one channel \[n\]"),
        (tone.astype(np.int16), {"sample_rate": 24000}, r"has dtype int16; give floats in \[-1, 1\]"),
        (RECORDING, {"sample_rate": 24000}, "a sound file states its own; leave it out"),
        (RECORDING, {"start": 1}, "there is no key 'start'; use .*start_s"),
        (RECORDING, {"channel": "middle"}, "'middle'"),
        (np.zeros(24000), {"sample_rate": 24000}, "it is silent"),
        (3 * tone, {"sample_rate": 24000}, "it is clipped"),
        (3 * tone, {"sample_rate": 48000}, "it is clipped"),
        (tone, {"sample_rate": 44100.5}, "sample_rate is 44100.5; give a whole number of Hz"),
        (tone, {"sample_rate": 2**64 + 24000}, "sample_rate is 18446744073709575616; give a whole number"),
        (list(tone), {"sample_rate": 24000}, "the recording is of type list; give a path or a NumPy array"),
        (np.full(24000, np.nan), {"sample_rate": 24000}, "finite number"),
    ]
    for recording, options, sentence in wrong:
        with pytest.raises(InvalidArgument, match=sentence):
            encoder.create(recording, **options)


def test_wrong_x_vectors() -> None:
    with pytest.raises(InvalidArgument, match=r"the x-vector has shape \[2, 1\]; give one of \[H\] values"):
        Voice.from_x_vector([[1], [2]])
    with pytest.raises(InvalidArgument, match="finite"):
        Voice.from_x_vector([np.inf])
    with pytest.raises(InvalidArgument):
        Voice.from_x_vector([])


def test_notes_of_a_recording_are_warnings(encoder: VoiceEncoder) -> None:
    with pytest.warns(UserWarning, match=r"it ends .* s before the part does that was asked for") as told:
        encoder.create(RECORDING, start_s=0.5, duration_s=59)
    assert [warning.filename for warning in told] == [__file__]


def test_a_voice_outlives_its_engine(tiny_pte: Pte) -> None:
    voice = Voice.from_x_vector(np.linspace(-1, 1, 64))
    spoken = []
    for _ in range(2):
        with Engine(tiny_pte("tiny-base")) as engine:
            spoken.append(engine.speak(TEXT, voice=voice, max_frames=3).samples.tobytes())
    assert spoken[0] == spoken[1]
