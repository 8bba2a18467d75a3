"""Where the codec decoder begins: its second half as a linear basis of waves, found by principal components.

As frames know their phase (rendering.py), the 480 samples of a row (20 ms) are nearly a linear function of `latent_dim`
numbers. The upsampling layers of the published decoder can hold any such function exactly: each one cuts a row into
pieces, a matrix for each piece. So the decoder begins with the best linear function, and its first half learns to say
the numbers of each row, which needs no samples and is some twenty times as fast as learning through them.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from codec_decoder import Block, CausalConv, CausalUpsample, CodecDecoder, ResidualUnit, Snake
from layout import FULL_SCALE

EMPHASIS = 0.9  # of a sample, taken from the next: high frequencies are faint and count as much
STRAIGHT = 3.0  # Snake's beta, of a function that is nearly a straight line


def emphasis(size: int) -> np.ndarray:
    """[size, size]: samples of a row to those without what the sample before says."""
    return np.eye(size) - EMPHASIS * np.eye(size, k=-1)


class Basis(nn.Module):
    """Of waves [rows, samples]: `into` [dimensions, samples] takes a row to its numbers, of a mean square of one,
    and `back` [samples, dimensions] to the nearest that they can say.

    Part of a run's state: other speech has another basis, which a decoder that has begun with one cannot go on with.
    """

    into: Tensor
    back: Tensor

    def __init__(self, waves: np.ndarray, dimensions: int):
        super().__init__()
        filter = emphasis(waves.shape[1])
        filtered = waves @ filter.T
        values, vectors = np.linalg.eigh(filtered.T @ filtered / len(waves))
        kept = vectors[:, ::-1][:, :dimensions]
        scale = np.sqrt(values[::-1][:dimensions].mean())
        self.register_buffer("into", torch.from_numpy(kept.T @ filter / scale).float())
        self.register_buffer("back", torch.from_numpy(np.linalg.solve(filter, kept) * scale).float())


@torch.no_grad()
def begin_with(decoder: CodecDecoder, back: Tensor) -> None:
    """Makes `decoder.samples` the linear function `back`; what is not needed for it keeps its random weights."""
    for module in decoder.decoder.modules():
        if isinstance(module, Snake):
            module.beta.fill_(STRAIGHT)
        if isinstance(module, ResidualUnit):
            module.conv2.conv.weight.zero_()
    layers = list(decoder.decoder)
    first, last = layers[0], layers[-1]
    assert isinstance(first, CausalConv) and isinstance(last, CausalConv)
    taken = back.shape[1]
    first.conv.weight[:taken].zero_()
    first.conv.weight[:taken, :, -1] = torch.eye(taken)
    pieces = back.t()  # [channels in, samples]
    for block in layers:
        if isinstance(block, Block):
            pieces = cut(block, pieces)
    keep_first(last)


def cut(block: Block, pieces: Tensor) -> Tensor:
    """Lets the upsampling layer make pieces of a row's samples, one a channel: returns how the next one reads them."""
    upsample = block.block[1]
    assert isinstance(upsample, CausalUpsample)
    rate = upsample.rate
    size = pieces.shape[1] // rate
    upsample.conv.weight[:, :size].zero_()
    for place in range(rate):
        upsample.conv.weight[: len(pieces), :size, place] = pieces[:, place * size : (place + 1) * size]
    return torch.eye(size)


def keep_first(last: CausalConv) -> None:
    last.conv.weight.zero_()
    last.conv.weight[0, 0, -1] = 1


def rows_of(samples: np.ndarray, size: int) -> np.ndarray:
    """[N] int16 -> [N / size, size] fp32, full scale one."""
    return samples.reshape(-1, size).astype(np.float32) / FULL_SCALE
