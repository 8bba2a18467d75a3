"""The speaker encoder, eager and exported, against the reference package (golden files) and in double precision."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import golden_cases
import voice_cases
from golden_cases import Golden
from qwen3_tts.config_file import ConfigError
from qwen3_tts.export.checkpoint import Checkpoint, CheckpointError
from qwen3_tts.export.stages.mel import FFT_SIZE, HOP, MEL_FLOOR, POWER_FLOOR, blocks_of
from qwen3_tts.export.stages.speaker_encoder import SpeakerEncoder
from voice_cases import VoiceGolden, VoiceProgram, cosine

Folder = Callable[[str], Path]
QUIET = -9.0  # log-mel below which the reference's own rounding is above 1e-4 (4e-4 on the LibriVox sentence)
CLONED = [case["name"] for case in golden_cases.CASES if case["mode"] in ("x_vector", "icl")]


@pytest.fixture(scope="module")
def encoder(tiny_checkpoint: Folder) -> SpeakerEncoder:
    return Checkpoint(tiny_checkpoint("tiny-base")).speaker_encoder()


@pytest.fixture(scope="module")
def program(tiny_pte: Folder) -> VoiceProgram:
    return VoiceProgram(tiny_pte("tiny-base-voice-encoder"))


def x_vector(encoder: SpeakerEncoder, samples: Tensor) -> Tensor:
    return encoder(blocks_of(samples), torch.tensor([len(samples)]))


def log_mel(encoder: SpeakerEncoder, samples: Tensor) -> Tensor:
    return encoder.mel(blocks_of(samples), torch.tensor([len(samples)]))


@pytest.mark.parametrize("name", voice_cases.NAMES)
def test_mel_is_the_references(encoder: SpeakerEncoder, name: str) -> None:
    golden = VoiceGolden.load(name)
    mel = log_mel(encoder, golden.samples).numpy()
    loud = golden.mel > QUIET
    assert loud.mean() > 0.5
    np.testing.assert_allclose(mel[loud], golden.mel[loud], rtol=0, atol=1e-4)
    np.testing.assert_allclose(mel, golden.mel, rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", voice_cases.NAMES)
def test_mel_in_double_precision(encoder: SpeakerEncoder, name: str) -> None:
    """Closer to the exact values than the reference has to be, in the quietest bins too."""
    samples = VoiceGolden.load(name).samples.double()
    padding = (FFT_SIZE - HOP) // 2
    padded = torch.nn.functional.pad(samples[None], (padding, padding), mode="reflect")[0]
    window = torch.hann_window(FFT_SIZE, dtype=torch.float64)
    spectrum = torch.stft(padded, FFT_SIZE, HOP, FFT_SIZE, window, center=False, return_complex=True)
    magnitude = (spectrum.abs().square() + POWER_FLOOR).sqrt()
    exact = (encoder.mel.filters.double() @ magnitude).clamp(min=MEL_FLOOR).log().T
    np.testing.assert_allclose(log_mel(encoder, samples.float()).numpy(), exact.numpy(), rtol=0, atol=2e-4)


@pytest.mark.parametrize("name", voice_cases.NAMES)
def test_x_vector_is_the_references(encoder: SpeakerEncoder, program: VoiceProgram, name: str) -> None:
    golden = VoiceGolden.load(name)
    for found in (x_vector(encoder, golden.samples), program.encode_speaker(golden.samples)):
        assert cosine(found, golden.x_vector) >= 1 - 1e-6
        np.testing.assert_allclose(found.numpy(), golden.x_vector, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", CLONED)
def test_x_vectors_of_the_cloned_voices(tiny_checkpoint: Folder, name: str) -> None:
    golden = Golden.load(name)
    encoder = Checkpoint(tiny_checkpoint(golden.case["size"])).speaker_encoder()
    found = x_vector(encoder, torch.from_numpy(golden["ref_audio"]))
    np.testing.assert_allclose(found.numpy(), golden["speaker_embedding"].reshape(-1), rtol=0, atol=1e-5)


def test_recordings_have_different_x_vectors() -> None:
    """Else equality with the reference would say little."""
    first, _, last = (VoiceGolden.load(name).x_vector for name in voice_cases.NAMES)
    assert cosine(first, last) < 0.99


def test_exported_program_at_every_length(encoder: SpeakerEncoder, program: VoiceProgram) -> None:
    shortest, longest = program.contract["min_samples"], program.contract["max_samples"]
    assert (shortest, longest) == (12000, 1440000)
    for num_samples in (shortest, 51 * HOP - 1, 51 * HOP, 51 * HOP + 1, longest):
        samples = voice_cases.recording(num_samples)
        expected = x_vector(encoder, samples)
        np.testing.assert_allclose(program.encode_speaker(samples).numpy(), expected.numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", voice_cases.NAMES)
def test_quantized_program_keeps_the_direction(tiny_pte: Folder, name: str) -> None:
    golden = VoiceGolden.load(name)
    quantized = VoiceProgram(tiny_pte("tiny-base-voice-encoder-8da8w"))
    assert 0.999 < cosine(quantized.encode_speaker(golden.samples), golden.x_vector) < 1 - 1e-7


def test_checkpoint_of_another_type_is_refused(tiny_checkpoint: Folder) -> None:
    with pytest.raises(ConfigError, match="a custom_voice checkpoint has no voice encoders"):
        Checkpoint(tiny_checkpoint("tiny-customvoice")).speaker_encoder()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop("speaker_encoder.fc.bias"), 'Missing key.*"fc.bias"'),
        (lambda tensors: tensors.update({"speaker_encoder.more": torch.zeros(1)}), 'Unexpected key.*"more"'),
        (lambda tensors: tensors.update({"speaker_encoder.fc.bias": torch.zeros(3)}), "size mismatch for fc.bias"),
    ],
)
def test_tensors_must_match_strictly(
    tiny_checkpoint: Folder, tmp_path: Path, change: Callable[[dict[str, Tensor]], object], message: str
) -> None:
    checkpoint = voice_cases.edited_checkpoint(tiny_checkpoint("tiny-base"), tmp_path, change)
    with pytest.raises(CheckpointError, match=f"(?s){message}"):
        checkpoint.speaker_encoder()
