"""The codec decoder: codes to samples, stateful (qwen-tts Qwen3TTSTokenizerV2Decoder).

Any split of an utterance into calls gives the same samples: every causal convolution gets its earlier inputs from
`history`, the transformer its last positions from `kv`. Zeros are the state of an utterance that has not begun, which
is the reference's left padding. Signals are columns [T, C], from the codes to the samples.

These modules say what is computed, in plain PyTorch; packed_codec.py and quantize/codec.py put operators of this
project in their place.
"""

from __future__ import annotations

from itertools import accumulate, islice, pairwise
from math import prod
from operator import mul

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qwen3_tts.config import CodecConfig
from qwen3_tts.export.packing.convolution import snake, with_past
from qwen3_tts.export.stages.layers import DecoderStack
from qwen3_tts.export.stages.linear import Linear, RMSNorm

RESIDUAL_DILATIONS = (1, 3, 9)
LAYER_NORM_EPS = 1e-6


class HistoryPlan:
    """Hands out places in the flat history buffer while the decoder is built."""

    def __init__(self) -> None:
        self.size = 0

    def take(self, channels: int, length: int) -> int:
        offset = self.size
        self.size += channels * length
        return offset


class CausalConv(nn.Conv1d):
    """Convolution over [past, x]: as long as x."""

    def __init__(
        self, plan: HistoryPlan, in_channels: int, out_channels: int, kernel: int, dilation: int = 1, groups: int = 1
    ):
        super().__init__(in_channels, out_channels, kernel, dilation=dilation, groups=groups)
        self.length = (kernel - 1) * dilation
        self.offset = plan.take(in_channels, self.length)

    def forward(  # type: ignore[override]  # Conv1d has no history
        self, x: Tensor, history: Tensor, snake: Snake | None = None, residual: Tensor | None = None
    ) -> Tensor:
        """residual + the convolution of x, or of snake(x): [T, C] -> [T, out channels]."""
        x = x if snake is None else snake(x)
        y = super().forward(with_past(x, history, self.offset, self.length).t()[None])[0].t()
        return y if residual is None else residual + y


