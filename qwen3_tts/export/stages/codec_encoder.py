"""The codec encoder: samples to codes (the Mimi encoder inside qwen-tts's Qwen3TTSTokenizerV2Model).

It comes in two stages, so that a minute of sound needs little memory. `CodecConvolutions` is causal and sees less than
CONTEXT frames back: long recordings are cut into pieces that overlap by that much. `CodecQuantizer` attends over all
rows at once, as the reference does; at 25 rows a second they are few. Signals are [1, C, 1, T], rows [T, C].
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qwen3_tts.export.stages.layers import to_rows, to_signal
from qwen3_tts.voice_config import CodecEncoderConfig

CLUSTER_USAGE_FLOOR = 1e-5
HIDDEN = -1e5  # added to the score of a later position: its weight is exactly zero, and XNNPACK's softmax stays finite


def elu(x: Tensor) -> Tensor:
    """ELU in operators that XNNPACK has."""
    return F.relu(x) + (torch.exp(x.clamp(max=0)) - 1)


class CausalConv(nn.Module):
    """Convolution that begins with zeros: T / stride columns of T."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, (1, kernel), stride=(1, stride))
        self.padding = kernel - stride

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (self.padding, 0)))


class ELU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return elu(x)


class ResidualUnit(nn.Module):
    """A narrow convolution and one back to full width, added to their input."""

    def __init__(self, config: CodecEncoderConfig, channels: int):
        super().__init__()
        inner = channels // config.compress
        convolutions = (CausalConv(channels, inner, config.residual_kernel_size), CausalConv(inner, channels, 1))
        self.block = nn.Sequential(ELU(), convolutions[0], ELU(), convolutions[1])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)


class CodecConvolutions(nn.Module):
    """Samples to rows at 25 Hz."""

    def __init__(self, config: CodecEncoderConfig):
        super().__init__()
        self.config = config
        width = config.num_filters
        layers: list[nn.Module] = [CausalConv(1, width, config.kernel_size)]
        for ratio in config.ratios:
            layers += [ResidualUnit(config, width), ELU(), CausalConv(width, 2 * width, 2 * ratio, ratio)]
            width *= 2
        self.layers = nn.ModuleList([*layers, ELU(), CausalConv(width, config.hidden_size, config.last_kernel_size)])

    @property
    def context_frames(self) -> int:
        """Frames before a piece that its rows depend on: the receptive field, rounded up."""
        past, stride = 0, 1
        for layer in self.modules():
            if isinstance(layer, CausalConv):
                past += layer.padding * stride
                stride *= layer.conv.stride[1]
        return math.ceil(past / self.config.samples_per_frame)

    def forward(self, frames: Tensor, num_samples: Tensor) -> Tensor:
        """Rows [2 T, hidden] of frames [T, samples_per_frame] that hold `num_samples` [1] (int64) samples, then zeros.

        The reference pads with zeros before every strided convolution, where earlier layers would have left their bias:
        columns beyond the recording's end are cleared there. Rows beyond it mean nothing.
        """
        x, stride = frames.view(1, 1, 1, -1), 1
        for layer in self.layers:
            if isinstance(layer, CausalConv) and layer.conv.stride[1] > 1:
                present = torch.arange(0, x.shape[3]) * stride < num_samples
                x = x * present.to(x.dtype).view(1, 1, 1, -1)
                stride *= layer.conv.stride[1]
            x = layer(x)
        return to_rows(x)


class LayerNorm(nn.Module):
    """Means are products with a constant column, which XNNPACK takes and torch's operator not."""

    column: Tensor

    def __init__(self, size: int, eps: float):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(size)), nn.Parameter(torch.zeros(size))
        # On the CPU even while a checkpoint is built on "meta": no tensor of the file fills it.
        self.register_buffer("column", torch.full((1, size), 1.0 / size, device="cpu"), persistent=False)
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        centred = x - F.linear(x, self.column)
        return centred * torch.rsqrt(F.linear(centred * centred, self.column) + self.eps) * self.weight + self.bias


