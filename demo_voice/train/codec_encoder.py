"""The codec encoder for training: batched, in the published layout (encoder.* of speech_tokenizer/model.safetensors).

The same network as qwen3_tts/codec_encoder.py; see codec_decoder.py for why there are two. Quantizers learn as in
van den Oord et al. 2017 (arXiv:1711.00937): codebooks are running means of what fell to each code, gradients go
straight through. A code that nothing falls to any more starts again at one of the vectors at hand.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec_decoder import Attention, CausalConv, Config, LayerScale, initialize

LOUDNESS = 8.0  # of the first layer: speech is far below full scale, where an ELU would be a straight line
DECAY = 0.99
SMALLEST_USE = 0.05  # of what falls to each code when all are used alike
MIN_USAGE = 1e-5


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

    def __init__(self, codes: int, size: int):
        super().__init__()
        self.register_buffer("embed_sum", torch.randn(codes, size))
        self.register_buffer("cluster_usage", torch.ones(codes))
        self.register_buffer("initialized", torch.zeros(1))

    @property
    def centroids(self) -> Tensor:
        return self.embed_sum / self.cluster_usage.clamp(min=MIN_USAGE)[:, None]

    def forward(self, x: Tensor) -> Tensor:
        """The nearest centroid's code [N] of each row x [N, D]."""
        centroids = self.centroids
        return (x @ centroids.t() - centroids.pow(2).sum(1) / 2).argmax(-1)

    @torch.no_grad()
    def learn(self, x: Tensor, codes: Tensor) -> None:
        if not self.initialized:
            chosen = x[torch.randint(len(x), (len(self.embed_sum),))]
            self.embed_sum.copy_(chosen * self.cluster_usage[:, None])
            self.initialized.fill_(1)
            return
        counts = torch.bincount(codes, minlength=len(self.cluster_usage)).to(x.dtype)
        sums = torch.zeros_like(self.embed_sum).index_add_(0, codes, x)
        self.cluster_usage.lerp_(counts, 1 - DECAY)
        self.embed_sum.lerp_(sums, 1 - DECAY)
        even = len(x) / len(counts)
        dead = self.cluster_usage < SMALLEST_USE * even
        if dead.any():
            chosen = x[torch.randint(len(x), (int(dead.sum()),))]
            self.cluster_usage[dead] = even
            self.embed_sum[dead] = chosen * even


class Level(nn.Module):
    def __init__(self, codes: int, size: int):
        super().__init__()
        self.codebook = Codebook(codes, size)


class ResidualQuantizer(nn.Module):
    def __init__(self, config: Config, levels: int):
        super().__init__()
        hidden, size = config["hidden_size"], config["codebook_dim"]
        self.input_proj = nn.Conv1d(hidden, size, 1, bias=False)
        self.output_proj = nn.Conv1d(size, hidden, 1, bias=False)  # published, and used by nothing here
        self.layers = nn.ModuleList(Level(config["codebook_size"], size) for _ in range(levels))

    def codebooks(self) -> list[Codebook]:
        return [level.codebook for level in self.layers if isinstance(level, Level)]

    def forward(
        self, x: Tensor, kept: Tensor | None = None, exact: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """x [B, hidden, T] -> (vectors [B, D, T], codes [B, T, levels], distance to the codes).

        kept [B]: how many levels count for the vectors of each item; all when None. exact [B]: items whose vectors are
        not quantized.
        """
        rows = self.input_proj(x).transpose(1, 2)
        rest = rows.reshape(-1, rows.shape[-1])
        codes, total, loss = [], torch.zeros_like(rest), torch.zeros((), device=x.device)
        for index, codebook in enumerate(self.codebooks()):
            chosen: Tensor = codebook(rest.detach())
            vectors = F.embedding(chosen, codebook.centroids)
            loss = loss + F.mse_loss(rest, vectors)
            if self.training:
                codebook.learn(rest.detach(), chosen)
            if kept is not None:
                counts = (index < kept).repeat_interleave(rows.shape[1])[:, None]
                total = total + vectors * counts
            else:
                total = total + vectors
            rest = rest - vectors
            codes.append(chosen.view(rows.shape[:2]))
        missed = (total.view_as(rows) - rows).detach()
        if exact is not None:
            missed = missed * ~exact[:, None, None]
        return (rows + missed).transpose(1, 2), torch.stack(codes, dim=-1), loss / len(self.layers)


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
        return torch.cat([quantizer(x)[1] for quantizer in self.quantizers()], dim=-1)

    def quantizers(self) -> Iterable[ResidualQuantizer]:
        yield self.quantizer.semantic_residual_vector_quantizer
        yield self.quantizer.acoustic_residual_vector_quantizer
