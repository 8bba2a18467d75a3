"""The one input of `frame`: all that changes from call to call in one vector, which is one copy to the device."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

SAMPLING = 6
_NUMBERS = 4


class FrameInput(NamedTuple):
    """fp32; numbers are whole ones below 2^24. In the order of the vector, [H + G + 10]."""

    text_row: Tensor  # [H], added to the embedding of the frame before
    uniforms: Tensor  # [G] in [0, 1)
    sampling: Tensor  # [6] {temperature, top_k, top_p} of the talker, then of the code predictor
    position: Tensor  # [1], which the talker reads the sum at
    last_token: Tensor  # [1], which the frame before began with
    may_end: Tensor  # [1]: 1, or 0 while the end token is not drawn
    repetition_penalty: Tensor  # [1] of the tokens since `cp_generate` began

    def packed(self) -> Tensor:
        return torch.cat([part.float().flatten() for part in self])


def size_of(hidden: int, groups: int) -> int:
    return hidden + groups + SAMPLING + _NUMBERS


def unpack(packed: Tensor, hidden: int, groups: int) -> FrameInput:
    return FrameInput(*packed.split([hidden, groups, SAMPLING, *[1] * _NUMBERS]))
