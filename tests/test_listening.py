"""The listeners of the demo voice's gate (tests/listening.py) take speech for speech, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from judges import SAMPLE_RATE, Whisper
from listening import Utterance, listen, loudness, not_speech, oddities, plausible_seconds, windows
from models import REPOSITORY
from proof.listeners import share_of_speech
from runner_program import read_samples

TEXT = "He was not an ill-disposed young man."
RECORDING = REPOSITORY / "tests" / "golden" / "recordings" / "librivox.wav"


@pytest.fixture(scope="module")
def spoken() -> Utterance:
    return Utterance(TEXT, read_samples(RECORDING.read_bytes()))


def noise(spoken: Utterance) -> Utterance:
    """Of the same length and loudness."""
    samples = np.random.default_rng(0).normal(0, 1, len(spoken.samples)).astype(np.float32)
    return Utterance(spoken.text, samples * np.float32(10 ** (loudness(spoken.samples) / 20)))


def tone(spoken: Utterance) -> Utterance:
    """A hum of a voice's pitch, with its harmonics."""
    phase = 2 * np.pi * 120 / SAMPLE_RATE * np.arange(len(spoken.samples))
    samples = sum(np.sin(k * phase) / k for k in range(1, 20))
    return Utterance(spoken.text, (0.05 * samples).astype(np.float32))


def backwards(spoken: Utterance) -> Utterance:
    return Utterance(spoken.text, spoken.samples[::-1].copy())


def test_a_recording_is_speech(whisper: Whisper, spoken: Utterance) -> None:
    assert not oddities(spoken)
    assert not not_speech(spoken)
    assert listen(whisper, [spoken]).word_error_rate <= 0.25  # "old supposed" for "ill-disposed"


def test_noise_is_no_speech(whisper: Whisper, spoken: Utterance) -> None:
    sound = noise(spoken)
    assert not oddities(sound)  # only its length and loudness are those of speech
    assert share_of_speech(sound.samples) == 0
    assert listen(whisper, [sound]).word_error_rate > 0.9


def test_a_hum_is_no_speech(whisper: Whisper, spoken: Utterance) -> None:
    sound = tone(spoken)
    assert not_speech(sound)
    assert listen(whisper, [sound]).word_error_rate > 0.9


def test_words_have_to_be_right(whisper: Whisper, spoken: Utterance) -> None:
    """A voice that babbles is speech, and says none of the words."""
    assert listen(whisper, [backwards(spoken)]).word_error_rate > 0.9
    other = Utterance("The train to Boston leaves at noon.", spoken.samples)
    assert listen(whisper, [other]).word_error_rate > 0.9


def test_one_of_many_is_heard(whisper: Whisper, spoken: Utterance) -> None:
    """Among utterances that are right, noise, silence and one that babbles lack their words."""
    right = listen(whisper, [spoken] * 4).word_error_rate
    assert right <= 0.25
    for wrong in (noise(spoken), backwards(spoken), Utterance(TEXT, np.zeros_like(spoken.samples))):
        assert listen(whisper, [spoken, spoken, wrong, spoken]).word_error_rate > right + 0.15


def test_windows_hold_all_utterances_in_their_order() -> None:
    lengths = (10, 10, 7, 40, 1, 20, 8)
    utterances = [Utterance(str(length), np.zeros(length * SAMPLE_RATE, np.float32)) for length in lengths]
    texts = [[utterance.text for utterance in window] for window in windows(utterances)]
    assert texts == [["10", "10", "7"], ["40"], ["1", "20"], ["8"]]
    assert windows([]) == []


def test_length_follows_the_words_that_are_spoken(spoken: Utterance) -> None:
    assert plausible_seconds("Yes.") < plausible_seconds("It is 6:45.") < plausible_seconds("It is 1,999,999 to 6:45.")
    quarter, four = spoken.samples[: len(spoken.samples) // 4], np.tile(spoken.samples, 4)
    for samples in (quarter, four):
        (odd,) = oddities(Utterance(TEXT, samples))
        assert f"takes {len(samples) / SAMPLE_RATE:.2f} s" in odd


def test_loudness_has_bounds(spoken: Utterance) -> None:
    quiet, loud = spoken.samples * np.float32(0.01), np.clip(spoken.samples * 100, -1, 1)
    assert [odd.split("' ")[1][:3] for odd in oddities(Utterance(TEXT, quiet))] == ["is "]
    assert any(odd.endswith("is clipped") for odd in oddities(Utterance(TEXT, loud)))
    assert any("takes 0.00 s" in odd for odd in oddities(Utterance(TEXT, spoken.samples[:0])))


def test_silence_is_no_speech(whisper: Whisper, spoken: Utterance) -> None:
    silence = Utterance(TEXT, np.zeros_like(spoken.samples))
    assert oddities(silence) and not_speech(silence)
    assert listen(whisper, [silence]).word_error_rate > 0.9
