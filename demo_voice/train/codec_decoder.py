"""The codec decoder for training: batched, without state, in the published layout.

The same network as qwen3_tts/export/stages/codec_decoder.py. That one is written for export, one utterance in pieces;
this one takes a batch of crops at once, and its parameters have the published names and shapes (decoder.* of
speech_tokenizer/model.safetensors), so that its state is the snapshot's. tests/test_demo_voice.py compares the two.
Signals are [B, C, T].
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Config = dict[str, Any]
UNIT_DILATIONS = (1, 3, 9)
LAYER_NORM_EPS = 1e-6
RESIDUAL_GAIN = 0.3  # of what is added to a signal, at first
SPEECH_LEVEL = 0.1  # of the samples, at first


def initialize(module: nn.Module) -> None:
    """Orthogonal weights that keep a signal's size; meant for `apply`.

    From codes to rows, almost all layers are linear. Beginning with torch's own weights, which halve a signal each,
    such a chain learns one dimension after the other (Saxe et al. 2014, arXiv:1312.6120) and stops at about five.
    """
    if isinstance(module, nn.ConvTranspose1d):
        taps = module.kernel_size[0] // module.stride[0]
        nn.init.normal_(module.weight, std=(module.in_channels * taps) ** -0.5)
    elif isinstance(module, (nn.Conv1d, nn.Linear)):
        outputs, inputs = module.weight.shape[0], module.weight[0].numel()
        nn.init.orthogonal_(module.weight, gain=max(1.0, outputs / inputs) ** 0.5)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)


class CausalConv(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, kernel: int, dilation: int = 1, groups: int = 1):
        super().__init__()
        self.conv = nn.Conv1d(in_channels, out_channels, kernel, dilation=dilation, groups=groups)
        self.padding = (kernel - 1) * dilation

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(F.pad(x, (self.padding, 0)) if self.padding else x)
        return y


class CausalUpsample(nn.Module):
    """A transposed convolution without its last outputs, which belong to inputs still to come."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, rate: int):
        super().__init__()
        self.conv = nn.ConvTranspose1d(in_channels, out_channels, kernel, rate)
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)[..., : x.shape[-1] * self.rate]


class Snake(nn.Module):
    """x + sin(x e^alpha)^2 / e^beta, per channel."""

    def __init__(self, channels: int):
        super().__init__()
        self.alpha, self.beta = nn.Parameter(torch.zeros(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        wave = torch.sin(x * self.alpha.exp()[:, None])
        return x + wave * wave * (-self.beta).exp()[:, None]


class ResidualUnit(nn.Module):
    def __init__(self, channels: int, dilation: int):
        super().__init__()
        self.act1, self.conv1 = Snake(channels), CausalConv(channels, channels, 7, dilation)
        self.act2, self.conv2 = Snake(channels), CausalConv(channels, channels, 1)
        self.apply(initialize)
        self.conv2.conv.weight.data.mul_(RESIDUAL_GAIN)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(self.act2(self.conv1(self.act1(x))))


class Block(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, rate: int):
        super().__init__()
        units = [ResidualUnit(out_channels, dilation) for dilation in UNIT_DILATIONS]
        upsample = CausalUpsample(in_channels, out_channels, 2 * rate, rate)
        self.block = nn.Sequential(Snake(in_channels), upsample, *units)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.block(x)
        return y


class ConvNeXt(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.dwconv = CausalConv(channels, channels, 7, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=LAYER_NORM_EPS)
        self.pwconv1, self.pwconv2 = nn.Linear(channels, 4 * channels), nn.Linear(4 * channels, channels)
        self.gamma = nn.Parameter(torch.full((channels,), RESIDUAL_GAIN))

    def forward(self, x: Tensor) -> Tensor:
        rows = self.norm(self.dwconv(x).transpose(1, 2))
        return x + (self.gamma * self.pwconv2(F.gelu(self.pwconv1(rows)))).transpose(1, 2)


class RMSNorm(nn.Module):
    def __init__(self, size: int, eps: float):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)


class LayerScale(nn.Module):
    def __init__(self, size: int, initial: float):
        super().__init__()
        self.scale = nn.Parameter(torch.full((size,), initial))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


def rotate(x: Tensor, theta: float) -> Tensor:
    """Rotary positions 0 … T-1 on split halves of x [B, heads, T, D]."""
    half = x.shape[-1] // 2
    frequencies = theta ** (-torch.arange(half, device=x.device) / half)
    angles = torch.arange(x.shape[-2], device=x.device)[:, None] * frequencies
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], dim=-1)


