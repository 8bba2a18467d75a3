"""The codec encoder, eager and exported, against the reference package (golden files): equal codes."""

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
from qwen3_tts.export.checkpoint import Checkpoint, CheckpointError
from qwen3_tts.export.stages.codec_encoder import CodecEncoder
from voice_cases import VoiceGolden, VoiceProgram

Folder = Callable[[str], Path]
IN_CONTEXT = [case["name"] for case in golden_cases.CASES if case["mode"] == "icl"]
WHOLE = 1 << 20  # frames in one piece


@pytest.fixture(scope="module")
def encoder(tiny_checkpoint: Folder) -> CodecEncoder:
    return Checkpoint(tiny_checkpoint("tiny-base")).codec_encoder()


@pytest.fixture(scope="module")
def program(tiny_pte: Folder) -> VoiceProgram:
    return VoiceProgram(tiny_pte("tiny-base-voice-encoder"))


@pytest.mark.parametrize("name", voice_cases.NAMES)
def test_codes_are_the_references(
    encoder: CodecEncoder, program: VoiceProgram, tiny_snapshot: Folder, name: str
) -> None:
    golden = VoiceGolden.load(name)
    golden.check_sources(tiny_snapshot("tiny-base"))
    assert golden.doubtful_codes() == 0
    assert encoder(golden.samples, WHOLE).tolist() == golden.codes.tolist()
    assert program.encode(golden.samples).tolist() == golden.codes.tolist()


@pytest.mark.parametrize("name", IN_CONTEXT)
def test_codes_of_the_cloned_voices(encoder: CodecEncoder, name: str) -> None:
    golden = Golden.load(name)
    assert encoder(torch.from_numpy(golden["ref_audio"]), WHOLE).tolist() == golden["ref_codes"].tolist()


def test_golden_files_cover_what_is_easy_to_get_wrong(encoder: CodecEncoder) -> None:
    """A recording that ends inside a step of every convolution, and one longer than the window that does not apply."""
    config = encoder.config
    lengths = {name: len(VoiceGolden.load(name).samples) for name in voice_cases.NAMES}
    stride = 1
    for ratio in (*config.ratios, 2):
        stride *= ratio
        assert lengths["glide"] % stride and lengths["glide_stereo"] % stride
    assert lengths["librivox"] > 250 * config.samples_per_row
    all_codes = np.concatenate([VoiceGolden.load(name).codes for name in voice_cases.NAMES])
    assert (np.array([len(np.unique(group)) for group in all_codes.T]) > 10).all()


def test_attention_sees_everything_before(encoder: CodecEncoder) -> None:
    """The first row moves the last one, far beyond 250 rows; a later one never moves an earlier one."""
    rows = torch.randn(400, encoder.config.hidden_size, generator=torch.Generator().manual_seed(0))
    changed = rows.clone()
    changed[0] += 1
    transformer = encoder.encoder_transformer
    assert (transformer(rows)[-1] != transformer(changed)[-1]).any()
    np.testing.assert_allclose(transformer(rows)[:300], transformer(rows[:300]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("max_frames", [3, 4, 7, 32])
def test_pieces_give_the_rows_of_the_whole(encoder: CodecEncoder, program: VoiceProgram, max_frames: int) -> None:
    samples = VoiceGolden.load("glide").samples
    frames = -(-len(samples) // encoder.config.samples_per_frame)
    assert program.encode_audio(samples, max_frames).shape == (2 * frames, encoder.config.hidden_size)
    whole = encoder(samples, WHOLE)
    assert encoder(samples, max_frames).tolist() == whole.tolist()
    rows = program.encode_audio(samples, max_frames)
    valid = -(-len(samples) // encoder.config.samples_per_row)
    assert torch.equal(rows[:valid], program.encode_audio(samples)[:valid])


def test_context_is_the_receptive_field(encoder: CodecEncoder) -> None:
    """One frame less, and the first row that is kept of a piece would change."""
    size, context = encoder.config.samples_per_frame, encoder.encoder.context_frames
    frames = voice_cases.recording(6 * size).view(6, size)
    whole = encoder.encoder(frames, torch.tensor([6 * size]))

    def kept(frames_before: int) -> Tensor:
        piece = frames[3 - frames_before :]
        return encoder.encoder(piece, torch.tensor([piece.numel()]))[2 * frames_before :]

    np.testing.assert_allclose(kept(context), whole[6:], rtol=0, atol=1e-5)
    assert (kept(context - 1) - whole[6:]).abs().max() > 1e-3


def test_exported_program_at_every_length(encoder: CodecEncoder, program: VoiceProgram) -> None:
    contract = program.contract
    frame, row = contract["samples_per_frame"], contract["samples_per_row"]
    shortest, longest = contract["min_samples"], contract["max_samples"]
    for num_samples in (shortest, 30 * frame, 30 * frame + 1, 30 * frame + row, 30 * frame + row + 1, longest):
        samples = voice_cases.recording(num_samples)
        codes = program.encode(samples)
        assert codes.shape == (-(-num_samples // frame), contract["num_code_groups"])
        # No margins are known here: rounding may decide in a few of the longest recording's 48000 codes.
        assert (codes == encoder(samples, contract["max_encode_frames"])).float().mean() >= 0.9995


def test_quantized_program_agrees_mostly(tiny_pte: Folder) -> None:
    quantized = VoiceProgram(tiny_pte("tiny-base-voice-encoder-8da8w"))
    agreements = []
    for name in voice_cases.NAMES:
        golden = VoiceGolden.load(name)
        agreements.append((quantized.encode(golden.samples).numpy() == golden.codes).mean(0))
    semantic, everything = np.mean(agreements, 0)[0], np.mean(agreements)
    assert semantic > 0.9
    assert 0.6 < everything < 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors.pop("codec_encoder.downsample.conv.weight"), 'Missing key.*"downsample.conv.weight"'),
        (lambda tensors: tensors.update({"codec_encoder.more": torch.zeros(1)}), 'Unexpected key.*"more"'),
        (
            lambda tensors: tensors.pop(
                "codec_encoder.quantizer.semantic_residual_vector_quantizer.layers.0.codebook.cluster_usage"
            ),
            "cluster_usage: missing",
        ),
    ],
)
def test_tensors_must_match_strictly(
    tiny_checkpoint: Folder, tmp_path: Path, change: Callable[[dict[str, Tensor]], object], message: str
) -> None:
    checkpoint = voice_cases.edited_checkpoint(tiny_checkpoint("tiny-base"), tmp_path, change)
    with pytest.raises(CheckpointError, match=f"(?s){message}"):
        checkpoint.codec_encoder()
