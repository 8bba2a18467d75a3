"""The voice encoders put together: what a `voice_encoder.pte` holds.

| method | inputs | outputs |
|---|---|---|
| encode_speaker | blocks [B + 1, samples_per_block], number of samples [1] | x-vector [H] |
| encode_audio | frames [T, samples_per_frame], number of samples [1] | rows [2 T, row_size] |
| encode_codes | rows [2 T, row_size], number of rows [1] | codes [T, G] |

Samples are fp32 at sample_rate, zeros fill the last block or frame; numbers and codes are int64, all else is fp32.
Nothing has a state. `encode_speaker` takes a recording whole, B = number of samples // samples_per_block.
`encode_audio` takes pieces of up to max_encode_frames frames; each but the first begins context_frames frames early,
and the rows of those frames are dropped. `encode_codes` takes all rows together; ceil(number of samples /
samples_per_row) of them count, one less than there are when the recording ends in the first half of a frame.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.export import Dim
from torchao.quantization import quantize_
from torchao.quantization.granularity import PerAxis
from torchao.quantization.quant_api import Int8DynamicActivationIntxWeightConfig

from qwen3_tts.contract import dialects
from qwen3_tts.export.checkpoint import Checkpoint
from qwen3_tts.export.methods import Method
from qwen3_tts.export.stages.codec_encoder import CodecQuantizer
from qwen3_tts.export.stages.mel import HOP

CONTRACT_VERSION = 1
MIN_SECONDS, MAX_SECONDS = 0.5, 60
# Of one call to encode_audio, its context included: memory grows with this, at 64 x 4 bytes a sample and signal.
MAX_ENCODE_FRAMES = 32


class VoiceEncoder:
    """The modules of a Base checkpoint, their linear layers quantized by `qlinear` ("none" or "8da8w").

    Raises ConfigError for a checkpoint of another type.
    """

    def __init__(self, checkpoint: Checkpoint, qlinear: str):
        self.checkpoint, self.qlinear = checkpoint, qlinear
        self.config = checkpoint.voice_encoder_config()
        self.speaker_encoder = checkpoint.speaker_encoder()
        self.codec_encoder = checkpoint.codec_encoder()
        _quantize(self.speaker_encoder, qlinear)
        # The quantizer's projections stay: what they round goes straight into the choice of a code.
        _quantize(self.codec_encoder.encoder_transformer, qlinear)

    @property
    def max_samples(self) -> int:
        return round(MAX_SECONDS * self.config.codec_encoder.sample_rate)

    @property
    def min_samples(self) -> int:
        return round(MIN_SECONDS * self.config.codec_encoder.sample_rate)

    def methods(self) -> list[Method]:
        """The methods in the order of the table above."""
        codec = self.config.codec_encoder
        max_frames = -(-self.max_samples // codec.samples_per_frame)
        blocks = Dim("blocks", min=self.min_samples // HOP + 1, max=self.max_samples // HOP + 1)
        return [
            Method(
                "encode_speaker",
                self.speaker_encoder,
                (torch.randn(100, HOP), torch.tensor([100 * HOP - 1])),
                {0: {0: blocks}},
            ),
            Method(
                "encode_audio",
                self.codec_encoder.encoder,
                (torch.randn(5, codec.samples_per_frame), torch.tensor([5 * codec.samples_per_frame])),
                {0: {0: Dim("frames", min=1, max=MAX_ENCODE_FRAMES)}},
            ),
            Method(
                "encode_codes",
                CodecQuantizer(self.codec_encoder),
                (torch.randn(20, codec.hidden_size), torch.tensor([20])),
                {0: {0: 2 * Dim("frames", min=1, max=max_frames)}},
            ),
        ]

    def contract(self, backend: str) -> dict[str, Any]:
        """The JSON object in the constant method `contract`: all that a caller of the methods and a voice file need.

        The tokenizer's tables stand beside it, as in a model.pte: a voice holds its transcript as ids.
        """
        model, codec = self.checkpoint.config, self.config.codec_encoder
        return {
            "kind": "voice_encoder",
            "contract_version": CONTRACT_VERSION,
            "model_type": model.model_type,
            "model_size": model.model_size,
            "hidden_size": self.config.speaker_encoder.x_vector_size,
            "sample_rate": codec.sample_rate,
            "min_samples": self.min_samples,
            "max_samples": self.max_samples,
            "samples_per_block": HOP,
            "samples_per_frame": codec.samples_per_frame,
            "samples_per_row": codec.samples_per_row,
            "row_size": codec.hidden_size,
            "num_code_groups": codec.num_code_groups,
            "code_vocab_size": codec.codebook_size,
            "text_vocab_size": model.text_vocab_size,
            "languages": sorted(set(model.languages) - set(dialects(model))),
            "max_encode_frames": MAX_ENCODE_FRAMES,
            "context_frames": self.codec_encoder.encoder.context_frames,
            "recipe": {"backend": backend, "voice_encoder": self.qlinear},
        }


def _quantize(module: nn.Module, choice: str) -> None:
    """Quantize every nn.Linear below `module` for any ExecuTorch runtime: "none" or "8da8w", with a scale a row."""
    if choice == "8da8w":
        quantize_(module, Int8DynamicActivationIntxWeightConfig(weight_dtype=torch.int8, weight_granularity=PerAxis(0)))
