"""How far a made sound is from the true one, at several resolutions: its spectra, and its waves.

Spectra as in Yamamoto et al. 2020 (Parallel WaveGAN, arXiv:1910.11480). Waves are compared as spectra with their phase,
their magnitudes compressed so that quiet bands count too (Ephrat et al. 2018, arXiv:1804.03619). Sounds are [B, N].
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RESOLUTIONS = (256, 512, 1024, 2048)
WAVES = (512, 1024)
FLOOR = 1e-4
COMPRESSION = 0.5
SMALLEST = 1e-6  # power below which a spectrum is not compressed


class Spectra(nn.Module):
    """STFT of a Hann window: [B, N] -> [B, bins, frames] complex; a sine's peak is about its amplitude."""

    window: Tensor

    def __init__(self, size: int):
        super().__init__()
        self.size = size
        self.register_buffer("window", torch.hann_window(size), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stft(x, self.size, self.size // 4, window=self.window, return_complex=True) / (self.size / 4)


def magnitude(spectrum: Tensor) -> Tensor:
    power = spectrum.real.square() + spectrum.imag.square()  # abs() has no gradient at zero
    return (power + 1e-10).sqrt()


def compressed(spectrum: Tensor) -> Tensor:
    """[..., 2]: real and imaginary parts of a spectrum whose magnitudes are raised to COMPRESSION."""
    parts = torch.view_as_real(spectrum)
    power = parts.square().sum(-1, keepdim=True) + SMALLEST
    return parts * power ** ((COMPRESSION - 1) / 2)


class SoundLoss(nn.Module):
    """(spectrum, wave): L1 of logarithmic magnitudes and of compressed spectra, means over the resolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.scales = nn.ModuleList(Spectra(size) for size in RESOLUTIONS)

    def forward(self, made: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
        spectrum, wave = made.new_zeros(()), made.new_zeros(())
        for size, scale in zip(RESOLUTIONS, self.scales):
            a, b = scale(made), scale(true)
            spectrum = spectrum + F.l1_loss((magnitude(a) + FLOOR).log(), (magnitude(b) + FLOOR).log())
            if size in WAVES:
                wave = wave + F.l1_loss(compressed(a), compressed(b))
        return spectrum / len(RESOLUTIONS), wave / len(WAVES)