class Attention(nn.Module):
    """Causal; window 0 sees everything before."""

    def __init__(self, config: Config, window: int):
        super().__init__()
        hidden, self.head_dim = config["hidden_size"], config["head_dim"]
        inner, keys = (config[f"num_{kind}_heads"] * self.head_dim for kind in ("attention", "key_value"))
        self.q_proj, self.k_proj = nn.Linear(hidden, inner, bias=False), nn.Linear(hidden, keys, bias=False)
        self.v_proj, self.o_proj = nn.Linear(hidden, keys, bias=False), nn.Linear(inner, hidden, bias=False)
        self.theta, self.window = config["rope_theta"], window

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (self._heads(proj(x)) for proj in (self.q_proj, self.k_proj, self.v_proj))
        q, k = rotate(q, self.theta), rotate(k, self.theta)
        length = x.shape[1]
        if 0 < self.window < length:
            places = torch.arange(length, device=x.device)
            distance = places[:, None] - places
            y = F.scaled_dot_product_attention(q, k, v, attn_mask=(distance >= 0) & (distance < self.window))
        else:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o_proj(y.transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)


class MLP(nn.Module):
    def __init__(self, hidden: int, inner: int):
        super().__init__()
        self.gate_proj, self.up_proj = nn.Linear(hidden, inner, bias=False), nn.Linear(hidden, inner, bias=False)
        self.down_proj = nn.Linear(inner, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return y


class TransformerLayer(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        hidden, eps, scale = config["hidden_size"], config["rms_norm_eps"], config["layer_scale_initial_scale"]
        self.input_layernorm = RMSNorm(hidden, eps)
        self.self_attn = Attention(config, config["sliding_window"])
        self.self_attn_layer_scale = LayerScale(hidden, scale)
        self.post_attention_layernorm = RMSNorm(hidden, eps)
        self.mlp = MLP(hidden, config["intermediate_size"])
        self.mlp_layer_scale = LayerScale(hidden, scale)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn_layer_scale(self.self_attn(self.input_layernorm(x)))
        return x + self.mlp_layer_scale(self.mlp(self.post_attention_layernorm(x)))


class Transformer(nn.Module):
    def __init__(self, config: Config):
        super().__init__()
        hidden, latent = config["hidden_size"], config["latent_dim"]
        self.input_proj, self.output_proj = nn.Linear(latent, hidden), nn.Linear(hidden, latent)
        self.layers = nn.Sequential(*(TransformerLayer(config) for _ in range(config["num_hidden_layers"])))
        self.norm = RMSNorm(hidden, config["rms_norm_eps"])

    def forward(self, x: Tensor) -> Tensor:
        """[B, latent, T] -> [B, latent, T]"""
        return self.output_proj(self.norm(self.layers(self.input_proj(x.transpose(1, 2))))).transpose(1, 2)


class CodecDecoder(nn.Module):
    """Quantized vectors to samples, in two halves: `rows` at 50 a second, and `samples` of them."""

    def __init__(self, config: Config):
        super().__init__()
        latent, width, rates = config["latent_dim"], config["decoder_dim"], config["upsample_rates"]
        self.pre_conv = CausalConv(config["codebook_dim"], latent, 3)
        self.pre_transformer = Transformer(config)
        self.upsample = nn.Sequential(
            *(
                nn.Sequential(CausalUpsample(latent, latent, rate, rate), ConvNeXt(latent))
                for rate in config["upsampling_ratios"]
            )
        )
        widths = [width >> i for i in range(len(rates) + 1)]
        blocks = [Block(*pair, rate) for pair, rate in zip(zip(widths, widths[1:]), rates)]
        first, last = CausalConv(latent, width, 7), CausalConv(widths[-1], 1, 7)
        self.decoder = nn.Sequential(first, *blocks, Snake(widths[-1]), last)
        upsamples = [block.block[1] for block in blocks]
        for part in (self.pre_conv, self.pre_transformer, self.upsample, first, *upsamples, last):
            part.apply(initialize)
        last.conv.weight.data.mul_(SPEECH_LEVEL)

    def rows(self, quantized: Tensor) -> Tensor:
        """[B, codebook_dim, T] -> [B, latent, T * 4]"""
        y: Tensor = self.upsample(self.pre_transformer(self.pre_conv(quantized)))
        return y

    def samples(self, rows: Tensor) -> Tensor:
        """[B, latent, T * 4] -> [B, T * 1920], not clamped to [-1, 1] yet"""
        y: Tensor = self.decoder(rows)
        return y[:, 0]
