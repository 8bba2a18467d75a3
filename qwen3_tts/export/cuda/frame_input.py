"""The one input of `frame`: all that changes from call to call in one tensor, which is one copy to the device."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

SAMPLING = 6
_NUMBERS = 4


class FrameInput(NamedTuple):
    """Of N utterances; fp32, numbers are whole ones below 2^24. In the order of a row, [N, H + G + 10]."""

    text_row: Tensor  # [N, H], added to the embedding of the frame before
    uniforms: Tensor  # [N, G] in [0, 1)
    sampling: Tensor  # [N, 6] {temperature, top_k, top_p} of the talker, then of the code predictor
    position: Tensor  # [N, 1], which the talker reads the sum at; negative: nobody speaks in this slot
    last_token: Tensor  # [N, 1], which the frame before began with
    may_end: Tensor  # [N, 1]: 1, or 0 while the end token is not drawn
    repetition_penalty: Tensor  # [N, 1] of the tokens since `cp_generate` began

    def packed(self) -> Tensor:
        return torch.cat([part.float() for part in self], dim=1)


def size_of(hidden: int, groups: int) -> int:
    return hidden + groups + SAMPLING + _NUMBERS


def idle(batch: int, hidden: int, groups: int) -> Tensor:
    """The input of `frame` while nobody speaks: zeros, but for the positions, and for what logits are divided by."""
    parts = unpack(torch.zeros(batch, size_of(hidden, groups)), hidden, groups)
    ones = torch.ones(batch, 1)
    return parts._replace(position=-ones, repetition_penalty=ones).packed()


def unpack(packed: Tensor, hidden: int, groups: int) -> FrameInput:
    return FrameInput(*packed.split([hidden, groups, SAMPLING, *[1] * _NUMBERS], dim=1))
