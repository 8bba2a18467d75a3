"""The custom operators `qwen3_tts::*`: definition for export and eager implementation.

Their C++ kernels stand in `runner/src/ops/`. Caches and histories are plain inputs that the operators write through:
the schema does not mark them as mutated, because ExecuTorch would then copy every cache on every call, and because the
session that owns the memory passes it in. Eager and exported programs therefore share one rule: whoever calls owns the
state and hands in the same tensor again.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qwen3_tts import sampling
from qwen3_tts.export.packing import convolution as convolutions
from qwen3_tts.export.packing import int8_convolution as quantized
from qwen3_tts.export.packing.linear import PANEL_ROWS, unpack

_library = torch.library.Library("qwen3_tts", "DEF")


def _define(name: str, arguments: str) -> None:
    """Define the functional operator and the `out` variant that ExecuTorch calls."""
    _library.define(f"{name}({arguments}) -> Tensor")
    _library.define(f"{name}.out({arguments}, *, Tensor(a!) out) -> Tensor(a!)")


_define("rope", "Tensor positions, int head_dim, float theta")
_define(
    "attention",
    "Tensor qkv, Tensor? q_norm, Tensor? k_norm, Tensor rope, Tensor positions, Tensor? slots, Tensor kv, "
    "int layer, int num_heads, int window, float eps",
)
_define(
    "linear",
    "Tensor x, Tensor codes, Tensor scales, Tensor? bias, Tensor? norm, float eps, Tensor? residual",
)
_define("swiglu", "Tensor gate_up")
_define(
    "causal_convolution",  # XNNPACK takes whatever is named convolution
    "Tensor x, Tensor weights, Tensor? bias, Tensor? snake, Tensor? residual, Tensor? history, "
    "int offset, int outputs, int dilation, int rate, int frame_size",
)
_define("depthwise_convolution", "Tensor x, Tensor weights, Tensor bias, Tensor history, int offset")
_define(
    "quantized_convolution",
    "Tensor x, Tensor weights, Tensor scales, Tensor? bias, Tensor? snake, Tensor? history, "
    "int offset, int dilation, int rate",
)
_define(
    "quantized_residual_unit",
    "Tensor x, Tensor weights1, Tensor scales1, Tensor? bias1, Tensor? snake1, "
    "Tensor weights2, Tensor scales2, Tensor? bias2, Tensor? snake2, Tensor history, int offset, int dilation",
)
_define("sample", "Tensor logits, Tensor uniforms, int index, Tensor sampling")


@torch.library.impl(_library, "rope", "CPU")
def rope(positions: Tensor, head_dim: int, theta: float) -> Tensor:
    """Rotation of rows at `positions` [S]: [S, head_dim], cosines then sines.

    Angles are formed in fp32 as the reference does (inverse frequency, then times the position).
    """
    half = torch.arange(0, head_dim, 2, dtype=torch.int64).float() / head_dim
    frequencies = 1.0 / (theta**half)
    angles = positions.float()[:, None] * frequencies  # [S, head_dim / 2]
    return torch.cat([angles.cos(), angles.sin()], dim=1)


@torch.library.register_fake("qwen3_tts::rope", lib=_library)
def _(positions: Tensor, head_dim: int, theta: float) -> Tensor:
    return positions.new_empty(positions.shape[0], head_dim, dtype=torch.float32)


def rms_norm(x: Tensor, weight: Tensor | None, eps: float) -> Tensor:
    return x if weight is None else weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps))


def rotate(x: Tensor, rope_rows: Tensor) -> Tensor:
    """Rotate split halves of x [S, heads, D] by rope_rows [S, D]."""
    cos, sin = rope_rows[:, None, :].chunk(2, dim=-1)
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


def narrow(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Rounded to the nearest number that `dtype` has: what is too large becomes the largest, never infinite."""
    limits = torch.finfo(dtype)
    return x.clamp(limits.min, limits.max).to(dtype)