class CausalUpsample(CausalConv):
    """The reference's transposed convolution by `rate`, as a convolution that makes `rate` steps of each input.

    Step `phase` of an input reads the kernel's taps `phase`, `rate + phase`, … over that input and those before it, so
    an ordinary convolution with rate * out_channels outputs computes the same sums, and cutting its columns in `rate`
    leaves the bytes as they are.
    """

    def __init__(self, plan: HistoryPlan, in_channels: int, out_channels: int, rate: int, kernel: int):
        super().__init__(plan, in_channels, rate * out_channels, kernel=kernel // rate)
        self.rate = rate

    def forward(  # type: ignore[override]  # Conv1d has no history
        self, x: Tensor, history: Tensor, snake: Snake | None = None, residual: Tensor | None = None
    ) -> Tensor:
        """[T, C] -> [T * rate, out channels / rate]."""
        return super().forward(x, history, snake).reshape(len(x) * self.rate, -1)


class Snake(nn.Module):
    """x + sin(x alpha)^2 inv_beta per channel; the exponentials of the reference's SnakeBeta are folded in."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, channels))  # alpha, inv_beta

    def forward(self, x: Tensor) -> Tensor:
        return snake(x, self.weight)


class ResidualUnit(nn.Module):
    """For signals of `frame_size` columns a frame."""

    def __init__(self, plan: HistoryPlan, channels: int, dilation: int, frame_size: int):
        super().__init__()
        self.frame_size = frame_size
        self.snake1 = Snake(channels)
        self.conv1 = CausalConv(plan, channels, channels, kernel=7, dilation=dilation)
        self.snake2 = Snake(channels)
        self.conv2 = CausalConv(plan, channels, channels, kernel=1)

    def forward(self, x: Tensor, history: Tensor) -> Tensor:
        y = self.conv1(x, history, self.snake1)
        return self.conv2(y, history, self.snake2, residual=x)


class DecoderBlock(nn.Module):
    """Upsampling by `rate` to `frame_size` columns a frame, and residual units."""

    def __init__(self, plan: HistoryPlan, in_channels: int, out_channels: int, rate: int, frame_size: int):
        super().__init__()
        self.snake = Snake(in_channels)
        self.upsample = CausalUpsample(plan, in_channels, out_channels, rate, kernel=2 * rate)
        self.units = nn.ModuleList(ResidualUnit(plan, out_channels, d, frame_size) for d in RESIDUAL_DILATIONS)

    def forward(self, x: Tensor, history: Tensor) -> Tensor:
        x = self.upsample(x, history, self.snake)
        for unit in self.units:
            x = unit(x, history)
        return x


class ConvNeXtUpsample(nn.Module):
    """Upsampling by `rate`, then a ConvNeXt block (its layer scale is folded into pwconv2)."""

    def __init__(self, plan: HistoryPlan, channels: int, rate: int):
        super().__init__()
        self.conv = CausalUpsample(plan, channels, channels, rate, kernel=rate)
        self.dwconv = CausalConv(plan, channels, channels, kernel=7, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=LAYER_NORM_EPS)
        self.pwconv1 = Linear(channels, 4 * channels)
        self.pwconv2 = Linear(4 * channels, channels)

    def forward(self, x: Tensor, history: Tensor) -> Tensor:
        """[T, C] -> [T * rate, C]"""
        x = self.conv(x, history)
        y = self.norm(self.dwconv(x, history))
        return self.pwconv2(F.gelu(self.pwconv1(y)), residual=x)


class CodecTransformer(DecoderStack):
    def __init__(self, config: CodecConfig):
        transformer = config.transformer
        super().__init__(transformer, qk_norm=False)
        self.input_proj = Linear(config.latent_dim, transformer.hidden_size)
        self.norm = RMSNorm(transformer.hidden_size, transformer.rms_norm_eps)
        self.output_proj = Linear(transformer.hidden_size, config.latent_dim)

    def forward(  # type: ignore[override]  # of one utterance
        self, x: Tensor, positions: Tensor, kv: Tensor
    ) -> Tensor:
        return self.output_proj(self.norm(super().forward(self.input_proj(x), positions, None, kv)))


class CodecDecoder(nn.Module):
    group_offsets: Tensor  # [G]

    def __init__(self, config: CodecConfig):
        super().__init__()
        self.config = config
        plan = HistoryPlan()
        groups, vector = config.num_code_groups, config.codebook_dim // 2
        self.codebooks = nn.Embedding(groups * config.codebook_size, vector)
        self.first_proj = Linear(vector, config.codebook_dim, bias=False)
        self.rest_proj = Linear(vector, config.codebook_dim, bias=False)
        self.pre_conv = CausalConv(plan, config.codebook_dim, config.latent_dim, kernel=3)
        self.transformer = CodecTransformer(config)
        self.upsample = nn.ModuleList(
            ConvNeXtUpsample(plan, config.latent_dim, rate) for rate in config.upsampling_ratios
        )
        widths = [config.decoder_dim >> i for i in range(len(config.upsample_rates) + 1)]
        self.conv_in = CausalConv(plan, config.latent_dim, widths[0], kernel=7)
        frame_sizes = accumulate(config.upsample_rates, mul, initial=prod(config.upsampling_ratios))
        self.blocks = nn.ModuleList(
            DecoderBlock(plan, *pair, rate, frame_size)
            for pair, rate, frame_size in zip(pairwise(widths), config.upsample_rates, islice(frame_sizes, 1, None))
        )
        self.snake_out = Snake(widths[-1])
        self.conv_out = CausalConv(plan, widths[-1], 1, kernel=7)
        self.history_size = plan.size
        offsets = torch.arange(groups, device="cpu") * config.codebook_size
        self.register_buffer("group_offsets", offsets, persistent=False)

    def empty_kv(self, max_frames: int) -> Tensor:
        """Room for the window behind the first of `max_frames` new frames, and those frames."""
        return self.transformer.empty_kv(self.config.transformer.window - 1 + max_frames)

    def forward(self, codes: Tensor, positions: Tensor, history: Tensor, kv: Tensor) -> Tensor:
        """Samples [T * samples_per_frame] in [-1, 1].

        codes [T, G] int64 of consecutive frames, positions [T] that count them from 0 in their utterance, history [N]
        and kv [1, layers, 2, heads, W, D] (both written, zero at the start of an utterance).
        """
        vectors = self.codebooks(codes + self.group_offsets).float()  # [T, G, vector]
        quantized = self.first_proj(vectors[:, 0]) + self.rest_proj(vectors[:, 1:].sum(1))
        x = self.pre_conv(quantized, history)
        x = self.transformer(x, positions, kv)
        for upsample in self.upsample:
            x = upsample(x, history)
        x = self.conv_in(x, history)
        for block in self.blocks:
            x = block(x, history)
        return self.conv_out(x, history, self.snake_out).clamp(-1, 1)[:, 0]