class Attention(nn.Module):
    """Full causal attention: the configuration's window belongs to a path that the reference never takes here."""

    def __init__(self, config: CodecEncoderConfig):
        super().__init__()
        self.head_dim = config.head_dim
        inner = config.num_heads * config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, inner, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, inner, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, inner, bias=False)
        self.o_proj = nn.Linear(inner, config.hidden_size, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        """x [S, hidden], cos and sin [S, D / 2], mask [S, S]"""
        q = self._rotate(self._heads(self.q_proj(x)), cos, sin)
        k = self._rotate(self._heads(self.k_proj(x)), cos, sin)
        scores = torch.bmm(q, k.transpose(1, 2)) * self.head_dim**-0.5 + mask
        attended = torch.bmm(scores.softmax(-1), self._heads(self.v_proj(x)))
        return self.o_proj(attended.transpose(0, 1).reshape(x.shape[0], -1))

    def _heads(self, rows: Tensor) -> Tensor:
        """[S, heads * D] -> [heads, S, D]"""
        return rows.view(rows.shape[0], -1, self.head_dim).transpose(0, 1)

    @staticmethod
    def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        a, b = x.chunk(2, dim=-1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


class MLP(nn.Module):
    def __init__(self, config: CodecEncoderConfig):
        super().__init__()
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class LayerScale(nn.Module):
    def __init__(self, size: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class TransformerLayer(nn.Module):
    def __init__(self, config: CodecEncoderConfig):
        super().__init__()
        self.input_layernorm = LayerNorm(config.hidden_size, config.norm_eps)
        self.self_attn = Attention(config)
        self.self_attn_layer_scale = LayerScale(config.hidden_size)
        self.post_attention_layernorm = LayerNorm(config.hidden_size, config.norm_eps)
        self.mlp = MLP(config)
        self.mlp_layer_scale = LayerScale(config.hidden_size)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
        x = x + self.self_attn_layer_scale(self.self_attn(self.input_layernorm(x), cos, sin, mask))
        return x + self.mlp_layer_scale(self.mlp(self.post_attention_layernorm(x)))


class Transformer(nn.Module):
    frequencies: Tensor

    def __init__(self, config: CodecEncoderConfig):
        super().__init__()
        self.layers = nn.ModuleList(TransformerLayer(config) for _ in range(config.num_layers))
        half = torch.arange(0, config.head_dim, 2, dtype=torch.int64, device="cpu").float() / config.head_dim
        self.register_buffer("frequencies", 1.0 / (config.rope_theta**half), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        positions = torch.arange(0, x.shape[0])
        angles = positions.to(torch.float32)[:, None] * self.frequencies
        mask = (positions[:, None] < positions).to(torch.float32) * HIDDEN
        cos, sin = angles.cos(), angles.sin()
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        return x


class Codebook(nn.Module):
    """The nearest centroid of each row, and what is left of the row without it.

    The nearest has the largest x c - c² / 2, which orders as the distance does and needs one product.
    """

    def __init__(self, config: CodecEncoderConfig):
        super().__init__()
        self.centroids = nn.Parameter(torch.empty(config.codebook_size, config.codebook_dim))
        self.offsets = nn.Parameter(torch.empty(config.codebook_size))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        codes = F.linear(x, self.centroids, self.offsets).argmax(-1)
        return codes, x - F.embedding(codes, self.centroids)


class Level(nn.Module):
    def __init__(self, config: CodecEncoderConfig):
        super().__init__()
        self.codebook = Codebook(config)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.codebook(x)


class ResidualQuantizer(nn.Module):
    """Codes of rows, level after level of what the levels before left over."""

    def __init__(self, config: CodecEncoderConfig, levels: int):
        super().__init__()
        self.input_proj = nn.Linear(config.hidden_size, config.codebook_dim, bias=False)
        self.layers = nn.ModuleList(Level(config) for _ in range(levels))

    def forward(self, rows: Tensor) -> list[Tensor]:
        rest, codes = self.input_proj(rows), []
        for level in self.layers:
            level_codes, rest = level(rest)
            codes.append(level_codes)
        return codes


class Quantizer(nn.Module):
    """One semantic level and the others, which are residual among themselves."""

    def __init__(self, config: CodecEncoderConfig):
        super().__init__()
        self.semantic_residual_vector_quantizer = ResidualQuantizer(config, 1)
        self.acoustic_residual_vector_quantizer = ResidualQuantizer(config, config.num_code_groups - 1)

    def forward(self, rows: Tensor) -> Tensor:
        semantic = self.semantic_residual_vector_quantizer(rows)
        return torch.stack(semantic + self.acoustic_residual_vector_quantizer(rows), dim=1)


class Downsample(nn.Module):
    """Two rows to one, over the two before as well; the first row stands in for those before it."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, (1, 4), stride=(1, 2), bias=False)

    def forward(self, rows: Tensor) -> Tensor:
        return to_rows(self.conv(to_signal(torch.cat([rows[:1], rows[:1], rows]))))


class CodecEncoder(nn.Module):
    """Both stages, and how a runner composes them."""

    def __init__(self, config: CodecEncoderConfig):
        super().__init__()
        self.config = config
        self.encoder = CodecConvolutions(config)
        self.encoder_transformer = Transformer(config)
        self.downsample = Downsample(config.hidden_size)
        self.quantizer = Quantizer(config)

    def forward(self, samples: Tensor, max_frames: int) -> Tensor:
        """Codes [T, G] int64 of samples [n] in pieces of up to `max_frames` frames."""
        pieces = cut(samples, self.config.samples_per_frame, self.encoder.context_frames, max_frames)
        rows = [self.encoder(frames, torch.tensor([num_samples]))[skipped:] for frames, num_samples, skipped in pieces]
        num_rows = math.ceil(len(samples) / self.config.samples_per_row)
        return CodecQuantizer(self)(torch.cat(rows), torch.tensor([num_rows]))


class CodecQuantizer(nn.Module):
    """The second stage by itself: rows at 25 Hz to codes."""

    def __init__(self, encoder: CodecEncoder):
        super().__init__()
        self.encoder_transformer, self.downsample = encoder.encoder_transformer, encoder.downsample
        self.quantizer = encoder.quantizer

    def forward(self, rows: Tensor, num_rows: Tensor) -> Tensor:
        """Codes [T, G] int64 of rows [2 T, hidden], of which `num_rows` [1] count (2 T or 2 T - 1, int64).

        The last row that counts stands in for the one behind it.
        """
        x = self.encoder_transformer(rows)
        x = x.index_select(0, torch.minimum(torch.arange(0, x.shape[0]), num_rows - 1))
        return self.quantizer(self.downsample(x))


def cut(
    samples: Tensor, samples_per_frame: int, context_frames: int, max_frames: int
) -> Iterator[tuple[Tensor, int, int]]:
    """Pieces of a recording for `CodecConvolutions`: frames, samples in them, and rows to drop of what comes out.

    Every piece but the first begins `context_frames` early, and drops the rows of that context.
    """
    frames = F.pad(samples, (0, -len(samples) % samples_per_frame)).view(-1, samples_per_frame)
    start = 0
    while start < len(frames):
        begin = max(0, start - context_frames)
        end = min(begin + max_frames, len(frames))
        num_samples = min(len(samples), end * samples_per_frame) - begin * samples_per_frame
        yield frames[begin:end], num_samples, 2 * (start - begin)
        start = end