@torch.library.impl(_library, "attention", "CPU")
def attention(
    qkv: Tensor,
    q_norm: Tensor | None,
    k_norm: Tensor | None,
    rope: Tensor,
    positions: Tensor,
    slots: Tensor | None,
    kv: Tensor,
    layer: int,
    num_heads: int,
    window: int,
    eps: float,
) -> Tensor:
    """Normalise, rotate, store and attend: [S, num_heads * D].

    Row r of qkv [S, (num_heads + 2 * KVH) * D] stands at positions[r] of the utterance whose keys and values are in
    slots[r] (slots [S], or None: all in slot 0) of kv [N, L, 2, KVH, C, D], fp32 or fp16, which is written at
    `position % C` and computed with in fp32. Norms [D] or None; rope [S, D]. A row sees what its utterance has up to
    its own position: the last `window` positions, itself included (0: all of them; then positions are below C). All
    rows are stored before any attends. With a window they are consecutive ones of one utterance.
    """
    _, _, _, num_kv_heads, capacity, head_dim = kv.shape
    num_rows = qkv.shape[0]
    places = positions.tolist()
    owners = [0] * num_rows if slots is None else slots.tolist()
    if window == 0 and max(places) >= capacity:
        raise ValueError(f"position {max(places)} exceeds the cache's {capacity} positions")
    q, k, v = qkv.view(num_rows, -1, head_dim).split([num_heads, num_kv_heads, num_kv_heads], dim=1)
    q = rotate(rms_norm(q, q_norm, eps), rope)
    k = rotate(rms_norm(k, k_norm, eps), rope)
    for row in range(num_rows):
        cache = kv[owners[row], layer]
        cache[0, :, places[row] % capacity] = narrow(k[row], kv.dtype)
        cache[1, :, places[row] % capacity] = narrow(v[row], kv.dtype)
    attended = []
    for row in range(num_rows):
        seen = torch.arange(max(0, places[row] - window + 1) if window else 0, places[row] + 1)
        cached = kv[owners[row], layer][:, :, seen % capacity].float()
        keys, values = cached.repeat_interleave(num_heads // num_kv_heads, dim=1)
        weights = (torch.einsum("hd,hpd->hp", q[row], keys) * head_dim**-0.5).softmax(-1)
        attended.append(torch.einsum("hp,hpd->hd", weights, values).flatten())
    return torch.stack(attended)


@torch.library.register_fake("qwen3_tts::attention", lib=_library)
def _(
    qkv: Tensor,
    q_norm: Tensor | None,
    k_norm: Tensor | None,
    rope: Tensor,
    positions: Tensor,
    slots: Tensor | None,
    kv: Tensor,
    layer: int,
    num_heads: int,
    window: int,
    eps: float,
) -> Tensor:
    return qkv.new_empty(qkv.shape[0], num_heads * kv.shape[5])


def rounded_rows(x: Tensor, group_size: int) -> Tensor:
    """x [S, K] rounded to int8, with one scale for each group of a row, and back."""
    groups = x.unflatten(1, (-1, group_size))
    largest = groups.abs().amax(-1, keepdim=True)
    inverse = torch.where(largest > 0, 127 / largest, 0.0)
    return ((groups * inverse).round() * (largest / 127)).flatten(1)


@torch.library.impl(_library, "linear", "CPU")
def linear(
    x: Tensor,
    codes: Tensor,
    scales: Tensor,
    bias: Tensor | None,
    norm: Tensor | None,
    eps: float,
    residual: Tensor | None,
) -> Tensor:
    """residual + W norm(x) + bias of a packed W [N, K] (packing/linear.py): x [S, K] -> [S, N].

    norm [K] weighs an RMS norm with `eps`, bias [N], residual [S, N]; each may be None. What is multiplied with W is
    quantized to int8, with one scale for each group of a row.
    """
    group_size = x.shape[1] // scales.shape[1]
    y = rounded_rows(rms_norm(x, norm, eps), group_size) @ unpack(codes, scales).t()
    y = y if bias is None else y + bias
    return y if residual is None else residual + y


@torch.library.register_fake("qwen3_tts::linear", lib=_library)
def _(
    x: Tensor,
    codes: Tensor,
    scales: Tensor,
    bias: Tensor | None,
    norm: Tensor | None,
    eps: float,
    residual: Tensor | None,
) -> Tensor:
    return x.new_empty(x.shape[0], codes.shape[0] * PANEL_ROWS)


@torch.library.impl(_library, "swiglu", "CPU")
def swiglu(gate_up: Tensor) -> Tensor:
    """silu(gate) * up of gate_up [S, 2 N], the gates first: [S, N]."""
    gate, up = gate_up.chunk(2, dim=1)
    return torch.nn.functional.silu(gate) * up


@torch.library.register_fake("qwen3_tts::swiglu", lib=_library)
def _(gate_up: Tensor) -> Tensor:
    return gate_up.new_empty(gate_up.shape[0], gate_up.shape[1] // 2)


@torch.library.impl(_library, "causal_convolution", "CPU")
def causal_convolution(
    x: Tensor,
    weights: Tensor,
    bias: Tensor | None,
    snake: Tensor | None,
    residual: Tensor | None,
    history: Tensor | None,
    offset: int,
    outputs: int,
    dilation: int,
    rate: int,
    frame_size: int,
) -> Tensor:
    """residual + a causal convolution of columns x [T, C], through Snake: [T * rate, outputs / rate].

    weights are packed (packing/convolution.py), bias [outputs], snake [2, C], residual as the result; these three may
    be None. One tap needs no history; more keep (taps - 1) * dilation columns, through Snake, in it at `offset`. With
    frame_size > 0, seven taps are computed by minimal filtering of frames of so many columns, which only rounds
    otherwise.
    """
    columns = x if snake is None else convolutions.snake(x, snake)
    columns = convolutions.with_past(columns, history, offset, (weights.shape[1] - 1) * dilation)
    y = convolutions.convolve(columns, weights, len(x), dilation)[:, :outputs]
    y = (y if bias is None else y + bias).reshape(len(x) * rate, -1)
    return y if residual is None else residual + y


@torch.library.register_fake("qwen3_tts::causal_convolution", lib=_library)
def _(
    x: Tensor,
    weights: Tensor,
    bias: Tensor | None,
    snake: Tensor | None,
    residual: Tensor | None,
    history: Tensor | None,
    offset: int,
    outputs: int,
    dilation: int,
    rate: int,
    frame_size: int,
) -> Tensor:
    return x.new_empty(x.shape[0] * rate, outputs // rate)


@torch.library.impl(_library, "depthwise_convolution", "CPU")
def depthwise_convolution(x: Tensor, weights: Tensor, bias: Tensor, history: Tensor, offset: int) -> Tensor:
    """A causal convolution of every channel by itself: x [T, C], weights [taps, C], bias [C] -> [T, C].

    The history keeps taps - 1 columns at `offset`.
    """
    columns = convolutions.with_past(x, history, offset, len(weights) - 1)
    return sum((columns[tap : tap + len(x)] * weight for tap, weight in enumerate(weights)), bias)


@torch.library.register_fake("qwen3_tts::depthwise_convolution", lib=_library)
def _(x: Tensor, weights: Tensor, bias: Tensor, history: Tensor, offset: int) -> Tensor:
    return torch.empty_like(x)


@torch.library.impl(_library, "quantized_convolution", "CPU")
def quantized_convolution(
    x: Tensor,
    weights: Tensor,
    scales: Tensor,
    bias: Tensor | None,
    snake: Tensor | None,
    history: Tensor | None,
    offset: int,
    dilation: int,
    rate: int,
) -> Tensor:
    """A causal convolution in integers of columns x [T, C], through Snake: [T * rate, outputs / rate].

    weights and scales [outputs] are packed (packing/int8_convolution.py), bias [outputs], snake [2, C]; both may be
    None. More taps than one keep the codes of (taps - 1) * dilation columns in the history, then their scales, at
    `offset`.
    """
    y = quantized.quantized_convolution(x, weights, scales, bias, snake, history, offset, dilation)
    return y.view(len(x) * rate, -1)


@torch.library.register_fake("qwen3_tts::quantized_convolution", lib=_library)
def _(
    x: Tensor,
    weights: Tensor,
    scales: Tensor,
    bias: Tensor | None,
    snake: Tensor | None,
    history: Tensor | None,
    offset: int,
    dilation: int,
    rate: int,
) -> Tensor:
    return x.new_empty(x.shape[0] * rate, scales.shape[0] // rate)


@torch.library.impl(_library, "quantized_residual_unit", "CPU")
def quantized_residual_unit(
    x: Tensor,
    weights1: Tensor,
    scales1: Tensor,
    bias1: Tensor | None,
    snake1: Tensor | None,
    weights2: Tensor,
    scales2: Tensor,
    bias2: Tensor | None,
    snake2: Tensor | None,
    history: Tensor,
    offset: int,
    dilation: int,
) -> Tensor:
    """x + two quantized convolutions of x [T, C], the second with one tap: [T, C]."""
    convolve = quantized.quantized_convolution
    y = convolve(x, weights1, scales1, bias1, snake1, history, offset, dilation)
    return convolve(y, weights2, scales2, bias2, snake2, None, 0, 1) + x


@torch.library.register_fake("qwen3_tts::quantized_residual_unit", lib=_library)
def _(
    x: Tensor,
    weights1: Tensor,
    scales1: Tensor,
    bias1: Tensor | None,
    snake1: Tensor | None,
    weights2: Tensor,
    scales2: Tensor,
    bias2: Tensor | None,
    snake2: Tensor | None,
    history: Tensor,
    offset: int,
    dilation: int,
) -> Tensor:
    return torch.empty_like(x)


@torch.library.impl(_library, "sample", "CPU")
def sample(logits: Tensor, uniforms: Tensor, index: int, sampling_parameters: Tensor) -> Tensor:
    """A code of every row [B] int64: logits [B, V], uniforms [B, U] at `index`, {temperature, top_k, top_p} [B, 3].

    A row whose logits hold nothing to draw from gets NOTHING_TO_DRAW; the others are what they would be without it.
    """
    codes = [
        _pick_row(row.numpy(), parameters.tolist(), float(uniform))
        for row, parameters, uniform in zip(logits, sampling_parameters, uniforms[:, index], strict=True)
    ]
    return torch.tensor(codes, dtype=torch.int64)


def _pick_row(logits: NDArray[np.float32], parameters: list[float], uniform: float) -> int:
    temperature, top_k, top_p = parameters
    try:
        return sampling.pick(logits, temperature, int(top_k), top_p, uniform)
    except ValueError:
        return sampling.NOTHING_TO_DRAW


@torch.library.register_fake("qwen3_tts::sample", lib=_library)
def _(logits: Tensor, uniforms: Tensor, index: int, sampling_parameters: Tensor) -> Tensor:
    return logits.new_empty(logits.shape[0], dtype=torch.int64)
