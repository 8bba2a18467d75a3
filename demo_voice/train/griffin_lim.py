"""Sound of the spectrum that codes say, before there is a waveform decoder (Griffin and Lim 1984).

It is rough, but words that Whisper finds in it are in the codes: of the true spectrum it hears 98 %.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from train_codes import FFT, FLOOR, HOP, LOW_BINS, MEL_BINS, Spectrum

ROUNDS = 50
PADDING = (FFT - HOP) // 2  # as Spectrum has it
SMALLEST = 1e-8


def magnitudes(spectrum: Tensor, target: Spectrum) -> Tensor:
    """|STFT| [frames, bins] of a log spectrum [frames, MEL_BINS + LOW_BINS]; mel bands are spread evenly."""
    values = (spectrum.exp() - FLOOR).clamp(min=0)
    shares = target.mel / target.mel.sum(1, keepdim=True)
    spread = values[:, :MEL_BINS] @ shares.t()
    return torch.cat([values[:, MEL_BINS:], spread[:, LOW_BINS:]], dim=1) * (FFT / 4)


def overlapped(pieces: Tensor) -> Tensor:
    """Sum of pieces [frames, FFT], each HOP behind the one before: [(frames - 1) * HOP + FFT]"""
    length = (len(pieces) - 1) * HOP + FFT
    return F.fold(pieces.t()[None], (1, length), (1, FFT), stride=(1, HOP))[0, 0, 0]


def sound(spectrum: Tensor, target: Spectrum) -> Tensor:
    """Samples [frames * HOP] of a log spectrum [frames, MEL_BINS + LOW_BINS]."""
    wanted, window = magnitudes(spectrum, target), target.window
    weight = overlapped(window.square().expand(len(wanted), -1)).clamp(min=1e-3)
    angles = 2 * torch.pi * torch.rand(wanted.shape, generator=torch.Generator().manual_seed(0))
    phases = torch.polar(torch.ones_like(angles), angles)
    samples = torch.empty(0)
    for _ in range(ROUNDS):
        samples = overlapped(torch.fft.irfft(wanted * phases, n=FFT) * window) / weight
        found = torch.fft.rfft(samples.unfold(0, FFT, HOP) * window)
        phases = found / found.abs().clamp(min=SMALLEST)
    return samples[PADDING : len(samples) - PADDING]
