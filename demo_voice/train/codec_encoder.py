"""The codec encoder for training: batched, in the published layout (encoder.* of speech_tokenizer/model.safetensors).

The same network as qwen3_tts/export/stages/codec_encoder.py; see codec_decoder.py for why there are two. Codes are
labels here, and their vectors are drawn once: the network learns to point at the vector of the right code.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec_decoder import Attention, CausalConv, Config, LayerScale, initialize

LOUDNESS = 8.0  # of the first layer: speech is far below full scale, where an ELU would be a straight line


class StridedConv(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int):
        super().__init__()
        self.conv = nn.Conv1d(in_channels, out_channels, kernel, stride)
        self.padding = kernel - stride

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(F.pad(x, (self.padding, 0)))
        return y


class ResidualUnit(nn.Module):
    def __init__(self, channels: int, config: Config):
        super().__init__()
        inner, kernel = channels // config["compress"], config["residual_kernel_size"]
        convolutions = CausalConv(channels, inner, kernel), CausalConv(inner, channels, 1)
        self.block = nn.Sequential(nn.ELU(), convolutions[0], nn.ELU(), convolutions[1])

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.block(x)
        return y


class Convolutions(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        width = config["num_filters"]
        layers: list[nn.Module] = [CausalConv(config["audio_channels"], width, config["kernel_size"])]
        for ratio in reversed(config["upsampling_ratios"]):
            layers += [ResidualUnit(width, config), nn.ELU(), StridedConv(width, 2 * width, 2 * ratio, ratio)]
            width *= 2
        layers += [nn.ELU(), CausalConv(width, config["hidden_size"], config["last_kernel_size"])]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y


class MLP(nn.Module):
    def __init__(self, hidden: int, inner: int):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(hidden, inner, bias=False), nn.Linear(inner, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return y


class TransformerLayer(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        hidden, eps, scale = config["hidden_size"], config["norm_eps"], config["layer_scale_initial_scale"]
        self.input_layernorm = nn.LayerNorm(hidden, eps)
        self.self_attn = Attention(config, window=0)
        self.self_attn_layer_scale = LayerScale(hidden, scale)
        self.post_attention_layernorm = nn.LayerNorm(hidden, eps)
        self.mlp = MLP(hidden, config["intermediate_size"])
        self.mlp_layer_scale = LayerScale(hidden, scale)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn_layer_scale(self.self_attn(self.input_layernorm(x)))
        return x + self.mlp_layer_scale(self.mlp(self.post_attention_layernorm(x)))


class Transformer(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.layers = nn.Sequential(*(TransformerLayer(config) for _ in range(config["num_hidden_layers"])))

    def forward(self, rows: Tensor) -> Tensor:
        y: Tensor = self.layers(rows)
        return y


class Downsample(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 4, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(F.pad(x, (2, 0), mode="replicate"))
        return y


class Codebook(nn.Module):
    embed_sum: Tensor  # [codes, D]
    cluster_usage: Tensor  # [codes]
    initialized: Tensor  # [1]

    def __init__(self, vectors: Tensor):
        super().__init__()
        self.register_buffer("embed_sum", vectors)
        self.register_buffer("cluster_usage", torch.ones(len(vectors)))
        self.register_buffer("initialized", torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """The nearest vector's code [N] of each row x [N, D]."""
        return (x @ self.embed_sum.t() - self.embed_sum.pow(2).sum(1) / 2).argmax(-1)


class Level(nn.Module):
    def __init__(self, vectors: Tensor):
        super().__init__()
        self.codebook = Codebook(vectors)


class ResidualQuantizer(nn.Module):
    """Vectors of length one; each level has dimensions of its own, and what it takes away is nothing to the others."""

    def __init__(self, config: Config, levels: int):
        super().__init__()
        hidden, size = config["hidden_size"], config["codebook_dim"]
        self.input_proj = nn.Conv1d(hidden, size, 1, bias=False)
        self.output_proj = nn.Conv1d(size, hidden, 1, bias=False)  # published, and used by nothing here
        self.own = size // levels
        generator = torch.Generator().manual_seed(levels)
        books = []
        for level in range(levels):
            vectors = torch.zeros(config["codebook_size"], size)
            within = torch.randn(config["codebook_size"], self.own, generator=generator)
            vectors[:, level * self.own : (level + 1) * self.own] = F.normalize(within)
            books.append(Level(vectors))
        self.layers = nn.ModuleList(books)

    def codebooks(self) -> list[Codebook]:
        return [level.codebook for level in self.layers if isinstance(level, Level)]

    def forward(self, x: Tensor) -> Tensor:
        """x [B, hidden, T] -> codes [B, T, levels]"""
        rows = self.input_proj(x).transpose(1, 2)
        rest, codes = rows.flatten(0, 1), []
        for codebook in self.codebooks():
            codes.append(codebook(rest))
            rest = rest - codebook.embed_sum[codes[-1]]
        return torch.stack(codes, dim=-1).view(*rows.shape[:2], -1)

    def logits(self, x: Tensor) -> Tensor:
        """x [B, hidden, T] -> how near each code is [B, T, levels, codes]: the largest is the nearest."""
        rows = self.input_proj(x).transpose(1, 2)
        books = torch.stack([codebook.embed_sum for codebook in self.codebooks()])
        return torch.einsum("btd,lcd->btlc", rows, books)


class Quantizer(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        acoustic = config["num_quantizers"] - config["num_semantic_quantizers"]
        self.semantic_residual_vector_quantizer = ResidualQuantizer(config, config["num_semantic_quantizers"])
        self.acoustic_residual_vector_quantizer = ResidualQuantizer(config, acoustic)


class CodecEncoder(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        self.encoder = Convolutions(config)
        self.encoder_transformer = Transformer(config)
        self.downsample = Downsample(config["hidden_size"])
        self.quantizer = Quantizer(config)
        self.apply(initialize)
        next(self.encoder.parameters()).data.mul_(LOUDNESS)

    def forward(self, samples: Tensor) -> Tensor:
        """[B, T * 1920] -> [B, hidden, T], which the quantizers read."""
        rows = self.encoder_transformer(self.encoder(samples[:, None]).transpose(1, 2))
        y: Tensor = self.downsample(rows.transpose(1, 2))
        return y

    def codes(self, samples: Tensor) -> Tensor:
        """[B, T * 1920] -> [B, T, groups] int64"""
        x = self(samples)
        return torch.cat([quantizer(x) for quantizer in self.quantizers()], dim=-1)

    def quantizers(self) -> Iterable[ResidualQuantizer]:
        yield self.quantizer.semantic_residual_vector_quantizer
        yield self.quantizer.acoustic_residual_vector_quantizer
