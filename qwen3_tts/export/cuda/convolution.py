"""The codec's convolutions as products of shifted columns: Inductor has no Triton template for dilated ones."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qwen3_tts.export.stages.codec_decoder import CausalConv, CausalUpsample, Snake


class Before(NamedTuple):
    """Where the CPU passes the history: whose earlier columns count."""

    goes_on: Tensor  # bool [1]: whether the utterance has begun; if not, what is kept counts as zeros
    slot: Tensor  # int64 [1]


class ColumnConv(nn.Module):
    """A CausalConv over columns [T, C] that keeps the earlier columns of `batch` utterances itself.

    All taps are one product: column t stands beside those `dilation`, 2 `dilation`, … before it.
    """

    past: Tensor  # [slots, (taps - 1) * dilation, C]

    def __init__(self, conv: CausalConv, batch: int):
        super().__init__()
        outputs, inputs, self.taps = conv.weight.shape
        self.dilation, self.length, self.depthwise = conv.dilation[0], conv.length, conv.groups > 1
        self.rate = conv.rate if isinstance(conv, CausalUpsample) else 1
        by_tap = conv.weight.transpose(1, 2)  # [outputs, taps, inputs / groups]
        weight = by_tap[..., 0].t() if self.depthwise else by_tap.reshape(outputs, -1)
        self.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
        self.bias = conv.bias
        if self.length:
            self.register_buffer("past", torch.zeros(batch, self.length, outputs if self.depthwise else inputs))

    def forward(self, x: Tensor, before: Before, snake: Snake | None = None, residual: Tensor | None = None) -> Tensor:
        """residual + the convolution of x, or of snake(x): [T, C] -> [T * rate, outputs / rate]."""
        x = x if snake is None else snake(x)
        count = x.shape[0]
        if self.length:
            x = self._behind_the_past(x, before)
        shifted = [x[tap * self.dilation :][:count] for tap in range(self.taps)]
        y = self._depthwise(shifted) if self.depthwise else F.linear(torch.cat(shifted, 1), self.weight, self.bias)
        y = y.reshape(count * self.rate, -1)
        return y if residual is None else residual + y

    def _behind_the_past(self, x: Tensor, before: Before) -> Tensor:
        """[length + T, C], of which the last columns are kept."""
        is_only_slot = self.past.shape[0] == 1
        past = self.past[0] if is_only_slot else self.past.index_select(0, before.slot)[0]
        x = torch.cat([torch.where(before.goes_on, past, 0.0), x])
        kept = x[-self.length :][None]
        if is_only_slot:
            self.past.copy_(kept)
        else:
            self.past.index_copy_(0, before.slot, kept)
        return x

    def _depthwise(self, shifted: list[Tensor]) -> Tensor:
        y = sum((x * weight for x, weight in zip(shifted, self.weight)), torch.zeros(()))
        return y if self.bias is None else y + self.bias
