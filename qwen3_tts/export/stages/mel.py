"""The mel front end of the speaker encoder: samples to log-mel rows (qwen-tts mel_spectrogram; librosa's filters)."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from qwen3_tts.export.stages.layers import to_rows, to_signal

FFT_SIZE = 1024
HOP = 256
POWER_FLOOR = 1e-9
MEL_FLOOR = 1e-5


def slaney_mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slaney's scale: linear below 1000 Hz (15 mel), then logarithmic."""
    linear = hertz * 3 / 200
    return np.where(hertz < 1000, linear, 15 + np.log(np.maximum(hertz, 1000) / 1000) * 27 / np.log(6.4))


def slaney_hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))


def mel_filters(sample_rate: int, num_mels: int) -> NDArray[np.float32]:
    """Triangles of equal area from 0 Hz to half the sample rate: [num_mels, FFT_SIZE / 2 + 1]."""
    bins = np.linspace(0, sample_rate / 2, FFT_SIZE // 2 + 1)
    top = slaney_mel(np.array(sample_rate / 2))
    edges = slaney_hertz(np.linspace(0, top, num_mels + 2))
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    area = (edges[2:] - edges[:-2])[:, None] / 2
    return (np.maximum(0, np.minimum(rising, falling)) / area).astype(np.float32)


def blocks_of(samples: Tensor) -> Tensor:
    """Samples [n] in blocks [n // HOP + 1, HOP], zeros behind them: the last block is never full."""
    return F.pad(samples, (0, HOP - len(samples) % HOP)).view(-1, HOP)


class MelSpectrogram(nn.Module):
    """Log-mel rows of a recording, which is mirrored at both ends.

    The transform is a convolution with windowed cosines and sines over blocks of samples, which XNNPACK takes whole.
    Nothing here is a tensor of the checkpoint.
    """

    cosines: Tensor
    sines: Tensor
    filters: Tensor

    def __init__(self, sample_rate: int, num_mels: int):
        super().__init__()
        steps = np.arange(FFT_SIZE)
        window = 0.5 - 0.5 * np.cos(2 * np.pi * steps / FFT_SIZE)
        # Products modulo the size keep the angles small, and the basis exact to fp32.
        angles = 2 * np.pi * (np.outer(np.arange(FFT_SIZE // 2 + 1), steps) % FFT_SIZE) / FFT_SIZE
        self._constant("cosines", self._kernel(window * np.cos(angles)))
        self._constant("sines", self._kernel(window * np.sin(angles)))
        self._constant("filters", torch.from_numpy(mel_filters(sample_rate, num_mels)))

    def _constant(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value, persistent=False)

    @staticmethod
    def _kernel(basis: NDArray[np.float64]) -> Tensor:
        """[bins, FFT_SIZE] -> weight [bins, HOP, 1, FFT_SIZE / HOP] of a convolution over blocks."""
        blocks = basis.reshape(len(basis), -1, HOP).transpose(0, 2, 1)[:, :, None]
        return torch.from_numpy(np.ascontiguousarray(blocks, dtype=np.float32))

    def forward(self, blocks: Tensor, num_samples: Tensor) -> Tensor:
        """Rows [T, num_mels] of blocks [T + 1, HOP], cut as `blocks_of` does, that hold `num_samples` [1] (int64)."""
        num_blocks = blocks.shape[0] + FFT_SIZE // HOP - 2
        index = torch.arange(0, num_blocks * HOP) - (FFT_SIZE - HOP) // 2
        last = num_samples - 1
        mirrored = last - (last - index.abs()).abs()
        padded = blocks.view(-1).index_select(0, mirrored)
        signal = to_signal(padded.view(num_blocks, HOP))
        real, imaginary = F.conv2d(signal, self.cosines), F.conv2d(signal, self.sines)
        magnitude = torch.sqrt(real * real + imaginary * imaginary + POWER_FLOOR)
        return torch.log(F.linear(to_rows(magnitude), self.filters).clamp(min=MEL_FLOOR))
